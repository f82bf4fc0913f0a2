// reports: exceptions for Clickatell's Support Desk, settlement, activity, and every balance.
import type { Command } from "commander";
import { FINDING_KINDS, type FindingKind } from "../src/domain/finding.ts";
import { activityCsv, activityJson, activityPage } from "../src/reports/activity.ts";
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
import { note } from "./output.ts";
import { CSV_HELP, publish, type ReportOptions, readPeriod, reportOptions } from "./publish.ts";
import { command, group, type Session, unwrap, withBank } from "./session.ts";
import { calendarOf, OPEN_NOW, readTime, type SpanOptions } from "./times.ts";

/** The findings open at an instant, read page by page. */
function findingsAt({ store }: Session, openAt: number, kinds: readonly FindingKind[]) {
  return rowsOf(
    (page: Paging<number>) => store.findings({ ...page, openAt, kinds }),
    ({ id }) => id,
  );
}

// ---------------------------------------------------------------- exceptions

type ExceptionOptions = ReportOptions & { readonly asOf?: string; readonly markSent?: true };

/** What a restore forgot heads the report, apart from the others. */
const OTHER_FINDINGS = FINDING_KINDS.filter((kind) => kind !== "restored");

/** What was open and due at an instant, or is now. */
function exceptionsAt(session: Session, asOf: number | null): ExceptionReport {
  const { store, bank } = session;
  const openAt = asOf ?? OPEN_NOW;
  const findings = findingsAt(session, openAt, OTHER_FINDINGS);
  const restored = [...findingsAt(session, openAt, ["restored"])];
  const open = { reservations: store.openReservationsAsOf(openAt), findings, restored };
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
      `${CSV_HELP}\nAll lists are in one file; the column section is restored, unconfirmed or finding.`,
    )
    .action(
      withBank(async (session, _: [], options: ExceptionOptions) => {
        const asOf =
          options.asOf === undefined ? null : readTime(options.asOf, "--as-of", session.bank);
        const report = exceptionsAt(session, asOf);
        const written = await publish(
          session,
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
          session,
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

// ---------------------------------------------------------------- activity

function addActivity(reports: Command): void {
  const activity = command(reports, {
    form: "activity",
    summary: "Purchases per day, answers by code, and what products and channels come to",
    kind: "read",
    examples: [
      "reports activity",
      "reports activity --from 2026-03-01 --to 2026-03-31 --format html --output march.html",
      "reports activity --from 2026-03-02 --to 2026-03-02 --json",
    ],
  })
    .option("--from <day>", "the first local day (default: the first of the month of --to)")
    .option("--to <day>", "the last local day, included (default: today)");
  reportOptions(activity)
    .addHelpText(
      "after",
      `${CSV_HELP}
The column section is day, answer, product, channel or total. Each request is
counted once, on the day it came first. The purchases of the days named are
read one by one: a second or so for each million.`,
    )
    .action(
      withBank((session, _: [], options: ReportOptions & SpanOptions) => {
        const { store, bank } = session;
        const period = readPeriod(options, session);
        const { from, to } = spanOf(period, bank.timeZone);
        const report = { bank, period, activity: store.activity(from, to) };
        return publish(
          session,
          {
            json: () => activityJson(report),
            csv: () => activityCsv(report),
            page: () => activityPage(report),
            findings: 0,
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
      withBank((session, _: [], options: ReportOptions) => {
        const { store, bank } = session;
        // All of one moment, however long they take to read.
        const upTo = store.mark();
        const accounts = rowsOf(
          (page: Paging<string>) => store.balances({ ...page, upTo }),
          ({ number }) => number,
        );
        const report = balancesReport(accounts, { bank, now: Date.now() });
        return publish(
          session,
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
  const reports = group(program, "reports", "Exceptions, settlement, activity and balances");
  addExceptions(reports);
  addSettlement(reports);
  addActivity(reports);
  addBalances(reports);
}
