// The thread that answers is never kept from it for long, whatever comes: the server runs in this
// process and a storm comes from another one, while a timer here tells when it was late.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { openBank } from "../../src/bank.ts";
import { serve } from "../../src/serve.ts";
import { storm } from "../binary/storm.ts";
import { noteTorture, times } from "../torture.ts";
import { addAccount, BUYER, bankFolder } from "./bank.ts";

const SECONDS = times(2, 30);
/**
 * A round of the loop serves all that is there, some 30 microseconds each: the more connections
 * have a request at one time, the longer it is, and a thousand come near to the limit.
 */
const CONNECTIONS = times(300, 800);
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

/** One storm over a bank of its own. */
async function stormed() {
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
  // The sustained rate, and the code warm.
  const warm = { ...common, prefix: "warm", connections: 64, seconds: 1.5, rate: null };
  const rate = (await storm(warm)).perSecond * 10;
  const stop = watch();
  const how = { connections: CONNECTIONS, seconds: SECONDS, rate };
  const { answered, closed } = await storm({ ...common, prefix: "storm", ...how });
  const late = stop();
  await served.close();
  folder.remove();
  expect(closed).toBe(0);
  return { answered, looks: late.length, longestMs: late[0] ?? 0 };
}

test.if(process.platform === "linux")(
  `ten times the load for ${SECONDS} s: the thread that answers is never blocked for ${MOST_MS} ms`,
  async () => {
    let seen = await stormed();
    // The machine itself may stand still for a moment; it does not three times.
    for (let tries = 1; tries < 3 && seen.longestMs >= MOST_MS; tries += 1) seen = await stormed();
    expect(seen.longestMs).toBeLessThan(MOST_MS);
    noteTorture({
      injected: `ten times the load over ${CONNECTIONS} connections for ${SECONDS} s, seen from the thread that answers`,
      times: seen.answered,
      held: `it was kept for ${seen.longestMs.toFixed(1)} ms at the longest, of ${seen.looks} looks`,
    });
  },
  times(60_000, 300_000),
);
