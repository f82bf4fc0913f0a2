// What was promised of the figures, and what they are.
import { arrivalsGroup, closedGroup, diskGroup, GROWTH, grownCase, MANY } from "./plan.ts";
import { findCase, type GroupResult, ratio, type Spread, spread } from "./stats.ts";

export type Bar = {
  readonly figure: string;
  readonly bar: number;
  readonly moonshot: number;
  /** Which side of the bar is good; a bar on "less" must be stayed under. */
  readonly better: "more" | "less";
  readonly unit: "" | "ms" | "MB" | "bytes" | "s";
  readonly measured: Spread | null;
  /** Where the figure comes from, if not from this run. */
  readonly elsewhere?: string;
};

const MANY_ROWS = 1e7;
const FEW_ROWS = 1e5;
const perSecond = ({ perSecond }: { perSecond: number }) => perSecond;

/** Every bar, filled in as far as this run measured it. */
export function barsOf(groups: readonly GroupResult[]): Bar[] {
  return [...throughputBars(groups), ...latencyBars(groups), ...growthBars(groups)];
}

/** Our operations/s over another's, in one group. */
function over(
  groups: readonly GroupResult[],
  pair: readonly [group: string, other: string],
  texts: { readonly figure: string; readonly bar: number; readonly moonshot: number },
): Bar {
  const [group, other] = pair;
  return {
    ...texts,
    better: "more",
    unit: "",
    measured: ratio(findCase(groups, group, "ours"), findCase(groups, group, other), perSecond),
  };
}

function throughputBars(groups: readonly GroupResult[]): Bar[] {
  const many = closedGroup(MANY);
  return [
    over(groups, [many, "limit"], {
      figure: "durable operations/s / the limit",
      ...{ bar: 0.35, moonshot: 0.6 },
    }),
    over(groups, [many, "one-by-one"], { figure: "/ one commit a request", bar: 6, moonshot: 10 }),
    over(groups, [many, "fastify-better-sqlite3"], {
      figure: "/ Fastify + better-sqlite3",
      ...{ bar: 6, moonshot: 10 },
    }),
    over(groups, [many, "fastify-pg"], { figure: "/ Fastify + pg", bar: 7, moonshot: 12 }),
    over(groups, [diskGroup(1_000), "fastify-better-sqlite3"], {
      figure: "/ Fastify + better-sqlite3, each flush 1 ms slower",
      ...{ bar: 18, moonshot: 30 },
    }),
  ];
}

function latencyBars(groups: readonly GroupResult[]): Bar[] {
  const many = closedGroup(MANY);
  return [
    {
      figure: "p99: Fastify + pg's / ours",
      ...{ bar: 3, moonshot: 6, better: "more", unit: "" },
      measured: ratio(
        findCase(groups, many, "fastify-pg"),
        findCase(groups, many, "ours"),
        ({ p99 }) => p99,
      ),
    },
    {
      figure: "p99.9 at half load",
      ...{ bar: 20, moonshot: 5, better: "less", unit: "ms" },
      measured: spread(findCase(groups, arrivalsGroup(MANY), "ours"), ({ p999 }) => p999),
    },
    over(groups, [closedGroup(1), "fastify-better-sqlite3"], {
      figure: "one connection / Fastify + better-sqlite3",
      ...{ bar: 1, moonshot: 1.2 },
    }),
  ];
}

function growthBars(groups: readonly GroupResult[]): Bar[] {
  const large = findCase(groups, GROWTH, grownCase(MANY_ROWS));
  const small = findCase(groups, GROWTH, grownCase(FEW_ROWS));
  const usual = findCase(groups, closedGroup(MANY), "ours");
  return [
    {
      figure: "operations/s at 10^7 reservations / at 10^5",
      ...{ bar: 0.8, moonshot: 0.95, better: "more", unit: "" },
      measured: ratio(large, small, perSecond),
    },
    {
      figure: "memory at 10^7 reservations",
      ...{ bar: 400, moonshot: 200, better: "less", unit: "MB" },
      measured: spread(large, ({ peakMemory }) => peakMemory / 1e6),
    },
    {
      figure: "on disk for a purchase",
      ...{ bar: 1_800, moonshot: 1_000, better: "less", unit: "bytes" },
      measured: spread(usual, ({ diskBytes }) => diskBytes),
    },
    {
      figure: "start to ready at 10^7 reservations",
      ...{ bar: 1, moonshot: 0.1, better: "less", unit: "s" },
      measured: spread(large, ({ readyMs }) => readyMs / 1000),
    },
    {
      figure: "acknowledged and lost at a power cut",
      ...{ bar: 0, moonshot: 0, better: "less", unit: "", measured: null },
      elsewhere: "`test/binary/power-cut.test.ts`",
    },
  ];
}

/** What the median reached; null where there is none. */
export function reached({ measured, bar, moonshot, better }: Bar): string | null {
  if (measured === null) return null;
  const passes = (line: number) =>
    better === "more" ? measured.median >= line : measured.median < line;
  if (passes(moonshot)) return "moonshot";
  return passes(bar) ? "bar" : "below";
}
