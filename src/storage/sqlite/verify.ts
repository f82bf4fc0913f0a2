// What verify asks of SQLite itself: its own two checks, neither of which can be read page by page,
// so that each takes a table at a time.

import type { Sql } from "../sql/sql.ts";
import type { EngineCheck } from "../sql/verify.ts";

const KEYS = `SELECT 'table ' || "table" || ', row ' || coalesce(rowid, '?') || ': its '
    || parent || ' is missing' FROM pragma_foreign_key_check(?) LIMIT ?`;

const FILE = `SELECT integrity_check FROM pragma_integrity_check(?)
  WHERE integrity_check <> 'ok' LIMIT ?`;

export function sqliteChecks(db: Sql): EngineCheck[] {
  const tables = db.query("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name");

  /** Gives the lines that a query has of each table. */
  const ofEachTable = (sql: string) => (most: number) => {
    const names = ["sqlite_schema", ...(tables.values().flat() as string[])];
    return names.flatMap((table) => db.query(sql).values(table, most).flat() as string[]);
  };

  return [
    { name: "every row points at a row that exists", problems: ofEachTable(KEYS) },
    { name: "the database file is intact", problems: ofEachTable(FILE) },
  ];
}
