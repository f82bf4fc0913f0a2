// npm run simulate: runs seeds and says what each came to (scripts/simulate.mjs explains it).
import { parseArgs } from "node:util";
import { removeTemplates, STEPS, simulate } from "./simulation.ts";
import { failureText } from "./trace.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    steps: { type: "string" },
    runs: { type: "string" },
    seconds: { type: "string" },
  },
});

const steps = Number(values.steps ?? STEPS);
const isReplay = values.seed !== undefined && values.runs === undefined;
const runs = Number(values.runs ?? (isReplay ? 1 : values.seconds === undefined ? 20 : Infinity));
const seconds = Number(values.seconds ?? Infinity);
const first = Number(values.seed ?? Date.now() % 1_000_000_000);

/** Runs one seed after the other; gives the exit code. */
async function runAll(): Promise<number> {
  console.log(`seed ${first}, about ${steps} steps a run`);
  const startedAt = performance.now();
  let total = 0;
  let run = 0;
  for (; run < runs && performance.now() - startedAt < seconds * 1_000; run += 1) {
    const outcome = await simulate(first + run, steps);
    total += outcome.steps;
    if (isReplay) console.log(outcome.trace.lines.join("\n"));
    if (outcome.error !== null) {
      console.error(failureText(outcome));
      console.error(`after ${total} steps in ${run + 1} runs`);
      console.error(`npm run simulate -- --seed ${outcome.seed} --steps ${steps}   replays it`);
      return 1;
    }
    if (isReplay) console.log(`the trace's hash is ${outcome.hash}`);
  }
  const took = ((performance.now() - startedAt) / 1_000).toFixed(1);
  console.log(`${run} runs, ${total} steps in ${took} s: all agree with the model`);
  return 0;
}

// What a run leaves may be in memory, and nobody else would take it away.
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    removeTemplates();
    process.exit(1);
  });
}
try {
  process.exitCode = await runAll();
} finally {
  removeTemplates();
}
