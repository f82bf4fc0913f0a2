// PostgreSQL for the run: the peers' private server, its seeded cluster, and pgbench as a load.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { LoadOptions, LoadResult } from "./load.ts";
import { type Environment, mustRun, onEnd, runProgram } from "./processes.ts";

export const PEERS = join(import.meta.dir, "peers");

export type Postgres = {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
};

type PeersModule = {
  startPostgres(dir: string, options: { env: Environment }): Promise<Postgres>;
  /** The folder of its programs; throws where there is none. */
  findPostgres(): string;
};

/** The peers are plain JavaScript; this is the one place that says what their module gives. */
async function peersModule(): Promise<PeersModule> {
  return (await import(join(PEERS, "postgres.mjs"))) as PeersModule;
}

/** The version of PostgreSQL, or null where it is not installed. */
export async function postgresVersion(): Promise<string | null> {
  try {
    const bin = (await peersModule()).findPostgres();
    if (!existsSync(join(bin, "pgbench"))) return null;
    return /\d+(\.\d+)?/.exec(await mustRun([join(bin, "postgres"), "--version"]))?.[0] ?? null;
  } catch {
    return null;
  }
}

/** Starts a server on a cluster, which is made where it is missing. */
export async function startPostgres(dir: string, env: Environment): Promise<Postgres> {
  const postgres = await (await peersModule()).startPostgres(dir, { env });
  const forget = onEnd(() => postgres.stop());
  return {
    ...postgres,
    async stop() {
      forget();
      await postgres.stop();
    },
  };
}

/** Fills a cluster with the accounts and pgbench's functions. */
export async function seedPostgres(dir: string, accounts: number): Promise<void> {
  const postgres = await startPostgres(dir, {});
  const flags = ["--database-url", postgres.url, "--accounts", String(accounts)];
  await mustRun(["node", join(PEERS, "pgbench-prepare.mjs"), ...flags]);
  await postgres.stop();
}

/** One pgbench transaction is a reserve and its result. */
const OPERATIONS_A_TRANSACTION = 2;

/** Milliseconds of each transaction, out of the logs that pgbench's threads left. */
function latenciesIn(dir: string): Float64Array {
  const files = readdirSync(dir).filter((name) => name.startsWith("pgbench_log."));
  const lines = files.flatMap((name) => readFileSync(join(dir, name), "utf8").match(/.+/g) ?? []);
  // client, transaction, microseconds, script, end in seconds, and microseconds of it
  return Float64Array.from(lines, (line) => Number(line.split(" ")[2]) / 1000).sort();
}

/** Plays the load with pgbench, which calls functions in the database; latencies are of the pair. */
export async function pgbenchLoad(
  { host, port }: Postgres,
  options: LoadOptions,
  logDir: string,
): Promise<LoadResult> {
  const bin = (await peersModule()).findPostgres();
  const { connections, accounts, warmupSeconds } = options;
  const command = (seconds: number) => [
    ...[join(bin, "pgbench"), "-n", "-M", "prepared", "-f", join(PEERS, "pgbench.sql")],
    ...["-D", `accounts=${accounts}`, "-D", "release_percent=10"],
    ...["-c", String(connections), "-j", String(Math.min(2, connections))],
    ...["-T", String(seconds), "-h", host, "-p", String(port), "-U", "postgres"],
  ];
  // It takes whole seconds only.
  const seconds = Math.max(1, Math.round(options.seconds));
  const env = { LC_ALL: "C" };
  let warmedUp = 0;
  if (warmupSeconds >= 1) {
    const printed = await mustRun([...command(Math.round(warmupSeconds)), "postgres"], { env });
    warmedUp = numberIn(printed, /actually processed: (\d+)/);
  }
  const all = [...command(seconds), "-l", "postgres"];
  const { code, stdout, stderr, cpuSeconds } = await runProgram(all, { env, cwd: logDir });
  const latencies = latenciesIn(logDir);
  const at = (share: number) =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
  const transactions = numberIn(stdout, /actually processed: (\d+)/);
  const failed = numberIn(stdout, /failed transactions: (\d+)/);
  return {
    operations: transactions * OPERATIONS_A_TRANSACTION,
    seconds,
    perSecond: Math.round(numberIn(stdout, /^tps = ([\d.]+)/m) * OPERATIONS_A_TRANSACTION),
    p50: at(0.5),
    p99: at(0.99),
    p999: at(0.999),
    max: at(1),
    busy: Number((cpuSeconds / seconds).toFixed(2)),
    answers: { transactions: transactions * OPERATIONS_A_TRANSACTION, warmup: warmedUp * 2 },
    wrong: code === 0 && failed === 0 ? [] : [`pgbench: ${failed} failed; ${stderr.slice(-500)}`],
    history: { reserved: [], debitedMinor: 0, heldMinor: 0 },
  };
}

function numberIn(text: string, pattern: RegExp): number {
  return Number(pattern.exec(text)?.[1] ?? 0);
}
