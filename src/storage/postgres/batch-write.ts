// Writes what a batch changes, one statement a table, in the round trip that commits it.
//
// The rows are locked, so what they were when they were read they are still. Each update says so all
// the same, in its condition, and changes as many rows as it names or the batch fails: no hold and no
// debit rests on a lock alone. (The function expect_rows is the schema's.)
import { MOST_REFUSALS } from "../sql/receipts.ts";
import type { Appliance } from "./batch-load.ts";
import type { Changes } from "./batch-rows.ts";
import type { Query } from "./messages.ts";

/** A column of a list that is bound: its name, its type where that is not BIGINT. */
type Column = readonly [name: string, type?: "TEXT" | "INTEGER"];

/** SQL for the rows of a JSON list of objects, bound as the first value. */
function listed(columns: readonly Column[]): string {
  const typed = columns.map(([name, type = "BIGINT"]) => `${name} ${type}`).join(", ");
  return `json_to_recordset(CAST(CAST($1 AS TEXT) AS JSON)) AS x (${typed})`;
}

type Row = readonly (string | number | null | undefined)[];

/** A statement that takes a list of rows. */
type Writing = { readonly text: string; readonly columns: readonly Column[] };

function write({ text, columns }: Writing, list: readonly Row[]): Query[] {
  if (list.length === 0) return [];
  const objects = list.map((row) =>
    Object.fromEntries(columns.map(([name], index) => [name, row[index] ?? undefined])),
  );
  return [{ text, values: [JSON.stringify(objects)], lists: true }];
}

/** The update changes as many rows as the list has, or the transaction fails. */
const exactly = ({ text, columns }: Writing): Writing => ({
  text: `WITH done AS (${text} RETURNING 1)
    SELECT expect_rows(count(*), json_array_length(CAST(CAST($1 AS TEXT) AS JSON))) FROM done`,
  columns,
});

/** `text` names the rows of the list by an "@". */
const listing = (text: string, columns: readonly Column[]): Writing => ({
  text: text.replace("@", listed(columns)),
  columns,
});

const REQUEST_COLUMNS: readonly Column[] = [
  ["id"],
  ["request_id", "TEXT"],
  ["received_at"],
  ["response_code", "TEXT"],
  ["buyer_id", "TEXT"],
  ["reserve_amount"],
  ["purchase_amount"],
  ["fee_amount"],
  ["client_share_amount"],
  ["settlement_amount"],
  ["product_id"],
  ["target_id", "TEXT"],
  ["currency", "TEXT"],
  ["client_ref", "TEXT"],
  ["channel_id"],
  ["reference", "TEXT"],
  ["account_id"],
  ["state", "TEXT"],
  ["reserved_at"],
  ["local_day", "TEXT"],
  ["previous"],
  ["resolved_at"],
  ["resolved_by", "TEXT"],
  ["result_code", "TEXT"],
];

const RECEIPT_COLUMNS: readonly Column[] = [
  ["id"],
  ["request"],
  ["received_at"],
  ["duration_us"],
  ["peer", "TEXT"],
  ["path", "TEXT"],
  ["body", "TEXT"],
  ["body_length"],
  ["body_digest", "TEXT"],
  ["signature", "TEXT"],
  ["status"],
  ["response_code", "TEXT"],
  ["message", "TEXT"],
  ["request_id", "TEXT"],
  ["reference", "TEXT"],
  ["notes", "TEXT"],
  ["trace"],
];

const JOURNAL_COLUMNS: readonly Column[] = [
  ["id"],
  ["at"],
  ["kind", "TEXT"],
  ["act", "TEXT"],
  ["subject", "TEXT"],
  ["detail", "TEXT"],
  ["reservation_id"],
  ["actor", "TEXT"],
  ["reason", "TEXT"],
  ["account_1"],
  ["amount_1"],
  ["account_2"],
  ["amount_2"],
  ["account_3"],
  ["amount_3"],
  ["hash", "TEXT"],
];

