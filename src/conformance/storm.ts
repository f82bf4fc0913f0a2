// A storm: purchases that arrive at a fixed rate, whatever the bank does (an open loop). A latency
// counts from the moment at which the request was due, so that a bank that stalls is charged for
// every request that its stall held up, and not for the one that met it alone.
import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import type { Answer, Call } from "./client.ts";
import { CANCELLED, codeOf, DISPENSED, isTaken, type Kit, type Purchase } from "./kit.ts";
import { IN_TIME } from "./rule.ts";

export type StormOptions = {
  /** Purchases a second. */
  readonly rate: number;
  readonly seconds: number;
  /** Every so many-th purchase is dispensed and not cancelled; null is none. */
  readonly dispensedEvery: number | null;
  /** Hears of it several times a second. */
  readonly onProgress: (progress: Progress) => void;
  readonly isStopped: () => boolean;
};

export type Progress = {
  readonly seconds: number;
  readonly sent: number;
  readonly answered: number;
  readonly p99Ms: number;
};

export type Latencies = {
  readonly count: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  /** Of all that were sent: how many had an answer within two seconds, 0 to 1. */
  readonly within2s: number;
  /** How often each responseCode, HTTP status or error came. */
  readonly answers: Readonly<Record<string, number>>;
};

export type Storm = {
  readonly rate: number;
  readonly seconds: number;
  readonly calls: Readonly<Record<Call, Latencies>>;
  /** From when to when, in seconds, no reserve succeeded, where that lasted for a second or longer. */
  readonly gaps: readonly (readonly [from: number, to: number])[];
};

/** A histogram of whole microseconds, exact to three digits. */
const HISTOGRAM = { lowest: 1, highest: 60_000_000, figures: 3 };
const TICK_MS = 1;
const PROGRESS_MS = 250;
/** How long after a result that was not taken it is sent again. */
const AGAIN_MS = 1_000;
const GAP_S = 1;

function recorder() {
  const histogram: RecordableHistogram = createHistogram(HISTOGRAM);
  const answers = new Map<string, number>();
  let within = 0;
  let sent = 0;
  const ms = (percent: number) =>
    histogram.count === 0 ? 0 : histogram.percentile(percent) / 1_000;
  return {
    sent: () => {
      sent += 1;
    },
    record(answer: Answer, latencyMs: number): void {
      histogram.record(Math.max(1, Math.round(latencyMs * 1_000)));
      if (answer.status !== 0 && latencyMs <= IN_TIME.reserveMs) within += 1;
      const code = codeOf(answer);
      const name =
        answer.error ?? (typeof code === "string" ? code.slice(0, 8) : `HTTP ${answer.status}`);
      answers.set(name, (answers.get(name) ?? 0) + 1);
    },
    p99Ms: () => ms(99),
    counts: () => ({ sent, answered: Number(histogram.count) }),
    latencies: (): Latencies => ({
      count: sent,
      p50Ms: ms(50),
      p90Ms: ms(90),
      p99Ms: ms(99),
      p999Ms: ms(99.9),
      maxMs: histogram.count === 0 ? 0 : histogram.max / 1_000,
      within2s: sent === 0 ? 1 : within / sent,
      answers: Object.fromEntries([...answers].sort((a, b) => b[1] - a[1])),
    }),
  };
}

/** Where nothing succeeded for long, from the beginning to the end. */
function gapsOf(succeededAt: readonly number[], endedAt: number): [number, number][] {
  const moments = [0, ...succeededAt, endedAt].sort((a, b) => a - b);
  return moments
    .slice(1)
    .map((moment, at): [number, number] => [moments[at] ?? 0, moment])
    .filter(([from, to]) => to - from >= GAP_S);
}

/** Sends the purchases and their ends; what it reserved is released when it is done. */
export async function runStorm(kit: Kit, options: StormOptions): Promise<Storm> {
  const { rate, seconds, dispensedEvery, isStopped } = options;
  const recorders = { reserveFunds: recorder(), transactResult: recorder() };
  const running = new Set<Promise<void>>();
  const succeededAt: number[] = [];
  const startedMs = performance.now();
  const isGoingOn = () => !isStopped() && performance.now() - startedMs < seconds * 1_000;

  async function purchase(dueMs: number, said: Purchase["said"]): Promise<void> {
    recorders.reserveFunds.sent();
    const fields = kit.reserveFields();
    const answer = await kit.purchase(fields, said);
    recorders.reserveFunds.record(answer, performance.now() - dueMs);
    const bought = kit.purchases.get(String(fields["raasTxnRef"]));
    if (codeOf(answer) !== "0000" || bought === undefined) return;
    succeededAt.push((performance.now() - startedMs) / 1_000);
    // As Clickatell does: again, until it is taken. What is open at the end is the clean-up's.
    for (let again = false; !again || isGoingOn(); again = true) {
      if (again) await Bun.sleep(AGAIN_MS);
      recorders.transactResult.sent();
      const sentMs = performance.now();
      const ended = await kit.endOf(bought);
      recorders.transactResult.record(ended, performance.now() - sentMs);
      if (isTaken(ended) || ended.status === 404) return;
    }
  }

  const total = Math.round(rate * seconds);
  let toldMs = startedMs;
  let begun = 0;
  const tell = () => {
    toldMs = performance.now();
    const elapsed = (toldMs - startedMs) / 1_000;
    const { reserveFunds } = recorders;
    options.onProgress({ seconds: elapsed, ...reserveFunds.counts(), p99Ms: reserveFunds.p99Ms() });
  };
  while (begun < total && !isStopped()) {
    const due = Math.min(total, ((performance.now() - startedMs) * rate) / 1_000);
    for (; begun < due; begun += 1) {
      const isDispensed = dispensedEvery !== null && begun % dispensedEvery === 0;
      const dueMs = startedMs + (begun * 1_000) / rate;
      const one = purchase(dueMs, isDispensed ? DISPENSED : CANCELLED);
      running.add(one);
      void one.finally(() => running.delete(one));
    }
    if (performance.now() - toldMs >= PROGRESS_MS) tell();
    await Bun.sleep(TICK_MS);
  }
  const ticking = setInterval(tell, PROGRESS_MS);
  await Promise.all(running);
  clearInterval(ticking);
  return {
    rate,
    seconds,
    calls: {
      reserveFunds: recorders.reserveFunds.latencies(),
      transactResult: recorders.transactResult.latencies(),
    },
    gaps: gapsOf(succeededAt, (performance.now() - startedMs) / 1_000),
  };
}
