// A bank with everything in it, to PostgreSQL and back: not a byte of it is another, and it works there.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openBank } from "../../src/bank.ts";
import { migrateFrom, migrateTo } from "../../src/migrate/migrate.ts";
import { endPostgres, startPrimary } from "../postgres/cluster.ts";
import { skipsPostgres } from "../postgres/programs.ts";
import type { Server } from "../postgres/server.ts";
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
  repeatsOf,
  type World,
} from "./world.ts";

describe.skipIf(skipsPostgres())("a bank with everything in it", () => {
  let server: Server;
  let world: World;
  let before: string[];
  let head: number;
  beforeAll(async () => {
    server = await startPrimary();
    world = await eventfulBank();
    head = headOf(world.dataDir);
    before = dumpOf(world.dataDir, head);
  });
  afterAll(async () => {
    world.remove();
    await endPostgres();
  });

  let count = 0;
  async function copied(): Promise<{ dataDir: string; addresses: Addresses }> {
    count += 1;
    const dataDir = `${world.dataDir}-${count}`;
    cpSync(world.dataDir, dataDir, { recursive: true });
    return { dataDir, addresses: await newDatabase(server, `bank_${count}`) };
  }

  test("comes back as it went", async () => {
    const { dataDir, addresses } = await copied();
    const config = readFileSync(join(dataDir, "config.toml"), "utf8");
    const done = migrateTo(dataDir, placeOf(addresses), HOW);
    expect(done?.record).toBe(head + 1);
    expect(existsSync(join(dataDir, "bank.db"))).toBe(false);
    const there = openBank(dataDir);
    try {
      expect(there.shared).not.toBeNull();
      expect(there.store.verify().filter(({ ok }) => !ok)).toEqual([]);
      expect(there.store.account("2002")?.name).toBe("Customer\ufffdof old");
    } finally {
      there.close();
    }
    const back = migrateFrom(dataDir, ownerOf(addresses), HOW);
    expect(back?.record).toBe(head + 2);
    const after = dumpOf(dataDir, head);
    expect(after).toEqual(before.map(moved));
    expect(readFileSync(join(dataDir, "config.toml"), "utf8")).toEqual(
      config.replace(/# database = .*/, `# database = ${JSON.stringify(addresses.database)}`),
    );
    const again = openBank(dataDir);
    try {
      expect(again.shared).toBeNull();
      expect(again.store.verify().filter(({ ok }) => !ok)).toEqual([]);
    } finally {
      again.close();
    }
  });

  test("answers there what it answered, and still knows its PINs", async () => {
    const { dataDir, addresses } = await copied();
    migrateTo(dataDir, placeOf(addresses), HOW);
    const { store, close } = openBank(dataDir);
    try {
      const interrupted = store.beginServing(Date.now());
      expect(interrupted?.since).toBeGreaterThan(0);
      expect(repeatsOf(store)).toEqual(world.repeats as Map<string, string>);
    } finally {
      close();
    }
  });
});