const REFUSAL_COLUMNS: readonly Column[] = [
  ["id"],
  ["received_at"],
  ["peer", "TEXT"],
  ["method", "TEXT"],
  ["path", "TEXT"],
  ["status"],
  ["reason", "TEXT"],
  ["suppressed"],
  ["trace"],
];

const names = (columns: readonly Column[]) => columns.map(([name]) => name).join(", ");

const insertion = (table: string, columns: readonly Column[], select = names(columns)) =>
  listing(`INSERT INTO ${table} (${names(columns)}) SELECT ${select} FROM @`, columns);

const INSERT_REQUESTS = insertion("requests", REQUEST_COLUMNS);
const INSERT_RECEIPTS = insertion("receipts", RECEIPT_COLUMNS);
const INSERT_REFUSALS = insertion("refusals", REFUSAL_COLUMNS);
const INSERT_JOURNAL = insertion(
  "journal",
  JOURNAL_COLUMNS,
  names(JOURNAL_COLUMNS).replace(/hash$/, "decode(hash, 'hex')"),
);

const END_REQUESTS = exactly(
  listing(
    `UPDATE requests r SET response_code = x.response_code, state = x.state,
    resolved_at = x.resolved_at, resolved_by = x.resolved_by, result_code = x.result_code
  FROM @ WHERE r.id = x.id AND r.state = x.state_before`,
    [
      ["id"],
      ["state_before", "TEXT"],
      ["response_code", "TEXT"],
      ["state", "TEXT"],
      ["resolved_at"],
      ["resolved_by", "TEXT"],
      ["result_code", "TEXT"],
    ],
  ),
);
/** One that has ended, or never reserved anything, is only told another answer. */
const RECODE_REQUESTS = listing(
  `UPDATE requests r SET response_code = x.response_code
  FROM @ WHERE r.id = x.id`,
  [["id"], ["response_code", "TEXT"]],
);

const UPDATE_ACCOUNTS = exactly(
  listing(
    `UPDATE accounts a SET ledger_balance = x.ledger_balance, held = x.held,
    pin_failures = x.pin_failures, pin_locked = x.pin_locked, usage = x.usage,
    last_reservation = x.last_reservation
  FROM @ WHERE a.id = x.id AND a.ledger_balance = x.ledger_before AND a.held = x.held_before
    AND a.overdraft = x.overdraft AND a.status = x.status
    AND x.ledger_balance + a.overdraft - x.held >= 0`,
    [
      ["id"],
      ["ledger_before"],
      ["held_before"],
      ["overdraft"],
      ["status", "TEXT"],
      ["ledger_balance"],
      ["held"],
      ["pin_failures"],
      ["pin_locked"],
      ["usage", "TEXT"],
      ["last_reservation"],
    ],
  ),
);
const ADD_TO_OWN = exactly(
  listing(
    `UPDATE accounts a SET ledger_balance = a.ledger_balance + x.amount
  FROM @ WHERE a.id = x.id AND a.internal IS NOT NULL`,
    [["id"], ["amount"]],
  ),
);

const INSERT_TOMBSTONES = listing(
  `INSERT INTO tombstones (request_id, at)
  SELECT request_id, at FROM @
  ON CONFLICT (request_id) DO NOTHING`,
  [["request_id", "TEXT"], ["at"]],
);
const INSERT_FINDINGS = listing(
  `INSERT INTO findings AS f
    (kind, key, request_id, reference, detail, opened_at, last_seen_at, occurrences)
  SELECT kind, key, request_id, reference, detail, at, at, occurrences FROM @
  ON CONFLICT (kind, key) DO UPDATE SET occurrences = f.occurrences + excluded.occurrences,
    last_seen_at = excluded.last_seen_at`,
  [
    ["kind", "TEXT"],
    ["key", "TEXT"],
    ["request_id", "TEXT"],
    ["reference", "TEXT"],
    ["detail", "TEXT"],
    ["at"],
    ["occurrences"],
  ],
);
const NAME_LATER_RESERVES = listing(
  `UPDATE findings f SET detail = f.detail || x.later
  FROM @ WHERE f.kind = 'unmatched-success' AND f.request_id = x.request_id`,
  [
    ["request_id", "TEXT"],
    ["later", "TEXT"],
  ],
);
const CORRECT_RECEIPTS = listing(
  `UPDATE receipts c SET status = coalesce(x.status, c.status),
    response_code = coalesce(x.response_code, c.response_code)
  FROM @ WHERE c.id = x.id`,
  [["id"], ["status"], ["response_code", "TEXT"]],
);
const DROP_OLD_REFUSALS = `DELETE FROM refusals WHERE id <= $1`;
const INTERRUPTION_EXAMINED = `UPDATE appliances SET interrupted_since = NULL WHERE name = $1`;

