// What a command writes: one JSON document for scripts, or text and tables for people. Whatever was
// stored by others goes through `clean` on its way to a terminal.
import { styleText } from "node:util";
import { formatAmount, type Minor, parseAmount } from "../src/domain/money.ts";
import { clean, cleanLines } from "../src/printable.ts";
import type { Bank } from "../src/storage/store.ts";
import { Failure } from "./failure.ts";

export { clean, cleanLines };

/** One JSON document on standard output. JSON's own escapes keep the meaning of what is unsafe. */
export function printJson(value: unknown): void {
  process.stdout.write(`${cleanLines(JSON.stringify(value, null, 2))}\n`);
}

/** The words in the first or second column of a line that tell how something stands. */
const VERDICTS = { ok: "green", OFF: "red", FAIL: "red", warning: "yellow" } as const;

/** Colours the verdicts, once the text is clean: what others stored brings no colours of its own. */
function withVerdicts(text: string): string {
  return text.replace(/^(\S+(?: \S+)* {2,})?(ok|OFF|FAIL|warning)(?= {2})/gm, (_, first, word) => {
    const colour = VERDICTS[word as keyof typeof VERDICTS];
    return (first ?? "") + styleText(colour, word, { stream: process.stdout });
  });
}

/** Text for people on standard output. */
export function printText(text: string): void {
  process.stdout.write(`${withVerdicts(cleanLines(text))}\n`);
}

/** Resolves once the text was taken. If it cannot be, main.ts ends. */
function writePart(text: string): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.write(cleanLines(text), (error) => {
      if (error == null) resolve();
    });
  });
}

/** Few enough that each is quickly taken, many enough that a long answer is written at once. */
const CHARACTERS_A_PART = 65_536;

/** Small parts gathered to larger ones, so that each is worth a write. */
export function* largeParts(parts: Iterable<string>): Iterable<string> {
  let gathered = "";
  for (const part of parts) {
    gathered += part;
    if (gathered.length < CHARACTERS_A_PART) continue;
    yield gathered;
    gathered = "";
  }
  yield gathered;
}

/** Writes an answer of any length, of which no more is in memory than what is being written. */
export async function writeParts(parts: Iterable<string>): Promise<void> {
  for (const part of largeParts(parts)) await writePart(part);
}

let quiet = false;

/** From now on only warnings and errors stand beside the answer. */
export function beQuiet(): void {
  quiet = true;
}

/** A line beside the answer, on standard error, that can be done without: what is used. */
export function note(text: string): void {
  if (!quiet) process.stderr.write(`${onError("dim", cleanLines(text))}\n`);
}

/** A line beside the answer that is always said: what may go wrong. */
export function warn(text: string): void {
  process.stderr.write(`${onError("yellow", "warning:")} ${cleanLines(text)}\n`);
}

/** A line beside the answer that is always said: what went wrong. */
export function complain(text: string): void {
  process.stderr.write(`${errorText(`error: ${text}`)}\n`);
}

/** The text of an error as standard error shows it. */
export function errorText(text: string): string {
  const lines = cleanLines(text).split("\n").map(wrapped);
  return lines.join("\n").replace(/^error:/, (word) => onError("red", word));
}

/** Colours stand on a terminal alone, and not under NO_COLOR or --no-color. */
function onError(colour: "dim" | "yellow" | "red", text: string): string {
  return styleText(colour, text, { stream: process.stderr });
}

/** An amount as people read it: "5000.00 ZAR". */
export function money(amount: Minor, bank: Pick<Bank, "minorDigits" | "currency">): string {
  return `${formatAmount(amount, bank.minorDigits)} ${bank.currency}`;
}

/**
 * Reads an amount that a person typed; `what` names it in the usage error ("--balance").
 * Gives minor units of the bank's currency.
 */
export function readAmount(text: string, what: string, bank: Bank): Minor {
  return parseAmount(text, bank.minorDigits) ?? fail(amountAdvice(text, what, bank));
}

/** The same for an amount that moves, which must be more than nothing. */
export function readPositiveAmount(text: string, what: string, bank: Bank): Minor {
  const amount = readAmount(text, what, bank);
  return amount > 0 ? amount : fail(`${what} ${text} moves nothing: name more than zero`);
}

/** Why a text is no amount, and what a valid one looks like. */
export function amountAdvice(text: string, what: string, bank: Bank): string {
  const digits = bank.minorDigits;
  const example = `${2500}${digits > 0 ? `.${"0".repeat(digits)}` : ""}`;
  const most = digits === 0 ? "without a decimal point" : `with at most ${digits} decimals`;
  return `${what} ${text} is no amount: write it in ${bank.currency} like ${example}, ${most} and 12 digits in all`;
}

function fail(message: string): never {
  throw new Failure("usage", message);
}

// ---------------------------------------------------------------- tables

