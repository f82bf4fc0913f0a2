// The settlement report: what was sold, what of it is owed to Clickatell, what was paid, and what
// is in dispute, for a span of the bank's local days.
import type { FindingKind } from "../domain/finding.ts";
import {
  addDays,
  isoTime,
  type LocalDay,
  localTimeText,
  startOfLocalDay,
} from "../domain/local-time.ts";
import { formatAmount, type Minor, minor, ZERO } from "../domain/money.ts";
import type {
  Bank,
  FindingView,
  ReservationView,
  Settlement,
  SettlementMovements,
  SettlementRow,
} from "../storage/store.ts";
import { type Chart, everyDay } from "./chart.ts";
import { type Cell, type Csv, decimal } from "./csv.ts";
import { bankText, type Column, type Page, type Section } from "./page.ts";
import { findingJson } from "./views.ts";

/** Local days, both included. */
export type Period = { readonly from: LocalDay; readonly to: LocalDay };

/** The instants that a period spans: from the first, up to and without the second. */
export function spanOf(period: Period, timeZone: string): { from: number; to: number } {
  return {
    from: startOfLocalDay(period.from, timeZone),
    to: startOfLocalDay(addDays(period.to, 1), timeZone),
  };
}

/** What Clickatell and the bank do not agree on: money may still move either way. */
export const DISPUTED: readonly FindingKind[] = ["unmatched-success", "contradiction"];

export type Dispute = {
  readonly finding: FindingView;
  /** Null where nothing was ever reserved. */
  readonly reservation: ReservationView | null;
};

type Figures = Omit<SettlementRow, "day" | "productId">;

export type SettlementReport = {
  readonly bank: Bank;
  readonly period: Period;
  readonly rows: readonly SettlementRow[];
  readonly totals: Figures;
  readonly movements: SettlementMovements;
  /** Of the period: owed for its debits and corrections, less what was paid in it. */
  readonly stillOwed: Minor;
  /** In all, at the end of the period. */
  readonly owedAfter: Minor;
  readonly disputes: readonly Dispute[];
};

const NOTHING: Figures = {
  count: 0,
  reserved: ZERO,
  purchases: ZERO,
  fees: ZERO,
  clientShare: ZERO,
  owed: ZERO,
  suspenseCount: 0,
  suspense: ZERO,
  sumsDifferCount: 0,
};

function sumOf(rows: readonly SettlementRow[]): Figures {
  return rows.reduce<Figures>(
    (sum, row) => ({
      count: sum.count + row.count,
      reserved: minor(sum.reserved + row.reserved),
      purchases: minor(sum.purchases + row.purchases),
      fees: minor(sum.fees + row.fees),
      clientShare: minor(sum.clientShare + row.clientShare),
      owed: minor(sum.owed + row.owed),
      suspenseCount: sum.suspenseCount + row.suspenseCount,
      suspense: minor(sum.suspense + row.suspense),
      sumsDifferCount: sum.sumsDifferCount + row.sumsDifferCount,
    }),
    NOTHING,
  );
}

export function settlementReport(
  found: Settlement & { readonly disputes: readonly Dispute[] },
  of: { readonly bank: Bank; readonly period: Period },
): SettlementReport {
  const { rows, movements, disputes } = found;
  const totals = sumOf(rows);
  const stillOwed = minor(totals.owed + movements.corrected + movements.adjusted - movements.paid);
  const owedAfter = minor(movements.owedBefore + stillOwed);
  return { ...of, rows, totals, movements, stillOwed, owedAfter, disputes };
}

function figuresJson(figures: Figures) {
  return {
    count: figures.count,
    reservedMinor: figures.reserved,
    purchasesMinor: figures.purchases,
    feesMinor: figures.fees,
    clientShareMinor: figures.clientShare,
    owedMinor: figures.owed,
    suspenseCount: figures.suspenseCount,
    suspenseMinor: figures.suspense,
    sumsDifferCount: figures.sumsDifferCount,
  };
}

export function settlementJson(report: SettlementReport) {
  const { bank, period, movements } = report;
  return {
    from: period.from,
    to: period.to,
    timeZone: bank.timeZone,
    currency: bank.currency,
    rows: report.rows.map((row) => ({
      day: row.day,
      productId: row.productId,
      ...figuresJson(row),
    })),
    totals: figuresJson(report.totals),
    owedBeforeMinor: movements.owedBefore,
    correctedMinor: movements.corrected,
    adjustedMinor: movements.adjusted,
    paidMinor: movements.paid,
    stillOwedMinor: report.stillOwed,
    owedAfterMinor: report.owedAfter,
    inSuspenseMinor: movements.inSuspense,
    disputed: report.disputes.map(({ finding, reservation }) => ({
      ...findingJson(finding),
      state: reservation?.state ?? null,
      reserveAmountMinor: reservation?.reserveAmount ?? null,
      settlementAmountMinor: reservation?.settlementAmount ?? null,
    })),
  };
}

/** The way from what was owed before to what is owed after, a label and an amount each. */
function account({ totals, movements, stillOwed, owedAfter }: SettlementReport) {
  return [
    ["owedBefore", "Owed before", movements.owedBefore],
    ["debits", "Owed for the debits above", totals.owed],
    ["corrected", "Corrections by hand", movements.corrected],
    ["adjusted", "Other postings by hand", movements.adjusted],
    ["paid", "Paid to Clickatell", minor(-movements.paid)],
    ["stillOwed", "Of this period, still owed", stillOwed],
    ["owedAfter", "In all, still owed", owedAfter],
    ["inSuspense", "Waiting in suspense, its split unknown", movements.inSuspense],
  ] as const;
}

// ---------------------------------------------------------------- CSV

