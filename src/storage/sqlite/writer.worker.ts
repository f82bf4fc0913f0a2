// The server's writing thread: applies one batch after the other on a connection of its own, so
// that neither a commit nor a slow disk ever holds up the thread that answers.
import { FlushFailed, StoreBusy } from "../store.ts";
import {
  COMMITS,
  STOPPED,
  type WriterBatch,
  type WriterFailure,
  type WriterOptions,
  type WriterReply,
} from "./messages.ts";
import { openSqliteStore, type SqliteStore } from "./store.ts";

declare const self: Worker;

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

function failureOf(error: unknown): WriterFailure {
  const kind =
    error instanceof StoreBusy ? "busy" : error instanceof FlushFailed ? "flush" : "other";
  return { kind, message: messageOf(error) };
}

/** Applies batches in their order, and none past one that failed unknown to the sender. */
function applier(store: SqliteStore, shared: Int32Array) {
  let failures = 0;
  return ({ operations, times, failures: known }: WriterBatch): WriterReply => {
    if (known < failures) {
      return { failure: { kind: "skipped", message: "the batch before it failed" } };
    }
    try {
      const outcomes = store.applyNow(operations, times);
      Atomics.add(shared, COMMITS, 1);
      Atomics.notify(shared, COMMITS);
      return {
        outcomes: outcomes.map((outcome) =>
          outcome.kind === "failed" ? { ...outcome, error: messageOf(outcome.error) } : outcome,
        ),
      };
    } catch (error) {
      failures += 1;
      return { failure: failureOf(error) };
    }
  };
}

self.onmessage = ({ data: options }: MessageEvent<WriterOptions>) => {
  const { dataDir, policy, pinKey, shared, copier } = options;
  const outside = { now: Date.now, newUuid: Bun.randomUUIDv7 };
  const store = openSqliteStore(dataDir, { serving: true, ...outside, policy, pinKey });
  store.neverWait();
  const apply = applier(store, shared);
  copier.onmessage = () => {
    store.finishWal();
    copier.postMessage("finished");
  };
  self.onmessage = ({ data }: MessageEvent<string>) => {
    if (data === STOPPED) {
      copier.close();
      store.close();
      self.postMessage(STOPPED);
    } else {
      self.postMessage(JSON.stringify(apply(JSON.parse(data) as WriterBatch)));
    }
  };
};
