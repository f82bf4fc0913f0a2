// The server's writing thread: applies one batch after the other on a connection of its own, so
// that neither a commit nor a slow disk ever holds up the thread that answers. threads.ts is its
// other end; batches and outcomes pass as JSON text, which costs a fraction of a structured clone.
import {
  type BatchTimes,
  FlushFailed,
  type Operation,
  StoreBusy,
  type StoreOptions,
} from "../store.ts";
import { openSqliteStore, type SqliteStore } from "./store.ts";

declare const self: Worker;

export type WriterOptions = Pick<StoreOptions, "policy" | "pinKey"> & { readonly dataDir: string };

/** Why a batch was not applied, as its own word: errors lose their class on the way. */
export type WriterFailure = { readonly kind: "busy" | "flush" | "other"; readonly message: string };

let store: SqliteStore | null = null;

function apply(text: string): string {
  const { operations, times } = JSON.parse(text) as {
    operations: Operation[];
    times: BatchTimes;
  };
  try {
    if (store === null) throw new Error("the writing thread has no store");
    const outcomes = store.applyNow(operations, times);
    return JSON.stringify({
      outcomes: outcomes.map((outcome) =>
        outcome.kind === "failed" ? { ...outcome, error: messageOf(outcome.error) } : outcome,
      ),
    });
  } catch (error) {
    return JSON.stringify({ failure: failureOf(error) });
  }
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

function failureOf(error: unknown): WriterFailure {
  const kind =
    error instanceof StoreBusy ? "busy" : error instanceof FlushFailed ? "flush" : "other";
  return { kind, message: messageOf(error) };
}

self.onmessage = ({ data }: MessageEvent<WriterOptions | string | null>) => {
  if (typeof data === "string") {
    self.postMessage(apply(data));
  } else if (data === null) {
    store?.close();
    self.postMessage("closed");
  } else {
    store = openSqliteStore(data.dataDir, {
      serving: true,
      now: Date.now,
      newUuid: Bun.randomUUIDv7,
      policy: data.policy,
      pinKey: data.pinKey,
    });
    store.neverWait();
  }
};
