// npm test: every check there is, in one count.

import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import {
  binary,
  bun,
  ensureInstalled,
  helpWhenAsked,
  NO_ANSWER,
  root,
  run,
  stop,
} from "./launcher.mjs";

const HELP = `
npm test [-- [--only STEP] [PATTERN]]

Runs, in this order, and goes on when one fails:
  types    the compiler, over src, cli, test and scripts
  lint     the linter and the format ("npm run fix" repairs most of it)
  audit    known holes in the packages that end up in the program, where the registry tells
  unit     the tests in test/, and that they cover src/domain completely
  simulation  whole banks under fresh seeds, against a reference model
  binary   the build, then test/binary with the built program in an empty folder
  postgres  several appliances on PostgreSQL servers of their own, and the shared tests there
  bench    the benchmark's short form: that it works and no answer is wrong, never a time

The last line is "N passed, N failed": the tests, and one each for the types, the lint, the
audit, the coverage, the build and the benchmark. The exit code is 1 when anything failed or a suite had no tests.

  npm test -- --only unit          one of these steps
  npm test -- reserve              only test files whose path contains "reserve"; no coverage
  npm test -- --only unit reserve
`;

const STEPS = {
  types: testTypes,
  lint: testLint,
  audit: testAudit,
  unit: testUnit,
  simulation: testSimulation,
  binary: testBinary,
  postgres: testPostgres,
  bench: testBench,
};
const TEST_FILE = /[._](test|spec)\.[cm]?[jt]sx?$/;
const TIMEOUT_MS = 30_000;

/** What runs on PostgreSQL as it does on SQLite; the others of test/storage are of SQLite's files. */
const SHARED =
  /^test\/(http\/|storage\/(admin|approvals|model|prune|reads|served|statement|verify)\.)/;

const total = { passed: 0, failed: 0 };
/** Whether the program could be built; null before. */
let built = null;
/** What could not be checked, said again at the end: it must not pass for well. */
const unknown = new Set();
/** So a test says what it leaves out, for want of a program that .ci/run would install. */
const NOT_CHECKED = /^NOT CHECKED: (.+)$/gm;

const args = process.argv.slice(2);
helpWhenAsked(args, HELP);
const { only, pattern } = parse(args);
await ensureInstalled();
await testAll();

async function testAll() {
  for (const step of steps()) await STEPS[step]();
  if (total.passed + total.failed === 0) count("tests", false, `No test file matches ${pattern}.`);
  for (const what of unknown) console.error(`NOT CHECKED: ${what}`);
  process.exitCode = total.failed > 0 ? 1 : 0;
  console.log(`${total.passed} passed, ${total.failed} failed`);
}

function parse(args) {
  const rest = [...args];
  const at = rest.findIndex((arg) => arg === "--only" || arg.startsWith("--only="));
  let only;
  if (at !== -1) {
    const [flag, value] = rest.splice(at, rest[at] === "--only" ? 2 : 1);
    only = value ?? flag.slice("--only=".length);
    if (!Object.hasOwn(STEPS, only)) stop(`--only takes one of: ${Object.keys(STEPS).join(", ")}.`);
  }
  if (rest.length > 1 || rest[0]?.startsWith("-")) {
    stop(`Unknown argument ${rest.find((arg) => arg.startsWith("-")) ?? rest[1]}. See --help.`);
  }
  return { only, pattern: rest[0] };
}

function steps() {
  if (only) return [only];
  return pattern ? ["unit", "simulation", "binary", "postgres"] : Object.keys(STEPS);
}

async function testTypes() {
  heading("types");
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  count("types", (await check(process.execPath, [tsc, "--noEmit"])) === 0);
}

async function testLint() {
  heading("lint");
  const biome = join(root, "node_modules", "@biomejs", "biome", "bin", "biome");
  // It colours a file or a pipe as well, unless told not to.
  const flags = ["--error-on-warnings", ...(process.stdout.isTTY ? [] : ["--colors=off"])];
  const code = await check(process.execPath, [biome, "ci", ...flags]);
  count("lint", code === 0, '"npm run fix" repairs what it can.');
}

async function testAudit() {
  heading("audit");
  const code = await check(process.execPath, [join(root, "scripts", "audit.mjs")]);
  // Who asks for nothing else needs the answer.
  if (code !== NO_ANSWER || only) return count("audit", code === 0, "See above.");
  unknown.add("known holes in the packages, for the registry gave no answer (see audit above)");
}

