// A storm: purchases that arrive at a fixed rate, whatever the bank does (an open loop). A latency
// counts from the moment at which the request was due, so that a bank that stalls is charged for
// every request that its stall held up, and not for the one that met it alone.
import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import type { Answer, Call } from "./client.ts";
import { CANCELLED, codeOf, type Kit } from "./kit.ts";
import { IN_TIME } from "./rule.ts";

export type StormOptions = {
  /** Purchases a second. */
  readonly rate: number;
  readonly seconds: number;
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
};

/** A histogram of whole microseconds, exact to three digits. */
const HISTOGRAM = { lowest: 1, highest: 60_000_000, figures: 3 };
const TICK_MS = 1;
const PROGRESS_MS = 250;

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

/** Sends the purchases and their cancels; what it reserved is released when it is done. */
export async function runStorm(kit: Kit, options: StormOptions): Promise<Storm> {
  const { rate, seconds, isStopped } = options;
  const recorders = { reserveFunds: recorder(), transactResult: recorder() };
  const running = new Set<Promise<void>>();

  async function purchase(dueMs: number): Promise<void> {
    recorders.reserveFunds.sent();
    const fields = kit.reserveFields();
    const answer = await kit.passing("reserveFunds", fields);
    recorders.reserveFunds.record(answer, performance.now() - dueMs);
    if (codeOf(answer) !== "0000") return;
    recorders.transactResult.sent();
    const sentMs = performance.now();
    const result = { raasTxnRef: fields["raasTxnRef"], responseCode: CANCELLED };
    const ended = await kit.passing("transactResult", result);
    recorders.transactResult.record(ended, performance.now() - sentMs);
  }

  const startedMs = performance.now();
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
      const one = purchase(startedMs + (begun * 1_000) / rate);
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
  };
}
