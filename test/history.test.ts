// The checker must bite: each row is a history and books that no right bank could have.
import { describe, expect, test } from "bun:test";
import { type Books, type Exchange, historyProblems, type ReservationRow } from "./history.ts";

const OPENING = new Map([["A", 100_000]]);

type Said = { readonly status: number; readonly body: string };

/** One request at a time, a second apart, unless `at` says otherwise. */
function exchange(
  path: Exchange["path"],
  body: Record<string, unknown>,
  { said, at }: { said: Said | null; at: number },
): Exchange {
  const answer = said === null ? null : { ...said, at: at + 500 };
  return { path, body, sentAt: at, answer };
}

let clock = 0;
const next = () => {
  clock += 1_000;
  return clock;
};

const ask = (amount = 1_000) => ({
  raasTxnRef: "r",
  sourceIdentifier: "b",
  reserveAmount: amount,
  settlementAmount: 900,
});
const text = (code: string, more = "") =>
  `{"responseCode":"${code}","responseMessage":"-","raasTxnRef":"r"${more}}`;
const ok = (reference = "X-1") => ({
  status: 200,
  body: text("0000", `,"reserveFundsTxnRef":"${reference}"`),
});
const code = (responseCode: string) => ({ status: 200, body: text(responseCode) });

const reserve = (said: Said | null, { amount = 1_000, at = next() } = {}) =>
  exchange("/reserveFunds", ask(amount), { said, at });
const result = (responseCode: string, status: number | null, { at = next() } = {}) =>
  exchange(
    "/transactResult",
    { raasTxnRef: "r", responseCode },
    { said: status === null ? null : { status, body: "" }, at },
  );
const debit = (status: number | null, how = {}) => result("0000", status, how);
const release = (status: number | null, how = {}) => result("2226", status, how);

const ROW: ReservationRow = {
  requestId: "r",
  reference: "X-1",
  buyerId: "b",
  account: "A",
  reserveAmountMinor: 1_000,
  state: "reserved",
};

/** Books that are right in themselves: the account fits the rows. */
function books(
  states: readonly (ReservationRow["state"] | ReservationRow)[],
  found = false,
): Books {
  const reservations = states.map((state) =>
    typeof state === "string" ? { ...ROW, state } : state,
  );
  const sum = (wanted: string) =>
    reservations
      .filter(({ state }) => state === wanted)
      .reduce((total, { reserveAmountMinor }) => total + reserveAmountMinor, 0);
  const ledgerBalanceMinor = 100_000 - sum("debited");
  const accounts = [{ number: "A", ledgerBalanceMinor, heldMinor: sum("reserved") }];
  return { reservations, accounts, contradictions: new Set(found ? ["r"] : []) };
}

const judged = (exchanges: readonly Exchange[], of: Books, crashes: readonly number[] = []) =>
  historyProblems({ exchanges, crashes }, of, OPENING);

describe("nothing is wrong", () => {
  test.each<[string, () => Exchange[], Books]>([
    ["a sale", () => [reserve(ok()), debit(202)], books(["debited"])],
    [
      "a sale, its repeats and its cancel",
      () => [reserve(ok()), reserve(ok()), release(202), release(202), reserve(code("2060"))],
      books(["released"]),
    ],
    ["a decline that is repeated", () => [reserve(code("2010")), reserve(code("2010"))], books([])],
    [
      "a conflict",
      () => [reserve(ok()), reserve(code("2090"), { amount: 2_000 })],
      books(["reserved"]),
    ],
    ["a cancel that came first", () => [release(404), reserve(code("2060"))], books([])],
    ["a 2060 that was undone", () => [reserve(code("2060")), release(202)], books(["released"])],
    ["a 2060 that held nothing", () => [reserve(code("2060")), release(404)], books([])],
    [
      "a contradiction with its finding",
      () => [reserve(ok()), debit(202), release(202)],
      books(["debited"], true),
    ],
    ["what is in doubt, done", () => [reserve(null), debit(null)], books(["debited"])],
    ["what is in doubt, not done", () => [reserve(null), debit(503)], books([])],
    [
      "both results at once, either one",
      () => [reserve(ok()), debit(202, { at: clock + 1 }), release(202, { at: clock + 2 })],
      books(["released"], true),
    ],
    [
      "a dispensed that matched nothing does not block",
      () => [debit(404), reserve(ok())],
      books(["reserved"]),
    ],
  ])("%s", (_, exchanges, of) => {
    expect(judged(exchanges(), of)).toEqual([]);
  });

  test("a 2060 that a crash forgot may be decided afresh, and only then", () => {
    const exchanges = [reserve(code("2060")), reserve(ok())];
    const crash = (exchanges[0]?.answer?.at ?? 0) + 1;
    expect(judged(exchanges, books(["reserved"]), [crash])).toEqual([]);
    expect(judged(exchanges, books(["reserved"]))).not.toEqual([]);
    expect(judged(exchanges, books(["reserved"]), [crash + 10_000])).not.toEqual([]);
  });
});

