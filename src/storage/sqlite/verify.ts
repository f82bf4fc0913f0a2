// Recomputes from the journal and the reservations what the tables say, and names what is off.
import type { Database } from "bun:sqlite";
import type { Check } from "../store.ts";
import { DAYS_KEPT } from "./usage.ts";

const MOST_PROBLEMS = 20;

/** Each query gives a line for a row that is off, and no line when all is well. */
const CHECKS: readonly { readonly name: string; readonly sql: string }[] = [
  {
    name: "each balance is the sum of its entries",
    sql: `SELECT 'account ' || a.number || ': ledgerBalance is ' || a.ledger_balance
        || ', its entries sum to ' || coalesce(e.total, 0) AS problem
      FROM accounts a
      LEFT JOIN (SELECT account_id, sum(amount) AS total FROM entries GROUP BY account_id) e
        ON e.account_id = a.id
      WHERE a.ledger_balance <> coalesce(e.total, 0)`,
  },
  {
    name: "each held amount is the sum of the account's open reservations",
    sql: `SELECT 'account ' || a.number || ': held is ' || a.held
        || ', its open reservations sum to ' || coalesce(o.total, 0) AS problem
      FROM accounts a
      LEFT JOIN (SELECT r.account_id, sum(r.reserve_amount) AS total
        FROM requests r
        WHERE r.state = 'reserved' GROUP BY r.account_id) o ON o.account_id = a.id
      WHERE a.held <> coalesce(o.total, 0)`,
  },
  {
    name: "no customer's available amount is below zero",
    sql: `SELECT 'account ' || number || ': available is '
        || (ledger_balance - held + overdraft) AS problem
      FROM accounts WHERE internal IS NULL AND ledger_balance - held + overdraft < 0`,
  },
  {
    name: "the entries of each posting sum to zero",
    sql: `SELECT 'posting ' || journal_id || ': its entries sum to ' || sum(amount) AS problem
      FROM entries GROUP BY journal_id HAVING sum(amount) <> 0`,
  },
  {
    name: "each entry belongs to a posting, and each posting has entries",
    sql: `SELECT 'entries of posting ' || journal_id || ' have no journal row' AS problem
      FROM entries e WHERE NOT EXISTS (SELECT 1 FROM journal j WHERE j.id = e.journal_id)
      UNION ALL
      SELECT 'posting ' || id || ' has no entries' FROM journal j
      WHERE kind <> 'act' AND NOT EXISTS (SELECT 1 FROM entries e WHERE e.journal_id = j.id)`,
  },
  {
    name: "the journal has no gap",
    sql: `SELECT 'journal: ' || count(*) || ' rows, the last one is ' || max(id) AS problem
      FROM journal HAVING count(*) <> coalesce(max(id), 0)`,
  },
  {
    name: "each debited reservation has its one debit, of its own amount, and no other has one",
    sql: `SELECT 'reservation ' || r.reference || ': it is ' || r.state || ' with '
        || count(j.id) || ' debits of ' || coalesce(sum(e.paid), 0) AS problem
      FROM requests r
      LEFT JOIN journal j ON j.reservation_id = r.id AND j.kind = 'debit'
      LEFT JOIN (SELECT journal_id, account_id, -amount AS paid FROM entries) e
        ON e.journal_id = j.id AND e.account_id = r.account_id
      GROUP BY r.id
      HAVING count(j.id) <> (r.state = 'debited')
        OR (r.state = 'debited' AND coalesce(sum(e.paid), 0) <> r.reserve_amount)`,
  },
  {
    name: "each debit gave Clickatell the reservation's settlementAmount",
    sql: `SELECT 'reservation ' || r.reference || ': its debit gave Clickatell '
        || coalesce(e.amount, 0) || ', its settlementAmount is ' || coalesce(r.settlement_amount, 'none')
          AS problem
      FROM journal j JOIN requests r ON r.id = j.reservation_id
      LEFT JOIN entries e ON e.journal_id = j.id
        AND e.account_id = (SELECT id FROM accounts WHERE internal = 'clickatell')
      WHERE j.kind = 'debit' AND coalesce(e.amount, 0) <> coalesce(r.settlement_amount, 0)`,
  },
  {
    name: "each Success has its reservation, and no decline has one",
    sql: `SELECT 'request ' || request_id || ': answered ' || response_code || ', reservation '
        || coalesce(state, 'missing') AS problem
      FROM requests
      WHERE (response_code = '0000' AND state IS NULL)
        OR (response_code NOT IN ('0000', '2060') AND state IS NOT NULL)
        OR (response_code = '2060' AND state = 'reserved')`,
  },
  {
    name: "the limits' counters are what the reservations add up to",
    sql: `WITH counted AS (
        SELECT r.account_id, r.local_day AS day, r.channel_id, r.product_id, r.reserve_amount AS amount
        FROM requests r WHERE r.state <> 'released'),
      scoped AS (
        SELECT account_id, day, 'all' AS scope, '*' AS scope_key, amount FROM counted
        UNION ALL SELECT account_id, day, 'channel', channel_id, amount FROM counted
          WHERE channel_id IS NOT NULL
        UNION ALL SELECT account_id, day, 'product', product_id, amount FROM counted
          WHERE product_id IS NOT NULL),
      periods AS (
        SELECT account_id, day AS period, scope, scope_key, amount FROM scoped
        UNION ALL SELECT account_id, substr(day, 1, 7), scope, scope_key, amount FROM scoped),
      recount AS (
        SELECT account_id, period, scope, CAST(scope_key AS TEXT) AS scope_key,
          sum(amount) AS amount, count(*) AS count
        FROM periods GROUP BY 1, 2, 3, 4),
      -- Older periods may be forgotten (usage.ts).
      kept AS (
        SELECT id AS account_id, number,
          date((SELECT max(key) FROM json_each(accounts.usage)), '-${DAYS_KEPT} days') AS oldest
        FROM accounts)
      SELECT 'account ' || a.number || ', ' || period || ', ' || scope || ' ' || scope_key
          || ': the counter is ' || coalesce(u.amount, 0) || ' in ' || coalesce(u.count, 0)
          || ', the reservations are ' || coalesce(c.amount, 0) || ' in ' || coalesce(c.count, 0)
          AS problem
      FROM usage u FULL JOIN recount c USING (account_id, period, scope, scope_key)
      JOIN kept a USING (account_id)
      WHERE (u.period IS NOT NULL OR a.oldest IS NULL
          OR period >= substr(a.oldest, 1, length(period)))
        AND (coalesce(u.amount, 0) <> coalesce(c.amount, 0)
          OR coalesce(u.count, 0) <> coalesce(c.count, 0))`,
  },
  {
    name: "each account's reservations are chained, newest first",
    sql: `SELECT 'account ' || a.number || ': its last reservation is '
        || coalesce(a.last_reservation, 'none') || ', the newest one is ' || max(r.id) AS problem
      FROM requests r JOIN accounts a ON a.id = r.account_id
      GROUP BY a.id HAVING a.last_reservation IS NOT max(r.id)
      UNION ALL
      SELECT 'reservation ' || reference || ': it names ' || coalesce(previous, 'none')
        || ' as the one before it, that is ' || coalesce(before, 'none')
      FROM (SELECT reference, previous,
          lag(id) OVER (PARTITION BY account_id ORDER BY id) AS before
        FROM requests WHERE account_id IS NOT NULL)
      WHERE previous IS NOT before`,
  },
  {
    name: "no reference and no request stands twice",
    sql: `SELECT 'reference ' || reference || ' stands ' || count(*) || ' times' AS problem
      FROM requests NOT INDEXED
      WHERE reference IS NOT NULL GROUP BY reference HAVING count(*) > 1
      UNION ALL
      SELECT 'request ' || request_id || ' stands ' || count(*) || ' times'
      FROM requests NOT INDEXED GROUP BY request_id HAVING count(*) > 1`,
  },
  {
    name: "the ledger sums to zero",
    sql: `SELECT 'all balances together are ' || sum(ledger_balance) AS problem
      FROM accounts HAVING sum(ledger_balance) <> 0`,
  },
  {
    name: "every row points at a row that exists",
    sql: `SELECT 'table ' || "table" || ', row ' || coalesce(rowid, '?') || ': its '
        || parent || ' is missing' AS problem FROM pragma_foreign_key_check`,
  },
  {
    name: "the database file is intact",
    sql: `SELECT integrity_check AS problem FROM pragma_integrity_check
      WHERE integrity_check <> 'ok'`,
  },
];

export function verify(db: Database): Check[] {
  return CHECKS.map(({ name, sql }) => {
    const rows = db.query(`${sql} LIMIT ${MOST_PROBLEMS}`).all() as { problem: string }[];
    return { name, ok: rows.length === 0, problems: rows.map(({ problem }) => problem) };
  });
}
