// What the tables in PostgreSQL refuse to everybody, what they refuse to the role that serves, and
// what verify says where somebody with more rights has changed them.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { INTERNAL_ACCOUNTS } from "../../src/domain/account.ts";
import { minor } from "../../src/domain/money.ts";
import { readAddress } from "../../src/storage/postgres/address.ts";
import { MIGRATIONS } from "../../src/storage/postgres/migrate.ts";
import { grantsTo } from "../../src/storage/postgres/roles.ts";
import { openPostgresStore } from "../../src/storage/postgres/store.ts";
import type { Operation, Result, Store } from "../../src/storage/store.ts";
import {
  ACCOUNTS,
  BY,
  done,
  IDENTITY,
  MONDAY_MORNING,
  reserveOperation,
  resultOperation,
} from "../storage/bank.ts";
import { endPostgres, startPrimary } from "./cluster.ts";
import { skipsPostgres } from "./programs.ts";
import type { Server } from "./server.ts";

/** A name that has to be quoted. */
const ROLE = 'The "serving" role';
const IN_SCHEMA = "set search_path = transact_bank";

let server: Server;

afterAll(endPostgres);

/** A bank in a database of its own, opened as the serving role. */
async function bankIn(name: string) {
  const url = await server.createDatabase(name);
  const { code, currency, timeZone, country } = IDENTITY;
  const accounts = Object.entries(INTERNAL_ACCOUNTS).map(
    ([internal, { number, name }]) => `('${number}', '${name}', '${internal}', 'active', 1)`,
  );
  const statements = [
    ...MIGRATIONS,
    `INSERT INTO bank (id, code, currency, minor_digits, time_zone, country, demo, created_at)
     VALUES (1, '${code}', '${currency}', 2, '${timeZone}', '${country}', 0, 1)`,
    `INSERT INTO accounts (number, name, internal, status, created_at) VALUES ${accounts.join(", ")}`,
    ...grantsTo(ROLE),
  ];
  await server.sql(statements.join(";\n"), name);
  const address = { ...readAddress(url), user: ROLE };
  const store = openPostgresStore({
    serving: false,
    database: { address, password: null },
    name: "one",
    now: () => MONDAY_MORNING,
    newUuid: Bun.randomUUIDv7,
    policy: { pinPolicy: "if-set", pinMaxTries: 3 },
    pinKey: new Uint8Array(32),
  });
  store.beginServing(MONDAY_MORNING);
  return {
    store,
    apply: (...operations: Operation[]) =>
      store.applyNow(operations, {
        now: MONDAY_MORNING,
        monotonicMs: 0,
        openSince: MONDAY_MORNING,
      }),
    /** As the superuser, whom no grant binds. */
    sql: (text: string) => server.sql(`${IN_SCHEMA}; ${text}`, name),
    asServing: (text: string) =>
      server.sql(`set role "${ROLE.replaceAll('"', '""')}"; ${IN_SCHEMA}; ${text}`, name),
  };
}
type SharedBank = Awaited<ReturnType<typeof bankIn>>;

/** Purchases and acts in every state; what they come to is for the shared suites to say. */
function live({ store, apply }: SharedBank): void {
  done(store.addAccounts(BY, "accounts add", ACCOUNTS, false));
  apply(...["open", "debited", "released"].map((name) => reserveOperation(name)));
  apply(resultOperation("debited", "0000"), resultOperation("released", "2201"));
  done(store.settle(BY, "released", "debit", false));
  const expiresAt = MONDAY_MORNING + 1;
  const args = { number: "1001", amount: 5 };
  done(store.askApproval(BY, { act: "accounts credit", args, expiresAt }));
  done(store.recordRestore(BY, { from: 1, to: 2, record: 1, hash: "00", file: "f" }));
}

const problemsOf = (store: Store): string[] => store.verify().flatMap(({ problems }) => problems);

beforeAll(async () => {
  if (skipsPostgres()) return;
  server = await startPrimary();
  await server.sql(`create role "${ROLE.replaceAll('"', '""')}" login`);
});

