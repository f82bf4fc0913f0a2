// reports: exceptions for Clickatell's Support Desk, settlement, and every balance.
import { type Command, Option } from "commander";
import { FINDING_KINDS, type FindingKind } from "../src/domain/finding.ts";
import { type LocalDay, localDay } from "../src/domain/local-time.ts";
import {
  balancesCsv,
  balancesJson,
  balancesPage,
  balancesReport,
} from "../src/reports/balances.ts";
import {
  type ExceptionReport,
  exceptionCount,
  exceptionReport,
  exceptionsCsv,
  exceptionsJson,
  exceptionsPage,
} from "../src/reports/exceptions.ts";
import { FORMATS, type Format, type Report, render } from "../src/reports/render.ts";
import {
  DISPUTED,
  type Period,
  settlementCsv,
  settlementJson,
  settlementPage,
  settlementReport,
  spanOf,
} from "../src/reports/settlement.ts";
import { type Paging, rowsOf } from "../src/storage/pages.ts";
import { deliver, formatOf, namesFile, pageParts } from "./deliver.ts";
import { EXIT, Failure } from "./failure.ts";
import { note } from "./output.ts";
import {
  type CommonOptions,
  command,
  group,
  type Session,
  unwrap,
  type Written,
  withBank,
} from "./session.ts";
import { calendarOf, OPEN_NOW, readDay, readTime, type SpanOptions } from "./times.ts";

type ReportOptions = CommonOptions & {
  readonly format?: Format;
  readonly output?: string;
  readonly failOnFindings?: true;
};

const CSV_HELP = `
CSV is RFC 4180 in UTF-8 with a header; every record is one line and ends with
LF. Amounts are decimals, times ISO 8601 UTC. A text that a spreadsheet would
run begins with an apostrophe.`;

/** The options that every report has. */
function reportOptions(report: Command, whatFails: string): Command {
  return report
    .addOption(new Option("--format <format>", "table for people (default)").choices(FORMATS))
    .option("--output <file>", "write it here, mode 0600, whole or not at all")
    .option("--fail-on-findings", `exit 6 if ${whatFails}`);
}

/** The findings open at an instant, read page by page. */
function findingsAt({ store }: Session, openAt: number, kinds: readonly FindingKind[]) {
  return rowsOf(
    (page: Paging<number>) => store.findings({ ...page, openAt, kinds }),
    ({ id }) => id,
  );
}

