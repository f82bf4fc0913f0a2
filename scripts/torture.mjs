// npm run torture: faults, races and hostile input in full, and a table of what held.

import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { binary, bun, ensureInstalled, helpWhenAsked, root, run, stop } from "./launcher.mjs";

const HELP = `
npm run torture [-- --only PATTERN]

Installs, builds, and puts the compiled program through faults, races and hostile input in full:
the test files that use test/torture.ts, whose short forms npm test runs. It takes about an hour.
The table in docs/reliability.md is written anew when all of it held; otherwise, and with --only, it
goes to standard output alone, and the exit code is 1 when anything failed.

  --only PATTERN    only test files whose path contains this
`;

const REPORT = join(root, "docs", "reliability.md");
const BEGIN = "<!-- npm run torture writes from here -->";
const END = "<!-- to here -->";
/** Where a test does not say itself how long it may take in full. */
const TIMEOUT_MS = 30 * 60_000;

const args = process.argv.slice(2);
helpWhenAsked(args, HELP);
const { only } = parse(args);
await ensureInstalled();
await torture();

function parse(args) {
  try {
    const options = { only: { type: "string" } };
    return parseArgs({ args, options, allowPositionals: false }).values;
  } catch (error) {
    return stop(`${error.message}. See npm run torture -- --help`);
  }
}

async function torture() {
  const files = testFiles();
  if (files.length === 0) stop(`No test file of the torture matches ${only}.`);
  const built = await run(process.execPath, [join(root, "scripts", "build.mjs")]);
  if (built !== 0) stop(`The build failed (exit code ${built}).`);
  const folder = mkdtempSync(join(tmpdir(), "transact-bank-torture-"));
  try {
    const program = join(folder, basename(binary));
    copyFileSync(binary, program);
    const rows = join(folder, "rows.jsonl");
    writeFileSync(rows, "");
    const startedAt = Date.now();
    const code = await bunTest(files, { TRANSACT_BANK_BINARY: program, TORTURE_ROWS: rows });
    const table = tableOf(rowsIn(rows), { startedAt, program });
    console.log(table);
    if (code !== 0) stop(`Not all of it held (exit code ${code}): see above.`);
    if (only === undefined) writeReport(table);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The test files that come in two sizes, as bun takes them. */
function testFiles() {
  return readdirSync(join(root, "test"), { recursive: true })
    .filter((name) => name.endsWith(".test.ts"))
    .filter((name) => /\/torture\.ts"/.test(readFileSync(join(root, "test", name), "utf8")))
    .map((name) => `./test/${name}`)
    .filter((name) => only === undefined || name.includes(only))
    .sort();
}

function bunTest(files, env) {
  return run(bun, ["test", `--timeout=${TIMEOUT_MS}`, ...files], {
    stdin: "ignore",
    env: { ...process.env, ...env, TORTURE: "full" },
  });
}

function rowsIn(file) {
  const lines = readFileSync(file, "utf8").split("\n").filter(Boolean);
  return lines.map((line) => JSON.parse(line));
}

function tableOf(rows, { startedAt, program }) {
  const minutes = Math.round((Date.now() - startedAt) / 60_000);
  const day = new Date(startedAt).toISOString().slice(0, 10);
  const command = `npm run torture${only === undefined ? "" : ` -- --only ${only}`}`;
  const cell = (text) => String(text).replaceAll("|", "\\|");
  return [
    `\`${command}\` on ${day}, ${minutes} minutes, ${machine()}; ${version(program)}.`,
    "",
    "| injected | times | held |",
    "|---|---|---|",
    ...rows.map(({ injected, times, held }) => `| ${cell(injected)} | ${times} | ${cell(held)} |`),
  ].join("\n");
}

/** The commit that the program was built from. */
function version(program) {
  const { stdout } = spawnSync(program, ["version"], { encoding: "utf8" });
  return stdout.trim().replaceAll(/ +/g, " ").replaceAll("\n", ", ");
}

function machine() {
  const [{ model }] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} x ${model.trim()}, ${memory} GiB, ${process.platform} ${release()}`;
}

function writeReport(table) {
  const text = readFileSync(REPORT, "utf8");
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from === -1 || to < from) stop(`${REPORT} has no place for the table: ${BEGIN} ... ${END}`);
  writeFileSync(REPORT, `${text.slice(0, from)}${BEGIN}\n\n${table}\n\n${text.slice(to)}`);
  console.error(`Wrote ${REPORT}`);
}
