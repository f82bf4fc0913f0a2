// The exception report: what stayed unconfirmed, for Clickatell's Support Desk, and apart from it
// the open findings, for the bank's own desk (contract.md 4.9).
import { businessDaysBetween, type Calendar, listedFrom } from "../domain/business-days.ts";
import { FINDINGS } from "../domain/finding.ts";
import { isoTime, localDayFinder, localTimeText } from "../domain/local-time.ts";
import { formatAmount, type Minor, minor } from "../domain/money.ts";
import { mapped } from "../storage/pages.ts";
import type { Bank, FindingView, ReservationView } from "../storage/store.ts";
import { channelText } from "./channels.ts";
import { type Cell, type Csv, decimal } from "./csv.ts";
import { bankText, type Column, type Page, type Section } from "./page.ts";
import { findingJson, isoOrNull, purchaseJson } from "./views.ts";

export type Unconfirmed = {
  readonly reservation: ReservationView;
  /** The midnight from which it is listed. */
  readonly listedFrom: number;
  /** Business days begun since the day of the confirmation, today's included. */
  readonly businessDays: number;
};

/** How many have waited so many business days, and with how much. */
export type Age = { readonly label: string; readonly count: number; readonly held: Minor };

export type ExceptionReport = {
  readonly bank: Bank;
  readonly asOf: number;
  /** What restores made the bank forget, of which everything else may follow: it stands first. */
  readonly restored: readonly FindingView[];
  readonly unconfirmed: readonly Unconfirmed[];
  /** Of all that wait for a result, due or not: how many for how long, and what they hold. */
  readonly ages: readonly Age[];
  readonly findings: Iterable<FindingView>;
  readonly findingCount: number;
  /** The ids of the lines that no report was sent with yet. */
  readonly notSentYet: {
    readonly reservations: readonly number[];
    readonly findings: readonly number[];
  };
};

/**
 * What is due at an instant, of all the reservations and findings that were open at it.
 * The order given, oldest and most urgent first, is kept. The findings, of which a flood of results
 * may leave any number, are read here once, and again by what shows them.
 */
export function exceptionReport(
  open: {
    readonly reservations: readonly ReservationView[];
    /** All but those of restores. */
    readonly findings: Iterable<FindingView>;
    readonly restored: readonly FindingView[];
  },
  at: { readonly bank: Bank; readonly calendar: Calendar; readonly asOf: number },
): ExceptionReport {
  const { bank, calendar, asOf } = at;
  const dueOf = dueFinder(calendar, asOf);
  const waiting = open.reservations.map((reservation) => ({
    reservation,
    ...dueOf(reservation.reservedAt),
  }));
  const unconfirmed = waiting.filter((line) => line.listedFrom <= asOf);
  const unsent = unconfirmed.filter(({ reservation }) => reservation.firstSentAt === null);
  const notSentYet = { reservations: unsent.map(({ reservation }) => reservation.id) };
  const unsentFindings: number[] = [];
  let findingCount = 0;
  for (const findings of [open.restored, open.findings]) {
    for (const { id, firstSentAt } of findings) {
      findingCount += 1;
      if (firstSentAt === null) unsentFindings.push(id);
    }
  }
  return {
    bank,
    asOf,
    restored: open.restored,
    unconfirmed,
    ages: agesOf(waiting),
    findings: open.findings,
    findingCount,
    notSentYet: { ...notSentYet, findings: unsentFindings },
  };
}

/** Business days from and to, the last one open; those beyond 7 are the ones that are listed. */
const AGES = [
  ["0", 0, 0],
  ["1", 1, 1],
  ["2", 2, 2],
  ["3", 3, 3],
  ["4", 4, 4],
  ["5", 5, 5],
  ["6", 6, 6],
  ["7", 7, 7],
  ["8-14", 8, 14],
  ["15-30", 15, 30],
  ["31+", 31, Number.POSITIVE_INFINITY],
] as const;

function agesOf(waiting: readonly Unconfirmed[]): Age[] {
  if (waiting.length === 0) return [];
  return AGES.map(([label, from, to]) => {
    const of = waiting.filter(({ businessDays: days }) => days >= from && days <= to);
    const held = of.reduce((sum, { reservation }) => sum + reservation.reserveAmount, 0);
    return { label, count: of.length, held: minor(held) };
  });
}

/** When a reservation is listed, and how many business days it has waited: the same all day. */
function dueFinder(calendar: Calendar, asOf: number) {
  const dayOf = localDayFinder(calendar.timeZone);
  const known = new Map<string, { listedFrom: number; businessDays: number }>();
  return (reservedAt: number) => {
    const day = dayOf(reservedAt);
    const due = known.get(day) ?? {
      listedFrom: listedFrom(reservedAt, calendar),
      businessDays: businessDaysBetween(reservedAt, asOf, calendar),
    };
    known.set(day, due);
    return due;
  };
}

