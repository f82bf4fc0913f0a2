// The rows of purchases, one at a time, as SQLite finds and writes them fastest.
import type { Database } from "bun:sqlite";
import type { AccountRow, Marks, NewReceipt, OpenReservation, PurchaseRows } from "../purchases.ts";
import { MOST_REFUSALS, receiptValues } from "../sql/receipts.ts";
import { ACCOUNT, endingRowsOn, REQUEST } from "../sql/rows.ts";
import { sqlOn } from "./sql.ts";

export function rowsOn(db: Database): PurchaseRows {
  /** What else is known of a request and its buyer; rows of all three are rare. */
  const selectMarks = db.query(
    `SELECT EXISTS (SELECT 1 FROM tombstones WHERE request_id = $requestId) AS tombstoned,
       EXISTS (SELECT 1 FROM blocked_buyers WHERE buyer_id = $buyerId) AS blocked,
       EXISTS (SELECT 1 FROM findings
         WHERE kind = 'unmatched-success' AND request_id = $requestId) AS unmatched`,
  );
  const selectAccount = db.query(
    `${ACCOUNT} WHERE id = (SELECT account_id FROM buyers WHERE buyer_id = ?)`,
  );
  const insertRequest = db.query(
    `INSERT INTO requests (request_id, received_at, response_code, buyer_id, reserve_amount,
       purchase_amount, fee_amount, client_share_amount, settlement_amount, product_id, target_id,
       currency, client_ref, channel_id, reference, account_id, state, reserved_at, local_day,
       previous)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const hold = db.query(
    "UPDATE accounts SET held = held + ?, usage = ?, last_reservation = ? WHERE id = ?",
  );
  const writePin = db.query("UPDATE accounts SET pin_failures = ?, pin_locked = ? WHERE id = ?");
  const insertTombstone = db.query(
    "INSERT OR IGNORE INTO tombstones (request_id, at) VALUES (?, ?)",
  );
  const expireRequest = db.query("UPDATE requests SET response_code = '2060' WHERE request_id = ?");
  const nameLaterReserve = db.query(
    `UPDATE findings SET detail = detail || $later
     WHERE kind = 'unmatched-success' AND request_id = $requestId`,
  );
  const stillReserved = db.query(
    `${REQUEST} WHERE state = 'reserved' AND reserved_at BETWEEN ? AND ?`,
  );
  const interruptionExamined = db.query("UPDATE bank SET interrupted_since = NULL");
  const insertReceipt = db.query(
    `INSERT INTO receipts (request, received_at, duration_us, peer, path, body, body_length,
       body_digest, signature, status, response_code, message, request_id, reference, notes, trace)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const correctCode = db.query("UPDATE receipts SET response_code = ? WHERE id = ?");
  const correctStatus = db.query("UPDATE receipts SET status = ? WHERE id = ?");
  const insertRefusal = db.query(
    `INSERT INTO refusals (received_at, peer, method, path, status, reason, suppressed, trace)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const dropOldest = db.query("DELETE FROM refusals WHERE id <= ?");

  return {
    ...endingRowsOn(sqlOn(db)),
    marks: (requestId, buyerId) => selectMarks.get({ requestId, buyerId }) as Marks,
    accountOf: (buyerId) => selectAccount.get(buyerId) as AccountRow | null,
    addRequest({ request, receivedAt, responseCode, made }) {
      const { lastInsertRowid } = insertRequest.run(
        request.requestId,
        receivedAt,
        responseCode,
        request.buyerId,
        request.reserveAmount,
        request.purchaseAmount,
        request.feeAmount,
        request.clientShareAmount,
        request.settlementAmount,
        request.productId,
        request.targetId,
        request.currency,
        request.clientRef,
        request.channelId,
        made?.reference ?? null,
        made?.account.id ?? null,
        made === null ? null : "reserved",
        made?.at ?? null,
        made?.day ?? null,
        made?.account.last_reservation ?? null,
      );
      return Number(lastInsertRowid);
    },
    hold: (accountId, amount, usage, requestId) =>
      void hold.run(amount, usage, requestId, accountId),
    writePin: (accountId, failures, locked) =>
      void writePin.run(failures, locked ? 1 : 0, accountId),
    addTombstone: (requestId, at) => void insertTombstone.run(requestId, at),
    expire: (requestId) => void expireRequest.run(requestId),
    nameLaterReserve: (requestId, later) => void nameLaterReserve.run({ requestId, later }),
    stillReserved: (since, until) => stillReserved.all(since, until) as OpenReservation[],
    interruptionExamined: () => void interruptionExamined.run(),
    addReceipt: (receipt: NewReceipt) =>
      Number(insertReceipt.run(...receiptValues(receipt)).lastInsertRowid),
    correctReceipt: (id, change) =>
      void ("status" in change
        ? correctStatus.run(change.status, id)
        : correctCode.run(change.responseCode, id)),
    addRefusal(refusal) {
      const { lastInsertRowid } = insertRefusal.run(
        refusal.receivedAt,
        refusal.peer,
        refusal.method,
        refusal.path,
        refusal.status,
        refusal.reason,
        refusal.suppressed,
        refusal.trace,
      );
      dropOldest.run(Number(lastInsertRowid) - MOST_REFUSALS);
    },
  };
}
