// The port: what the server and the admin's commands ask of a storage engine, in whole operations.
// An engine loads a snapshot, calls the pure decision, writes what it says, commits. Every write
// runs in one commit; a refusal leaves nothing behind. No caller ever sees a database.
import type { AccountStatus, Balances, InternalAccount } from "../domain/account.ts";
import type { FindingKind } from "../domain/finding.ts";
import type { LimitFigures, LimitScope, Limits, UsageByScope } from "../domain/limits.ts";
import type { LocalDay } from "../domain/local-time.ts";
import type { Minor } from "../domain/money.ts";
import type { Decline, Outcome } from "../domain/outcomes.ts";
import type { ReservationState } from "../domain/reservation.ts";
import type {
  FirstRequest,
  ReserveContent,
  ReservePolicy,
  ReserveRequest,
} from "../domain/reserve.ts";
import type { ResultRequest } from "../domain/result.ts";
import type { SettleAction } from "../domain/settle.ts";
import type { ActName, Sealed } from "./acts.ts";
import type { ChainHead } from "./chain.ts";
import type { Paging } from "./pages.ts";

// ---------------------------------------------------------------- the bank

/** What `init` fixed for ever. */
export type BankIdentity = {
  readonly code: string;
  readonly currency: string;
  readonly minorDigits: number;
  readonly timeZone: string;
  /** ISO 3166 alpha-2, for local phone numbers. */
  readonly country: string;
  readonly demo: boolean;
};

export type Bank = BankIdentity & {
  readonly createdAt: number;
  readonly salesPaused: { readonly at: number; readonly reason: string } | null;
};

/** What a restore makes a bank forget; its newest journal record is the backup's. */
export type NewRestore = {
  readonly from: number;
  readonly to: number;
  readonly record: number;
  readonly hash: string;
  /** The backup's file name, for the journal. */
  readonly file: string;
};

export type RestoreView = Omit<NewRestore, "file"> & {
  readonly id: number;
  /** Until then no reserve is accepted. */
  readonly acknowledged: boolean;
};

// ---------------------------------------------------------------- the served operations

/** What is written of one received request, beside what it led to (contract.md 4.1). */
export type ReceiptDraft = {
  readonly receivedAt: number;
  /** On the monotonic clock, for the duration up to the commit. */
  readonly startedAtMs: number;
  /** With receivedAt it names the request (domain/trace-id.ts). */
  readonly trace: number;
  readonly peer: string;
  readonly path: string;
  /** JSON text with secrets masked; null where the body did not parse. */
  readonly body: string | null;
  readonly bodyLength: number;
  /** Keyed digest of a body that did not parse. */
  readonly bodyDigest: string | null;
  readonly signature: SignatureVerdict;
  readonly notes: readonly string[];
};

export type SignatureVerdict = "valid" | "not-required" | "missing" | "wrong";

export type ReserveOperation = {
  readonly kind: "reserve";
  readonly request: ReserveRequest;
  /** SECRET. Compared and forgotten; null where the request had none. */
  readonly authCode: string | null;
  readonly receipt: ReceiptDraft;
  /** What the caller was told already: record that and decide nothing. Null: decide. */
  readonly told: Decline | null;
};

export type ResultOperation = {
  readonly kind: "result";
  readonly request: ResultRequest;
  readonly receipt: ReceiptDraft;
  /** The caller was told 503 already: it takes effect all the same, and its receipt says 503. */
  readonly toldLate: boolean;
};

/**
 * The caller, whose time was over, was told something else than its operation came to: a result 503,
 * or a repeat what the first request had come to by then. Its receipt shall say so.
 */
export type LateOperation = {
  readonly kind: "late";
  readonly receiptId: number;
  readonly told: Outcome | "late";
};

/** Undo what a reserve came to, because its caller was told 2060 while it was in flight. */
export type ExpireOperation = {
  readonly kind: "expire";
  readonly requestId: string;
  readonly receiptIds: readonly number[];
};

