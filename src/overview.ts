// What the database tells of the bank at a glance, for status and the metrics.
import type { Config } from "./config.ts";
import { listedBefore } from "./domain/business-days.ts";
import type { Overview, Store } from "./storage/store.ts";

export function overviewAt(
  now: number,
  { store, config }: { readonly store: Store; readonly config: Config },
): Overview {
  const { timeZone } = store.bank();
  const weekend = new Set(config.weekend);
  return store.overview((holidays) =>
    listedBefore(now, { timeZone, weekend, holidays: new Set(holidays) }),
  );
}
