// contract.md 3 and 4.4-4.8: what a result does, what it is answered, what a person must look at.
import { describe, expect, test } from "bun:test";
import { minor } from "../../src/domain/money.ts";
import type { ReservationState } from "../../src/domain/reservation.ts";
import { answers, respond } from "../../src/http/answers.ts";
import {
  answerOf,
  BY,
  done,
  newRequestId,
  type ReserveAnswer,
  reserve,
  reserveBody,
} from "./bank.ts";
import { refused, scenarios, sharedBank } from "./scenario.ts";

const UNMATCHED = '{"responseMessage":"No matching reservation"}';
const FOUR_DIGITS = "a string of four digits";
const IDENTIFIER = "a string of 1 to 64 characters without control characters";

const bank = sharedBank({ accounts: [{ balance: 999_999_999 }] });

const result = (fields: Record<string, unknown>) => bank().post("/transactResult", fields);
const stateOf = (ref: string) => bank().store.reservation(ref)!.state;

function findingsOf(answer: Pick<ReserveAnswer, "raasTxnRef">) {
  return bank()
    .store.findingsOf(answer.raasTxnRef, "")
    .map(({ kind, detail, occurrences }) => [kind, detail, occurrences]);
}

describe("a result names its reservation by either reference, or both", () => {
  const references = (answer: ReserveAnswer): [string, Record<string, unknown>][] => {
    const { raasTxnRef, reserveFundsTxnRef } = answer;
    return [
      ["raasTxnRef alone", { raasTxnRef }],
      ["raasTxnRef and null", { raasTxnRef, reserveFundsTxnRef: null }],
      ['raasTxnRef and ""', { raasTxnRef, reserveFundsTxnRef: "" }],
      ["reserveFundsTxnRef alone", { reserveFundsTxnRef }],
      ["reserveFundsTxnRef and null", { reserveFundsTxnRef, raasTxnRef: null }],
      ["both", { raasTxnRef, reserveFundsTxnRef }],
    ];
  };

  test.each<[string, ReservationState]>([
    ["0000", "debited"],
    ["2201", "released"],
    ["2608", "released"],
    ["9999", "released"],
    ["0001", "released"],
  ])("%s: %s, 202 and an empty body", async (responseCode, state) => {
    for (let form = 0; form < 6; form += 1) {
      const answer = await reserve(bank());
      const [name, named] = references(answer)[form]!;
      const { status, body } = await result({ ...named, responseCode });
      const reached = stateOf(answer.reserveFundsTxnRef);
      expect({ name, status, body, reached }).toEqual({
        name,
        status: 202,
        body: "",
        reached: state,
      });
    }
    expect(bank().held()).toBe(minor(0));
  });

  test("a debit takes the reserveAmount, a release nothing", async () => {
    const before = bank().store.account("1001")!.ledgerBalance;
    const debited = await reserve(bank());
    await result({ raasTxnRef: debited.raasTxnRef, responseCode: "0000" });
    const released = await reserve(bank());
    await result({ raasTxnRef: released.raasTxnRef, responseCode: "2201" });
    expect(bank().store.account("1001")!.ledgerBalance).toBe(minor(before - 10_000));
  });

  test("two references that do not name the same: 404, a finding, no tombstone", async () => {
    const one = await reserve(bank());
    const two = await reserve(bank());
    const pairs = [
      { raasTxnRef: one.raasTxnRef, reserveFundsTxnRef: two.reserveFundsTxnRef },
      { raasTxnRef: one.raasTxnRef, reserveFundsTxnRef: "ACME-none" },
      { raasTxnRef: newRequestId(), reserveFundsTxnRef: one.reserveFundsTxnRef },
    ];
    for (const pair of pairs) {
      const { status, body } = await result({ ...pair, responseCode: "2201" });
      expect([status, body]).toEqual([404, UNMATCHED]);
      const [kind, detail] = findingsOf(pair).at(-1)!;
      expect([kind, detail]).toEqual([
        "unmatched",
        "result 2201: the two references do not name the same reservation",
      ]);
    }
    expect([stateOf(one.raasTxnRef), stateOf(two.raasTxnRef)]).toEqual(["reserved", "reserved"]);
    // No tombstone: a reserve of that name is served.
    const later = await reserve(bank(), { raasTxnRef: pairs[2]!.raasTxnRef });
    expect(later.responseCode).toBe("0000");
  });
});