/** A request that was refused with 400: nothing but its receipt. */
export type MalformedOperation = {
  readonly kind: "malformed";
  readonly receipt: ReceiptDraft;
  readonly message: string;
};

/** A request that was turned away before its content counted: 401, 404, 405, 413. */
export type RefusalOperation = {
  readonly kind: "refusal";
  readonly receivedAt: number;
  /** As in a receipt; null where this only counts others. */
  readonly trace: number | null;
  readonly peer: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly reason: string;
  /** How many alike were only counted since the last one that was written. */
  readonly suppressed: number;
};

/** Names the reservations of an unclean end that still have no result (contract.md 4.3). */
export type InterruptedOperation = {
  readonly kind: "interrupted";
  readonly since: number;
  readonly until: number;
};

/** Nobody waits for an answer: a server that is killed from now on leaves nothing open. */
export type IdleOperation = { readonly kind: "idle" };

export type Operation =
  | ReserveOperation
  | ResultOperation
  | LateOperation
  | ExpireOperation
  | MalformedOperation
  | RefusalOperation
  | InterruptedOperation
  | IdleOperation;

export type OperationOutcome =
  | {
      readonly kind: "reserve";
      readonly outcome: Outcome;
      readonly reference: string | null;
      readonly receiptId: number;
      /** False where an earlier request with this requestId was answered again. */
      readonly fresh: boolean;
    }
  | {
      readonly kind: "result";
      readonly answer: "accepted" | "unmatched";
      readonly receiptId: number;
    }
  | { readonly kind: "done" }
  /** This operation failed alone; its neighbours did not. Nothing of it was written. */
  | { readonly kind: "failed"; readonly error: unknown };

export type BatchTimes = {
  readonly now: number;
  readonly monotonicMs: number;
  /**
   * receivedAt of the oldest request that is not answered yet, the batch's own included; null where
   * there is none.
   */
  readonly openSince: number | null;
};

/** An earlier request with the same requestId, with its answer's reference. */
export type RememberedRequest = FirstRequest & {
  readonly id: number;
  readonly reference: string | null;
  readonly receivedAt: number;
};

export type EarlierAnswer = {
  readonly outcome: Outcome;
  readonly reference: string | null;
  readonly receivedAt: number;
};

/** Another process writes at this moment: try again. */
export class StoreBusy extends Error {}

/**
 * The store can promise nothing more, and the process must end: a flush failed, and what was committed
 * before it may or may not be on the disk, for ever; or the store is another's since.
 */
export class FlushFailed extends Error {}

// ---------------------------------------------------------------- the admin's operations

export type Refusal = {
  /** "needs-approval": it is under dual control, and nothing else is against it. */
  readonly kind: "not-found" | "refused" | "needs-approval";
  readonly message: string;
};
export type Result<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly refusal: Refusal };

/** Who does it and why; journalled with every change. */
export type By = Person & {
  /** The approval that it is done under, with whoever approved; nothing but an approval sets it. */
  readonly approval?: { readonly id: number } & Person;
};

export type Person = {
  /** The login uid, which sudo does not change; null where the system keeps none. */
  readonly loginUid: number | null;
  readonly loginName: string | null;
  readonly effectiveUid: number;
  readonly effectiveName: string | null;
  readonly reason: string | null;
};

export type NewAccount = {
  readonly number: string;
  readonly name: string;
  readonly balance: Minor;
  readonly overdraft: Minor;
  readonly status: AccountStatus;
  readonly buyers: readonly string[];
};

/** Why one of several new accounts cannot be made; `index` is its place in the list given. */
export type RowRefusal = { readonly index: number; readonly message: string };

export type AccountView = {
  readonly number: string;
  readonly name: string;
  readonly status: AccountStatus;
  readonly ledgerBalance: Minor;
  readonly held: Minor;
  readonly overdraft: Minor;
  readonly available: Minor;
  readonly pin: "none" | "set" | "locked";
  readonly pinFailures: number;
  readonly buyers: readonly { readonly buyerId: string; readonly blocked: boolean }[];
  readonly createdAt: number;
};

