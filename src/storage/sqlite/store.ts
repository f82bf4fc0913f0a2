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
import { messageOf } from "../../errors.ts";
import { applyEach, Broke, inPlaceOf, type ToApply } from "../broken.ts";
import { CannotOpen } from "../cannot-open.ts";
import { purchasesOn } from "../purchases.ts";
import { bankOf, checkPinKey } from "../sql/bank.ts";
import { type AdminOptions, adminStoreOn } from "../sql/store.ts";
import {
  type Bank,
  type BatchTimes,
  FlushFailed,
  type Operation,
  type OperationOutcome,
  type Store,
} from "../store.ts";
import { concernsWholeBatch, portError } from "./errors.ts";
import { emptyWal, isBusy, openDatabase, WAL_BYTES, WAL_FILE } from "./open.ts";
import { rowsOn } from "./rows.ts";
import { rulesOn } from "./rules.ts";
import { sqlOn } from "./sql.ts";
import { sqliteChecks } from "./verify.ts";

/** The bank of a database; one of an earlier version knows no restores. */
export function readBank(db: Database): Bank {
  const table = db.query("SELECT 1 FROM sqlite_schema WHERE name = 'restores'").get();
  return bankOf(sqlOn(db), table !== null);
}

/** The store with what only its own folder uses. */
export type SqliteStore = Store & {
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

/** `walBytes`: the WAL's length while it serves; tests that start many servers keep it short. */
export type SqliteStoreOptions = AdminOptions & {
  readonly serving: boolean;
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
  checkPinKey(sqlOn(db), options.pinKey);
  const rules = rulesOn(db);
  const walFile = join(dataDir, WAL_FILE);
  let wal: number | null = null;

  /** The WAL's descriptor; no lock of SQLite stands on this file, so it may be closed too. */
  function walDescriptor(): number {
    wal ??= openSync(walFile, "r+");
    return wal;
  }

  const begin = db.query("BEGIN IMMEDIATE");
  const commit = db.query("COMMIT");
  const rollback = db.query("ROLLBACK");
  const markOpen = db.query("UPDATE bank SET open_since = ?");

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

  const sql = sqlOn(db);
  const engine = {
    bank: () => readBank(db),
    durable,
    afterWrite: rules.forget,
    verifying: <T>(checks: () => T) => checks(),
    checks: sqliteChecks(sql),
  };
  const { desk, journal } = adminStoreOn(sql, engine, options);
  const purchases = purchasesOn({ rows: rowsOn(db), journal, rules, bank, options });

  /** One commit for all of them, or none: throws Broke with the place of one that broke alone. */
  function commitBatch(operations: readonly ToApply[], times: BatchTimes): OperationOutcome[] {
    begin.run();
    try {
      rules.refresh();
      const outcomes = journal.batch(() =>
        applyEach(operations, (operation) => purchases.apply(operation, times), concernsWholeBatch),
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
        toApply[error.index] = inPlaceOf(toApply[error.index], error.cause);
      }
    }
  }

  function neverWait(): void {
    db.run("PRAGMA busy_timeout = 0");
  }

  const store: SqliteStore = {
    bank: () => readBank(db),
    // The one machine is what was meant.
    risk: () => null,

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
      emptyWal(
        db,
        () =>
          new CannotOpen("another process reads or writes the database: try again when it is done"),
      );
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

    ...desk,

    close() {
      if (wal !== null) closeSync(wal);
      wal = null;
      db.close();
    },
  };
  return store;
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
