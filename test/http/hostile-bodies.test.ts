// Generated hostile bodies against the app and a real bank: each answer is one that the contract
// allows to just these bytes, and nothing grows. A failure prints its seed and the body;
// TRANSACT_BANK_SEED=n starts with that seed.

import { heapStats } from "bun:jsc";
import { expect, test } from "bun:test";
import fc from "fast-check";
import { noteTorture, times } from "../torture.ts";
import { addAccount, type TestBank, testBank } from "./bank.ts";
import { HOSTILE, type Hostile, shown } from "./hostile-input.ts";
import { wrongAnswer } from "./oracle.ts";

const BODIES = times(20_000, 1_000_000);
/** What is under way at one time, and shares commits. */
const AT_ONCE = 64;
/** Bodies for one bank: their receipts must not fill the disk. */
const PER_BANK = 50_000;
const SEED = Number(process.env["TRANSACT_BANK_SEED"] ?? 20_261_124);
/** Of the heap after a collection, and of the process's memory. */
const MOST_GROWTH_MB = { heap: 16, rss: 150 };

/** What an answer may have; none of them carries anything of the request. */
const HEADERS: ReadonlySet<string> = new Set([...["content-type", "connection", "x-request-id"]]);
/** The buyers of the real bodies. */
const BUYERS = ["2348031234567", "0821234567", "27731304799"];

function openBank(): TestBank {
  const bank = testBank({ accounts: [] });
  for (const [index, buyer] of BUYERS.entries()) {
    addAccount(bank.store, { number: String(1001 + index), buyers: [buyer], balance: 999_999_999 });
  }
  return bank;
}

/** Sends one and counts its status; gives why the answer is wrong. */
async function wrongOf(
  bank: TestBank,
  hostile: Hostile,
  statuses: Map<number, number>,
): Promise<string | null> {
  const { call, bytes, headers } = hostile;
  const answer = await bank.post(`/${call}`, bytes, headers);
  statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
  const strange = [...answer.headers.keys()].filter((name) => !HEADERS.has(name));
  const why = strange.length > 0 ? `headers ${strange}` : wrongAnswer(call, bytes, answer);
  return why === null ? null : `${why}: ${answer.status} ${answer.body}\n${shown(hostile)}`;
}

function memory() {
  Bun.gc(true);
  const { heapSize } = heapStats();
  return { heap: heapSize / 1e6, rss: process.memoryUsage().rss / 1e6 };
}

test(
  `${BODIES} generated bodies: each answer is the contract's, and nothing grows`,
  async () => {
    const statuses = new Map<number, number>();
    let settled: ReturnType<typeof memory> | null = null;
    for (let done = 0; done < BODIES; done += PER_BANK) {
      const bank = openBank();
      const until = Math.min(BODIES, done + PER_BANK);
      for (let from = done; from < until; from += AT_ONCE) {
        const batch = fc.sample(HOSTILE, { numRuns: AT_ONCE, seed: SEED + from });
        const wrong = await Promise.all(batch.map((hostile) => wrongOf(bank, hostile, statuses)));
        const first = wrong.find((why) => why !== null);
        if (first !== undefined) throw new Error(`TRANSACT_BANK_SEED=${SEED + from}: ${first}`);
        // What the first half of the first bank needed, code and caches, is there to stay.
        if (from >= until / 2) settled ??= memory();
      }
      expect(bank.store.verify().filter(({ ok }) => !ok)).toEqual([]);
      await bank.close();
    }
    const now = memory();
    const more = { heap: now.heap - settled!.heap, rss: now.rss - settled!.rss };
    expect(more.heap).toBeLessThan(MOST_GROWTH_MB.heap);
    expect(more.rss).toBeLessThan(MOST_GROWTH_MB.rss);
    // Some of each kind, or the generator has lost its teeth.
    for (const status of [200, 202, 400, 404, 413]) expect(statuses.get(status)).toBeGreaterThan(5);
    const mix = [...statuses].map(([status, n]) => `${n} of ${status}`).join(", ");
    noteTorture({
      injected: "hostile bodies, generated, against the two calls",
      times: BODIES,
      held: `each answer is the contract's (${mix}); memory ${more.rss.toFixed(0)} MB more than after the first ones`,
    });
  },
  times(60_000, 3_600_000),
);
