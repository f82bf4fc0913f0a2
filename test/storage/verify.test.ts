// verify finds what the database's own check calls ok, and names the row.
import { describe, expect, test } from "bun:test";
import { minor } from "../../src/domain/money.ts";
import { PAGE_SIZE } from "../../src/storage/pages.ts";
import { verify } from "../../src/storage/sql/verify.ts";
import {
  BY,
  bankTest,
  buyerOf,
  done,
  problemsOf,
  reserveOperation,
  resultOperation,
  type TemporaryBank,
  temporaryBank,
} from "./bank.ts";
import { besideTraffic, traffic } from "./beside.ts";
import { jsonWith, jsonWithout, onPostgres, ZEROS } from "./spelling.ts";

/** What one flipped figure is, and what the line that finds it names. */
const CORRUPTIONS: [string, string, RegExp][] = [
  [
    "a balance",
    "UPDATE accounts SET ledger_balance = ledger_balance + 1 WHERE number = '1002'",
    /account 1002: ledgerBalance is 500001, its entries sum to 500000/,
  ],
  [
    "a held amount",
    "UPDATE accounts SET held = held - 1 WHERE number = '1001'",
    /account 1001: held is 10499, its open reservations sum to 10500/,
  ],
  [
    "a posting that is gone",
    "DELETE FROM journal WHERE id = 3",
    /journal: \d+ rows, the last one is/,
  ],
  [
    "the amount of an open reservation",
    "UPDATE requests SET reserve_amount = 10501 WHERE request_id = 'open'",
    /account 1001: held is 10500, its open reservations sum to 10501/,
  ],
  [
    "the amount of a debited reservation",
    "UPDATE requests SET reserve_amount = 10501 WHERE request_id = 'debited'",
    /reservation ACME-\S+: it is debited with 1 debits of 10500/,
  ],
  [
    "the state of a reservation",
    "UPDATE requests SET state = 'debited', resolved_at = 1, resolved_by = 'result' WHERE state = 'reserved'",
    /reservation ACME-\S+: it is debited with 0 debits/,
  ],
  [
    "a counter of the limits",
    `UPDATE accounts SET usage = ${jsonWith("usage", ["2026-03", "*", 1], 3)} WHERE number = '1001'`,
    /account 1001, 2026-03, all \*: the counter is 21000 in 3, the reservations are 21000 in 2/,
  ],
  [
    "an answer that was Success",
    "UPDATE requests SET response_code = '2010' WHERE request_id = 'open'",
    /request open: answered 2010, reservation reserved/,
  ],
  [
    "an answer that was Success, of a debit",
    "UPDATE requests SET response_code = '2010' WHERE request_id = 'debited'",
    /request debited: answered 2010, reservation debited/,
  ],
  [
    "what a debit owes Clickatell",
    "UPDATE requests SET settlement_amount = 9001 WHERE request_id = 'debited'",
    /reservation ACME-\S+: its debit gave Clickatell 9000, its settlementAmount is 9001/,
  ],
  [
    "a debit without its journal row",
    "DELETE FROM journal WHERE kind = 'debit'",
    /journal: \d+ rows, the last one is|it is debited with 0 debits/,
  ],
  [
    "both sides of an entry",
    "UPDATE journal SET amount_1 = amount_1 * 2, amount_2 = amount_2 * 2 WHERE id = 2",
    /account 1002: ledgerBalance is 500000, its entries sum to 1000000/,
  ],
  [
    "a record's time",
    "UPDATE journal SET at = at + 1 WHERE id = 2",
    /record 2: its hash does not follow from it and the one before it/,
  ],
  [
    "who did something",
    `UPDATE journal SET actor = ${jsonWith("actor", ["loginName"], "mallory")} WHERE id = 2`,
    /record 2: its hash/,
  ],
  ["a record's hash", `UPDATE journal SET hash = ${ZEROS} WHERE id = 3`, /record 3: its hash/],
  [
    "a record that others took the place of",
    `DELETE FROM journal WHERE id = 3; UPDATE journal SET id = id - 1 WHERE id > 3`,
    /record 3: its hash/,
  ],
  ["the bank's currency", "UPDATE bank SET currency = 'USD'", /record 1: its hash does not follow/],
  [
    "an overdraft",
    "UPDATE accounts SET overdraft = 1000000 WHERE number = '1001'",
    /account 1001: its overdraft is 1000000, 0 was set/,
  ],
  [
    "a status",
    "UPDATE accounts SET status = 'active' WHERE number = '1003'",
    /account 1003: its status is active, inactive was set/,
  ],
  [
    "whose a buyer is",
    "UPDATE buyers SET account_id = account_id + 1 WHERE buyer_id = '27731304702'",
    /account 1001: its buyers are not those that were mapped to it/,
  ],
  [
    "a limit",
    "UPDATE limits SET max = 1000000 WHERE scope = 'product'",
    /limits of product 110: max 1000000, set was max 900000/,
  ],
  ["a limit that is gone", "DELETE FROM limits", /limits of product 110: none, set was max 900000/],
  ["a blocked buyer", "DELETE FROM blocked_buyers", /buyer 27739999999: not blocked any more/],
  [
    "what a released purchase was asked for",
    "UPDATE requests SET fee_amount = 501 WHERE request_id = 'released'",
    /request released: its receipt \d+ says otherwise/,
  ],
  [
    "a balance, for the whole ledger",
    "UPDATE accounts SET ledger_balance = 7 WHERE number = '@loss'",
    /all balances together are 7/,
  ],
  [
    "a counter that is gone",
    `UPDATE accounts SET usage = ${jsonWithout("usage", ["2026-03-02", "p110"])} WHERE number = '1001'`,
    /account 1001, 2026-03-02, product 110: the counter is 0 in 0, the reservations are 21000 in 2/,
  ],
  [
    "a counter of nothing",
    `UPDATE accounts SET usage = '{"2026-02":{"*":[5,1]}}' WHERE number = '1002'`,
    /account 1002, 2026-02, all \*: the counter is 5 in 1, the reservations are 0 in 0/,
  ],
  [
    "the account of a reservation",
    "UPDATE requests SET account_id = account_id + 1 WHERE state = 'reserved'",
    /account 1002: held is 0, its open reservations sum to 10500/,
  ],
  [
    "a debited reservation that is open again",
    "UPDATE requests SET state = 'reserved', resolved_at = NULL, resolved_by = NULL",
    /reservation ACME-\S+: it is reserved with 1 debits of 10500/,
  ],
  [
    "an account's newest reservation",
    "UPDATE accounts SET last_reservation = 1 WHERE number = '1001'",
    /account 1001: its last reservation is 1, the newest one is 2/,
  ],
  [
    "the reservation before another",
    "UPDATE requests SET previous = NULL WHERE request_id = 'debited'",
    /reservation ACME-\S+: it names none as the one before it, that is 1/,
  ],
  [
    "a buyer of no account",
    "UPDATE buyers SET account_id = 999",
    /table buyers, row \S+: its accounts is missing/,
  ],
  [
    "a Success without its reservation",
    "UPDATE requests SET reference = NULL, account_id = NULL, state = NULL, reserved_at = NULL, local_day = NULL WHERE state = 'reserved'",
    /request open: answered 0000, reservation missing/,
  ],
];

