// npm run mutants: applies one deliberate bug after the other to a copy of the project, and says
// what noticed it (scripts/mutants.mjs explains the options).
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { MUTANTS, type Mutant } from "./list.ts";

const root = join(import.meta.dir, "..", "..");
const COPIED = ["src", "test", "cli", "package.json", "tsconfig.json", "bunfig.toml"];
/** A mutant that keeps a run from ending is noticed by that. */
const TIMEOUT_MS = 180_000;

const { values } = parseArgs({
  options: { only: { type: "string" }, runs: { type: "string", default: "40" } },
});

type Ran = { readonly failed: boolean; readonly output: string };

/** Runs Bun in the copy. */
async function bun(folder: string, args: readonly string[]): Promise<Ran> {
  const child = Bun.spawn([process.execPath, ...args], {
    cwd: folder,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: TIMEOUT_MS,
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { failed: (await child.exited) !== 0, output: `${out}\n${err}` };
}

const simulation = (folder: string) =>
  bun(folder, ["test/simulation/main.ts", "--seed", "1", "--runs", values.runs]);

/** What noticed the mutant, for the table, or null where it survived. */
async function killer(folder: string, { tests }: Mutant): Promise<string | null> {
  const simulated = await simulation(folder);
  if (simulated.failed) {
    const seed = /^seed (\d+): (.*)$/m.exec(simulated.output);
    const steps = /^after (\d+) steps/m.exec(simulated.output)?.[1];
    if (seed === null) return "simulation: it did not end";
    return `simulation, seed ${seed[1]}, after ${steps} steps in all: ${seed[2]?.slice(0, 100)}`;
  }
  if (tests.length === 0) return null;
  const tested = await bun(folder, ["test", ...tests.map((file) => `./${file}`)]);
  if (!tested.failed) return null;
  return `test: ${/^\(fail\) (.*?)(?: \[[\d.]+m?s\])?$/m.exec(tested.output)?.[1] ?? "it did not end"}`;
}

function mutated(source: string, { name, file, text, replacement }: Mutant): string {
  const parts = source.split(text);
  if (parts.length !== 2) {
    throw new Error(`${name}: its text stands ${parts.length - 1} times in ${file}, not once`);
  }
  return parts.join(replacement);
}

/** Applies each to the copy and takes it back; gives how many survived. */
async function tryAll(folder: string, mutants: readonly Mutant[]): Promise<number> {
  let survived = 0;
  console.log("| mutant | the promise that it breaks | noticed by |\n|---|---|---|");
  for (const mutant of mutants) {
    const target = join(folder, mutant.file);
    const source = readFileSync(target, "utf8");
    writeFileSync(target, mutated(source, mutant));
    const noticed = await killer(folder, mutant);
    writeFileSync(target, source);
    if (noticed === null) survived += 1;
    const cell = (noticed ?? "SURVIVED").replaceAll("|", "\\|");
    console.log(`| ${mutant.name} | ${mutant.breaks} | ${cell} |`);
  }
  return survived;
}

async function main(): Promise<number> {
  const names = values.only?.split(",");
  const mutants = MUTANTS.filter(({ name }) => names === undefined || names.includes(name));
  if (mutants.length === 0) {
    console.error(`No such mutant; there are ${MUTANTS.map(({ name }) => name).join(", ")}.`);
    return 1;
  }
  const folder = mkdtempSync(join(tmpdir(), "transact-bank-mutants-"));
  try {
    for (const name of COPIED) cpSync(join(root, name), join(folder, name), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
    const sound = await simulation(folder);
    if (sound.failed) {
      console.error(`Without any mutant the simulation fails:\n${sound.output}`);
      return 1;
    }
    const survived = await tryAll(folder, mutants);
    console.log(`\n${mutants.length - survived} of ${mutants.length} were noticed.`);
    return survived === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

process.exitCode = await main();
