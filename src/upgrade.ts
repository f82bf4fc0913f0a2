// Brings a bank to this version: a verified backup first, then the migration, in one commit. A program
// never migrates in any other way, so that there is always a way back.
import { statSync } from "node:fs";
import { join } from "node:path";
import { type Backup, type BackupSource, backupFolder, createBackup } from "./backup/create.ts";
import { openCopy } from "./backup/examine.ts";
import { type BackupFile, backupsIn, manifestOf } from "./backup/format.ts";
import { readConfig } from "./config.ts";
import { messageOf } from "./errors.ts";
import { roomOf } from "./files.ts";
import { CannotOpen } from "./storage/cannot-open.ts";
import { MIGRATIONS } from "./storage/sqlite/migrate.ts";
import {
  bankCodeOf,
  DATABASE_FILE,
  lockForServing,
  migrateDatabase,
  schemaVersionOf,
} from "./storage/sqlite/open.ts";
import type { By } from "./storage/store.ts";

export type UpgradePlan = {
  /** The versions of the tables: what the bank has, what this program makes of it. */
  readonly from: number;
  readonly to: number;
  readonly databaseBytes: number;
  readonly freeBytes: number;
  readonly backupFolder: string;
};

/** What an upgrade would do; nothing is due where `from` is `to`. Throws CannotOpen. */
export function planUpgrade(source: BackupSource): UpgradePlan {
  const { dataDir } = source;
  return {
    from: schemaVersionOf(dataDir),
    to: MIGRATIONS.length,
    databaseBytes: statSync(join(dataDir, DATABASE_FILE)).size,
    freeBytes: roomOf(dataDir).freeBytes,
    backupFolder: backupFolder(source),
  };
}

/**
 * Upgrades a bank that nobody serves, where that is due; gives the backup that was made before.
 * Throws CannotOpen where a server runs or no backup could be made; then nothing was changed.
 */
export async function upgrade(source: BackupSource, by: By): Promise<Backup | null> {
  const { dataDir } = source;
  const from = schemaVersionOf(dataDir);
  const to = MIGRATIONS.length;
  if (from === to) return null;
  const unlock = lockForServing(
    dataDir,
    `a server of an earlier version serves ${dataDir}: stop it first, then upgrade`,
  );
  try {
    const backup = await backupBefore(source);
    migrateDatabase(dataDir);
    const store = openCopy(dataDir);
    try {
      store.recordAct(by, "upgrade", JSON.stringify({ from, to, backup: backup.file }));
    } finally {
      store.close();
    }
    return backup;
  } finally {
    unlock();
  }
}

async function backupBefore(source: BackupSource): Promise<Backup> {
  try {
    return await createBackup(source);
  } catch (error) {
    const why = messageOf(error);
    throw new CannotOpen(
      `the upgrade needs a backup first, and there is none, so nothing was changed: ${why}`,
    );
  }
}

/** The newest backup that this program can restore, beside a bank that a later one migrated. */
export async function wayBack(dataDir: string): Promise<string | null> {
  const folder = backupFolder({ dataDir, config: readConfig(dataDir) });
  for (const { file, encrypted } of backupsIn(folder, bankCodeOf(dataDir))) {
    if (encrypted || (await isReadable(file))) return file;
  }
  return null;
}

async function isReadable(file: BackupFile["file"]): Promise<boolean> {
  try {
    return (await manifestOf(file, null)).schemaVersion <= MIGRATIONS.length;
  } catch {
    return false;
  }
}
