// The thread that applies a server's batches, whichever engine it is on: what it is told and answers,
// and who waits for it. The thread itself is each engine's writer.worker.ts.
import { messageOf } from "../errors.ts";
import {
  type BatchTimes,
  FlushFailed,
  type Operation,
  type OperationOutcome,
  StoreBusy,
} from "./store.ts";

/** Passes as JSON text, which costs a fraction of a structured clone. */
export type WriterBatch = {
  readonly operations: readonly Operation[];
  readonly times: BatchTimes;
  /** How many failures were known as it was sent: it must not be applied past one that was not. */
  readonly failures: number;
};

/** Why something was not done, as a word: an error loses its class on the way. */
export type Failure = {
  /** "flush": nothing more can be promised, and the process must end. */
  readonly kind: "busy" | "flush" | "skipped" | "other";
  readonly message: string;
};

/** Passes as JSON text. */
export type WriterReply = { readonly outcomes: OperationOutcome[] } | { readonly failure: Failure };

/** Tells it to let go of the database, and is what it says when it has. */
export const STOPPED = "stopped";

/** An error of the port as another thread is told of it. */
export function failureOf(error: unknown): Failure {
  const kind =
    error instanceof StoreBusy ? "busy" : error instanceof FlushFailed ? "flush" : "other";
  return { kind, message: messageOf(error) };
}

/** The error that another thread told of. */
export function errorOf({ kind, message }: Failure): Error {
  // A batch behind one that failed goes again with it, as where another process writes.
  if (kind === "busy" || kind === "skipped") return new StoreBusy(message);
  return kind === "flush" ? new FlushFailed(message) : new Error(message);
}

/** What a thread that died says, without the lines of source around it. */
export const plain = (message: string): string =>
  /^(?:\w*error): (.*)$/im.exec(message)?.[1] ?? message.split("\n", 1).join();

/** In the thread: applies batches in their order, and none past one that failed unknown to the sender. */
export function applierOf(
  apply: (operations: readonly Operation[], times: BatchTimes) => OperationOutcome[],
) {
  let failures = 0;
  return ({ operations, times, failures: known }: WriterBatch): WriterReply => {
    if (known < failures) {
      return { failure: { kind: "skipped", message: "the batch before it failed" } };
    }
    try {
      return {
        outcomes: apply(operations, times).map((outcome) =>
          outcome.kind === "failed" ? { ...outcome, error: messageOf(outcome.error) } : outcome,
        ),
      };
    } catch (error) {
      failures += 1;
      return { failure: failureOf(error) };
    }
  };
}

export type WriterListener<Told> = {
  /** The thread died, and took its connection along: no later batch can be applied. */
  readonly onEnded: (error: FlushFailed) => void;
  /** What it says beside its replies. */
  readonly onTold?: (told: Told) => void;
  readonly onCommit?: () => void;
};

/** Beside the thread, which has had its options: hands it batches, and tells what they came to. */
export function writerOn<Told = never>(
  worker: Worker,
  { onEnded, onTold, onCommit }: WriterListener<Told>,
) {
  /** Who waits for a reply, in the order of the calls, which is that of the replies. */
  const waiting: PromiseWithResolvers<string>[] = [];
  let broken: FlushFailed | null = null;
  let failures = 0;

  worker.onmessage = ({ data }: MessageEvent<string | Told>) => {
    if (typeof data === "string") waiting.shift()?.resolve(data);
    else onTold?.(data);
  };
  worker.onerror = ({ message }) => {
    broken = new FlushFailed(`the writing thread ended: ${plain(message)}`);
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
      if ("outcomes" in reply) {
        onCommit?.();
        return reply.outcomes;
      }
      if (reply.failure.kind !== "skipped") failures += 1;
      throw errorOf(reply.failure);
    },

    /** Resolves once it has let go of the database; call it when no batch is under way. */
    async stop() {
      if (broken === null) await ask(STOPPED);
      worker.terminate();
    },
  };
}
