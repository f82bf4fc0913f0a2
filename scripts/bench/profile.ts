// Where the time goes: the product, built with instruments in each thread, under the usual load.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { contestant, startBank } from "./contestants.ts";
import type { StatementUse, ThreadRecord } from "./instrument.ts";
import type { Context } from "./measure.ts";
import { manyOf } from "./plan.ts";
import { threadSecondsOf } from "./usage.ts";

const ROOT = join(import.meta.dir, "..", "..");
const MAIN = join(ROOT, "cli", "main.ts");
const INSTRUMENT = join(import.meta.dir, "instrument.ts");
/** Each thread looks for the files this often at the latest, and then writes its own. */
const THREADS_NOTICE_MS = 200;
/** Threads that used less are noise. */
const LEAST_SECONDS = 0.05;

export type FunctionUse = {
  readonly thread: string;
  readonly name: string;
  /** The file and line, or "native". */
  readonly place: string;
  /** Of the thread's own samples, without what it called. */
  readonly share: number;
};

export type Profile = {
  readonly perSecond: number;
  readonly wrong: readonly string[];
  /** Cores that each thread used while the load ran. */
  readonly threads: readonly { readonly name: string; readonly cores: number }[];
  readonly functions: readonly FunctionUse[];
  /** Of all threads; calls are an operation's. */
  readonly statements: readonly { sql: string; calls: number; micros: number }[];
};

/** Builds the product with the instruments first in every thread; gives the program. */
async function buildInstrumented(workDir: string): Promise<string> {
  // Named as the product is, for its threads are named after it.
  const outfile = join(workDir, "instrumented", "transact-bank");
  mkdirSync(dirname(outfile), { recursive: true });
  const workers = readdirSync(join(ROOT, "src"), { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(".worker.ts"))
    .map((name) => join(ROOT, "src", name));
  const entries = [MAIN, ...workers];
  await Bun.build({
    entrypoints: entries,
    compile: { outfile, autoloadDotenv: false, autoloadBunfig: false },
    define: { "process.env.NODE_ENV": '"production"' },
    bytecode: true,
    format: "esm",
    sourcemap: "linked",
    minify: { whitespace: true, syntax: true },
    plugins: [
      {
        name: "instruments",
        setup(build) {
          build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
            const text = await Bun.file(path).text();
            const first = entries.includes(path) ? `import ${JSON.stringify(INSTRUMENT)};\n` : "";
            return { contents: first + text, loader: "ts" };
          });
        },
      },
    ],
  });
  return outfile;
}

/** Profiles one run of the usual load. */
export async function profile({ options, folders }: Context): Promise<Profile> {
  const binary = await buildInstrumented(folders.path);
  const { seed, seedName, load } = contestant("ours");
  const name = `${seedName}-${options.accounts}`;
  const make = (dir: string) => seed?.(dir, options.accounts, null) ?? Promise.resolve();
  const dir = await folders.fresh(await folders.template(name, make));
  const records = await folders.fresh(null);
  const env = { BENCH_INSTRUMENTS: records };
  const running = await startBank(binary, { dir, accounts: options.accounts, secret: null, env });

  writeFileSync(join(records, "start"), "");
  await Bun.sleep(THREADS_NOTICE_MS);
  const before = threadSecondsOf(running.pid);
  const fromMs = performance.now();
  const result = await load(
    running,
    {
      ...{ port: 0, connections: manyOf(options), seconds: options.seconds, rate: null },
      ...{ warmupSeconds: options.warmupSeconds, mix: "purchases", accounts: options.accounts },
      ...{ secret: null, prefix: "profile", answersAs: "bank" },
    },
    folders,
  );
  const seconds = (performance.now() - fromMs) / 1000;
  const after = threadSecondsOf(running.pid);
  writeFileSync(join(records, "stop"), "");
  await Bun.sleep(2 * THREADS_NOTICE_MS);
  await running.stop();

  const left = readRecords(records);
  const operations = Object.values(result.answers).reduce((all, count) => all + count, 0);
  folders.remove(records);
  folders.remove(dir);
  return {
    perSecond: result.perSecond,
    wrong: result.wrong,
    threads: [...after]
      .map(([name, used]) => ({ name, cores: (used - (before.get(name) ?? 0)) / seconds }))
      .filter(({ cores }) => cores * seconds >= LEAST_SECONDS)
      .sort((a, b) => b.cores - a.cores),
    functions: left.flatMap(functionsOf),
    statements: statementsOf(left, operations),
  };
}

function readRecords(dir: string): ThreadRecord[] {
  return readdirSync(dir)
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(dir, name), "utf8")) as ThreadRecord);
}

/** Sums the samples that ended in each function. */
function functionsOf({ thread, profile }: ThreadRecord): FunctionUse[] {
  if (profile === null) return [];
  const hits = new Map<string, { name: string; place: string; count: number }>();
  let all = 0;
  for (const { callFrame, hitCount = 0 } of profile.nodes) {
    if (hitCount === 0) continue;
    const name = callFrame.functionName || "(anonymous)";
    const place = placeOf(callFrame.url, callFrame.lineNumber);
    const known = hits.get(`${name} ${place}`) ?? { name, place, count: 0 };
    hits.set(`${name} ${place}`, { ...known, count: known.count + hitCount });
    all += hitCount;
  }
  return [...hits.values()]
    .map(({ name, place, count }) => ({ thread, name, place, share: count / all }))
    .sort((a, b) => b.share - a.share);
}

/** A file of the project or of a package, never this machine's folders; or "native". */
function placeOf(url: string, line: number): string {
  if (url === "" || line < 0) return "native";
  const file = url.replace(/^file:\/\//, "");
  const inPackage = /node_modules\/(.*)$/.exec(file)?.[1];
  const inProject = /(?:^|\/)((?:src|cli|scripts)\/.*)$/.exec(file)?.[1];
  const name = inPackage ?? inProject ?? (file.startsWith("/") ? relative(ROOT, file) : file);
  return `${name.split("/").slice(-3).join("/")}:${line + 1}`;
}

function statementsOf(left: readonly ThreadRecord[], operations: number): Profile["statements"] {
  const sums = new Map<string, StatementUse>();
  for (const { sql, calls, nanoseconds } of left.flatMap(({ statements }) => statements)) {
    const known = sums.get(sql) ?? { sql, calls: 0, nanoseconds: 0 };
    sums.set(sql, {
      sql,
      calls: known.calls + calls,
      nanoseconds: known.nanoseconds + nanoseconds,
    });
  }
  return [...sums.values()]
    .map(({ sql, calls, nanoseconds }) => ({
      sql,
      calls: calls / Math.max(1, operations),
      micros: nanoseconds / 1000 / Math.max(1, operations),
    }))
    .sort((a, b) => b.micros - a.micros);
}
