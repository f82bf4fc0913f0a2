// The port's rows as scripts read them: amounts in minor units named ...Minor, times ISO 8601 UTC.
import { FINDINGS } from "../domain/finding.ts";
import { isoTime } from "../domain/local-time.ts";
import type {
  ApprovalView,
  By,
  FindingView,
  JournalView,
  LimitRow,
  Person,
  ReceiptView,
  ReservationView,
} from "../storage/store.ts";

export const isoOrNull = (at: number | null) => (at === null ? null : isoTime(at));

/** What a purchase is, whoever asks; the bank's own account is not part of it. */
export function purchaseJson(reservation: ReservationView) {
  return {
    reference: reservation.reference,
    requestId: reservation.requestId,
    clientTxnRef: reservation.clientRef,
    buyerId: reservation.buyerId,
    targetId: reservation.targetId,
    productId: reservation.productId,
    channelId: reservation.channelId,
    reserveAmountMinor: reservation.reserveAmount,
    purchaseAmountMinor: reservation.purchaseAmount,
    feeAmountMinor: reservation.feeAmount,
    clientShareAmountMinor: reservation.clientShareAmount,
    settlementAmountMinor: reservation.settlementAmount,
    reservedAt: isoTime(reservation.reservedAt),
    firstSentAt: isoOrNull(reservation.firstSentAt),
  };
}

export function reservationJson(reservation: ReservationView) {
  return {
    ...purchaseJson(reservation),
    account: reservation.account,
    state: reservation.state,
    resolvedAt: isoOrNull(reservation.resolvedAt),
    resolvedBy: reservation.resolvedBy,
    resultCode: reservation.resultCode,
    corrected: reservation.corrected,
    sumsDifferenceMinor: reservation.sumsDifference,
  };
}

export function findingJson(finding: FindingView) {
  return {
    ...finding,
    ...FINDINGS[finding.kind],
    openedAt: isoTime(finding.openedAt),
    lastSeenAt: isoTime(finding.lastSeenAt),
    firstSentAt: isoOrNull(finding.firstSentAt),
    closedAt: isoOrNull(finding.closedAt),
  };
}

export function receiptJson(receipt: ReceiptView) {
  return { ...receipt, receivedAt: isoTime(receipt.receivedAt) };
}

export function journalJson({ by, entries, at, ...record }: JournalView) {
  return {
    ...record,
    at: isoTime(at),
    by: by === null ? null : whoJson(by),
    entries: entries.map(({ account, amount }) => ({ account, amountMinor: amount })),
  };
}

/** Its arguments with the amounts named as everywhere; a digest is of no use to anybody. */
function argsJson(args: object): object {
  const AMOUNTS = ["amount", "balance", "overdraft", "min", "max", "dayAmount", "monthAmount"];
  const isNested = (value: unknown) => typeof value === "object" && value !== null;
  return Object.fromEntries(
    Object.entries(args).flatMap(([name, value]) => {
      if (name === "digest") return [];
      if (Array.isArray(value)) {
        return [[name, value.map((each) => (isNested(each) ? argsJson(each) : each))]];
      }
      if (isNested(value)) return [[name, argsJson(value)]];
      return [[AMOUNTS.includes(name) ? `${name}Minor` : name, value]];
    }),
  );
}

export function approvalJson({ args, ...view }: ApprovalView) {
  return {
    ...view,
    args: argsJson(args),
    askedAt: isoTime(view.askedAt),
    expiresAt: isoTime(view.expiresAt),
    decidedAt: isoOrNull(view.decidedAt),
  };
}

function whoJson({ reason: _, ...who }: By) {
  return who;
}

const named = (name: string | null, uid: number) => (name === null ? `uid ${uid}` : name);

/** Who did it, in one line: "alice, as root, approved by bob"; "" where Clickatell caused it. */
export function whoText(by: By | null): string {
  if (by === null) return "";
  const { approval } = by;
  if (approval === undefined) return personText(by);
  return `${personText(by)}, approved by ${personText(approval)} (approval ${approval.id})`;
}

/** One person in one line: "alice, as root". */
export function personText(by: Person): string {
  const effective = named(by.effectiveName, by.effectiveUid);
  const login = by.loginUid === null ? by.loginName : named(by.loginName, by.loginUid);
  return login === null || login === effective ? effective : `${login}, as ${effective}`;
}

/** The figures of one scope. */
export function limitJson(row: LimitRow) {
  return {
    scope: row.scope,
    scopeKey: row.scopeKey,
    minMinor: row.min,
    maxMinor: row.max,
    dayAmountMinor: row.dayAmount,
    dayCount: row.dayCount,
    monthAmountMinor: row.monthAmount,
    monthCount: row.monthCount,
  };
}
