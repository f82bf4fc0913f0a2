// The bank's limits: one reservation's minimum and maximum, and amount and count a day and a month.
import type { Minor } from "./money.ts";

/** From the least to the most specific; a minimum or maximum comes from the last one that has it. */
export const LIMIT_SCOPES = ["global", "channel", "product", "account"] as const;
export type LimitScope = (typeof LIMIT_SCOPES)[number];

/** The figures one scope may set; null is "not set". */
export type LimitFigures = {
  readonly min: Minor | null;
  readonly max: Minor | null;
  readonly dayAmount: Minor | null;
  readonly dayCount: number | null;
  readonly monthAmount: Minor | null;
  readonly monthCount: number | null;
};

/** What a target has of which nothing is set. */
export const NO_FIGURES: LimitFigures = {
  min: null,
  max: null,
  dayAmount: null,
  dayCount: null,
  monthAmount: null,
  monthCount: null,
};

/** What each is called. */
export const FIGURE_NAMES: Readonly<Record<keyof LimitFigures, string>> = {
  min: "minimum",
  max: "maximum",
  dayAmount: "amount a day",
  dayCount: "times a day",
  monthAmount: "amount a month",
  monthCount: "times a month",
};

export type Limits = { readonly [scope in LimitScope]?: LimitFigures };

/** What an account has reserved so far in the running local day and month. */
export type Usage = {
  readonly dayAmount: Minor;
  readonly dayCount: number;
  readonly monthAmount: Minor;
  readonly monthCount: number;
};

/** An account's usage in all, and of the channel and the product of the request. */
export type UsageByScope = {
  readonly all: Usage;
  readonly channel: Usage;
  readonly product: Usage;
};

/** The figures of one scope, if any are set; the key of "global" is "*". */
export type FindLimit = (scope: LimitScope, key: string) => LimitFigures | null | undefined;

/** The limits that apply to a request; `account` is the number of the buyer's, if there is one. */
export function applicableLimits(
  find: FindLimit,
  request: { readonly channelId: number | null; readonly productId: number | null },
  account: string | null,
): Limits {
  const found: { [scope in LimitScope]?: LimitFigures } = {};
  const add = (scope: LimitScope, key: string) => {
    const limit = find(scope, key);
    if (limit) found[scope] = limit;
  };
  add("global", "*");
  add("channel", String(request.channelId));
  add("product", String(request.productId));
  if (account !== null) add("account", account);
  return found;
}

function mostSpecific(limits: Limits, figure: "min" | "max"): Minor | null {
  let value: Minor | null = null;
  for (const scope of LIMIT_SCOPES) value = limits[scope]?.[figure] ?? value;
  return value;
}

function passesWindows(amount: Minor, limit: LimitFigures, usage: Usage): boolean {
  const within = (used: number, more: number, most: number | null) =>
    most === null || used + more <= most;
  return (
    within(usage.dayAmount, amount, limit.dayAmount) &&
    within(usage.dayCount, 1, limit.dayCount) &&
    within(usage.monthAmount, amount, limit.monthAmount) &&
    within(usage.monthCount, 1, limit.monthCount)
  );
}

/**
 * Checks one amount against the limits that apply.
 * Takes the account's usage, or null for a buyer without an account, for whom windows and the
 * account's own limits do not exist. Gives the first check that fails, minimum before maximum
 * (contract.md 2), or null.
 */
export function checkLimits(
  amount: Minor,
  limits: Limits,
  usage: UsageByScope | null,
): "belowMinimum" | "maximumExceeded" | null {
  const min = mostSpecific(limits, "min");
  if (min !== null && amount < min) return "belowMinimum";
  const max = mostSpecific(limits, "max");
  if (max !== null && amount > max) return "maximumExceeded";
  if (usage === null) return null;
  for (const scope of LIMIT_SCOPES) {
    const limit = limits[scope];
    const used =
      scope === "channel" ? usage.channel : scope === "product" ? usage.product : usage.all;
    if (limit !== undefined && !passesWindows(amount, limit, used)) return "maximumExceeded";
  }
  return null;
}
