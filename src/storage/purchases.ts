// The served operations: load a snapshot, ask the domain, write what it says. An engine hands in how
// rows are found and written, and calls this within one commit.
import type { AccountStatus } from "../domain/account.ts";
import { customer, debitEntries, type Entry } from "../domain/entries.ts";
import type { FindingDraft } from "../domain/finding.ts";
import { canonicalBuyerId } from "../domain/identifiers.ts";
import type { Limits } from "../domain/limits.ts";
import { localDayFinder } from "../domain/local-time.ts";
import { type Minor, minor } from "../domain/money.ts";
import { OUTCOMES, type Outcome, outcomeOfCode } from "../domain/outcomes.ts";
import type { PinAttempt, PinDecision } from "../domain/pin.ts";
import type { Reservation, ReservationState } from "../domain/reservation.ts";
import {
  type AccountSnapshot,
  decideRepeat,
  decideReserve,
  type RepeatDecision,
  type ReserveRequest,
  type ReserveSnapshot,
} from "../domain/reserve.ts";
import { decideResult } from "../domain/result.ts";
import { pinMatches } from "./pins.ts";
import type {
  BankIdentity,
  BatchTimes,
  By,
  EarlierAnswer,
  ExpireOperation,
  InterruptedOperation,
  JournalView,
  MalformedOperation,
  Operation,
  OperationOutcome,
  ReceiptDraft,
  RefusalOperation,
  RememberedRequest,
  ReserveOperation,
  ResultOperation,
  StoreOptions,
} from "./store.ts";
import { counted, givenBack, usageIn } from "./usage.ts";

