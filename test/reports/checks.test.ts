// What is said of each check: which failed follows from the answer, the figures from what is known.
import { describe, expect, test } from "bun:test";
import { minor } from "../../src/domain/money.ts";
import type { Decline } from "../../src/domain/outcomes.ts";
import { type CheckLine, checksOf } from "../../src/reports/checks.ts";
import type { DeclinedView, Past } from "../../src/storage/store.ts";
import { BANK, receipt, reservation } from "./rows.ts";

const USAGE = { dayAmount: minor(300), dayCount: 2, monthAmount: minor(900), monthCount: 5 };
const NO_LIMIT = { min: null, max: null, dayAmount: null, dayCount: null } as const;

function past(given: Partial<Past> = {}): Past {
  return {
    cancelled: false,
    salesPaused: false,
    limits: {},
    buyerBlocked: false,
    account: {
      number: "62-0001",
      status: "active",
      ledgerBalance: minor(50_000),
      held: minor(1_000),
      overdraft: minor(0),
      usage: { all: USAGE, channel: USAGE, product: USAGE },
    },
    ...given,
  };
}

function declined(outcome: Decline, given: Partial<DeclinedView> = {}): DeclinedView {
  const { requestId, clientRef, buyerId, targetId, productId, channelId, ...rest } = reservation();
  const { reserveAmount, purchaseAmount, feeAmount, clientShareAmount, settlementAmount } = rest;
  return {
    id: 1,
    ...{ requestId, clientRef, buyerId, targetId, productId, channelId },
    ...{ reserveAmount, purchaseAmount, feeAmount, clientShareAmount, settlementAmount },
    state: "declined",
    outcome,
    currency: null,
    receivedAt: 0,
    sumsDifference: 0,
    ...given,
  };
}

const asked = { receipt: receipt({ body: '{"authCode":"***"}' }), bank: BANK };
const account = (given: object) => past({ account: { ...past().account, ...given } as never });
const limits = (given: object) =>
  past({ limits: { global: { ...NO_LIMIT, monthAmount: null, monthCount: null, ...given } } });
const text = ({ name, verdict, figures }: CheckLine) => `${name}: ${verdict}, ${figures}`;

describe("the check that failed, with its figures", () => {
  const rows: readonly [outcome: Decline, past: Past, line: string][] = [
    [
      "timeOut",
      past({ cancelled: true }),
      "not cancelled before: failed, a failed result for it had come before",
    ],
    ["unknownError", past({ salesPaused: true }), "sales open: failed, sales were paused"],
    [
      "belowMinimum",
      limits({ min: minor(20_000) }),
      "minimum: failed, 105.00 asked, minimum 200.00",
    ],
    [
      "maximumExceeded",
      limits({ max: minor(10_000) }),
      "maximum: failed, 105.00 asked, maximum 100.00",
    ],
    [
      "maximumExceeded",
      limits({ dayAmount: minor(10_000), dayCount: 9 }),
      "day and month limits: failed, 3.00 + 105.00 of 100.00 in the day",
    ],
    [
      "maximumExceeded",
      limits({ monthCount: 5 }),
      "day and month limits: failed, 5 + 1 of 5 purchases in the month",
    ],
    ["notMapped", past({ account: null }), "buyer mapped: failed, to no account"],
    ["invalidAuthCode", past(), "PIN: failed, the request had an authCode"],
    ["accountInactive", account({ status: "inactive" }), "account active: failed, inactive"],
    ["blacklisted", account({ status: "blacklisted" }), "not blacklisted: failed, blacklisted"],
    ["blacklisted", past({ buyerBlocked: true }), "not blacklisted: failed, the buyer was blocked"],
    [
      "insufficientFunds",
      account({ held: minor(45_000) }),
      "funds: failed, 105.00 of 50.00 available (ledger 500.00, held 450.00, overdraft 0.00)",
    ],
  ];
  test.each(rows)("%s", (outcome, known, line) => {
    const checks = checksOf(declined(outcome), known, asked);
    const failed = checks.findIndex(({ verdict }) => verdict === "failed");
    expect(text(checks[failed] as CheckLine)).toBe(line);
    expect(checks.slice(0, failed).every(({ verdict }) => verdict === "passed")).toBe(true);
    const after = checks.slice(failed + 1);
    expect(after.every(({ verdict }) => verdict === "not reached")).toBe(true);
  });

  test("a foreign currency", () => {
    const checks = checksOf(declined("unknownError", { currency: "USD" }), past(), asked);
    expect(checks.filter(({ verdict }) => verdict === "failed").map(text)).toEqual([
      "currency: failed, USD",
    ]);
  });
});

test("a Success passed them all, each with what it looked at", () => {
  const known = limits({ min: minor(500), max: minor(20_000), dayCount: 3 });
  const checks = checksOf(reservation(), known, asked);
  expect(checks.every(({ verdict }) => verdict === "passed")).toBe(true);
  expect(checks.map(text)).toContain("minimum: passed, 105.00 asked, minimum 5.00");
  expect(checks.map(text)).toContain(
    "day and month limits: passed, 2 + 1 of 3 purchases in the day",
  );
});

describe("nothing is invented", () => {
  test("figures that contradict the answer are left out", () => {
    const checks = checksOf(declined("insufficientFunds"), past(), asked);
    expect(checks.find(({ name }) => name === "funds")).toEqual({
      name: "funds",
      verdict: "failed",
      figures: "",
    });
  });
  test.each(["timeOut", "unknownError"] as const)("%s of a cause no check knows", (outcome) => {
    const checks = checksOf(declined(outcome), past(), asked);
    expect(new Set(checks.map(({ verdict }) => verdict))).toEqual(new Set(["not told"]));
  });
  test("where too much came since, the verdicts stand alone", () => {
    const checks = checksOf(declined("insufficientFunds"), null, asked);
    expect(checks.map(({ figures }) => figures).join("")).toBe("");
    expect(checks.find(({ verdict }) => verdict === "failed")?.name).toBe("funds");
  });
  test("where two checks have the same answer, neither is said to have failed", () => {
    const checks = checksOf(declined("maximumExceeded"), null, asked);
    const unsure = checks.filter(({ verdict }) => verdict === "not told");
    expect(unsure.map(({ name }) => name)).toEqual(["maximum", "day and month limits"]);
    expect(checks.some(({ verdict }) => verdict === "failed")).toBe(false);
  });
});
