import { expect, test } from "bun:test";
import { ACCOUNT_STATUSES, available, INTERNAL_ACCOUNTS } from "../../src/domain/account.ts";
import { isAccountNumber } from "../../src/domain/identifiers.ts";
import { minor } from "../../src/domain/money.ts";

test.each([
  // ledgerBalance, held, overdraft -> available (contract.md 2, code 2010)
  [50_000, 0, 0, 50_000],
  [50_000, 20_000, 0, 30_000],
  [50_000, 20_000, 10_000, 40_000],
  [50_000, 60_000, 10_000, 0],
  [-10_000, 0, 10_000, 0],
  [0, 0, 0, 0],
])(
  "a balance of %d with %d held and an overdraft of %d leaves %d",
  (ledger, held, overdraft, left) => {
    const balances = {
      ledgerBalance: minor(ledger),
      held: minor(held),
      overdraft: minor(overdraft),
    };
    expect(available(balances)).toBe(minor(left));
  },
);

test("an account is active, inactive or blacklisted", () => {
  expect([...ACCOUNT_STATUSES]).toEqual(["active", "inactive", "blacklisted"]);
});

test("no customer can have the number of one of the bank's own accounts", () => {
  const numbers = Object.values(INTERNAL_ACCOUNTS).map(({ number }) => number);
  expect(new Set(numbers).size).toBe(numbers.length);
  expect(numbers.filter(isAccountNumber)).toEqual([]);
});
