// Puts a backup in the place of a bank. The copy is verified, told what it has forgotten, and renamed
// into the data dir as the last step; whatever ends this before leaves a data dir without a bank or
// with the one it had. What stood there is moved aside, never deleted.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { CONFIG_FILE } from "../config.ts";
import { isOwnFile, makeFolderDurably, syncFile, syncFolder } from "../files.ts";
import { readPinKey } from "../keys.ts";
import {
  bankCodeOf,
  DATABASE_FILE,
  lockForServing,
  migrateDatabase,
} from "../storage/sqlite/open.ts";
import type { By } from "../storage/store.ts";
import { openCopy, problemsOf } from "./examine.ts";
import { BackupError, type Manifest } from "./format.ts";
import type { BackupKeys } from "./key-file.ts";
import { unpackVerified } from "./verify.ts";

const WORK_FOLDER = "restore.tmp";
/** The database with all that SQLite keeps of it beside it. */
const DATABASE_FILES = ["", "-wal", "-shm", "-journal"].map((end) => `${DATABASE_FILE}${end}`);

export type Target =
  | { readonly kind: "empty" }
  /** `code` is null where its database cannot be read. */
  | { readonly kind: "bank"; readonly code: string | null }
  | { readonly kind: "foreign" };

/**
 * What a restore would meet in a data dir; one with keys/ alone is empty. So is one where a restore was
 * killed that had moved the bank aside: whatever else stands there stood beside that bank.
 */
export function targetOf(dataDir: string): Target {
  if (!existsSync(dataDir)) return { kind: "empty" };
  const names = readdirSync(dataDir);
  if (names.includes(DATABASE_FILE)) return { kind: "bank", code: bankCodeOf(dataDir) };
  const isEmpty = names.includes(WORK_FOLDER) || names.every(isOwnFile);
  return { kind: isEmpty ? "empty" : "foreign" };
}

export type Restored = {
  readonly manifest: Manifest;
  readonly from: number;
  readonly to: number;
  /** Where what stood there before is now. */
  readonly movedTo: string | null;
  readonly keys: "there" | "missing";
};

/**
 * Restores a backup into a data dir that is empty or, if `replace`, holds a bank that nobody serves.
 * `dryRun` stops before anything is put in place. Throws CannotOpen, BackupError or KeyFileError.
 */
export async function restoreBackup(
  file: string,
  dataDir: string,
  how: { keys: BackupKeys | null; by: By; replace: boolean; dryRun: boolean },
): Promise<Restored> {
  const topmost = makeFolderDurably(dataDir);
  const unlock = how.replace ? lockForServing(dataDir) : () => {};
  const work = join(dataDir, WORK_FOLDER);
  try {
    rmSync(work, { recursive: true, force: true });
    mkdirSync(work, { mode: 0o700 });
    const { manifest, checks } = await unpackVerified(file, how.keys, work);
    const problems = problemsOf(checks);
    if (problems.length > 0) {
      throw new BackupError(
        `the books in the backup are off (${problems.slice(0, 2).join(": ")}): use another one`,
      );
    }
    const from = Date.parse(manifest.createdAt);
    const to = Date.now();
    if (!how.replace && existsSync(join(dataDir, DATABASE_FILE))) {
      throw new BackupError(
        `a bank was made in ${dataDir} meanwhile: it stays, nothing was restored`,
      );
    }
    if (!how.dryRun) noteForgotten(work, { manifest, file, from, to, by: how.by });
    const movedTo = how.dryRun ? null : putInPlace(work, dataDir, to);
    const keys = readPinKey(dataDir) === null ? "missing" : "there";
    return { manifest, from, to, movedTo, keys };
  } finally {
    rmSync(work, { recursive: true, force: true });
    unlock();
    removeMade(dataDir, topmost);
  }
}

/** Takes away the folders that were made and hold nothing. */
function removeMade(dataDir: string, topmost: string | undefined): void {
  if (topmost === undefined) return;
  for (let made = dataDir; made.length >= topmost.length; made = dirname(made)) {
    if (readdirSync(made).length > 0) return;
    rmdirSync(made);
  }
}

/** Writes into the copy what it does not know, in this version's tables. */
function noteForgotten(
  work: string,
  what: { manifest: Manifest; file: string; from: number; to: number; by: By },
): void {
  const { manifest, file, from, to, by } = what;
  migrateDatabase(work);
  const store = openCopy(work);
  try {
    const { record, hash } = manifest.journalHead;
    const noted = store.recordRestore(by, { from, to, record, hash, file: basename(file) });
    if (!noted.ok) throw new BackupError(noted.refusal.message);
  } finally {
    store.close();
  }
  if (DATABASE_FILES.slice(1).some((name) => existsSync(join(work, name)))) {
    throw new BackupError("another process has the copy open: try again");
  }
}

/** Gives where it moved what stood there before, if anything did. */
function putInPlace(work: string, dataDir: string, at: number): string | null {
  chmodSync(dataDir, 0o700);
  const files = [CONFIG_FILE, DATABASE_FILE];
  for (const name of files) syncFile(join(work, name));
  // The database first: without it there is no bank that somebody could open by half.
  const former = [...DATABASE_FILES, CONFIG_FILE].filter((name) => existsSync(join(dataDir, name)));
  const aside = join(dataDir, `replaced-${new Date(at).toISOString().replaceAll(/\W/g, "")}`);
  if (former.length > 0) mkdirSync(aside, { mode: 0o700 });
  for (const name of former) renameSync(join(dataDir, name), join(aside, name));
  if (former.length > 0) syncFolder(aside);
  for (const name of files) renameSync(join(work, name), join(dataDir, name));
  syncFolder(dataDir);
  return former.length > 0 ? aside : null;
}
