// Turns concurrent requests into ordered batches: one commit a batch, one flush for all batches
// that wait for it, and only then the answers. A request goes through three stages at most once:
//
//   queued -> applying (its batch is with the store) -> applied (waits for the flush) -> answered
//
// One batch is applied and one flush runs at a time, beside each other. What comes meanwhile is the
// next batch, so a batch is as large as the traffic is and nobody waits for it to fill: on an idle
// server a single request is applied and flushed at once. Under load the next batch is with the
// store before it has done the last one, so that it never waits for this thread.
//
// The rules of time are here (contract.md 4.3): what is not durable by its deadline is told 2060
// or 503 at once. A reserve that was not applied yet is then recorded as 2060 and never decided;
// one that was applied is undone by an `expire`, ahead of every other operation.
import type { Clock } from "../clock.ts";
import type { Outcome } from "../domain/outcomes.ts";
import type { ReserveRequest } from "../domain/reserve.ts";
import type { ResultRequest } from "../domain/result.ts";
import {
  FlushFailed,
  type Operation,
  type OperationOutcome,
  type ReceiptDraft,
  type RefusalOperation,
  type ReserveOperation,
  type Store,
  StoreBusy,
} from "../storage/store.ts";

export type ReserveAnswer = { readonly outcome: Outcome; readonly reference: string | null };

/**
 * "late": not known to be durable in time; it may still take effect. "overloaded": not taken at
 * all, and no receipt is kept.
 */
export type ResultAnswer = "accepted" | "unmatched" | "late" | "overloaded";

export type EngineOptions = {
  readonly clock: Clock;
  readonly reserveBudgetMs: number;
  /**
   * Whether the store gains by a batch that is handed over before it has done the last one. One that
   * waits for another machine gains more by the larger batch that comes of waiting.
   */
  readonly handsOverAhead?: boolean;
  /** The flush failed: nothing that waits may be answered, and the process must end. */
  readonly onFatal: (error: unknown) => void;
  /** One operation failed alone, or a batch that is tried again; for the log. */
  readonly onTrouble?: (what: string, error: unknown) => void;
  /** For the counters: how many operations a commit holds, and how long its flush was waited for. */
  readonly onBatch?: (size: number) => void;
  readonly onFlush?: (tookMs: number) => void;
};

/** A result is answered within this (contract.md 3). */
const RESULT_BUDGET_MS = 4_000;
/** An interrupted reservation becomes a finding this long after the restart (contract.md 4.3). */
const INTERRUPTED_AFTER_MS = 60_000;
/** Operations that share one commit: enough to make a flush cheap, few enough to be short. */
const LARGEST_BATCH = 256;
/** Operations for which a batch goes to a store that still works on another one. */
const LEAST_AHEAD = 8;
/** Requests that may wait; at more, a reserve is told 2060 and a result 503 at once. */
const MOST_WAITING = 5_000;
/** Receipts of refusals that may wait: a flood of them must not stand in a purchase's way. */
const MOST_REFUSALS_WAITING = 1_000;
/** Operations not on the disk yet, answered ones included; at more, nobody is answered at all. */
const MOST_OUTSTANDING = 50_000;
/** Characters of bodies that those may keep in memory for their receipts. */
const MOST_OUTSTANDING_BODIES = 100_000_000;
/** After so long without a request it is noted that nobody waits. */
const IDLE_MS = 1_000;
/** How often deadlines are looked at. */
const SWEEP_MS = 20;
/** A store that is so long over one batch does not answer. */
const SILENT_MS = 2_000;
/** Before a batch is tried again: while another process writes, and after any other trouble. */
const RETRY_BUSY_MS = 2;
const RETRY_MS = 100;

/** No answer may be given: the caller's connection is to be closed. */
export class NoAnswer extends Error {}

type Pending = {
  operation: Operation;
  readonly receivedAt: number;
  readonly deadlineMs: number;
  stage: "queued" | "applying" | "applied";
  /** Null until the operation is applied. */
  outcome: OperationOutcome | null;
  /** The caller was told 2060 or 503 while the batch was applied: made good once that is known. */
  overtaken: boolean;
  /** What a repeat whose time was over was told, before its own commit. */
  toldEarlier: Outcome | null;
  /** True where the caller was told 2060 before the commit, which records just that. */
  isRecordOfExpiry: boolean;
  /** Null once the caller has its answer, or where nobody waits. */
  settle: ((outcome: OperationOutcome | "late") => void) | null;
};

