// contract.md 3 and 4.4-4.8: what a result does, by what it names and what that came to.
import { describe, expect, test } from "bun:test";
import { minor } from "../../src/domain/money.ts";
import type { Reservation, ReservationState } from "../../src/domain/reservation.ts";
import {
  decideResult,
  type ResultMatch,
  type ResultRequest,
  splitFindings,
} from "../../src/domain/result.ts";

const RESERVED: Reservation = {
  id: 1,
  requestId: "raas-1",
  reference: "ACME-1",
  state: "reserved",
  reserveAmount: minor(10_500),
  feeAmount: minor(500),
  clientShareAmount: minor(1_000),
  settlementAmount: minor(9_000),
};
const OTHER: Reservation = { ...RESERVED, id: 2, requestId: "raas-2", reference: "ACME-2" };

const RESULT: ResultRequest = {
  requestId: "raas-1",
  reference: null,
  resultCode: "0000",
  reserveAmount: null,
  feeAmount: null,
  clientShareAmount: null,
  settlementAmount: null,
  malformedFields: [],
};

const KNOWN = [RESERVED, OTHER];

/** The match a store would find for the two references. */
function matchOf(request: ResultRequest, state: ReservationState, declined = false): ResultMatch {
  const find = (wanted: (known: Reservation) => boolean) => {
    const known = KNOWN.find(wanted);
    return known === undefined ? null : { ...known, state };
  };
  return {
    byRequestId: find(({ requestId }) => requestId === request.requestId),
    byReference: find(({ reference }) => reference === request.reference),
    declined,
  };
}

/** The decision as one line: "202 debit", "404 tombstone, unmatched". */
function decided(match: ResultMatch, request: ResultRequest): string {
  const decision = decideResult(match, request);
  const head =
    decision.answer === "accepted"
      ? ["202", decision.move]
      : ["404", decision.tombstone ? "tombstone" : null];
  const kinds = decision.findings.map(({ kind }) => kind);
  return [head.filter((part) => part !== null).join(" "), ...kinds].join(", ");
}

describe("a result for a reservation", () => {
  test.each([
    // contract, state, code -> answer, move, findings
    ["3", "reserved", "0000", "202 debit"],
    ["3", "reserved", "2201", "202 release"],
    ["3", "reserved", "9999", "202 release"],
    ["3", "reserved", "0001", "202 release"],
    ["4.5", "debited", "0000", "202"],
    ["4.5", "released", "2201", "202"],
    ["4.5", "released", "2608", "202"],
    ["4.5", "released", "0000", "202, contradiction"],
    ["4.5", "debited", "2201", "202, contradiction"],
    ["4.8", "reserved", "2240", "202 release, supplier-unknown"],
    ["4.8", "reserved", "2601", "202 release, supplier-unknown"],
    ["4.8", "reserved", "2603", "202 release, supplier-unknown"],
    ["4.8", "reserved", "2602", "202 release"],
    ["4.8", "released", "2240", "202"],
    ["4.5", "debited", "2240", "202, contradiction"],
  ] as [string, ReservationState, string, string][])(
    "%s: %s, then %s: %s",
    (_, state, resultCode, expected) => {
      const request = { ...RESULT, resultCode };
      expect(decided(matchOf(request, state), request)).toBe(expected);
    },
  );
});

describe("what the two references name", () => {
  test.each([
    // contract, requestId, reference, code -> outcome; raas-1 and ACME-1 are one reservation
    ["3", "raas-1", null, "0000", "202 debit"],
    ["3", null, "ACME-1", "0000", "202 debit"],
    ["3", "raas-1", "ACME-1", "0000", "202 debit"],
    ["3", "raas-1", "ACME-1", "2201", "202 release"],
    // Both are given and do not name the same one: a finding, no tombstone.
    ["3", "raas-1", "ACME-2", "0000", "404, unmatched-success"],
    ["3", "raas-1", "ACME-2", "2201", "404, unmatched"],
    ["3", "raas-1", "ACME-9", "2201", "404, unmatched"],
    ["3", "raas-1", "ACME-9", "0000", "404, unmatched-success"],
    ["3", "raas-9", "ACME-1", "2201", "404, unmatched"],
    ["3", "raas-9", "ACME-1", "0000", "404, unmatched-success"],
    ["3", "raas-9", "ACME-9", "2201", "404, unmatched"],
    ["3", "raas-9", "ACME-9", "0000", "404, unmatched-success"],
    // A failure for a raasTxnRef never seen leaves a tombstone; a 0000 must not block the reserve.
    ["4.4", "raas-9", null, "2201", "404 tombstone, unmatched"],
    ["4.4", "raas-9", null, "2240", "404 tombstone, unmatched"],
    ["4.4", "raas-9", null, "0000", "404, unmatched-success"],
    // Our reference alone names no request that could still come.
    ["4.4", null, "ACME-9", "2201", "404, unmatched"],
    ["4.4", null, "ACME-9", "0000", "404, unmatched-success"],
    // Neither is ever taken for the other.
    ["3", "ACME-1", null, "0000", "404, unmatched-success"],
    ["3", null, "raas-1", "0000", "404, unmatched-success"],
  ] as [string, string | null, string | null, string, string][])(
    "%s: raasTxnRef %p, reserveFundsTxnRef %p, %s: %s",
    (_, requestId, reference, resultCode, expected) => {
      const request = { ...RESULT, requestId, reference, resultCode };
      expect(decided(matchOf(request, "reserved"), request)).toBe(expected);
    },
  );
});

