// The thread that a server has beside the one that answers: it applies the batches (writer.worker.ts).
import { startWorker } from "../../worker.ts";
import type { FlushFailed } from "../store.ts";
import { writerOn } from "../writer.ts";
import type { WriterOptions } from "./messages.ts";

/** One that waits for a database that does not answer hears nothing. */
const STOP_WITHIN_MS = 1_000;

export function startPostgresThreads(
  options: WriterOptions,
  onEnded: (error: FlushFailed) => void,
) {
  const worker = startWorker("storage/postgres/writer.worker");
  worker.postMessage(options);
  const writer = writerOn(worker, { onEnded });
  return {
    applyBatch: writer.applyBatch,
    async stop() {
      await Promise.race([writer.stop(), Bun.sleep(STOP_WITHIN_MS)]);
      worker.terminate();
    },
  };
}
