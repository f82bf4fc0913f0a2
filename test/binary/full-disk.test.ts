// A disk that is full, and has room again: sales stop, reads go on, nothing is lost, and nobody has
// to do anything but make room.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  closeSync,
  cpSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { noteTorture, times } from "../torture.ts";
import { breakDisk, onDisk, useDisk } from "./disk.ts";
import {
  buyer,
  connectTo,
  type Log,
  load,
  newBody,
  newLoadBank,
  newLog,
  problemsOf,
  sendAgain,
  slowestOf,
  unsettled,
} from "./load.ts";
import type { Bank, Server } from "./program.ts";

useDisk();

let bank: Bank;
beforeEach(async () => {
  bank = await newLoadBank();
});
afterEach(() => bank.remove());

const readiness = async (server: Server) => (await fetch(`${server.url}/health/ready`)).status;

async function becomes(server: Server, status: number, withinMs: number): Promise<void> {
  for (const until = performance.now() + withinMs; performance.now() < until; await Bun.sleep(20)) {
    if ((await readiness(server)) === status) return;
  }
  throw new Error(`in ${withinMs} ms it did not become ${status}`);
}

const READS = ["verify", "reservations list --limit 10", "accounts list", "findings list"];

/** While nothing can be written: what is refused, what is not, and how fast. */
async function standsFull(server: Server, log: Log): Promise<void> {
  const from = log.exchanges.length;
  const loaded = load(server, log, Bun.sleep(2_500));
  await becomes(server, 503, 2_000);
  for (const read of READS) await bank.admin(`${read} --json`);
  expect(await readiness(server)).toBe(503);
  await loaded;
  const answers = log.exchanges.slice(from).map(({ path, answer }) => ({ path, ...answer! }));
  const codes = (wanted: string) =>
    new Set(
      answers
        .filter(({ path }) => path === wanted)
        .map(({ status, body }) => (body === "" ? status : JSON.parse(body).responseCode)),
    );
  expect(codes("/reserveFunds")).toEqual(new Set(["2060"]));
  expect(codes("/transactResult")).toEqual(new Set([503]));
}

/** Full and free again, while clients go on; then what was refused is sent again and all is right. */
async function fillAndFree(
  server: Server,
  log: Log,
  disk: { fill(): Promise<void> | void; free(): void },
): Promise<void> {
  await load(server, log, Bun.sleep(200));
  await disk.fill();
  await standsFull(server, log);
  disk.free();
  await becomes(server, 200, 10_000);
  const unusual = log.unusual.length;
  await load(server, log, Bun.sleep(300));
  expect(log.unusual.slice(unusual)).toEqual([]);
  const { reserveMs, resultMs } = slowestOf(log);
  expect(reserveMs).toBeLessThan(2_000);
  expect(resultMs).toBeLessThan(5_000);
  await sendAgain(server.url, log, unsettled(log));
}

async function judge(server: Server, log: Log): Promise<void> {
  expect((await server.stop()).exit).toBe(0);
  const problems = await problemsOf(bank, log);
  expect([problems.length, problems.slice(0, 10)]).toEqual([0, []]);
}

const HELD =
  "I1-I7; reserves 2060 within 2 s, results 503 within 5 s, reads go on, not ready while full, " +
  "ready by itself once there is room";

describe("a disk that is full, and has room again", () => {
  test(
    "every write fails, overwriting included",
    async () => {
      const rounds = times(1, 20);
      const server = await bank.serve({ env: onDisk(bank) });
      const log = newLog();
      for (let round = 0; round < rounds; round += 1) {
        const fill = () => breakDisk(bank, "full");
        await fillAndFree(server, log, { fill, free: () => breakDisk(bank, "none") });
      }
      await judge(server, log);
      noteTorture({
        injected: "every write fails with ENOSPC, then none",
        times: rounds,
        held: HELD,
      });
    },
    times(60_000, 1_200_000),
  );

  test(
    "a file system without a block left, where one may be mounted",
    async () => {
      const rounds = times(1, 5);
      for (let round = 0; round < rounds; round += 1) {
        if (!mountOver(bank.dataDir)) {
          console.warn("NOT RUN: a real full disk needs the right to mount a tmpfs");
          return;
        }
        try {
          await fillFileSystem();
        } finally {
          Bun.spawnSync(["umount", "--lazy", bank.dataDir]);
        }
        bank.remove();
        bank = await newLoadBank();
      }
      noteTorture({ injected: "a full tmpfs, then room again", times: rounds, held: HELD });
    },
    times(90_000, 1_200_000),
  );
});

/** Full under load, and at the next start; then a start with less room than a log of full length. */
async function fillFileSystem(): Promise<void> {
  const server = await bank.serve();
  const log = newLog();
  const filler = join(bank.dataDir, "filler");
  const fill = async () => {
    fillWith(filler);
    await useUpWal(server, log);
  };
  await fillAndFree(server, log, { fill, free: () => rmSync(filler) });
  await judge(server, log);
  fillWith(filler);
  await expect(bank.serve()).rejects.toThrow("error: the disk is full: make room on it");
  truncateSync(filler, statSync(filler).size - LITTLE_ROOM);
  const crowded = await bank.serve();
  await load(crowded, log, Bun.sleep(200));
  await judge(crowded, log);
}

// ---------------------------------------------------------------- a small file system

/** The WAL has its 96 MiB from the start, and the database something to grow. */
const SIZE = "size=112m";
const LITTLE_ROOM = 16 * 1024 * 1024;

/** Puts a small file system under what a folder holds; false where that is not permitted. */
function mountOver(folder: string): boolean {
  const was = `${folder}-was`;
  renameSync(folder, was);
  mkdirSync(folder);
  const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", SIZE, "tmpfs", folder]);
  cpSync(was, folder, { recursive: true });
  rmSync(was, { recursive: true });
  return mounted.exitCode === 0;
}

function fillWith(file: string): void {
  const descriptor = openSync(file, "w");
  const block = Buffer.alloc(4_096);
  try {
    for (;;) writeSync(descriptor, block);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  } finally {
    closeSync(descriptor);
  }
}

/** Sales go on while the WAL has room that it was given before: large receipts use it up. */
async function useUpWal(server: Server, log: Log): Promise<void> {
  let isFull = false;
  const clients = Array.from({ length: 32 }, async (_, index) => {
    const { ask, end } = await connectTo(server.url, log);
    while (!isFull) {
      const additionalData = crypto.getRandomValues(Buffer.alloc(30_000)).toHex();
      await ask("/reserveFunds", { ...newBody(buyer(index)), additionalData });
    }
    end();
  });
  try {
    await becomes(server, 503, 30_000);
  } finally {
    isFull = true;
  }
  await Promise.all(clients);
}