const HASH = "decode(repeat('00', 32), 'hex')";
const TWO_ENTRIES = "account_1, amount_1, account_2, amount_2";
const of = (requestId: string) => `(SELECT id FROM requests WHERE request_id = '${requestId}')`;
const posting = (entries: string, kind = "credit") =>
  `INSERT INTO journal (hash, id, at, kind, act, ${TWO_ENTRIES})
   VALUES (${HASH}, 900, 1, '${kind}', 'x', ${entries})`;
const asked = `SELECT id, request_id, received_at, response_code, buyer_id, reserve_amount, fee_amount,
    client_share_amount FROM requests WHERE request_id = 'open'`;
const second = (requestId: string, reference: string) =>
  `INSERT INTO requests (request_id, received_at, response_code, buyer_id, reserve_amount,
     fee_amount, client_share_amount, reference, account_id, state, reserved_at, local_day)
   SELECT ${requestId}, received_at, response_code, buyer_id, reserve_amount, fee_amount,
     client_share_amount, ${reference}, account_id, 'reserved', reserved_at, local_day
   FROM requests WHERE request_id = 'open'`;

describe.skipIf(skipsPostgres())("the tables", () => {
  let bank: SharedBank;
  beforeAll(async () => {
    bank = await bankIn("refusing");
    live(bank);
  });
  afterAll(() => bank.store.close());

  test.each([
    ["a posting is changed", "UPDATE journal SET at = 0", "the journal is never changed"],
    ["a posting is deleted", "DELETE FROM journal", "the journal is never changed"],
    ["all postings go", "TRUNCATE journal CASCADE", "never"],
    [
      "a posting is written over",
      `INSERT INTO journal SELECT * FROM journal WHERE id = 1
       ON CONFLICT (id) DO UPDATE SET reason = 'other'`,
      "the journal is never changed",
    ],
    [
      "a second debit of one reservation",
      `INSERT INTO journal (hash, id, at, kind, act, reservation_id, ${TWO_ENTRIES})
       VALUES (${HASH}, 900, 1, 'debit', 'x', ${of("debited")}, 1, 5, 2, -5)`,
      "journal_one_debit",
    ],
    [
      "a second correction of one reservation",
      `INSERT INTO journal (hash, id, at, kind, act, reservation_id, ${TWO_ENTRIES})
       VALUES (${HASH}, 900, 1, 'correction', 'x', ${of("released")}, 1, 5, 2, -5)`,
      "journal_one_correction",
    ],
    [
      "a posting has no entries",
      `INSERT INTO journal (hash, id, at, kind, act) VALUES (${HASH}, 900, 1, 'credit', 'x')`,
      "posting_has_entries",
    ],
    ["an act that is no posting moves money", posting("1, 5, 2, -5", "act"), "posting_has_entries"],
    ["the entries of a posting do not sum to zero", posting("1, 5, 2, -4"), "entries_sum_to_zero"],
    ["two entries of one account", posting("1, 5, 1, -5"), "one_entry_an_account"],
    ["an entry of no account", posting("1, 5, 999, -5"), "journal_account_2_fkey"],
    ["an entry moves nothing", posting("1, 0, 2, 0"), "amount_1_check"],
    ["a hash that is none", posting("1, 5, 2, -5").replace(HASH, "'\\x00'"), "hash_check"],
    [
      "an actor that is no JSON",
      `INSERT INTO journal (hash, id, at, kind, act, actor) VALUES (${HASH}, 900, 1, 'act', 'x', '{')`,
      "invalid input syntax for type json",
    ],
    [
      "a reservation comes back",
      `UPDATE requests SET state = 'reserved', resolved_at = NULL, resolved_by = NULL
       WHERE id = ${of("debited")}`,
      "a reservation ends once",
    ],
    [
      "a debited reservation is released",
      `UPDATE requests SET state = 'released' WHERE id = ${of("debited")}`,
      "a reservation ends once",
    ],
    [
      "a reservation moves to another account",
      "UPDATE requests SET account_id = account_id + 1",
      "never changed",
    ],
    ["what was asked is changed", "UPDATE requests SET reserve_amount = 5", "never changed"],
    ["a request is deleted", "DELETE FROM requests", "no request is ever deleted"],
    ["all requests go", "TRUNCATE requests CASCADE", "ever"],
    ["a request stands twice", second("'open'", "'other'"), "requests_request_id"],
    ["a reference stands twice", second("'other'", "reference"), "requests_reference"],
    [
      "half a reservation",
      `INSERT INTO requests (request_id, received_at, response_code, buyer_id, reserve_amount,
         fee_amount, client_share_amount, state) ${asked
           .replace("id, request_id", "'half'")
           .replace("share_amount FROM", "share_amount, 'reserved' FROM")}`,
      "whole_reservation",
    ],
    [
      "a reservation ends at no time",
      `UPDATE requests SET state = 'released' WHERE id = ${of("open")}`,
      "requests_check",
    ],
    [
      "a code that is none",
      `UPDATE requests SET response_code = '000a' WHERE id = ${of("open")}`,
      "response_code_check",
    ],
    ["a receipt is deleted", "DELETE FROM receipts", "only when it is archived"],
    ["all receipts go", "TRUNCATE receipts", "only when it is archived"],
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
    ["less than nothing is held", "UPDATE accounts SET held = -1", "held_check"],
    ["a status that is none", "UPDATE accounts SET status = 'frozen'", "status_check"],
    [
      "an account number stands twice",
      "INSERT INTO accounts (number, name, status, created_at) VALUES ('1001', 'x', 'active', 1)",
      "accounts_number",
    ],
    [
      "a customer's account takes an internal number",
      "INSERT INTO accounts (number, name, status, created_at) VALUES ('@x', 'x', 'active', 1)",
      "internal_number",
    ],
    ["a buyer of no account", "INSERT INTO buyers VALUES ('x', 999)", "buyers_account_id_fkey"],
    ["the bank becomes a demo", "UPDATE bank SET demo = 1", "a demo bank stays a demo"],
    ["a second bank", "UPDATE bank SET id = 2", "one_bank"],
    ["dual control that is no list", "UPDATE bank SET dual_control = '{}'", "dual_control_list"],
    ["a second version", "INSERT INTO schema_version VALUES (2)", "schema_version_once"],
    [
      "a limit's minimum over its maximum",
      "INSERT INTO limits (scope, scope_key, min, max) VALUES ('global', '*', 2, 1)",
      "limits_check1",
    ],
    ["a day that is none", "INSERT INTO holidays VALUES ('2026-3-2', 'x')", "day_check"],
    ["a restore is forgotten", "DELETE FROM restores", "a restore is never forgotten"],
    ["all restores are forgotten", "TRUNCATE restores", "a restore is never forgotten"],
    ["a restore is changed", "UPDATE restores SET to_at = 3", "never changed"],
    ["an approval is deleted", "DELETE FROM approvals", "no approval is ever deleted"],
    ["all approvals go", "TRUNCATE approvals", "no approval is ever deleted"],
    ["what was asked for is changed", "UPDATE approvals SET args = '{}'", "never changed"],
    [
      "whoever asked approves",
      `UPDATE approvals SET state = 'approved', decided_in = asked_in + 1, decided_uid = asked_uid,
         decided_at = asked_at`,
      "four_eyes",
    ],
    [
      "an approval that nobody asked for",
      `INSERT INTO approvals SELECT id + 1, act, args, 1, asked_uid, asked_at, expires_at,
         'approved', 2, 5, asked_at FROM approvals`,
      "an approval is asked for first",
    ],
  ])("refuse to everybody that %s", async (_, text, why) => {
    await expect(bank.sql(text)).rejects.toThrow(why);
  });

  test("let archived receipts go", async () => {
    const rows = "SELECT min(received_at) FROM receipts";
    expect(await bank.sql(rows)).toBe(String(MONDAY_MORNING));
    await bank.sql(
      `BEGIN; UPDATE bank SET receipts_pruned_before = ${MONDAY_MORNING + 1};
       DELETE FROM receipts; DO $$ BEGIN ASSERT (SELECT count(*) FROM receipts) = 0; END $$; ROLLBACK`,
    );
  });

  test.each([
    "INSERT INTO bank SELECT * FROM bank",
    "UPDATE bank SET code = 'B'",
    "UPDATE bank SET pin_key_check = NULL",
    "UPDATE accounts SET number = '9' WHERE number = '1001'",
    "UPDATE accounts SET internal = 'x' WHERE number = '1001'",
    "DELETE FROM accounts",
    "UPDATE journal SET at = 0",
    "DELETE FROM journal",
    "UPDATE requests SET reserve_amount = 1",
    "UPDATE requests SET first_sent_at = 1, reference = 'x'",
    "DELETE FROM requests",
    "UPDATE receipts SET body = NULL",
    "DELETE FROM tombstones",
    "UPDATE tombstones SET at = 0",
    "DELETE FROM findings",
    "UPDATE findings SET kind = 'x'",
    "DELETE FROM restores",
    "UPDATE restores SET hash = 'x'",
    "DELETE FROM approvals",
    "UPDATE approvals SET args = '{}'",
    "DELETE FROM appliances",
    "UPDATE holidays SET name = 'x'",
    "UPDATE schema_version SET version = 2",
    "TRUNCATE refusals",
    "LOCK TABLE journal IN ACCESS EXCLUSIVE MODE",
    "CREATE TABLE transact_bank.mine (n int)",
    "CREATE TABLE public.mine (n int)",
    "ALTER TABLE journal DISABLE TRIGGER ALL",
    "ALTER TABLE accounts DROP CONSTRAINT available_not_negative",
    "DROP TRIGGER journal_no_update ON journal",
    "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "SELECT setval('requests_id_seq', 1)",
    "SET session_replication_role = replica",
  ])("refuse to the serving role: %s", async (text) => {
    await expect(bank.asServing(text)).rejects.toThrow(/permission denied|must be owner/);
  });

  test("hold a bank that verifies after all that", () => {
    expect(problemsOf(bank.store)).toEqual([]);
  });
});

