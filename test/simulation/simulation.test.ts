// Whole banks under seeds that nobody has seen before, and those that once failed. A run that fails
// prints its seed; npm run simulate -- --seed N replays it.
import { afterAll, expect, test } from "bun:test";
import { noteTorture, times } from "../torture.ts";
import { FAILED_SEEDS } from "./failed-seeds.ts";
import { removeTemplates, simulate } from "./simulation.ts";
import { failureText } from "./trace.ts";

/** Each has some four thousand steps. */
const RUNS = times(100, 2_000);
const TIMEOUT_MS = 120_000;
const first = Date.now() % 1_000_000_000;

let steps = 0;
let agreed = 0;
afterAll(() => {
  removeTemplates();
  if (agreed < RUNS + FAILED_SEEDS.length) return;
  noteTorture({
    injected: "a simulated disk, network and clock with faults, from one seed each",
    times: steps,
    held: `${agreed} runs agree with the reference model at each of ${steps} steps`,
  });
});

async function mustAgree(seed: number): Promise<void> {
  const outcome = await simulate(seed);
  steps += outcome.steps;
  if (outcome.error !== null) throw new Error(failureText(outcome));
  agreed += 1;
}

for (const { seed, found } of FAILED_SEEDS) {
  test(`seed ${seed}, which found ${found}`, () => mustAgree(seed), TIMEOUT_MS);
}

for (let seed = first; seed < first + RUNS; seed += 1) {
  test(`seed ${seed}`, () => mustAgree(seed), TIMEOUT_MS);
}

test(
  "one seed is one run, step by step",
  async () => {
    const [once, again] = [await simulate(first), await simulate(first)];
    expect(again.hash).toBe(once.hash);
    expect((await simulate(first + 1)).hash).not.toBe(once.hash);
  },
  TIMEOUT_MS,
);
