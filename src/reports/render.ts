// A report in the formats that need no terminal.
import { type Csv, csvText } from "./csv.ts";
import { htmlText } from "./html.ts";
import type { Page } from "./page.ts";

export const FORMATS = ["table", "csv", "json", "html"] as const;
export type Format = (typeof FORMATS)[number];

/** The three shapes of one report: for scripts, for spreadsheets, for people. */
export type Report = {
  readonly json: () => unknown;
  readonly csv: () => Csv;
  readonly page: () => Page;
  /** How many lines need somebody. */
  readonly findings: number;
};

/** The text of a report; a table is the terminal's business. */
export function render(report: Report, format: Exclude<Format, "table">): string {
  switch (format) {
    case "csv":
      return csvText(report.csv());
    case "json":
      return `${JSON.stringify(report.json(), null, 2)}\n`;
    case "html":
      return htmlText(report.page());
  }
}