describe("4.7: a result for a declined reserve", () => {
  test.each([
    // requestId, reference, code -> outcome
    ["raas-9", null, "2201", "404"],
    ["raas-9", null, "2240", "404"],
    ["raas-9", null, "0000", "404, unmatched-success"],
    // It names a reference that no declined reserve was ever given.
    ["raas-9", "ACME-9", "2201", "404, unmatched"],
  ] as [string, string | null, string, string][])(
    "%s, %p, %s: %s",
    (requestId, reference, resultCode, expected) => {
      const request = { ...RESULT, requestId, reference, resultCode };
      expect(decided(matchOf(request, "reserved", true), request)).toBe(expected);
    },
  );
});

describe("4.6: amounts that differ are a finding, and the reservation's are used", () => {
  test.each([
    // the result's amounts -> what the finding names
    [{ reserveAmount: 10_500, feeAmount: 500, clientShareAmount: 1_000 }, null],
    [{ settlementAmount: 9_000 }, null],
    [{ reserveAmount: 10_400 }, "reserveAmount"],
    [{ feeAmount: 0 }, "feeAmount"],
    [{ clientShareAmount: 999 }, "clientShareAmount"],
    [{ settlementAmount: 9_001 }, "settlementAmount"],
    [{ reserveAmount: 1, settlementAmount: 1 }, "reserveAmount, settlementAmount"],
  ] as [Record<string, number>, string | null][])("%j", (amounts, named) => {
    const request = { ...RESULT, ...amounts } as ResultRequest;
    for (const [state, move] of [
      ["reserved", "debit"],
      ["debited", null],
    ] as const) {
      const decision = decideResult(matchOf(request, state), request);
      expect(decision).toMatchObject({ answer: "accepted", move });
      expect(decision.findings.map(({ kind, detail }) => `${kind}: ${detail}`)).toEqual(
        named === null ? [] : [`amounts-differ: the result has another ${named}`],
      );
    }
  });

  test("a settlementAmount that only the result has differs too", () => {
    const request = { ...RESULT, settlementAmount: minor(9_000) };
    const reservation = { ...RESERVED, settlementAmount: null };
    const match = { byRequestId: reservation, byReference: null, declined: false };
    expect(decided(match, request)).toBe("202 debit, amounts-differ, settlement-missing");
  });
});

describe("a debit whose split is missing or does not fit is a finding, and never fails", () => {
  test.each([
    // settlementAmount of the reservation, code -> outcome
    [9_000, "0000", "202 debit"],
    [10_500, "0000", "202 debit"],
    [0, "0000", "202 debit"],
    [10_501, "0000", "202 debit, settlement-exceeds-reserve"],
    [null, "0000", "202 debit, settlement-missing"],
    [null, "2201", "202 release"],
    [10_501, "2201", "202 release"],
  ] as [number | null, string, string][])(
    "settlementAmount %p, %s: %s",
    (settlement, resultCode, expected) => {
      const settlementAmount = settlement === null ? null : minor(settlement);
      const reservation = { ...RESERVED, settlementAmount };
      const match = { byRequestId: reservation, byReference: null, declined: false };
      expect(decided(match, { ...RESULT, resultCode })).toBe(expected);
    },
  );

  test("the finding is about the request", () => {
    const [finding] = splitFindings({ ...RESERVED, settlementAmount: null });
    expect(finding?.key).toBe("raas-1");
  });
});

describe("3: a malformed field of a result is ignored and becomes a finding", () => {
  test.each([
    // requestId, code -> outcome
    ["raas-1", "0000", "202 debit, malformed-field"],
    ["raas-1", "2201", "202 release, malformed-field"],
    ["raas-9", "2201", "404 tombstone, unmatched, malformed-field"],
  ])("%s, %s: %s", (requestId, resultCode, expected) => {
    const request = { ...RESULT, requestId, resultCode, malformedFields: ["feeAmount", "token"] };
    const match = matchOf(request, "reserved");
    expect(decided(match, request)).toBe(expected);
    const details = decideResult(match, request).findings.map(({ detail }) => detail);
    expect(details).toContain("ignored in the result: feeAmount, token");
  });
});

describe("a finding's key: the same message again is the same finding, another one is not", () => {
  const keyOf = (given: Partial<ResultRequest>, state: ReservationState = "reserved") => {
    const request = { ...RESULT, ...given };
    const { findings } = decideResult(matchOf(request, state), request);
    return findings.map(({ kind, key }) => `${kind} ${key}`);
  };
  test.each([
    // a, b -> one finding?
    [{ requestId: "raas-9" }, { requestId: "raas-9" }, true],
    [{ requestId: "raas-8" }, { requestId: "raas-9" }, false],
    [
      { requestId: "raas-9", resultCode: "2201" },
      { requestId: "raas-9", resultCode: "2202" },
      false,
    ],
    [{ requestId: "raas-9" }, { requestId: "raas-9", reference: "ACME-9" }, false],
    [{ requestId: null, reference: "9" }, { requestId: "9", reference: null }, false],
  ] as [Partial<ResultRequest>, Partial<ResultRequest>, boolean][])("%j, %j: %p", (a, b, same) => {
    expect(Bun.deepEquals(keyOf(a), keyOf(b))).toBe(same);
  });

  test("a contradiction is one, by whichever reference and code it comes again", () => {
    expect(keyOf({ resultCode: "2201" }, "debited")).toEqual(["contradiction raas-1"]);
    expect(keyOf({ requestId: null, reference: "ACME-1", resultCode: "2608" }, "debited")).toEqual([
      "contradiction raas-1",
    ]);
  });
});
