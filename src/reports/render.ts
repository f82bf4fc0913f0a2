// A report in the formats that need no terminal.
import type { ChainHead } from "../storage/chain.ts";
import { followedBy } from "../storage/pages.ts";
import { type Cell, type Csv, csvParts } from "./csv.ts";
import { HEAD_ADVICE, headJson, headText } from "./head.ts";
import { htmlParts } from "./html.ts";
import { jsonParts } from "./json.ts";
import type { Page } from "./page.ts";

export const FORMATS = ["table", "csv", "json", "html"] as const;
export type Format = (typeof FORMATS)[number];

/** The three shapes of one report: for scripts, for spreadsheets, for people. */
export type Report = {
  readonly json: () => object;
  readonly csv: () => Csv;
  readonly page: () => Page;
  /** How many lines need somebody. */
  readonly findings: number;
};

/** The same report with the journal's head: a field, a last record, a foot. */
export function withHead(report: Report, head: ChainHead): Report {
  return {
    findings: report.findings,
    json: () => ({ ...report.json(), journalHead: headJson(head) }),
    csv: () => csvWithHead(report.csv(), head),
    page: () => ({
      ...report.page(),
      foot: { label: "Journal head", value: headText(head), advice: HEAD_ADVICE },
    }),
  };
}

/** One record more, without any figure: "journalHead" first, the head as its detail or second. */
function csvWithHead({ columns, rows }: Csv, head: ChainHead): Csv {
  const place = Math.max(1, columns.indexOf("detail"));
  const record = columns.map((_, index): Cell => {
    if (index === 0) return "journalHead";
    return index === place ? headText(head) : null;
  });
  return { columns, rows: followedBy(rows, record) };
}

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
