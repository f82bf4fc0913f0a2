// contract.md 2, the checks in their order; 4.2, repeats of a request; 4.4, the cancelled reserve.
import { describe, expect, test } from "bun:test";
import { type LimitFigures, NO_FIGURES } from "../../src/domain/limits.ts";
import { minor, ZERO } from "../../src/domain/money.ts";
import type { Outcome } from "../../src/domain/outcomes.ts";
import type { ReservationState } from "../../src/domain/reservation.ts";
import {
  type AccountSnapshot,
  decideRepeat,
  decideReserve,
  differences,
  type ReserveRequest,
  type ReserveSnapshot,
  sumsDifference,
} from "../../src/domain/reserve.ts";

const POLICY = { pinPolicy: "if-set", pinMaxTries: 3 } as const;

const REQUEST: ReserveRequest = {
  requestId: "raas-1",
  clientRef: "client-1",
  channelId: 7,
  buyerId: "27731304702",
  reserveAmount: minor(10_500),
  purchaseAmount: minor(10_000),
  feeAmount: minor(500),
  clientShareAmount: minor(1_000),
  settlementAmount: minor(9_000),
  productId: 110,
  targetId: "27731304703",
  currency: null,
};

const UNUSED = { dayAmount: ZERO, dayCount: 0, monthAmount: ZERO, monthCount: 0 };

/** An account with a PIN and exactly what the request needs. */
const ACCOUNT: AccountSnapshot = {
  id: 1,
  status: "active",
  ledgerBalance: minor(10_500),
  held: ZERO,
  overdraft: ZERO,
  pin: { isSet: true, failures: 0, locked: false },
  usage: { all: UNUSED, channel: UNUSED, product: UNUSED },
};

const FINE: ReserveSnapshot = {
  tombstoned: false,
  salesPaused: false,
  limits: {},
  account: ACCOUNT,
  buyerBlocked: false,
  pinAttempt: "right",
};

type Case = { readonly snapshot: ReserveSnapshot; readonly request: ReserveRequest };
type Fault = readonly [name: string, spoil: (given: Case) => Case, outcome: Outcome];

const withSnapshot = (given: Case, changes: Partial<ReserveSnapshot>): Case => ({
  ...given,
  snapshot: { ...given.snapshot, ...changes },
});
const withAccount = (given: Case, changes: Partial<AccountSnapshot>): Case => {
  const { account } = given.snapshot;
  return withSnapshot(given, { account: account === null ? null : { ...account, ...changes } });
};
const withLimit = (
  given: Case,
  scope: "global" | "product",
  figures: Partial<LimitFigures>,
): Case =>
  withSnapshot(given, {
    limits: { ...given.snapshot.limits, [scope]: { ...NO_FIGURES, ...figures } },
  });

/** What can be wrong, in the order of the checks. */
const FAULTS: readonly Fault[] = [
  ["cancelled before it came", (c) => withSnapshot(c, { tombstoned: true }), "timeOut"],
  ["sales are paused", (c) => withSnapshot(c, { salesPaused: true }), "unknownError"],
  [
    "another currency",
    (c) => ({ ...c, request: { ...c.request, currency: "USD" } }),
    "unknownError",
  ],
  ["under the minimum", (c) => withLimit(c, "global", { min: minor(10_501) }), "belowMinimum"],
  ["over the maximum", (c) => withLimit(c, "product", { max: minor(10_499) }), "maximumExceeded"],
  ["no account", (c) => withSnapshot(c, { account: null }), "notMapped"],
  ["a wrong PIN", (c) => withSnapshot(c, { pinAttempt: "wrong" }), "invalidAuthCode"],
  ["the account is inactive", (c) => withAccount(c, { status: "inactive" }), "accountInactive"],
  ["the buyer is blocked", (c) => withSnapshot(c, { buyerBlocked: true }), "blacklisted"],
  ["one unit short", (c) => withAccount(c, { held: minor(1) }), "insufficientFunds"],
];

const decide = ({ snapshot, request }: Case) => decideReserve(snapshot, request, POLICY);

test("with nothing wrong, the request is reserved on the buyer's account", () => {
  expect(decide({ snapshot: FINE, request: REQUEST })).toEqual({
    kind: "reserved",
    outcome: "success",
    accountId: 1,
    pin: null,
  });
});

