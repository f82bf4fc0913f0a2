// The ledger: a debit's split, and every posting sums to zero.
import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  customer,
  debitEntries,
  type Entry,
  internal,
  refundEntries,
  sumOf,
  transferEntries,
} from "../../src/domain/entries.ts";
import { minor } from "../../src/domain/money.ts";

const BUYER = customer(7);

/** Entries as one line: "buyer -100, clickatell +90". */
function text(entries: readonly Entry[]): string {
  return entries
    .map(({ account, amount }) => {
      const name = account.kind === "customer" ? "buyer" : account.name;
      return `${name} ${amount > 0 ? "+" : ""}${amount}`;
    })
    .join(", ");
}

test.each([
  // reserveAmount, settlementAmount -> entries of the debit
  [10_500, 9_000, "buyer -10500, clickatell +9000, income +1500"],
  [10_500, 10_500, "buyer -10500, clickatell +10500"],
  [10_500, 0, "buyer -10500, income +10500"],
  [10_500, 11_000, "buyer -10500, clickatell +11000, income -500"],
  [10_500, null, "buyer -10500, suspense +10500"],
] as [number, number | null, string][])(
  "a debit of %d of which %p is owed: %s",
  (reserve, settlement, expected) => {
    const split = {
      reserveAmount: minor(reserve),
      settlementAmount: settlement === null ? null : minor(settlement),
    };
    expect(text(debitEntries(BUYER, split))).toBe(expected);
  },
);

test("a refund is the debit with every sign turned", () => {
  const split = { reserveAmount: minor(10_500), settlementAmount: minor(9_000) };
  expect(text(refundEntries(BUYER, split))).toBe("buyer +10500, clickatell -9000, income -1500");
});

test("a transfer takes from one account what it gives the other", () => {
  const entries = transferEntries(internal("funding"), BUYER, minor(500));
  expect(text(entries)).toBe("funding -500, buyer +500");
});

test("the sum of no entries is zero", () => {
  expect(sumOf([])).toBe(minor(0));
});

test("every posting sums to zero, names no account twice and holds no empty entry", () => {
  const amount = fc.integer({ min: 1, max: 999_999_999_999 }).map(minor);
  const split = fc.record({
    reserveAmount: amount,
    settlementAmount: fc.option(fc.integer({ min: 0, max: 999_999_999_999 }).map(minor)),
  });
  fc.assert(
    fc.property(split, amount, (given, moved) => {
      const postings = [
        debitEntries(BUYER, given),
        debitEntries(internal("loss"), given),
        refundEntries(BUYER, given),
        transferEntries(internal("clickatell"), internal("funding"), moved),
      ];
      for (const entries of postings) {
        expect(sumOf(entries)).toBe(minor(0));
        expect(new Set(entries.map(({ account }) => JSON.stringify(account))).size).toBe(
          entries.length,
        );
        expect(entries.filter((entry) => entry.amount === 0)).toEqual([]);
      }
    }),
  );
});
