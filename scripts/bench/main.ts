// The run: what is asked for is measured, checked, told and written. scripts/bench.mjs starts it.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chartOf } from "./chart.ts";
import { availableOf } from "./contestants.ts";
import { compileFlushes } from "./flushes.ts";
import { openFolders, sizeOf } from "./folders.ts";
import { grownBank } from "./growth.ts";
import { describeMachine } from "./machine.ts";
import type { Context } from "./measure.ts";
import { type ContestantName, type Options, readOptions, UsageError } from "./options.ts";
import {
  arrivalGroups,
  closedGroup,
  closedGroups,
  type Group,
  growthGroups,
  manyOf,
} from "./plan.ts";
import { postgresVersion } from "./postgres.ts";
import { endAll, endOnSignals, isEnding, mustRun } from "./processes.ts";
import { profile } from "./profile.ts";
import { markdownOf, type Results, withResults } from "./report.ts";
import { runRounds } from "./rounds.ts";
import { whileSteady } from "./stalls.ts";
import { findCase, type GroupResult, spread } from "./stats.ts";

const FORMATTER = join(import.meta.dir, "../../node_modules/@biomejs/biome/bin/biome");

const tell = (line: string) => console.error(line);

/** Groups that need the library for flushes are left out where it could not be made. */
function possible(groups: readonly Group[], { flushes }: Context): Group[] {
  if (flushes !== null) return [...groups];
  const needs = groups.filter(({ part }) => part === "disks" || part === "counts");
  if (needs.length > 0) tell("Without a C compiler (cc) flushes are neither slowed nor counted.");
  return groups.filter((group) => !needs.includes(group));
}

async function measureAll(
  context: Context,
  available: readonly ContestantName[],
): Promise<GroupResult[]> {
  const { options } = context;
  const planner = { options, available };
  const closed = await runRounds(possible(closedGroups(planner), context), context, tell);
  const rate = (contestant: ContestantName, connections: number) => {
    const result = findCase(closed, closedGroup(connections), contestant);
    return spread(result, ({ perSecond }) => perSecond)?.median ?? null;
  };
  const arrivals = await runRounds(arrivalGroups(planner, rate), context, tell);
  const growth = await runRounds(growthGroups(planner), context, tell);
  return [...closed, ...arrivals, ...growth];
}

async function grownBytesOf(groups: readonly GroupResult[], { options, folders }: Context) {
  const cases = groups.filter(({ part }) => part === "growth").flatMap((group) => group.cases);
  const sizes = cases.flatMap(({ case: { reservations } }) => reservations ?? []);
  return Promise.all(
    sizes.map(async (reservations) => ({
      reservations,
      bytes: sizeOf(await grownBank(reservations, options, folders)),
    })),
  );
}

async function run(options: Options): Promise<Results> {
  const folders = openFolders(options.workDir);
  const context = { options, folders, flushes: await compileFlushes(folders.path) };
  const machine = await describeMachine(folders.path);
  const postgres = await postgresVersion();
  const { available, missing } = await availableOf(options.contestants, postgres);
  for (const { name, why } of missing) tell(`${name} is left out: ${why}`);

  const groups = await measureAll(context, available);
  const profiles = options.parts.includes("profile") && available.includes("ours");
  if (profiles) tell("profile");
  const profiled = profiles
    ? await whileSteady("profile", (watched) => watched(() => profile(context)), tell)
    : null;
  const { out: _out, workDir: _workDir, ...told } = options;
  return {
    machine,
    options: told,
    missing,
    groups,
    grownBytes: await grownBytesOf(groups, context),
    profile: profiled?.value ?? null,
  };
}

/** Writes the raw results, the chart and the tables; the words around the tables stay. */
async function write(out: string, results: Results): Promise<void> {
  mkdirSync(out, { recursive: true });
  const document = join(out, "performance.md");
  const before = existsSync(document)
    ? readFileSync(document, "utf8")
    : "# Performance\n\n<!-- results -->\n<!-- /results -->\n";
  const after = withResults(before, markdownOf(results));
  if (after === null) tell("performance.md has no line <!-- results --> and is left as it is");
  else writeFileSync(document, after);
  const many = closedGroup(manyOf(results.options));
  const chart = chartOf(results.groups.find(({ name }) => name === many));
  if (chart !== null) writeFileSync(join(out, "performance.svg"), chart);
  const raw = join(out, "performance.json");
  writeFileSync(raw, JSON.stringify(results));
  // The linter reads every JSON file of the project, and wants each in its own form.
  await mustRun(["node", FORMATTER, "format", "--write", raw], { cwd: out });
}

/** Every answer that was wrong, with who gave it. */
function wrongIn({ groups, profile }: Results): string[] {
  const measured = groups.flatMap(({ name, cases }) =>
    cases.flatMap((one) =>
      one.samples.flatMap((sample) =>
        sample.measured.wrong.map((wrong) => `${name}, ${one.case.name}: ${wrong}`),
      ),
    ),
  );
  return [...measured, ...(profile?.wrong ?? []).map((wrong) => `profile: ${wrong}`)];
}

function summaryOf({ groups }: Results, wrong: readonly string[]): string {
  const cases = groups.flatMap((group) => group.cases);
  const contestants = new Set(cases.map((one) => one.case.contestant));
  const operations = cases
    .flatMap(({ samples }) => samples)
    .reduce((sum, { measured }) => sum + measured.operations, 0);
  return `bench: ${contestants.size} contestants, ${operations} operations, ${wrong.length} wrong`;
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  const results = await run(options);
  const tables = markdownOf(results);
  const wrong = wrongIn(results);
  if (!options.short) console.log(`${tables}\n`);
  for (const line of wrong) console.error(`wrong: ${line}`);
  console.log(summaryOf(results, wrong));
  if (options.out !== null) await write(options.out, results);
  return wrong.length > 0 ? 1 : 0;
}

endOnSignals();
try {
  process.exitCode = await main();
} catch (error) {
  // A signal has its own exit code, and what fails after one fails because of it.
  if (!isEnding()) {
    console.error(error instanceof UsageError ? error.message : error);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
} finally {
  if (!isEnding()) await endAll();
}
