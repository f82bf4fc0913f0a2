// The server's copying thread: moves what the WAL holds into the database file, so that the WAL
// starts over and neither grows for ever nor makes a commit wait.
//
// SQLite's own checkpoints run in the commit that passes a size and flush the whole database file in
// the pass that finishes the WAL: hundreds of milliseconds with a large bank. Here passes run beside
// the writer (PASSIVE takes no lock that it needs), and each is followed by a flush of the database
// file, so that what is left to flush is always little. Once little is left to copy too, one FULL
// pass keeps the writer out for a few milliseconds, and the next commit begins the WAL anew.
//
// Nothing here makes an answer durable: until the finishing pass has flushed the database, a commit
// stays whole in the WAL, and SQLite begins the WAL anew only after that pass.
import { fdatasyncSync, openSync } from "node:fs";
import { join } from "node:path";
import { DATABASE_FILE, openDatabase } from "./open.ts";

declare const self: Worker;

/** Between two looks at the WAL. */
const LOOK_MS = 50;
/** Frames (4 KiB each) not copied yet that are worth a pass: rewritten pages are copied once. */
const WORTH_A_PASS = 2_000;
/** Frames in the WAL from which on it should start over. */
const WORTH_FINISHING = 8_000;
/** Frames left to copy with which the finishing pass is short. */
const FEW = 300;
/** A quiet WAL is finished after so many looks, so that a copy of the file is nearly whole. */
const QUIET_LOOKS = 20;

type Frames = { readonly busy: number; readonly log: number; readonly checkpointed: number };

self.onmessage = ({ data: dataDir }: MessageEvent<string>) => {
  const db = openDatabase(dataDir, "NORMAL");
  db.run("PRAGMA busy_timeout = 0");
  // Never closed: closing any descriptor of this file would drop the locks that SQLite has on it.
  const file = openSync(join(dataDir, DATABASE_FILE), "r+");
  const frames = (mode: "NOOP" | "PASSIVE" | "FULL") =>
    db.query(`PRAGMA wal_checkpoint(${mode})`).get() as Frames;

  let quietLooks = 0;
  let lastLog = 0;
  let failed = false;

  function pass(mode: "PASSIVE" | "FULL"): Frames {
    const left = frames(mode);
    fdatasyncSync(file);
    return left;
  }

  function look(): void {
    const { log, checkpointed } = frames("NOOP");
    quietLooks = log === lastLog ? quietLooks + 1 : 0;
    lastLog = log;
    const left = log - checkpointed;
    const isQuiet = quietLooks === QUIET_LOOKS && left > 0;
    if (log >= WORTH_FINISHING || isQuiet) {
      if (left <= FEW || isQuiet) pass("FULL");
      else pass("PASSIVE");
    } else if (left >= WORTH_A_PASS) {
      pass("PASSIVE");
    }
  }

  setInterval(() => {
    try {
      look();
      failed = false;
    } catch (error) {
      // The WAL keeps everything; said once, and tried again at the next look.
      if (!failed) self.postMessage(error instanceof Error ? error.message : String(error));
      failed = true;
    }
  }, LOOK_MS);
};
