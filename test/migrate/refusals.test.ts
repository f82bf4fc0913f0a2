// What a move refuses, what it finds, and whom it keeps away meanwhile.
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { openBank } from "../../src/bank.ts";
import { minor } from "../../src/domain/money.ts";
import { type MoveHow, migrateFrom, migrateTo } from "../../src/migrate/migrate.ts";
import type { Progress } from "../../src/storage/move/copy.ts";
import { DATABASE_FILE } from "../../src/storage/sqlite/open.ts";
import { startServer } from "../binary/program.ts";
import { run } from "../cli/run.ts";
import { endPostgres, startPrimary } from "../postgres/cluster.ts";
import { postgresProgram, skipsPostgres } from "../postgres/programs.ts";
import type { Server } from "../postgres/server.ts";
import { BY, done, MONDAY_MORNING, reserveOperation } from "../storage/bank.ts";
import {
  type Addresses,
  dumpOf,
  eventfulBank,
  HOW,
  headOf,
  moved,
  newDatabase,
  ownerOf,
  placeOf,
  type World,
} from "./world.ts";

describe.skipIf(skipsPostgres())("a move", () => {
  let server: Server;
  let world: World;
  beforeAll(async () => {
    server = await startPrimary();
    world = await eventfulBank();
  });
  afterAll(async () => {
    world.remove();
    await endPostgres();
  });

  let count = 0;
  async function copied(): Promise<{ dataDir: string; addresses: Addresses }> {
    count += 1;
    const name = `bank_${count}`;
    const dataDir = join(dirname(world.dataDir), name);
    cpSync(world.dataDir, dataDir, { recursive: true });
    return { dataDir, addresses: await newDatabase(server, name) };
  }

  /** Runs SQL as the superuser while this thread is at work. */
  function meanwhile(database: string, sql: string): void {
    const at = ["-h", "127.0.0.1", "-p", String(server.port), "-U", "postgres", "-d", database];
    const line = [postgresProgram("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", ...at, "-c", sql];
    const { exitCode, stderr } = Bun.spawnSync(line);
    if (exitCode !== 0) throw new Error(stderr.toString());
  }

  /** Does something once, where the move comes to a step: all is copied then. */
  function at(step: Progress["step"], act: () => void): MoveHow {
    let isDone = false;
    const tell = (progress: Progress) => {
      if (isDone || progress.step !== step || progress.table !== "approvals") return;
      isDone = true;
      act();
    };
    return { ...HOW, tell };
  }

  const replica = "SET session_replication_role = replica; SET search_path = transact_bank;";
  test.each([
    [
      "a figure",
      "UPDATE journal SET amount_1 = -amount_1, amount_2 = -amount_2 WHERE id = 2",
      /journal 2: amount_1, amount_2/,
    ],
    ["a hash", "UPDATE journal SET hash = sha256('x') WHERE id = 3", /journal 3: hash/],
    ["a text", "UPDATE receipts SET peer = peer || 'x' WHERE id = 30", /receipts 30: peer/],
    ["a PIN", "UPDATE accounts SET pin_hash = NULL WHERE number = '1005'", /accounts 10: pin_hash/],
    [
      "what is gone",
      "DELETE FROM buyers WHERE buyer_id = '27731304702'",
      /buyers 27731304702: is missing/,
    ],
    [
      "what came",
      "INSERT INTO holidays VALUES ('2026-01-01', 'x')",
      /holidays 2026-01-01: is too many/,
    ],
    ["a limit", "UPDATE limits SET max = 1 WHERE scope = 'account'", /limits account 1001: max/],
  ])("finds what was changed under way: %s", async (_, sql, line) => {
    const { dataDir, addresses } = await copied();
    const before = dumpOf(dataDir, 1_000_000);
    const change = at("copy", () => meanwhile(addresses.name, `${replica} ${sql}`));
    expect(() => migrateTo(dataDir, placeOf(addresses), change)).toThrow(line);
    // It is where it was, and stays off until it is copied anew.
    expect(dumpOf(dataDir, 1_000_000)).toEqual(before);
    expect(() => migrateTo(dataDir, placeOf(addresses), HOW)).toThrow(/--anew/);
    expect(migrateTo(dataDir, placeOf(addresses), { ...HOW, anew: true })).not.toBeNull();
  });

  test("finds it on the way back as well", async () => {
    const { dataDir, addresses } = await copied();
    migrateTo(dataDir, placeOf(addresses), HOW);
    const file = join(dataDir, "migrate.tmp", DATABASE_FILE);
    const change = at("copy", () => {
      const db = new Database(file);
      db.run("UPDATE accounts SET name = 'Mallory' WHERE number = '1001'");
      db.close();
    });
    expect(() => migrateFrom(dataDir, ownerOf(addresses), change)).toThrow(/accounts 6: name/);
    expect(migrateFrom(dataDir, ownerOf(addresses), { ...HOW, anew: true })).not.toBeNull();
  });

  test("copies anew what was sold after a move that was ended", async () => {
    const { dataDir, addresses } = await copied();
    const ended = at("compare", () => {
      throw new Error("ended");
    });
    expect(() => migrateTo(dataDir, placeOf(addresses), ended)).toThrow("ended");
    const { store, close } = openBank(dataDir);
    const times = { now: MONDAY_MORNING, monotonicMs: 0, openSince: null };
    store.applyNow([reserveOperation("after", {}), reserveOperation("raas-1")], times);
    close();
    migrateTo(dataDir, placeOf(addresses), HOW);
    const there = openBank(dataDir);
    expect(there.store.reservations({ limit: 1 })[0]?.requestId).toBe("after");
    there.close();
  });

  test("keeps servers and writers away, and lets readers read", async () => {
    const { dataDir, addresses } = await copied();
    const seen: string[] = [];
    const look = at("compare", () => {
      const db = new Database(join(dataDir, DATABASE_FILE));
      expect(() => db.run("BEGIN IMMEDIATE")).toThrow(/locked/);
      expect(db.query("SELECT count(*) AS n FROM bank").get()).toEqual({ n: 1 });
      db.close();
      const main = join(import.meta.dir, "../../cli/main.ts");
      const { exitCode, stderr } = Bun.spawnSync([
        process.execPath,
        main,
        "serve",
        "--data-dir",
        dataDir,
      ]);
      seen.push(`${exitCode} ${stderr}`);
    });
    migrateTo(dataDir, placeOf(addresses), look);
    expect(seen.join()).toMatch(/^1 .*another server serves/s);
  });

  test("closes bank.db for whoever has it open", async () => {
    const { dataDir, addresses } = await copied();
    const { store, close } = openBank(dataDir);
    const head = store.journalHead().id;
    const [file] = [migrateTo(dataDir, placeOf(addresses), HOW)?.leftBehind ?? ""];
    expect(() => store.credit(BY, "1001", minor(1))).toThrow(/moved to another database/);
    close();
    expect(readdirSync(dataDir)).toContain(file);
    cpSync(join(dataDir, file), join(dataDir, DATABASE_FILE));
    expect(headOf(dataDir)).toBe(head);
    writeFileSync(join(dataDir, "config.toml"), "");
    expect(() => openBank(dataDir)).toThrow(/was moved to another database/);
    rmSync(join(dataDir, DATABASE_FILE));
    expect(() => openBank(dataDir)).toThrow(/config.toml there has to name it/);
    const init = "init --no-input --bank-code ACME --currency ZAR --time-zone UTC --country ZA";
    const made = await run([...init.split(" "), "--data-dir", dataDir]);
    expect(made).toMatchObject({ exit: 1, err: expect.stringMatching(/has to name it/) });
  });

  test("goes nowhere else once the bank is closed", async () => {
    const { dataDir, addresses } = await copied();
    migrateTo(dataDir, placeOf(addresses), HOW);
    const [file = ""] = readdirSync(dataDir).filter((name) => name.startsWith("moved-"));
    cpSync(join(dataDir, file), join(dataDir, DATABASE_FILE));
    rmSync(join(dataDir, file));
    writeFileSync(join(dataDir, "config.toml"), "");
    const other = await newDatabase(server, `other_${count}`);
    expect(() => migrateTo(dataDir, placeOf(other), HOW)).toThrow(/is on its way to postgres:/);
    // What was done is found, and not done again.
    const again = migrateTo(dataDir, placeOf(addresses), HOW);
    expect(again?.leftBehind).toBe(file);
    openBank(dataDir).close();
  });

  test("refuses while a server runs, on either side", async () => {
    const { dataDir, addresses } = await copied();
    const here = await startServer(dataDir, {});
    expect(() => migrateTo(dataDir, placeOf(addresses), HOW)).toThrow(/another server serves/);
    await here.stop();
    migrateTo(dataDir, placeOf(addresses), HOW);
    const other = `${dataDir}-other`;
    cpSync(dataDir, other, { recursive: true });
    const there = await startServer(other, {});
    expect(() => migrateFrom(dataDir, ownerOf(addresses), HOW)).toThrow(
      new RegExp(`${other.slice(0, 30)}.*: stop every server`),
    );
    await there.stop();
    expect(migrateFrom(dataDir, ownerOf(addresses), HOW)).not.toBeNull();
    expect(() => openBank(other)).toThrow(/holds no bank/);
  });

  test("takes what several appliances left open for what the earliest did", async () => {
    const { dataDir, addresses } = await copied();
    migrateTo(dataDir, placeOf(addresses), HOW);
    await server.sql(
      `SET search_path = transact_bank; DELETE FROM appliances;
       INSERT INTO appliances (name, serving, open_since, interrupted_since, seen_at) VALUES
         ('a', 1, 5000, NULL, 5001), ('b', 1, 4000, 4500, 4001), ('c', 0, NULL, NULL, 9000)`,
      addresses.name,
    );
    migrateFrom(dataDir, ownerOf(addresses), HOW);
    const db = new Database(join(dataDir, DATABASE_FILE), { readonly: true });
    const row = db.query("SELECT serving, open_since, interrupted_since FROM bank").values();
    expect(row).toEqual([[1, 4000, 4000]]);
    db.close();
  });

  test("refuses a database with a bank, or with a NUL where none can be", async () => {
    const { dataDir, addresses } = await copied();
    migrateTo(dataDir, placeOf(addresses), HOW);
    const second = await copied();
    expect(() => migrateTo(second.dataDir, placeOf(addresses), HOW)).toThrow(/a bank already/);
    const db = new Database(join(second.dataDir, DATABASE_FILE));
    db.query("UPDATE receipts SET peer = ? WHERE id = 30").run("a\0b");
    db.close();
    expect(() => migrateTo(second.dataDir, placeOf(second.addresses), HOW)).toThrow(
      /receipts.peer of 30 has a NUL/,
    );
  });

  test("goes to the same database again, and says in a dry run that it can", async () => {
    const { dataDir, addresses } = await copied();
    const before = dumpOf(dataDir, headOf(dataDir)).map(moved);
    const head = headOf(dataDir);
    const dry = { ...HOW, dryRun: true };
    expect(migrateTo(dataDir, placeOf(addresses), dry)).toBeNull();
    for (let times = 0; times < 2; times += 1) {
      migrateTo(dataDir, placeOf(addresses), HOW);
      expect(migrateFrom(dataDir, ownerOf(addresses), dry)).toBeNull();
      migrateFrom(dataDir, ownerOf(addresses), HOW);
    }
    expect(dumpOf(dataDir, head)).toEqual(before);
    const { store, close } = openBank(dataDir);
    done(store.credit(BY, "1001", minor(1)));
    expect(store.verify().filter(({ ok }) => !ok)).toEqual([]);
    close();
  });
});
