// What the server did since it started, counted once: `status` and the metrics both read it here.
// Counting is some additions, and everything is bounded: paths, codes and reasons are few, and a
// caller can invent none of them.
import type { Clock } from "./clock.ts";

/** What a request was for; all unknown paths are one. */
export type Route = "reserveFunds" | "transactResult" | "health" | "other";

/** What a request was answered: `status` is 0 where the connection was closed without an answer. */
export type AnswerCount = {
  readonly route: Route;
  readonly status: number;
  /** The responseCode; empty where the answer has none. */
  readonly code: string;
  readonly count: number;
};
export type RefusalCount = {
  readonly status: number;
  readonly reason: string;
  readonly count: number;
};

/** The E12 series of preferred numbers (IEC 60063): steps of a fifth. */
const E12 = [1, 1.2, 1.5, 1.8, 2.2, 2.7, 3.3, 3.9, 4.7, 5.6, 6.8, 8.2];
/** Upper edges in milliseconds, from 0.01 to 8200; what is slower stands above the last. */
const EDGES_MS: readonly number[] = [0.01, 0.1, 1, 10, 100, 1000].flatMap((decade) =>
  E12.map((step) => Number((step * decade).toPrecision(2))),
);
/** Of every so many edges one is shown: three a decade. */
const EDGES_A_BUCKET = 4;
const WINDOW_MS = 60_000;

export type Latency = {
  readonly count: number;
  /** Milliseconds, within a fifth; null where nothing was measured. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
};

/** The value below which a share of all lies, straight between a bucket's edges. */
function quantile(counts: ArrayLike<number>, total: number, share: number): number | null {
  if (total === 0) return null;
  let below = 0;
  for (const [index, edge] of EDGES_MS.entries()) {
    const within = counts[index] ?? 0;
    if (within > 0 && below + within >= total * share) {
      const from = EDGES_MS[index - 1] ?? 0;
      return Number((from + ((edge - from) * (total * share - below)) / within).toPrecision(3));
    }
    below += within;
  }
  return EDGES_MS.at(-1) ?? null;
}

function latencyOf(counts: Float64Array): Latency {
  const count = counts.reduce((sum, each) => sum + each, 0);
  return { count, p50Ms: quantile(counts, count, 0.5), p99Ms: quantile(counts, count, 0.99) };
}

/** How long things took: since the start, and in the last one to two minutes. */
export function histogram({ monotonicMs }: Pick<Clock, "monotonicMs">) {
  const counts = new Float64Array(EDGES_MS.length + 1);
  /** The counts as they were when this window and the one before it began. */
  let thisWindow = counts.slice();
  let windowBefore = thisWindow;
  let endsAtMs = monotonicMs() + WINDOW_MS;
  let sumMs = 0;

  function turnWindow(nowMs: number): void {
    if (nowMs < endsAtMs) return;
    windowBefore = nowMs < endsAtMs + WINDOW_MS ? thisWindow : counts.slice();
    thisWindow = counts.slice();
    endsAtMs = nowMs + WINDOW_MS;
  }

  return {
    add(tookMs: number, nowMs: number): void {
      if (nowMs >= endsAtMs) turnWindow(nowMs);
      let from = 0;
      let to = EDGES_MS.length;
      while (from < to) {
        const middle = (from + to) >> 1;
        if ((EDGES_MS[middle] ?? 0) < tookMs) from = middle + 1;
        else to = middle;
      }
      counts[from] = (counts[from] ?? 0) + 1;
      sumMs += tookMs;
    },
    sinceStart: (): Latency => latencyOf(counts),
    lately(): Latency {
      turnWindow(monotonicMs());
      return latencyOf(counts.map((count, index) => count - (windowBefore[index] ?? 0)));
    },
    /** As a cumulative histogram: how many took at most so many milliseconds. */
    buckets() {
      let below = 0;
      const upTo = EDGES_MS.flatMap((edgeMs, index) => {
        below += counts[index] ?? 0;
        return index % EDGES_A_BUCKET === 0 ? [{ edgeMs, count: below }] : [];
      });
      return { upTo, count: below + (counts.at(-1) ?? 0), sumMs };
    },
  };
}

export type Histogram = ReturnType<typeof histogram>;

type Writable<T> = { -readonly [key in keyof T]: T[key] };

export type Counters = ReturnType<typeof createCounters>;

export function createCounters(clock: Pick<Clock, "monotonicMs">) {
  const answers = new Map<string, Writable<AnswerCount>>();
  const refusals = new Map<string, RefusalCount>();
  const latency = { reserveFunds: histogram(clock), transactResult: histogram(clock) };
  const flushes = histogram(clock);
  let inFlight = 0;
  let batches = 0;
  let operations = 0;

  function answered(route: Route, status: number, code: string): void {
    const key = `${route} ${status} ${code}`;
    const known = answers.get(key);
    if (known === undefined) answers.set(key, { route, status, code, count: 1 });
    else known.count += 1;
  }

  return {
    /** A request to one of the two interfaces is there. */
    began(): void {
      inFlight += 1;
    },
    /** What `began` has its end, whatever that is. */
    ended(): void {
      inFlight -= 1;
    },
    /** `startedAtMs` is on the monotonic clock. */
    took(route: keyof typeof latency, startedAtMs: number): void {
      const nowMs = clock.monotonicMs();
      latency[route].add(nowMs - startedAtMs, nowMs);
    },
    answered,
    refused(status: number, reason: string): void {
      const key = `${status} ${reason}`;
      const count = (refusals.get(key)?.count ?? 0) + 1;
      refusals.set(key, { status, reason, count });
    },
    batch(size: number): void {
      batches += 1;
      operations += size;
    },
    flushed(tookMs: number): void {
      flushes.add(tookMs, clock.monotonicMs());
    },

    answers: (): AnswerCount[] => [...answers.values()],
    refusals: (): RefusalCount[] => [...refusals.values()],
    inFlight: () => inFlight,
    latency,
    flushes,
    batches: () => ({ batches, operations }),
  };
}