describe("only the references and responseCode can be refused", () => {
  const known = newRequestId();
  const broken = (field: string, value: unknown, message: string) => ({
    name: `${field} ${JSON.stringify(value)?.slice(0, 30)}`,
    path: "/transactResult",
    body: { raasTxnRef: known, responseCode: "2201", [field]: value },
    status: 400,
    exact: refused(message),
  });
  test("one reservation is open", () => reserve(bank(), { raasTxnRef: known }));

  scenarios(bank, [
    ...[
      0,
      2201,
      true,
      [],
      {},
      "201",
      "22010",
      " 2201",
      "2201 ",
      "220a",
      "22.1",
      "+201",
      "２２０１",
    ].map((value) => broken("responseCode", value, `responseCode must be ${FOUR_DIGITS}`)),
    ...[null, "", undefined].map((value) =>
      broken("responseCode", value, `responseCode is required: ${FOUR_DIGITS}`),
    ),
    ...["raasTxnRef", "reserveFundsTxnRef"].flatMap((field) =>
      [5, true, ["x"], {}, "x".repeat(65), "a\u0000", "a\n", "\ud800"].map((value) =>
        broken(field, value, `${field} must be ${IDENTIFIER}`),
      ),
    ),
    ...[{}, { raasTxnRef: null, reserveFundsTxnRef: "" }, { raasTxnRef: "" }].map((body) => ({
      name: `no reference: ${JSON.stringify(body)}`,
      path: "/transactResult",
      body: { ...body, responseCode: "0000" },
      status: 400,
      exact: refused("raasTxnRef or reserveFundsTxnRef is required"),
    })),
  ]);

  test("none of them changed anything", () => {
    expect(stateOf(known)).toBe("reserved");
    expect(bank().store.findingsOf(known, "")).toEqual([]);
  });

  const WHOLE_FIELDS = [
    ...["reserveAmount", "feeAmount", "clientShareAmount", "settlementAmount"],
    ...["vendAmount", "vendorShareAmount"],
  ];
  const MALFORMED: readonly [field: string, value: unknown][] = [
    ...WHOLE_FIELDS.flatMap((field): [string, unknown][] =>
      [1.5, -1, "0x10", " 5", true, {}, "1000000000000", 1_000_000_000_000].map((value) => [
        field,
        value,
      ]),
    ),
    ["clientTxnRef", 5],
    ["clientTxnRef", "x".repeat(65)],
    ["token", 5],
    ["token", ["0123"]],
  ];

  test.each(MALFORMED)("%s %p is ignored, named in a finding, and no 400", async (field, value) => {
    const answer = await reserve(bank());
    const { raasTxnRef } = answer;
    const { status, body } = await result({ raasTxnRef, responseCode: "0000", [field]: value });
    expect([status, body, stateOf(raasTxnRef)]).toEqual([202, "", "debited"]);
    expect(findingsOf(answer)).toEqual([["malformed-field", `ignored in the result: ${field}`, 1]]);
  });

  test("any timestamp, null, empty and unknown fields are no finding", async () => {
    const answer = await reserve(bank());
    const { raasTxnRef } = answer;
    const odd = {
      timestamp: 5,
      token: null,
      feeAmount: "",
      vendAmount: null,
      brandNew: { a: [1] },
    };
    expect((await result({ raasTxnRef, responseCode: "0000", ...odd })).status).toBe(202);
    expect(findingsOf(answer)).toEqual([]);
    const kept = JSON.parse(bank().store.receiptsOf(raasTxnRef, null).at(-1)!.body!);
    expect(kept).toMatchObject({ timestamp: 5, brandNew: { a: [1] } });
  });
});