async function testUnit() {
  const files = testFiles("test", (name) => !/^(binary|cli|postgres|simulation)\//.test(name));
  if (pattern && files.length === 0) return;
  heading("unit tests");
  if (pattern) return countTests("unit tests", await bunTest(files));

  const folder = join(root, "coverage");
  rmSync(folder, { recursive: true, force: true });
  const result = await bunTest(files, {
    flags: [
      ...["--coverage", "--coverage-reporter=text", "--coverage-reporter=lcov"],
      ...["--preload", "./scripts/load-domain.ts"],
    ],
  });
  const problem = coverageProblem(join(folder, "lcov.info"));
  count("coverage", !problem, problem);
  // Bun fails for the coverage alone as well (bunfig.toml), and that is counted already.
  countTests("unit tests", result, problem !== undefined);
}

/** Without coverage, which would slow it down; each seed counts as one test. */
async function testSimulation() {
  const files = testFiles("test/simulation");
  if (pattern && files.length === 0) return;
  heading("simulation");
  countTests("simulation", await bunTest(files));
}

/** Says what is missing in the coverage of src/domain; nothing when it is complete. */
function coverageProblem(report) {
  const files = existsSync(report) ? readFileSync(report, "utf8").split("end_of_record\n") : [];
  const figure = (file, key) => Number(new RegExp(`^${key}:(\\d+)$`, "m").exec(file)?.[1]);
  const complete = (file, hit, found) => figure(file, hit) === figure(file, found);
  const measured = files.filter((file) => /^SF:/m.test(file));
  const incomplete = measured
    .filter((file) => !(complete(file, "LH", "LF") && complete(file, "FNH", "FNF")))
    .map((file) => /^SF:(.*)$/m.exec(file)[1]);
  if (measured.length === 0) return "Nothing of src/domain was measured; did bun stop early?";
  if (incomplete.length === 0) return undefined;
  return `These have lines or functions without a test (table above): ${incomplete.join(", ")}`;
}

async function testBinary() {
  // The commands are tested as users have them: compiled.
  const files = [...testFiles("test/binary"), ...testFiles("test/cli")];
  if (pattern && files.length === 0) return;
  if (!(await build())) return;
  heading("binary tests");
  countTests("binary tests", await withProgram((env) => bunTest(files, { env })));
}

/** True where the program is built, which is done and counted once. */
async function build() {
  if (built !== null) return built;
  heading("build");
  built = (await check(process.execPath, [join(root, "scripts", "build.mjs")])) === 0;
  count("build", built, "So what is tested with the built program did not run.");
  return built;
}

/** Alone in a folder, far from node_modules and the sources, it must find everything in itself. */
async function withProgram(test) {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), "transact-bank-test-"));
  try {
    const copy = join(folder, basename(binary));
    copyFileSync(binary, copy);
    chmodSync(copy, 0o755);
    return await test({ TRANSACT_BANK_BINARY: copy });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What several appliances do on real servers, then the shared tests, on PostgreSQL as they are. */
async function testPostgres() {
  const own = testFiles("test/postgres");
  const shared = testFiles("test", (name) => SHARED.test(`test/${name}`));
  if (own.length > 0 && (await build())) {
    heading("appliances on PostgreSQL");
    const result = await withProgram((env) => bunTest(own, { env }));
    // Where there is no PostgreSQL all of them are skipped, which is said.
    if (result.code !== 0 || result.passed > 0) countTests("appliances on PostgreSQL", result);
  }
  // With a pattern they were run already, on the engine that they are first for.
  if (pattern || !hasPostgres()) return;
  heading("shared tests on PostgreSQL");
  const result = await bunTest(shared, {
    flags: ["--preload", "./test/postgres/engine.ts"],
    env: { TRANSACT_BANK_TEST_ENGINE: "postgres" },
  });
  countTests("shared tests on PostgreSQL", result);
}

/** As test/postgres/programs.ts finds it; what is missing was said there. */
function hasPostgres() {
  return existsSync("/usr/lib/postgresql");
}

async function testBench() {
  heading("benchmark, short form");
  count(
    "bench",
    (await check(process.execPath, [join(root, "scripts", "bench.mjs"), "--short"])) === 0,
  );
}

/** Gives the test files below a folder as bun takes them, "./test/...", narrowed to the pattern. */
function testFiles(folder, wanted = () => true) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true })
    .filter((name) => TEST_FILE.test(name) && wanted(name))
    .map((name) => `./${folder}/${name}`)
    .filter((name) => !pattern || name.includes(pattern))
    .sort();
}

/** Runs test files in bun; gives how many tests passed and failed, and bun's exit code. */
async function bunTest(files, { flags = [], env = {} } = {}) {
  if (files.length === 0) return { passed: 0, failed: 0, code: 0 };
  let output = "";
  const code = await check(bun, ["test", `--timeout=${TIMEOUT_MS}`, ...flags, ...files], {
    // Its output passes through here, so bun cannot see by itself that there is a terminal.
    env: { ...process.env, ...(process.stderr.isTTY && { FORCE_COLOR: "1" }), ...env },
    onStderr: (piece) => {
      process.stderr.write(piece);
      output += piece;
    },
  });
  for (const [, what] of stripVTControlCharacters(output).matchAll(NOT_CHECKED)) unknown.add(what);
  // The last such lines are bun's summary; a test may print something like them before.
  const summaries = /^ (\d+) pass\n(?: \d+ (?:skip|todo)\n)* (\d+) fail\n/gm;
  const last = [...stripVTControlCharacters(output).matchAll(summaries)].at(-1);
  return { passed: Number(last?.[1] ?? 0), failed: Number(last?.[2] ?? 0), code };
}

/** Counts tests; a failed exit code alone counts as well, unless something counted explains it. */
function countTests(name, { passed, failed, code }, explained = false) {
  total.passed += passed;
  total.failed += failed;
  if (passed + failed === 0) count(name, false, `No test ran (exit code ${code}).`);
  else if (code !== 0 && failed === 0 && !explained)
    count(name, false, `Bun ended with exit code ${code}.`);
}

/** Runs a check without a keyboard, so that nothing can wait for an answer. */
function check(command, args, options = {}) {
  return run(command, args, { stdin: "ignore", ...options });
}

function count(name, passed, why = "") {
  total[passed ? "passed" : "failed"] += 1;
  if (passed) console.log(`${name}: passed`);
  else console.error(`${name}: FAILED. ${why}`.trim());
}

function heading(text) {
  console.log(`\n== ${text}`);
}
