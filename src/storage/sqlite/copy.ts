// Copies the database whole while others read and write it.
//
// VACUUM INTO reads the database as it is at one moment and writes it out anew, in the order of its
// pages: a gigabyte takes some four seconds. As long as that read lasts, no commit that came after
// it can be copied out of the write-ahead log, which grows by what is written meanwhile and is
// worked off afterwards (checkpoint.worker.ts). So nothing else is done under it: whoever wants to
// verify, compress or encrypt the copy does so when this has returned.
import { chmodSync, closeSync, fdatasyncSync, openSync } from "node:fs";
import { join } from "node:path";
import { openAsItIs, WAL_FILE } from "./open.ts";

/**
 * Writes a copy of a data dir's database, of whatever version, to a new file. All that is in the
 * copy is durable where it came from: a backup must not know more than its bank.
 * Throws CannotOpen where there is no database, and what the disk says.
 */
export function copyDatabase(dataDir: string, file: string): void {
  const db = openAsItIs(dataDir);
  try {
    // Opened before the copying: a flush that fails meanwhile is told to those who have the file open
    // then, and to nobody who opens it later.
    const wal = openSync(join(dataDir, WAL_FILE), "r+");
    try {
      db.query("VACUUM INTO ?").run(file);
      fdatasyncSync(wal);
    } finally {
      closeSync(wal);
    }
  } finally {
    db.close();
  }
  chmodSync(file, 0o600);
}