/** What breaks a rule of the schema as well: the database's own check names the table, verify the row. */
const BROKEN_RULES: [string, string, RegExp][] = [
  [
    "an entry",
    "UPDATE journal SET amount_2 = amount_2 + 100 WHERE id = 1",
    /posting 1: its entries sum to 100/,
  ],
  [
    "entries that are gone",
    `UPDATE journal SET account_1 = NULL, amount_1 = NULL, account_2 = NULL, amount_2 = NULL
     WHERE id = 2`,
    /posting 2 has no entries/,
  ],
];

const PRODUCT_110 = { scope: "product", scopeKey: "110" } as const;

/** What verify says of a small bank in which one figure was changed by bare SQL. */
function problemsAfter(sql: string): { problems: string[]; intact: boolean | null } {
  const bank = temporaryBank();
  try {
    bank.reserve("open");
    bank.reserve("debited");
    bank.result("debited", "0000");
    done(bank.store.setLimits(BY, PRODUCT_110, { max: minor(900_000) }));
    done(bank.store.blockBuyer(BY, "27739999999"));
    bank.reserve("released", { buyerId: buyerOf("1002") });
    bank.result("released", "2201");
    expect(bank.store.verify().filter(({ ok }) => !ok)).toEqual([]);
    bank.withoutTriggers();
    bank.rawSql(sql);
    return { problems: problemsOf(bank), intact: isIntact(bank) };
  } finally {
    bank.close();
  }
}

/** Whether SQLite calls its file intact; PostgreSQL has nothing to say of such damage. */
function isIntact(bank: TemporaryBank): boolean | null {
  if (onPostgres) return null;
  return bank.sql("PRAGMA integrity_check")[0]?.["integrity_check"] === "ok";
}

