// The server's copying thread: moves what the WAL holds into the database file, so that the WAL
// starts over and neither grows for ever nor makes a commit wait.
//
// SQLite's own checkpoints run in the commit that passes a size, and flush the whole database file
// in the pass that finishes the WAL: hundreds of milliseconds with a large bank. Here passes run
// beside the writer (PASSIVE takes no lock that it needs), and each is followed by a flush of the
// database file, so that little is ever left to flush. The WAL starts over only when all of it is
// copied, which a writer that goes on writing always prevents: so the writer itself makes the last
// pass, between two batches, once so little is left that it takes a few milliseconds.
//
// Nothing here makes an answer durable. A commit stays whole in the WAL until a pass has copied all
// of it and SQLite has flushed the database; only then is the WAL written over. So a pass that
// cannot write is tried again; but after a flush that failed the system may call clean what never
// reached the disk, and a later pass would find nothing to flush: then the process must end.
import { fdatasyncSync, openSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../../errors.ts";
import { FlushFailed } from "../store.ts";
import { errorOf, type Failure, failureOf, STOPPED } from "../writer.ts";
import { portError } from "./errors.ts";
import type { CopierOptions, PassReply } from "./messages.ts";
import { DATABASE_FILE, openDatabase } from "./open.ts";

declare const self: Worker;

/** Between two looks at the WAL. */
const LOOK_MS = 20;
/** Frames (4 KiB each) not copied yet that are worth a pass: what is rewritten is copied once. */
const WORTH_A_PASS = 6_000;
/** Frames in the WAL from which on it shall start over. */
const WORTH_FINISHING = 20_000;
/** Frames left to copy with which the writer's pass is short. */
const FEW = 400;
/** Passes after which the writer makes the last one, however much is left. */
const MOST_PASSES = 5;
/** A WAL that nobody writes to is copied after so many looks. */
const QUIET_LOOKS = 50;
/** Looks that are left out where a reader keeps a pass from copying anything. */
const BLOCKED_LOOKS = 25;
/** And after a pass that failed, as on a full disk: it would copy the same frames again. */
const TROUBLED_LOOKS = 100;

type Frames = { readonly log: number; readonly checkpointed: number };

function copierOf({ dataDir, writer }: CopierOptions) {
  const db = openDatabase(dataDir, "NORMAL");
  db.run("PRAGMA busy_timeout = 0");
  // Never closed: closing any descriptor of this file would drop the locks that SQLite has on it.
  const file = openSync(join(dataDir, DATABASE_FILE), "r+");
  let quietLooks = 0;
  let lastLog = 0;
  let passes = 0;
  let blockedLooks = 0;
  let isFinishing = false;
  /** Why the writer could not make the last pass; the next look throws it. */
  let failure: Failure | null = null;
  writer.onmessage = ({ data }: { data: PassReply }) => {
    isFinishing = false;
    passes = 0;
    failure = data.failure;
  };

  const frames = (mode: "NOOP" | "PASSIVE") =>
    db.query(`PRAGMA wal_checkpoint(${mode})`).get() as Frames;

  function flush(): void {
    try {
      fdatasyncSync(file);
    } catch (error) {
      throw new FlushFailed(messageOf(error));
    }
  }

  /** The writer's failure, once. */
  function throwFailure(): void {
    const known = failure;
    failure = null;
    if (known !== null) throw errorOf(known);
  }

  /** Copies what there is, and gives how many frames are left. */
  function pass(before: Frames): number {
    blockedLooks = TROUBLED_LOOKS;
    frames("PASSIVE");
    flush();
    const { log, checkpointed } = frames("NOOP");
    // A long read keeps all that came after it in the WAL: no use in trying on and on.
    blockedLooks = checkpointed === before.checkpointed ? BLOCKED_LOOKS : 0;
    return log - checkpointed;
  }

  return {
    /** Looks at the WAL; true where a pass was worth it, and was made. */
    look(): boolean {
      throwFailure();
      blockedLooks -= 1;
      if (isFinishing || blockedLooks > 0) return false;
      const seen = frames("NOOP");
      const { log, checkpointed } = seen;
      quietLooks = log === lastLog ? quietLooks + 1 : 0;
      lastLog = log;
      const left = log - checkpointed;
      // Where all is copied the next commit begins the WAL anew by itself.
      if (left === 0) return false;
      const isLong = log >= WORTH_FINISHING;
      if (left < WORTH_A_PASS && !isLong && quietLooks !== QUIET_LOOKS) return false;
      const isNearlyCopied = pass(seen) <= FEW;
      if (!isLong) return true;
      passes += 1;
      if (!isNearlyCopied && passes < MOST_PASSES) return true;
      isFinishing = true;
      writer.postMessage("finish");
      return true;
    },
    close(): void {
      writer.close();
      db.close();
    },
  };
}

self.onmessage = ({ data: options }: MessageEvent<CopierOptions>) => {
  const copier = copierOf(options);
  let failed = false;
  const timer = setInterval(() => {
    try {
      if (copier.look()) failed = false;
    } catch (error) {
      const failure = failureOf(portError(error));
      if (failure.kind === "flush") clearInterval(timer);
      // Any other is said once, and tried again some looks later.
      if (!failed) self.postMessage(failure);
      failed = true;
    }
  }, LOOK_MS);
  self.onmessage = () => {
    clearInterval(timer);
    copier.close();
    self.postMessage(STOPPED);
  };
};
