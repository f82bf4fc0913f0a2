// A real bank whose disk a test holds in its hand: a flush ends when the test says so, or fails.
import { openBank } from "../../src/bank.ts";
import { minor } from "../../src/domain/money.ts";
import type { ReserveRequest } from "../../src/domain/reserve.ts";
import type { ResultRequest } from "../../src/domain/result.ts";
import {
  createEngine,
  type Engine,
  type ReserveAnswer,
  type ResultAnswer,
} from "../../src/engine/engine.ts";
import {
  type Operation,
  type ReceiptDraft,
  type Store,
  StoreBusy,
} from "../../src/storage/store.ts";
import { ACCOUNT, addAccount, BUYER, bankFolder, type Wanted } from "../http/bank.ts";
import { bodyOf } from "../storage/bank.ts";
import { type ManualClock, manualClock } from "./manual-clock.ts";

export const BUDGET_MS = 1_800;
export const RESULT_MS = 4_000;

/** What one call came to; "waiting" until it is answered, "no answer" where it was refused one. */
export type Call<T> = { readonly state: () => T | "waiting" | "no answer" };

export type HeldBank = ManualClock & {
  readonly engine: Engine;
  readonly store: Store;
  /** The kinds of all operations that were committed, batch by batch. */
  readonly batches: Operation["kind"][][];
  /** How many operations each batch had that was handed to the store, committed or not. */
  readonly handed: number[];
  /** What the last batch said of the oldest request whose answer may not have left. */
  openSince(): number | null;
  /** What onFatal was told. */
  readonly fatal: unknown[];
  /** From now on flushes wait for `release`. */
  hold(): void;
  /** Ends the flush that runs, and each one after it until `hold`. */
  release(): Promise<void>;
  failFlush(error: Error): Promise<void>;
  /** From now on a batch stays with the store, before its commit or with it done, until `letCommit`. */
  stopCommits(where: "before" | "after"): void;
  letCommit(): Promise<void>;
  /** How many flushes were started and have not ended. */
  flushing(): number;
  /** While set, no batch can be committed. */
  commitError: Error | null;
  /** What the receipts of the next requests keep of their bodies. */
  body: string | null;
  reserve(requestId: string, fields?: Partial<ReserveRequest>, authCode?: string): Call<string>;
  /** A reserve whose headers came so many milliseconds before its body. */
  slowReserve(requestId: string, bodyTookMs: number): Call<string>;
  result(requestId: string, resultCode: string): Call<ResultAnswer>;
  held(): number;
  answerCodes(requestId: string): (string | null)[];
  close(): void;
};

/** The short form of an answer: the outcome, and the reference of a success. */
const short = ({ outcome, reference }: ReserveAnswer) =>
  reference === null ? outcome : `${outcome} ${reference}`;

function track<T, U>(promise: Promise<T>, shown: (value: T) => U): Call<U> {
  let state: U | "waiting" | "no answer" = "waiting";
  promise.then(
    (value) => {
      state = shown(value);
    },
    () => {
      state = "no answer";
    },
  );
  return { state: () => state };
}

/** A reserve as src/http decodes it. */
function request(requestId: string, fields: Partial<ReserveRequest> = {}): ReserveRequest {
  return {
    requestId,
    buyerId: BUYER,
    reserveAmount: minor(10_000),
    purchaseAmount: minor(10_000),
    feeAmount: minor(0),
    clientShareAmount: minor(0),
    settlementAmount: minor(9_000),
    productId: 110,
    targetId: null,
    currency: null,
    clientRef: null,
    channelId: 7,
    ...fields,
  };
}

function result(requestId: string, resultCode: string): ResultRequest {
  const amounts = {
    reserveAmount: null,
    feeAmount: null,
    clientShareAmount: null,
    settlementAmount: null,
  };
  return { requestId, reference: null, resultCode, ...amounts, malformedFields: [] };
}

