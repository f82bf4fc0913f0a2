// A disk that fails once, in the Nth call of one kind, under load and while the program starts.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { noteTorture, times } from "../torture.ts";
import {
  breakDisk,
  type Call,
  castShadow,
  comeUpAgain,
  hitBy,
  type Nth,
  onDisk,
  useDisk,
} from "./disk.ts";
import { type Log, load, newLoadBank, newLog, problemsOf, sendAgain } from "./load.ts";
import { type Bank, NotServing, newBank, reserve, type Server } from "./program.ts";

useDisk();

let bank: Bank;
afterEach(() => bank.remove());

/** A bank that grew over more faults would only make `verify` slow. */
const FAULTS_A_BANK = 20;

/** What a process's end by SIGKILL is to the one that started it. */
const KILLED = 137;

/** Resolves once the fault was met, or after so long where the call is not made so often. */
async function isHit(withinMs: number): Promise<boolean> {
  for (const until = performance.now() + withinMs; performance.now() < until; await Bun.sleep(5)) {
    if (hitBy(bank) !== null) return true;
  }
  return false;
}

type Case = { readonly call: Call; readonly end: "-wal" | ".db"; readonly error: "EIO" | "ENOSPC" };

/** Load until the fault is met and a while after it; then the end, one way or the other. */
async function meetFault(server: Server, log: Log, fault: Nth): Promise<number | "served on"> {
  // The database file is written by the copier alone, once the log has been quiet for a second.
  if (fault.includes(" .db ")) await load(server, log, Bun.sleep(100));
  breakDisk(bank, fault);
  if (fault.includes(" .db ")) await isHit(4_000);
  await load(
    server,
    log,
    isHit(3_000).then(() => Bun.sleep(150)),
  );
  const ended = await Promise.race([server.exited, Bun.sleep(hitBy(bank) ? 1_000 : 0)]);
  log.crashes.push(performance.now());
  if (typeof ended === "number") return ended;
  await server.stop("SIGKILL");
  return "served on";
}

/** One fault and all that must hold after it; says what it hit and how the server took it. */
async function fail(fault: Nth, log: Log, losesUnflushed: boolean): Promise<string> {
  if (losesUnflushed) castShadow(bank);
  breakDisk(bank, "none");
  const before = log.exchanges.length;
  const server = await bank.serve({ env: onDisk(bank) });
  const end = await meetFault(server, log, fault);
  const hit = hitBy(bank);
  breakDisk(bank, "none");
  if (losesUnflushed) comeUpAgain(bank);
  const isFlush = hit !== null && /^f(data)?sync/.test(hit);
  if (isFlush) expect(`${fault}: ${end} ${server.err()}`).toMatch(/: 137 (.|\n)*error: the disk/);
  if (end !== "served on") expect([fault, end]).toEqual([fault, KILLED]);
  const restarted = await bank.serve();
  const latest = log.exchanges.slice(before);
  const again = [...latest.filter(({ answer }) => answer === null), ...latest.slice(-100)];
  await sendAgain(restarted.url, log, again);
  const problems = await problemsOf(bank, log);
  expect([fault, problems.length, problems.slice(0, 10)]).toEqual([fault, 0, []]);
  expect((await restarted.stop()).exit).toBe(0);
  return hit === null ? "not met" : `${hit}: ${end === "served on" ? end : "ended"}`;
}

/** So many of 1 to 200, close together at first: a batch makes few calls. */
const spread = (count: number): number[] =>
  count >= 200
    ? Array.from({ length: count }, (_, index) => index + 1)
    : Array.from({ length: count }, (_, index) =>
        Math.round(200 ** (index / Math.max(1, count - 1))),
      );

describe("one call fails under load", () => {
  beforeEach(async () => {
    bank = await newLoadBank();
  });

  test.each<[Case, number]>([
    [{ call: "write", end: "-wal", error: "EIO" }, times(3, 200)],
    [{ call: "write", end: "-wal", error: "ENOSPC" }, times(2, 200)],
    [{ call: "fdatasync", end: "-wal", error: "EIO" }, times(3, 200)],
    [{ call: "fsync", end: "-wal", error: "EIO" }, times(1, 3)],
    [{ call: "write", end: ".db", error: "EIO" }, times(2, 30)],
    [{ call: "write", end: ".db", error: "ENOSPC" }, times(1, 30)],
    [{ call: "fdatasync", end: ".db", error: "EIO" }, times(1, 3)],
    [{ call: "fsync", end: ".db", error: "EIO" }, times(1, 3)],
    [{ call: "ftruncate", end: "-wal", error: "EIO" }, times(1, 2)],
    [{ call: "ftruncate", end: ".db", error: "EIO" }, times(1, 2)],
  ])(
    "%j, %d times",
    async ({ call, end, error }, count) => {
      let log = newLog();
      const seen: string[] = [];
      for (const [index, nth] of spread(count).entries()) {
        if (index % FAULTS_A_BANK === FAULTS_A_BANK - 1) {
          bank.remove();
          bank = await newLoadBank();
          log = newLog();
        }
        seen.push(await fail(`nth ${nth} ${call} ${end} ${error}`, log, index % 2 === 0));
      }
      console.log(call, end, error, seen);
    },
    times(60_000, 3_600_000),
  );
});
