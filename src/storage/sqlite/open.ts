// Opens and creates the database file. Settings and why are here and nowhere else.
import { Database } from "bun:sqlite";
import { accessSync, constants, existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { messageOf } from "../../errors.ts";
import { strangersPart } from "../../files.ts";
import { CannotOpen } from "../cannot-open.ts";
import { insertBank, type NewBank } from "../sql/bank.ts";
import { isNewest, migrate, NewerDatabase, versionOf } from "./migrate.ts";
import { sqlOn } from "./sql.ts";

export const DATABASE_FILE = "bank.db";
export const WAL_FILE = `${DATABASE_FILE}-wal`;
export const LOCK_FILE = "serve.lock";
const BACKUP_LOCK = "backup.lock";
const PRUNE_LOCK = "prune.lock";

/** "TxBk", in the header of every database of ours: a foreign file is told by its absence. */
const APPLICATION_ID = 0x5478426b;

/** "TxMv": its bank was moved to another database, and this one is only read by whoever moves it. */
const MOVED_ID = 0x54784d76;

/** SQLite before this version may lose a commit when the WAL is reset under a reader. */
export const OLDEST_SQLITE = "3.51.3";

/** How long an admin's command waits for another writer's commit. */
export const BUSY_TIMEOUT_MS = 10_000;

/** The WAL's length while a server runs: it starts over before (checkpoint.worker.ts). */
export const WAL_BYTES = 96 * 1024 * 1024;

/** Memory for pages of the server's writing connection; the system keeps the rest of the file. */
const WRITER_CACHE_KIB = 16 * 1024;

/** Between two tries at what another process is about to let go of. */
const RETRY_OPEN_MS = 20;

function assertSqliteVersion(db: Database): void {
  const { version } = db.query("SELECT sqlite_version() AS version").get() as { version: string };
  if (Bun.semver.order(version, OLDEST_SQLITE) < 0) {
    throw new CannotOpen(`SQLite ${version} is too old: ${OLDEST_SQLITE} or later is needed`);
  }
}

/** Refuses what another program wrote, before anything is changed in it. */
export function assertOurs(db: Database, file: string): void {
  const id = db.query("PRAGMA application_id").get() as { application_id: number };
  if (id.application_id === MOVED_ID) throw new MovedBank(file);
  if (id.application_id !== APPLICATION_ID) {
    throw new CannotOpen(`${file} was not made by this program: name another data dir`);
  }
}

function settings(db: Database, synchronous: "FULL" | "NORMAL"): void {
  db.run("PRAGMA journal_mode = WAL");
  if (synchronous === "NORMAL") {
    // The server copies the WAL in a thread of its own (checkpoint.worker.ts), never in a commit.
    db.run("PRAGMA wal_autocheckpoint = 0");
    db.run(`PRAGMA cache_size = -${WRITER_CACHE_KIB}`);
  }
  db.run(`PRAGMA synchronous = ${synchronous}`);
  db.run("PRAGMA foreign_keys = ON");
  db.run("PRAGMA trusted_schema = OFF");
  // A freed page must not keep a PIN hash or a name.
  db.run("PRAGMA secure_delete = FAST");
  const read = (pragma: string) =>
    Object.values(db.query(`PRAGMA ${pragma}`).get() as Record<string, unknown>)[0];
  const wanted = { FULL: 2, NORMAL: 1 }[synchronous];
  if (
    read("journal_mode") !== "wal" ||
    read("synchronous") !== wanted ||
    read("foreign_keys") !== 1
  ) {
    throw new CannotOpen("SQLite did not take the durability settings");
  }
}

/**
 * SQLite opens a file for reading only where it cannot open it for writing as well, and says so no
 * sooner than at the first write; by then a server would listen that can do nothing.
 */
function assertWritable(db: Database, file: string): void {
  db.run("PRAGMA busy_timeout = 0");
  try {
    db.run("BEGIN IMMEDIATE");
    db.run(`PRAGMA application_id = ${APPLICATION_ID}`);
    db.run("ROLLBACK");
  } catch (error) {
    // Another process writes: that is only asked where the file may be written.
    if (!isBusy(error)) {
      throw new CannotOpen(
        `${file} cannot be written: check the disk, and run this as its own user`,
      );
    }
  }
  db.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
}

/**
 * Refuses a data dir that somebody else made, or could exchange: whoever may only run this program as
 * the bank's user would show it the bank's own database or keys, by a link, beside a configuration
 * without dual control. Nobody but root can show root anything else than it may do already.
 */
export function assertNobodyElses(dataDir: string): void {
  const me = process.geteuid?.() ?? 0;
  const theirs = me === 0 ? null : strangersPart(dataDir, me);
  if (theirs === null) return;
  throw new CannotOpen(
    `${theirs} is another user's or open to all, who could exchange the bank in it: give it to ` +
      "root or to this user alone (chown, chmod o-w), or name another data dir",
  );
}

/** Gives the database file of a data dir; throws CannotOpen where there is none. */
export function databaseFile(dataDir: string): string {
  const file = join(dataDir, DATABASE_FILE);
  try {
    accessSync(file, constants.R_OK | constants.W_OK);
    assertNobodyElses(dataDir);
    return file;
  } catch (error) {
    if (error instanceof CannotOpen) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "ENOTDIR") {
      throw new CannotOpen(`${file} cannot be used (${code}): run this as the bank's own user`);
    }
    if (wasMoved(dataDir)) throw new CannotOpen(movedAway(dataDir));
    const what = existsSync(dataDir) ? "holds no bank" : "does not exist";
    throw new CannotOpen(`${dataDir} ${what}: make the bank with transact-bank init`);
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : "";

export const isBusy = (error: unknown): boolean => codeOf(error).startsWith("SQLITE_BUSY");

/** Why a database could not be opened, with what to do. */
export function cannotOpen(file: string, error: unknown): CannotOpen {
  if (error instanceof CannotOpen) return error;
  const message = messageOf(error);
  if (error instanceof NewerDatabase) return new NewerBank(message, dirname(file));
  if (isBusy(error)) return new CannotOpen(`${file} is busy: try again in a moment`);
  const advice = /^SQLITE_(CANTOPEN|IOERR)/.test(codeOf(error))
    ? "check the disk, its rights and the limit of open files"
    : "restore it from a backup";
  return new CannotOpen(`${file} cannot be opened (${message}): ${advice}`);
}

/** A later program wrote the database: going back is refused. */
export class NewerBank extends CannotOpen {
  readonly dataDir: string;
  constructor(message: string, dataDir: string) {
    super(message);
    this.dataDir = dataDir;
  }
}

/** The bank is somewhere else, or on its way there: this file must never be a bank again. */
export class MovedBank extends CannotOpen {
  constructor(file: string) {
    super(
      `the bank of ${file} was moved to another database: run transact-bank migrate-to once more ` +
        "where config.toml does not name that yet; nothing is ever served from this file again",
    );
  }
}

/** The database is older than the program: only an upgrade, after a backup, migrates it. */
export class OlderDatabase extends CannotOpen {}

/**
 * Migrates a data dir's database to the newest version; nothing else does. Whoever calls this holds
 * what keeps servers away (lockForServing): an older program that serves goes by the old tables.
 */
export function migrateDatabase(dataDir: string): void {
  const db = openAsItIs(dataDir);
  try {
    migrate(db);
  } finally {
    db.close();
  }
}

/**
 * Opens the database of a data dir; one of an earlier version is refused.
 * `synchronous` is FULL for a command, which flushes at each commit, and NORMAL for the server,
 * which flushes the WAL itself before any answer. Throws CannotOpen with what to do.
 */
export function openDatabase(dataDir: string, synchronous: "FULL" | "NORMAL"): Database {
  return opened(dataDir, synchronous, assertNewestVersion);
}

function assertNewestVersion(db: Database): void {
  if (isNewest(db)) return;
  throw new OlderDatabase(
    "the database was made by an earlier version of this program: run transact-bank upgrade, " +
      "which makes a backup first, as serve does when it starts",
  );
}

/**
 * Opens it for whoever moves its bank to another database, also where that closed it. Gives as well
 * whether it did.
 */
export function openToMove(dataDir: string): { readonly db: Database; readonly isMoved: boolean } {
  let isMoved = false;
  const db = opened(dataDir, "FULL", assertNewestVersion, (own, file) => {
    const id = own.query("PRAGMA application_id").get() as { application_id: number };
    isMoved = id.application_id === MOVED_ID;
    if (!isMoved) assertOurs(own, file);
  });
  return { db, isMoved };
}

/** Within a write: from its commit on, the file opens for nobody but whoever moves the bank. */
export function markMoved(db: Database): void {
  db.run(`PRAGMA application_id = ${MOVED_ID}`);
}

/** Makes in a folder a database with all tables and no bank in them, which `also` adds to. */
export function createTables(folder: string, also: (db: Database) => void): Database {
  const file = join(folder, DATABASE_FILE);
  const db = new Database(file, { strict: true, create: true, readwrite: true });
  try {
    settings(db, "NORMAL");
    db.transaction(() => {
      assertEmpty(db, folder);
      db.run(`PRAGMA application_id = ${APPLICATION_ID}`);
      migrate(db);
      also(db);
    }).immediate();
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Opens it whatever its version, for a copy or an upgrade; a later program's is refused. */
export function openAsItIs(dataDir: string): Database {
  return opened(dataDir, "FULL", (db) => void isNewest(db));
}

/** The version of the tables in a data dir's database, which this program knows or is older. */
export function schemaVersionOf(dataDir: string): number {
  const db = openAsItIs(dataDir);
  try {
    return versionOf(db);
  } finally {
    db.close();
  }
}

/** Whose bank is in a data dir, whatever program wrote it; null where its database cannot be read. */
export function bankCodeOf(dataDir: string): string | null {
  try {
    const db = opened(dataDir, "FULL", () => {});
    try {
      return (db.query("SELECT code FROM bank").get() as { code: string } | null)?.code ?? null;
    } finally {
      db.close();
    }
  } catch {
    return null;
  }
}

function opened(
  dataDir: string,
  synchronous: "FULL" | "NORMAL",
  checkVersion: (db: Database) => void,
  checkOwner: (db: Database, file: string) => void = assertOurs,
): Database {
  const file = databaseFile(dataDir);
  const until = performance.now() + BUSY_TIMEOUT_MS;
  for (;;) {
    const db = new Database(file, { strict: true, readwrite: true });
    try {
      // Before the first read: another process may be clearing the WAL away as it ends.
      db.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
      assertSqliteVersion(db);
      checkOwner(db, file);
      settings(db, synchronous);
      if (synchronous === "NORMAL") assertWritable(db, file);
      checkVersion(db);
      return db;
    } catch (error) {
      db.close();
      // Not every step of opening waits by itself.
      if (!isBusy(error) || performance.now() > until) throw cannotOpen(file, error);
      Bun.sleepSync(RETRY_OPEN_MS);
    }
  }
}

function assertEmpty(db: Database, dataDir: string): void {
  const { tables } = db.query("SELECT count(*) AS tables FROM sqlite_schema").get() as {
    tables: number;
  };
  if (tables > 0) throw new CannotOpen(`${dataDir} holds a bank already`);
}

/** Whether a data dir has what is left of a bank that was moved to another database. */
function wasMoved(dataDir: string): boolean {
  try {
    return readdirSync(dataDir).some((name) => /^moved-\w+\.db$/.test(name));
  } catch {
    return false;
  }
}

const movedAway = (dataDir: string): string =>
  `the bank of ${dataDir} was moved to another database: config.toml there has to name it ` +
  "(database = ...), as it did after migrate-to";

/** Throws CannotOpen where a data dir holds a bank; what a killed `init` left is none. */
export function assertNoBank(dataDir: string): void {
  if (wasMoved(dataDir)) throw new CannotOpen(movedAway(dataDir));
  const file = join(dataDir, DATABASE_FILE);
  if (!existsSync(file)) return;
  const db = new Database(file, { strict: true, readonly: true });
  try {
    assertEmpty(db, dataDir);
  } finally {
    db.close();
  }
}

/**
 * Makes the database of a new bank, complete in one commit.
 * `prepare` makes what belongs to the bank outside the database; it runs only for a new bank.
 * Throws CannotOpen if there is one; what a killed `init` left is taken over, for it is empty.
 */
export function createDatabase(
  dataDir: string,
  bank: NewBank,
  prepare: () => { readonly pinKeyCheck: string },
): void {
  const db = new Database(join(dataDir, DATABASE_FILE), {
    strict: true,
    create: true,
    readwrite: true,
  });
  try {
    db.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    assertEmpty(db, dataDir);
    settings(db, "FULL");
    db.transaction(() => {
      // Again under the write lock, so that of two inits at once only one prepares anything.
      assertEmpty(db, dataDir);
      db.run(`PRAGMA application_id = ${APPLICATION_ID}`);
      migrate(db);
      insertBank(sqlOn(db), bank, prepare().pinKeyCheck);
    }).immediate();
  } finally {
    db.close();
  }
}

/**
 * Moves all that the WAL holds into the database file, by new writes, and flushes that; throws what
 * `inUse` gives where a reader keeps the WAL in use for longer than it is waited for.
 */
export function emptyWal(db: Database, inUse: () => Error): void {
  const until = performance.now() + BUSY_TIMEOUT_MS;
  for (;;) {
    const { busy } = db.query("PRAGMA wal_checkpoint(TRUNCATE)").get() as { busy: number };
    if (busy === 0) return;
    if (performance.now() > until) throw inUse();
    Bun.sleepSync(RETRY_OPEN_MS);
  }
}

/** What decides every purchase and is small in any bank; a million accounts would take seconds. */
const CHECKED_WHOLE = ["bank", "limits", "holidays"];

/**
 * Looks for damaged pages where that takes no long read: in all of the small tables, and at
 * the root of every other table and index. What is damaged elsewhere is for
 * `verify` to find, and for SQLite where a request meets it. Throws CannotOpen.
 */
export function checkBeforeServing(dataDir: string): void {
  const db = openDatabase(dataDir, "NORMAL");
  try {
    for (const table of CHECKED_WHOLE) {
      const [found] = db.query(`SELECT * FROM pragma_quick_check('${table}')`).values().flat();
      if (found !== "ok") throw new Error(`table ${table} is damaged`);
    }
    const names = db.query("SELECT name FROM sqlite_schema WHERE rootpage > 0").values().flat();
    const root = db.query("SELECT pagetype FROM dbstat WHERE name = ? LIMIT 1");
    for (const name of names) {
      const [type] = root.values(String(name)).flat();
      if (type !== "leaf" && type !== "internal") throw new Error(`the root of ${name} is damaged`);
    }
  } catch (error) {
    throw cannotOpen(join(dataDir, DATABASE_FILE), error);
  } finally {
    db.close();
  }
}

/**
 * Takes the data dir for one server; gives the function that lets it go. `taken` is what is said
 * where another process has it.
 */
export function lockForServing(
  dataDir: string,
  taken = `another server serves ${dataDir}: stop it first`,
): () => void {
  return lock(dataDir, LOCK_FILE, taken);
}

/** The same for a data dir whose bank is in a database elsewhere. */
export function lockShared(dataDir: string): () => void {
  assertNobodyElses(dataDir);
  return lockFile(dataDir, LOCK_FILE, `another server serves ${dataDir}: stop it first`);
}

/** Takes the right to make a backup of the data dir; gives the function that lets it go. */
export function lockForBackup(dataDir: string): () => void {
  return lock(dataDir, BACKUP_LOCK, `another backup of ${dataDir} is being made: wait for it`);
}

/** Takes the right to prune the receipts of the data dir; gives the function that lets it go. */
export function lockForPruning(dataDir: string): () => void {
  return lock(dataDir, PRUNE_LOCK, `receipts of ${dataDir} are being pruned: wait for that`);
}

/** The lock is SQLite's own on a file beside the database, so a killed process leaves none behind. */
function lock(dataDir: string, name: string, taken: string): () => void {
  databaseFile(dataDir);
  return lockFile(dataDir, name, taken);
}

function lockFile(dataDir: string, name: string, taken: string): () => void {
  const file = join(dataDir, name);
  const held = new Database(file, { create: true, readwrite: true });
  try {
    held.run("PRAGMA locking_mode = EXCLUSIVE");
    held.run("BEGIN EXCLUSIVE");
    // A file that SQLite could open for reading alone is not locked by that: a write tells.
    held.run("PRAGMA user_version = 1");
  } catch (error) {
    held.close();
    if (isBusy(error)) throw new CannotOpen(taken);
    // Whoever tells people of errors knows what to do about this one.
    if (codeOf(error) === "SQLITE_FULL") throw error;
    const why = messageOf(error);
    throw new CannotOpen(
      `${file} cannot be locked (${why}): check the disk, and run this as its own user`,
    );
  }
  return () => held.close();
}