export function heldBank(accounts: readonly Wanted[] = [{}]): HeldBank {
  const manual = manualClock();
  const { clock } = manual;
  const folder = bankFolder();
  const opened = openBank(folder.dataDir, { serving: true });
  const { store } = opened;
  for (const account of accounts) addAccount(store, account);

  let holding = false;
  let running: { end: () => void; fail: (error: Error) => void }[] = [];
  const batches: Operation["kind"][][] = [];
  const handed: number[] = [];
  const fatal: unknown[] = [];
  let openSince: number | null = 0;
  let beforeCommit: PromiseWithResolvers<void> | null = null;
  let afterCommit: PromiseWithResolvers<void> | null = null;

  const disk: Store = {
    ...store,
    async applyBatch(operations, times) {
      handed.push(operations.length);
      await beforeCommit?.promise;
      if (bank.commitError !== null) throw bank.commitError;
      const outcomes = await store.applyBatch(operations, times);
      openSince = times.openSince;
      batches.push(operations.map(({ kind }) => kind));
      await afterCommit?.promise;
      return outcomes;
    },
    flush: () =>
      new Promise((resolve, reject) => {
        if (holding) running.push({ end: resolve, fail: reject });
        else resolve();
      }),
  };
  const engine = createEngine(disk, {
    clock,
    reserveBudgetMs: BUDGET_MS,
    onFatal: (error) => fatal.push(error),
  });
  const receipt = (path: string, body: string, bodyTookMs = 0): ReceiptDraft => ({
    receivedAt: clock.now() - bodyTookMs,
    startedAtMs: clock.monotonicMs() - bodyTookMs,
    trace: 1,
    peer: "127.0.0.1",
    path,
    body: bank.body ?? body,
    bodyLength: (bank.body ?? body).length,
    bodyDigest: null,
    signature: "not-required",
    notes: [],
  });

  function reserve(
    given: ReserveRequest,
    how: { authCode?: string | undefined; bodyTookMs?: number },
  ) {
    const draft = receipt("/reserveFunds", bodyOf(given), how.bodyTookMs);
    return track(engine.reserve(given, how.authCode ?? null, draft), short);
  }

  const bank: HeldBank = {
    ...manual,
    engine,
    store,
    batches,
    handed,
    fatal,
    openSince: () => openSince,
    commitError: null,
    body: null,
    hold() {
      holding = true;
    },
    async release() {
      holding = false;
      const ended = running;
      running = [];
      for (const { end } of ended) end();
      await manual.turns();
    },
    stopCommits(where) {
      const stop = Promise.withResolvers<void>();
      if (where === "before") beforeCommit = stop;
      else afterCommit = stop;
    },
    async letCommit() {
      const stopped = [beforeCommit, afterCommit];
      beforeCommit = null;
      afterCommit = null;
      for (const stop of stopped) stop?.resolve();
      await manual.turns();
    },
    async failFlush(error) {
      const ended = running;
      running = [];
      for (const { fail } of ended) fail(error);
      await manual.turns();
    },
    flushing: () => running.length,
    reserve: (requestId, fields, authCode) => reserve(request(requestId, fields), { authCode }),
    slowReserve: (requestId, bodyTookMs) => reserve(request(requestId), { bodyTookMs }),
    result: (requestId, resultCode) =>
      track(
        engine.result(result(requestId, resultCode), receipt("/transactResult", "{}")),
        (x) => x,
      ),
    held: () => store.account(ACCOUNT)!.held,
    answerCodes: (requestId) =>
      store.receiptsOf(requestId, null).map(({ responseCode }) => responseCode),
    close() {
      opened.close();
      folder.remove();
    },
  };
  return bank;
}

/** What the store says while another process holds the write lock. */
export const BUSY = new StoreBusy("database is locked");
export const DISK_FULL = Object.assign(new Error("disk is full"), { code: "SQLITE_FULL" });