/** "*" for global; the product's or channel's number as text; the account's number. */
export type LimitRow = { readonly scope: LimitScope; readonly scopeKey: string } & LimitFigures;

/**
 * Pages follow the purchase with an id. By account, by buyer and by the state reserved they are found
 * without a search; all else is searched for among the purchases of the span.
 */
export type ReservationFilter = Paging<number> & {
  readonly state?: ReservationState;
  readonly account?: string;
  readonly buyer?: string;
  readonly from?: number;
  readonly to?: number;
  readonly amount?: Minor;
  readonly clientRef?: string;
};

/** The same, and the declined ones: alone, or with the reservations ("all"). */
export type PurchaseFilter = Omit<ReservationFilter, "state"> & {
  readonly state?: ReservationState | "declined" | "all";
};

/** What a request asked, as people look at it. */
type AskedView = Omit<ReserveContent, "currency"> & {
  readonly id: number;
  readonly requestId: string;
  readonly clientRef: string | null;
  readonly channelId: number | null;
  /** reserveAmount - (purchaseAmount + feeAmount), where it is not zero. */
  readonly sumsDifference: number;
};

export type ReservationView = AskedView & {
  readonly reference: string;
  readonly account: string;
  readonly state: ReservationState;
  readonly reservedAt: number;
  readonly resolvedAt: number | null;
  readonly resultCode: string | null;
  readonly resolvedBy: "result" | "operator" | "time-out" | null;
  readonly firstSentAt: number | null;
  readonly corrected: boolean;
};

/** A request that reserved nothing: what it asked, and why it was declined. */
export type DeclinedView = AskedView &
  Pick<ReserveContent, "currency"> & {
    readonly state: "declined";
    readonly outcome: Decline;
    readonly receivedAt: number;
  };

/** What the checks of a request looked at, as far as it can be told from what is recorded. */
export type Past = {
  /** A failed result for it had come before. */
  readonly cancelled: boolean;
  readonly salesPaused: boolean;
  readonly limits: Limits;
  readonly buyerBlocked: boolean;
  /** The buyer's, and what it had reserved until then; null where the buyer had none. */
  readonly account:
    | (Balances & {
        readonly number: string;
        readonly status: AccountStatus;
        readonly usage: UsageByScope;
      })
    | null;
};

/** What became of one raasTxnRef. */
export type PurchaseView = ReservationView | DeclinedView;

/** What the limits looked at when a purchase was reserved, and when it was given back to them. */
export type ReservedView = {
  readonly id: number;
  readonly requestId: string;
  readonly reference: string;
  readonly account: string;
  readonly productId: number | null;
  readonly channelId: number | null;
  readonly reserveAmount: Minor;
  readonly reservedAt: number;
  /** The local day whose limits counted it. */
  readonly day: LocalDay;
  readonly releasedAt: number | null;
};

export type FindingView = {
  readonly id: number;
  readonly kind: FindingKind;
  readonly requestId: string | null;
  readonly reference: string | null;
  readonly detail: string;
  readonly openedAt: number;
  readonly lastSeenAt: number;
  readonly occurrences: number;
  readonly firstSentAt: number | null;
  readonly closedAt: number | null;
  readonly closeReason: string | null;
};

/** Pages follow the finding with an id. */
export type FindingFilter = Paging<number> & {
  /** Those open at an instant; null for all there ever were. */
  readonly openAt: number | null;
  readonly kinds?: readonly FindingKind[];
};

export type EntryView = { readonly account: string; readonly amount: Minor };

export type JournalView = {
  readonly id: number;
  readonly at: number;
  /** "opening" "debit" "correction" "credit" "withdrawal" "settlement" are postings; "act" is none. */
  readonly kind:
    | "opening"
    | "debit"
    | "correction"
    | "credit"
    | "withdrawal"
    | "settlement"
    | "act";
  /** The command, or "result" where Clickatell caused it. */
  readonly act: string;
  readonly subject: string | null;
  readonly detail: string | null;
  readonly reference: string | null;
  readonly by: By | null;
  readonly reason: string | null;
  readonly entries: readonly EntryView[];
};

