// Decides a result: debit, release, or nothing, and what a person must look at (contract.md 3, 4).
import type { FindingDraft, FindingKind } from "./finding.ts";
import type { Minor } from "./money.ts";
import { DISPENSED, SUPPLIER_UNKNOWN } from "./outcomes.ts";
import type { Reservation } from "./reservation.ts";

export type ResultRequest = {
  readonly requestId: string | null;
  readonly reference: string | null;
  readonly resultCode: string;
  readonly reserveAmount: Minor | null;
  readonly feeAmount: Minor | null;
  readonly clientShareAmount: Minor | null;
  readonly settlementAmount: Minor | null;
  /** Wire names of fields that were malformed and are ignored. */
  readonly malformedFields: readonly string[];
};

/** What the two references name. */
export type ResultMatch = {
  readonly byRequestId: Reservation | null;
  readonly byReference: Reservation | null;
  /** A reserve with this requestId was decided before, and declined. */
  readonly declined: boolean;
};

export type ResultDecision =
  | {
      readonly answer: "accepted";
      readonly reservation: Reservation;
      readonly move: "debit" | "release" | null;
      readonly findings: readonly FindingDraft[];
    }
  | {
      readonly answer: "unmatched";
      /** Remember that a reserve with this requestId, should it come, must hold nothing. */
      readonly tombstone: boolean;
      readonly findings: readonly FindingDraft[];
    };

/** The reservation that a result names, or null where the references name none or not the same. */
function named(request: ResultRequest, match: ResultMatch): Reservation | null {
  if (request.requestId === null) return match.byReference;
  if (request.reference === null) return match.byRequestId;
  const both = match.byRequestId !== null && match.byRequestId.id === match.byReference?.id;
  return both ? match.byRequestId : null;
}

function decideUnmatched(request: ResultRequest, match: ResultMatch): ResultDecision {
  const dispensed = request.resultCode === DISPENSED;
  const oneReference = request.requestId === null || request.reference === null;
  // A failed result for a declined reserve is Clickatell's own bookkeeping (contract.md 4.7).
  if (oneReference && match.declined && !dispensed) {
    return { answer: "unmatched", tombstone: false, findings: [] };
  }
  const why = !oneReference
    ? "the two references do not name the same reservation"
    : match.declined
      ? "the reserve was declined"
      : "never seen";
  const finding: FindingDraft = {
    kind: dispensed ? "unmatched-success" : "unmatched",
    key: [request.requestId, request.reference, request.resultCode].join(" "),
    detail: `result ${request.resultCode}: ${why}`,
  };
  const tombstone = oneReference && request.requestId !== null && !match.declined && !dispensed;
  return { answer: "unmatched", tombstone, findings: [finding, ...malformed(request)] };
}

function malformed(request: ResultRequest): FindingDraft[] {
  if (request.malformedFields.length === 0) return [];
  const fields = request.malformedFields.join(", ");
  return [
    {
      kind: "malformed-field",
      key: [request.requestId, request.reference, fields].join(" "),
      detail: `ignored in the result: ${fields}`,
    },
  ];
}

const COMPARED = [
  ["reserveAmount", "reserveAmount"],
  ["feeAmount", "feeAmount"],
  ["clientShareAmount", "clientShareAmount"],
  ["settlementAmount", "settlementAmount"],
] as const satisfies readonly [keyof ResultRequest, keyof Reservation][];

function amountsDiffer(reservation: Reservation, request: ResultRequest): string[] {
  return COMPARED.filter(
    ([theirs, ours]) => request[theirs] !== null && request[theirs] !== reservation[ours],
  ).map(([theirs]) => theirs);
}

/** What a debit of this reservation leaves for a person: its split is missing or does not fit. */
export function splitFindings(reservation: Reservation): FindingDraft[] {
  const about = (kind: FindingKind, detail: string): FindingDraft[] => [
    { kind, key: reservation.requestId, detail },
  ];
  if (reservation.settlementAmount === null) {
    return about("settlement-missing", "the reserve carried no settlementAmount");
  }
  if (reservation.settlementAmount > reservation.reserveAmount) {
    return about("settlement-exceeds-reserve", "the difference was taken from the bank's income");
  }
  return [];
}

/**
 * Decides a result.
 * Acts on the reservation's own amounts (contract.md 4.6); a repeat has no second effect and a
 * contradiction moves no money (4.5); an outcome nobody knows is released, with a finding (4.8).
 */
export function decideResult(match: ResultMatch, request: ResultRequest): ResultDecision {
  const reservation = named(request, match);
  if (reservation === null) return decideUnmatched(request, match);

  const dispensed = request.resultCode === DISPENSED;
  const { requestId } = reservation;
  const findings: FindingDraft[] = [...malformed(request)];
  const differing = amountsDiffer(reservation, request);
  if (differing.length > 0) {
    findings.push({
      kind: "amounts-differ",
      key: requestId,
      detail: `the result has another ${differing.join(", ")}`,
    });
  }
  if (reservation.state !== "reserved") {
    const contradicts = dispensed !== (reservation.state === "debited");
    if (contradicts) {
      findings.push({
        kind: "contradiction",
        key: requestId,
        detail: `result ${request.resultCode} after the reservation was ${reservation.state}`,
      });
    }
    return { answer: "accepted", reservation, move: null, findings };
  }
  if (SUPPLIER_UNKNOWN.has(request.resultCode)) {
    findings.push({
      kind: "supplier-unknown",
      key: requestId,
      detail: `result ${request.resultCode}`,
    });
  }
  if (dispensed) findings.push(...splitFindings(reservation));
  return { answer: "accepted", reservation, move: dispensed ? "debit" : "release", findings };
}
