// The server's writing thread: applies one batch after the other on a connection of its own, so
// that neither a commit nor a slow disk ever holds up the thread that answers.
import { messageOf } from "../../errors.ts";
import { applierOf, failureOf, STOPPED, type WriterBatch } from "../writer.ts";
import { portError } from "./errors.ts";
import { COMMITS, type FlusherReply, type PassReply, type WriterOptions } from "./messages.ts";
import { openSqliteStore } from "./store.ts";

declare const self: Worker;

self.onmessage = ({ data: options }: MessageEvent<WriterOptions>) => {
  const { dataDir, policy, pinKey, shared, copier } = options;
  const outside = { now: Date.now, newUuid: Bun.randomUUIDv7 };
  const store = openSqliteStore(dataDir, { serving: true, ...outside, policy, pinKey });
  store.neverWait();
  const apply = applierOf((operations, times) => {
    const outcomes = store.applyNow(operations, times);
    Atomics.add(shared, COMMITS, 1);
    return outcomes;
  });
  copier.onmessage = () => {
    const reply = (failure: PassReply["failure"]) =>
      copier.postMessage({ failure } satisfies PassReply);
    try {
      store.finishWal();
      reply(null);
    } catch (error) {
      reply(failureOf(portError(error)));
    }
  };
  /** The flusher's work; but on an idle server, where one operation comes alone, it waits for nobody. */
  function flush(isAlone: boolean): void {
    if (!isAlone) {
      Atomics.notify(shared, COMMITS);
      return;
    }
    const durable = Atomics.load(shared, COMMITS);
    try {
      store.flushNow();
      self.postMessage({ durable } satisfies FlusherReply);
    } catch (error) {
      self.postMessage({ failure: messageOf(error) } satisfies FlusherReply);
    }
  }
  self.onmessage = ({ data }: MessageEvent<string>) => {
    if (data === STOPPED) {
      copier.close();
      store.close();
      self.postMessage(STOPPED);
    } else {
      const batch = JSON.parse(data) as WriterBatch;
      const reply = apply(batch);
      self.postMessage(JSON.stringify(reply));
      if ("outcomes" in reply) flush(batch.operations.length === 1);
    }
  };
};