export type ReceiptView = {
  readonly id: string;
  /** What the answer's X-Request-Id said; null where it had none. */
  readonly traceId: string | null;
  readonly receivedAt: number;
  readonly durationUs: number | null;
  readonly peer: string;
  readonly method: string;
  readonly path: string;
  readonly body: string | null;
  readonly bodyLength: number | null;
  readonly bodyDigest: string | null;
  readonly signature: SignatureVerdict | null;
  readonly status: number;
  readonly responseCode: string | null;
  readonly message: string | null;
  readonly reference: string | null;
  readonly requestId: string | null;
  readonly notes: readonly string[];
  readonly suppressed: number;
};

/** What one person asks another to approve. */
export type ApprovalRequest = {
  readonly act: ActName;
  /** As the act's entry in acts.ts has them. */
  readonly args: object;
  readonly expiresAt: number;
};

export type ApprovalView = {
  readonly id: number;
  readonly act: string;
  /** What would be done, in the words and figures of the moment it was asked for. */
  readonly what: string;
  readonly args: object;
  readonly state: "open" | "approved" | "rejected" | "expired";
  readonly askedAt: number;
  readonly askedBy: Person;
  readonly expiresAt: number;
  readonly decidedAt: number | null;
  readonly decidedBy: Person | null;
  /** The journal's record of the act, its first one, or that of the rejection. */
  readonly record: number | null;
};

/** The newest first; pages follow the approval with an id. Without `all`, the open ones. */
export type ApprovalFilter = Paging<number> & { readonly all: boolean };

/** Receipts up to a number that were received before an instant. */
export type PruneSpan = { readonly before: number; readonly last: number };

/** A page of them, and the number that the next one follows; null where there is none. */
export type OldReceipts = {
  readonly receipts: readonly ReceiptView[];
  readonly last: number | null;
};

/** What an archive of receipts holds. */
export type ArchiveFacts = {
  readonly file: string;
  readonly sha256: string;
  readonly receipts: number;
  readonly refusals: number;
  /** When the oldest and the newest were received; null where there are none. */
  readonly from: number | null;
  readonly to: number | null;
};

/** Of one local day of debit and product. */
export type SettlementRow = {
  readonly day: LocalDay;
  readonly productId: number | null;
  readonly count: number;
  readonly reserved: Minor;
  readonly purchases: Minor;
  readonly fees: Minor;
  readonly clientShare: Minor;
  readonly owed: Minor;
  /** How many had no settlementAmount and wait in suspense, and with how much. */
  readonly suspenseCount: number;
  readonly suspense: Minor;
  readonly sumsDifferCount: number;
};

/** What changed @clickatell in a span beside its debits; what is paid is positive. */
export type SettlementMovements = {
  /** The balance before the span. */
  readonly owedBefore: Minor;
  readonly corrected: Minor;
  /** By `accounts credit` and `accounts debit` of @clickatell. */
  readonly adjusted: Minor;
  readonly paid: Minor;
  /** The balance of @suspense at the end of the span. */
  readonly inSuspense: Minor;
};

export type Settlement = {
  readonly rows: readonly SettlementRow[];
  readonly movements: SettlementMovements;
};

/** One posting as an account's statement shows it. */
export type StatementEntry = {
  readonly record: JournalView;
  /** What it adds to the account; negative where it takes from it. */
  readonly amount: Minor;
  /** The account's balance after it. */
  readonly balance: Minor;
  /** The purchase that it belongs to, if any. */
  readonly purchase: ReservationView | null;
};