describe("it bites", () => {
  test.each<[string, () => Exchange[], Books]>([
    ["I3: it was answered Success, and is not in the bank", () => [reserve(ok())], books([])],
    ["I3: it was answered X-2", () => [reserve(ok("X-2"))], books(["reserved"])],
    ["I3: r X-1 is in the bank twice", () => [reserve(ok())], books(["reserved", "reserved"])],
    [
      "I3: r2 X-1 is in the bank twice",
      () => [reserve(ok())],
      books(["reserved", { ...ROW, requestId: "r2" }]),
    ],
    ["I3: r is in the bank, unasked", () => [], books(["reserved"])],
    ["I3: it was declined, and is in the bank", () => [reserve(code("2010"))], books(["reserved"])],
    [
      "I3: nobody asked for it as it stands",
      () => [reserve(ok())],
      books([{ ...ROW, reserveAmountMinor: 999 }]),
    ],
    [
      "I3: nobody asked for it as it stands",
      () => [reserve(ok())],
      books([{ ...ROW, buyerId: "c" }]),
    ],
    [
      "I3: nobody asked for it as it stands",
      () => [reserve(ok()), reserve(code("2090"), { amount: 2_000 })],
      books([{ ...ROW, reserveAmountMinor: 2_000 }]),
    ],
    [
      "I3: a result for a Success was answered 404",
      () => [reserve(ok()), debit(404)],
      books(["reserved"]),
    ],
    [
      "I4: its result was answered 202, and it is not in the bank",
      () => [reserve(null), debit(202)],
      books([]),
    ],
    [
      "I4: it is reserved, and may be debited",
      () => [reserve(ok()), debit(202)],
      books(["reserved"]),
    ],
    ["I4: it is debited, and may be reserved", () => [reserve(ok())], books(["debited"])],
    ["I4: it is released, and may be reserved", () => [reserve(ok())], books(["released"])],
    [
      "I4: it is released, and may be debited",
      () => [reserve(ok()), debit(202), release(202)],
      books(["released"], true),
    ],
    [
      "I4: it is debited, and may be released",
      () => [reserve(ok()), release(202), debit(202)],
      books(["debited"], true),
    ],
    [
      "I4: a result was answered 202; it is debited, and there is no finding",
      () => [reserve(ok()), debit(202), release(202)],
      books(["debited"]),
    ],
    ["I4: it is reserved, and may be released", () => [reserve(code("2060"))], books(["reserved"])],
    [
      "I4: it is debited, and may be released",
      () => [reserve(code("2060")), debit(202)],
      books(["debited"]),
    ],
    ["I4: a result was answered 500", () => [reserve(ok()), debit(500)], books(["debited"])],
    ["I5: a reserve was answered 500", () => [reserve({ status: 500, body: "" })], books([])],
    [
      "I5: a reserve was answered 200",
      () => [reserve({ status: 200, body: text("0000") })],
      books(["reserved"]),
    ],
    [
      "I5: a reserve was answered 200",
      () => [reserve({ status: 200, body: text("9999") })],
      books([]),
    ],
    [
      "I5: a repeat of 0000 was answered 2010",
      () => [reserve(ok()), reserve(code("2010"))],
      books(["reserved"]),
    ],
    [
      "I5: a repeat of 2010 was answered 0000",
      () => [reserve(code("2010")), reserve(ok())],
      books(["reserved"]),
    ],
    ["became", () => [reserve(ok()), reserve(ok("X-2"))], books(["reserved"])],
    [
      "I5: two contents were decided",
      () => [reserve(ok()), reserve(code("2010"), { amount: 2_000 })],
      books(["reserved"]),
    ],
    [
      "I5: it was answered both Success and 2060",
      () => [reserve(ok()), reserve(code("2060"))],
      books(["reserved"]),
    ],
    [
      "I5: it was answered both Success and 2060",
      () => [reserve(code("2060")), reserve(ok())],
      books(["reserved"]),
    ],
    [
      "I5: it was answered Success after its release",
      () => [reserve(ok()), release(202), reserve(ok())],
      books(["released"]),
    ],
    ["I5: its cancel found nothing", () => [release(404), reserve(ok())], books(["reserved"])],
    ["I5: it was cancelled before it came", () => [release(404), reserve(code("2010"))], books([])],
  ])("%s", (problem, exchanges, of) => {
    expect(judged(exchanges(), of).join("\n")).toContain(problem);
  });

  test.each([
    ["debited twice", { ledgerBalanceMinor: 98_000, heldMinor: 0 }],
    ["debited and still held", { ledgerBalanceMinor: 99_000, heldMinor: 1_000 }],
    ["not debited", { ledgerBalanceMinor: 100_000, heldMinor: 0 }],
  ])("money: %s", (_, figures) => {
    const wrong = { ...books(["debited"]), accounts: [{ number: "A", ...figures }] };
    expect(judged([reserve(ok()), debit(202)], wrong).join("\n")).toContain("I4: account A");
  });

  test("a result that names the reservation by our reference alone", () => {
    const body = { reserveFundsTxnRef: "X-1", responseCode: "0000" };
    const how = { said: { status: 202, body: "" }, at: next() };
    const exchanges = [reserve(ok()), exchange("/transactResult", body, how)];
    expect(judged(exchanges, books(["debited"]))).toEqual([]);
    expect(judged(exchanges, books(["reserved"]))).not.toEqual([]);
  });
});
