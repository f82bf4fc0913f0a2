// verify finds what the database's own check calls ok, and names the row.
import { expect, test } from "bun:test";
import { BY, done, temporaryBank } from "./bank.ts";

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
    "an entry",
    "UPDATE entries SET amount = amount + 100 WHERE journal_id = 1 AND amount > 0",
    /posting 1: its entries sum to 100/,
  ],
  ["an entry that is gone", "DELETE FROM entries WHERE journal_id = 2", /posting 2 has no entries/],
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
    "UPDATE reservations SET state = 'debited', resolved_at = 1, resolved_by = 'result' WHERE state = 'reserved'",
    /reservation ACME-\S+: it is debited with 0 debits/,
  ],
  [
    "a counter of the limits",
    "UPDATE usage SET count = count + 1 WHERE scope = 'all' AND period = '2026-03'",
    /account 1001, 2026-03, all \*: the counter is 21000 in 3, the reservations are 21000 in 2/,
  ],
  [
    "an answer that was Success",
    "UPDATE requests SET response_code = '2010' WHERE request_id = 'open'",
    /request open: answered 2010, reservation reserved/,
  ],
  [
    "a Success without its reservation",
    "DELETE FROM reservations WHERE state = 'reserved'",
    /request open: answered 0000, reservation missing/,
  ],
];

test.each(CORRUPTIONS)("%s that is off is found and named", (_, sql, named) => {
  const bank = temporaryBank();
  try {
    bank.reserve("open");
    bank.reserve("debited");
    bank.result("debited", "0000");
    expect(bank.store.verify().filter(({ ok }) => !ok)).toEqual([]);
    for (const { name } of bank.sql("SELECT name FROM sqlite_schema WHERE type = 'trigger'")) {
      bank.sql(`DROP TRIGGER ${name}`);
    }
    bank.rawSql(sql);
    const problems = bank.store.verify().flatMap(({ problems }) => problems);
    expect(problems.some((problem) => named.test(problem))).toBe(true);
    expect(bank.sql("PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }]);
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
    expect(bank.store.verify().filter(({ ok }) => !ok)).toEqual([]);
  } finally {
    bank.close();
  }
});
