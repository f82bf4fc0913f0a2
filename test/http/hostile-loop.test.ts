// The thread that answers is never kept from it for long, whatever comes: the server runs in this
// process and a storm comes from another one, while a timer here tells when it was late.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { openBank } from "../../src/bank.ts";
import { serve } from "../../src/serve.ts";
import { storm } from "../binary/storm.ts";
import { noteTorture, times } from "../torture.ts";
import { addAccount, BUYER, bankFolder } from "./bank.ts";

const SECONDS = times(4, 60);
const MOST_MS = 50;
const TICK_MS = 2;

/** The milliseconds that this thread wanted a CPU and others had them: no fault of the program. */
function waitedForCpuMs(): number {
  return Number(readFileSync("/proc/thread-self/schedstat", "utf8").split(" ")[1]) / 1e6;
}

/** Watches this thread; gives the longest that it was busy or blocked, and when. */
function watch() {
  const late: number[] = [];
  let lastMs = performance.now();
  let lastWaitedMs = waitedForCpuMs();
  const timer = setInterval(() => {
    const nowMs = performance.now();
    const waitedMs = waitedForCpuMs();
    late.push(nowMs - lastMs - TICK_MS - (waitedMs - lastWaitedMs));
    lastMs = nowMs;
    lastWaitedMs = waitedMs;
  }, TICK_MS);
  return () => {
    clearInterval(timer);
    return late.sort((a, b) => b - a);
  };
}

test.if(process.platform === "linux")(
  `ten times the load for ${SECONDS} s: the thread that answers is never blocked for ${MOST_MS} ms`,
  async () => {
    const folder = bankFolder();
    const admin = openBank(folder.dataDir);
    addAccount(admin.store, { balance: 999_999_999_999 });
    admin.close();
    const fail = (...errors: unknown[]) => {
      throw errors.at(-1);
    };
    const options = { host: null, port: 0, withoutPins: false, allowUnauthenticated: false };
    const { dataDir } = folder;
    const served = serve({ dataDir, ...options, onFatal: fail, onTrouble: fail });
    const common = { url: served.url, buyer: BUYER };
    const warm = { ...common, prefix: "warm", connections: 64, seconds: 1.5, rate: null };
    const { perSecond } = await storm(warm);
    const stop = watch();
    const rate = perSecond * 10;
    const done = await storm({
      ...common,
      prefix: "s",
      connections: 1_000,
      seconds: SECONDS,
      rate,
    });
    const late = stop();
    await served.close();
    folder.remove();
    const [longest = 0] = late;
    console.log(late.slice(0, 10), late.length, JSON.stringify(done));
    expect(done.closed).toBe(0);
    expect(longest).toBeLessThan(MOST_MS);
    noteTorture({
      injected: `ten times the load, for ${SECONDS} s, seen from the thread that answers`,
      times: done.answered,
      held: `it was blocked for ${longest.toFixed(1)} ms at the longest, of ${late.length} looks`,
    });
  },
  times(40_000, 120_000),
);
