// Illegal moves are impossible in the schema too: each is tried by SQL, past every rule of ours.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { BY, done, reserveOperation, type TemporaryBank, temporaryBank } from "./bank.ts";
import { onPostgres } from "./spelling.ts";

let bank: TemporaryBank;
beforeAll(() => {
  bank = temporaryBank();
  bank.reserve("open");
  bank.reserve("debited");
  bank.result("debited", "0000");
  bank.reserve("released");
  bank.result("released", "2201");
  done(bank.store.settle(BY, "released", "debit", false));
});
afterAll(() => bank.close());

const TWO_ENTRIES = "account_1, amount_1, account_2, amount_2";
const of = (requestId: string) => `(SELECT id FROM requests WHERE request_id = '${requestId}')`;

// PostgreSQL's tables are tried in test/postgres/tables.test.ts.
test.skipIf(onPostgres).each([
  ["a posting is changed", "UPDATE journal SET at = 0", "never changed"],
  ["a posting is deleted", "DELETE FROM journal", "never changed"],
  [
    "a posting is written over",
    `INSERT OR REPLACE INTO journal
     SELECT id, 0, kind, act, subject, detail, reservation_id, actor, 'other', account_1, amount_1,
       account_2, amount_2, account_3, amount_3, hash FROM journal`,
    "never changed",
  ],
  [
    "a debit is written over by another posting",
    `INSERT OR REPLACE INTO journal (hash, id, at, kind, act, reservation_id, ${TWO_ENTRIES})
     VALUES (zeroblob(32), 900, 1, 'debit', 'x', ${of("debited")}, 1, 5, 2, -5)`,
    "never changed",
  ],
  ["an entry is changed", "UPDATE journal SET amount_1 = amount_1 + 1", "never changed"],
  [
    "a posting has no entries",
    "INSERT INTO journal (hash, id, at, kind, act) VALUES (zeroblob(32), 900, 1, 'credit', 'x')",
    "posting_has_entries",
  ],
  [
    "a posting has one entry",
    `INSERT INTO journal (hash, id, at, kind, act, account_1, amount_1)
     VALUES (zeroblob(32), 900, 1, 'credit', 'x', 1, 5)`,
    "posting_has_entries",
  ],
  [
    "an act that is no posting moves money",
    `INSERT INTO journal (hash, id, at, kind, act, ${TWO_ENTRIES}) VALUES (zeroblob(32), 900, 1, 'act', 'x', 1, 5, 2, -5)`,
    "posting_has_entries",
  ],
  [
    "the entries of a posting do not sum to zero",
    `INSERT INTO journal (hash, id, at, kind, act, ${TWO_ENTRIES})
     VALUES (zeroblob(32), 900, 1, 'credit', 'x', 1, 5, 2, -4)`,
    "entries_sum_to_zero",
  ],
  [
    "an entry moves nothing",
    `INSERT INTO journal (hash, id, at, kind, act, ${TWO_ENTRIES}, account_3, amount_3)
     VALUES (zeroblob(32), 900, 1, 'credit', 'x', 1, 5, 2, -5, 3, 0)`,
    "CHECK",
  ],
  [
    "two entries of one account",
    `INSERT INTO journal (hash, id, at, kind, act, ${TWO_ENTRIES}) VALUES (zeroblob(32), 900, 1, 'credit', 'x', 1, 5, 1, -5)`,
    "one_entry_an_account",
  ],
  [
    "an entry of no account",
    `INSERT INTO journal (hash, id, at, kind, act, ${TWO_ENTRIES})
     VALUES (zeroblob(32), 900, 1, 'credit', 'x', 1, 5, 999, -5)`,
    "FOREIGN KEY",
  ],
  [
    "a reservation comes back",
    `UPDATE requests SET state = 'reserved', resolved_at = NULL, resolved_by = NULL
     WHERE id = ${of("debited")}`,
    "ends once",
  ],
  [
    "a debited reservation is released",
    `UPDATE requests SET state = 'released' WHERE id = ${of("debited")}`,
    "ends once",
  ],
  [
    "a reservation moves to another account",
    `UPDATE requests SET account_id = account_id + 1 WHERE id = ${of("open")}`,
    "never changed",
  ],
  [
    "a reservation is written over",
    `INSERT OR REPLACE INTO requests (request_id, received_at, response_code, buyer_id,
       reserve_amount, fee_amount, client_share_amount)
     SELECT request_id, received_at, '2010', buyer_id, reserve_amount, fee_amount,
       client_share_amount FROM requests`,
    "stands once",
  ],
  [
    "a reference is taken over by another request",
    `INSERT OR REPLACE INTO requests (request_id, received_at, response_code, buyer_id,
       reserve_amount, fee_amount, client_share_amount, reference, account_id, state, reserved_at,
       local_day)
     SELECT 'other', received_at, response_code, buyer_id, reserve_amount, fee_amount,
       client_share_amount, reference, account_id, 'reserved', reserved_at, local_day
     FROM requests WHERE reference IS NOT NULL`,
    "stands once",
  ],
  [
    "half a reservation",
    `INSERT INTO requests (request_id, received_at, response_code, buyer_id, reserve_amount,
       fee_amount, client_share_amount, state) VALUES ('half', 1, '0000', 'x', 1, 0, 0, 'reserved')`,
    "whole_reservation",
  ],
  ["a request is deleted", "DELETE FROM requests", "ever deleted"],
  [
    "what was asked is changed",
    "UPDATE requests SET reserve_amount = reserve_amount + 1",
    "never changed",
  ],
  [
    "a reservation ends at no time",
    `UPDATE requests SET state = 'released' WHERE id = ${of("open")}`,
    "CHECK",
  ],
  [
    "a reference stands twice",
    `INSERT INTO requests (request_id, received_at, response_code, buyer_id, reserve_amount,
       fee_amount, client_share_amount, reference, account_id, state, reserved_at, local_day)
     SELECT 'other', received_at, response_code, buyer_id, reserve_amount, fee_amount,
       client_share_amount, reference, account_id, 'reserved', reserved_at, local_day
     FROM requests WHERE reference IS NOT NULL`,
    "stands once",
  ],
  [
    "a request stands twice",
    `INSERT INTO requests (request_id, received_at, response_code, buyer_id, reserve_amount,
       fee_amount, client_share_amount) VALUES ('open', 1, '2010', 'x', 1, 0, 0)`,
    "stands once",
  ],
  [
    "a second debit of one reservation",
    `INSERT INTO journal (hash, id, at, kind, act, reservation_id, ${TWO_ENTRIES})
     VALUES (zeroblob(32), 900, 1, 'debit', 'x', ${of("debited")}, 1, 5, 2, -5)`,
    "never changed",
  ],
  [
    "a second correction of one reservation",
    `INSERT INTO journal (hash, id, at, kind, act, reservation_id, ${TWO_ENTRIES})
     VALUES (zeroblob(32), 900, 1, 'correction', 'x', ${of("released")}, 1, 5, 2, -5)`,
    "never changed",
  ],
  [
    "more is held than there is",
    "UPDATE accounts SET held = held + 100000000 WHERE number = '1001'",
    "available_not_negative",
  ],
  [
    "more is debited than there is",
    "UPDATE accounts SET ledger_balance = -1 WHERE number = '1001'",
    "available_not_negative",
  ],
  ["less than nothing is held", "UPDATE accounts SET held = -1 WHERE number = '1001'", "CHECK"],
  ["a status that is none", "UPDATE accounts SET status = 'frozen'", "CHECK"],
  [
    "an account number stands twice",
    "INSERT INTO accounts (number, name, status, created_at) VALUES ('1001', 'x', 'active', 1)",
    "UNIQUE constraint failed: accounts.number",
  ],
  [
    "a customer's account takes an internal number",
    "INSERT INTO accounts (number, name, status, created_at) VALUES ('@x', 'x', 'active', 1)",
    "internal_number",
  ],
  ["a buyer of no account", "INSERT INTO buyers VALUES ('x', 999)", "FOREIGN KEY"],
  ["the bank becomes a demo", "UPDATE bank SET demo = 1", "stays a demo"],
  [
    "a second bank",
    "INSERT INTO bank (id, code, currency, minor_digits, time_zone, country, demo, created_at) SELECT 2, code, currency, minor_digits, time_zone, country, demo, created_at FROM bank",
    "one_bank",
  ],
  ["text where an amount stands", "UPDATE accounts SET overdraft = 'much'", "cannot store TEXT"],
  [
    "a limit's minimum over its maximum",
    "INSERT INTO limits (scope, scope_key, min, max) VALUES ('global', '*', 2, 1)",
    "CHECK",
  ],
])("refused: %s", (_, sql, why) => {
  expect(() => bank.sql(sql)).toThrow(why);
  expect(bank.store.verify().filter(({ ok }) => !ok)).toEqual([]);
});

