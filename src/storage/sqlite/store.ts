// The SQLite engine of the port: one connection, one write path. A server has two more connections,
// each in a thread of its own (threads.ts): one applies the batches, one copies the WAL into the
// database; this one then only reads.
//
// Why an answer is durable: every write is a SQLite commit in WAL mode, so it is in the WAL file
// when `write` or `applyBatch` is done. A command's connection is synchronous=FULL, so its commit
// has flushed the WAL. The server's is NORMAL, which does not: the engine calls `flush` after the
// commit and answers only when it is done. `flush` is one fdatasync of the WAL, which makes every
// commit before it durable at once, and runs beside the next batch. SQLite itself flushes the WAL
// before a checkpoint copies it, and the database before the WAL is used again, so a commit is
// always whole in one of the two.
import type { Database } from "bun:sqlite";
import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { ControlledKind } from "../../domain/dual-control.ts";
import { messageOf } from "../../errors.ts";
import { actOf } from "../acts.ts";
import { adminOn } from "../sql/admin.ts";
import { approvalsOn } from "../sql/approvals.ts";
import { backupsOn } from "../sql/backups.ts";
import { journalOn } from "../sql/journal.ts";
import { pinKeyCheck } from "../sql/pins.ts";
import { purchasesOn } from "../sql/purchases.ts";
import { readsOn } from "../sql/reads.ts";
import { Refused, refuse } from "../sql/refused.ts";
import { RESTORED, restoresOn } from "../sql/restores.ts";
import { verify } from "../sql/verify.ts";
import {
  type AccountView,
  type Bank,
  type BatchTimes,
  type FindingView,
  FlushFailed,
  type Operation,
  type OperationOutcome,
  type ReservationView,
  type Result,
  type Store,
  type StoreOptions,
} from "../store.ts";
import { concernsWholeBatch, portError } from "./errors.ts";
import { BUSY_TIMEOUT_MS, CannotOpen, isBusy, openDatabase, WAL_BYTES, WAL_FILE } from "./open.ts";
import { sqlOn } from "./sql.ts";
import { sqliteChecks } from "./verify.ts";

type BankRow = {
  code: string;
  currency: string;
  minorDigits: number;
  timeZone: string;
  country: string;
  demo: number;
  createdAt: number;
  pausedAt: number | null;
  pausedReason: string | null;
};

export function readBank(db: Database): Bank {
  const row = db
    .query(
      `SELECT code, currency, minor_digits AS minorDigits, time_zone AS timeZone, country, demo,
         created_at AS createdAt, sales_paused_at AS pausedAt,
         sales_paused_reason AS pausedReason FROM bank`,
    )
    .get() as BankRow | null;
  if (row === null) throw new CannotOpen("the database holds no bank: run transact-bank init");
  const { pausedAt, pausedReason, ...identity } = row;
  return {
    ...identity,
    demo: row.demo === 1,
    salesPaused:
      pausedAt === null ? pausedByRestore(db) : { at: pausedAt, reason: pausedReason ?? "" },
  };
}

/** A restored bank sells nothing until that is acknowledged; one of an earlier version knows none. */
function pausedByRestore(db: Database): Bank["salesPaused"] {
  const table = db.query("SELECT 1 FROM sqlite_schema WHERE name = 'restores'").get();
  if (table === null) return null;
  const { at } = db
    .query("SELECT max(to_at) AS at FROM restores WHERE acknowledged_by IS NULL")
    .get() as { at: number | null };
  return at === null ? null : { at, reason: RESTORED };
}

/** An operation of a batch, or in its place why it is left out. */
type ToApply = Operation | { readonly kind: "broken"; readonly error: unknown };

/** One operation of a batch broke alone. */
class Broke extends Error {
  readonly index: number;
  constructor(index: number, cause: unknown) {
    super("an operation broke", { cause });
    this.index = index;
  }
}

/** Rolls a write back and gives its value all the same: why nothing was done, or would have been. */
class Undone extends Error {
  readonly value: unknown;
  constructor(value: unknown) {
    super("undone");
    this.value = value;
  }
}

