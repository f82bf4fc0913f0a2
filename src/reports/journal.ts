// The journal for the bank's own books: each posting and each admin act once.
import { isoTime, localTimeText } from "../domain/local-time.ts";
import { formatAmount } from "../domain/money.ts";
import type { Bank, JournalView } from "../storage/store.ts";
import { accountCell } from "./balances.ts";
import { type Cell, decimal } from "./csv.ts";
import { whoText } from "./views.ts";

/** One line an entry; an act, which moves no money, is one line without an account. */
export const JOURNAL_COLUMNS = [
  "id",
  "at",
  "kind",
  "act",
  "subject",
  "account",
  "currency",
  "amount",
  "amountMinor",
  "reference",
  "who",
  "reason",
  "detail",
] as const;

export function journalRows(record: JournalView, bank: Bank): Cell[][] {
  const before = [record.id, isoTime(record.at), record.kind, record.act, subjectCell(record)];
  const after = [record.reference, whoText(record.by), record.reason, record.detail];
  if (record.entries.length === 0) return [[...before, null, null, null, null, ...after]];
  return record.entries.map(({ account, amount }) => [
    ...before,
    accountCell(account),
    bank.currency,
    decimal(amount, bank.minorDigits),
    amount,
    ...after,
  ]);
}

function subjectCell({ subject }: JournalView): Cell {
  return subject === null ? null : accountCell(subject);
}

/** One record as people read it: what and why, and below it each entry. */
export function journalLines(record: JournalView, bank: Bank): string[] {
  const head = [
    `#${record.id}`,
    localTimeText(record.at, bank.timeZone),
    record.kind === "act" ? record.act : `${record.kind}: ${record.act}`,
    record.subject ?? "",
    whoText(record.by) === "" ? "" : `by ${whoText(record.by)}`,
  ];
  const amounts = record.entries.map(({ account, amount }) => ({
    account,
    figure: `${formatAmount(amount, bank.minorDigits)} ${bank.currency}`,
  }));
  const accountWidth = Math.max(0, ...amounts.map(({ account }) => account.length));
  const figureWidth = Math.max(0, ...amounts.map(({ figure }) => figure.length));
  return [
    head.filter((part) => part !== "").join("  "),
    ...(record.reference === null || record.reference === record.subject
      ? []
      : [`    reservation ${record.reference}`]),
    ...(record.detail === null ? [] : [`    ${record.detail}`]),
    ...(record.reason === null ? [] : [`    why: ${record.reason}`]),
    ...amounts.map(
      ({ account, figure }) =>
        `    ${account.padEnd(accountWidth)}  ${figure.padStart(figureWidth)}`,
    ),
  ];
}
