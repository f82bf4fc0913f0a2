// A report in the formats that need no terminal.
import { type Csv, csvParts } from "./csv.ts";
import { htmlParts } from "./html.ts";
import { jsonParts } from "./json.ts";
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

/** The text of a report in parts; a table is the terminal's business. */
export function* render(report: Report, format: Exclude<Format, "table">): Iterable<string> {
  switch (format) {
    case "csv":
      yield* csvParts(report.csv());
      break;
    case "json":
      yield* jsonParts(report.json());
      yield "\n";
      break;
    case "html":
      yield* htmlParts(report.page());
      break;
  }
}