describe("a cancel that overtakes its reserve", () => {
  test("404, a finding, and a tombstone: the reserve that comes answers 2060 for ever", async () => {
    const raasTxnRef = newRequestId();
    const before = bank().held();
    const cancel = { raasTxnRef, reserveFundsTxnRef: null, responseCode: "2226" };
    for (const occurrences of [1, 2]) {
      const { status, body } = await result(cancel);
      expect([status, body]).toEqual([404, UNMATCHED]);
      expect(findingsOf(cancel)).toEqual([["unmatched", "result 2226: never seen", occurrences]]);
    }
    const body = reserveBody({ raasTxnRef });
    const timeOut = `{"responseCode":"2060","responseMessage":"Time-out","raasTxnRef":"${raasTxnRef}"}`;
    for (let times = 0; times < 2; times += 1) {
      const answer = await bank().post("/reserveFunds", body);
      expect([answer.status, answer.body]).toEqual([200, timeOut]);
    }
    expect(bank().held()).toBe(before);
    // The reserve was declined, so the resent cancel is nothing new.
    expect((await result(cancel)).status).toBe(404);
    expect(findingsOf(cancel)).toEqual([["unmatched", "result 2226: never seen", 2]]);
  });

  test("the tombstone goes before every other check", async () => {
    const raasTxnRef = newRequestId();
    await result({ raasTxnRef, responseCode: "2226" });
    const answer = await reserve(bank(), {
      raasTxnRef,
      currencyCode: "USD",
      sourceIdentifier: "nobody",
    });
    expect(answer.responseCode).toBe("2060");
  });

  test("a failure under our reference alone leaves no tombstone", async () => {
    const { status } = await result({ reserveFundsTxnRef: "ACME-unknown", responseCode: "2201" });
    expect(status).toBe(404);
  });
});

describe("an unmatched 0000: dispensed, and nothing held", () => {
  test("404, first among the findings, no tombstone; the finding names the later reserve", async () => {
    const raasTxnRef = newRequestId();
    const { status, body } = await result({ raasTxnRef, responseCode: "0000" });
    expect([status, body]).toEqual([404, UNMATCHED]);
    expect(bank().store.findings({ openAt: null, limit: 100 })[0]!.kind).toBe("unmatched-success");
    const later = await reserve(bank(), { raasTxnRef });
    expect(later.responseCode).toBe("0000");
    expect(findingsOf(later)).toEqual([
      [
        "unmatched-success",
        `result 0000: never seen; a reserve came later and was answered 0000 as ${later.reserveFundsTxnRef}`,
        1,
      ],
    ]);
    expect(stateOf(raasTxnRef)).toBe("reserved");
    // The resent result now finds it.
    expect((await result({ raasTxnRef, responseCode: "0000" })).status).toBe(202);
    expect(stateOf(raasTxnRef)).toBe("debited");
  });

  test("under both references, of which one names nothing", async () => {
    const raasTxnRef = newRequestId();
    const pair = { raasTxnRef, reserveFundsTxnRef: "ACME-none", responseCode: "0000" };
    expect((await result(pair)).status).toBe(404);
    expect(findingsOf(pair)[0]![0]).toBe("unmatched-success");
  });
});

describe("repeats and contradictions: 202, and no second effect", () => {
  const ledger = () => bank().store.account("1001")!.ledgerBalance;

  test.each([
    ["0000", "0000", "debited", false],
    ["2201", "2201", "released", false],
    // Another failure is still a failure.
    ["2201", "2608", "released", false],
    ["2201", "0000", "released", true],
    ["0000", "2201", "debited", true],
  ])("%s, then %s: stays %s", async (first, second, state, contradicts) => {
    const answer = await reserve(bank());
    const { raasTxnRef } = answer;
    expect((await result({ raasTxnRef, responseCode: first })).status).toBe(202);
    const before = [ledger(), bank().held()];
    for (let times = 0; times < 2; times += 1) {
      const { status, body } = await result({ raasTxnRef, responseCode: second });
      expect([status, body]).toEqual([202, ""]);
    }
    expect(stateOf(raasTxnRef)).toBe(state as "debited");
    expect([ledger(), bank().held()]).toEqual(before);
    const detail = `result ${second} after the reservation was ${state}`;
    expect(findingsOf(answer)).toEqual(contradicts ? [["contradiction", detail, 2]] : []);
  });

  test.each([
    ["release", "0000"],
    ["debit", "2201"],
  ] as const)("after an operator's %s, %s is a contradiction", async (action, responseCode) => {
    const answer = await reserve(bank());
    done(bank().store.settle(BY, answer.raasTxnRef, action, false));
    const { status } = await result({ raasTxnRef: answer.raasTxnRef, responseCode });
    expect([status, findingsOf(answer)[0]![0]]).toEqual([202, "contradiction"]);
  });
});