/** The store with what only its own folder uses. */
export type SqliteStore = Store & {
  /** `applyBatch` at once, on this connection. */
  applyNow(operations: readonly Operation[], times: BatchTimes): OperationOutcome[];
  /** From here on a write that meets another writer fails at once: the engine tries again. */
  neverWait(): void;
  /** `flush` at once, on this thread. Throws FlushFailed. */
  flushNow(): void;
  /**
   * Copies into the database what is left of the WAL, so that the next commit begins it anew. Call
   * it between two batches: nobody else appends then. What a reader keeps in use stays for later,
   * and so does everything where it throws, as it does for a disk that is full or broken.
   */
  finishWal(): void;
};

/**
 * `dualControl`: reads what an operator does only under an approval, asked before each act; what was
 * noted, where it is missing. `dryRun`: each write of an admin is done, gives what it comes to, and is
 * rolled back. `walBytes`: the WAL's length while it serves; tests that start many servers keep it
 * short.
 */
export type SqliteStoreOptions = StoreOptions & {
  readonly serving: boolean;
  readonly dryRun?: boolean;
  readonly dualControl?: () => readonly ControlledKind[];
  readonly walBytes?: number;
};

/**
 * Opens the store of a data dir. `serving` leaves the flush after a commit to the caller.
 * Throws CannotOpen, whose message says what to do, where the files or the PIN key do not fit.
 */
export function openSqliteStore(dataDir: string, options: SqliteStoreOptions): SqliteStore {
  const db = openDatabase(dataDir, options.serving ? "NORMAL" : "FULL");
  try {
    return storeOn(db, dataDir, options);
  } catch (error) {
    db.close();
    throw error;
  }
}

