// The rows that the end of a reservation reads and writes, one at a time: an operator's, on either
// engine, and every purchase's on SQLite.
import type { EndingRows, RequestRow } from "../purchases.ts";
import type { Sql } from "./sql.ts";

// One table a query: SQLite prepares a join with a bound value anew at each call, which costs ten
// times what the look-ups do.
export const REQUEST = `SELECT id, request_id AS requestId, received_at AS receivedAt,
    response_code AS responseCode, buyer_id AS buyerId, reserve_amount AS reserveAmount,
    purchase_amount AS purchaseAmount, fee_amount AS feeAmount,
    client_share_amount AS clientShareAmount, settlement_amount AS settlementAmount,
    product_id AS productId, channel_id AS channelId, target_id AS targetId, currency, reference,
    account_id AS accountId, state, local_day AS localDay
  FROM requests`;

/** An account as a purchase looks at it. */
export const ACCOUNT = `SELECT id, number, status, ledger_balance, held, overdraft, pin_hash,
    pin_failures, pin_locked, usage, last_reservation
  FROM accounts`;

export const LIMIT_COLUMNS = `scope, scope_key AS scopeKey, min, max, day_amount AS dayAmount,
  day_count AS dayCount, month_amount AS monthAmount, month_count AS monthCount`;

/** A restored bank sells nothing until what it has forgotten is acknowledged. */
export const PAUSED = `SELECT sales_paused_at IS NOT NULL
    OR EXISTS (SELECT 1 FROM restores WHERE acknowledged_by IS NULL) AS paused FROM bank`;

export function endingRowsOn(db: Sql): EndingRows {
  const byRequestId = db.query(`${REQUEST} WHERE request_id = ?`);
  const byReference = db.query(`${REQUEST} WHERE reference = ?`);
  const selectUsage = db.query("SELECT usage FROM accounts WHERE id = ?");
  const unhold = db.query("UPDATE accounts SET held = held - ?, usage = ? WHERE id = ?");
  const resolve = db.query(
    `UPDATE requests SET state = ?, resolved_at = ?, resolved_by = ?, result_code = ?
     WHERE id = ? AND state = 'reserved'`,
  );
  return {
    request: (requestId) => byRequestId.get(requestId) as RequestRow | null,
    requestByReference: (reference) => byReference.get(reference) as RequestRow | null,
    usageOf: (accountId) => (selectUsage.get(accountId) as { usage: string }).usage,
    resolve: (id, { state, at, by, resultCode }) =>
      resolve.run(state, at, by, resultCode, id).changes === 1,
    unhold: (accountId, amount, usage) => void unhold.run(amount, usage, accountId),
  };
}
