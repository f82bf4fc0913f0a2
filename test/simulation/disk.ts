// The simulated disk: the real SQLite store on files in memory, where this decides when a batch
// commits, when a flush is done, and what a crash leaves of that which was not flushed.
//
// What a crash may do is what a disk may do. The database file is only ever written by a checkpoint,
// before which SQLite flushes the WAL and after which it flushes the database. So at a crash all
// commits of the WAL that were flushed are whole; of later ones each sector may be there or not.
// A crash amid a checkpoint leaves any mixture of old and new pages in the database, beside a whole
// WAL. One that follows a failed flush is no other crash.
import { Database } from "bun:sqlite";
import { closeSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DATABASE_FILE, WAL_FILE } from "../../src/storage/sqlite/open.ts";
import { openSqliteStore, type SqliteStore } from "../../src/storage/sqlite/store.ts";
import {
  type BatchTimes,
  FlushFailed,
  type Operation,
  type OperationOutcome,
  StoreBusy,
  type StoreOptions,
} from "../../src/storage/store.ts";
import type { Chooser } from "../chooser.ts";
import type { Book, Change } from "./book.ts";
import type { SimulatedTime } from "./time.ts";
import { demand, type Trace } from "./trace.ts";
import type { Weather } from "./weather.ts";

const WAL_HEADER = 32;
const FRAME = 24 + 4096;
const PAGE = 4096;
const SECTOR = 512;
/** Short: a run starts many servers, and each would write it anew. */
const WAL_BYTES = 1024 * 1024;

export type Batch = {
  readonly operations: readonly Operation[];
  readonly times: BatchTimes;
  /** How many steps there were as the server handed it to the store. */
  readonly handedAt: number;
  /** How many failures the server had been told of by then. */
  readonly failuresKnown: number;
  readonly reply: PromiseWithResolvers<OperationOutcome[]>;
};

/** Checks a batch that was just committed, and gives what it did. */
export type OnCommit = (batch: Batch, outcomes: readonly OperationOutcome[]) => readonly Change[];

export type DiskOptions = {
  readonly dataDir: string;
  readonly choose: Chooser;
  readonly time: SimulatedTime;
  readonly trace: Trace;
  readonly weather: Weather;
  readonly book: Book;
  readonly store: StoreOptions;
  readonly onCommit: OnCommit;
};

/** The connections of one server's life: its own, an admin's command, and one that only looks. */
type Life = {
  readonly store: SqliteStore;
  readonly admin: SqliteStore;
  readonly observer: Database;
  readonly frames: () => { log: number; checkpointed: number };
  fifo: Batch[];
  working: boolean;
  /** Batches that failed, and those of them that the server was told of. */
  failures: number;
  failuresTold: number;
  lastToldMs: number;
  /** Another process holds the write lock. */
  locked: boolean;
};

export type Disk = ReturnType<typeof simulatedDisk>;

