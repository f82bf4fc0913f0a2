// Decides a reserve: the checks of contract.md 2, in their order, and its repeats (contract.md 4.2).
import { type AccountStatus, available, type Balances } from "./account.ts";
import type { FindingDraft } from "./finding.ts";
import { checkLimits, type Limits, type UsageByScope } from "./limits.ts";
import type { Minor } from "./money.ts";
import { plus } from "./money.ts";
import type { Decline, Outcome } from "./outcomes.ts";
import {
  decidePin,
  type PinAttempt,
  type PinDecision,
  type PinPolicy,
  type PinState,
} from "./pin.ts";
import type { ReservationState } from "./reservation.ts";

/** What makes two requests the same: compared by meaning, and no secret among it. */
export type ReserveContent = {
  /** Canonical (src/domain/identifiers.ts). */
  readonly buyerId: string;
  readonly reserveAmount: Minor;
  readonly purchaseAmount: Minor | null;
  readonly feeAmount: Minor;
  readonly clientShareAmount: Minor;
  readonly settlementAmount: Minor | null;
  readonly productId: number | null;
  readonly targetId: string | null;
  /** Upper case; null where absent or the bank's own. */
  readonly currency: string | null;
};

export type ReserveRequest = ReserveContent & {
  readonly requestId: string;
  readonly clientRef: string | null;
  readonly channelId: number | null;
};

/** What an earlier request with this requestId came to. */
export type FirstRequest = {
  readonly content: ReserveContent;
  readonly outcome: Outcome;
  /** Of the reservation it made, if it made one. */
  readonly state: ReservationState | null;
};

export type AccountSnapshot = Balances & {
  readonly id: number;
  readonly status: AccountStatus;
  readonly pin: PinState;
  readonly usage: UsageByScope;
};

export type ReserveSnapshot = {
  /** A failed result for this requestId came before the reserve did (contract.md 4.4). */
  readonly tombstoned: boolean;
  readonly salesPaused: boolean;
  readonly limits: Limits;
  readonly account: AccountSnapshot | null;
  readonly buyerBlocked: boolean;
  readonly pinAttempt: PinAttempt;
};

export type ReservePolicy = { readonly pinPolicy: PinPolicy; readonly pinMaxTries: number };

export type RepeatDecision =
  | { readonly kind: "replay"; readonly outcome: Outcome }
  | { readonly kind: "conflict"; readonly outcome: "unknownError"; readonly finding: FindingDraft };

export type ReserveDecision =
  | { readonly kind: "declined"; readonly outcome: Decline; readonly pin: PinDecision["write"] }
  | {
      readonly kind: "reserved";
      readonly outcome: "success";
      readonly accountId: number;
      readonly pin: PinDecision["write"];
    };

const CONTENT_FIELDS = [
  "buyerId",
  "reserveAmount",
  "purchaseAmount",
  "feeAmount",
  "clientShareAmount",
  "settlementAmount",
  "productId",
  "targetId",
  "currency",
] as const satisfies readonly (keyof ReserveContent)[];

/** The content fields in which two requests differ; none means "the same message again". */
export function differences(a: ReserveContent, b: ReserveContent): string[] {
  return CONTENT_FIELDS.filter((field) => a[field] !== b[field]);
}

/**
 * Decides a request whose requestId was seen before.
 * The first answer again; but Success is never said where nothing is held or debited, so after a
 * release it is a time-out. Other content changes nothing and is a finding.
 */
export function decideRepeat(first: FirstRequest, request: ReserveRequest): RepeatDecision {
  const differing = differences(first.content, request);
  if (differing.length > 0) {
    return {
      kind: "conflict",
      outcome: "unknownError",
      finding: {
        kind: "conflict",
        key: request.requestId,
        detail: `repeated with other ${differing.join(", ")}`,
      },
    };
  }
  const gone = first.outcome === "success" && first.state === "released";
  return { kind: "replay", outcome: gone ? "timeOut" : first.outcome };
}

/**
 * Decides a reserve that was never seen before, from what the store knows.
 * Pure: says what happened; the store writes it in one commit. The checks stand in the order of
 * contract.md 2, the first failure answers. A PIN that was tried is written whatever comes after.
 */
export function decideReserve(
  snapshot: ReserveSnapshot,
  request: ReserveRequest,
  policy: ReservePolicy,
): ReserveDecision {
  const declined = (outcome: Decline, pin: PinDecision["write"] = null): ReserveDecision => ({
    kind: "declined",
    outcome,
    pin,
  });
  if (snapshot.tombstoned) return declined("timeOut");
  if (snapshot.salesPaused || request.currency !== null) return declined("unknownError");

  const { account } = snapshot;
  const overLimit = checkLimits(request.reserveAmount, snapshot.limits, account?.usage ?? null);
  if (overLimit !== null) return declined(overLimit);
  if (account === null) return declined("notMapped");

  const pin = decidePin(account.pin, snapshot.pinAttempt, policy);
  if (pin.declined) return declined("invalidAuthCode", pin.write);
  if (account.status === "inactive") return declined("accountInactive", pin.write);
  if (account.status === "blacklisted" || snapshot.buyerBlocked) {
    return declined("blacklisted", pin.write);
  }
  if (request.reserveAmount > available(account)) return declined("insufficientFunds", pin.write);

  // From here the reserve succeeds.
  return { kind: "reserved", outcome: "success", accountId: account.id, pin: pin.write };
}

/** Where the sums of a request do not add up, by how much; a note, never a reason to decline. */
export function sumsDifference(content: ReserveContent): number {
  if (content.purchaseAmount === null) return 0;
  return content.reserveAmount - plus(content.purchaseAmount, content.feeAmount);
}
