// What became of a purchase, for people in a sentence and for scripts in a document.
import { isoTime, localTimeText } from "../domain/local-time.ts";
import { OUTCOMES } from "../domain/outcomes.ts";
import type { Bank, DeclinedView, PurchaseView, ReservationView } from "../storage/store.ts";
import { reservationJson } from "./views.ts";

/** When it was asked for, or the hold began. */
export function purchasedAt(purchase: PurchaseView): number {
  return purchase.state === "declined" ? purchase.receivedAt : purchase.reservedAt;
}

/** Why a request was declined: "Insufficient funds (2010)". */
function declineText({ outcome }: DeclinedView): string {
  const { code, message } = OUTCOMES[outcome];
  return `${message} (${code})`;
}

/** What became of it, as one says it to a customer: "debited 2026-03-02 10:04:09". */
export function becameText(purchase: PurchaseView, bank: Bank): string {
  if (purchase.state === "declined") return `declined: ${declineText(purchase)}`;
  return `${endText(purchase, bank)}${correctionText(purchase)}`;
}

function endText(reservation: ReservationView, bank: Bank): string {
  const { state, reservedAt, resolvedAt, resolvedBy, resultCode } = reservation;
  const time = (at: number) => localTimeText(at, bank.timeZone);
  if (state === "reserved" || resolvedAt === null) {
    return `held, waits for Clickatell's result since ${time(reservedAt)}`;
  }
  const when = `${state} ${time(resolvedAt)}`;
  if (resolvedBy === "operator") return `${when} by hand`;
  if (state === "debited") return when;
  return resolvedBy === "time-out"
    ? `${when}: the answer was late, so Clickatell was told Time-out (2060)`
    : `${when}: not dispensed, Clickatell reported ${resultCode ?? "no code"}`;
}

function correctionText({ corrected, state }: ReservationView): string {
  if (!corrected) return "";
  return state === "debited" ? "; given back by a correction" : "; debited by a correction";
}

/** A reservation, or with the same fields a request that was declined. */
export function purchaseViewJson(purchase: PurchaseView) {
  if (purchase.state !== "declined") return { ...reservationJson(purchase), declined: null };
  const { code, message } = OUTCOMES[purchase.outcome];
  return {
    reference: null,
    requestId: purchase.requestId,
    clientTxnRef: purchase.clientRef,
    buyerId: purchase.buyerId,
    targetId: purchase.targetId,
    productId: purchase.productId,
    channelId: purchase.channelId,
    reserveAmountMinor: purchase.reserveAmount,
    purchaseAmountMinor: purchase.purchaseAmount,
    feeAmountMinor: purchase.feeAmount,
    clientShareAmountMinor: purchase.clientShareAmount,
    settlementAmountMinor: purchase.settlementAmount,
    reservedAt: null,
    firstSentAt: null,
    account: null,
    state: purchase.state,
    resolvedAt: null,
    resolvedBy: null,
    resultCode: null,
    corrected: false,
    sumsDifferenceMinor: purchase.sumsDifference,
    declined: {
      responseCode: code,
      responseMessage: message,
      receivedAt: isoTime(purchase.receivedAt),
      currencyCode: purchase.currency,
    },
  };
}
