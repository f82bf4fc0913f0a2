// How a report is written: in the format asked for, where it was asked for, with the journal's head.
import { type Command, Option } from "commander";
import { type LocalDay, localDay } from "../src/domain/local-time.ts";
import { FORMATS, type Format, type Report, render, withHead } from "../src/reports/render.ts";
import type { Period } from "../src/reports/settlement.ts";
import { deliver, formatOf, namesFile, pageParts } from "./deliver.ts";
import { EXIT, Failure } from "./failure.ts";
import { note } from "./output.ts";
import type { CommonOptions, Session, Written } from "./session.ts";
import { readDay, type SpanOptions } from "./times.ts";

export type ReportOptions = CommonOptions & {
  readonly format?: Format;
  readonly output?: string;
  readonly failOnFindings?: true;
};

export const CSV_HELP = `
CSV is RFC 4180 in UTF-8 with a header; every record is one line and ends with
LF. Amounts are decimals, times ISO 8601 UTC. A text that a spreadsheet would
run begins with an apostrophe. The last record, journalHead, has no figures: it
is the journal's newest record and its hash, to be kept.`;

/** The options that every report has; `whatFails` is what a person must look at, where it has such. */
export function reportOptions(report: Command, whatFails?: string): Command {
  report
    .addOption(new Option("--format <format>", "table for people (default)").choices(FORMATS))
    .option("--output <file>", "write it here, mode 0600, whole or not at all");
  return whatFails === undefined
    ? report
    : report.option("--fail-on-findings", `exit 6 if ${whatFails}`);
}

/** The days named, by default the current local month up to today. */
export function readPeriod({ from, to }: SpanOptions, { bank }: Session): Period {
  const today: LocalDay = localDay(Date.now(), bank.timeZone);
  const last = to === undefined ? today : readDay(to, "--to", bank);
  const first = from === undefined ? `${last.slice(0, 7)}-01` : readDay(from, "--from", bank);
  if (first > last) throw new Failure("usage", `--from ${first} is after --to ${last}`);
  return { from: first, to: last };
}

/**
 * Writes a report as asked, with the journal's head; gives the exit code it means. The head is read
 * before the report is written, so that it covers no less than the report says.
 */
export async function publish(
  { store }: Session,
  bare: Report,
  options: ReportOptions,
): Promise<Written> {
  const report = withHead(bare, store.journalHead());
  const format = formatOf(options);
  const parts = format === "table" ? pageParts(report.page()) : render(report, format);
  const dryRun = options.dryRun === true;
  await deliver(parts, options.output, dryRun);
  if (namesFile(options.output) && options.json !== true) {
    note(`${dryRun ? "dry run, so not " : ""}written to ${options.output}`);
  }
  const fails = options.failOnFindings === true && report.findings > 0;
  return { written: true, exitCode: fails ? EXIT.findings : EXIT.done };
}
