// What a command understands by a time, a day and a business day.
import { Option } from "commander";
import type { Calendar } from "../src/domain/business-days.ts";
import { addDays, type LocalDay, parseTime, startOfLocalDay } from "../src/domain/local-time.ts";
import type { Bank } from "../src/storage/store.ts";
import { Failure } from "./failure.ts";
import type { Session } from "./session.ts";

/**
 * Later than any clock says: with it "open then" is "open now", whatever the clock said when it was
 * opened or settled. A clock that was ahead for a while must hide nothing.
 */
export const OPEN_NOW = 8.64e15;

const BARE_DAY = /^\d{4}-\d{2}-\d{2}$/;

/** Reads a time; a bare date is its local 00:00. `what` names it in the usage error ("--as-of"). */
export function readTime(text: string, what: string, bank: Bank): number {
  const time = parseTime(text, bank.timeZone);
  if (time !== null) return time;
  throw new Failure(
    "usage",
    `${what} ${text} is no time: write it like 2026-03-12, 2026-03-12T10:30 or 2026-03-12T08:30Z`,
  );
}

/** Reads a local day. */
export function readDay(text: string, what: string, bank: Bank): LocalDay {
  if (BARE_DAY.test(text) && parseTime(text, bank.timeZone) !== null) return text;
  throw new Failure("usage", `${what} ${text} is no day: write it like 2026-03-12`);
}

export type SpanOptions = { readonly from?: string; readonly to?: string };

export const fromOption = () =>
  new Option("--from <time>", "from this time on; a bare date is its 00:00");
export const toOption = () =>
  new Option("--to <time>", "before this time; a bare date is meant through its end");

/** Reads the ends of a span, which begins at `from` and ends before `to`. */
export function readSpan({ from, to }: SpanOptions, bank: Bank): { from?: number; to?: number } {
  const span = {
    ...(from === undefined ? {} : { from: readTime(from, "--from", bank) }),
    ...(to === undefined ? {} : { to: readEnd(to, bank) }),
  };
  if (span.from !== undefined && span.to !== undefined && span.from >= span.to) {
    throw new Failure("usage", `--from ${from} is not before --to ${to}: exchange them`);
  }
  return span;
}

function readEnd(text: string, bank: Bank): number {
  const time = readTime(text, "--to", bank);
  const day = text.trim();
  return BARE_DAY.test(day) ? startOfLocalDay(addDays(day, 1), bank.timeZone) : time;
}

/** The bank's business days. */
export function calendarOf({ store, bank, config }: Session): Calendar {
  return {
    timeZone: bank.timeZone,
    weekend: new Set(config.weekend),
    holidays: new Set(store.holidays().map(({ day }) => day)),
  };
}
