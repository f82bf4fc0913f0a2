// Files and folders that are on the disk when a function returns, and whose modes are their owner's.
import {
  chmodSync,
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";

/** What a file holds is on the disk when this returns. */
export function syncFile(file: string): void {
  const descriptor = openSync(file, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** A new name in a folder is on the disk once the folder was flushed. */
export const syncFolder = (folder: string): void => syncFile(folder);

/** Writes a file whole or not at all, 0600, on the disk when it returns. */
export function writeFileDurably(file: string, content: string | Uint8Array): void {
  const temporary = `${file}.new`;
  // A plain file was left by a killed process, or is of somebody who wants to read along. Anything
  // else, such as a link to another file of ours, stays and is refused.
  if (lstatSync(temporary, { throwIfNoEntry: false })?.isFile()) rmSync(temporary, { force: true });
  const descriptor = openSync(temporary, "wx", 0o600);
  try {
    writeFileSync(descriptor, content);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, file);
  syncFolder(dirname(file));
}

/**
 * Makes a folder and what is missing above it, 0700; their names are on the disk as well. Gives the
 * topmost that was missing, if any was.
 */
export function makeFolderDurably(folder: string): string | undefined {
  const topmost = mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (topmost === undefined) return undefined;
  for (let made = folder; made.length >= topmost.length; made = dirname(made)) {
    syncFolder(dirname(made));
  }
  return topmost;
}

/** The room on a folder's disk, as far as this user may fill it. Throws where there is no such folder. */
export function roomOf(folder: string): {
  readonly freeBytes: number;
  readonly totalBytes: number;
} {
  const { bavail, blocks, bsize } = statfsSync(folder);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}

/** Whoever may write in a folder may exchange what is in it; but not in a sticky one, like /tmp. */
const OPEN_TO_ALL = 0o1002;

/**
 * The first name on the way to a folder that another user than `me` and root may exchange for
 * something else; null where there is none.
 */
export function strangersPart(folder: string, me: number): string | null {
  for (const path of [resolve(folder), realpathSync(folder)]) {
    for (let name = path, above = ""; name !== above; above = name, name = dirname(name)) {
      const stat = lstatSync(name);
      const isOpen = !stat.isSymbolicLink() && (stat.mode & OPEN_TO_ALL) === 0o002;
      if ((stat.uid !== 0 && stat.uid !== me) || isOpen) return name;
    }
  }
  return null;
}

/** What doctor writes to see how long a flush takes, and takes away again. */
export const FLUSH_TRIAL = "doctor.trial";

/** What the program itself makes in a data dir; anything else there is somebody's. */
const OWN_FILES =
  /^(keys|config\.toml(\.new)?|bank\.db(-wal|-shm|-journal)?|(serve|backup|prune)\.lock(-\w+)?|serve\.sock|doctor\.trial|backups|(backup|restore|migrate)\.tmp|replaced-\w+|moved-\w+\.db(-wal|-shm)?)$/;
export const isOwnFile = (name: string): boolean => OWN_FILES.test(name);

/** The bits that let others than the owner in. */
const OTHERS = 0o077;

/**
 * Takes a data dir and what the program made in it away from everybody but their owner, as it was
 * made: a copy that was put back is often open. Gives a line for each that was not closed before.
 */
export function closeToOthers(dataDir: string): string[] {
  const keys = join(dataDir, "keys");
  const own = readdirSync(dataDir).filter(isOwnFile);
  const secrets = own.includes("keys") ? readdirSync(keys).map((name) => join(keys, name)) : [];
  return [dataDir, ...own.map((name) => join(dataDir, name)), ...secrets].flatMap((name) => {
    const mode = statSync(name, { throwIfNoEntry: false })?.mode ?? 0;
    if ((mode & OTHERS) === 0) return [];
    const was = `${name} was open to others (mode ${(mode & 0o777).toString(8)})`;
    try {
      chmodSync(name, mode & 0o777 & ~OTHERS);
      return [`${was} and is closed now: if others may have read it, replace what it holds`];
    } catch {
      return [`${was} and cannot be closed: take it away from them (chmod go=)`];
    }
  });
}
