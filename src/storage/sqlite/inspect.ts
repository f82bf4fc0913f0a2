// What `doctor` wants to know of a database: read alone, so that nothing is changed, migrated or
// locked, whatever state it is in and whoever has it open.
import { Database } from "bun:sqlite";
import { messageOf } from "../../errors.ts";
import { type ChainedContent, chainNext, chainStart } from "../chain.ts";
import { CHAINED_COLUMNS } from "../sql/journal.ts";
import type { Bank } from "../store.ts";
import { MIGRATIONS } from "./migrate.ts";
import { assertOurs, BUSY_TIMEOUT_MS, cannotOpen, databaseFile } from "./open.ts";
import { readBank } from "./store.ts";

/** The newest records of the journal: how many were looked at, and which of them are off. */
export type JournalTail = {
  readonly checked: number;
  readonly newest: number;
  readonly broken: readonly string[];
};

export type Inspection = {
  readonly bank: Bank;
  /** The version of the tables, and the one that this program knows. */
  readonly version: number;
  readonly newestVersion: number;
  readonly journalMode: string;
  /** What the bank remembers of its PIN key; null where it never had one. */
  readonly pinKeyCheck: string | null;
  readonly hasLimits: boolean;
  readonly openFindings: number;
  /** The latest time that anything was written with, epoch milliseconds. */
  readonly newestAt: number;
  /** Null where it could not be read; `tailError` says why. */
  readonly tail: JournalTail | null;
  readonly tailError: string | null;
};

type Row = Record<string, unknown>;
const one = (db: Database, sql: string): unknown => Object.values(db.query(sql).get() as Row)[0];

/** Follows the hashes of the newest `length` records, from the one before them on. */
function readTail(db: Database, bank: Bank, length: number): JournalTail {
  const rows = db
    .query(`SELECT ${CHAINED_COLUMNS}, hash FROM journal ORDER BY id DESC LIMIT ?`)
    .values(length + 1)
    .reverse() as (string | number | null | Uint8Array)[][];
  const before = rows.length > length ? rows.shift() : undefined;
  let previous = before === undefined ? chainStart(bank).hash : (before.at(-1) as Uint8Array);
  let id = before === undefined ? 0 : Number(before[0]);
  const broken: string[] = [];
  for (const row of rows) {
    const hash = row.at(-1) as Uint8Array;
    if (row[0] !== id + 1) broken.push(`record ${id + 1} is missing`);
    else if (Buffer.compare(chainNext(previous, row.slice(0, -1) as ChainedContent), hash) !== 0) {
      broken.push(`record ${row[0]} or the one before it was changed`);
    }
    previous = hash;
    id = Number(row[0]);
  }
  return { checked: rows.length, newest: id, broken };
}

function tailOf(db: Database, bank: Bank, length: number) {
  try {
    return { tail: readTail(db, bank, length), tailError: null };
  } catch (error) {
    return { tail: null, tailError: messageOf(error) };
  }
}

/**
 * Reads what a database says of itself, and checks the newest `tailLength` records of its journal.
 * Throws CannotOpen, whose message says what to do, where it cannot be read at all.
 */
export function inspect(dataDir: string, tailLength: number): Inspection {
  const file = databaseFile(dataDir);
  let db: Database | undefined;
  try {
    db = new Database(file, { strict: true, readonly: true });
    db.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    assertOurs(db, file);
    const bank = readBank(db);
    const newestAt = one(
      db,
      `SELECT max(
         coalesce((SELECT at FROM journal ORDER BY id DESC LIMIT 1), 0),
         coalesce((SELECT received_at FROM receipts ORDER BY id DESC LIMIT 1), 0),
         created_at) FROM bank`,
    );
    return {
      bank,
      version: Number(one(db, "PRAGMA user_version")),
      newestVersion: MIGRATIONS.length,
      journalMode: String(one(db, "PRAGMA journal_mode")),
      pinKeyCheck: one(db, "SELECT pin_key_check FROM bank") as string | null,
      hasLimits: one(db, "SELECT EXISTS (SELECT 1 FROM limits)") === 1,
      openFindings: Number(one(db, "SELECT count(*) FROM findings WHERE closed_at IS NULL")),
      newestAt: Number(newestAt),
      ...tailOf(db, bank, tailLength),
    };
  } catch (error) {
    throw cannotOpen(file, error);
  } finally {
    db?.close();
  }
}
