// The served operations on SQLite: load a snapshot, ask the domain, write what it says.
import type { Database } from "bun:sqlite";
import type { AccountStatus } from "../../domain/account.ts";
import { customer, debitEntries } from "../../domain/entries.ts";
import { canonicalBuyerId } from "../../domain/identifiers.ts";
import type { LimitFigures, LimitScope, Limits } from "../../domain/limits.ts";
import { localDayFinder } from "../../domain/local-time.ts";
import { type Minor, minor } from "../../domain/money.ts";
import { OUTCOMES, type Outcome, outcomeOfCode } from "../../domain/outcomes.ts";
import type { PinAttempt, PinDecision } from "../../domain/pin.ts";
import type { Reservation, ReservationState } from "../../domain/reservation.ts";
import {
  type AccountSnapshot,
  decideRepeat,
  decideReserve,
  type RepeatDecision,
  type ReserveRequest,
  type ReserveSnapshot,
} from "../../domain/reserve.ts";
import { decideResult } from "../../domain/result.ts";
import type {
  BankIdentity,
  BatchTimes,
  By,
  ExpireOperation,
  InterruptedOperation,
  OperationOutcome,
  RememberedRequest,
  ReserveOperation,
  ResultOperation,
  StoreOptions,
} from "../store.ts";
import type { Journal } from "./journal.ts";
import { pinMatches } from "./pins.ts";
import { type Answered, receiptsOn } from "./receipts.ts";
import { usageOn } from "./usage.ts";

type AccountRow = {
  id: number;
  number: string;
  status: AccountStatus;
  ledger_balance: Minor;
  held: Minor;
  overdraft: Minor;
  pin_hash: Uint8Array | null;
  pin_failures: number;
  pin_locked: number;
};

type RequestRow = {
  id: number;
  response_code: string;
  buyer_id: string;
  reserve_amount: Minor;
  purchase_amount: Minor | null;
  fee_amount: Minor;
  client_share_amount: Minor;
  settlement_amount: Minor | null;
  product_id: number | null;
  target_id: string | null;
  currency: string | null;
  state: ReservationState | null;
  reference: string | null;
};

/** A reservation with what ending it needs. */
export type OpenReservation = Reservation & {
  readonly accountId: number;
  readonly localDay: string;
  readonly channelId: number | null;
  readonly productId: number | null;
};

type LimitDbRow = { scope: LimitScope } & LimitFigures;

const RESERVATION = `SELECT v.id, r.request_id AS requestId, v.reference, v.state,
    r.reserve_amount AS reserveAmount, r.fee_amount AS feeAmount,
    r.client_share_amount AS clientShareAmount, r.settlement_amount AS settlementAmount,
    v.account_id AS accountId, v.local_day AS localDay, r.channel_id AS channelId,
    r.product_id AS productId
  FROM reservations v JOIN requests r ON r.id = v.id`;

export type Purchases = ReturnType<typeof purchasesOn>;

