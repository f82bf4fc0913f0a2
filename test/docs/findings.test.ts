// docs/findings.md has what the program may say is wrong, each in its place.
import { expect, test } from "bun:test";
import { EXIT } from "../../cli/failure.ts";
import { CHECKS } from "../../src/doctor/checks.ts";
import { FINDING_KINDS } from "../../src/domain/finding.ts";
import { proseOf, textOf } from "./pages.ts";

const lines = proseOf(textOf("docs/findings.md"));

/** The first cells of the table under a heading. */
function firstCells(heading: string): string[] {
  const rest = lines.slice(lines.indexOf(heading) + 1);
  const end = rest.findIndex((line) => line.startsWith("## "));
  const rows = rest.slice(0, end).filter((line) => line.startsWith("| "));
  return rows.slice(1).map((row) => row.split("|")[1]?.trim() ?? "");
}

test("every kind of finding, in the order of the exception report", () => {
  const kinds = lines.flatMap((line) => /^### (.*)$/.exec(line)?.[1] ?? []);
  expect(kinds).toEqual([...FINDING_KINDS]);
});

test("every check of doctor", () => {
  const named = firstCells("## doctor says FAIL or warning").flatMap((cell) => cell.split(", "));
  expect(named).toEqual(CHECKS.map(([name]) => name));
});

test("every exit code", () => {
  const codes = firstCells("## Exit codes").map(Number);
  expect(codes).toEqual([...Object.values(EXIT), 137]);
});
