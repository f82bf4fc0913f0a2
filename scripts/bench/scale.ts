// How far appliances on one PostgreSQL get (npm run scale says what is measured).
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readAddress } from "../../src/storage/postgres/address.ts";
import {
  endPostgres,
  startPrimary,
  startStandby,
  untilSynchronous,
} from "../../test/postgres/cluster.ts";
import type { Server } from "../../test/postgres/server.ts";
import { BINARY, startBank } from "./contestants.ts";
import type { LoadOptions, LoadResult } from "./load.ts";
import { PEERS, type Postgres, pgbenchLoad } from "./postgres.ts";
import { endAll, endOnSignals, mustRun } from "./processes.ts";
import { seedBank } from "./seed.ts";
import { spreadOf } from "./stats.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "5" },
    connections: { type: "string", default: "64" },
    accounts: { type: "string", default: "10000" },
  },
});
const [rounds, seconds, connections, accounts] = [
  values.rounds,
  values.seconds,
  values.connections,
  values.accounts,
].map(Number) as [number, number, number, number];

const ROLE = "transact_bank";
const folder = mkdtempSync(join(tmpdir(), "transact-bank-scale-"));

type Result = {
  readonly perSecond: number;
  readonly p99: number;
  readonly wrong: readonly string[];
};
type Case = { readonly title: string; run(round: number): Promise<Result> };

let loads = 0;
function loadOptions(shared: number): Omit<LoadOptions, "port"> {
  loads += 1;
  return {
    connections: Math.round(connections / shared),
    seconds,
    warmupSeconds: 1,
    rate: null,
    mix: "purchases",
    accounts,
    secret: null,
    prefix: `s${Date.now().toString(36)}${loads}`,
    answersAs: "bank",
  };
}

/** The same load, shared among the appliances; operations add up, and the worst p99 counts. */
async function load(dataDirs: readonly string[]): Promise<Result> {
  const banks = await Promise.all(
    dataDirs.map((dir) => startBank(BINARY, { dir, accounts, secret: null, env: {} })),
  );
  const results = await Promise.all(
    banks.map(async ({ port }): Promise<LoadResult> => {
      const told = JSON.stringify({ ...loadOptions(banks.length), port });
      return JSON.parse(await mustRun([process.execPath, join(import.meta.dir, "load.ts"), told]));
    }),
  );
  await Promise.all(banks.map((bank) => bank.stop()));
  return {
    perSecond: results.reduce((sum, { perSecond }) => sum + perSecond, 0),
    p99: Math.max(...results.map(({ p99 }) => p99)),
    wrong: results.flatMap(({ wrong }) => wrong),
  };
}

function sqliteCase(): Case {
  const dir = join(folder, "sqlite");
  seedBank(dir, accounts, null);
  return { title: "SQLite, 1 appliance", run: () => load([dir]) };
}

/** Banks of one database, each appliance with a data dir of its own. */
async function sharedCases(primary: Server, what: string): Promise<Case[]> {
  await primary.sql(`create role ${ROLE} login`);
  const owner = await primary.createDatabase("bank");
  const dirs = ["a", "b", "c"].map((name) => join(folder, `${what} ${name}`));
  const [first = "", ...others] = dirs;
  const database = owner.replace(/\/\/[^@]+@/, `//${ROLE}@`);
  const place = { address: readAddress(owner), password: null };
  seedBank(first, accounts, null, { database, password: null, owner: place });
  for (const dir of others) cpSync(first, dir, { recursive: true });
  await primary.sql("analyze", "bank");
  return [1, 2, 3].map((count) => ({
    title: `PostgreSQL ${what}, ${count} appliance${count === 1 ? "" : "s"}`,
    run: () => load(dirs.slice(0, count)),
  }));
}

async function pgbenchCase(primary: Server, what: string): Promise<Case> {
  const flags = ["--database-url", primary.url, "--accounts", String(accounts)];
  await mustRun(["node", join(PEERS, "pgbench-prepare.mjs"), ...flags]);
  const { address: host, port, url } = primary;
  const postgres: Postgres = { url, host, port, pid: 0, stop: async () => {} };
  return {
    title: `pgbench, ${what}`,
    async run(round) {
      const logs = mkdtempSync(join(folder, `pgbench-${round}-`));
      return pgbenchLoad(postgres, { ...loadOptions(1), port }, logs);
    },
  };
}

endOnSignals();
try {
  const settings = { max_connections: "200", shared_buffers: "256MB" };
  const alone = await startPrimary({ settings });
  const primary = await startPrimary({ settings });
  await startStandby(primary, { name: "standby", settings });
  await primary.set("synchronous_standby_names", "standby");
  await untilSynchronous(primary, "standby");
  const cases = [
    sqliteCase(),
    ...(await sharedCases(alone, "alone")),
    await pgbenchCase(alone, "alone"),
    ...(await sharedCases(primary, "with a synchronous standby")),
    await pgbenchCase(primary, "with a synchronous standby"),
  ];
  const results = new Map<Case, Result[]>();
  for (let round = 0; round < rounds; round += 1) {
    for (const one of cases) {
      const result = await one.run(round);
      if (result.wrong.length > 0) throw new Error(`${one.title}: ${result.wrong.join("; ")}`);
      results.set(one, [...(results.get(one) ?? []), result]);
      console.error(
        `round ${round + 1}: ${one.title}: ${result.perSecond}/s, p99 ${result.p99} ms`,
      );
    }
  }
  const first = spreadOf((results.get(cases[0] as Case) ?? []).map(({ perSecond }) => perSecond));
  console.log(`${connections} connections, ${seconds} s, ${rounds} rounds, medians\n`);
  console.log("| what | operations/s | / SQLite | p99 ms |\n|---|---|---|---|");
  for (const [{ title }, all] of results) {
    const rate = spreadOf(all.map(({ perSecond }) => perSecond));
    const tail = spreadOf(all.map(({ p99 }) => p99));
    const ratio = ((rate?.median ?? 0) / (first?.median ?? 1)).toFixed(2);
    console.log(`| ${title} | ${rate?.median} | ${ratio} | ${tail?.median} |`);
  }
} finally {
  await endAll();
  await endPostgres();
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
