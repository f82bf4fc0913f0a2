// The bank's limits: 2050 and 2040 of contract.md 2, scopes and windows of the "Limits".
import { describe, expect, test } from "bun:test";
import {
  applicableLimits,
  checkLimits,
  LIMIT_SCOPES,
  type LimitFigures,
  type Limits,
  NO_FIGURES,
  type Usage,
} from "../../src/domain/limits.ts";
import { minor } from "../../src/domain/money.ts";

type Figures = { readonly [figure in keyof LimitFigures]?: number };
type Given = { readonly [scope in keyof Limits]: Figures };

const UNUSED = { dayAmount: 0, dayCount: 0, monthAmount: 0, monthCount: 0 };

const limitsOf = (given: Given): Limits =>
  Object.fromEntries(
    Object.entries(given).map(([scope, figures]) => [scope, { ...NO_FIGURES, ...figures }]),
  );
const usageOf = (used: Partial<typeof UNUSED> = {}) => ({ ...UNUSED, ...used }) as Usage;
const NO_USAGE = { all: usageOf(), channel: usageOf(), product: usageOf() };

test("from the least to the most specific: global, channel, product, account", () => {
  expect([...LIMIT_SCOPES]).toEqual(["global", "channel", "product", "account"]);
});

test.each([
  // limits, amount -> outcome
  [{}, 1, null],
  [{}, 999_999_999_999, null],
  [{ global: { min: 500 } }, 499, "belowMinimum"],
  [{ global: { min: 500 } }, 500, null],
  [{ global: { max: 500 } }, 500, null],
  [{ global: { max: 500 } }, 501, "maximumExceeded"],
  [{ global: { max: 0 } }, 1, "maximumExceeded"],
  // The most specific scope that sets a figure decides it, stricter or not.
  [{ global: { min: 500 }, channel: { min: 100 } }, 100, null],
  [{ global: { min: 500 }, channel: { min: 100 } }, 99, "belowMinimum"],
  [{ channel: { min: 100 }, product: { min: 200 } }, 150, "belowMinimum"],
  [{ product: { min: 200 }, account: { min: 50 } }, 50, null],
  [{ global: { max: 500 }, channel: { max: 1_000 } }, 1_000, null],
  [{ channel: { max: 1_000 }, product: { max: 400 } }, 401, "maximumExceeded"],
  [{ product: { max: 400 }, account: { max: 2_000 } }, 2_000, null],
  [{ product: { max: 400 }, account: { max: 2_000 } }, 2_001, "maximumExceeded"],
  // Minimum and maximum are looked for apart; a scope that is silent on one hands it on.
  [{ global: { min: 500, max: 900 }, account: { max: 2_000 } }, 499, "belowMinimum"],
  [{ global: { min: 500, max: 900 }, account: { max: 2_000 } }, 2_000, null],
  [{ global: { min: 500 }, product: { dayCount: 9 } }, 499, "belowMinimum"],
  // A minimum above the maximum of another scope: the minimum answers first.
  [{ global: { min: 500 }, account: { max: 100 } }, 300, "belowMinimum"],
] as [Given, number, string | null][])("limits %j, amount %d: %p", (given, amount, expected) => {
  expect(checkLimits(minor(amount), limitsOf(given), NO_USAGE)).toBe(
    expected as ReturnType<typeof checkLimits>,
  );
});