export type Column = {
  readonly title: string;
  readonly align?: "right";
  /** Never broken, so that it can be copied: a reference. */
  readonly whole?: true;
};

const GAP = "  ";
const NARROWEST = 8;

function terminalWidth(): number {
  // Into a pipe or a file every row is one line, for the next program to search.
  return Math.max(40, process.stdout.columns ?? Number.MAX_SAFE_INTEGER);
}

function canShrink(column: Column | undefined): boolean {
  return column?.align !== "right" && column?.whole !== true;
}

/** Takes width from the widest columns of text until the table fits; figures are never broken. */
function fitted(columns: readonly Column[], natural: readonly number[], width: number): number[] {
  const widths = [...natural];
  const room = width - GAP.length * (columns.length - 1);
  let excess = widths.reduce((sum, each) => sum + each, 0) - room;
  while (excess > 0) {
    const widest = widths.reduce(
      (best, each, index) =>
        canShrink(columns[index]) && each > Math.max(NARROWEST, widths[best] ?? 0) ? index : best,
      -1,
    );
    if (widest === -1) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
    excess -= 1;
  }
  return widths;
}

function pad(text: string, width: number, column: Column | undefined): string {
  const blank = " ".repeat(Math.max(0, width - Bun.stringWidth(text)));
  return column?.align === "right" ? blank + text : text + blank;
}

/** The screen lines of one row: a cell that is too long goes on below itself, complete. */
function rowLines(
  cells: readonly string[],
  columns: readonly Column[],
  widths: readonly number[],
): string[] {
  const wrapped = cells.map((cell, index) => {
    const width = widths[index] ?? NARROWEST;
    if (Bun.stringWidth(cell) <= width) return [cell];
    return Bun.wrapAnsi(cell, width, { hard: true }).split("\n");
  });
  const height = Math.max(...wrapped.map((lines) => lines.length));
  return Array.from({ length: height }, (_, line) =>
    wrapped
      .map((lines, index) => pad(lines[line] ?? "", widths[index] ?? 0, columns[index]))
      .join(GAP)
      .trimEnd(),
  );
}

type Rows = Iterable<readonly string[]>;

const longestWord = (text: string): number =>
  Math.max(...text.split(" ").map((word) => word.length));

/** Over figures a title of several words may stand in several lines, where there is little room. */
function widthsOf(columns: readonly Column[], rows: Rows): number[] {
  const roomy = naturalWidths(columns, rows, ({ title }) => title.length);
  if (lengthOf(roomy) <= terminalWidth()) return roomy;
  const narrow = naturalWidths(columns, rows, ({ title, align }) =>
    align === "right" ? longestWord(title) : title.length,
  );
  return fitted(columns, narrow, terminalWidth());
}

const lengthOf = (widths: readonly number[]): number =>
  widths.reduce((sum, each) => sum + each, GAP.length * (widths.length - 1));

function naturalWidths(
  columns: readonly Column[],
  rows: Rows,
  titleWidth: (column: Column) => number,
): number[] {
  const natural = columns.map(titleWidth);
  for (const row of rows) {
    for (const [index, cell] of row.entries()) {
      natural[index] = Math.max(natural[index] ?? 0, Bun.stringWidth(clean(cell)));
    }
  }
  return natural;
}

function* linesOf(columns: readonly Column[], rows: Rows, widths: readonly number[]) {
  for (const row of rows) yield* rowLines(row.map(clean), columns, widths);
}

/**
 * The lines of a table no wider than the terminal, where there is one. Its rows are read twice:
 * first for the widths of its columns, then for its lines.
 */
export function* tableLines(columns: readonly Column[], rows: Rows): Iterable<string> {
  const widths = widthsOf(columns, rows);
  const titles = columns.map(({ title }) => title);
  yield* rowLines(titles, columns, widths);
  yield widths.map((width) => "-".repeat(width)).join(GAP);
  yield* linesOf(columns, rows, widths);
}

/** The same as one text. */
export function table(columns: readonly Column[], rows: Rows): string {
  return [...tableLines(columns, rows)].join("\n");
}

const HANGING = "    ";

/** A line of text, in several where the terminal is too narrow for it. */
export function wrapped(line: string): string {
  const width = terminalWidth();
  if (Bun.stringWidth(line) <= width) return line;
  return Bun.wrapAnsi(line, width - HANGING.length, { hard: true, trim: false })
    .split("\n")
    .map((piece, index) => (index === 0 ? piece : `${HANGING}${piece.trimStart()}`))
    .map((piece) => piece.trimEnd())
    .join("\n");
}

/** The facts of one thing, a line each: a label and what it is, or more columns than that. */
export function facts(rows: readonly (readonly [label: string, ...values: string[]])[]): string {
  const columns = (rows[0] ?? []).map((): Column => ({ title: "" }));
  return [...linesOf(columns, rows, widthsOf(columns, rows))].join("\n");
}
