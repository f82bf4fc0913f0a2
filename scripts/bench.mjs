// npm run bench: measures the compiled program beside its peers, from nothing, in one run.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { findPostgres } from "./bench/peers/postgres.mjs";
import { compileArguments } from "./compile.mjs";
import {
  binary,
  bun,
  ensureInstalled,
  helpWhenAsked,
  newestChange,
  root,
  run,
  stop,
} from "./launcher.mjs";

const HELP = `
npm run bench [-- OPTIONS]

Installs, builds and measures: the program, the limit (its HTTP layer over an engine that keeps
nothing), the same bank with one commit a request, Fastify and Express over better-sqlite3 and
PostgreSQL, and pgbench. Every answer is checked: a wrong one ends the run with exit code 1.

  --short           a few seconds, to see that it works; figures mean nothing. What is not
                    installed yet is left out. Writes no file.
  --rounds N        rounds that the medians are taken of (default 5)
  --seconds N       measured seconds of each case in each round (default 5)
  --warmup N        seconds before those (default 2)
  --accounts N      accounts of the bank, but for growth (default 100000)
  --only NAME,...   parts: connections, hot, signed, arrivals, disks, counts, profile, growth
                    contestants: ours, limit, one-by-one, fastify-better-sqlite3, fastify-pg,
                    express-pg, pgbench
  --growth N,...    reservations that are there before (default 1e5,1e6,1e7)
  --growth-accounts N   accounts of those banks (default 1e6)
  --out DIR         where performance.json, .svg and .md are written (default docs; with --only
                    nothing is written unless it is named)
  --work-dir DIR    where the banks are made (default: a new folder for temporary files, removed at
                    the end). In a named one the seeded and grown banks stay for the next run.

The tables go to standard output too, progress to standard error.
`;

const OPTIONS = Object.fromEntries([
  ["short", { type: "boolean" }],
  ...[
    ...["rounds", "seconds", "warmup", "accounts", "only", "growth", "growth-accounts"],
    ...["out", "work-dir"],
  ].map((name) => [name, { type: "string" }]),
]);

/** Nothing to read, and all output on standard error: standard output is the tables'. */
const AS_ASIDE = { stdin: "ignore", stdout: 2 };

const bench = join(root, "scripts", "bench");
const peers = join(bench, "peers");
const programs = join(dirname(binary), "bench");

const args = process.argv.slice(2);
helpWhenAsked(args, HELP);
const { short } = parse(args);
await ensureInstalled();
await build();
if (!short) {
  await installPeers();
  await installPostgres();
}
process.exitCode = await run(bun, [join(bench, "main.ts"), ...args], { cwd: process.cwd() });

function parse(args) {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: false }).values;
  } catch (error) {
    return stop(`${error.message}. See npm run bench -- --help`);
  }
}

/** The program, and what it is compared with that is made of its parts. */
async function build() {
  await must(process.execPath, [join(root, "scripts", "build.mjs")], "the build failed");
  mkdirSync(programs, { recursive: true });
  for (const name of ["limit", "one-by-one"]) {
    const program = {
      main: join(bench, `${name}.ts`),
      outfile: join(programs, name),
      commit: "bench",
    };
    await must(bun, compileArguments(program), `${name}.ts could not be compiled`);
  }
}

async function installPeers() {
  const marker = join(peers, "node_modules", ".package-lock.json");
  const lockFile = join(peers, "package-lock.json");
  if (existsSync(marker) && newestChange([marker]) >= newestChange([lockFile])) return;
  console.error("Installing the peers (npm ci in scripts/bench/peers) ...");
  await must("npm", ["ci"], "npm ci failed in scripts/bench/peers, see above", { cwd: peers });
}

/** Without PostgreSQL the others are measured all the same, and the report says what is missing. */
async function installPostgres() {
  if (postgresIsThere()) return;
  console.error("Installing PostgreSQL (apt-get) ...");
  const sudo = process.getuid() === 0 ? [] : ["sudo", "-n"];
  const options = { ...AS_ASIDE, env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } };
  for (const step of [["update"], ["install", "-y", "postgresql"]]) {
    const [command, ...rest] = [...sudo, "apt-get", ...step];
    await run(command, rest, options);
  }
  if (postgresIsThere()) return;
  console.error("PostgreSQL could not be installed (apt-get install postgresql): it is left out.");
}

function postgresIsThere() {
  try {
    return spawnSync(join(findPostgres(), "postgres"), ["--version"]).status === 0;
  } catch {
    return false;
  }
}

async function must(command, args, problem, options = {}) {
  const code = await run(command, args, { ...AS_ASIDE, ...options });
  if (code !== 0) stop(`${problem} (exit code ${code}).`);
}