describe("each check on its own", () => {
  test.each([...FAULTS])("%s", (_, spoil, outcome) => {
    const decision = decide(spoil({ snapshot: FINE, request: REQUEST }));
    expect([decision.kind, decision.outcome]).toEqual(["declined", outcome]);
  });
});

describe("of two that fail, the earlier answers", () => {
  const pairs = FAULTS.flatMap((first, index) =>
    FAULTS.slice(index + 1).map((second) => [first[0], second[0], first, second] as const),
  );
  test.each(pairs)("%s, before %s", (_first, _second, [, spoilFirst, outcome], [, spoilSecond]) => {
    const fine = { snapshot: FINE, request: REQUEST };
    expect(decide(spoilFirst(spoilSecond(fine))).outcome).toBe(outcome);
    expect(decide(spoilSecond(spoilFirst(fine))).outcome).toBe(outcome);
  });
});

describe("other ways to the same codes", () => {
  const ways: readonly Fault[] = [
    ["blacklisted account", (c) => withAccount(c, { status: "blacklisted" }), "blacklisted"],
    ["PIN missing", (c) => withSnapshot(c, { pinAttempt: "absent" }), "invalidAuthCode"],
    [
      "PIN locked",
      (c) => withAccount(c, { pin: { isSet: true, failures: 3, locked: true } }),
      "invalidAuthCode",
    ],
    ["day full", (c) => withLimit(c, "global", { dayAmount: minor(10_499) }), "maximumExceeded"],
    ["month full", (c) => withLimit(c, "product", { monthCount: 0 }), "maximumExceeded"],
    [
      "the minimum is looked at for a buyer without an account too",
      (c) => withLimit(withSnapshot(c, { account: null }), "global", { min: minor(10_501) }),
      "belowMinimum",
    ],
    [
      "but no window is",
      (c) => withLimit(withSnapshot(c, { account: null }), "global", { dayCount: 0 }),
      "notMapped",
    ],
    [
      "blocked without an account",
      (c) => withSnapshot(c, { account: null, buyerBlocked: true }),
      "notMapped",
    ],
    [
      "exactly on both limits",
      (c) => withLimit(c, "global", { min: minor(10_500), max: minor(10_500) }),
      "success",
    ],
  ];
  test.each([...ways])("%s", (_, spoil, outcome) => {
    expect(decide(spoil({ snapshot: FINE, request: REQUEST })).outcome).toBe(outcome);
  });
});

test.each([
  // ledgerBalance, held, overdraft, reserveAmount -> outcome (available = ledger - held + overdraft)
  [10_500, 0, 0, 10_500, "success"],
  [10_500, 0, 0, 10_501, "insufficientFunds"],
  [20_000, 9_500, 0, 10_500, "success"],
  [20_000, 9_501, 0, 10_500, "insufficientFunds"],
  [0, 0, 10_500, 10_500, "success"],
  [0, 0, 10_499, 10_500, "insufficientFunds"],
  [-500, 0, 11_000, 10_500, "success"],
] as [number, number, number, number, Outcome][])(
  "balance %d, held %d, overdraft %d: %d is %s",
  (ledger, held, overdraft, amount, outcome) => {
    const given = withAccount(
      { snapshot: FINE, request: { ...REQUEST, reserveAmount: minor(amount) } },
      { ledgerBalance: minor(ledger), held: minor(held), overdraft: minor(overdraft) },
    );
    expect(decide(given).outcome).toBe(outcome);
  },
);

