// One bank in a PostgreSQL database, served by several appliances: a data dir of its own each, with
// the same keys, and the serving role with the least rights it can have.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CONFIG_FILE } from "../../src/config.ts";
import { addLoadAccounts, type Log, problemsOf, sendAgain, unsettled } from "../binary/load.ts";
import { type Bank, bankIn, INIT } from "../binary/program.ts";
import { type Server, SUPERUSER } from "./server.ts";
import { until } from "./wait.ts";

const ROLE = "transact_bank";
type Host = Pick<Server, "address" | "port">;
/** A host as config.toml names it: a server, or a port of this machine that leads to one. */
export const at = (port: number): Host => ({ address: "127.0.0.1", port });

export type SharedBank = {
  readonly database: string;
  /** The appliance that made the bank: its commands are anybody's. */
  readonly first: Bank;
  /** One more, which finds the database at these hosts; `inside`: of the host where it is. */
  appliance(hosts?: readonly Host[], inside?: readonly string[]): Bank;
  /** Statements on the bank's tables, as the superuser. */
  sql(statements: string, server?: Server): Promise<string>;
  remove(): void;
};

let banks = 0;

/**
 * Makes a bank on a server; its appliances look for the database at these hosts. `inside`: of the
 * host where the first of them is.
 */
export async function newSharedBank(
  server: Server,
  hosts: readonly Host[] = [server],
  inside: readonly string[] = [],
): Promise<SharedBank> {
  banks += 1;
  const database = `bank_${banks}`;
  await server.sql(`
    do $$ begin
      if to_regrole('${ROLE}') is null then create role ${ROLE} login; end if;
    end $$;`);
  await server.sql(`create database ${database} template template0 encoding 'UTF8' locale 'C'`);
  const folder = mkdtempSync(join(tmpdir(), "transact-bank-appliances-"));
  const addressOf = (user: string, all: readonly Host[]) => {
    const list = all.map(({ address, port }) => `${address}:${port}`).join(",");
    return `postgres://${user}@${list}/${database}?sslmode=disable`;
  };
  const first = newAppliance(folder, 1, inside);
  const owner = addressOf(SUPERUSER, [server]);
  const databases = ["--database", addressOf(ROLE, hosts), "--database-owner", owner];
  const { exit, err } = await first.run([...INIT.split(" "), ...databases]);
  if (exit !== 0) throw new Error(`init ended with ${exit}: ${err}`);
  let appliances = 1;
  return {
    database,
    first,
    appliance(others = hosts, host = []) {
      appliances += 1;
      const one = newAppliance(folder, appliances, host);
      mkdirSync(one.dataDir, { mode: 0o700 });
      cpSync(join(first.dataDir, "keys"), join(one.dataDir, "keys"), { recursive: true });
      const text = readFileSync(join(first.dataDir, CONFIG_FILE), "utf8");
      const own = text.replace(addressOf(ROLE, hosts), addressOf(ROLE, others));
      writeFileSync(join(one.dataDir, CONFIG_FILE), own, { mode: 0o600 });
      return one;
    },
    sql: (statements, on = server) =>
      on.sql(`set search_path = transact_bank; ${statements}`, database),
    remove: () => rmSync(folder, { recursive: true }),
  };
}

function newAppliance(folder: string, number: number, inside: readonly string[]): Bank {
  const own = join(folder, `appliance-${number}`);
  mkdirSync(own);
  return bankIn(own, inside);
}

/** The same, with the accounts of the load (../binary/load.ts). */
export async function newSharedLoadBank(...args: Parameters<typeof newSharedBank>) {
  const bank = await newSharedBank(...args);
  await addLoadAccounts(bank.first);
  return bank;
}

/** The undoing of a 2060 and what else is under way needs a moment. */
const UNDONE_WITHIN_MS = 20_000;

/**
 * Does what Clickatell does on its own, sends again the results that were not settled, and gives what
 * is wrong then; a 2060 whose hold is not undone in a while is.
 */
export async function problemsOnceSettled(bank: Bank, log: Log, urls: readonly string[]) {
  const results = () => unsettled(log).filter(({ path }) => path === "/transactResult");
  for (const url of urls) await sendAgain(url, log, results());
  const deadline = performance.now() + UNDONE_WITHIN_MS;
  for (;;) {
    const problems = await problemsOf(bank, log);
    if (problems.length === 0 || performance.now() > deadline) return problems.slice(0, 10);
    await Bun.sleep(500);
  }
}

/** Waits until an appliance says that it takes purchases, or that it does not. */
export async function untilReady(url: string, is = true): Promise<void> {
  await until(`${url} is ${is ? "" : "not "}ready`, async () => {
    const { status } = await fetch(`${url}/health/ready`);
    return (status === 200) === is;
  });
}
