// Settling by hand: what an operator's release or debit of a reservation does (contract.md 4.5).

import { type Calendar, listedFrom } from "./business-days.ts";
import {
  customer,
  debitEntries,
  type Entry,
  internal,
  refundEntries,
  transferEntries,
} from "./entries.ts";
import type { FindingDraft } from "./finding.ts";
import type { Reservation } from "./reservation.ts";
import { splitFindings } from "./result.ts";

export type SettleAction = "release" | "debit";

export type SettleDecision =
  /** The reservation is open: the same as a result would do. */
  | { readonly kind: "resolve"; readonly findings: readonly FindingDraft[] }
  /** It ended the other way: one correcting posting; its state stays, its finding closes. */
  | {
      readonly kind: "correct";
      readonly entries: readonly Entry[];
      readonly findings: readonly FindingDraft[];
    }
  | { readonly kind: "refused"; readonly why: string };

/**
 * Decides an operator's act on a reservation.
 * A corrective debit takes the money from the buyer's account or, where the bank bears it, from
 * the bank's loss account. A corrective release gives the buyer the money back by undoing the
 * split or, where the bank bears it, out of the loss account, so that Clickatell is still owed.
 */
export function decideSettle(
  reservation: Reservation & { readonly accountId: number; readonly corrected: boolean },
  action: SettleAction,
  bankBears: boolean,
): SettleDecision {
  if (reservation.state === "reserved") {
    if (bankBears) {
      return { kind: "refused", why: "it is open: --bank-bears belongs to a correction only" };
    }
    return { kind: "resolve", findings: action === "debit" ? splitFindings(reservation) : [] };
  }
  const done = action === "debit" ? "debited" : "released";
  if (reservation.state === done) return { kind: "refused", why: `it is ${done} already` };
  if (reservation.corrected) {
    return { kind: "refused", why: "it was corrected once, and no reservation is corrected twice" };
  }
  const buyer = customer(reservation.accountId);
  if (action === "debit") {
    const payer = bankBears ? internal("loss") : buyer;
    const findings = splitFindings(reservation);
    return { kind: "correct", entries: debitEntries(payer, reservation), findings };
  }
  const entries = bankBears
    ? transferEntries(internal("loss"), buyer, reservation.reserveAmount)
    : refundEntries(buyer, reservation);
  return { kind: "correct", entries, findings: [] };
}

/** True while a late success may still come, so that a release by hand is the bank's risk. */
export function isEarlyRelease(reservedAt: number, now: number, calendar: Calendar): boolean {
  return now < listedFrom(reservedAt, calendar);
}