test.each(CORRUPTIONS)("%s that is off is found and named", (_, sql, named) => {
  const { problems, intact } = problemsAfter(sql);
  expect(problems.some((problem) => named.test(problem))).toBe(true);
  expect(intact).toBe(onPostgres ? null : true);
});

test.each(BROKEN_RULES)("%s that breaks a rule is found and named", (_, sql, named) => {
  const { problems, intact } = problemsAfter(sql);
  expect(problems.some((problem) => named.test(problem))).toBe(true);
  expect(intact).toBe(onPostgres ? null : false);
});

/** SQLite cannot take a constraint from a table. */
function looseRequests(bank: TemporaryBank): void {
  const [row] = bank.sql("SELECT sql FROM sqlite_schema WHERE name = 'requests'");
  const loose = String(row?.["sql"])
    .replace("CREATE TABLE requests", "CREATE TABLE loose")
    .replace("CONSTRAINT requests_reference UNIQUE", "");
  bank.rawSql(`DROP TRIGGER requests_stay; ${loose}; INSERT INTO loose SELECT * FROM requests;
    DROP TABLE requests; ALTER TABLE loose RENAME TO requests`);
}

test("a reference that stands twice is found and named", () => {
  const bank = temporaryBank();
  try {
    bank.reserve("one");
    bank.reserve("two");
    if (onPostgres) bank.rawSql("ALTER TABLE requests DROP CONSTRAINT requests_reference");
    else looseRequests(bank);
    bank.rawSql("UPDATE requests SET reference = 'ACME-1'");
    expect(problemsOf(bank)).toEqual(["reference ACME-1 stands 2 times"]);
  } finally {
    bank.close();
  }
});

test("an account that is overdrawn past every rule is found and named", () => {
  const bank = temporaryBank();
  try {
    bank.rawSql("UPDATE accounts SET held = 500001 WHERE number = '1001'");
    const problems = bank.store.verify().flatMap((check) => check.problems);
    expect(problems).toContain("account 1001: available is -1");
  } finally {
    bank.close();
  }
});

test("a history with every kind of act verifies", () => {
  const bank = temporaryBank();
  try {
    bank.reserve("one");
    bank.result("one", "2201");
    done(bank.store.settle(BY, "one", "debit", true));
    bank.reserve("two");
    bank.result("two", "0000");
    done(bank.store.settle(BY, "two", "release", false));
    done(bank.store.setStatus(BY, "1002", "inactive"));
    done(bank.store.setStatus(BY, "1002", "active"));
    done(bank.store.setOverdraft(BY, "1002", minor(0)));
    done(bank.store.mapBuyer(BY, buyerOf("1001"), "1002"));
    done(bank.store.mapBuyer(BY, "0731304709", "1002"));
    done(bank.store.unmapBuyer(BY, "27731304709"));
    done(bank.store.blockBuyer(BY, "27731304709"));
    done(bank.store.unblockBuyer(BY, "27731304709"));
    done(bank.store.setLimits(BY, PRODUCT_110, { max: minor(5), dayCount: 3 }));
    done(bank.store.unsetLimits(BY, PRODUCT_110, ["max"]));
    done(bank.store.unsetLimits(BY, PRODUCT_110, ["dayCount"]));
    expect(bank.store.verify().filter(({ ok }) => !ok)).toEqual([]);
  } finally {
    bank.close();
  }
});

bankTest("a counter that cannot be read is named", (bank) => {
  bank.rawSql("UPDATE accounts SET usage = 'none' WHERE number = '1001'");
  expect(problemsOf(bank)).toEqual(["account 1001: its counters cannot be read"]);
});

bankTest("counters are not judged by reservations that are not chained", (bank) => {
  bank.reserve("one");
  bank.reserve("two");
  bank.withoutTriggers();
  bank.rawSql("UPDATE requests SET previous = 2 WHERE id = 2");
  expect(problemsOf(bank)).toEqual([
    "account 1001: no recount, its reservations are not chained",
    expect.stringMatching(/^reservation ACME-\S+: it names 2 as the one before it, that is 1$/),
  ]);
});

bankTest("a debit of what was declined is found and named", (bank) => {
  bank.reserve("declined", { buyerId: "nobody" });
  bank.rawSql(`INSERT INTO journal (id, at, kind, act, reservation_id, hash)
    SELECT max(id) + 1, 1, 'debit', 'result', 1, ${ZEROS} FROM journal`);
  expect(problemsOf(bank)).toContain("reservation declined: it is missing with 1 debits of 0");
});

