// The thread that a server has beside the one that answers: it applies the batches (writer.worker.ts).

import { startWorker } from "../../worker.ts";
import {
  type BatchTimes,
  FlushFailed,
  type Operation,
  type OperationOutcome,
  StoreBusy,
} from "../store.ts";
import {
  STOPPED,
  type WriterBatch,
  type WriterFailure,
  type WriterOptions,
  type WriterReply,
} from "./messages.ts";

function errorOf({ kind, message }: WriterFailure): Error {
  // A batch behind one that failed goes again with it.
  if (kind === "busy" || kind === "skipped") return new StoreBusy(message);
  return kind === "ended" ? new FlushFailed(message) : new Error(message);
}

/** One that waits for a database that does not answer hears nothing. */
const STOP_WITHIN_MS = 1_000;

export function startPostgresThreads(
  options: WriterOptions,
  onEnded: (error: FlushFailed) => void,
) {
  const worker = startWorker("storage/postgres/writer.worker");
  /** Who waits for a reply, in the order of the calls, which is that of the replies. */
  const waiting: PromiseWithResolvers<string>[] = [];
  let broken: FlushFailed | null = null;
  let failures = 0;

  worker.postMessage(options);
  worker.onmessage = ({ data }: MessageEvent<string>) => waiting.shift()?.resolve(data);
  worker.onerror = ({ message }) => {
    broken = new FlushFailed(`the writing thread ended: ${message.split("\n", 1).join()}`);
    for (const { reject } of waiting.splice(0)) reject(broken);
    onEnded(broken);
  };

  function ask(message: string): Promise<string> {
    if (broken !== null) return Promise.reject(broken);
    const reply = Promise.withResolvers<string>();
    waiting.push(reply);
    worker.postMessage(message);
    return reply.promise;
  }

  return {
    /** The port's. */
    async applyBatch(operations: readonly Operation[], times: BatchTimes) {
      const batch: WriterBatch = { operations, times, failures };
      const reply = JSON.parse(await ask(JSON.stringify(batch))) as WriterReply;
      if ("outcomes" in reply) return reply.outcomes satisfies OperationOutcome[];
      if (reply.failure.kind !== "skipped") failures += 1;
      throw errorOf(reply.failure);
    },

    /** Resolves once it has let go of the database; call it when no batch is under way. */
    async stop() {
      if (broken === null) await Promise.race([ask(STOPPED), Bun.sleep(STOP_WITHIN_MS)]);
      worker.terminate();
    },
  };
}
