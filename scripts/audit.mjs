// node scripts/audit.mjs: known holes in the packages that end up in the program.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { helpWhenAsked, NO_ANSWER, root, stop } from "./launcher.mjs";

const HELP = `
node scripts/audit.mjs

Asks the package registry (npm audit) for known holes in the packages that end up in the program:
the production dependencies, and bun, which is compiled into it. A hole that is moderate or worse
is named. npm test runs it as its step "audit".

Exit codes: 0 none is known, 1 there is one, 3 the registry gave no answer, so nothing is known.
`;

const BAD_ENOUGH = ["moderate", "high", "critical"];

const args = process.argv.slice(2);
helpWhenAsked(args, HELP);
if (args.length > 0) stop(`Unknown argument ${args[0]}. Try: node scripts/audit.mjs --help`);
process.exitCode = audit();

function audit() {
  // Few tries and short ones: no answer must not hold up the other checks.
  const flags = ["--package-lock-only", "--fetch-retries=0", "--fetch-timeout=20000"];
  const options = { cwd: root, encoding: "utf8", maxBuffer: 2 ** 26, timeout: 60_000 };
  const { stdout } = spawnSync("npm", ["audit", "--json", ...flags], options);
  const answer = parsed(stdout);
  if (answer?.vulnerabilities === undefined) {
    const why = answer?.message ?? "npm audit gave no document";
    console.error(`Whether a package has a known hole is NOT KNOWN: ${why}`);
    return NO_ANSWER;
  }
  const ours = packagesOfTheProgram();
  // A package's own holes are objects; that it uses another package with one is only that one's name.
  const holes = Object.values(answer.vulnerabilities)
    .filter(({ name }) => ours.has(name))
    .flatMap(({ name, via }) => via.map((cause) => ({ ...cause, name })))
    .filter(({ severity }) => BAD_ENOUGH.includes(severity));
  for (const { name, severity, range, title, url } of holes) {
    console.error(`${name} ${range}: ${severity}: ${title} (${url})`);
  }
  return holes.length > 0 ? 1 : 0;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Names of the packages that are no mere tools of development. */
function packagesOfTheProgram() {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const names = Object.entries(packages)
    .map(([path, { dev }]) => ({ name: path.replace(/^.*node_modules\//, ""), dev }))
    .filter(({ name, dev }) => dev !== true || name === "bun" || name.startsWith("@oven/"))
    .map(({ name }) => name);
  return new Set(names);
}
