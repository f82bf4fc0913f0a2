// Statements and the activity of a span, each against what the tables say when they are read whole.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LIMIT_SCOPES, type LimitScope } from "../../src/domain/limits.ts";
import { minor } from "../../src/domain/money.ts";
import type { PurchaseView, Statement } from "../../src/storage/store.ts";
import {
  BY,
  bankTest,
  buyerOf,
  done,
  MONDAY_MORNING,
  type TemporaryBank,
  temporaryBank,
} from "./bank.ts";
import { traffic } from "./beside.ts";

const EVER = Number.MAX_SAFE_INTEGER;
const DAY = 86_400_000;
const NUMBERS = [
  "1001",
  "1002",
  "1005",
  "@clickatell",
  "@income",
  "@suspense",
  "@loss",
  "@funding",
];

/** Four days of sales, and money that was moved by hand in every way there is. */
function eventfulBank(): TemporaryBank {
  const bank = temporaryBank();
  const { store } = bank;
  const happen = traffic(bank);
  for (let day = 0; day < 4; day += 1) {
    bank.clock.set(MONDAY_MORNING + day * DAY);
    for (let sale = 0; sale < 12; sale += 1) happen();
    done(store.credit(BY, "1001", minor(700 + day)));
    done(store.debit(BY, "1002", minor(30)));
    done(store.paySettlement(BY, minor(40)));
    bank.reserve(`declined-${day}`, { buyerId: "nobody", productId: 220 });
  }
  done(store.settle(BY, "busy-1", "release", false));
  done(store.settle(BY, "busy-5", "debit", true));
  done(store.settle(BY, "busy-48", "release", false));
  // Opened later than it all, with money in it.
  const late = { number: "1009", name: "Late", balance: minor(900), overdraft: minor(0) };
  done(store.addAccounts(BY, "accounts add", [{ ...late, status: "active", buyers: [] }], false));
  return bank;
}

let bank: TemporaryBank;
beforeAll(() => {
  bank = eventfulBank();
});
afterAll(() => bank.close());

/** What the journal says of an account, read whole. */
function journalled(number: string, where: string): { id: number; amount: number }[] {
  return bank.sql(
    `SELECT j.id, e.amount FROM journal j JOIN entries e ON e.journal_id = j.id
       JOIN accounts a ON a.id = e.account_id
     WHERE a.number = '${number}' AND ${where} ORDER BY j.id`,
  ) as never;
}

const sum = (rows: readonly { amount: number }[]) => rows.reduce((all, row) => all + row.amount, 0);

function agrees(number: string, from: number, to: number): void {
  const statement = bank.store.statement(number, { from, to }) as Statement;
  const expected = journalled(number, `j.at >= ${from} AND j.at < ${to}`);
  const entries = [...statement.entries];
  expect(
    entries.map(({ record, amount }) => ({ id: record.id, amount: amount as number })),
  ).toEqual(expected);
  const opening = sum(journalled(number, `j.at < ${from}`));
  expect([statement.opening, statement.closing, statement.count] as number[]).toEqual([
    opening,
    opening + sum(expected),
    expected.length,
  ]);
  expect(statement.credits + statement.debits).toBe(sum(expected));
  let balance = opening;
  for (const entry of entries) {
    balance += entry.amount;
    expect(entry.balance as number).toBe(balance);
  }
}

describe("a statement agrees with the journal", () => {
  test.each([...NUMBERS, "1009"])("of %s, of all there ever was", (number) => {
    agrees(number, 0, EVER);
    const { opening, closing } = bank.store.statement(number, { from: 0, to: EVER }) as Statement;
    const [row] = bank.sql(`SELECT ledger_balance AS b FROM accounts WHERE number = '${number}'`);
    expect([opening, closing] as unknown[]).toEqual([0, row?.["b"]]);
  });

  test("whatever the account and the span", () => {
    const times = fc.integer({ min: MONDAY_MORNING - DAY, max: MONDAY_MORNING + 5 * DAY });
    fc.assert(
      fc.property(fc.constantFrom(...NUMBERS), times, times, (number, a, b) => {
        agrees(number, Math.min(a, b), Math.max(a, b) + 1);
      }),
      { numRuns: 60 },
    );
  });
});

test("a statement names the purchase of each debit, and is the same when it is read again", () => {
  const { entries } = bank.store.statement("1001", { from: 0, to: EVER }) as Statement;
  const first = [...entries];
  expect([...entries]).toEqual(first);
  for (const { record, purchase } of first) {
    expect(purchase?.reference ?? null).toBe(record.reference);
  }
  expect(first.filter(({ purchase }) => purchase !== null).length).toBeGreaterThan(10);
});

test("a statement stays of its moment while purchases go on", () => {
  const before = bank.store.statement("@clickatell", { from: 0, to: EVER }) as Statement;
  const ids = [...before.entries].map(({ record }) => record.id);
  const customer = bank.store.statement("1001", { from: 0, to: EVER }) as Statement;
  const own = [...customer.entries].length;
  bank.reserve("later", { buyerId: buyerOf("1001") });
  bank.result("later", "0000");
  expect([...before.entries].map(({ record }) => record.id)).toEqual(ids);
  expect([...customer.entries]).toHaveLength(own);
  agrees("1001", 0, EVER);
});

test("there is no statement of an account that there is not", () => {
  expect(bank.store.statement("none", { from: 0, to: EVER })).toBeNull();
});

