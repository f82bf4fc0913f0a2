// The served operations on SQLite: load a snapshot, ask the domain, write what it says.

import type { AccountStatus } from "../../domain/account.ts";
import { customer, debitEntries } from "../../domain/entries.ts";
import { canonicalBuyerId } from "../../domain/identifiers.ts";
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
  EarlierAnswer,
  ExpireOperation,
  InterruptedOperation,
  OperationOutcome,
  RememberedRequest,
  ReserveOperation,
  ResultOperation,
  StoreOptions,
} from "../store.ts";
import { counted, givenBack, usageIn } from "../usage.ts";
import type { Journal } from "./journal.ts";
import { pinMatches } from "./pins.ts";
import { receiptsOn } from "./receipts.ts";
import { rulesOn } from "./rules.ts";
import type { Sql } from "./sql.ts";

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
  usage: string;
  last_reservation: number | null;
};

/** One request as it stands: what it asked, what it was answered, the reservation it made. */
type RequestRow = {
  id: number;
  requestId: string;
  receivedAt: number;
  responseCode: string;
  buyerId: string;
  reserveAmount: Minor;
  purchaseAmount: Minor | null;
  feeAmount: Minor;
  clientShareAmount: Minor;
  settlementAmount: Minor | null;
  productId: number | null;
  channelId: number | null;
  targetId: string | null;
  currency: string | null;
  reference: string | null;
  accountId: number | null;
  state: ReservationState | null;
  localDay: string | null;
};

/** A reservation with what ending it needs. */
export type OpenReservation = Reservation & {
  readonly accountId: number;
  readonly localDay: string;
  readonly channelId: number | null;
  readonly productId: number | null;
};

// One table a query: SQLite prepares a join with a bound value anew at each call, which costs ten
// times what the look-ups do.
const REQUEST = `SELECT id, request_id AS requestId, received_at AS receivedAt, response_code AS responseCode,
    buyer_id AS buyerId, reserve_amount AS reserveAmount, purchase_amount AS purchaseAmount,
    fee_amount AS feeAmount, client_share_amount AS clientShareAmount,
    settlement_amount AS settlementAmount, product_id AS productId, channel_id AS channelId,
    target_id AS targetId, currency, reference, account_id AS accountId, state,
    local_day AS localDay
  FROM requests`;

type Marks = { tombstoned: number; blocked: number; unmatched: number };

type NewReservation = { reference: string; account: AccountRow; at: number; day: string };

/** The reservation that a request made, or null where it made none. */
function reservationOf(row: RequestRow | null): OpenReservation | null {
  return row === null || row.state === null ? null : (row as OpenReservation);
}

export type Purchases = ReturnType<typeof purchasesOn>;

