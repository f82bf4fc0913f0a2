// The counters that limits look at: what an account reserved in a local day and month. They stand
// in the account's own row as {"2026-03":{"*":[amount,count],"c7":[...]},"2026-03-02":{...}}: "*"
// for all, "c" a channel, "p" a product. Pure: text in, text out; the view usage reads the same.
import type { Usage, UsageByScope } from "../domain/limits.ts";
import { addDays, type LocalDay, monthOf } from "../domain/local-time.ts";
import { minor } from "../domain/money.ts";

export type UsageKey = {
  readonly day: LocalDay;
  readonly channelId: number | null;
  readonly productId: number | null;
};

type Counter = [amount: number, count: number];
type Counters = { [period: string]: { [scope: string]: Counter } };

/**
 * Periods that ended so many days before a purchase are forgotten with it: no limit looks at them,
 * unless the clock was wrong by more than that.
 */
export const DAYS_KEPT = 10;

function scopesOf({ channelId, productId }: UsageKey): string[] {
  const scopes = ["*"];
  if (channelId !== null) scopes.push(`c${channelId}`);
  if (productId !== null) scopes.push(`p${productId}`);
  return scopes;
}

const NONE: Counter = [0, 0];

/** What the limits of a request look at. */
export function usageIn(text: string, key: UsageKey): UsageByScope {
  const counters = JSON.parse(text) as Counters;
  const day = counters[key.day];
  const month = counters[monthOf(key.day)];
  const of = (scope: string): Usage => {
    const [dayAmount, dayCount] = day?.[scope] ?? NONE;
    const [monthAmount, monthCount] = month?.[scope] ?? NONE;
    return {
      dayAmount: minor(dayAmount),
      dayCount,
      monthAmount: minor(monthAmount),
      monthCount,
    };
  };
  return { all: of("*"), channel: of(`c${key.channelId}`), product: of(`p${key.productId}`) };
}

let oldest = { of: "", day: "" };

/** The oldest day whose counters are kept at a purchase; purchases come day by day. */
function oldestKept(day: LocalDay): LocalDay {
  if (oldest.of !== day) oldest = { of: day, day: addDays(day, -DAYS_KEPT) };
  return oldest.day;
}

/** The counters with one purchase more, and without what is too old to matter. */
export function counted(text: string, key: UsageKey, amount: number): string {
  const counters = JSON.parse(text) as Counters;
  for (const period of [monthOf(key.day), key.day]) {
    const scopes = counters[period] ?? {};
    for (const scope of scopesOf(key)) {
      const [sum, count] = scopes[scope] ?? NONE;
      scopes[scope] = [sum + amount, count + 1];
    }
    counters[period] = scopes;
  }
  const oldestDay = oldestKept(key.day);
  for (const period of Object.keys(counters)) {
    if (period < oldestDay.slice(0, period.length)) delete counters[period];
  }
  return JSON.stringify(counters);
}

/** The counters without one purchase, in the day and month that counted it. */
export function givenBack(text: string, key: UsageKey, amount: number): string {
  const counters = JSON.parse(text) as Counters;
  for (const period of [monthOf(key.day), key.day]) {
    for (const scope of scopesOf(key)) {
      const counter = counters[period]?.[scope];
      if (counter === undefined) continue;
      counter[0] -= amount;
      counter[1] -= 1;
    }
  }
  return JSON.stringify(counters);
}
