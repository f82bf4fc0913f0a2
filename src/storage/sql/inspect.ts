// What doctor wants to know of a bank's tables, whichever the engine.
import { messageOf } from "../../errors.ts";
import { type ChainedContent, chainNext, chainStart } from "../chain.ts";
import type { Bank } from "../store.ts";
import { CHAINED_COLUMNS } from "./journal.ts";
import type { Sql } from "./sql.ts";

/** The newest records of the journal: how many were looked at, and which of them are off. */
export type JournalTail = {
  readonly checked: number;
  readonly newest: number;
  readonly broken: readonly string[];
};

export type InspectedTables = {
  readonly bank: Bank;
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

const one = <T>(db: Sql, sql: string): T | null =>
  ((db.query(sql).values()[0] as [T] | undefined) ?? [null])[0];

/** Follows the hashes of the newest `length` records, from the one before them on. */
function readTail(db: Sql, bank: Bank, length: number): JournalTail {
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

function tailOf(db: Sql, bank: Bank, length: number) {
  try {
    return { tail: readTail(db, bank, length), tailError: null };
  } catch (error) {
    return { tail: null, tailError: messageOf(error) };
  }
}

/** Reads what the tables say of the bank, and follows its newest `tailLength` records. */
export function inspectTables(db: Sql, bank: Bank, tailLength: number): InspectedTables {
  const newest = (sql: string) => one<number>(db, sql) ?? 0;
  return {
    bank,
    pinKeyCheck: one<string>(db, "SELECT pin_key_check FROM bank"),
    hasLimits: one<number>(db, "SELECT count(*) FROM limits") !== 0,
    openFindings: newest("SELECT count(*) FROM findings WHERE closed_at IS NULL"),
    newestAt: Math.max(
      bank.createdAt,
      newest("SELECT at FROM journal ORDER BY id DESC LIMIT 1"),
      newest("SELECT received_at FROM receipts ORDER BY id DESC LIMIT 1"),
    ),
    ...tailOf(db, bank, tailLength),
  };
}
