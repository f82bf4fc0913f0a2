// Looks at the copy of a bank in a folder of its own: whose it is, and whether its books are right.
import { copyFileSync, constants as fs, mkdirSync } from "node:fs";
import { join } from "node:path";
import { MIGRATIONS } from "../storage/sqlite/migrate.ts";
import { DATABASE_FILE, migrateDatabase, schemaVersionOf } from "../storage/sqlite/open.ts";
import { openSqliteStore, type SqliteStore } from "../storage/sqlite/store.ts";
import type { Bank, Check } from "../storage/store.ts";

export type Examined = {
  readonly bank: Bank;
  readonly schemaVersion: number;
  readonly journalHead: { readonly record: number; readonly hash: string };
  /** What `verify` says of it. */
  readonly checks: readonly Check[];
};

/** Opens the store of a copy, which needs no key, for nobody's PIN is asked of it. */
export function openCopy(folder: string): SqliteStore {
  return openSqliteStore(folder, {
    serving: false,
    now: Date.now,
    newUuid: Bun.randomUUIDv7,
    policy: { pinPolicy: "if-set", pinMaxTries: 3 },
    pinKey: null,
  });
}

const isOld = (schemaVersion: number): boolean => schemaVersion < MIGRATIONS.length;

/** How many copies of the database in a folder a backup and its `examine` make. */
export const copiesOf = (folder: string): number => (isOld(schemaVersionOf(folder)) ? 2 : 1);

/**
 * Verifies a copy. One that an earlier version made stays as it is, so that this version can bring
 * it back: a copy of it is migrated and verified, which shows as well that it can be migrated.
 */
export function examine(folder: string): Examined {
  const schemaVersion = schemaVersionOf(folder);
  const opened = isOld(schemaVersion) ? copyBeside(folder) : folder;
  const store = openCopy(opened);
  try {
    const { id, hash } = store.journalHead();
    return {
      bank: store.bank(),
      schemaVersion,
      journalHead: { record: id, hash: Buffer.from(hash).toString("hex") },
      checks: store.verify(),
    };
  } finally {
    store.close();
  }
}

function copyBeside(folder: string): string {
  const migrated = join(folder, "migrated");
  mkdirSync(migrated, { mode: 0o700 });
  const file = join(migrated, DATABASE_FILE);
  copyFileSync(join(folder, DATABASE_FILE), file, fs.COPYFILE_FICLONE);
  migrateDatabase(migrated);
  return migrated;
}

/** The lines of `verify` that are off. */
export const problemsOf = (checks: readonly Check[]): string[] =>
  checks.filter(({ ok }) => !ok).flatMap(({ name, problems }) => [name, ...problems]);
