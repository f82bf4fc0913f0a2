// A move that is killed between any two steps: the bank is never open on both sides, and the same
// command goes on to the same end.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { openBank } from "../../src/bank.ts";
import { migrateFrom, migrateTo } from "../../src/migrate/migrate.ts";
import { DATABASE_FILE } from "../../src/storage/sqlite/open.ts";
import { program } from "../cli/run.ts";
import { endPostgres, startPrimary } from "../postgres/cluster.ts";
import { skipsPostgres } from "../postgres/programs.ts";
import type { Server } from "../postgres/server.ts";
import { tool } from "../tools.ts";
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

type Direction = "to" | "from";
type Place = { readonly dataDir: string; readonly addresses: Addresses };

const strace = tool("strace", "a move that is killed at each of its calls");
/** The calls by which a move changes anything: what it writes, flushes, renames and sends. */
const CALLS = ["pwrite64", "fsync", "fdatasync", "rename", "unlink", "sendto"] as const;
/** So many of each call, evenly among all, and the last ones: there one step follows the other. */
const SPREAD = 2;
const LAST = 2;

function lineOf(direction: Direction, { dataDir, addresses }: Place): string[] {
  const address = direction === "to" ? [addresses.database] : [];
  const options = ["--database-owner", addresses.owner, "--data-dir", dataDir, "--json"];
  return [...program, `migrate-${direction}`, ...address, ...options];
}

/** Runs the command under strace; gives its exit code and what it said. */
async function traced(args: readonly string[], line: readonly string[]) {
  const env = { PATH: process.env["PATH"] ?? "" };
  const child = Bun.spawn([strace ?? "", "-f", "-qq", ...args, ...line], {
    env,
    stdout: "ignore",
    stderr: "pipe",
  });
  const err = await new Response(child.stderr).text();
  return { exit: await child.exited, err };
}