/** What an account had before a span, what moved in it, and what it had after it. */
export type Statement = {
  readonly account: {
    readonly number: string;
    readonly name: string;
    readonly internal: InternalAccount | null;
  };
  readonly opening: Minor;
  /** The sum of what was added, and of what was taken, which is negative. */
  readonly credits: Minor;
  readonly debits: Minor;
  readonly closing: Minor;
  readonly count: number;
  /** In the journal's order; read page by page, when they are asked for. */
  readonly entries: Iterable<StatementEntry>;
};

/** What requests came to: how many, in which state they are, and their reserveAmounts. */
export type ActivityFigures = {
  readonly count: number;
  readonly debited: number;
  readonly released: number;
  readonly reserved: number;
  readonly declined: number;
  readonly askedAmount: Minor;
  readonly debitedAmount: Minor;
};

/** What was asked in a span, each request counted once; parts are in the order people want. */
export type Activity = {
  readonly total: ActivityFigures;
  readonly days: readonly ({ readonly day: LocalDay } & ActivityFigures)[];
  readonly answers: readonly ({ readonly outcome: Outcome } & ActivityFigures)[];
  readonly products: readonly ({ readonly productId: number | null } & ActivityFigures)[];
  readonly channels: readonly ({ readonly channelId: number | null } & ActivityFigures)[];
};

/** The newest record of the journal and the newest account, at some moment. */
export type Mark = { readonly journal: number; readonly account: number };

export type LedgerAccount = {
  readonly number: string;
  readonly name: string;
  readonly internal: InternalAccount | null;
  readonly balance: Minor;
};

/** Counts that tell at a glance how the bank is; none reads a whole table. */
export type Overview = {
  readonly open: number;
  /** When the oldest open reservation was made. */
  readonly oldestOpenAt: number | null;
  /** Of the open ones, those that are listed in the exception report. */
  readonly unconfirmed: number;
  readonly findings: readonly { readonly kind: FindingKind; readonly open: number }[];
};

export type Holiday = { readonly day: LocalDay; readonly name: string };

export type Check = {
  readonly name: string;
  readonly ok: boolean;
  /** One line for each row that is off, naming it; at most 20. */
  readonly problems: readonly string[];
};

// ---------------------------------------------------------------- the port itself

/** What the server needs. */
export type ServingStore = {
  bank(): Bank;
  /** Why what is answered now would be lost with one machine more than was meant, or null. */
  risk(): string | null;

  /**
   * Applies operations in order in one commit, which is not durable yet: see `flush`. Batches are
   * applied in the order of the calls. Rejects, and changes nothing, if the commit fails: with
   * StoreBusy where another process writes at this moment, with FlushFailed where the disk refused
   * a flush. A batch that was called before such a failure was told is rejected too, unapplied.
   */
  applyBatch(operations: readonly Operation[], times: BatchTimes): Promise<OperationOutcome[]>;
  /** The same, on the calling thread, which waits for it. */
  applyNow(operations: readonly Operation[], times: BatchTimes): OperationOutcome[];
  /** Resolves once all that was committed before the call is on the disk; rejects if it is not. */
  flush(): Promise<void>;
  /**
   * How a repeat of an earlier request is answered, with when that one was received, or null where
   * there was none, or where only a commit of its own can tell. Shows what is committed, durable or not.
   */
  repeatOf(request: ReserveRequest): EarlierAnswer | null;
  /** Notes that a server starts; gives the last moment of one that did not end cleanly. */
  beginServing(now: number): { readonly since: number; readonly until: number } | null;
  /** Notes a clean end; false where another process writes at this moment. */
  endServing(): boolean;

  close(): void;
};

