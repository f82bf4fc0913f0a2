// The three threads that a server has beside the one that answers:
//
//   the writer   applies batches, each one commit into the WAL    (writer.worker.ts)
//   the flusher  makes commits durable, many with one flush       (flush.worker.ts)
//   the copier   moves the WAL's content into the database file   (checkpoint.worker.ts)
//
// They work beside one another: while one batch is flushed, the next one is applied.
import { join } from "node:path";
import { startWorker } from "../../worker.ts";
import { type BatchTimes, FlushFailed, type Operation, type OperationOutcome } from "../store.ts";
import { errorOf, type Failure, plain, STOPPED, writerOn } from "../writer.ts";
import {
  COMMITS,
  type CopierOptions,
  type FlusherOptions,
  type FlusherReply,
  STOP,
  type WriterOptions,
} from "./messages.ts";
import { WAL_FILE } from "./open.ts";

export type Threads = {
  /** The port's. */
  applyBatch(operations: readonly Operation[], times: BatchTimes): Promise<OperationOutcome[]>;
  /** The port's. The flush of a commit begins by itself, and may be done when this is called. */
  flush(): Promise<void>;
  /** Resolves once all have let go of their files; call it when no batch is under way. */
  stop(): Promise<void>;
};

function startWriter(
  options: WriterOptions,
  { onCommit, onFlush }: { onCommit: () => void; onFlush: (reply: FlusherReply) => void },
) {
  const worker = startWorker("storage/sqlite/writer.worker");
  worker.postMessage(options, [options.copier]);
  return writerOn<FlusherReply>(worker, {
    onCommit,
    onTold: onFlush,
    onEnded: ({ message }) => onFlush({ failure: message }),
  });
}

function startFlusher(options: FlusherOptions, onFailed: (error: FlushFailed) => void) {
  const { shared } = options;
  const worker = startWorker("storage/sqlite/flush.worker");
  const stopped = Promise.withResolvers<void>();
  let committed = 0;
  let durable = 0;
  let failure: FlushFailed | null = null;
  let waiting: { readonly until: number; readonly flushed: PromiseWithResolvers<void> }[] = [];

  worker.postMessage(options);
  worker.onmessage = ({ data }: MessageEvent<FlusherReply | typeof STOPPED>) => {
    if (data === STOPPED) stopped.resolve();
    else onFlush(data);
  };
  worker.onerror = ({ message }) => {
    fail(`the flushing thread ended: ${plain(message)}`);
    stopped.resolve();
  };

  /** The counts go around after 2^31 commits, so only their difference tells. */
  const isDurable = (count: number) => ((durable - count) | 0) >= 0;

  /** From the flusher, or from the writer where it flushed by itself. */
  function onFlush(reply: FlusherReply): void {
    if ("failure" in reply) fail(reply.failure);
    else if (!isDurable(reply.durable)) becameDurable(reply.durable);
  }

  function becameDurable(count: number): void {
    durable = count;
    const done = waiting.filter(({ until }) => isDurable(until));
    waiting = waiting.filter(({ until }) => !isDurable(until));
    for (const { flushed } of done) flushed.resolve();
  }

  /** Whoever's flush it was: from here on none is trusted. */
  function fail(message: string): void {
    if (failure === null) {
      failure = new FlushFailed(message);
      onFailed(failure);
    }
    for (const { flushed } of waiting.splice(0)) flushed.reject(failure);
  }

  return {
    onFlush,
    fail,

    onCommit(): void {
      committed = (committed + 1) | 0;
    },

    flush(): Promise<void> {
      if (failure !== null) return Promise.reject(failure);
      if (isDurable(committed)) return Promise.resolve();
      const flushed = Promise.withResolvers<void>();
      waiting.push({ until: committed, flushed });
      return flushed.promise;
    },

    async stop() {
      Atomics.store(shared, STOP, 1);
      // One more than there were: it wakes up, flushes once more and sees that it shall stop.
      Atomics.add(shared, COMMITS, 1);
      Atomics.notify(shared, COMMITS);
      await stopped.promise;
      worker.terminate();
    },
  };
}

function startCopier(
  options: CopierOptions,
  {
    onTrouble,
    onFlushFailed,
  }: {
    onTrouble: (error: Error) => void;
    onFlushFailed: (message: string) => void;
  },
) {
  const worker = startWorker("storage/sqlite/checkpoint.worker");
  const stopped = Promise.withResolvers<void>();
  worker.postMessage(options, [options.writer]);
  worker.onmessage = ({ data }: MessageEvent<Failure | typeof STOPPED>) => {
    if (data === STOPPED) stopped.resolve();
    else if (data.kind === "flush") onFlushFailed(data.message);
    else onTrouble(errorOf(data));
  };
  // Without it the WAL would grow for ever, and nobody would try again.
  worker.onerror = ({ message }) => {
    onFlushFailed(`the copying thread ended: ${plain(message)}`);
    stopped.resolve();
  };
  return {
    async stop() {
      worker.postMessage(STOPPED);
      await stopped.promise;
      worker.terminate();
    },
  };
}

export type ThreadsListener = {
  /** The copier cannot copy: the WAL grows until it can. */
  readonly onTrouble: (what: string, error: unknown) => void;
  /** A flush failed, of a commit or of the database: nothing may be answered, the process must end. */
  readonly onFlushFailed: (error: FlushFailed) => void;
};

export function startThreads(
  options: Pick<WriterOptions, "dataDir" | "policy" | "pinKey">,
  { onTrouble, onFlushFailed }: ThreadsListener,
): Threads {
  const { dataDir } = options;
  const shared = new Int32Array(new SharedArrayBuffer(8));
  const { port1, port2 } = new MessageChannel();
  const flusher = startFlusher({ walFile: join(dataDir, WAL_FILE), shared }, onFlushFailed);
  const writer = startWriter({ ...options, shared, copier: port1 }, flusher);
  const copier = startCopier(
    { dataDir, writer: port2 },
    { onTrouble: (error) => onTrouble("checkpoint", error), onFlushFailed: flusher.fail },
  );
  return {
    applyBatch: writer.applyBatch,
    flush: flusher.flush,
    async stop() {
      await copier.stop();
      await writer.stop();
      await flusher.stop();
    },
  };
}