/** How many lines need somebody. */
export function exceptionCount({ unconfirmed, findingCount }: ExceptionReport): number {
  return unconfirmed.length + findingCount;
}

export function exceptionsJson(report: ExceptionReport) {
  return {
    asOf: isoTime(report.asOf),
    bankCode: report.bank.code,
    currency: report.bank.currency,
    restored: report.restored.map(findingJson),
    unconfirmed: report.unconfirmed.map(({ reservation, listedFrom, businessDays }) => ({
      ...purchaseJson(reservation),
      listedFrom: isoTime(listedFrom),
      businessDays,
    })),
    ages: report.ages.map(({ label, count, held }) => ({
      businessDays: label,
      count,
      heldMinor: held,
    })),
    findings: mapped(report.findings, findingJson),
  };
}

// ---------------------------------------------------------------- CSV

/** One file for both lists, told apart by `section`: what a list has no figure for is empty. */
const CSV_COLUMNS = [
  "section",
  "raasTxnRef",
  "reserveFundsTxnRef",
  "clientTxnRef",
  "buyerId",
  "productId",
  "channelId",
  "currency",
  "reserveAmount",
  "purchaseAmount",
  "feeAmount",
  "clientShareAmount",
  "settlementAmount",
  "reservedAt",
  "listedFrom",
  "businessDays",
  "firstSentAt",
  "findingId",
  "kind",
  "title",
  "detail",
  "advice",
  "openedAt",
  "lastSeenAt",
  "occurrences",
] as const;

type CsvRecord = { readonly [column in (typeof CSV_COLUMNS)[number]]?: Cell };

function unconfirmedRecord({ reservation, ...line }: Unconfirmed, bank: Bank): CsvRecord {
  const amount = (figure: Minor | null) => decimal(figure, bank.minorDigits);
  return {
    section: "unconfirmed",
    raasTxnRef: reservation.requestId,
    reserveFundsTxnRef: reservation.reference,
    clientTxnRef: reservation.clientRef,
    buyerId: reservation.buyerId,
    productId: reservation.productId,
    channelId: reservation.channelId,
    currency: bank.currency,
    reserveAmount: amount(reservation.reserveAmount),
    purchaseAmount: amount(reservation.purchaseAmount),
    feeAmount: amount(reservation.feeAmount),
    clientShareAmount: amount(reservation.clientShareAmount),
    settlementAmount: amount(reservation.settlementAmount),
    reservedAt: isoTime(reservation.reservedAt),
    listedFrom: isoTime(line.listedFrom),
    businessDays: line.businessDays,
    firstSentAt: isoOrNull(reservation.firstSentAt),
  };
}

function findingRecord(section: "restored" | "finding", finding: FindingView): CsvRecord {
  return {
    section,
    raasTxnRef: finding.requestId,
    reserveFundsTxnRef: finding.reference,
    firstSentAt: isoOrNull(finding.firstSentAt),
    findingId: finding.id,
    kind: finding.kind,
    ...FINDINGS[finding.kind],
    detail: finding.detail,
    openedAt: isoTime(finding.openedAt),
    lastSeenAt: isoTime(finding.lastSeenAt),
    occurrences: finding.occurrences,
  };
}

export function exceptionsCsv(report: ExceptionReport): Csv {
  return {
    columns: CSV_COLUMNS,
    rows: mapped(csvRecords(report), (record) =>
      CSV_COLUMNS.map((column) => record[column] ?? null),
    ),
  };
}

function* csvRecords(report: ExceptionReport): Iterable<CsvRecord> {
  const { bank, restored, unconfirmed, findings } = report;
  for (const finding of restored) yield findingRecord("restored", finding);
  for (const line of unconfirmed) yield unconfirmedRecord(line, bank);
  for (const finding of findings) yield findingRecord("finding", finding);
}

// ---------------------------------------------------------------- for people

const UNCONFIRMED_COLUMNS: readonly Column[] = [
  { title: "Reserved at" },
  { title: "Business days", align: "right" },
  { title: "Buyer" },
  { title: "Product", only: "page" },
  { title: "Channel", only: "page" },
  { title: "Reserved", align: "right" },
  { title: "Purchase", align: "right", only: "page" },
  { title: "Fee", align: "right", only: "page" },
  { title: "Client share", align: "right", only: "page" },
  { title: "Settlement", align: "right", only: "page" },
  { title: "First sent" },
  { title: "raasTxnRef", whole: true },
  { title: "reserveFundsTxnRef", whole: true, only: "page" },
  { title: "clientTxnRef", whole: true, only: "page" },
];