/** A commit of PostgreSQL takes longer than all that verify reads in between. */
const READS_AT_ONCE = onPostgres ? 20 : 1;
function nowAndThen(happen: () => void): () => void {
  let reads = 0;
  return () => {
    reads += 1;
    if (reads % READS_AT_ONCE === 0) happen();
  };
}

describe("a bank of several pages", () => {
  /** Debits, a few releases and, of the last hundred, reservations that stay open. */
  function largeBank(): TemporaryBank {
    // Without a flush in each of the many commits.
    const bank = temporaryBank({ serving: true });
    const sales = PAGE_SIZE + 500;
    for (let from = 0; from < sales; from += 100) {
      const names = Array.from({ length: 100 }, (_, index) => `raas-${from + index}`);
      const buyers = [buyerOf("1001"), buyerOf("1002")];
      bank.apply(
        ...names.map((name, index) =>
          reserveOperation(name, { reserveAmount: minor(100), buyerId: buyers[index % 2] ?? "" }),
        ),
      );
      if (from + 100 === sales) break;
      bank.apply(
        ...names.map((name, index) => resultOperation(name, index % 10 === 9 ? "2201" : "0000")),
      );
      bank.clock.set(bank.clock.now() + 60_000);
    }
    return bank;
  }
  const besides = (bank: TemporaryBank, happen: () => void) =>
    besideTraffic(bank, nowAndThen(happen), (db, checks) => {
      const run = () => verify(db, bank.store.bank(), checks);
      // There it reads all of one moment.
      return onPostgres ? db.transaction(run)() : run();
    }).flatMap(({ problems }) => problems);

  test("verifies, and so it does while purchases go on between all reads", () => {
    const bank = largeBank();
    expect(problemsOf(bank)).toEqual([]);
    const happen = traffic(bank);
    let times = 0;
    const problems = besides(bank, () => {
      times += 1;
      happen();
    });
    expect(problems).toEqual([]);
    expect(times).toBeGreaterThan(100);
    expect(bank.store.verify().map(({ ok }) => ok)).not.toContain(false);
    bank.close();
  });

  test.each([
    [
      "a balance",
      "UPDATE accounts SET ledger_balance = ledger_balance + 1 WHERE number = '1001'",
      [/^account 1001: ledgerBalance is \d+, its entries sum to \d+$/, /^all balances .* are 1$/],
    ],
    [
      "a held amount",
      "UPDATE accounts SET held = held + 7 WHERE number = '1001'",
      [/^account 1001: held is \d+, its open reservations sum to \d+$/],
    ],
    [
      "a counter",
      `UPDATE accounts SET usage = ${jsonWith("usage", ["2026-03", "*", 0], 1)} WHERE number = '1001'`,
      [/^account 1001, 2026-03, all \*: the counter is \d+ in \d+, the reservations are/],
    ],
    [
      "a reservation's amount",
      `UPDATE requests SET reserve_amount = 101 WHERE request_id = 'raas-${PAGE_SIZE + 101}'`,
      [
        /^account 1002, 2026-03/,
        /^reservation ACME-\S+: it is debited with 1 debits of 100$/,
        /^request raas-\d+: its receipt \d+ says otherwise$/,
      ],
    ],
    [
      "an entry",
      `UPDATE journal SET amount_1 = amount_1 - 1 WHERE kind = 'debit' AND account_1 = 6
         AND id = (SELECT max(id) FROM journal WHERE kind = 'debit' AND account_1 = 6)`,
      [
        /^account 1001: ledgerBalance/,
        /^posting \d+: its entries sum to -1$/,
        /^record \d+: its hash does not follow/,
        ...(onPostgres ? [] : [/^CHECK constraint failed in journal$/]),
        /^reservation ACME-\S+: it is debited with 1 debits of 101$/,
      ],
    ],
  ])("%s that is off is found while purchases go on, and nothing else is", (_, sql, named) => {
    const bank = largeBank();
    bank.withoutTriggers();
    bank.rawSql(sql);
    for (const problems of [problemsOf(bank), besides(bank, traffic(bank))]) {
      expect(problems.filter((line) => !named.some((name) => name.test(line)))).toEqual([]);
      for (const name of named) expect(problems.some((line) => name.test(line))).toBe(true);
    }
    bank.close();
  });
});
