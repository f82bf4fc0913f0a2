// What verify counts anew: a figure for each account, and the limits' counters of one account.
import { addDays, type LocalDay } from "../../domain/local-time.ts";
import { DAYS_KEPT } from "../usage.ts";

/** Account ids up to here have their place in one array; beyond it stands only what is damaged. */
const MOST_IN_ARRAY = 2 ** 24;

export type PerAccount = ReturnType<typeof perAccount>;

/** A figure for each account in eight bytes: a bank may have a million of them. */
export function perAccount(initial: number) {
  let figures = new Float64Array(1024).fill(initial);
  const beyond = new Map<number, number>();

  function grow(id: number): void {
    const larger = new Float64Array(Math.max(id + 1, figures.length * 2)).fill(initial);
    larger.set(figures);
    figures = larger;
  }

  const get = (id: number): number => figures[id] ?? beyond.get(id) ?? initial;

  function set(id: number, figure: number): void {
    if (id >= 0 && id < MOST_IN_ARRAY) {
      if (id >= figures.length) grow(id);
      figures[id] = figure;
    } else {
      beyond.set(id, figure);
    }
  }

  return {
    get,
    set,
    add: (id: number, more: number) => set(id, get(id) + more),
    each(visit: (id: number, figure: number) => void): void {
      for (let id = 0; id < figures.length; id += 1) visit(id, figures[id] as number);
      for (const [id, figure] of beyond) visit(id, figure);
    },
  };
}

/** A reservation that still counts, as the counters look at it. */
export type Counted = {
  readonly local_day: LocalDay;
  readonly channel_id: number | null;
  readonly product_id: number | null;
  readonly reserve_amount: number;
};

type Counter = readonly [amount: number, count: number];
type Counters = { [period: string]: { [scope: string]: Counter } };

const NONE: Counter = [0, 0];

function recount(reservations: Iterable<Counted>): Counters {
  const counters: Counters = {};
  for (const { local_day, channel_id, product_id, reserve_amount } of reservations) {
    for (const period of [local_day, local_day.slice(0, 7)]) {
      counters[period] ??= {};
      const scopes = counters[period];
      const count = (scope: string) => {
        const [amount, times] = scopes[scope] ?? NONE;
        scopes[scope] = [amount + reserve_amount, times + 1];
      };
      count("*");
      if (channel_id !== null) count(`c${channel_id}`);
      if (product_id !== null) count(`p${product_id}`);
    }
  }
  return counters;
}

/** The oldest day whose counters must be there (usage.ts); null where none is. */
function oldestKept(kept: Counters): LocalDay | null {
  const newest = Object.keys(kept).reduce((most, period) => (period > most ? period : most), "");
  return /^\d{4}-\d\d-\d\d$/.test(newest) ? addDays(newest, -DAYS_KEPT) : null;
}

function scopeText(scope: string): string {
  if (scope === "*") return "all *";
  return `${scope.startsWith("c") ? "channel" : "product"} ${scope.slice(1)}`;
}

function parsed(text: string): Counters | null {
  try {
    return JSON.parse(text) as Counters;
  } catch {
    return null;
  }
}

/** A line for each counter of an account that is not what its reservations come to. */
export function counterProblems(
  account: { readonly number: string; readonly usage: string },
  reservations: Iterable<Counted>,
): string[] {
  const kept = parsed(account.usage);
  if (kept === null) return [`account ${account.number}: its counters cannot be read`];
  const counted = recount(reservations);
  const oldest = oldestKept(kept);
  const problems: string[] = [];
  for (const period of new Set([...Object.keys(kept), ...Object.keys(counted)])) {
    const [ours, theirs] = [kept[period] ?? {}, counted[period] ?? {}];
    const isForgotten = oldest !== null && period < oldest.slice(0, period.length);
    for (const scope of new Set([...Object.keys(ours), ...Object.keys(theirs)])) {
      if (ours[scope] === undefined && isForgotten) continue;
      const [amount, count] = ours[scope] ?? NONE;
      const [sum, times] = theirs[scope] ?? NONE;
      if (amount === sum && count === times) continue;
      problems.push(
        `account ${account.number}, ${period}, ${scopeText(scope)}: the counter is ${amount} in ` +
          `${count}, the reservations are ${sum} in ${times}`,
      );
    }
  }
  return problems;
}