export function purchasesOn(
  db: Database,
  { bank, journal, options }: { bank: BankIdentity; journal: Journal; options: StoreOptions },
) {
  const dayOf = localDayFinder(bank.timeZone);
  const usage = usageOn(db);
  const receipts = receiptsOn(db);

  const selectRequest = db.query(
    `SELECT r.*, v.state, v.reference FROM requests r LEFT JOIN reservations v ON v.id = r.id
     WHERE r.request_id = ?`,
  );
  const selectTombstone = db.query("SELECT 1 FROM tombstones WHERE request_id = ?");
  const selectPaused = db.query("SELECT sales_paused_at IS NOT NULL AS paused FROM bank");
  const selectBuyer = db.query(
    `SELECT a.id, a.number, a.status, a.ledger_balance, a.held, a.overdraft, a.pin_hash,
       a.pin_failures, a.pin_locked
     FROM buyers b JOIN accounts a ON a.id = b.account_id WHERE b.buyer_id = ?`,
  );
  const selectBlocked = db.query("SELECT 1 FROM blocked_buyers WHERE buyer_id = ?");
  const selectLimits = db.query(
    `SELECT scope, min, max, day_amount AS dayAmount, day_count AS dayCount,
       month_amount AS monthAmount, month_count AS monthCount FROM limits
     WHERE scope = 'global' OR scope = 'channel' AND scope_key = $channel
       OR scope = 'product' AND scope_key = $product OR scope = 'account' AND scope_key = $account`,
  );
  const insertRequest = db.query(
    `INSERT INTO requests (request_id, received_at, response_code, buyer_id, reserve_amount,
       purchase_amount, fee_amount, client_share_amount, settlement_amount, product_id, target_id,
       currency, client_ref, channel_id)
     VALUES ($requestId, $receivedAt, $responseCode, $buyerId, $reserveAmount, $purchaseAmount,
       $feeAmount, $clientShareAmount, $settlementAmount, $productId, $targetId, $currency,
       $clientRef, $channelId)`,
  );
  const insertReservation = db.query(
    `INSERT INTO reservations (id, reference, account_id, state, reserved_at, local_day)
     VALUES (?, ?, ?, 'reserved', ?, ?)`,
  );
  const hold = db.query("UPDATE accounts SET held = held + ? WHERE id = ?");
  const unhold = db.query("UPDATE accounts SET held = held - ? WHERE id = ?");
  const writePin = db.query("UPDATE accounts SET pin_failures = ?, pin_locked = ? WHERE id = ?");
  const byRequestId = db.query(`${RESERVATION} WHERE r.request_id = ?`);
  const byReference = db.query(`${RESERVATION} WHERE v.reference = ?`);
  const resolve = db.query(
    `UPDATE reservations SET state = ?, resolved_at = ?, resolved_by = ?, result_code = ?
     WHERE id = ? AND state = 'reserved'`,
  );
  const insertTombstone = db.query(
    "INSERT OR IGNORE INTO tombstones (request_id, at) VALUES (?, ?)",
  );
  const expireRequest = db.query("UPDATE requests SET response_code = ? WHERE request_id = ?");
  const nameLaterReserve = db.query(
    `UPDATE findings SET detail = detail || $later
     WHERE kind = 'unmatched-success' AND request_id = $requestId`,
  );
  const stillReserved = db.query(
    `${RESERVATION} WHERE v.state = 'reserved' AND v.reserved_at BETWEEN ? AND ?`,
  );

  const interruptionExamined = db.query("UPDATE bank SET interrupted_since = NULL");

  /** The stored spelling of a buyer: an exact match first, which costs no parsing. */
  function findBuyer(buyerId: string): { buyerId: string; account: AccountRow | null } {
    const exact = selectBuyer.get(buyerId) as AccountRow | null;
    if (exact !== null) return { buyerId, account: exact };
    const canonical = canonicalBuyerId(buyerId, bank.country);
    if (canonical === buyerId) return { buyerId, account: null };
    return { buyerId: canonical, account: selectBuyer.get(canonical) as AccountRow | null };
  }

  function remembered(requestId: string): RememberedRequest | null {
    const row = selectRequest.get(requestId) as RequestRow | null;
    if (row === null) return null;
    return {
      content: {
        buyerId: row.buyer_id,
        reserveAmount: row.reserve_amount,
        purchaseAmount: row.purchase_amount,
        feeAmount: row.fee_amount,
        clientShareAmount: row.client_share_amount,
        settlementAmount: row.settlement_amount,
        productId: row.product_id,
        targetId: row.target_id,
        currency: row.currency,
      },
      outcome: outcomeOfCode(row.response_code),
      state: row.state,
      reference: row.reference,
    };
  }

  function attemptOf(row: AccountRow, authCode: string | null): PinAttempt {
    if (row.pin_hash === null || authCode === null) return "absent";
    if (options.pinKey === null) return "unverifiable";
    return pinMatches(options.pinKey, row, authCode) ? "right" : "wrong";
  }

  function limitsFor(request: ReserveRequest, account: AccountRow | null): Limits {
    const rows = selectLimits.all({
      channel: String(request.channelId),
      product: String(request.productId),
      account: account?.number ?? "",
    }) as LimitDbRow[];
    return Object.fromEntries(rows.map((row) => [row.scope, row]));
  }

  function accountSnapshot(row: AccountRow, request: ReserveRequest, day: string): AccountSnapshot {
    return {
      id: row.id,
      status: row.status,
      ledgerBalance: minor(row.ledger_balance),
      held: minor(row.held),
      overdraft: minor(row.overdraft),
      pin: {
        isSet: row.pin_hash !== null,
        failures: row.pin_failures,
        locked: row.pin_locked === 1,
      },
      usage: usage.load({ accountId: row.id, day, ...request }),
    };
  }

  /** All that the decision about a request never seen before looks at. */
  function snapshotFor(
    operation: ReserveOperation,
    request: ReserveRequest,
    account: AccountRow | null,
    now: number,
  ): ReserveSnapshot {
    return {
      tombstoned: selectTombstone.get(request.requestId) !== null,
      salesPaused: (selectPaused.get() as { paused: number }).paused === 1,
      limits: limitsFor(request, account),
      account: account === null ? null : accountSnapshot(account, request, dayOf(now)),
      buyerBlocked: selectBlocked.get(request.buyerId) !== null,
      pinAttempt: account === null ? "absent" : attemptOf(account, operation.authCode),
    };
  }

  function recordRequest(request: ReserveRequest, outcome: Outcome, receivedAt: number): number {
    const { code: responseCode } = OUTCOMES[outcome];
    return Number(insertRequest.run({ ...request, receivedAt, responseCode }).lastInsertRowid);
  }

  function applyHold(request: ReserveRequest, id: number, accountId: number, now: number): string {
    const reference = `${bank.code}-${options.newUuid()}`;
    const day = dayOf(now);
    insertReservation.run(id, reference, accountId, now, day);
    hold.run(request.reserveAmount, accountId);
    usage.count({ accountId, day, ...request }, request.reserveAmount);
    return reference;
  }

  function applyPin(accountId: number, write: PinDecision["write"]): void {
    if (write !== null) writePin.run(write.failures, write.locked ? 1 : 0, accountId);
  }

  /** An unmatched 0000 that came before its reserve is told what the reserve came to. */
  function nameInUnmatched(requestId: string, outcome: Outcome, reference: string | null): void {
    const answered = OUTCOMES[outcome].code + (reference === null ? "" : ` as ${reference}`);
    nameLaterReserve.run({
      requestId,
      later: `; a reserve came later and was answered ${answered}`,
    });
  }

  type Decided = { outcome: Outcome; reference: string | null; fresh: boolean };

  function repeated(first: RememberedRequest, decision: RepeatDecision): Decided {
    const { outcome } = decision;
    return { outcome, reference: outcome === "success" ? first.reference : null, fresh: false };
  }

  function repeat(first: RememberedRequest, request: ReserveRequest, now: number): Decided {
    const decision = decideRepeat(first, request);
    if (decision.kind === "conflict") {
      const { requestId } = request;
      journal.finding(decision.finding, { requestId, reference: first.reference, at: now });
    }
    return repeated(first, decision);
  }

  function decide(operation: ReserveOperation, { now }: BatchTimes): Decided {
    const first = remembered(operation.request.requestId);
    const found = findBuyer(operation.request.buyerId);
    const request = { ...operation.request, buyerId: found.buyerId };
    // Whatever stands from an earlier request stands, and only the receipt tells of this one.
    if (operation.told !== null) {
      if (first === null) {
        recordRequest(request, operation.told, operation.receipt.receivedAt);
        nameInUnmatched(request.requestId, operation.told, null);
      }
      return { outcome: operation.told, reference: null, fresh: first === null };
    }
    if (first !== null) return repeat(first, request, now);

    const snapshot = snapshotFor(operation, request, found.account, now);
    const decision = decideReserve(snapshot, request, options.policy);
    const id = recordRequest(request, decision.outcome, operation.receipt.receivedAt);
    let reference: string | null = null;
    if (decision.kind === "declined" && found.account !== null) {
      applyPin(found.account.id, decision.pin);
    }
    if (decision.kind === "reserved") {
      applyPin(decision.accountId, decision.pin);
      reference = applyHold(request, id, decision.accountId, now);
    }
    nameInUnmatched(request.requestId, decision.outcome, reference);
    return { outcome: decision.outcome, reference, fresh: true };
  }

  /**
   * Ends an open reservation. A release frees the hold and gives back to the limits' counters; a
   * debit turns the hold into a posting, whose journal id it gives.
   */
  function end(
    reservation: OpenReservation,
    move: "debit" | "release",
    how: { now: number; cause: "result" | "operator" | "time-out"; resultCode?: string; by?: By },
  ): number | null {
    const { id, accountId, reserveAmount } = reservation;
    const state = move === "debit" ? "debited" : "released";
    const { changes } = resolve.run(state, how.now, how.cause, how.resultCode ?? null, id);
    if (changes !== 1) throw new Error("a reservation must end exactly once");
    // The hold goes first, so that what is available never dips below what it is.
    unhold.run(reserveAmount, accountId);
    if (move === "release") {
      usage.giveBack({ day: reservation.localDay, ...reservation }, reserveAmount);
      return null;
    }
    return journal.post(
      {
        at: how.now,
        kind: "debit",
        act: how.cause === "result" ? "result" : "reservations debit",
        subject: reservation.reference,
        reservationId: id,
        by: how.by ?? null,
      },
      debitEntries(customer(accountId), reservation),
    );
  }

  return {
    /** How a repeat is answered; nothing is written. */
    repeatOf(given: ReserveRequest): Decided | null {
      const first = remembered(given.requestId);
      if (first === null) return null;
      const request = { ...given, buyerId: findBuyer(given.buyerId).buyerId };
      return repeated(first, decideRepeat(first, request));
    },

    reserve(operation: ReserveOperation, times: BatchTimes): OperationOutcome {
      const decided = decide(operation, times);
      const { code, message } = OUTCOMES[decided.outcome];
      const answered: Answered = {
        status: 200,
        responseCode: code,
        message,
        requestId: operation.request.requestId,
        reference: decided.reference,
      };
      const receiptId = receipts.write(operation.receipt, answered, times);
      return { kind: "reserve", ...decided, receiptId };
    },

    result(operation: ResultOperation, times: BatchTimes): OperationOutcome {
      const { request } = operation;
      const named = request.requestId === null ? null : remembered(request.requestId);
      const match = {
        byRequestId:
          request.requestId === null
            ? null
            : (byRequestId.get(request.requestId) as OpenReservation | null),
        byReference:
          request.reference === null
            ? null
            : (byReference.get(request.reference) as OpenReservation | null),
        declined: named !== null && named.outcome !== "success" && named.state === null,
      };
      const decision = decideResult(match, request);
      const at = times.now;
      if (decision.answer === "accepted") {
        const reservation = (match.byRequestId ?? match.byReference) as OpenReservation;
        if (decision.move !== null) {
          const { resultCode } = request;
          end(reservation, decision.move, { now: at, cause: "result", resultCode });
        }
      } else if (decision.tombstone && request.requestId !== null) {
        insertTombstone.run(request.requestId, at);
      }
      const about =
        decision.answer === "accepted"
          ? { requestId: decision.reservation.requestId, reference: decision.reservation.reference }
          : { requestId: request.requestId, reference: request.reference };
      for (const finding of decision.findings) journal.finding(finding, { ...about, at });
      const matched = decision.answer === "accepted";
      const answered = {
        status: operation.toldLate ? 503 : matched ? 202 : 404,
        responseCode: null,
        message: matched || operation.toldLate ? null : "No matching reservation",
        ...about,
      };
      const receiptId = receipts.write(operation.receipt, answered, times);
      return { kind: "result", answer: decision.answer, receiptId };
    },

    expire(operation: ExpireOperation, { now }: BatchTimes): OperationOutcome {
      expireRequest.run(OUTCOMES.timeOut.code, operation.requestId);
      for (const id of operation.receiptIds) receipts.correct(id, OUTCOMES.timeOut);
      const reservation = byRequestId.get(operation.requestId) as OpenReservation | null;
      if (reservation?.state === "reserved") {
        end(reservation, "release", { now, cause: "time-out" });
      }
      return { kind: "done" };
    },

    interrupted({ since, until }: InterruptedOperation, { now }: BatchTimes): OperationOutcome {
      for (const { requestId, reference } of stillReserved.all(since, until) as OpenReservation[]) {
        const detail = "the server ended while it was answered";
        const draft = { kind: "interrupted", key: requestId, detail } as const;
        journal.finding(draft, { requestId, reference, at: now });
      }
      interruptionExamined.run();
      return { kind: "done" };
    },

    receipts,

    /** An open or ended reservation by our reference or by the requestId. */
    find(ref: string): OpenReservation | null {
      return (byReference.get(ref) ?? byRequestId.get(ref)) as OpenReservation | null;
    },

    end,
  };
}