export type Engine = ReturnType<typeof createEngine>;

/** How many characters an operation keeps for its receipt. */
function keptBody(operation: Operation): number {
  return "receipt" in operation ? (operation.receipt.body?.length ?? 0) : 0;
}

export function createEngine(
  store: Store,
  {
    clock,
    reserveBudgetMs,
    handsOverAhead = true,
    onFatal,
    onTrouble,
    onBatch,
    onFlush,
  }: EngineOptions,
) {
  /** Undoing what was told 2060 comes before any other decision. */
  let urgent: Pending[] = [];
  let queue: Pending[] = [];
  /** The batches that are with the store, in their order: one, or two under load. */
  const applying: (readonly Pending[])[] = [];
  /** What was in batches that failed, in its order, until the store has given back all batches. */
  let givenBack: Pending[] = [];
  let unflushed: Pending[] = [];
  /** Whose caller still waits, oldest first. */
  const waiting = new Set<Pending>();
  /** Requests decided in a commit that is not on the disk yet, and how often. */
  const undurable = new Map<string, number>();
  /**
   * Requests told 2060 of which the disk does not know yet, neither by a record nor by an undoing:
   * every answer about them is 2060, and none of them is decided.
   */
  const expiring = new Map<string, { count: number; receivedAt: number }>();
  /** Operations that came in and are not on the disk yet. */
  let outstanding = 0;
  let outstandingBodies = 0;
  let outstandingRefusals = 0;
  let pumping = false;
  let flushing = false;
  let sweeping = false;
  let failed = false;
  /** Why no batch could be committed the last time, or null. */
  let trouble: unknown = null;
  /** Since when the store works on the oldest batch that it has. */
  let applyingSinceMs = 0;
  let onDrained: (() => void)[] = [];
  /** When the last operation came in; null once it is noted that nobody waits. */
  let busyAtMs: number | null = null;
  let watchesForIdle = false;

  function answer(pending: Pending, outcome: OperationOutcome | "late"): void {
    waiting.delete(pending);
    pending.settle?.(outcome);
    pending.settle = null;
  }

  const timeOut = (outcome: OperationOutcome | null): OperationOutcome => ({
    kind: "reserve",
    outcome: "timeOut",
    reference: null,
    receiptId: outcome?.kind === "reserve" ? outcome.receiptId : 0,
    fresh: false,
  });

  // ------------------------------------------------------------- deadlines

  /** From now on until `unmarkExpiring`, every answer about this request is 2060. */
  function markExpiring({
    operation,
    receivedAt,
  }: Pending & { operation: ReserveOperation }): void {
    const { requestId } = operation.request;
    const known = expiring.get(requestId);
    expiring.set(requestId, {
      count: (known?.count ?? 0) + 1,
      receivedAt: Math.min(known?.receivedAt ?? Infinity, receivedAt),
    });
  }

  /** The record or the undoing of one 2060 is on the disk. */
  function unmarkExpiring(requestId: string): void {
    const entry = expiring.get(requestId);
    if (entry !== undefined && entry.count > 1) entry.count -= 1;
    else expiring.delete(requestId);
  }

  /** An operation of our own, ahead of every other. */
  function pushUrgent(operation: Operation, receivedAt: number): void {
    outstanding += 1;
    urgent.push({
      operation,
      receivedAt,
      deadlineMs: Infinity,
      stage: "queued",
      outcome: null,
      overtaken: false,
      toldEarlier: null,
      isRecordOfExpiry: false,
      settle: null,
    });
    schedulePump();
  }

  /** Tells 2060 about a request that is in a commit, and has it undone before anything else. */
  function expireApplied(pending: Pending & { operation: ReserveOperation }): void {
    markExpiring(pending);
    answer(pending, timeOut(pending.outcome));
    undo(pending);
  }

  function undo({ operation, outcome, receivedAt }: Pending & { operation: ReserveOperation }) {
    const { requestId } = operation.request;
    const receiptIds = outcome?.kind === "reserve" ? [outcome.receiptId] : [];
    pushUrgent({ kind: "expire", requestId, receiptIds }, receivedAt);
  }

  /** Tells 2060 about a request whose commit is under way: what it comes to is undone after it. */
  function expireApplying(pending: Pending & { operation: ReserveOperation }): void {
    markExpiring(pending);
    pending.overtaken = true;
    answer(pending, timeOut(null));
  }

  /** Tells 2060 about a request that is not in a commit yet: it is recorded, never decided. */
  function expireQueued(pending: Pending & { operation: ReserveOperation }): void {
    markExpiring(pending);
    pending.isRecordOfExpiry = true;
    pending.operation = { ...pending.operation, told: "timeOut" };
    answer(pending, timeOut(null));
  }

  /** True while an answer about the request rests on something that is not on the disk. */
  const isUnsettled = (requestId: string): boolean =>
    undurable.has(requestId) || expiring.has(requestId);

  /**
   * An earlier request's answer, if that one is on the disk; a time-out takes nothing from it.
   * "unknown" where what the store shows may be the batch that is being applied: that is known in
   * a moment, because its commit is done.
   */
  function durableRepeat(request: ReserveRequest): ReserveAnswer | "unknown" | null {
    if (isUnsettled(request.requestId)) return null;
    try {
      const repeat = store.repeatOf(request);
      const isOfBatch = applying
        .flat()
        .some(
          (pending) =>
            isReserve(pending) &&
            pending.operation.request.requestId === request.requestId &&
            pending.receivedAt === repeat?.receivedAt,
        );
      return isOfBatch ? "unknown" : repeat;
    } catch {
      return null;
    }
  }

  function expireReserve(pending: Pending & { operation: ReserveOperation }): void {
    const { request } = pending.operation;
    const { outcome, stage } = pending;
    if (outcome !== null) {
      const isRepeat = outcome.kind === "reserve" && !outcome.fresh;
      if (isRepeat && !isUnsettled(request.requestId)) answer(pending, outcome);
      else expireApplied(pending);
      return;
    }
    const repeat = durableRepeat(request);
    if (repeat === "unknown") return;
    if (repeat !== null) {
      pending.toldEarlier = repeat.outcome;
      answer(pending, { kind: "reserve", ...repeat, receiptId: 0, fresh: false });
    } else if (stage === "applying") {
      expireApplying(pending);
    } else if (undurable.has(request.requestId)) {
      expireApplied(pending);
    } else {
      expireQueued(pending);
    }
  }

  /** Tells 503 about a result; its receipt says so, whenever it takes effect. */
  function expireResult(pending: Pending): void {
    if (pending.operation.kind === "result") {
      if (pending.stage === "applying") pending.overtaken = true;
      else if (pending.stage === "queued") recordLate(pending);
      else correctLate(pending);
    }
    answer(pending, "late");
  }

  function recordLate(pending: Pending): void {
    if (pending.operation.kind === "result") {
      pending.operation = { ...pending.operation, toldLate: true };
    }
  }

  function correctLate({ outcome, receivedAt }: Pending): void {
    if (outcome?.kind === "result") {
      pushUrgent({ kind: "late", receiptId: outcome.receiptId, told: "late" }, receivedAt);
    }
  }

  /** What a repeat was told may have changed before its own commit, as by a release. */
  function correctEarlier({ outcome, receivedAt, toldEarlier }: Pending): void {
    if (toldEarlier === null || outcome?.kind !== "reserve") return;
    if (outcome.outcome === toldEarlier) return;
    pushUrgent({ kind: "late", receiptId: outcome.receiptId, told: toldEarlier }, receivedAt);
  }

  const isReserve = (pending: Pending): pending is Pending & { operation: ReserveOperation } =>
    pending.operation.kind === "reserve";

  function sweep(): void {
    sweeping = false;
    if (failed) return;
    const nowMs = clock.monotonicMs();
    for (const pending of waiting) {
      if (pending.deadlineMs > nowMs) continue;
      if (isReserve(pending)) expireReserve(pending);
      else expireResult(pending);
    }
    scheduleSweep();
  }

  function scheduleSweep(): void {
    if (sweeping || failed || waiting.size === 0) return;
    sweeping = true;
    clock.after(SWEEP_MS, sweep);
  }

  // ------------------------------------------------------------- batches

  function schedulePump(): void {
    if (pumping || failed || !storeTakesOne()) return;
    pumping = true;
    clock.soon(pump);
  }

  /**
   * True where a batch may go to the store now. One more than it works on only where that is worth
   * a commit, and never past a failed batch or something to undo, which goes before all others.
   */
  function storeTakesOne(): boolean {
    if (applying.length === 0) return true;
    if (!handsOverAhead) return false;
    const worthACommit = Math.max(LEAST_AHEAD, waiting.size / 4);
    return (
      applying.length === 1 &&
      queue.length >= worthACommit &&
      givenBack.length === 0 &&
      urgent.length === 0 &&
      expiring.size === 0
    );
  }

  /** What is urgent first, and others only where all of that is in it. */
  function takeBatch(): Pending[] {
    const first = urgent.slice(0, LARGEST_BATCH);
    const batch = [...first, ...queue.slice(0, LARGEST_BATCH - first.length)];
    urgent = urgent.slice(first.length);
    queue = queue.slice(batch.length - first.length);
    return batch;
  }

  /** receivedAt of the oldest request whose answer has not left, or whose undoing is not done. */
  function openSince(batch: readonly Pending[], now: number): number | null {
    const isIdle = waiting.size === 0 && expiring.size === 0;
    if (isIdle && batch.every(({ operation }) => operation.kind === "idle")) return null;
    const [oldest] = waiting;
    let since = oldest?.receivedAt ?? now;
    for (const { receivedAt } of expiring.values()) since = Math.min(since, receivedAt);
    return since;
  }

  function pump(): void {
    pumping = false;
    if (failed || !storeTakesOne()) return;
    const now = clock.now();
    const monotonicMs = clock.monotonicMs();
    // What is late already must not be decided: its caller is told 2060 first.
    for (const pending of waiting) {
      if (pending.stage !== "queued" || pending.deadlineMs > monotonicMs) continue;
      if (isReserve(pending)) expireReserve(pending);
    }
    const batch = takeBatch();
    if (batch.length === 0) return;
    for (const pending of batch) {
      pending.stage = "applying";
      // A repeat of what was told 2060 must not be decided either.
      if (!isReserve(pending) || !expiring.has(pending.operation.request.requestId)) continue;
      pending.operation = { ...pending.operation, told: "timeOut" };
    }
    if (applying.length === 0) applyingSinceMs = monotonicMs;
    applying.push(batch);
    const operations = batch.map(({ operation }) => operation);
    store.applyBatch(operations, { now, monotonicMs, openSince: openSince(batch, now) }).then(
      (outcomes) => batchApplied(batch, outcomes),
      (error: unknown) => stumble(batch, error),
    );
  }

  function batchApplied(batch: readonly Pending[], outcomes: readonly OperationOutcome[]): void {
    if (failed) return;
    applying.shift();
    applyingSinceMs = clock.monotonicMs();
    trouble = null;
    onBatch?.(batch.length);
    for (const [index, pending] of batch.entries()) applied(pending, outcomes[index]);
    if (failed) return;
    unflushed.push(...batch);
    startFlush();
    // At once: what waits has waited long enough, and an idle store is what costs most.
    pump();
  }

  function applied(pending: Pending, outcome: OperationOutcome | undefined): void {
    pending.stage = "applied";
    pending.outcome = outcome ?? { kind: "done" };
    if (outcome?.kind === "failed") {
      onTrouble?.(pending.operation.kind, outcome.error);
      // What was told 2060 must not stay held: the next start makes a finding of it.
      if (pending.operation.kind === "expire") fail(outcome.error);
    }
    if (isReserve(pending)) {
      const { requestId } = pending.operation.request;
      if (outcome?.kind === "reserve" && outcome.fresh) {
        undurable.set(requestId, (undurable.get(requestId) ?? 0) + 1);
      }
      // A repeat that was told 2060 as well: what its first one holds would never get a result.
      const isLateRepeat =
        pending.isRecordOfExpiry && outcome?.kind === "reserve" && !outcome.fresh;
      if (pending.overtaken || isLateRepeat) undo(pending);
      correctEarlier(pending);
    } else if (pending.overtaken) {
      correctLate(pending);
    }
  }

  /**
   * A batch that could not be committed left nothing; it is tried again before what came since,
   * but no failed flush is. What was told 2060 or 503 meanwhile is then only recorded.
   */
  function stumble(batch: readonly Pending[], error: unknown): void {
    if (failed) return;
    if (error instanceof FlushFailed) {
      fail(error);
      return;
    }
    applying.shift();
    givenBack.push(...batch);
    for (const pending of batch) {
      pending.stage = "queued";
      if (!pending.overtaken) continue;
      pending.overtaken = false;
      if (isReserve(pending)) {
        pending.isRecordOfExpiry = true;
        pending.operation = { ...pending.operation, told: "timeOut" };
      } else {
        recordLate(pending);
      }
    }
    const isOurs = ({ operation }: Pending) =>
      operation.kind === "expire" || operation.kind === "late";
    // A batch behind the one that failed comes back too, unapplied; then both go again, in order.
    if (applying.length > 0) return;
    urgent = [...givenBack.filter(isOurs), ...urgent];
    queue = [...givenBack.filter((pending) => !isOurs(pending)), ...queue];
    givenBack = [];
    const isBusy = error instanceof StoreBusy;
    // Said once, for it is tried again and again.
    if (!isBusy && trouble === null) onTrouble?.("batch", error);
    if (!isBusy) trouble = error;
    pumping = true;
    clock.after(isBusy ? RETRY_BUSY_MS : RETRY_MS, pump);
  }

  // ------------------------------------------------------------- the flush

  function fail(error: unknown): void {
    failed = true;
    trouble = error;
    onFatal(error);
  }

  function startFlush(): void {
    if (flushing || failed || unflushed.length === 0) return;
    flushing = true;
    const batch = unflushed;
    unflushed = [];
    const fromMs = clock.monotonicMs();
    store.flush().then(
      () => {
        // After one that failed, a flush that succeeds proves nothing.
        if (failed) return;
        flushing = false;
        onFlush?.(clock.monotonicMs() - fromMs);
        for (const pending of batch) becameDurable(pending);
        startFlush();
        wakeDrained();
        watchForIdle();
      },
      (error: unknown) => fail(error),
    );
  }

  function becameDurable(pending: Pending): void {
    const { operation, outcome } = pending;
    outstanding -= 1;
    outstandingBodies -= keptBody(operation);
    if (operation.kind === "refusal") outstandingRefusals -= 1;
    if (operation.kind === "expire") unmarkExpiring(operation.requestId);
    if (isReserve(pending)) reserveBecameDurable(pending);
    if (pending.settle !== null && outcome !== null) answer(pending, outcome);
  }

  function reserveBecameDurable(pending: Pending & { operation: ReserveOperation }): void {
    const { requestId } = pending.operation.request;
    // Too late after all, where the commit or the flush kept the whole process waiting.
    const isLate = pending.deadlineMs <= clock.monotonicMs();
    if (pending.settle !== null && (isLate || expiring.has(requestId))) expireReserve(pending);
    if (pending.outcome?.kind === "reserve" && pending.outcome.fresh) {
      const left = (undurable.get(requestId) ?? 1) - 1;
      if (left > 0) undurable.set(requestId, left);
      else undurable.delete(requestId);
    }
    if (pending.isRecordOfExpiry) unmarkExpiring(requestId);
  }

  // ------------------------------------------------------------- coming in

  function enqueue(operation: Operation, receivedAt: number, deadlineMs: number, waits: boolean) {
    return new Promise<OperationOutcome | "late">((resolve) => {
      const pending: Pending = {
        operation,
        receivedAt,
        deadlineMs,
        stage: "queued",
        outcome: null,
        overtaken: false,
        toldEarlier: null,
        isRecordOfExpiry: false,
        settle: waits ? resolve : null,
      };
      const overloaded = waits && waiting.size >= MOST_WAITING;
      busyAtMs = clock.monotonicMs();
      outstanding += 1;
      outstandingBodies += keptBody(operation);
      queue.push(pending);
      if (waits) waiting.add(pending);
      if (overloaded && isReserve(pending)) expireReserve(pending);
      schedulePump();
      scheduleSweep();
    });
  }

  /** True where nothing more may be remembered, by count or by size. */
  const isFull = (): boolean =>
    outstanding >= MOST_OUTSTANDING || outstandingBodies >= MOST_OUTSTANDING_BODIES;

  function wakeDrained(): void {
    if (outstanding > 0) return;
    for (const wake of onDrained) wake();
    onDrained = [];
  }

  /**
   * Every commit notes the oldest request that is open at that moment, at least its own. Once they
   * are all answered that is out of date, and is noted after a while in a commit of its own: so a
   * server that is killed while nothing happens leaves nothing to be looked at.
   */
  function watchForIdle(): void {
    if (watchesForIdle || outstanding > 0 || busyAtMs === null) return;
    watchesForIdle = true;
    clock.after(IDLE_MS, () => {
      watchesForIdle = false;
      if (failed || outstanding > 0 || busyAtMs === null) return;
      if (clock.monotonicMs() - busyAtMs < IDLE_MS) {
        watchForIdle();
        return;
      }
      void enqueue({ kind: "idle" }, clock.now(), Infinity, false);
      busyAtMs = null;
    });
  }

  return {
    /**
     * Decides a reserve; resolves once its outcome is on the disk, or with a time-out at its
     * deadline. Never rejects but with NoAnswer, when nothing may be said.
     */
    async reserve(
      request: ReserveRequest,
      authCode: string | null,
      receipt: ReceiptDraft,
    ): Promise<ReserveAnswer> {
      if (failed || isFull()) throw new NoAnswer();
      const operation = { kind: "reserve", request, authCode, receipt, told: null } as const;
      const deadlineMs = receipt.startedAtMs + reserveBudgetMs;
      const outcome = await enqueue(operation, receipt.receivedAt, deadlineMs, true);
      if (outcome !== "late" && outcome.kind === "reserve") return outcome;
      return { outcome: "unknownError", reference: null };
    },

    /** Applies a result; resolves once it is on the disk, or with "late" at its deadline. */
    async result(request: ResultRequest, receipt: ReceiptDraft): Promise<ResultAnswer> {
      if (failed) throw new NoAnswer();
      if (waiting.size >= MOST_WAITING || isFull()) return "overloaded";
      const deadlineMs = receipt.startedAtMs + RESULT_BUDGET_MS;
      const operation = { kind: "result", request, receipt, toldLate: false } as const;
      const outcome = await enqueue(operation, receipt.receivedAt, deadlineMs, true);
      return outcome !== "late" && outcome.kind === "result" ? outcome.answer : "late";
    },

    /**
     * Keeps the receipt of a request that is answered 400; resolves with true once it is on the
     * disk, or with false at once where overload leaves no room for it.
     */
    async malformed(receipt: ReceiptDraft, message: string): Promise<boolean> {
      if (failed) throw new NoAnswer();
      if (waiting.size >= MOST_WAITING || isFull()) return false;
      const deadlineMs = receipt.startedAtMs + reserveBudgetMs;
      await enqueue({ kind: "malformed", receipt, message }, receipt.receivedAt, deadlineMs, true);
      return true;
    },

    /** Keeps the receipt of a request turned away, some time later; false: there is no room. */
    refused(refusal: RefusalOperation): boolean {
      const isCrowded = outstandingRefusals >= MOST_REFUSALS_WAITING;
      if (failed || isCrowded || outstanding >= MOST_WAITING) return false;
      outstandingRefusals += 1;
      void enqueue(refusal, refusal.receivedAt, Infinity, false);
      return true;
    },

    /** After an unclean end: what it left open and is still open in a minute becomes a finding. */
    watchInterrupted({ since, until }: { since: number; until: number }): () => void {
      return clock.after(INTERRUPTED_AFTER_MS, () => {
        void enqueue({ kind: "interrupted", since, until }, clock.now(), Infinity, false);
      });
    },

    /** Null where purchases can be taken, or why they cannot. */
    notReady(): string | null {
      if (failed) return "a flush to the disk failed";
      if (trouble !== null) return "the database cannot be written";
      const silentMs = applying.length === 0 ? 0 : clock.monotonicMs() - applyingSinceMs;
      if (silentMs > SILENT_MS) return "the database does not answer";
      if (waiting.size >= MOST_WAITING) return "overloaded";
      return null;
    },

    /** What is under way: callers that wait, what is not with the store yet, not on the disk yet. */
    load: () => ({ waiting: waiting.size, queued: urgent.length + queue.length, outstanding }),

    /** Resolves once all that came in is answered and on the disk. */
    drained(): Promise<void> {
      // The store notes a clean end by itself.
      busyAtMs = null;
      return new Promise((resolve) => {
        onDrained.push(resolve);
        wakeDrained();
      });
    },
  };
}
