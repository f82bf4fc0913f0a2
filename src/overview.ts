// What the database tells of the bank at a glance, for status and the metrics.
import type { Config } from "./config.ts";
import { listedBefore } from "./domain/business-days.ts";
import type { Bank, Overview, Store } from "./storage/store.ts";

/** What the metrics show of the bank. */
export type Glance = { readonly bank: Bank; readonly overview: Overview };

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

export const glanceAt = (
  now: number,
  from: { readonly store: Store; readonly config: Config },
): Glance => ({ bank: from.store.bank(), overview: overviewAt(now, from) });
