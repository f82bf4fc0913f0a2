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
  readonly rows: readonly (readonly Cell[])[];
};

/** An amount as a decimal; the sign of a negative one is no formula. */
export function decimal(amount: Minor | null, minorDigits: number): Exact | null {
  return amount === null ? null : { exact: formatAmount(amount, minorDigits) };
}

function lines(rows: Csv["rows"]): string {
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

/** The first line: the columns' names. */
export function csvHeader(columns: readonly string[]): string {
  return lines([columns]);
}

/** Lines without a header, for what is written page by page. */
export function csvLines(rows: Csv["rows"]): string {
  return rows.length === 0 ? "" : lines(rows);
}

export function csvText({ columns, rows }: Csv): string {
  return csvHeader(columns) + csvLines(rows);
}