function storeOn(db: Database, dataDir: string, options: SqliteStoreOptions): SqliteStore {
  const bank = readBank(db);
  checkPinKey(db, options.pinKey);
  const sql = sqlOn(db);
  const journal = journalOn(sql, bank, options.dualControl ?? (() => null));
  const purchases = purchasesOn(sql, { bank, journal, options });
  const admin = adminOn(sql, { bank, journal, purchases, options });
  const reads = readsOn(sql, bank);
  const backups = backupsOn(sql, { journal, now: options.now });
  const restores = restoresOn(sql, { bank, journal, now: options.now });
  const approvals = approvalsOn(sql, { bank, journal, reads, options });
  const walFile = join(dataDir, WAL_FILE);
  let wal: number | null = null;

  /** The WAL's descriptor; no lock of SQLite stands on this file, so it may be closed too. */
  function walDescriptor(): number {
    wal ??= openSync(walFile, "r+");
    return wal;
  }

  /** Runs one admin act in one commit. A refusal rolls back and comes out as a value. */
  function write<T>(act: () => T): Result<T> {
    // An act under an approval is a write within a write: a savepoint of the one commit.
    const isOuter = !db.inTransaction;
    const undo = options.dryRun === true && isOuter;
    if (isOuter) journal.readControl();
    const inCommit = db.transaction(() => {
      const value = act();
      if (undo) throw new Undone(value);
      return value;
    });
    try {
      return { ok: true, value: inCommit.immediate() };
    } catch (error) {
      if (error instanceof Undone) return { ok: true, value: error.value as T };
      if (error instanceof Refused) return { ok: false, refusal: error.refusal };
      throw error;
    } finally {
      purchases.rules.forget();
    }
  }

  const begin = db.query("BEGIN IMMEDIATE");
  const commit = db.query("COMMIT");
  const rollback = db.query("ROLLBACK");
  const markOpen = db.query("UPDATE bank SET open_since = ?");

  function applyOne(operation: Operation, times: BatchTimes): OperationOutcome {
    switch (operation.kind) {
      case "reserve":
        return purchases.reserve(operation, times);
      case "result":
        return purchases.result(operation, times);
      case "late":
        purchases.receipts.correct(operation.receiptId, operation.told);
        return { kind: "done" };
      case "expire":
        return purchases.expire(operation, times);
      case "interrupted":
        return purchases.interrupted(operation, times);
      case "malformed":
        purchases.receipts.malformed(operation, times);
        return { kind: "done" };
      case "refusal":
        purchases.receipts.refusal(operation);
        return { kind: "done" };
      case "idle":
        return { kind: "done" };
    }
  }

  /** Only what is on the disk is shown: another process may have committed and not flushed yet. */
  function durable<A extends unknown[], R>(read: (...args: A) => R): (...args: A) => R {
    return (...args) => {
      const value = read(...args);
      // A descriptor of its own, so that an error of an earlier flush is not missed.
      const descriptor = openSync(walFile, "r+");
      try {
        fdatasyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
      return value;
    };
  }

  /** An act on one account, which gives the account as it is then. */
  function onAccount(number: string, act: () => void): Result<AccountView> {
    return write(() => {
      act();
      return reads.account(number) as AccountView;
    });
  }

  /** One commit for all of them, or none: throws Broke with the place of one that broke alone. */
  function commitBatch(operations: readonly ToApply[], times: BatchTimes): OperationOutcome[] {
    begin.run();
    try {
      purchases.rules.refresh();
      const outcomes = journal.batch(() =>
        operations.map((operation, index): OperationOutcome => {
          if (operation.kind === "broken") return { kind: "failed", error: operation.error };
          try {
            return applyOne(operation, times);
          } catch (error) {
            throw concernsWholeBatch(error) ? error : new Broke(index, error);
          }
        }),
      );
      markOpen.run(times.openSince);
      commit.run();
      return outcomes;
    } catch (error) {
      if (db.inTransaction) rollback.run();
      throw error;
    }
  }

  /**
   * An operation that breaks leaves its neighbours alone: the batch is rolled back and applied again
   * without it. None is known that does, so a batch pays nothing for the chance that one might.
   */
  function applyNow(operations: readonly Operation[], times: BatchTimes): OperationOutcome[] {
    const toApply: ToApply[] = [...operations];
    for (;;) {
      try {
        return commitBatch(toApply, times);
      } catch (error) {
        if (!(error instanceof Broke)) throw portError(error);
        const broken = toApply[error.index];
        // A reserve that broke is declined, and stays declined when it is repeated.
        toApply[error.index] =
          broken?.kind === "reserve" && broken.told === null
            ? { ...broken, told: "unknownError" }
            : { kind: "broken", error: error.cause };
      }
    }
  }

  function neverWait(): void {
    db.run("PRAGMA busy_timeout = 0");
  }

  const store: SqliteStore = {
    bank: () => readBank(db),

    neverWait,
    flushNow() {
      try {
        fdatasyncSync(walDescriptor());
      } catch (error) {
        throw new FlushFailed(messageOf(error));
      }
    },
    finishWal() {
      db.run("PRAGMA wal_checkpoint(PASSIVE)");
    },
    applyNow,
    applyBatch: async (operations, times) => applyNow(operations, times),
    flush: () =>
      new Promise((resolve, reject) => {
        fdatasync(walDescriptor(), (error) =>
          error === null ? resolve() : reject(new FlushFailed(error.message)),
        );
      }),
    repeatOf: (request) => purchases.repeatOf(request),
    beginServing(now) {
      // After a failed flush the kernel may call pages clean that never reached the disk, and a
      // flush would have nothing to write. Copying the WAL into the database writes them anew.
      rewriteWal(db);
      const begin = db.transaction(() => {
        db.run(
          `UPDATE bank SET serving = 1, open_since = ?, interrupted_since =
             coalesce(interrupted_since, CASE serving WHEN 1 THEN open_since END)`,
          [now],
        );
        // The clock may have been set back since: the last of them may be later than now.
        return db
          .query(
            `SELECT interrupted_since AS since, (SELECT max(reserved_at) FROM requests
               WHERE state = 'reserved' AND reserved_at >= interrupted_since) AS last FROM bank`,
          )
          .get() as { since: number | null; last: number | null };
      });
      const { since, last } = begin.immediate();
      const length = options.walBytes ?? WAL_BYTES;
      db.transaction(() => lengthenWal(walDescriptor(), length)).immediate();
      fdatasyncSync(walDescriptor());
      neverWait();
      return since === null ? null : { since, until: Math.max(now, last ?? now) };
    },
    endServing() {
      try {
        db.run("UPDATE bank SET serving = 0, open_since = NULL");
      } catch (error) {
        if (isBusy(error)) return false;
        throw error;
      }
      fdatasyncSync(walDescriptor());
      return true;
    },

    addAccount: (by, account) =>
      onAccount(account.number, () => {
        const [refusal] = admin.addAccounts(by, "accounts add", [account]);
        if (refusal !== undefined) refuse(refusal.message);
      }),
    addAccounts(by, act, accounts, dryRun) {
      if (dryRun) return { ok: true, value: admin.refusedAccounts(accounts) };
      return write(() => {
        const refusals = admin.addAccounts(by, act, accounts);
        if (refusals.length > 0) throw new Undone(refusals);
        return refusals;
      });
    },
    mapBuyer: (by, buyer, number) => write(() => admin.mapBuyer(by, buyer, number)),
    unmapBuyer: (by, buyer) => write(() => admin.unmapBuyer(by, buyer)),
    blockBuyer: (by, buyer) => write(() => admin.blockBuyer(by, buyer)),
    unblockBuyer: (by, buyer) => write(() => admin.unblockBuyer(by, buyer)),
    setStatus: (by, number, status) => onAccount(number, () => admin.setStatus(by, number, status)),
    setOverdraft: (by, number, overdraft) =>
      onAccount(number, () => admin.setOverdraft(by, number, overdraft)),
    setPin: (by, number, pin) =>
      onAccount(number, () => admin.setPinHash(by, number, admin.hashPin(number, pin))),
    hashPin: (number, pin) => write(() => admin.hashPin(number, pin)),
    setPinHash: (by, number, hash) => onAccount(number, () => admin.setPinHash(by, number, hash)),
    unlockPin: (by, number) => onAccount(number, () => admin.unlockPin(by, number)),
    removePin: (by, number) => onAccount(number, () => admin.removePin(by, number)),
    credit: (by, number, amount) => onAccount(number, () => admin.credit(by, number, amount)),
    debit: (by, number, amount) => onAccount(number, () => admin.debit(by, number, amount)),
    setLimits: (by, target, figures) => write(() => admin.setLimits(by, target, figures)),
    unsetLimits: (by, target, figures) => write(() => admin.unsetLimits(by, target, figures)),
    settle: (by, ref, action, bankBears, seen) =>
      write(() => {
        const reference = admin.settle(by, ref, action, bankBears, seen);
        return reads.reservation(reference) as ReservationView;
      }),
    closeFinding: (by, id) =>
      write(() => {
        admin.closeFinding(by, id);
        return reads.finding(id) as FindingView;
      }),
    paySettlement: (by, amount) => write(() => admin.paySettlement(by, amount)),
    addHolidays: (by, holidays) => write(() => admin.addHolidays(by, holidays)),
    removeHoliday: (by, day) => write(() => admin.removeHoliday(by, day)),
    pauseSales: (by) => write(() => admin.pauseSales(by)),
    resumeSales: (by) =>
      write(() => {
        restores.refuseOpen();
        return admin.resumeSales(by);
      }),
    beginPrune: (by, before, archived) =>
      write(() => {
        const detail = JSON.stringify({ before, ...archived });
        journal.record({ at: options.now(), kind: "act", act: "receipts prune", detail, by });
        db.run(
          "UPDATE bank SET receipts_pruned_before = max(coalesce(receipts_pruned_before, ?), ?)",
          [before, before],
        );
        return null;
      }),
    pruneReceipts: (door, span, page) => write(() => purchases.receipts.prune(door, span, page)),
    backupFailed: (why) => write(() => backups.failed(why)),
    backupMade: (by, file) => write(() => backups.made(by, file)),
    recordRestore: (by, restore) => write(() => restores.record(by, restore)),
    acknowledgeRestore: (by) => write(() => restores.acknowledge(by)),
    recordAct: (by, act, detail) => write(() => admin.recordAct(by, act, detail)),
    markSent: (by, sent) => write(() => admin.markSent(by, sent)),

    askApproval: (by, request) => write(() => approvals.view(approvals.ask(by, request))),
    approve: (by, id, sealed) =>
      write(() => {
        const asked = approvals.toApprove(by, id);
        const result = actOf(asked.act).perform(store, asked.by, asked.args as never, sealed);
        if (!result.ok) throw new Refused(result.refusal);
        asked.done();
        return approvals.view(id);
      }),
    rejectApproval: (by, id) =>
      write(() => {
        approvals.reject(by, id);
        return approvals.view(id);
      }),

    buyer: durable(reads.buyer),
    accounts: durable(reads.accounts),
    account: durable(reads.account),
    limits: durable(reads.limits),
    reservations: durable(reads.reservations),
    reservation: durable(reads.reservation),
    purchases: durable(reads.purchases),
    purchase: durable(reads.purchase),
    past: durable(reads.past),
    buyerHistory: durable(reads.buyerHistory),
    openReservationsAsOf: durable(reads.openReservationsAsOf),
    reservedInOrder: durable(reads.reservedInOrder),
    overview: reads.overview,
    findings: durable(reads.findings),
    finding: durable(reads.finding),
    findingsOf: durable(reads.findingsOf),
    approvals: durable(approvals.list),
    approval: durable(approvals.find),
    journal: durable(reads.journal),
    journalOf: durable(reads.journalOf),
    journalHead: durable(journal.head),
    journalHash: durable(journal.hashOf),
    receipts: durable(purchases.receipts.list),
    receipt: durable(purchases.receipts.show),
    oldReceipts: durable(purchases.receipts.old),
    receiptsOf: durable(purchases.receipts.about),
    settlement: durable(reads.settlement),
    activity: durable(reads.activity),
    statement: durable(reads.statement),
    mark: durable(reads.mark),
    balances: durable(reads.balances),
    holidays: durable(reads.holidays),
    restores: durable(restores.list),
    verify: durable(() => verify(sql, readBank(db), sqliteChecks(sql))),

    close() {
      if (wal !== null) closeSync(wal);
      wal = null;
      db.close();
    },
  };
  return store;
}

/** Moves all that the WAL holds into the database, by new writes, and flushes that. */
function rewriteWal(db: Database): void {
  const until = performance.now() + BUSY_TIMEOUT_MS;
  for (;;) {
    const { busy } = db.query("PRAGMA wal_checkpoint(TRUNCATE)").get() as { busy: number };
    if (busy === 0) return;
    if (performance.now() > until) {
      throw new CannotOpen(
        "another process reads or writes the database: try again when it is done",
      );
    }
    Bun.sleepSync(20);
  }
}

/**
 * Gives the WAL its full length at once, in zeros, which SQLite reads as no frame. A flush of a file
 * that grows has to write its new length as well, and takes twice as long. Where the disk has no
 * room for it the WAL stays as it is: what room there is is for purchases. Call it under the write
 * lock, so that nobody appends meanwhile; the WAL is empty then, or nearly.
 */
function lengthenWal(descriptor: number, length: number): void {
  const zeros = Buffer.alloc(1024 * 1024);
  const { size } = fstatSync(descriptor);
  try {
    for (let end = size; end < length; ) {
      end += writeSync(descriptor, zeros, 0, zeros.length, end);
    }
  } catch (error) {
    if (!/^(ENOSPC|EDQUOT)$/.test((error as NodeJS.ErrnoException).code ?? "")) throw error;
    ftruncateSync(descriptor, size);
  }
}

/** A PIN key that is not the one the PINs were hashed with would lock every buyer out. */
function checkPinKey(db: Database, pinKey: Uint8Array | null): void {
  if (pinKey === null) return;
  const row = db.query("SELECT pin_key_check AS known FROM bank").get() as { known: string | null };
  if (row.known !== null && row.known !== pinKeyCheck(pinKey)) {
    throw new CannotOpen("keys/pin.key is not this bank's PIN key: put the right one back");
  }
}
