// The two threads that a server has beside the one that answers: a writer and a copier of the WAL.

import type { OperationOutcome } from "../store.ts";
import { type BatchTimes, FlushFailed, type Operation, StoreBusy } from "../store.ts";
import type { WriterFailure, WriterOptions } from "./writer.worker.ts";

export type Threads = {
  /** The port's, done by the writing thread. */
  applyBatch(operations: readonly Operation[], times: BatchTimes): Promise<OperationOutcome[]>;
  /** Resolves once both have let go of the database; only when no batch is under way. */
  stop(): Promise<void>;
};

type Reply = { readonly outcomes: OperationOutcome[] } | { readonly failure: WriterFailure };

function errorOf({ kind, message }: WriterFailure): Error {
  if (kind === "busy") return new StoreBusy(message);
  return kind === "flush" ? new FlushFailed(message) : new Error(message);
}

/** In the compiled program a worker stands at its place in the project, as JavaScript. */
function workerUrl(name: string): URL {
  const isCompiled = import.meta.url.includes("/$bunfs/");
  return new URL(isCompiled ? `./src/storage/sqlite/${name}.js` : `./${name}.ts`, import.meta.url);
}

/** Starts both. `onTrouble` hears of a copier that cannot copy: the WAL grows until it can. */
export function startThreads(
  options: WriterOptions,
  onTrouble: (what: string, error: unknown) => void,
): Threads {
  const writer = new Worker(workerUrl("writer.worker"));
  const copier = new Worker(workerUrl("checkpoint.worker"));
  let waiting: PromiseWithResolvers<string> | null = null;
  let broken: Error | null = null;

  writer.postMessage(options);
  copier.postMessage(options.dataDir);
  writer.onmessage = ({ data }: MessageEvent<string>) => waiting?.resolve(data);
  // A thread that died took its connection along; no later batch can be applied.
  writer.onerror = ({ message }) => {
    broken = new FlushFailed(`the writing thread ended: ${message}`);
    waiting?.reject(broken);
  };
  copier.onmessage = ({ data }: MessageEvent<string>) => onTrouble("checkpoint", new Error(data));
  copier.onerror = ({ message }) => onTrouble("checkpoint", new Error(message));

  async function ask(message: string | null): Promise<string> {
    if (broken !== null) throw broken;
    waiting = Promise.withResolvers();
    writer.postMessage(message);
    return waiting.promise;
  }

  return {
    async applyBatch(operations, times) {
      const reply = JSON.parse(await ask(JSON.stringify({ operations, times }))) as Reply;
      if ("failure" in reply) throw errorOf(reply.failure);
      return reply.outcomes;
    },

    async stop() {
      if (broken === null) await ask(null);
      writer.terminate();
      copier.terminate();
    },
  };
}
