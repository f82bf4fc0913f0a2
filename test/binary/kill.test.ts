// kill -9 in the middle of everything, again and again, on the same data dir.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { noteTorture, times } from "../torture.ts";
import { loadAndKill, newLoadBank, newLog, problemsOf, sendAgain } from "./load.ts";
import type { Bank, Server } from "./program.ts";

/** A bank that grew over more kills would only make `verify` slow. */
const KILLS_A_BANK = 20;
/** What docs/reliability.md promises of a start. */
const READY_WITHIN_MS = 2_000;
/** Requests of before that are sent once more, beside all that were not answered. */
const REPEATS = 200;

let bank: Bank;
beforeEach(async () => {
  bank = await newLoadBank();
});
afterEach(() => bank.remove());

/** Starts the server; gives how long it took until it was ready, in milliseconds. */
async function start(): Promise<{ server: Server; readyMs: number }> {
  const startedAt = performance.now();
  const server = await bank.serve();
  const { status } = await fetch(`${server.url}/health/ready`);
  expect(status).toBe(200);
  return { server, readyMs: performance.now() - startedAt };
}

/** Kills a server so many times, and judges the bank after each; gives what was seen. */
async function killedBank(kills: number): Promise<{ answers: number; readyMs: number[] }> {
  const log = newLog();
  const readyMs: number[] = [];
  let { server } = await start();
  for (let kill = 1; kill <= kills; kill += 1) {
    const before = log.exchanges.length;
    // Every time after another while, so that all moments of a batch's life are met.
    await loadAndKill(server, log, Bun.sleep(150 + ((kill * 137) % 400)));
    const started = await start();
    server = started.server;
    readyMs.push(started.readyMs);
    const latest = log.exchanges.slice(before);
    const again = [...latest.filter(({ answer }) => answer === null), ...latest.slice(-REPEATS)];
    await sendAgain(server.url, log, again);
    const problems = await problemsOf(bank, log);
    expect([problems.length, problems.slice(0, 10)]).toEqual([0, []]);
  }
  expect((await server.stop()).exit).toBe(0);
  expect(log.unusual).toEqual([]);
  return { answers: log.exchanges.filter(({ answer }) => answer !== null).length, readyMs };
}

describe("kill -9 under load", () => {
  test(
    "what was answered stands, what was not is decided once, and it is ready in 2 s",
    async () => {
      const kills = times(8, 200);
      const readyMs: number[] = [];
      let answers = 0;
      for (let done = 0; done < kills; done += KILLS_A_BANK) {
        const seen = await killedBank(Math.min(KILLS_A_BANK, kills - done));
        answers += seen.answers;
        readyMs.push(...seen.readyMs);
        bank.remove();
        bank = await newLoadBank();
      }
      expect(answers).toBeGreaterThan(kills * 50);
      const ready = readyMs.map(Math.ceil).sort((a, b) => a - b);
      expect(ready.at(-1)).toBeLessThan(READY_WITHIN_MS);
      noteTorture({
        injected: "kill -9 under load of 32 clients, the same data dir again and again",
        times: kills,
        held:
          `I1-I7; none of ${answers.toLocaleString("en")} answers lost; ready again in ` +
          `${ready[kills >> 1]} ms (median), all in ${ready.at(-1)}`,
      });
    },
    times(60_000, 1_800_000),
  );
});