export function purchasesOn(
  db: Sql,
  { bank, journal, options }: { bank: BankIdentity; journal: Journal; options: StoreOptions },
) {
  const dayOf = localDayFinder(bank.timeZone);
  const receipts = receiptsOn(db);
  const rules = rulesOn(db);

  const byRequestId = db.query(`${REQUEST} WHERE request_id = ?`);
  const byReference = db.query(`${REQUEST} WHERE reference = ?`);
  /** What else is known of a request and its buyer; rows of all three are rare. */
  const selectMarks = db.query(
    `SELECT EXISTS (SELECT 1 FROM tombstones WHERE request_id = $requestId) AS tombstoned,
       EXISTS (SELECT 1 FROM blocked_buyers WHERE buyer_id = $buyerId) AS blocked,
       EXISTS (SELECT 1 FROM findings
         WHERE kind = 'unmatched-success' AND request_id = $requestId) AS unmatched`,
  );
  const selectAccount = db.query(
    `SELECT id, number, status, ledger_balance, held, overdraft, pin_hash, pin_failures, pin_locked,
       usage, last_reservation
     FROM accounts WHERE id = (SELECT account_id FROM buyers WHERE buyer_id = ?)`,
  );
  const selectUsage = db.query("SELECT usage FROM accounts WHERE id = ?");
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
  const unhold = db.query("UPDATE accounts SET held = held - ?, usage = ? WHERE id = ?");
  const writePin = db.query("UPDATE accounts SET pin_failures = ?, pin_locked = ? WHERE id = ?");
  const resolve = db.query(
    `UPDATE requests SET state = ?, resolved_at = ?, resolved_by = ?, result_code = ?
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
    `${REQUEST} WHERE state = 'reserved' AND reserved_at BETWEEN ? AND ?`,
  );
  const interruptionExamined = db.query("UPDATE bank SET interrupted_since = NULL");

  /** The stored spelling of a buyer: an exact match first, which costs no parsing. */
  function findBuyer(buyerId: string): { buyerId: string; account: AccountRow | null } {
    const exact = selectAccount.get(buyerId) as AccountRow | null;
    if (exact !== null) return { buyerId, account: exact };
    const canonical = canonicalBuyerId(buyerId, bank.country);
    if (canonical === buyerId) return { buyerId, account: null };
    return { buyerId: canonical, account: selectAccount.get(canonical) as AccountRow | null };
  }

  const findRequest = (requestId: string) => byRequestId.get(requestId) as RequestRow | null;

  /** Most results name both references, and the second look-up finds the same row. */
  function findReference(reference: string, named: RequestRow | null): RequestRow | null {
    if (named !== null && named.reference === reference) return named;
    return byReference.get(reference) as RequestRow | null;
  }

  function remembered(row: RequestRow): RememberedRequest {
    return { content: row, outcome: outcomeOfCode(row.responseCode), ...row };
  }

  function attemptOf(row: AccountRow, authCode: string | null): PinAttempt {
    if (row.pin_hash === null || authCode === null) return "absent";
    if (options.pinKey === null) return "unverifiable";
    return pinMatches(options.pinKey, row, authCode) ? "right" : "wrong";
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
      usage: usageIn(row.usage, { day, ...request }),
    };
  }

  /** All that the decision about a request never seen before looks at. */
  function snapshotFor(
    operation: ReserveOperation,
    request: ReserveRequest,
    { account, marks }: { account: AccountRow | null; marks: Marks },
    now: number,
  ): ReserveSnapshot {
    return {
      tombstoned: marks.tombstoned === 1,
      salesPaused: rules.salesPaused(),
      limits: rules.limitsFor(request, account?.number ?? null),
      account: account === null ? null : accountSnapshot(account, request, dayOf(now)),
      buyerBlocked: marks.blocked === 1,
      pinAttempt: account === null ? "absent" : attemptOf(account, operation.authCode),
    };
  }

  /** Writes a request and what it came to; gives its id. */
  function recordRequest(
    request: ReserveRequest,
    outcome: Outcome,
    { receivedAt }: { receivedAt: number },
    made: NewReservation | null = null,
  ): number {
    const { lastInsertRowid } = insertRequest.run(
      request.requestId,
      receivedAt,
      OUTCOMES[outcome].code,
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
  }

  /** Writes a request that succeeds: the reservation, the hold and the limits' counters. */
  function recordReserved(
    request: ReserveRequest,
    receipt: { receivedAt: number },
    account: AccountRow,
    at: number,
  ): { id: number; reference: string } {
    const reference = `${bank.code}-${options.newUuid()}`;
    const day = dayOf(at);
    const id = recordRequest(request, "success", receipt, { reference, account, at, day });
    const usage = counted(account.usage, { day, ...request }, request.reserveAmount);
    hold.run(request.reserveAmount, usage, id, account.id);
    return { id, reference };
  }

  function applyPin(accountId: number, write: PinDecision["write"]): void {
    if (write !== null) writePin.run(write.failures, write.locked ? 1 : 0, accountId);
  }

  /** An unmatched 0000 that came before its reserve is told what the reserve came to. */
  function nameInUnmatched(
    { unmatched }: Marks,
    requestId: string,
    outcome: Outcome,
    reference: string | null = null,
  ): void {
    if (unmatched === 0) return;
    const answered = OUTCOMES[outcome].code + (reference === null ? "" : ` as ${reference}`);
    nameLaterReserve.run({
      requestId,
      later: `; a reserve came later and was answered ${answered}`,
    });
  }

  type Decided = { id: number; outcome: Outcome; reference: string | null; fresh: boolean };

  function repeated(first: RememberedRequest, decision: RepeatDecision): Decided {
    const { outcome } = decision;
    const reference = outcome === "success" ? first.reference : null;
    return { id: first.id, outcome, reference, fresh: false };
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
    const first = findRequest(operation.request.requestId);
    const found = findBuyer(operation.request.buyerId);
    const request = { ...operation.request, buyerId: found.buyerId };
    // Whatever stands from an earlier request stands, and only the receipt tells of this one.
    if (first !== null && operation.told !== null) {
      return { id: first.id, outcome: operation.told, reference: null, fresh: false };
    }
    if (first !== null) return repeat(remembered(first), request, now);
    const marks = selectMarks.get({
      requestId: request.requestId,
      buyerId: request.buyerId,
    }) as Marks;
    if (operation.told !== null) {
      const outcome = operation.told;
      nameInUnmatched(marks, request.requestId, outcome);
      const id = recordRequest(request, outcome, operation.receipt);
      return { id, outcome, reference: null, fresh: true };
    }

    const snapshot = snapshotFor(operation, request, { account: found.account, marks }, now);
    const decision = decideReserve(snapshot, request, options.policy);
    const { outcome } = decision;
    if (found.account !== null) applyPin(found.account.id, decision.pin);
    if (decision.kind === "declined" || found.account === null) {
      nameInUnmatched(marks, request.requestId, outcome);
      const id = recordRequest(request, outcome, operation.receipt);
      return { id, outcome, reference: null, fresh: true };
    }
    const made = recordReserved(request, operation.receipt, found.account, now);
    nameInUnmatched(marks, request.requestId, outcome, made.reference);
    return { ...made, outcome, fresh: true };
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
    if (move === "release") {
      const { usage } = selectUsage.get(accountId) as { usage: string };
      const key = { day: reservation.localDay, ...reservation };
      unhold.run(reserveAmount, givenBack(usage, key, reserveAmount), accountId);
      return null;
    }
    return journal.post(
      {
        at: how.now,
        kind: "debit",
        act: how.cause === "result" ? "result" : "reservations debit",
        reservationId: id,
        by: how.by ?? null,
      },
      debitEntries(customer(accountId), reservation),
      { accountId, amount: reserveAmount },
    );
  }

  return {
    /** How a repeat is answered; nothing is written. */
    repeatOf(given: ReserveRequest): EarlierAnswer | null {
      const row = findRequest(given.requestId);
      if (row === null) return null;
      const first = remembered(row);
      const request = { ...given, buyerId: findBuyer(given.buyerId).buyerId };
      const { outcome, reference } = repeated(first, decideRepeat(first, request));
      return { outcome, reference, receivedAt: first.receivedAt };
    },

    reserve(operation: ReserveOperation, times: BatchTimes): OperationOutcome {
      const { id, ...decided } = decide(operation, times);
      const answered = { status: 200, responseCode: OUTCOMES[decided.outcome].code, request: id };
      const receiptId = receipts.write(operation.receipt, answered, times);
      return { kind: "reserve", ...decided, receiptId };
    },

    result(operation: ResultOperation, times: BatchTimes): OperationOutcome {
      const { requestId, reference } = operation.request;
      const named = requestId === null ? null : findRequest(requestId);
      const match = {
        byRequestId: reservationOf(named),
        byReference: reservationOf(reference === null ? null : findReference(reference, named)),
        declined: named !== null && named.responseCode !== "0000" && named.state === null,
      };
      const decision = decideResult(match, operation.request);
      const at = times.now;
      if (decision.answer === "accepted") {
        const reservation = (match.byRequestId ?? match.byReference) as OpenReservation;
        if (decision.move !== null) {
          const { resultCode } = operation.request;
          end(reservation, decision.move, { now: at, cause: "result", resultCode });
        }
      } else if (decision.tombstone && requestId !== null) {
        insertTombstone.run(requestId, at);
      }
      const accepted = decision.answer === "accepted" ? decision.reservation : null;
      const about = accepted ?? { requestId, reference };
      for (const finding of decision.findings) journal.finding(finding, { ...about, at });
      const status = operation.toldLate ? 503 : accepted === null ? 404 : 202;
      const receiptId = receipts.write(
        operation.receipt,
        accepted === null ? { status, requestId, reference } : { status, request: accepted.id },
        times,
      );
      return { kind: "result", answer: decision.answer, receiptId };
    },

    expire(operation: ExpireOperation, { now }: BatchTimes): OperationOutcome {
      expireRequest.run(OUTCOMES.timeOut.code, operation.requestId);
      for (const id of operation.receiptIds) receipts.correct(id, "timeOut");
      const reservation = reservationOf(findRequest(operation.requestId));
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
    rules,

    /** An open or ended reservation by our reference or by the requestId. */
    find(ref: string): OpenReservation | null {
      return reservationOf(findReference(ref, null) ?? findRequest(ref));
    },

    end,
  };
}
