// What the database tells of the bank at a glance, read beside the thread that answers.
import type { OpenBank } from "./bank.ts";
import type { GlanceReply } from "./glance.worker.ts";
import { type Glance, glanceAt } from "./overview.ts";
import { startWorker } from "./worker.ts";

/** An answer that takes longer is none. */
const WITHIN_MS = 5_000;

/** Of a database in the data dir it is a moment's read; of one elsewhere a thread's own. */
export function glancesOf(dataDir: string, opened: OpenBank) {
  if (opened.shared === null) {
    const read = async (): Promise<Glance> => glanceAt(Date.now(), opened);
    return { isSlow: false, read, close: () => {} };
  }
  let worker: Worker | null = null;
  let reading: Promise<Glance> | null = null;

  function ask(): Promise<Glance> {
    const { promise, resolve, reject } = Promise.withResolvers<Glance>();
    const timer = setTimeout(() => {
      worker?.terminate();
      worker = null;
      reject(new Error("the database does not answer"));
    }, WITHIN_MS);
    const from = worker ?? startWorker("glance.worker");
    from.onmessage = ({ data }: MessageEvent<GlanceReply>) => {
      clearTimeout(timer);
      if ("glance" in data) resolve(data.glance);
      else reject(new Error(data.failure));
    };
    from.postMessage(dataDir);
    worker = from;
    return promise;
  }

  return {
    isSlow: true,
    read(): Promise<Glance> {
      reading ??= ask().finally(() => {
        reading = null;
      });
      return reading;
    },
    close: () => worker?.terminate(),
  };
}
