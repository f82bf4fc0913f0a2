// Where a report goes: to standard output, or whole into a file of its own.
import {
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { isDataDir } from "../src/bank.ts";
import { messageOf } from "../src/errors.ts";
import { isOwnFile, syncFolder } from "../src/files.ts";
import type { Page, Section } from "../src/reports/page.ts";
import { followedBy, isEmpty, mapped } from "../src/storage/pages.ts";
import { Failure } from "./failure.ts";
import { clean, cleanLines, facts, largeParts, tableLines, writeParts } from "./output.ts";

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

/** Prose is broken for the narrowest terminal: no text that a script reads. */
const PROSE_WIDTH = 80;

/** A page as a terminal shows it, without the columns that only paper has room for, in parts. */
export function* pageParts(page: Page): Iterable<string> {
  yield `${page.title}\n\n${facts(page.facts)}`;
  for (const section of page.sections) yield* sectionParts(section);
  if (page.sections.some(hasMore)) {
    yield "\n\nMore figures of each: --format html, csv or json.";
  }
  if (page.foot !== undefined) {
    const { label, value, advice } = page.foot;
    yield `\n\n${label}:\n${value}\n${Bun.wrapAnsi(advice, PROSE_WIDTH)}`;
  }
  yield "\n";
}

function hasMore({ columns, rows }: Section): boolean {
  return columns.some(({ only }) => only === "page") && !isEmpty(rows);
}

function* sectionParts({ title, columns, rows, total, none }: Section): Iterable<string> {
  yield `\n\n${clean(title)}`;
  if (isEmpty(rows)) {
    yield `\n${none}`;
    return;
  }
  const shown = columns.flatMap(({ only }, index) => (only === "page" ? [] : [index]));
  const pick = <T>(row: readonly T[]) => shown.flatMap((index) => row[index] ?? []);
  const all = total === undefined ? rows : followedBy(rows, total);
  for (const line of tableLines(pick(columns), mapped(all, pick))) yield `\n${line}`;
}

/** True where --output names a file; "-" is standard output, as where it is not given. */
export const namesFile = (output: string | undefined): output is string =>
  output !== undefined && output !== "-";

/**
 * Writes a report where it was asked for; it is there, and durable, once this resolves. In a dry run
 * a file is only looked at.
 */
export async function deliver(
  parts: Iterable<string>,
  output: string | undefined,
  dryRun: boolean,
): Promise<void> {
  if (!namesFile(output)) await writeParts(parts);
  else if (dryRun) assertReplaceable(output);
  else writeWhole(output, parts);
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
  refuseOfBank(file);
}

/** Refuses a name among what a bank keeps in its data dir, whichever bank that is. */
export function refuseOfBank(file: string): void {
  if (isOfBank(file)) {
    throw new Failure("refused", `--output ${file} is a bank's own: name a file elsewhere`);
  }
}

/** A report must not take the place of a bank's database, its configuration or its keys. */
function isOfBank(file: string): boolean {
  if (!existsSync(dirname(file))) return false;
  const folder = realpathSync(dirname(file));
  return (
    (isDataDir(folder) && isOwnFile(basename(file))) ||
    (isDataDir(dirname(folder)) && isOwnFile(basename(folder)))
  );
}

/** All or nothing: a reader finds the old file or the new one, and only its owner may read it. */
function writeWhole(file: string, parts: Iterable<string>): void {
  assertReplaceable(file);
  const folder = dirname(file);
  const draft = join(folder, `.${basename(file)}.${process.pid}.tmp`);
  // Only what the disk says: a part may fail too, while it is read from the bank.
  const onDisk = <T>(act: () => T): T => {
    try {
      return act();
    } catch (error) {
      const why = messageOf(error);
      throw new Failure("failed", `the report could not be written to ${file}: ${why}`);
    }
  };
  const descriptor = onDisk(() => openSync(draft, "wx", 0o600));
  try {
    try {
      for (const part of largeParts(parts)) {
        onDisk(() => writeFileSync(descriptor, cleanLines(part)));
      }
      onDisk(() => fsyncSync(descriptor));
    } finally {
      closeSync(descriptor);
    }
    onDisk(() => renameSync(draft, file));
    onDisk(() => syncFolder(folder));
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}
