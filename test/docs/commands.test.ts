// docs/commands.md and the manual page are made from the program, and say what it does today.
import { describe, expect, test } from "bun:test";
import { program } from "../../cli/program.ts";
import { manualPage, referencePage } from "../../cli/reference.ts";
import { tool } from "../tools.ts";
import { textOf } from "./pages.ts";

test("docs/commands.md is what the program says (npm run reference makes it anew)", () => {
  expect(textOf("docs/commands.md")).toBe(referencePage(program()));
});

describe("the manual page", () => {
  const page = manualPage(program());

  type Said = { readonly out: string; readonly err: string };

  async function checkedBy(name: string, line: readonly string[]): Promise<Said | null> {
    const path = tool(name, "the manual page");
    if (path === null) return null;
    const child = Bun.spawn([path, ...line], {
      stdin: new Blob([page]),
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, err] = [new Response(child.stdout).text(), new Response(child.stderr).text()];
    return { out: await out, err: await err };
  }

  test("has every command once", () => {
    const headings = page.split("\n").filter((line) => line.startsWith(".SS "));
    expect(headings.length).toBeGreaterThan(40);
    expect(new Set(headings).size).toBe(headings.length);
  });

  test("has no fault that mandoc knows, but for the date that it has not", async () => {
    const said = await checkedBy("mandoc", ["-T", "lint", "-W", "warning"]);
    if (said === null) return;
    expect(said.out.trim().split("\n")).toEqual([expect.stringContaining("missing date")]);
  });

  test("is shown by groff without a complaint, and nothing of it is taken for an instruction", async () => {
    const said = await checkedBy("groff", ["-man", "-ww", "-Tascii", "-P-cbou"]);
    if (said === null) return;
    expect(said.err).toBe("");
    expect(said.out).toContain("TRANSACT-BANK(1)");
    expect(said.out).toContain("transact-bank accounts import - --yes < accounts.csv");
  });
});
