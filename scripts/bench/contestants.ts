// Who is measured: how each one is seeded, started, loaded and checked.
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { AnswersAs } from "./client.ts";
import type { Folders } from "./folders.ts";
import type { LoadOptions, LoadResult } from "./load.ts";
import { CONTESTANTS, type ContestantName } from "./options.ts";
import { PEERS, type Postgres, pgbenchLoad, seedPostgres, startPostgres } from "./postgres.ts";
import { type Environment, mustRun, runProgram, type Server, startServer } from "./processes.ts";

const ROOT = join(import.meta.dir, "..", "..");
export const BINARY = join(ROOT, "dist", "transact-bank");
const COMPILED = join(ROOT, "dist", "bench");

/** The secret of the signed cases; it guards nothing. */
export const SECRET = "bench-secret";

export type StartOptions = {
  /** A fresh copy of the template, or an empty folder where there is none. */
  readonly dir: string;
  readonly accounts: number;
  readonly secret: string | null;
  /** For the program that writes to the disk, such as the library that slows flushes down. */
  readonly env: Environment;
};

export type Running = Server & {
  /** All whose use is counted, the children of each included. */
  readonly pids: readonly number[];
  readonly postgres: Postgres | null;
};

export type Contestant = {
  readonly name: ContestantName;
  /** As the report calls it. */
  readonly title: string;
  /** Null where there is nothing to seed. */
  readonly seed: ((dir: string, accounts: number, secret: string | null) => Promise<void>) | null;
  /** Contestants of one seed take copies of one template. */
  readonly seedName: string;
  start(options: StartOptions): Promise<Running>;
  load(running: Running, options: LoadOptions, folders: Folders): Promise<LoadResult>;
  readonly answersAs: AnswersAs;
  /** True where the product's commands can look at what it leaves. */
  readonly isOurs: boolean;
  /** It takes no more; PostgreSQL is started for 200, some of them reserved. */
  readonly mostConnections?: number;
};

const LISTENING = /listening (\d+)\n/;
/** A load that hangs must not hang the run. */
const LONGEST_LOAD_MS = 60_000;

const alone = (server: Server): Running => ({ ...server, pids: [server.pid], postgres: null });
const secretFlag = (secret: string | null) => (secret === null ? [] : ["--secret", secret]);

/** The load over HTTP, in a process of its own, so that its CPU is known. */
async function httpLoad({ port }: Running, options: LoadOptions): Promise<LoadResult> {
  const load = join(import.meta.dir, "load.ts");
  const limitMs = (options.seconds + options.warmupSeconds) * 1000 + LONGEST_LOAD_MS;
  const told = JSON.stringify({ ...options, port });
  return JSON.parse(await mustRun([process.execPath, load, told], { limitMs })) as LoadResult;
}

/** How the product's binary is served; `binary` may be a build of it with instruments. */
export async function startBank(binary: string, { dir, env }: StartOptions): Promise<Running> {
  const ready = /listens on http:\/\/127\.0\.0\.1:(\d+),/;
  const command = [binary, "serve", "--data-dir", dir, "--port", "0"];
  return alone(await startServer(command, { env, ready, check: "/health/ready" }));
}

/** Makes the product's bank, in a process of its own, which a signal can end. */
export async function seedBank(dir: string, accounts: number, secret: string | null) {
  const seed = [join(import.meta.dir, "seed.ts"), dir, String(accounts)];
  await mustRun([process.execPath, ...seed, ...(secret === null ? [] : [secret])]);
}

const BANK = {
  seed: seedBank,
  seedName: "bank",
  load: httpLoad,
  answersAs: "bank",
  isOurs: true,
} as const;

const ours: Contestant = {
  ...BANK,
  name: "ours",
  title: "transact-bank",
  start: (options) => startBank(BINARY, options),
};

const oneByOne: Contestant = {
  ...BANK,
  name: "one-by-one",
  title: "transact-bank, one commit a request",
  async start({ dir, env }) {
    const command = [join(COMPILED, "one-by-one"), dir];
    return alone(await startServer(command, { env, ready: LISTENING }));
  },
};

