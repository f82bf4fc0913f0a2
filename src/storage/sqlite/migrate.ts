// The one list of migrations. Add to its end; never change one that was released.
import type { Database } from "bun:sqlite";
import bank from "./migrations/0001_bank.sql" with { type: "text" };
import observability from "./migrations/0002_observability.sql" with { type: "text" };
import backups from "./migrations/0003_backups.sql" with { type: "text" };
import approvals from "./migrations/0004_approvals.sql" with { type: "text" };

export const MIGRATIONS: readonly string[] = [bank, observability, backups, approvals];

/** The database is newer than this program: going back is refused. */
export class NewerDatabase extends Error {}

/** The version of the tables: how many migrations made them. */
export function versionOf(db: Database): number {
  return (db.query("PRAGMA user_version").get() as { user_version: number }).user_version;
}

/** True where nothing is to be migrated; throws NewerDatabase where a later program wrote the file. */
export function isNewest(db: Database): boolean {
  const version = versionOf(db);
  if (version <= MIGRATIONS.length) return version === MIGRATIONS.length;
  throw new NewerDatabase(
    `the database has version ${version}, this program knows ${MIGRATIONS.length}: ` +
      "use the newer program that wrote it",
  );
}

/**
 * Brings a database to the newest version, in one commit: all of it or nothing.
 * Takes a writable connection; throws NewerDatabase where a later program wrote the file.
 */
export function migrate(db: Database): void {
  db.transaction(() => {
    // Read again under the write lock: another process may have migrated meanwhile.
    if (isNewest(db)) return;
    for (const sql of MIGRATIONS.slice(versionOf(db))) db.run(sql);
    db.run(`PRAGMA user_version = ${MIGRATIONS.length}`);
  }).immediate();
}