function unconfirmedSection({ bank, unconfirmed }: ExceptionReport): Section {
  const amount = (figure: Minor | null) =>
    figure === null ? "" : formatAmount(figure, bank.minorDigits);
  return {
    title: `Unconfirmed for more than seven business days, amounts in ${bank.currency}`,
    intro:
      "Reserved, and no result has come. The buyers' money stays held until one does: please " +
      "send the result of each, or say what became of it.",
    columns: UNCONFIRMED_COLUMNS,
    rows: unconfirmed.map(({ reservation, businessDays }) => [
      localTimeText(reservation.reservedAt, bank.timeZone),
      String(businessDays),
      reservation.buyerId,
      String(reservation.productId ?? ""),
      channelText(reservation.channelId),
      amount(reservation.reserveAmount),
      amount(reservation.purchaseAmount),
      amount(reservation.feeAmount),
      amount(reservation.clientShareAmount),
      amount(reservation.settlementAmount),
      sentText(reservation.firstSentAt, bank),
      reservation.requestId,
      reservation.reference,
      reservation.clientRef ?? "",
    ]),
    none: "None: every reservation that is due has its result.",
  };
}

function agesSection({ bank, ages }: ExceptionReport): Section {
  const count = ages.reduce((sum, age) => sum + age.count, 0);
  return {
    title: "All reservations without a result, by their age",
    intro: "In business days since the reservation. Those of more than seven are listed above.",
    chart: {
      kind: "columns",
      title: "Reservations without a result, by business days",
      description: ages.map(({ label, count }) => `${label} business days: ${count}`).join(", "),
      series: ["reservations"],
      columns: ages.map(({ label, count }) => ({ label, values: [count] })),
    },
    columns: [
      { title: "Business days" },
      { title: "Reservations", align: "right" },
      { title: `Held, ${bank.currency}`, align: "right" },
    ],
    rows: ages.map((age) => [
      age.label,
      String(age.count),
      formatAmount(age.held, bank.minorDigits),
    ]),
    total: [
      "Total",
      String(count),
      formatAmount(minor(ages.reduce((sum, { held }) => sum + held, 0)), bank.minorDigits),
    ],
    none: "None: every reservation has its result.",
    // From here on it is for the bank's own desk.
    newSheet: true,
  };
}

function sentText(at: number | null, bank: Bank): string {
  return at === null ? "not yet" : localTimeText(at, bank.timeZone);
}

const FINDING_COLUMNS: readonly Column[] = [
  { title: "ID", align: "right" },
  { title: "What" },
  { title: "Detail" },
  { title: "What to do", only: "page" },
  { title: "Opened" },
  { title: "Times", align: "right" },
  { title: "First sent", only: "page" },
  { title: "raasTxnRef", whole: true },
  { title: "reserveFundsTxnRef", whole: true, only: "page" },
];

/** Stands only where there is one: most banks never see it. */
function restoredSections({ bank, restored }: ExceptionReport): Section[] {
  if (restored.length === 0) return [];
  return [
    {
      title: "Restored from a backup: these times are forgotten",
      intro:
        "What was answered in them is not known here. Results of purchases made in them are among " +
        "the findings; the rest only Clickatell knows.",
      columns: [
        { title: "ID", align: "right" },
        { title: "What is forgotten" },
        { title: "Restored at" },
        { title: "What to do", only: "page" },
      ],
      rows: restored.map(({ id, detail, openedAt }) => [
        String(id),
        detail,
        localTimeText(openedAt, bank.timeZone),
        FINDINGS.restored.advice,
      ]),
      none: "None.",
    },
  ];
}

function findingsSection({ bank, findings }: ExceptionReport): Section {
  return {
    title: "Open findings, for the bank's own desk",
    intro: "Most urgent first. A finding is closed by settling it, or with findings close.",
    columns: FINDING_COLUMNS,
    rows: mapped(findings, (finding) => [
      String(finding.id),
      FINDINGS[finding.kind].title,
      finding.detail,
      FINDINGS[finding.kind].advice,
      localTimeText(finding.openedAt, bank.timeZone),
      String(finding.occurrences),
      sentText(finding.firstSentAt, bank),
      finding.requestId ?? "",
      finding.reference ?? "",
    ]),
    none: "None.",
  };
}

export function exceptionsPage(report: ExceptionReport): Page {
  const { bank, asOf } = report;
  return {
    title: "Exception report",
    facts: [
      ["Bank", bankText(bank)],
      ["As of", `${localTimeText(asOf, bank.timeZone)}, times in ${bank.timeZone}`],
      ["Unconfirmed", String(report.unconfirmed.length)],
      ["Open findings", String(report.findingCount)],
    ],
    sections: [
      ...restoredSections(report),
      unconfirmedSection(report),
      agesSection(report),
      findingsSection(report),
    ],
  };
}