const limit: Contestant = {
  name: "limit",
  title: "limit: the HTTP layer, nothing kept",
  seed: null,
  seedName: "none",
  load: httpLoad,
  answersAs: "limit",
  isOurs: false,
  async start({ dir, secret }) {
    const file = join(dir, "secret");
    if (secret !== null) await Bun.write(file, secret);
    const command = [join(COMPILED, "limit"), ...(secret === null ? [] : [file])];
    return alone(await startServer(command, { env: {}, ready: LISTENING }));
  },
};

const fastifySqlite: Contestant = {
  name: "fastify-better-sqlite3",
  title: "Fastify + better-sqlite3",
  seedName: "better-sqlite3",
  load: httpLoad,
  answersAs: "peer",
  isOurs: false,
  // It seeds an empty folder when it starts.
  async seed(dir, accounts) {
    await (await fastifySqlite.start({ dir, accounts, secret: null, env: {} })).stop();
  },
  async start({ dir, accounts, secret, env }) {
    const flags = ["--dir", dir, "--accounts", String(accounts), ...secretFlag(secret)];
    const command = ["node", join(PEERS, "fastify-better-sqlite3.mjs"), ...flags];
    return alone(await startServer(command, { env, ready: LISTENING }));
  },
};

function onPostgres(name: "fastify-pg" | "express-pg", title: string): Contestant {
  return {
    name,
    title,
    seed: seedPostgres,
    seedName: "postgres",
    load: httpLoad,
    answersAs: "peer",
    isOurs: false,
    async start({ dir, accounts, secret, env }) {
      const postgres = await startPostgres(dir, env);
      const flags = ["--database-url", postgres.url, "--accounts", String(accounts)];
      const command = ["node", join(PEERS, `${name}.mjs`), ...flags, ...secretFlag(secret)];
      const server = await startServer(command, { env: {}, ready: LISTENING }).catch(
        async (error: unknown) => {
          await postgres.stop();
          throw error;
        },
      );
      return {
        ...server,
        pids: [server.pid, postgres.pid],
        postgres,
        async stop() {
          await server.stop().finally(() => postgres.stop());
        },
      };
    },
  };
}

const pgbench: Contestant = {
  name: "pgbench",
  title: "pgbench, stored procedures",
  mostConnections: 190,
  seed: seedPostgres,
  seedName: "postgres",
  answersAs: "peer",
  isOurs: false,
  async start({ dir, env }) {
    const startedAtMs = performance.now();
    const postgres = await startPostgres(dir, env);
    const { port, pid, stop } = postgres;
    return { port, pid, readyMs: performance.now() - startedAtMs, stop, pids: [pid], postgres };
  },
  async load({ postgres }, options, folders) {
    if (postgres === null) throw new Error("pgbench needs PostgreSQL");
    const logs = await folders.fresh(null);
    const result = await pgbenchLoad(postgres, options, logs);
    folders.remove(logs);
    return result;
  },
};

const ALL: readonly Contestant[] = [
  ...[ours, limit, oneByOne, fastifySqlite],
  onPostgres("fastify-pg", "Fastify + pg"),
  onPostgres("express-pg", "Express + pg"),
  pgbench,
];

export function contestant(name: ContestantName): Contestant {
  return ALL.find((one) => one.name === name) as Contestant;
}

/** Which of the wanted ones this machine can run; the others with what is missing. */
export async function availableOf(
  wanted: readonly ContestantName[],
  postgres: string | null,
): Promise<{ available: ContestantName[]; missing: { name: ContestantName; why: string }[] }> {
  const packages = existsSync(join(PEERS, "node_modules", ".package-lock.json"));
  const node = (await runProgram(["node", "--version"]).catch(() => null))?.code === 0;
  const whyNot = (name: ContestantName): string | null => {
    if (["ours", "limit", "one-by-one"].includes(name)) return null;
    if (!packages || !node) return "its packages are not installed";
    if (name !== "fastify-better-sqlite3" && postgres === null) return "PostgreSQL is missing";
    return null;
  };
  const named = CONTESTANTS.filter((name) => wanted.includes(name));
  return {
    available: named.filter((name) => whyNot(name) === null),
    missing: named.flatMap((name) => {
      const why = whyNot(name);
      return why === null ? [] : [{ name, why }];
    }),
  };
}