describe.skipIf(skipsPostgres())("the serving role", () => {
  test("may do whatever the program does", async () => {
    const bank = await bankIn("doing");
    const { store, apply } = bank;
    live(bank);
    const acts: Result<unknown>[] = [
      store.acknowledgeRestore(BY),
      store.mapBuyer(BY, "27731304720", "1001"),
      store.unmapBuyer(BY, "27731304720"),
      store.blockBuyer(BY, "27731304721"),
      store.unblockBuyer(BY, "27731304721"),
      store.setStatus(BY, "1003", "active"),
      store.setOverdraft(BY, "1003", minor(5)),
      store.setPin(BY, "1003", "1234"),
      store.unlockPin(BY, "1003"),
      store.removePin(BY, "1003"),
      store.credit(BY, "1001", minor(5)),
      store.debit(BY, "1001", minor(5)),
      store.setLimits(BY, { scope: "global", scopeKey: "*" }, { min: minor(1) }),
      store.setLimits(BY, { scope: "global", scopeKey: "*" }, { min: minor(2) }),
      store.unsetLimits(BY, { scope: "global", scopeKey: "*" }, []),
      store.addHolidays(BY, [{ day: "2026-12-25", name: "Christmas" }]),
      store.removeHoliday(BY, "2026-12-25"),
      store.pauseSales(BY),
      store.resumeSales(BY),
      store.backupFailed("the disk is full"),
      store.backupMade(BY, "a file"),
      store.recordAct(BY, "an act", "a detail"),
      store.markSent(BY, { reservations: [1], findings: [1] }),
      store.rejectApproval({ ...BY, loginUid: 1001 }, 1),
      store.paySettlement(BY, minor(1)),
      store.closeFinding(BY, 1),
    ];
    acts.forEach(done);
    // A tombstone, an unmatched success that its reserve names, a PIN that is wrong, a refusal.
    apply(resultOperation("early", "2201"), resultOperation("dispensed", "0000"));
    done(store.setPin(BY, "1005", "1234"));
    apply(
      reserveOperation("dispensed"),
      reserveOperation("early"),
      reserveOperation("wrong", { buyerId: ACCOUNTS[4]?.buyers[0] as string }, "9999"),
      {
        kind: "refusal",
        receivedAt: MONDAY_MORNING,
        trace: 1,
        peer: "p",
        method: "GET",
        path: "/",
        status: 404,
        reason: "unknown path",
        suppressed: 0,
      },
    );
    apply({ kind: "expire", requestId: "dispensed", receiptIds: [1] });
    apply({ kind: "interrupted", since: 0, until: MONDAY_MORNING });
    const counts = { receipts: 3, refusals: 1, from: MONDAY_MORNING, to: MONDAY_MORNING };
    done(store.beginPrune(BY, MONDAY_MORNING + 1, { file: "f", sha256: "00", ...counts }));
    const last = { before: MONDAY_MORNING + 1, last: 3 };
    for (const door of [false, true]) done(store.pruneReceipts(door, last, { limit: 10 }));
    expect(store.endServing()).toBe(true);
    expect(problemsOf(store)).toEqual([]);
    store.close();
  });
});

