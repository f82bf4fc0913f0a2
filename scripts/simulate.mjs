// npm run simulate: whole banks under seeds, with simulated time, disk and network.

import { join } from "node:path";
import { parseArgs } from "node:util";
import { bun, ensureInstalled, helpWhenAsked, root, run, stop } from "./launcher.mjs";

const HELP = `
npm run simulate [-- OPTIONS]

For developers. To play Clickatell against a running bank: transact-bank simulate URL.

Runs a whole bank (HTTP layer, engine, SQLite) with simulated time, disk and network, and compares
every step with a small reference model; docs/simulation.md says what it covers. One seed is one run,
exactly. Without options: twenty runs with seeds that nobody has seen before.

  --seed N      this seed; alone, it prints the whole trace
  --runs N      so many runs, the seed one more each
  --seconds N   runs for so long
  --steps N     steps of a run before the faults stop (default 3000); part of what a seed means

The first line says the seed. A run that fails prints what is wrong, with the last steps of the
request or account concerned, and the exit code is 1.
`;

const NUMBERS = ["seed", "runs", "seconds", "steps"];

const args = process.argv.slice(2);
helpWhenAsked(args, HELP);
check(args);
await ensureInstalled();
const main = join(root, "test", "simulation", "main.ts");
process.exitCode = await run(bun, [main, ...args], { stdin: "ignore" });

function check(args) {
  try {
    const options = Object.fromEntries(NUMBERS.map((name) => [name, { type: "string" }]));
    const { values } = parseArgs({ args, options, allowPositionals: false });
    for (const [name, value] of Object.entries(values)) {
      if (!/^\d{1,12}$/.test(value)) stop(`--${name} takes a whole number. See --help.`);
    }
  } catch (error) {
    stop(`${error.message}. See npm run simulate -- --help`);
  }
}
