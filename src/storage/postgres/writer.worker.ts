// The server's writing thread on PostgreSQL: applies one batch after the other and waits for each, so
// that neither a commit nor a database that does not answer ever holds up the thread that answers.
import { messageOf } from "../../errors.ts";
import { FlushFailed, type Store, StoreBusy } from "../store.ts";
import {
  STOPPED,
  type WriterBatch,
  type WriterFailure,
  type WriterOptions,
  type WriterReply,
} from "./messages.ts";
import { openPostgresStore } from "./store.ts";

declare const self: Worker;

function failureOf(error: unknown): WriterFailure {
  const kind =
    error instanceof StoreBusy ? "busy" : error instanceof FlushFailed ? "ended" : "other";
  return { kind, message: messageOf(error) };
}

/** Applies batches in their order, and none past one that failed unknown to the sender. */
function applier(store: Store) {
  let failures = 0;
  return ({ operations, times, failures: known }: WriterBatch): WriterReply => {
    if (known < failures) {
      return { failure: { kind: "skipped", message: "the batch before it failed" } };
    }
    try {
      return {
        outcomes: store
          .applyNow(operations, times)
          .map((outcome) =>
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
  const store = openPostgresStore({
    ...options,
    serving: true,
    now: null,
    newUuid: Bun.randomUUIDv7,
  });
  const apply = applier(store);
  self.onmessage = ({ data }: MessageEvent<string>) => {
    if (data === STOPPED) {
      store.close();
      self.postMessage(STOPPED);
    } else {
      self.postMessage(JSON.stringify(apply(JSON.parse(data) as WriterBatch)));
    }
  };
};