describe("a PIN that was tried is written, whatever comes after", () => {
  const twoWrong = { pin: { isSet: true, failures: 2, locked: false } };
  const reset = { failures: 0, locked: false };
  const locks = { failures: 3, locked: true };
  test.each([
    // what is wrong beside, authCode -> written after two wrong ones
    [null, "right", reset],
    ["the account is inactive", "right", reset],
    ["the buyer is blocked", "right", reset],
    ["one unit short", "right", reset],
    [null, "wrong", locks],
    ["the account is inactive", "wrong", locks],
    ["one unit short", "wrong", locks],
    // A check before the PIN answers without looking at it: nobody learns anything.
    ["over the maximum", "wrong", null],
    ["under the minimum", "right", null],
    ["sales are paused", "right", null],
    ["cancelled before it came", "wrong", null],
  ] as [string | null, "right" | "wrong", object | null][])(
    "%p, authCode %s: %j",
    (fault, pinAttempt, written) => {
      const fine = { snapshot: { ...FINE, pinAttempt }, request: REQUEST };
      const spoil = FAULTS.find(([name]) => name === fault)?.[1] ?? ((given: Case) => given);
      expect(decide(spoil(withAccount(fine, twoWrong))).pin as object | null).toEqual(written);
    },
  );
});

describe("a repeat: the first answer again, but Success only where it is true", () => {
  test.each([
    // first outcome, state of its reservation -> answer
    ["success", "reserved", "success"],
    ["success", "debited", "success"],
    ["success", "released", "timeOut"],
    ["insufficientFunds", null, "insufficientFunds"],
    ["belowMinimum", null, "belowMinimum"],
    ["invalidAuthCode", null, "invalidAuthCode"],
    ["unknownError", null, "unknownError"],
    ["timeOut", null, "timeOut"],
    ["timeOut", "released", "timeOut"],
    ["timeOut", "debited", "timeOut"],
  ] as [Outcome, ReservationState | null, Outcome][])(
    "%s, reservation %p: %s",
    (outcome, state, expected) => {
      const decision = decideRepeat({ content: REQUEST, outcome, state }, REQUEST);
      expect(decision).toEqual({ kind: "replay", outcome: expected });
    },
  );
});

describe("a repeat with other content: 2090 and a finding, whatever the first outcome was", () => {
  test.each([
    // field, its other value
    ["buyerId", "27731304709"],
    ["reserveAmount", minor(10_501)],
    ["purchaseAmount", minor(10_001)],
    ["purchaseAmount", null],
    ["feeAmount", minor(501)],
    ["clientShareAmount", minor(0)],
    ["settlementAmount", minor(9_001)],
    ["settlementAmount", null],
    ["settlementAmount", minor(0)],
    ["productId", 111],
    ["productId", null],
    ["targetId", "27731304709"],
    ["targetId", null],
    ["currency", "USD"],
  ] as [keyof ReserveRequest, ReserveRequest[keyof ReserveRequest]][])(
    "another %s (%p)",
    (field, value) => {
      const repeat = { ...REQUEST, [field]: value };
      for (const [outcome, state] of [
        ["success", "reserved"],
        ["success", "released"],
        ["insufficientFunds", null],
      ] as const) {
        expect(decideRepeat({ content: REQUEST, outcome, state }, repeat)).toEqual({
          kind: "conflict",
          outcome: "unknownError",
          finding: {
            kind: "conflict",
            key: "raas-1",
            detail: `repeated with other ${field}`,
          },
        });
      }
    },
  );

  test("all that differs is named", () => {
    const repeat = { ...REQUEST, productId: 111, feeAmount: minor(0), buyerId: "x" };
    expect(differences(REQUEST, repeat)).toEqual(["buyerId", "feeAmount", "productId"]);
  });
});

test.each([
  ["clientRef", "client-2"],
  ["clientRef", null],
  ["channelId", 4],
] as [keyof ReserveRequest, string | number | null][])(
  "another %s (%p) is the same message again",
  (field, value) => {
    expect(differences(REQUEST, { ...REQUEST, [field]: value })).toEqual([]);
  },
);

test.each([
  // reserve, purchase, fee -> by how much the reserve is more than their sum
  [10_500, 10_000, 500, 0],
  [10_000, 10_000, 500, -500],
  [10_500, 10_000, 0, 500],
  [10_500, null, 500, 0],
] as [number, number | null, number, number][])(
  "reserve %d, purchase %p, fee %d: off by %d",
  (reserve, purchase, fee, expected) => {
    const content = {
      ...REQUEST,
      reserveAmount: minor(reserve),
      purchaseAmount: purchase === null ? null : minor(purchase),
      feeAmount: minor(fee),
    };
    expect(sumsDifference(content)).toBe(expected);
  },
);
