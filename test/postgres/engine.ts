// Has the shared tests run on PostgreSQL: `bun test --preload ./test/postgres/engine.ts FILES`. One
// server for all of them; each bank gets a database of its own, copied from one that was made before.
import { afterAll } from "bun:test";
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CONFIG_FILE } from "../../src/config.ts";
import { initBank } from "../../src/init.ts";
import { readAddress } from "../../src/storage/postgres/address.ts";
import { type Client, createClient } from "../../src/storage/postgres/client.ts";
import { sqlOn } from "../../src/storage/postgres/sql.ts";
import type { Sql } from "../../src/storage/sql/sql.ts";
import type { BankIdentity } from "../../src/storage/store.ts";
import { endPostgres, startPrimary } from "./cluster.ts";
import { SUPERUSER } from "./server.ts";

const WITHIN_MS = 60_000;
const ROLE = "transact_bank";

export type PostgresEngine = {
  /** Makes a bank's data dir, and its database. */
  initBank(dataDir: string, identity: BankIdentity, secret: string | null): void;
  /** Where the bank of a data dir is; `from`: the data dir of which it is a copy. */
  newDatabase(
    dataDir: string,
    from: string | null,
  ): {
    readonly database: {
      readonly address: ReturnType<typeof readAddress>;
      readonly password: null;
    };
    readonly name: string;
  };
  /** The bank's database, beside its store, as the superuser. */
  sqlOf(dataDir: string): Sql;
  dropDatabase(dataDir: string): void;
  /** All that the server has written, its log and its write-ahead log too. */
  files(): string;
};

let engine: PostgresEngine | null = null;
/** Null where the tests run on SQLite. */
export const postgresEngine = (): PostgresEngine | null => engine;

function createEngine(port: number): PostgresEngine {
  const address = (database: string, user = SUPERUSER) =>
    `postgres://${user}@127.0.0.1:${port}/${database}`;
  const connected = (database: string): Client => {
    const place = { address: readAddress(address(database)), password: null };
    const client = createClient({ ...place, name: "tests" });
    client.connect(WITHIN_MS);
    return client;
  };
  const server = connected("postgres");
  const run = (text: string) => server.run([{ text, values: [] }], WITHIN_MS);
  const databases = new Map<string, { readonly name: string; client: Client | null }>();
  const templates = new Map<string, string>();
  let count = 0;

  run(`CREATE ROLE ${ROLE} LOGIN`);

  function newName(from: string): string {
    count += 1;
    const name = `bank_${count}`;
    run(
      `CREATE DATABASE ${name} TEMPLATE ${from} ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' STRATEGY file_copy`,
    );
    return name;
  }

  function make(dataDir: string, identity: BankIdentity, secret: string | null): string {
    const name = newName("template0");
    const owner = { address: readAddress(address(name)), password: null };
    initBank(dataDir, identity, secret, { database: address(name, ROLE), password: null, owner });
    return name;
  }

  function copied(dataDir: string, from: { dataDir: string; name: string }): string {
    const name = newName(from.name);
    cpSync(from.dataDir, dataDir, { recursive: true });
    const config = join(dataDir, CONFIG_FILE);
    writeFileSync(config, readFileSync(config, "utf8").replaceAll(from.name, name));
    return name;
  }

  function nameOf(dataDir: string): string {
    const known = databases.get(dataDir);
    if (known === undefined) throw new Error("this data dir has no database");
    return known.name;
  }

  function letGo(dataDir: string): void {
    const known = databases.get(dataDir);
    known?.client?.close();
    if (known !== undefined) known.client = null;
  }

  return {
    initBank(dataDir, identity, secret) {
      const key = JSON.stringify([identity, secret]);
      const template = templates.get(key) ?? mkdtempSync(join(tmpdir(), "transact-bank-"));
      const from = { dataDir: join(template, "bank"), name: "" };
      if (templates.get(key) === undefined) {
        templates.set(key, template);
        databases.set(from.dataDir, { name: make(from.dataDir, identity, secret), client: null });
      }
      const name = copied(dataDir, { ...from, name: nameOf(from.dataDir) });
      databases.set(dataDir, { name, client: null });
    },
    newDatabase(dataDir, from) {
      if (from !== null) {
        letGo(from);
        databases.set(dataDir, { name: newName(nameOf(from)), client: null });
      }
      const at = readAddress(address(nameOf(dataDir), ROLE));
      return { database: { address: at, password: null }, name: "test" };
    },
    sqlOf(dataDir) {
      const known = databases.get(dataDir);
      if (known === undefined) throw new Error("this data dir has no database");
      known.client ??= connected(known.name);
      return sqlOn(known.client, { reconnect: () => {}, withinMs: WITHIN_MS });
    },
    files() {
      run("CHECKPOINT");
      const [shown] = run("SHOW data_directory");
      const [row] = (shown?.rows ?? []) as { data_directory: string }[];
      return row?.data_directory ?? "";
    },
    dropDatabase(dataDir) {
      letGo(dataDir);
      // Its sessions end a moment after their clients.
      run(`DROP DATABASE ${nameOf(dataDir)} WITH (FORCE)`);
      databases.delete(dataDir);
    },
  };
}

if (process.env["TRANSACT_BANK_TEST_ENGINE"] === "postgres") {
  const primary = await startPrimary({ settings: { max_connections: "300" } });
  engine = createEngine(primary.port);
  afterAll(async () => {
    await endPostgres();
  });
}
