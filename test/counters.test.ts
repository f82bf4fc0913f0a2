import { expect, test } from "bun:test";
import { createCounters, histogram } from "../src/counters.ts";

const NOTHING = { count: 0, p50Ms: null, p99Ms: null };

test("half and nearly all lie below the figures given, within a fifth", () => {
  const times = histogram({ monotonicMs: () => 0 });
  expect(times.sinceStart()).toEqual(NOTHING);
  for (let ms = 1; ms <= 1000; ms += 1) times.add(ms, 0);
  const { count, p50Ms, p99Ms } = times.sinceStart();
  expect(count).toBe(1000);
  expect(Math.abs(Number(p50Ms) / 500 - 1)).toBeLessThan(0.2);
  expect(Math.abs(Number(p99Ms) / 990 - 1)).toBeLessThan(0.2);
});

test("what is slower than the last edge is counted, and shown as the last edge", () => {
  const times = histogram({ monotonicMs: () => 0 });
  times.add(60_000, 0);
  expect(times.sinceStart()).toEqual({ count: 1, p50Ms: 8200, p99Ms: 8200 });
  const { upTo, count, sumMs } = times.buckets();
  expect([upTo.at(-1)?.count, count, sumMs]).toEqual([0, 1, 60_000]);
});

test("lately is the last one to two minutes", () => {
  let nowMs = 0;
  const times = histogram({ monotonicMs: () => nowMs });
  const at = (ms: number) => {
    nowMs = ms;
    times.add(1, ms);
  };
  at(0);
  at(59_999);
  expect(times.lately().count).toBe(2);
  at(60_000);
  expect(times.lately().count).toBe(3);
  nowMs = 120_000;
  expect(times.lately().count).toBe(1);
  nowMs = 180_000;
  expect(times.lately()).toEqual(NOTHING);
  at(180_001);
  nowMs = 900_000;
  expect(times.lately()).toEqual(NOTHING);
  expect(times.sinceStart().count).toBe(4);
});

test("the buckets are cumulative, and few", () => {
  const times = histogram({ monotonicMs: () => 0 });
  for (const ms of [0.005, 0.5, 5, 50, 500]) times.add(ms, 0);
  const { upTo } = times.buckets();
  expect(upTo.length).toBe(18);
  expect(upTo.filter(({ edgeMs }) => [0.01, 0.1, 1, 10, 100, 1000].includes(edgeMs))).toEqual([
    { edgeMs: 0.01, count: 1 },
    { edgeMs: 0.1, count: 1 },
    { edgeMs: 1, count: 2 },
    { edgeMs: 10, count: 3 },
    { edgeMs: 100, count: 4 },
    { edgeMs: 1000, count: 5 },
  ]);
});

test("answers and refusals are counted by what they are", () => {
  const counters = createCounters({ monotonicMs: () => 0 });
  counters.began();
  counters.began();
  counters.ended();
  for (let times = 0; times < 3; times += 1) counters.answered("reserveFunds", 200, "2010");
  counters.answered("transactResult", 202, "");
  counters.refused(401, "credentials");
  counters.refused(401, "credentials");
  expect(counters.inFlight()).toBe(1);
  expect(counters.answers()).toEqual([
    { route: "reserveFunds", status: 200, code: "2010", count: 3 },
    { route: "transactResult", status: 202, code: "", count: 1 },
  ]);
  expect(counters.refusals()).toEqual([{ status: 401, reason: "credentials", count: 2 }]);
});