describe("windows: each one of each scope must pass, by the account's own usage", () => {
  test.each([
    // scope, limit, used before -> outcome of another 100
    ["global", { dayAmount: 500 }, { all: { dayAmount: 400 } }, null],
    ["global", { dayAmount: 500 }, { all: { dayAmount: 401 } }, "maximumExceeded"],
    ["global", { dayCount: 3 }, { all: { dayCount: 2 } }, null],
    ["global", { dayCount: 3 }, { all: { dayCount: 3 } }, "maximumExceeded"],
    ["global", { dayCount: 0 }, {}, "maximumExceeded"],
    ["global", { monthAmount: 500 }, { all: { monthAmount: 400 } }, null],
    ["global", { monthAmount: 500 }, { all: { monthAmount: 401 } }, "maximumExceeded"],
    ["global", { monthCount: 3 }, { all: { monthCount: 2 } }, null],
    ["global", { monthCount: 3 }, { all: { monthCount: 3 } }, "maximumExceeded"],
    ["account", { dayAmount: 500 }, { all: { dayAmount: 401 } }, "maximumExceeded"],
    ["account", { monthCount: 3 }, { all: { monthCount: 3 } }, "maximumExceeded"],
    // A channel's and a product's window count that account's purchases of it alone.
    ["channel", { dayAmount: 500 }, { all: { dayAmount: 401 } }, null],
    ["channel", { dayAmount: 500 }, { channel: { dayAmount: 401 } }, "maximumExceeded"],
    ["channel", { dayCount: 3 }, { channel: { dayCount: 3 } }, "maximumExceeded"],
    ["channel", { monthAmount: 500 }, { channel: { monthAmount: 401 } }, "maximumExceeded"],
    ["channel", { monthCount: 3 }, { product: { monthCount: 3 } }, null],
    ["product", { dayAmount: 500 }, { all: { dayAmount: 401 } }, null],
    ["product", { dayAmount: 500 }, { product: { dayAmount: 401 } }, "maximumExceeded"],
    ["product", { dayCount: 3 }, { product: { dayCount: 3 } }, "maximumExceeded"],
    ["product", { monthAmount: 500 }, { product: { monthAmount: 401 } }, "maximumExceeded"],
    ["product", { monthCount: 3 }, { channel: { monthCount: 3 } }, null],
  ] as [keyof Limits, Figures, Record<string, Partial<typeof UNUSED>>, string | null][])(
    "%s %j after %j: %p",
    (scope, figures, used, expected) => {
      const usage = {
        all: usageOf(used["all"]),
        channel: usageOf(used["channel"]),
        product: usageOf(used["product"]),
      };
      expect(checkLimits(minor(100), limitsOf({ [scope]: figures }), usage)).toBe(
        expected as ReturnType<typeof checkLimits>,
      );
    },
  );

  test("a more specific window takes no other one away", () => {
    const limits = limitsOf({ global: { dayCount: 1 }, account: { dayCount: 100 } });
    const usage = { ...NO_USAGE, all: usageOf({ dayCount: 1 }) };
    expect(checkLimits(minor(100), limits, usage)).toBe("maximumExceeded");
  });
});

test.each([
  // For a buyer without an account: minimum and maximum of the other scopes, and no window.
  [{ global: { min: 500 } }, "belowMinimum"],
  [{ global: { min: 500 }, product: { min: 100 } }, null],
  [{ channel: { max: 99 } }, "maximumExceeded"],
  [{ global: { dayAmount: 0, dayCount: 0, monthAmount: 0, monthCount: 0 } }, null],
] as [Given, string | null][])("without an account, limits %j: %p", (given, expected) => {
  expect(checkLimits(minor(100), limitsOf(given), null)).toBe(
    expected as ReturnType<typeof checkLimits>,
  );
});

describe("which limits apply", () => {
  test.each([
    [{ channelId: 7, productId: 110 }, "1", ["global *", "channel 7", "product 110", "account 1"]],
    [{ channelId: 7, productId: null }, "1", ["global *", "channel 7", "account 1"]],
    [{ channelId: null, productId: 9 }, null, ["global *"]],
  ] as const)("to %p of account %p", (request, account, expected) => {
    const set = new Set(["global *", "channel 7", "product 110", "account 1"]);
    const asked: string[] = [];
    const limits = applicableLimits(
      (scope, key) => {
        if (!set.has(`${scope} ${key}`)) return null;
        asked.push(`${scope} ${key}`);
        return { ...NO_FIGURES, min: minor(1) };
      },
      request,
      account,
    );
    expect(asked).toEqual([...expected]);
    expect(Object.keys(limits)).toEqual(asked.map((name) => name.split(" ")[0] ?? ""));
  });
});
