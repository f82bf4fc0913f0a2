// The migration of a shared database: as its owner, in one commit, with nobody of an earlier version at
// work. The program has one migration yet: more are made up here.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { openBank } from "../../src/bank.ts";
import { readAddress } from "../../src/storage/postgres/address.ts";
import { TakenOver } from "../../src/storage/postgres/batch.ts";
import { ConnectionLost, createClient } from "../../src/storage/postgres/client.ts";
import { MIGRATIONS } from "../../src/storage/postgres/migrate.ts";
import type { Place } from "../../src/storage/postgres/reach.ts";
import { upgradeShared } from "../../src/storage/postgres/upgrade.ts";
import { endPostgres } from "./cluster.ts";
import { type Appliances, startAppliances } from "./nodes.ts";
import { skipsPostgres } from "./programs.ts";
import { type BankServer, OWNER, SERVING, startBankServer } from "./roles.ts";

const TIMES = { now: Date.now(), monotonicMs: performance.now(), openSince: null };
const NEXT = "CREATE TABLE novelties (id BIGINT PRIMARY KEY)";

describe.skipIf(skipsPostgres())("upgrade", () => {
  let server: BankServer;
  let bank: Appliances;

  beforeAll(async () => {
    server = await startBankServer();
    bank = await startAppliances(server);
    await sql("INSERT INTO transact_bank.appliances (name, epoch) VALUES ('lost', 7)");
  }, 60_000);
  afterAll(async () => {
    await endPostgres();
    bank.remove();
  });

  const sql = (text: string) => server.server.sql(text, bank.database);
  const state = () =>
    sql(`SELECT version, to_regclass('transact_bank.novelties') IS NOT NULL,
      (SELECT epoch FROM transact_bank.appliances WHERE name = 'lost')
      FROM transact_bank.schema_version`);
  const place = ({ role, password }: typeof OWNER | typeof SERVING): Place => ({
    address: readAddress(server.url(role, bank.database)),
    password,
    name: "transact-bank upgrade",
    from: "--database-owner",
    passwordFrom: "--database-owner-password-file",
  });
  const upgrade = (as: typeof OWNER | typeof SERVING, ...more: string[]) =>
    upgradeShared(place(as), SERVING.role, [...MIGRATIONS, ...more]);

  test("changes nothing where nothing is due", async () => {
    expect(upgrade(OWNER)).toEqual({ from: 1, to: 1 });
    expect(await state()).toBe("1|f|7");
  });

  test("is refused to the role that serves", async () => {
    expect(() => upgrade(SERVING, NEXT)).toThrow("the role transact_bank lacks a right");
    expect(await state()).toBe("1|f|7");
  });

  test("is refused while an appliance is connected, idle as it may be", async () => {
    const client = createClient({ ...place(SERVING), name: "transact-bank db-host:/first" });
    client.connect(10_000);
    expect(() => upgrade(OWNER, NEXT)).toThrow("on every appliance: db-host:/first");
    client.close();
    expect(await state()).toBe("1|f|7");
  });

  test("undoes all of it where a migration fails", async () => {
    expect(() => upgrade(OWNER, NEXT, "CREATE TABLE novelties (id BIGINT)")).toThrow("exists");
    expect(await state()).toBe("1|f|7");
  });

  test("is done whole: the serving role may use the new table, and lost servers are fenced off", async () => {
    const lost = openBank(bank.dataDirs[0], { serving: true });
    await lost.store.applyBatch([{ kind: "idle" }], TIMES);
    const sessions = "pid <> pg_backend_pid() AND application_name LIKE 'transact-bank %'";
    await sql(`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE ${sessions}`);
    expect(upgrade(OWNER, NEXT)).toEqual({ from: 1, to: 2 });
    expect(await state()).toBe("2|t|8");
    const granted = "has_table_privilege('transact_bank', 'transact_bank.novelties', 'SELECT')";
    expect(await sql(`SELECT ${granted}`)).toBe("t");
    // It comes back, and learns that its connection is gone before it is let in again.
    const come = () => lost.store.applyBatch([{ kind: "idle" }], TIMES);
    await expect(come()).rejects.toThrow(ConnectionLost);
    await expect(come()).rejects.toThrow(TakenOver);
    lost.close();
  });

  test("a program that knows less than the tables opens them no more", async () => {
    expect(() => upgrade(OWNER)).toThrow("the database has version 2, this program knows 1");
    for (const line of ["status", "upgrade --check"]) {
      const { exit, err } = await bank.run(1, line);
      expect([exit, err]).toEqual([1, expect.stringContaining("use the newer program")]);
    }
  });
});