export function simulatedDisk(options: DiskOptions) {
  const { dataDir, choose, time, trace, weather, book } = options;
  const databaseFile = join(dataDir, DATABASE_FILE);
  const walFile = join(dataDir, WAL_FILE);
  let life: Life | null = null;
  /** Where in the WAL each commit ends that is in no flush yet, in frames; of this WAL's round. */
  let ends: { commit: number; frames: number }[] = [];
  let flushedFrames = 0;
  let checkpointed = 0;

  const alive = (): Life => {
    if (life === null) throw new Error("no server lives");
    return life;
  };

  /** Notes where the newest commit ends; a WAL that began anew holds nothing older. */
  function noteEnd(): void {
    const seen = alive().frames();
    if (seen.checkpointed < checkpointed) {
      book.flushUpTo(book.commits() - 1);
      ends = [];
      flushedFrames = 0;
    }
    checkpointed = seen.checkpointed;
    ends.push({ commit: book.commits(), frames: seen.log });
  }

  function flushedUpTo(commit: number): void {
    book.flushUpTo(commit);
    for (const { commit: other, frames } of ends) {
      if (other <= commit) flushedFrames = Math.max(flushedFrames, frames);
    }
    ends = ends.filter((end) => end.commit > commit);
  }

  // ------------------------------------------------------------- batches

  function work(): void {
    const own = alive();
    if (own.working || own.fifo.length === 0) return;
    own.working = true;
    time.after(weather.commitMs(), () => {
      if (own !== life) return;
      own.working = false;
      commitOne(own);
      work();
    });
  }

  function commitOne(own: Life): void {
    const batch = own.fifo.shift();
    if (batch === undefined) return;
    // What was handed in before the server heard of a failure must not be applied past it.
    if (batch.failuresKnown < own.failures) {
      tell(own, () => batch.reply.reject(new StoreBusy("the batch before it failed")));
      return;
    }
    try {
      const refusal = weather.commitRefusal();
      if (refusal !== null) throw refusal;
      const outcomes = own.store.applyNow(batch.operations, batch.times);
      const changes = options.onCommit(batch, outcomes);
      book.committed(changes);
      noteEnd();
      trace.step(`commit ${book.commits()}`);
      tell(own, () => batch.reply.resolve(outcomes));
    } catch (error) {
      if (!(error instanceof StoreBusy || error instanceof FlushFailed || isFull(error)))
        throw error;
      trace.step(`commit refused: ${(error as Error).message}`);
      own.failures += 1;
      tell(own, () => {
        own.failuresTold += 1;
        batch.reply.reject(error);
      });
    }
  }

  /** The server hears of its batches in their order. */
  function tell(own: Life, run: () => void): void {
    const at = Math.max(time.monotonicMs() + weather.tellMs(), own.lastToldMs + 1);
    own.lastToldMs = at;
    time.after(at - time.monotonicMs(), () => {
      if (own === life) run();
    });
  }

  function flush(): Promise<void> {
    const own = alive();
    const upTo = book.commits();
    return new Promise((resolve, reject) => {
      time.after(weather.flushMs(), () => {
        if (own !== life) return;
        if (weather.flushFails()) {
          trace.step("the flush failed");
          reject(new FlushFailed("EIO"));
          return;
        }
        flushedUpTo(upTo);
        trace.step(`flushed up to commit ${book.flushed()}`);
        resolve();
      });
    });
  }

  // ------------------------------------------------------------- a crash

  /** What of the WAL is on the disk after a power cut, and the last commit that is whole in it. */
  function cutWal(): { wal: Buffer; kept: number } {
    const { log } = alive().frames();
    const whole = Buffer.alloc(WAL_HEADER + log * FRAME);
    const descriptor = openSync(walFile, "r");
    readSync(descriptor, whole, 0, whole.length, 0);
    closeSync(descriptor);
    const wal = Buffer.from(whole);
    const from = WAL_HEADER + flushedFrames * FRAME;
    if (from < wal.length) damage(wal, from);
    const firstDamage = differsAt(whole, wal, from);
    const kept = ends.filter(({ frames }) => WAL_HEADER + frames * FRAME <= firstDamage);
    return { wal, kept: Math.max(book.flushed(), ...kept.map(({ commit }) => commit)) };
  }

  function damage(wal: Buffer, from: number): void {
    const how = choose.one(["none", "all", "torn", "sectors"] as const);
    if (how === "none") wal.fill(0, from);
    if (how === "torn") wal.fill(0, from + choose.below(wal.length - from));
    if (how !== "sectors") return;
    const first = Math.ceil(from / SECTOR) * SECTOR;
    for (let at = first; at < wal.length; at += SECTOR) {
      if (choose.chance(0.1)) wal.fill(0, at, Math.min(at + SECTOR, wal.length));
    }
  }

  function lock(): void {
    alive().observer.run("BEGIN IMMEDIATE");
    alive().locked = true;
  }

  function unlock(): void {
    if (life?.locked !== true) return;
    life.observer.run("ROLLBACK");
    life.locked = false;
  }

  /** Ends the server as a power cut does, and leaves what the disk has. */
  function crash(): void {
    const own = alive();
    unlock();
    const amidCheckpoint = weather.crashAmidCheckpoint();
    const before = readFileSync(databaseFile);
    const { wal, kept } = amidCheckpoint ? wholeWal() : cutWal();
    if (amidCheckpoint) own.store.finishWal();
    const database = amidCheckpoint ? mixed(before, readFileSync(databaseFile)) : before;
    trace.step(
      `power cut${amidCheckpoint ? " amid a checkpoint" : ""}: commits up to ${kept} of ${book.commits()} are there`,
    );
    close();
    for (const end of ["-wal", "-shm"]) rmSync(databaseFile + end, { force: true });
    writeFileSync(databaseFile, database);
    writeFileSync(walFile, wal);
    book.crashed(kept);
  }

  /** A checkpoint flushes the WAL first. */
  function wholeWal(): { wal: Buffer; kept: number } {
    flushedUpTo(book.commits());
    return cutWal();
  }

  /** Each page as it was before or as it is after; what grew may be missing at its end. */
  function mixed(before: Buffer, after: Buffer): Buffer {
    const database = Buffer.from(after);
    for (let at = 0; at < before.length; at += PAGE) {
      if (choose.chance(0.5)) before.copy(database, at, at, at + PAGE);
    }
    return database;
  }

  // ------------------------------------------------------------- a server's life

  function open(): void {
    const serving = { ...options.store, serving: true, walBytes: WAL_BYTES };
    const store = openSqliteStore(dataDir, serving);
    const admin = openSqliteStore(dataDir, { ...options.store, serving: false });
    const observer = new Database(databaseFile, { strict: true, readwrite: true });
    const seen = observer.query("PRAGMA wal_checkpoint(NOOP)");
    const frames = () => seen.get() as { log: number; checkpointed: number };
    life = {
      store,
      admin,
      observer,
      frames,
      fifo: [],
      working: false,
      failures: 0,
      failuresTold: 0,
      lastToldMs: 0,
      locked: false,
    };
  }

  function close(): void {
    const { store, admin, observer } = alive();
    life = null;
    observer.close();
    admin.close();
    store.close();
    ends = [];
    flushedFrames = 0;
    checkpointed = 0;
  }

  /** Something of the store that flushes by itself: an admin's act, a start, a checkpoint. */
  function durably(changes: readonly Change[]): void {
    if (changes.length > 0) book.committed(changes);
    noteEnd();
    flushedUpTo(book.commits());
    flushedFrames = alive().frames().log;
  }

  return {
    isOpen: () => life !== null,
    isLocked: () => life?.locked === true,
    lock,
    unlock,
    open,
    close,
    crash,
    durably,
    flush,
    store: () => alive().store,
    admin: () => alive().admin,
    observer: () => alive().observer,
    applyBatch(operations: readonly Operation[], times: BatchTimes): Promise<OperationOutcome[]> {
      const reply = Promise.withResolvers<OperationOutcome[]>();
      const { fifo, failuresTold } = alive();
      const handed = { handedAt: trace.steps(), failuresKnown: failuresTold };
      fifo.push({ operations, times, ...handed, reply });
      demand(operations.length <= 256, () => `a batch of ${operations.length}`);
      work();
      return reply.promise;
    },
  };
}

export const isFull = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "SQLITE_FULL";

/** The first place at or after `from` where two buffers differ; their length where they do not. */
function differsAt(a: Buffer, b: Buffer, from: number): number {
  for (let at = from; at < a.length; at += PAGE) {
    const until = Math.min(at + PAGE, a.length);
    if (a.compare(b, at, until, at, until) === 0) continue;
    for (let place = at; place < until; place += 1) if (a[place] !== b[place]) return place;
  }
  return a.length;
}
