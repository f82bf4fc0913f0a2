// Where a report goes: to standard output, or whole into a file of its own.
import {
  closeSync,
  fsyncSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Page, Section } from "../src/reports/page.ts";
import { Failure } from "./failure.ts";
import { clean, cleanLines, facts, table, writePart } from "./output.ts";

/** The format asked for; --json is the same as --format json. */
export function formatOf<F extends string>(options: {
  readonly format?: F;
  readonly json?: true;
}): F | "json" | "table" {
  const { format, json } = options;
  if (json !== true) return format ?? "table";
  if (format === undefined || format === "json") return "json";
  throw new Failure("usage", `--json and --format ${format} exclude each other: leave one out`);
}

/** A page as a terminal shows it, without the columns that only paper has room for. */
export function pageText(page: Page): string {
  const parts = [page.title, facts(page.facts), ...page.sections.map(sectionText)];
  if (page.sections.some(hasMore)) parts.push("More figures of each: --format html, csv or json.");
  return `${parts.join("\n\n")}\n`;
}

function hasMore({ columns, rows }: Section): boolean {
  return rows.length > 0 && columns.some(({ only }) => only === "page");
}

function sectionText({ title, columns, rows, total, none }: Section): string {
  if (rows.length === 0) return `${clean(title)}\n${none}`;
  const shown = columns.flatMap(({ only }, index) => (only === "page" ? [] : [index]));
  const pick = <T>(row: readonly T[]) => shown.flatMap((index) => row[index] ?? []);
  const all = total === undefined ? rows : [...rows, total];
  return `${clean(title)}\n${table(pick(columns), all.map(pick))}`;
}

/** Writes a report where it was asked for; it is there, and durable, once this resolves. */
export async function deliver(text: string, output: string | undefined): Promise<void> {
  if (output === undefined) return writePart(text);
  writeWhole(output, cleanLines(text));
}

/** A link or a device of that name would be replaced by the new file: nobody means that. */
function assertReplaceable(file: string): void {
  if (basename(file) === "" || file.endsWith("/")) {
    throw new Failure("usage", `--output ${file} names no file: write it like exceptions.html`);
  }
  const there = lstatSync(file, { throwIfNoEntry: false });
  if (there !== undefined && !there.isFile()) {
    throw new Failure("usage", `--output ${file} is no plain file: name another`);
  }
}

function syncFolder(folder: string): void {
  const descriptor = openSync(folder, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** All or nothing: a reader finds the old file or the new one, and only its owner may read it. */
function writeWhole(file: string, text: string): void {
  assertReplaceable(file);
  const folder = dirname(file);
  const draft = join(folder, `.${basename(file)}.${process.pid}.tmp`);
  try {
    writeFileSync(draft, text, { mode: 0o600, flag: "wx", flush: true });
    renameSync(draft, file);
    syncFolder(folder);
  } catch (error) {
    rmSync(draft, { force: true });
    const why = error instanceof Error ? error.message : String(error);
    throw new Failure("failed", `the report could not be written to ${file}: ${why}`);
  }
}