/** One file, told apart by `section`: "debits", "total", "account" and "disputed". */
const CSV_COLUMNS = [
  "section",
  "day",
  "productId",
  "count",
  "currency",
  "purchases",
  "fees",
  "clientShare",
  "owed",
  "suspenseCount",
  "suspense",
  "sumsDifferCount",
  "item",
  "amount",
  "raasTxnRef",
  "reserveFundsTxnRef",
  "detail",
  "openedAt",
] as const;

type CsvRecord = { readonly [column in (typeof CSV_COLUMNS)[number]]?: Cell };

export function settlementCsv(report: SettlementReport): Csv {
  const { bank } = report;
  const amount = (figure: Minor | null) => decimal(figure, bank.minorDigits);
  const figures = (of: Figures): CsvRecord => ({
    count: of.count,
    currency: bank.currency,
    purchases: amount(of.purchases),
    fees: amount(of.fees),
    clientShare: amount(of.clientShare),
    owed: amount(of.owed),
    suspenseCount: of.suspenseCount,
    suspense: amount(of.suspense),
    sumsDifferCount: of.sumsDifferCount,
  });
  const records: CsvRecord[] = [
    ...report.rows.map((row) => ({
      section: "debits",
      day: row.day,
      productId: row.productId,
      ...figures(row),
    })),
    { section: "total", ...figures(report.totals) },
    ...account(report).map(([item, , figure]) => ({
      section: "account",
      currency: bank.currency,
      item,
      amount: amount(figure),
    })),
    ...report.disputes.map(({ finding, reservation }) => ({
      section: "disputed",
      currency: bank.currency,
      item: finding.kind,
      amount: amount(reservation?.reserveAmount ?? null),
      raasTxnRef: finding.requestId,
      reserveFundsTxnRef: finding.reference,
      detail: finding.detail,
      openedAt: isoTime(finding.openedAt),
    })),
  ];
  return {
    columns: CSV_COLUMNS,
    rows: records.map((record) => CSV_COLUMNS.map((column) => record[column] ?? null)),
  };
}

// ---------------------------------------------------------------- for people

const DEBIT_COLUMNS: readonly Column[] = [
  { title: "Day" },
  { title: "Product" },
  { title: "Count", align: "right" },
  { title: "Purchases", align: "right" },
  { title: "Fees", align: "right" },
  { title: "Client share", align: "right" },
  { title: "Owed", align: "right" },
  { title: "In suspense", align: "right", only: "page" },
];

/** The debits of each local day, whatever the product. */
function debitsChart({ rows, period, totals }: SettlementReport): Chart {
  const days = new Map<LocalDay, number>();
  for (const { day, count } of rows) days.set(day, (days.get(day) ?? 0) + count);
  return {
    kind: "columns",
    title: "Debits per day",
    description:
      `${totals.count} purchases were debited from ${period.from} to ${period.to}. ` +
      "The table below has the figures of each day and product.",
    series: ["debits"],
    columns: everyDay(days, 0).map(([day, count]) => ({ label: day.slice(5), values: [count] })),
  };
}

function debitsSection(report: SettlementReport): Section {
  const { bank, rows, totals } = report;
  const amount = (figure: Minor) => formatAmount(figure, bank.minorDigits);
  const figures = (of: Figures) => [
    String(of.count),
    amount(of.purchases),
    amount(of.fees),
    amount(of.clientShare),
    amount(of.owed),
    amount(of.suspense),
  ];
  return {
    title: `Debits by local day and product, in ${bank.currency}`,
    intro: "",
    chart: debitsChart(report),
    columns: DEBIT_COLUMNS,
    rows: rows.map((row) => [row.day, String(row.productId ?? "none"), ...figures(row)]),
    total: ["Total", "", ...figures(totals)],
    none: "None: nothing was debited in this period.",
  };
}

function accountSection(report: SettlementReport): Section {
  const { bank } = report;
  return {
    title: `The account with Clickatell, in ${bank.currency}`,
    intro: "",
    columns: [{ title: "What" }, { title: "Amount", align: "right" }],
    rows: account(report).map(([, label, figure]) => [
      label,
      formatAmount(figure, bank.minorDigits),
    ]),
    none: "None.",
  };
}

function disputedSection({ bank, disputes }: SettlementReport): Section {
  return {
    title: `Disputed, in ${bank.currency}`,
    intro:
      "Open contradictions, and results that say dispensed where nothing is held. They change no " +
      "figure above until somebody settles them.",
    columns: [
      { title: "ID", align: "right" },
      { title: "Kind" },
      { title: "Detail" },
      { title: "Opened", only: "page" },
      { title: "Reserved", align: "right" },
      { title: "raasTxnRef", whole: true },
      { title: "reserveFundsTxnRef", whole: true, only: "page" },
    ],
    rows: disputes.map(({ finding, reservation }) => [
      String(finding.id),
      finding.kind,
      finding.detail,
      localTimeText(finding.openedAt, bank.timeZone),
      reservation === null ? "unknown" : formatAmount(reservation.reserveAmount, bank.minorDigits),
      finding.requestId ?? "",
      finding.reference ?? "",
    ]),
    none: "None.",
  };
}

export function settlementPage(report: SettlementReport): Page {
  const { bank, period, totals } = report;
  return {
    title: "Settlement report",
    facts: [
      ["Bank", bankText(bank)],
      ["Period", `${period.from} to ${period.to}, local days in ${bank.timeZone}`],
      ["Sums that do not add up", `${totals.sumsDifferCount} of ${totals.count} debits`],
      ["Without a settlementAmount", `${totals.suspenseCount} of ${totals.count} debits`],
    ],
    sections: [debitsSection(report), accountSection(report), disputedSection(report)],
  };
}
