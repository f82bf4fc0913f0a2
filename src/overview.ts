// What the database tells of the bank at a glance, for status and the metrics.
import type { Config } from "./config.ts";
import { listedBefore } from "./domain/business-days.ts";
import type { Bank, Overview, Store } from "./storage/store.ts";

/** What a running server shows of the bank. */
export type Glance = {
  readonly bank: Bank;
  readonly overview: Overview;
  /** The port's. */
  readonly risk: string | null;
};

type From = { readonly store: Store; readonly config: Config };

export function overviewAt(now: number, { timeZone }: Bank, { store, config }: From): Overview {
  const weekend = new Set(config.weekend);
  return store.overview((holidays) =>
    listedBefore(now, { timeZone, weekend, holidays: new Set(holidays) }),
  );
}

export function glanceAt(now: number, from: From): Glance {
  const bank = from.store.bank();
  return { bank, overview: overviewAt(now, bank, from), risk: from.store.risk() };
}
