// Rows as CSV: RFC 4180, UTF-8, one record a line, lines end with LF. For scripts and spreadsheets
// both: a stored text that a spreadsheet would run as a formula gets an apostrophe before it, and a
// control character is written as its \u escape, so that no record ever spans two lines.
import { stringify } from "csv-stringify/sync";
import { formatAmount, type Minor } from "../domain/money.ts";
import { clean } from "../printable.ts";

/** A value that is our own figure or name and is written as it is: "-12.50", "@clickatell". */
export type Exact = { readonly exact: string };
export type Cell = string | number | null | Exact;

export type Csv = {
  readonly columns: readonly string[];
  /** Read once. */
  readonly rows: Iterable<readonly Cell[]>;
};

/** So many rows become one part of the text. */
const ROWS_A_PART = 500;

/** An amount as a decimal; the sign of a negative one is no formula. */
export function decimal(amount: Minor | null, minorDigits: number): Exact | null {
  return amount === null ? null : { exact: formatAmount(amount, minorDigits) };
}

function lines(rows: readonly (readonly Cell[])[]): string {
  return stringify(
    rows.map((row) => [...row]),
    {
      record_delimiter: "\n",
      escape_formulas: true,
      cast: {
        string: clean,
        object: (value) => ({ value: (value as Exact).exact, escape_formulas: false }),
      },
    },
  );
}

/** The text in parts, the first line with the columns' names. */
export function* csvParts({ columns, rows }: Csv): Iterable<string> {
  yield lines([columns]);
  let part: (readonly Cell[])[] = [];
  for (const row of rows) {
    part.push(row);
    if (part.length < ROWS_A_PART) continue;
    yield lines(part);
    part = [];
  }
  if (part.length > 0) yield lines(part);
}