/** The statements that write a batch, in the order in which rows are locked. */
export function writing(changes: Changes, appliance: Appliance): Query[] {
  const { changedRequests, accounts, corrections, refusals } = changes;
  const ended = changedRequests.filter(({ before, after }) => before.state !== after.state);
  const recoded = changedRequests.filter(({ before, after }) => before.state === after.state);
  const once = (text: string, value: string | number): Query[] => [{ text, values: [value] }];
  const newest = refusals.at(-1);
  return [
    ...write(
      UPDATE_ACCOUNTS,
      accounts.map(({ before, after }) => [
        after.id,
        before.ledger_balance,
        before.held,
        before.overdraft,
        before.status,
        after.ledger_balance,
        after.held,
        after.pin_failures,
        after.pin_locked,
        after.usage,
        after.last_reservation,
      ]),
    ),
    ...write(
      INSERT_REQUESTS,
      changes.newRequests.map((row) => [
        row.id,
        row.requestId,
        row.receivedAt,
        row.responseCode,
        row.buyerId,
        row.reserveAmount,
        row.purchaseAmount,
        row.feeAmount,
        row.clientShareAmount,
        row.settlementAmount,
        row.productId,
        row.targetId,
        row.currency,
        row.clientRef,
        row.channelId,
        row.reference,
        row.accountId,
        row.state,
        row.reservedAt,
        row.localDay,
        row.previous,
        row.resolvedAt,
        row.resolvedBy,
        row.resultCode,
      ]),
    ),
    ...write(
      END_REQUESTS,
      ended.map(({ before, after }) => [
        after.id,
        before.state,
        after.responseCode,
        after.state,
        after.resolvedAt,
        after.resolvedBy,
        after.resultCode,
      ]),
    ),
    ...write(
      RECODE_REQUESTS,
      recoded.map(({ after }) => [after.id, after.responseCode]),
    ),
    ...write(INSERT_JOURNAL, changes.journal),
    ...write(
      ADD_TO_OWN,
      [...changes.own].sort(([a], [b]) => a - b),
    ),
    ...write(INSERT_TOMBSTONES, [...changes.tombstones].sort()),
    ...write(
      INSERT_FINDINGS,
      changes.findings
        .map((row) => [
          row.kind,
          row.key,
          row.requestId,
          row.reference,
          row.detail,
          row.at,
          row.occurrences,
        ])
        .sort(),
    ),
    ...write(NAME_LATER_RESERVES, [...changes.laterReserves].sort()),
    ...write(INSERT_RECEIPTS, changes.receipts),
    ...write(
      CORRECT_RECEIPTS,
      [...corrections].map(([id, { status, responseCode }]) => [id, status, responseCode]),
    ),
    ...write(
      INSERT_REFUSALS,
      refusals.map((row) => [
        row.id,
        row.receivedAt,
        row.peer,
        row.method,
        row.path,
        row.status,
        row.reason,
        row.suppressed,
        row.trace,
      ]),
    ),
    ...(newest === undefined ? [] : once(DROP_OLD_REFUSALS, newest.id - MOST_REFUSALS)),
    ...(changes.interruptionExamined ? once(INTERRUPTION_EXAMINED, appliance.name) : []),
  ];
}