/** Writes a report as asked; gives the exit code it means. */
export async function publish(report: Report, options: ReportOptions): Promise<Written> {
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

// ---------------------------------------------------------------- exceptions

type ExceptionOptions = ReportOptions & { readonly asOf?: string; readonly markSent?: true };

/** What was open and due at an instant, or is now. */
function exceptionsAt(session: Session, asOf: number | null): ExceptionReport {
  const { store, bank } = session;
  const openAt = asOf ?? OPEN_NOW;
  const findings = findingsAt(session, openAt, FINDING_KINDS);
  const open = { reservations: store.openReservationsAsOf(openAt), findings };
  const at = { bank, calendar: calendarOf(session), asOf: asOf ?? Date.now() };
  return exceptionReport(open, at);
}

/** Only after the report is where it belongs: a line marked but never sent is nobody's any more. */
function markSent({ store, by, json, dryRun }: Session, report: ExceptionReport): void {
  const { reservations, findings } = report.notSentYet;
  const count = reservations.length + findings.length;
  if (count > 0) unwrap(store.markSent(by, report.notSentYet));
  const marked = dryRun ? "dry run, so not marked as sent" : "marked as sent";
  if (!json) note(`${marked}: ${count} ${count === 1 ? "line" : "lines"}`);
}

function addExceptions(reports: Command): void {
  const exceptions = command(reports, {
    form: "exceptions",
    summary: "What is unconfirmed past business day 7, for Clickatell; and the open findings",
    kind: "write",
    examples: [
      "reports exceptions",
      "reports exceptions --format html --output exceptions.html --mark-sent",
      "reports exceptions --as-of 2026-03-12 --json",
      "reports exceptions --fail-on-findings --format csv --output exceptions.csv",
    ],
  })
    .option("--as-of <time>", "what was open and due then; a bare date is its 00:00 (default: now)")
    .option("--mark-sent", "note when each line was first sent, once the report is written");
  reportOptions(exceptions, "anything is listed")
    .addHelpText(
      "after",
      `${CSV_HELP}\nBoth lists are in one file; the column section is unconfirmed or finding.`,
    )
    .action(
      withBank(async (session, _: [], options: ExceptionOptions) => {
        const asOf =
          options.asOf === undefined ? null : readTime(options.asOf, "--as-of", session.bank);
        const report = exceptionsAt(session, asOf);
        const written = await publish(
          {
            json: () => ({
              ...exceptionsJson(report),
              ...(session.dryRun ? { dryRun: true } : {}),
            }),
            csv: () => exceptionsCsv(report),
            page: () => exceptionsPage(report),
            findings: exceptionCount(report),
          },
          options,
        );
        if (options.markSent === true) markSent(session, report);
        return written;
      }),
    );
}

// ---------------------------------------------------------------- settlement

/** The days named, by default the current local month up to today. */
function readPeriod({ from, to }: SpanOptions, { bank }: Session): Period {
  const today: LocalDay = localDay(Date.now(), bank.timeZone);
  const last = to === undefined ? today : readDay(to, "--to", bank);
  const first = from === undefined ? `${last.slice(0, 7)}-01` : readDay(from, "--from", bank);
  if (first > last) throw new Failure("usage", `--from ${first} is after --to ${last}`);
  return { from: first, to: last };
}

function settlementOf(session: Session, period: Period) {
  const { store, bank } = session;
  const { from, to } = spanOf(period, bank.timeZone);
  const disputes = [...findingsAt(session, OPEN_NOW, DISPUTED)]
    .filter((finding) => finding.openedAt < to)
    .map((finding) => {
      const ref = finding.reference ?? finding.requestId;
      return { finding, reservation: ref === null ? null : store.reservation(ref) };
    });
  return settlementReport({ ...store.settlement(from, to), disputes }, { bank, period });
}

function addSettlement(reports: Command): void {
  const settlement = command(reports, {
    form: "settlement",
    summary: "Purchases, fees, shares, what is owed to Clickatell and what was paid",
    kind: "read",
    examples: [
      "reports settlement",
      "reports settlement --from 2026-03-01 --to 2026-03-31 --format csv --output march.csv",
      "reports settlement --from 2026-03-02 --to 2026-03-02 --json",
    ],
  })
    .option("--from <day>", "the first local day (default: the first of the month of --to)")
    .option("--to <day>", "the last local day, included (default: today)");
  reportOptions(settlement, "anything is disputed")
    .addHelpText("after", `${CSV_HELP}\nThe column section is debits, total, account or disputed.`)
    .action(
      withBank((session, _: [], options: ReportOptions & SpanOptions) => {
        const report = settlementOf(session, readPeriod(options, session));
        return publish(
          {
            json: () => settlementJson(report),
            csv: () => settlementCsv(report),
            page: () => settlementPage(report),
            findings: report.disputes.length,
          },
          options,
        );
      }),
    );
}

// ---------------------------------------------------------------- balances

function addBalances(reports: Command): void {
  const balances = command(reports, {
    form: "balances",
    summary: "Every ledger account, the bank's own first, and their sum, which is zero",
    kind: "read",
    examples: ["reports balances", "reports balances --format csv --output balances.csv"],
  });
  reportOptions(balances, "the sum is not zero")
    .addHelpText("after", CSV_HELP)
    .action(
      withBank(({ store, bank }, _: [], options: ReportOptions) => {
        // All of one moment, however long they take to read.
        const upTo = store.mark();
        const accounts = rowsOf(
          (page: Paging<string>) => store.balances({ ...page, upTo }),
          ({ number }) => number,
        );
        const report = balancesReport(accounts, { bank, now: Date.now() });
        return publish(
          {
            json: () => balancesJson(report),
            csv: () => balancesCsv(report),
            page: () => balancesPage(report),
            findings: report.sum === 0 ? 0 : 1,
          },
          options,
        );
      }),
    );
}

export function register(program: Command): void {
  const reports = group(program, "reports", "Exceptions, settlement and balances");
  addExceptions(reports);
  addSettlement(reports);
  addBalances(reports);
}