/** What the admin's commands need: each call returns when it is done. */
export type AdminStore = {
  // What an admin changes. Durable when the call returns.
  addAccount(by: By, account: NewAccount): Result<AccountView>;
  /** All or none, in one commit, so hand in few at a time. A dry run is a read. */
  addAccounts(
    by: By,
    act: string,
    accounts: readonly NewAccount[],
    dryRun: boolean,
  ): Result<readonly RowRefusal[]>;
  mapBuyer(by: By, buyer: string, number: string): Result<{ buyerId: string }>;
  unmapBuyer(by: By, buyer: string): Result<{ buyerId: string; account: string }>;
  blockBuyer(by: By, buyer: string): Result<{ buyerId: string }>;
  unblockBuyer(by: By, buyer: string): Result<{ buyerId: string }>;
  setStatus(by: By, number: string, status: AccountStatus): Result<AccountView>;
  setOverdraft(by: By, number: string, overdraft: Minor): Result<AccountView>;
  setPin(by: By, number: string, pin: string): Result<AccountView>;
  /** The keyed hash that a PIN is stored as. */
  hashPin(number: string, pin: string): Result<Uint8Array>;
  setPinHash(by: By, number: string, hash: Uint8Array): Result<AccountView>;
  unlockPin(by: By, number: string): Result<AccountView>;
  removePin(by: By, number: string): Result<AccountView>;
  credit(by: By, number: string, amount: Minor): Result<AccountView>;
  debit(by: By, number: string, amount: Minor): Result<AccountView>;
  setLimits(by: By, row: LimitTarget, figures: Partial<LimitFigures>): Result<LimitRow>;
  /** Gives what is left of the scope's limit; null where nothing is. */
  unsetLimits(
    by: By,
    row: LimitTarget,
    figures: readonly (keyof LimitFigures)[],
  ): Result<LimitRow | null>;
  /**
   * Settles a reservation by hand. Refused where its state is no longer the one that was `seen`: a
   * release that was meant for an open one must not become a correction of a debited one.
   */
  settle(
    by: By,
    ref: string,
    action: SettleAction,
    bankBears: boolean,
    seen?: ReservationState,
  ): Result<ReservationView>;
  closeFinding(by: By, id: number): Result<FindingView>;
  paySettlement(by: By, amount: Minor): Result<{ owed: Minor }>;
  addHolidays(by: By, holidays: readonly Holiday[]): Result<{ added: number }>;
  removeHoliday(by: By, day: LocalDay): Result<Holiday>;
  pauseSales(by: By): Result<null>;
  resumeSales(by: By): Result<null>;
  /**
   * Lets receipts be pruned that were received before an instant, and journals what was archived.
   * Nothing else is ever pruned: every answer, tombstone and reservation stays.
   */
  beginPrune(by: By, before: number, archived: ArchiveFacts): Result<null>;
  /** Deletes some receipts; gives the last number deleted, or null where no more are left. */
  pruneReceipts(door: boolean, span: PruneSpan, page: Paging<number>): Result<number | null>;
  /** Notes that a scheduled backup failed: a finding until one is made. */
  backupFailed(why: string): Result<null>;
  /** Closes that finding, where there is one. */
  backupMade(by: By, file: string): Result<null>;
  /** Notes in a copy that is about to be put in place what it has forgotten. */
  recordRestore(by: By, restore: NewRestore): Result<null>;
  /** Lets reserves be accepted again; gives the restores that waited for it. */
  acknowledgeRestore(by: By): Result<readonly RestoreView[]>;
  /** Journals an act whose effect is outside the database, such as a rotated secret. */
  recordAct(by: By, act: string, detail: string): Result<null>;
  markSent(
    by: By,
    sent: { reservations: readonly number[]; findings: readonly number[] },
  ): Result<null>;

  // Dual control. An act that falls under it is refused by the functions above as "needs-approval",
  // unless it is done here.
  /** Records what is asked for; nothing of it takes effect. */
  askApproval(by: By, request: ApprovalRequest): Result<ApprovalView>;
  /**
   * Does what was asked for, with all of its checks as of now, and notes the approval, in one
   * commit. A refusal of the act leaves the approval open.
   */
  approve(by: By, id: number, sealed: Sealed | null): Result<ApprovalView>;
  rejectApproval(by: By, id: number): Result<ApprovalView>;

  // What people look at. Only what is durable. A list comes page by page (pages.ts), and whatever
  // looks at many rows does so in many short reads, so that none holds up the copying of the WAL.
  /** The account of a buyer, in any spelling, for a question before a change. */
  buyer(text: string): { buyerId: string; account: string | null; blocked: boolean };
  /** The customers' accounts by number. */
  accounts(page: Paging<string>): AccountView[];
  account(number: string): AccountView | null;
  limits(): LimitRow[];
  /** The newest first. */
  reservations(filter: ReservationFilter): ReservationView[];
  /** By our reference or by the requestId. */
  reservation(ref: string): ReservationView | null;
  /** Reservations as above and, where they are asked for, declined requests; the newest first. */
  purchases(filter: PurchaseFilter): PurchaseView[];
  /** By our reference or by the requestId. */
  purchase(ref: string): PurchaseView | null;
  /** What its checks looked at; null where too much has come since to tell. */
  past(purchase: PurchaseView): Past | null;
  /** Each change of the account of a buyer, in any spelling, the oldest first. */
  buyerHistory(buyer: string): JournalView[];
  /** Those open at an instant, oldest first; none but them and those that ended since is touched. */
  openReservationsAsOf(at: number): ReservationView[];
  /** In the order in which they were decided, those reserved in a span; pages follow an id. */
  reservedInOrder(
    filter: Paging<number> & { readonly from: number; readonly to: number },
  ): ReservedView[];
  /** Counts alone, so it waits for no flush: what they count may be on the disk in a moment. */
  overview(listedBefore: (holidays: readonly LocalDay[]) => number): Overview;
  /** The most urgent first. */
  findings(filter: FindingFilter): FindingView[];
  finding(id: number): FindingView | null;
  /** All there ever were about one purchase, oldest first. */
  findingsOf(requestId: string, reference: string | null): FindingView[];
  approvals(filter: ApprovalFilter): ApprovalView[];
  approval(id: number): ApprovalView | null;
  /** The oldest first; pages follow the record with an id. */
  journal(filter: Paging<number> & { readonly from: number; readonly to: number }): JournalView[];
  /**
   * The journal of one purchase: its posting and its correction, and what an operator did about it:
   * released it, sent it to Clickatell in a report, closed its findings.
   */
  journalOf(requestId: string): JournalView[];
  /** The journal's newest record with its hash, which stands for all that is in it. */
  journalHead(): ChainHead;
  /** The hash that a record of the journal has; null where there is no such record. */
  journalHash(record: number): Uint8Array | null;
  /** The newest ones. */
  receipts(limit: number): ReceiptView[];
  /** By its id or its trace id. */
  receipt(id: string): ReceiptView | null;
  /** Receipts, or what was turned away at the door, before an instant; never the newest of them. */
  oldReceipts(door: boolean, before: number, page: Paging<number>): OldReceipts;
  receiptsOf(requestId: string, reference: string | null): ReceiptView[];
  /** What was debited and moved from an instant on, up to and without another. */
  settlement(from: number, to: number): Settlement;
  /** What was asked from an instant on, up to and without another. */
  activity(from: number, to: number): Activity;
  /** An account's statement of a span, the bank's own accounts too; null where there is none. */
  statement(number: string, span: { readonly from: number; readonly to: number }): Statement | null;
  mark(): Mark;
  /** All accounts there were at a mark, with their balances then: the bank's own, then by number. */
  balances(page: Paging<string> & { readonly upTo: Mark }): LedgerAccount[];
  holidays(): Holiday[];
  /** The oldest first. */
  restores(): RestoreView[];
  verify(): Check[];
};

export type Store = ServingStore & AdminStore;

export type LimitTarget = { readonly scope: LimitScope; readonly scopeKey: string };

/** What a storage engine is opened with. */
export type StoreOptions = {
  readonly now: () => number;
  readonly newUuid: () => string;
  readonly policy: ReservePolicy;
  /** Null where the bank serves without its PIN key. */
  readonly pinKey: Uint8Array | null;
};