test("one operation that breaks in the database leaves nothing, and its neighbours whole", () => {
  const other = temporaryBank();
  try {
    // The reserve breaks in its middle, after the request was written.
    other.sql(
      onPostgres
        ? `CREATE TRIGGER broken BEFORE INSERT ON requests FOR EACH ROW
             WHEN (NEW.request_id = 'b' AND NEW.state IS NOT NULL) EXECUTE FUNCTION refuse('broken')`
        : `CREATE TRIGGER broken BEFORE UPDATE OF held ON accounts
             WHEN (SELECT request_id FROM requests ORDER BY id DESC LIMIT 1) = 'b'
               AND (SELECT state FROM requests ORDER BY id DESC LIMIT 1) IS NOT NULL
             BEGIN SELECT RAISE(ABORT, 'broken'); END`,
    );
    const outcomes = other.apply(
      reserveOperation("a"),
      reserveOperation("b"),
      reserveOperation("c"),
    );
    expect(outcomes.map((outcome) => outcome.kind === "reserve" && outcome.outcome)).toEqual([
      "success",
      "unknownError",
      "success",
    ]);
    expect(other.store.account("1001")?.held as number).toBe(21_000);
    expect(other.reserve("b")).toBe("unknownError");
    expect(other.store.verify().filter(({ ok }) => !ok)).toEqual([]);
  } finally {
    other.close();
  }
});
