// The server's flushing thread: one fdatasync of the WAL after the other, as long as there are
// commits that none has covered. It learns of a commit from the writer's count in shared memory and
// not through the thread that answers, which may be busy at that moment.
//
// A flush makes durable every commit that was counted before it began (store.ts says why), so what
// it tells is the count that it read before. Where a checkpoint's flush of the WAL fails meanwhile,
// through SQLite's own descriptor, this one fails as well: Linux tells the error to each descriptor
// that was open (errseq_t). So no flush that succeeds here covers what was lost there.
import { closeSync, fdatasyncSync, openSync } from "node:fs";
import { messageOf } from "../../errors.ts";
import { STOPPED } from "../writer.ts";
import { COMMITS, type FlusherOptions, type FlusherReply, STOP } from "./messages.ts";

declare const self: Worker;

self.onmessage = ({ data: { walFile, shared } }: MessageEvent<FlusherOptions>) => {
  const tell = (reply: FlusherReply | typeof STOPPED) => self.postMessage(reply);
  // No lock of SQLite stands on the WAL, so a descriptor of its own may be closed too.
  const wal = openSync(walFile, "r+");
  let durable = 0;
  try {
    while (Atomics.load(shared, STOP) === 0) {
      Atomics.wait(shared, COMMITS, durable);
      const commits = Atomics.load(shared, COMMITS);
      fdatasyncSync(wal);
      durable = commits;
      tell({ durable });
    }
    closeSync(wal);
  } catch (error) {
    // It is never tried again: the system may have forgotten what a failed flush did not write.
    tell({ failure: messageOf(error) });
  }
  tell(STOPPED);
};
