// What `doctor` wants to know of a database: read alone, so that nothing is changed, migrated or
// locked, whatever state it is in and whoever has it open.
import { Database } from "bun:sqlite";
import { type InspectedTables, inspectTables } from "../sql/inspect.ts";
import { MIGRATIONS } from "./migrate.ts";
import { assertOurs, BUSY_TIMEOUT_MS, cannotOpen, databaseFile } from "./open.ts";
import { sqlOn } from "./sql.ts";
import { readBank } from "./store.ts";

export type Inspection = InspectedTables & {
  /** The version of the tables, and the one that this program knows. */
  readonly version: number;
  readonly newestVersion: number;
  readonly journalMode: string;
};

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
    const pragma = (name: string) => db?.query(`PRAGMA ${name}`).values()[0]?.[0];
    return {
      version: Number(pragma("user_version")),
      newestVersion: MIGRATIONS.length,
      journalMode: String(pragma("journal_mode")),
      ...inspectTables(sqlOn(db), readBank(db), tailLength),
    };
  } catch (error) {
    throw cannotOpen(file, error);
  } finally {
    db?.close();
  }
}
