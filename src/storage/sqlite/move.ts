// SQLite as what a bank is moved from and to.
import { Database } from "bun:sqlite";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { syncFile, syncFolder } from "../../files.ts";
import { sqlitePages } from "../move/pages.ts";
import {
  type Closed,
  CREATE_MOVING,
  foundIn,
  MOVING,
  MoveRefused,
  NOTE_BEGUN,
  type Serving,
  type Source,
  type Target,
} from "../move/sides.ts";
import {
  createTables,
  DATABASE_FILE,
  emptyWal,
  markMoved,
  openDatabase,
  openToMove,
} from "./open.ts";
import { sqlOn } from "./sql.ts";
import { sqliteChecks } from "./verify.ts";

const NOTE = "moved";

function sideOf(db: Database) {
  const sql = sqlOn(db);
  return { sql, pages: sqlitePages(sql), checks: sqliteChecks(sql) };
}

const hasTable = (db: Database, name: string): boolean =>
  db.query("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get(name) !== null;

/** All of the database into its own file, so that it can be renamed alone. Throws MoveRefused. */
const gather = (db: Database): void =>
  emptyWal(
    db,
    () =>
      new MoveRefused(
        "another process has the database open: end it, then run the same command again",
      ),
  );

/** Whoever has the file open already writes nothing more: each change of a table is refused. */
function refuseWrites(db: Database): void {
  const tables = db
    .query("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    .values()
    .flat() as string[];
  for (const table of tables) {
    for (const change of ["INSERT", "UPDATE", "DELETE"]) {
      db.run(
        `CREATE TRIGGER moved_${table}_${change.toLowerCase()} BEFORE ${change} ON ${table}
         BEGIN SELECT RAISE(ABORT, 'the bank was moved to another database'); END`,
      );
    }
  }
}

/** The bank of a data dir, of whose database this has the one connection that writes. */
export function sqliteSource(dataDir: string): Source & { readonly gather: () => void } {
  const { db, isMoved } = openToMove(dataDir);
  const closed = isMoved
    ? (db.query(`SELECT move, address AS "to" FROM ${NOTE}`).get() as Closed)
    : null;
  return {
    ...sideOf(db),
    closed,
    serving: () =>
      db
        .query(
          `SELECT serving, open_since AS openSince, interrupted_since AS interruptedSince FROM bank`,
        )
        .get() as Serving,
    hold: (run) => db.transaction(run).immediate(),
    shut({ move, to }) {
      db.run(`CREATE TABLE ${NOTE} (move TEXT NOT NULL, address TEXT NOT NULL) STRICT`);
      db.query(`INSERT INTO ${NOTE} (move, address) VALUES (?, ?)`).run(move, to);
      refuseWrites(db);
      markMoved(db);
    },
    gather: () => gather(db),
    close: () => db.close(),
  };
}

/** The move that closed the database of a data dir; null where there is none, or it is a bank. */
export function movedBy(dataDir: string): string | null {
  if (!existsSync(join(dataDir, DATABASE_FILE))) return null;
  const source = sqliteSource(dataDir);
  try {
    // Once nobody reads it: it is renamed next.
    if (source.closed !== null) source.gather();
    return source.closed?.move ?? null;
  } finally {
    source.close();
  }
}

// ---------------------------------------------------------------- to

const WORK_FOLDER = "migrate.tmp";

export type SqliteTarget = Target & {
  /** The move that what is there came from, or comes from; null where nothing is. */
  readonly move: () => string | null;
  /** Puts the finished bank in its place, where that was not done; closes it. */
  readonly place: () => void;
};

/** The newest record says which move made the bank that nobody opened since. */
const MOVED_IN = `SELECT detail ->> '$.move' AS move FROM journal
  WHERE id = (SELECT max(id) FROM journal) AND act = 'migrate-from'`;

/**
 * A new database for a data dir, made in a folder of its own in it and put in its place when it is a
 * bank.
 */
export function sqliteTarget(dataDir: string): SqliteTarget {
  const work = join(dataDir, WORK_FOLDER);
  const isPlaced = existsSync(join(dataDir, DATABASE_FILE));
  const folder = isPlaced ? dataDir : work;
  let db = existsSync(join(folder, DATABASE_FILE)) ? openFound(folder) : null;
  if (db !== null) forMuch(db);
  const there = (): Database => {
    if (db === null) throw new Error("nothing was begun");
    return db;
  };
  const isMoving = () => hasTable(there(), MOVING);
  return {
    get sql() {
      return sideOf(there()).sql;
    },
    get pages() {
      return sideOf(there()).pages;
    },
    get checks() {
      return sideOf(there()).checks;
    },
    found: () => (db === null ? "nothing" : foundIn(sqlOn(db), isMoving())),
    move() {
      if (db === null) return null;
      const sql = isMoving() ? `SELECT move FROM ${MOVING}` : MOVED_IN;
      return (db.query(sql).get() as { move: string } | null)?.move ?? null;
    },
    begin({ move, bank, state }) {
      mkdirSync(work, { recursive: true, mode: 0o700 });
      db = createTables(work, (made) => {
        made.run(CREATE_MOVING);
        made.query(NOTE_BEGUN).run(move, bank, state);
      });
      forMuch(db);
    },
    clear() {
      db?.close();
      db = null;
      rmSync(work, { recursive: true });
    },
    copied: () => there().run("PRAGMA synchronous = FULL"),
    settle({ serving, openSince, interruptedSince }) {
      there()
        .query("UPDATE bank SET serving = ?, open_since = ?, interrupted_since = ?")
        .run(serving, openSince, interruptedSince);
    },
    place() {
      gather(there());
      there().close();
      db = null;
      if (!isPlaced) {
        const file = join(work, DATABASE_FILE);
        syncFile(file);
        renameSync(file, join(dataDir, DATABASE_FILE));
        syncFolder(dataDir);
      }
      rmSync(work, { recursive: true, force: true });
    },
    close: () => db?.close(),
  };
}

/** No server's thread copies the log into the file here, and rows go in at random places of an index. */
function forMuch(db: Database): void {
  db.run("PRAGMA wal_autocheckpoint = 4000");
  db.run("PRAGMA cache_size = -65536");
}

/** What a killed move left: a database with or without tables. */
function openFound(folder: string): Database | null {
  const file = join(folder, DATABASE_FILE);
  const probe = new Database(file, { strict: true, readwrite: true });
  const { count } = probe.query("SELECT count(*) AS count FROM sqlite_schema").get() as {
    count: number;
  };
  probe.close();
  // Nothing was committed in it: it is begun anew.
  if (count === 0) return null;
  return openDatabase(folder, "NORMAL");
}