describe.skipIf(skipsPostgres())("verify", () => {
  test("names what points at nothing, what was switched off, and an index that is not valid", async () => {
    const bank = await bankIn("damaged");
    live(bank);
    await bank.sql(
      `ALTER TABLE buyers DISABLE TRIGGER ALL; UPDATE buyers SET account_id = 999
         WHERE buyer_id = '27731304703';
       ALTER TABLE journal DISABLE TRIGGER journal_no_update;
       ALTER TABLE refusals ADD CONSTRAINT small CHECK (status < 600) NOT VALID;
       UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'requests_open'::regclass`,
    );
    const found = Object.fromEntries(
      bank.store.verify().map(({ name, problems }) => [name, problems]),
    );
    expect(found["every row points at a row that exists"]).toEqual([
      "table buyers, row 27731304703: its accounts is missing",
    ]);
    const guards = found["what guards the tables is in force"] as string[];
    expect(guards).toContain("table journal: the trigger journal_no_update is off");
    expect(guards).toContain("table refusals: the constraint small is not validated");
    expect(guards).toContain("table requests: the index requests_open is not valid");
    expect(guards.filter((line) => line.startsWith("table buyers: the trigger RI_"))).not.toEqual(
      [],
    );
    bank.store.close();
  });

  test("asks amcheck, where the serving role may, of every table and index", async () => {
    const bank = await bankIn("checked");
    live(bank);
    const names = () => bank.store.verify().map(({ name }) => name);
    expect(names()).not.toContain("tables and indexes are whole");
    await bank.sql(
      `CREATE EXTENSION amcheck SCHEMA public;
       CREATE FUNCTION compared(bigint, bigint) RETURNS int LANGUAGE sql AS 'SELECT sign($1 - $2)::int';
       CREATE OPERATOR CLASS fickle FOR TYPE bigint USING btree AS OPERATOR 1 <, OPERATOR 2 <=,
         OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 compared(bigint, bigint);
       CREATE INDEX turned ON accounts (id fickle)`,
    );
    expect(names()).not.toContain("tables and indexes are whole");
    const role = `"${ROLE.replaceAll('"', '""')}"`;
    await bank.sql(
      `GRANT EXECUTE ON FUNCTION bt_index_check(regclass, boolean) TO ${role};
       GRANT EXECUTE ON FUNCTION bt_index_check(regclass) TO ${role};
       GRANT EXECUTE ON FUNCTION verify_heapam TO ${role}`.replaceAll(
        "FUNCTION ",
        "FUNCTION public.",
      ),
    );
    expect(names()).toContain("tables and indexes are whole");
    expect(problemsOf(bank.store)).toEqual([]);
    await bank.sql(
      `CREATE OR REPLACE FUNCTION compared(bigint, bigint) RETURNS int LANGUAGE sql
         AS 'SELECT sign($2 - $1)::int'`,
    );
    expect(problemsOf(bank.store)).toEqual([
      expect.stringContaining('index turned: item order invariant violated for index "turned"'),
    ]);
    bank.store.close();
  });
});
