// The server's writing thread on PostgreSQL: applies one batch after the other and waits for each, so
// that neither a commit nor a database that does not answer ever holds up the thread that answers.
import { applierOf, STOPPED, type WriterBatch } from "../writer.ts";
import type { WriterOptions } from "./messages.ts";
import { openPostgresStore } from "./store.ts";

declare const self: Worker;

self.onmessage = ({ data: options }: MessageEvent<WriterOptions>) => {
  const store = openPostgresStore({
    ...options,
    serving: true,
    now: null,
    newUuid: Bun.randomUUIDv7,
  });
  const apply = applierOf(store.applyNow);
  self.onmessage = ({ data }: MessageEvent<string>) => {
    if (data === STOPPED) {
      store.close();
      self.postMessage(STOPPED);
    } else {
      self.postMessage(JSON.stringify(apply(JSON.parse(data) as WriterBatch)));
    }
  };
};
