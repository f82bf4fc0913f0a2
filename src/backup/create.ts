// Makes a backup: copy, verify the copy, pack it, read back what was written, and only then give it
// the name of a backup. Whatever ends this before leaves a folder in the data dir and a draft beside
// the backups, which are no backups, and which the next one removes.
import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { version } from "../../package.json";
import { CONFIG_FILE, type Config } from "../config.ts";
import { makeFolderDurably, syncFolder } from "../files.ts";
import { copyDatabase } from "../storage/sqlite/copy.ts";
import { DATABASE_FILE, lockForBackup, WAL_BYTES } from "../storage/sqlite/open.ts";
import { copiesOf, examine, problemsOf } from "./examine.ts";
import {
  assertRoom,
  BackupError,
  backupName,
  backupsIn,
  draftOf,
  factsOf,
  isDraftOf,
  type Manifest,
  pack,
  unpack,
} from "./format.ts";
import { type BackupKeys, KeyFileError, readKeyFile } from "./key-file.ts";

/** Where the copy stands, in clear, while it is verified and packed: in the data dir itself. */
const WORK_FOLDER = "backup.tmp";

export type BackupSource = {
  readonly dataDir: string;
  readonly config: Config;
  /** Instead of the configuration's. */
  readonly folder?: string | undefined;
  readonly keyFile?: string | undefined;
  /** Called when the copy is made, and what is left to do holds nothing up. */
  readonly onCopied?: () => void;
};

export type Backup = {
  readonly file: string;
  readonly size: number;
  readonly sha256: string;
  readonly encrypted: boolean;
  readonly manifest: Manifest;
};

/** The folder of a bank's backups; a relative one is in the data dir. */
export function backupFolder({ dataDir, config, folder }: BackupSource): string {
  return folder === undefined ? resolve(dataDir, config.backup.folder) : resolve(folder);
}

/** The keys of a bank's backups, or null where they are not encrypted. */
export async function backupKeys(source: BackupSource): Promise<BackupKeys | null> {
  const { dataDir, config, keyFile } = source;
  if (keyFile !== undefined) return readKeyFile(resolve(keyFile));
  const { key_file } = config.backup;
  return key_file === undefined ? null : readKeyFile(resolve(dataDir, key_file));
}

/**
 * The newest backup in the configuration's folder, or null: its time stands in its name. One whose
 * time has yet to come was made under a wrong clock, and says nothing of how old the newest is.
 */
export function newestBackup(dataDir: string, config: Config, bankCode: string) {
  const now = Date.now();
  const backups = backupsIn(backupFolder({ dataDir, config }), bankCode);
  return backups.find(({ createdAt }) => createdAt <= now) ?? null;
}

/**
 * Makes a verified backup beside whatever uses the bank. Throws CannotOpen, BackupError or
 * KeyFileError with what to do, and what the disk says; then there is no new backup.
 */
export async function createBackup(source: BackupSource): Promise<Backup> {
  const { dataDir } = source;
  const keys = await backupKeys(source);
  const folder = backupFolder(source);
  const unlock = lockForBackup(dataDir);
  const work = join(dataDir, WORK_FOLDER);
  try {
    rmSync(work, { recursive: true, force: true });
    const { size } = statSync(join(dataDir, DATABASE_FILE));
    // Beside the copies, what is sold meanwhile, and what the log still holds of the database.
    assertRoom(dataDir, size * copiesOf(dataDir) + WAL_BYTES);
    mkdirSync(work, { mode: 0o700 });
    const manifest = await copyBank(source, work);
    return await writeTo(folder, () => write(work, manifest, { folder, keys }));
  } finally {
    rmSync(work, { recursive: true, force: true });
    unlock();
  }
}

/** Writes to a folder; what the system says of it is told with the folder's name. */
async function writeTo(folder: string, made: () => Promise<Backup>): Promise<Backup> {
  try {
    return await made();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof BackupError || error instanceof KeyFileError || code === undefined) {
      throw error;
    }
    throw new BackupError(
      `no backup can be written to ${folder} (${message}): make room on its disk, or see that this ` +
        "user may write there",
    );
  }
}

/** Copies and verifies; gives the manifest of what is in the work folder then. */
async function copyBank({ dataDir, onCopied }: BackupSource, work: string): Promise<Manifest> {
  // Before the copy is begun: whatever was answered up to here is in it.
  const createdAt = new Date().toISOString();
  copyDatabase(dataDir, join(work, DATABASE_FILE));
  onCopied?.();
  const config = join(dataDir, CONFIG_FILE);
  if (existsSync(config)) copyFileSync(config, join(work, CONFIG_FILE));
  else writeFileSync(join(work, CONFIG_FILE), "");
  const { bank, schemaVersion, journalHead, checks } = examine(work);
  const problems = problemsOf(checks);
  if (problems.length > 0) {
    throw new BackupError(
      `no backup was made, because the bank's books are off (${problems.slice(0, 2).join(": ")}); ` +
        "earlier backups stay: run transact-bank verify, and call for help",
    );
  }
  const files = {
    [CONFIG_FILE]: await factsOf(join(work, CONFIG_FILE)),
    [DATABASE_FILE]: await factsOf(join(work, DATABASE_FILE)),
  };
  const made = { format: 1, program: version, createdAt } as const;
  return { ...made, schemaVersion, bankCode: bank.code, journalHead, files };
}

async function write(
  work: string,
  manifest: Manifest,
  to: { folder: string; keys: BackupKeys | null },
): Promise<Backup> {
  const { folder, keys } = to;
  const recipients = keys?.recipients ?? [];
  if (keys !== null && recipients.length === 0) {
    throw new KeyFileError("the key file names no recipient: add one, or make another file");
  }
  const encrypted = keys !== null;
  const name = backupName(manifest.bankCode, Date.parse(manifest.createdAt), encrypted);
  const file = join(folder, name);
  const draft = join(folder, draftOf(name));
  makeFolderDurably(folder);
  for (const left of readdirSync(folder)) {
    if (isDraftOf(left, manifest.bankCode)) rmSync(join(folder, left));
  }
  try {
    const descriptor = openSync(draft, "wx", 0o600);
    let facts: Awaited<ReturnType<typeof pack>>;
    try {
      facts = await pack(work, manifest, { descriptor, recipients });
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    await readBack(draft, { ...facts, keys });
    renameSync(draft, file);
    syncFolder(dirname(file));
    return { file, ...facts, encrypted, manifest };
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

/** What was written is what is read, as far as this machine can read it. */
async function readBack(
  draft: string,
  expected: { size: number; sha256: string; keys: BackupKeys | null },
): Promise<void> {
  const { keys, sha256 } = expected;
  const read = await factsOf(draft);
  if (read.sha256 !== sha256) {
    throw new BackupError("what was written reads otherwise: check the disk of the backups");
  }
  if (keys === null || keys.identities.length > 0) await unpack(draft, keys, null);
}