export type AccountRow = {
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
export type RequestRow = {
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

/** What else is known of a request and its buyer, each 0 or 1. */
export type Marks = { tombstoned: number; blocked: number; unmatched: number };

/** A request as it is written first: what it asked, what it is answered and, if any, what it made. */
export type NewRequest = {
  readonly request: ReserveRequest;
  readonly receivedAt: number;
  readonly responseCode: string;
  readonly made: NewReservation | null;
};

export type NewReservation = {
  readonly reference: string;
  readonly account: AccountRow;
  readonly at: number;
  readonly day: string;
};

/** How an open reservation ended. */
export type Ending = {
  readonly state: "debited" | "released";
  readonly at: number;
  readonly by: "result" | "operator" | "time-out";
  readonly resultCode: string | null;
};

/** What the end of a reservation reads and writes. */
export type EndingRows = {
  request(requestId: string): RequestRow | null;
  requestByReference(reference: string): RequestRow | null;
  /** The counters of an account's limits (usage.ts). */
  usageOf(accountId: number): string;
  /** Ends a reservation; false where it was not open. */
  resolve(requestId: number, ending: Ending): boolean;
  unhold(accountId: number, amount: Minor, usage: string): void;
};

/** What the served operations read and write beside that, and beside the journal. */
export type PurchaseRows = EndingRows & {
  marks(requestId: string, buyerId: string): Marks;
  /** The account that a buyer, spelt as it is stored, is mapped to. */
  accountOf(buyerId: string): AccountRow | null;
  /** Gives the id of the row. */
  addRequest(request: NewRequest): number;
  hold(accountId: number, amount: Minor, usage: string, requestId: number): void;
  writePin(accountId: number, failures: number, locked: boolean): void;
  /** Nothing where there is one. */
  addTombstone(requestId: string, at: number): void;
  /** Corrects what a request was answered to 2060. */
  expire(requestId: string): void;
  /** Adds to the detail of the finding of a 0000 that matched no request. */
  nameLaterReserve(requestId: string, later: string): void;
  /** Those reserved in a span of time, both ends included, that are open still. */
  stillReserved(since: number, until: number): OpenReservation[];
  interruptionExamined(): void;
  /** Gives the id of the row. */
  addReceipt(receipt: NewReceipt): number;
  correctReceipt(
    id: number,
    change: { readonly status: number } | { readonly responseCode: string },
  ): void;
  addRefusal(refusal: RefusalOperation): void;
};

/**
 * What the caller is answered, as the receipt keeps it. `request` is the row that it is about, with
 * whose references the receipt is shown; the references themselves are kept where there is none.
 */
export type Answered = {
  readonly status: number;
  readonly responseCode?: string;
  readonly message?: string;
  readonly request?: number;
  readonly requestId?: string | null;
  readonly reference?: string | null;
};

export type NewReceipt = {
  readonly draft: ReceiptDraft;
  readonly answered: Answered;
  readonly durationUs: number;
};

/** What a purchase asks of the journal. */
export type PostingJournal = {
  /** Writes a posting and changes the balances by it; gives its id. */
  post(
    entry: {
      readonly at: number;
      readonly kind: JournalView["kind"];
      readonly act: string;
      readonly reservationId: number;
      readonly by: By | null;
    },
    entries: readonly Entry[],
    hold: { readonly accountId: number; readonly amount: number },
  ): number;
  finding(
    draft: FindingDraft,
    about: { requestId: string | null; reference: string | null; at: number },
  ): void;
};

/** The few rows that every reserve looks at. */
export type Rules = {
  salesPaused(): boolean;
  /** The limits that apply to a request; `account` is the number of the buyer's, if mapped. */
  limitsFor(
    request: { readonly channelId: number | null; readonly productId: number | null },
    account: string | null,
  ): Limits;
};

/** The reservation that a request made, or null where it made none. */
function reservationOf(row: RequestRow | null): OpenReservation | null {
  return row === null || row.state === null ? null : (row as OpenReservation);
}

/** Finds an open or ended reservation by our reference or by the requestId. */
export function findReservation(rows: EndingRows, ref: string): OpenReservation | null {
  return reservationOf(rows.requestByReference(ref) ?? rows.request(ref));
}

/**
 * Ends an open reservation. A release frees the hold and gives back to the limits' counters; a
 * debit turns the hold into a posting, whose journal id it gives.
 */
export function endReservation(
  { rows, journal }: { rows: EndingRows; journal: PostingJournal },
  reservation: OpenReservation,
  move: "debit" | "release",
  how: { now: number; cause: Ending["by"]; resultCode?: string; by?: By },
): number | null {
  const { id, accountId, reserveAmount } = reservation;
  const isOpen = rows.resolve(id, {
    state: move === "debit" ? "debited" : "released",
    at: how.now,
    by: how.cause,
    resultCode: how.resultCode ?? null,
  });
  if (!isOpen) throw new Error("a reservation must end exactly once");
  if (move === "release") {
    const key = { day: reservation.localDay, ...reservation };
    const usage = givenBack(rows.usageOf(accountId), key, reserveAmount);
    rows.unhold(accountId, reserveAmount, usage);
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

export type Purchases = ReturnType<typeof purchasesOn>;

export function purchasesOn({
  rows,
  journal,
  rules,
  bank,
  options,
}: {
  rows: PurchaseRows;
  journal: PostingJournal;
  rules: Rules;
  bank: BankIdentity;
  options: Pick<StoreOptions, "policy" | "pinKey" | "newUuid">;
}) {
  const dayOf = localDayFinder(bank.timeZone);

  /** The stored spelling of a buyer: an exact match first, which costs no parsing. */
  function findBuyer(buyerId: string): { buyerId: string; account: AccountRow | null } {
    const exact = rows.accountOf(buyerId);
    if (exact !== null) return { buyerId, account: exact };
    const canonical = canonicalBuyerId(buyerId, bank.country);
    if (canonical === buyerId) return { buyerId, account: null };
    return { buyerId: canonical, account: rows.accountOf(canonical) };
  }

  /** Most results name both references, and the second look-up finds the same row. */
  function findReference(reference: string, named: RequestRow | null): RequestRow | null {
    if (named !== null && named.reference === reference) return named;
    return rows.requestByReference(reference);
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
    return rows.addRequest({ request, receivedAt, responseCode: OUTCOMES[outcome].code, made });
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
    rows.hold(account.id, request.reserveAmount, usage, id);
    return { id, reference };
  }

  function applyPin(accountId: number, write: PinDecision["write"]): void {
    if (write !== null) rows.writePin(accountId, write.failures, write.locked);
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
    rows.nameLaterReserve(requestId, `; a reserve came later and was answered ${answered}`);
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
    const first = rows.request(operation.request.requestId);
    const found = findBuyer(operation.request.buyerId);
    const request = { ...operation.request, buyerId: found.buyerId };
    // Whatever stands from an earlier request stands, and only the receipt tells of this one.
    if (first !== null && operation.told !== null) {
      return { id: first.id, outcome: operation.told, reference: null, fresh: false };
    }
    if (first !== null) return repeat(remembered(first), request, now);
    const marks = rows.marks(request.requestId, request.buyerId);
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

  /** Writes the receipt of a request; gives its id. */
  function receipt(draft: ReceiptDraft, answered: Answered, { monotonicMs }: BatchTimes): number {
    const durationUs = Math.max(0, Math.round((monotonicMs - draft.startedAtMs) * 1000));
    return rows.addReceipt({ draft, answered, durationUs });
  }

  /** Writes what was really answered, where a deadline overtook the commit's own outcome. */
  function correctReceipt(id: number, told: Outcome | "late"): void {
    const change = told === "late" ? { status: 503 } : { responseCode: OUTCOMES[told].code };
    rows.correctReceipt(id, change);
  }

  function reserve(operation: ReserveOperation, times: BatchTimes): OperationOutcome {
    const { id, ...decided } = decide(operation, times);
    const answered = { status: 200, responseCode: OUTCOMES[decided.outcome].code, request: id };
    const receiptId = receipt(operation.receipt, answered, times);
    return { kind: "reserve", ...decided, receiptId };
  }

  function result(operation: ResultOperation, times: BatchTimes): OperationOutcome {
    const { requestId, reference } = operation.request;
    const named = requestId === null ? null : rows.request(requestId);
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
        const how = { now: at, cause: "result", resultCode } as const;
        endReservation({ rows, journal }, reservation, decision.move, how);
      }
    } else if (decision.tombstone && requestId !== null) {
      rows.addTombstone(requestId, at);
    }
    const accepted = decision.answer === "accepted" ? decision.reservation : null;
    const about = accepted ?? { requestId, reference };
    for (const finding of decision.findings) journal.finding(finding, { ...about, at });
    const status = operation.toldLate ? 503 : accepted === null ? 404 : 202;
    const receiptId = receipt(
      operation.receipt,
      accepted === null ? { status, requestId, reference } : { status, request: accepted.id },
      times,
    );
    return { kind: "result", answer: decision.answer, receiptId };
  }

  function expire({ requestId, receiptIds }: ExpireOperation, { now }: BatchTimes): void {
    rows.expire(requestId);
    for (const id of receiptIds) correctReceipt(id, "timeOut");
    const reservation = reservationOf(rows.request(requestId));
    if (reservation?.state !== "reserved") return;
    endReservation({ rows, journal }, reservation, "release", { now, cause: "time-out" });
  }

  function interrupted({ since, until }: InterruptedOperation, { now }: BatchTimes): void {
    for (const { requestId, reference } of rows.stillReserved(since, until)) {
      const detail = "the server ended while it was answered";
      const draft = { kind: "interrupted", key: requestId, detail } as const;
      journal.finding(draft, { requestId, reference, at: now });
    }
    rows.interruptionExamined();
  }

  function malformed({ receipt: draft, message }: MalformedOperation, times: BatchTimes): void {
    receipt(draft, { status: 400, responseCode: "2090", message }, times);
  }

  return {
    /** How a repeat is answered; nothing is written. */
    repeatOf(given: ReserveRequest): EarlierAnswer | null {
      const row = rows.request(given.requestId);
      if (row === null) return null;
      const first = remembered(row);
      const request = { ...given, buyerId: findBuyer(given.buyerId).buyerId };
      const { outcome, reference } = repeated(first, decideRepeat(first, request));
      return { outcome, reference, receivedAt: first.receivedAt };
    },

    /** Applies one operation, within the commit of its batch. */
    apply(operation: Operation, times: BatchTimes): OperationOutcome {
      switch (operation.kind) {
        case "reserve":
          return reserve(operation, times);
        case "result":
          return result(operation, times);
        case "late":
          correctReceipt(operation.receiptId, operation.told);
          break;
        case "expire":
          expire(operation, times);
          break;
        case "interrupted":
          interrupted(operation, times);
          break;
        case "malformed":
          malformed(operation, times);
          break;
        case "refusal":
          rows.addRefusal(operation);
          break;
        case "idle":
          break;
      }
      return { kind: "done" };
    },
  };
}
