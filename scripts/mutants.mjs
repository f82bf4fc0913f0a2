// npm run mutants: do the simulation and the tests notice deliberate bugs?

import { join } from "node:path";
import { parseArgs } from "node:util";
import { bun, ensureInstalled, helpWhenAsked, root, run, stop } from "./launcher.mjs";

const HELP = `
npm run mutants [-- OPTIONS]

Copies the project into a temporary folder and breaks one promise there after the other, each by a
deliberate bug of scripts/mutants/list.ts. For each it runs the simulation (seeds 1, 2, ...) and, if
that notices nothing, the tests named for the bug. It prints a table: the bug, the promise, and what
noticed it, or SURVIVED. The exit code is 1 where one survived.

  --only NAME,...   these alone
  --runs N          runs of the simulation before a bug counts as not noticed by it (default 40)
`;

const args = process.argv.slice(2);
helpWhenAsked(args, HELP);
check(args);
await ensureInstalled();
const main = join(root, "scripts", "mutants", "main.ts");
process.exitCode = await run(bun, [main, ...args], { stdin: "ignore" });

function check(args) {
  try {
    const options = { only: { type: "string" }, runs: { type: "string" } };
    const { values } = parseArgs({ args, options, allowPositionals: false });
    if (!/^\d{1,6}$/.test(values.runs ?? "1")) stop("--runs takes a whole number. See --help.");
  } catch (error) {
    stop(`${error.message}. See npm run mutants -- --help`);
  }
}