describe("the activity of a span counts each request once", () => {
  test.each([
    ["of all times", 0, EVER],
    ["of one day", MONDAY_MORNING + DAY - 5, MONDAY_MORNING + 2 * DAY - 5],
    ["of no time", 5, 6],
  ])("%s", (_, from, to) => {
    const activity = bank.store.activity(from, to);
    const rows = bank.sql(
      `SELECT response_code AS code, coalesce(state, 'declined') AS state,
         reserve_amount AS amount, product_id AS product, channel_id AS channel
       FROM requests WHERE received_at >= ${from} AND received_at < ${to}`,
    );
    expect(activity.total.count).toBe(rows.length);
    for (const state of ["debited", "released", "reserved", "declined"] as const) {
      expect([state, activity.total[state]]).toEqual([
        state,
        rows.filter((row) => row["state"] === state).length,
      ]);
    }
    const debited = rows.filter((row) => row["state"] === "debited");
    expect(activity.total.debitedAmount as number).toBe(sum(debited as never));
    for (const part of [activity.days, activity.answers, activity.products, activity.channels]) {
      expect(part.reduce((all, { count }) => all + count, 0)).toBe(rows.length);
      expect(part.reduce((all, { askedAmount }) => all + askedAmount, 0)).toBe(sum(rows as never));
    }
  });
});

// ---------------------------------------------------------------- what the checks looked at

bankTest("what the checks looked at is told from what is recorded since", (bank) => {
  const { store } = bank;
  type Then = { id: string; number: string; figures: object; paused: boolean; limits: object };
  const seen: Then[] = [];
  const later = () => bank.clock.set(bank.clock.now() + 3_600_000);
  /** Asks for a purchase, and remembers what stood when it was asked for. */
  function ask(id: string, number: string, amount: number): void {
    later();
    const account = store.account(number);
    const { ledgerBalance, held, overdraft, status } = account ?? {};
    const figures = { number, ledgerBalance, held, overdraft, status };
    const paused = store.bank().salesPaused !== null;
    const limits = Object.fromEntries(
      store
        .limits()
        .filter(({ scope, scopeKey }) => scope === "global" || scopeKey === number)
        .map(({ scope, scopeKey: _, ...rest }) => [scope, rest]),
    );
    seen.push({ id, number, figures, paused, limits });
    const given = { buyerId: buyerOf(number), reserveAmount: minor(amount) };
    bank.reserve(id, given);
  }
  const global = { scope: "global", scopeKey: "*" } as const;
  ask("raas-1", "1001", 10_500);
  ask("raas-2", "1001", 999_999);
  later();
  done(store.setLimits(BY, global, { min: minor(500), dayAmount: minor(20_000) }));
  ask("raas-3", "1001", 100);
  ask("raas-4", "1001", 9_000);
  ask("raas-5", "1001", 9_000);
  later();
  bank.result("raas-1", "0000");
  later();
  bank.result("raas-4", "2201");
  ask("raas-6", "1001", 600);
  later();
  done(store.setOverdraft(BY, "1002", minor(7_000)));
  done(store.setLimits(BY, { scope: "account", scopeKey: "1002" }, { max: minor(5_000) }));
  ask("raas-7", "1002", 5_001);
  later();
  done(store.setStatus(BY, "1002", "inactive"));
  ask("raas-8", "1002", 600);
  later();
  done(store.setStatus(BY, "1002", "active"));
  done(store.pauseSales(BY));
  ask("raas-9", "1002", 600);
  later();
  done(store.resumeSales(BY));
  done(store.recordAct(BY, "secrets rotate", "basic"));
  done(store.credit(BY, "1001", minor(77)));
  done(store.unsetLimits(BY, global, ["min"]));
  ask("raas-10", "1001", 100);
  later();
  done(store.settle(BY, "raas-6", "debit", false));
  done(store.settle(BY, "raas-1", "release", false));
  done(store.unmapBuyer(BY, buyerOf("1001")));

  expect(seen.map(({ id }) => outcomeOf(store.purchase(id)))).toEqual([
    "success",
    "insufficientFunds",
    "belowMinimum",
    "success",
    "maximumExceeded",
    "success",
    "maximumExceeded",
    "accountInactive",
    "unknownError",
    "success",
  ]);
  for (const { id, figures, paused, limits } of seen) {
    const past = store.past(store.purchase(id) as PurchaseView);
    const { usage: _, ...account } = past?.account ?? { usage: null };
    expect([id, account]).toEqual([id, figures]);
    expect([id, past?.salesPaused]).toEqual([id, paused]);
    const known: unknown = past?.limits;
    expect(known).toMatchObject(limits);
    expect(Object.keys(past?.limits ?? {})).toEqual(Object.keys(limits).sort(byScope));
  }
  const usage = store.past(store.purchase("raas-5") as PurchaseView)?.account?.usage.all;
  expect(usage as unknown).toEqual({
    ...{ dayAmount: 19_500, dayCount: 2 },
    ...{ monthAmount: 19_500, monthCount: 2 },
  });
});

const byScope = (a: string, b: string) =>
  LIMIT_SCOPES.indexOf(a as LimitScope) - LIMIT_SCOPES.indexOf(b as LimitScope);

const outcomeOf = (purchase: PurchaseView | null) =>
  purchase?.state === "declined" ? purchase.outcome : "success";