/** How often a whole move makes each call, in the thread that makes it most often. */
async function countsOf(line: readonly string[], file: string): Promise<Map<string, number>> {
  const { exit, err } = await traced(["-e", `trace=${CALLS.join(",")}`, "-o", file], line);
  if (exit !== 0) throw new Error(err);
  const byThread = new Map<string, number>();
  for (const [, thread, call] of readFileSync(file, "utf8").matchAll(/^(\d+) +(\w+)\(/gm)) {
    byThread.set(`${thread} ${call}`, (byThread.get(`${thread} ${call}`) ?? 0) + 1);
  }
  return new Map(
    CALLS.map((call) => {
      const counts = [...byThread].filter(([key]) => key.endsWith(` ${call}`));
      return [call, Math.max(0, ...counts.map(([, count]) => count))];
    }),
  );
}

function placesOf(count: number): number[] {
  const spread = Array.from({ length: SPREAD }, (_, n) => Math.ceil(((n + 1) * count) / SPREAD));
  const last = Array.from({ length: LAST }, (_, n) => count - n);
  return [...new Set([1, ...spread, ...last])].filter((n) => n >= 1 && n <= count);
}

/** Whether a command opens the bank of a data dir; it says why not, and nothing else happens. */
function opens(dataDir: string): boolean {
  try {
    openBank(dataDir).close();
    return true;
  } catch (error) {
    expect(String(error)).toMatch(/holds no bank|was moved to another database/);
    return false;
  }
}

/** On which sides the bank could be opened, whatever the data dir's configuration says. */
function openSides({ dataDir, addresses }: Place): string[] {
  const probe = `${dataDir}-probe`;
  const sides: string[] = [];
  for (const [side, config] of [
    ["here", ""],
    ["there", `database = ${JSON.stringify(addresses.database)}\n`],
  ] as const) {
    rmSync(probe, { recursive: true, force: true });
    mkdirSync(probe);
    cpSync(join(dataDir, "keys"), join(probe, "keys"), { recursive: true });
    for (const end of ["", "-wal"]) {
      const file = join(dataDir, `${DATABASE_FILE}${end}`);
      if (existsSync(file)) cpSync(file, join(probe, `${DATABASE_FILE}${end}`));
    }
    writeFileSync(join(probe, "config.toml"), config);
    if (opens(probe)) sides.push(side);
  }
  rmSync(probe, { recursive: true, force: true });
  return sides;
}

const move = (direction: Direction, { dataDir, addresses }: Place) =>
  direction === "to"
    ? migrateTo(dataDir, placeOf(addresses), HOW)
    : migrateFrom(dataDir, ownerOf(addresses), HOW);

describe.skipIf(skipsPostgres() || strace === null)("a move that is killed", () => {
  let server: Server;
  let world: World;
  let moved_: Place;
  let head: number;
  let before: string[];
  beforeAll(async () => {
    server = await startPrimary();
    world = await eventfulBank();
    head = headOf(world.dataDir);
    before = dumpOf(world.dataDir, head).map(moved);
    moved_ = await placeFor("to");
    move("to", moved_);
  });
  afterAll(async () => {
    world.remove();
    await endPostgres();
  });

  let count = 0;
  /** A bank that is to be moved in a direction. */
  async function placeFor(direction: Direction): Promise<Place> {
    count += 1;
    const name = `bank_${count}`;
    const dataDir = join(dirname(world.dataDir), name);
    if (direction === "to") {
      cpSync(world.dataDir, dataDir, { recursive: true });
      return { dataDir, addresses: await newDatabase(server, name) };
    }
    const { addresses: from } = moved_;
    cpSync(moved_.dataDir, dataDir, { recursive: true });
    const addresses = await newDatabase(server, name, from.name);
    const config = join(dataDir, "config.toml");
    writeFileSync(config, readFileSync(config, "utf8").replace(from.database, addresses.database));
    return { dataDir, addresses };
  }

  /** Kills a move at a call; gives whether it came there. */
  async function killedAt(direction: Direction, place: Place, call: string, nth: number) {
    const inject = ["-e", `trace=${call}`, "-e", `inject=${call}:signal=SIGKILL:when=${nth}`];
    const { exit, err } = await traced([...inject, "-o", "/dev/null"], lineOf(direction, place));
    // A call that another thread made the last time, or that was not needed, leaves a whole move.
    if (exit !== 137 && exit !== 0) throw new Error(`${call} ${nth}: ${exit} ${err}`);
    return exit === 137;
  }

  test.each(["to", "from"] as const)(
    "migrate-%s",
    async (direction) => {
      const whole = await placeFor(direction);
      const counts = await countsOf(lineOf(direction, whole), join(whole.dataDir, "trace"));
      const seen = new Set<string>();
      let kills = 0;
      for (const [call, times] of counts) {
        for (const nth of placesOf(times)) {
          const place = await placeFor(direction);
          if (await killedAt(direction, place, call, nth)) kills += 1;
          const sides = openSides(place).join(" and ") || "nowhere";
          seen.add(sides);
          expect(sides, `after ${call} ${nth}`).not.toBe("here and there");
          const target = direction === "to" ? "there" : "here";
          const isDone = sides === target && readConfigSays(place, direction);
          if (!isDone) move(direction, place);
          expect(openSides(place)).toEqual([target]);
          if (direction === "to") move("from", place);
          expect(dumpOf(place.dataDir, head)).toEqual(before);
          rmSync(place.dataDir, { recursive: true });
          await server.sql(`DROP DATABASE ${place.addresses.name} WITH (FORCE)`);
        }
      }
      expect(kills).toBeGreaterThanOrEqual(15);
      expect([...seen].sort()).toEqual(["here", "nowhere", "there"]);
    },
    300_000,
  );
});

/** Whether config.toml names the side on which the bank is in the end. */
function readConfigSays({ dataDir }: Place, direction: Direction): boolean {
  const names = /^database = /m.test(readFileSync(join(dataDir, "config.toml"), "utf8"));
  return (
    names === (direction === "to") &&
    !(direction === "to" && existsSync(join(dataDir, DATABASE_FILE)))
  );
}