describe("a result for a declined reserve", () => {
  test("a failure: 404, no finding", async () => {
    const declined = await reserve(bank(), { sourceIdentifier: "nobody" });
    const { raasTxnRef } = declined;
    const { status, body } = await result({ raasTxnRef, responseCode: "2201" });
    expect([status, body, findingsOf(declined)]).toEqual([404, UNMATCHED, []]);
  });

  test("a 0000: 404, and a finding beside the unmatched 0000", async () => {
    const declined = await reserve(bank(), { sourceIdentifier: "nobody" });
    const { raasTxnRef } = declined;
    const { status, body } = await result({ raasTxnRef, responseCode: "0000" });
    expect([status, body]).toEqual([404, UNMATCHED]);
    expect(findingsOf(declined)).toEqual([
      ["unmatched-success", "result 0000: the reserve was declined", 1],
    ]);
    const again = await reserve(bank(), { raasTxnRef, sourceIdentifier: "nobody" });
    expect(again.responseCode).toBe("2030");
  });
});

describe("findings of a result that took effect", () => {
  test.each(["2240", "2601", "2603"])("%s: released, and a finding", async (responseCode) => {
    const answer = await reserve(bank());
    await result({ raasTxnRef: answer.raasTxnRef, responseCode });
    expect([stateOf(answer.raasTxnRef), findingsOf(answer)]).toEqual([
      "released",
      [["supplier-unknown", `result ${responseCode}`, 1]],
    ]);
  });

  test.each([
    ["reserveAmount", 10_001],
    ["feeAmount", 1],
    ["clientShareAmount", "1"],
    ["settlementAmount", "8999"],
  ])("another %s: the reservation's is used, and a finding", async (field, value) => {
    const before = bank().store.account("1001")!.ledgerBalance;
    const answer = await reserve(bank());
    await result({ raasTxnRef: answer.raasTxnRef, responseCode: "0000", [field]: value });
    expect(bank().store.account("1001")!.ledgerBalance).toBe(minor(before - 10_000));
    expect(findingsOf(answer)).toEqual([["amounts-differ", `the result has another ${field}`, 1]]);
  });

  test("equal amounts in another form are no finding", async () => {
    const answer = await reserve(bank());
    const amounts = { reserveAmount: "0010000", feeAmount: "0", settlementAmount: "9000" };
    await result({ raasTxnRef: answer.raasTxnRef, responseCode: "0000", ...amounts });
    expect(findingsOf(answer)).toEqual([]);
  });

  test.each([
    ["no settlementAmount", { settlementAmount: null }, "settlement-missing"],
    ["more than reserveAmount", { settlementAmount: 10_001 }, "settlement-exceeds-reserve"],
  ])("%s: debited, and a finding", async (_, fields, kind) => {
    const answer = await reserve(bank(), fields);
    const { status } = await result({ raasTxnRef: answer.raasTxnRef, responseCode: "0000" });
    expect([status, stateOf(answer.raasTxnRef)]).toEqual([202, "debited"]);
    expect(findingsOf(answer).map(([found]) => found)).toEqual([kind]);
  });
});

describe("a result that is late", () => {
  test("503 with Retry-After, and an empty body", async () => {
    const late = await answerOf(respond(answers.late(), "a-1"));
    expect([late.status, late.body, late.headers.get("retry-after")]).toEqual([503, "", "5"]);
  });
});

describe("the books after all of it", () => {
  test("every check passes", () => {
    expect(
      bank()
        .store.verify()
        .filter(({ ok }) => !ok),
    ).toEqual([]);
  });
});
