// A disk that fails once, in the Nth call of one kind, under load and while the program starts.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
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
  const ended = await Promise.race([server.exited, Bun.sleep(fault.includes("sync") ? 2_000 : 0)]);
  log.crashes.push(performance.now());
  if (typeof ended === "number") return ended;
  await server.stop("SIGKILL");
  return "served on";
}

/** One fault and all that must hold after it; says what it hit and how the server took it. */
async function fail(
  fault: Nth,
  log: Log,
  losesUnflushed: boolean,
): Promise<"not met" | "served on" | "ended"> {
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
  if (hit === null) return "not met";
  return end === "served on" ? end : "ended";
}

/** So many of 1 to 200, close together at first: a batch makes few calls. */
const spread = (count: number): number[] =>
  count >= 200
    ? Array.from({ length: count }, (_, index) => index + 1)
    : Array.from({ length: count }, (_, index) =>
        Math.round(200 ** (index / Math.max(1, count - 1))),
      );

/** What a copy of the log makes only once: the first of them, so often. */
const first = (count: number): number[] => Array.from({ length: count }, () => 1);

describe("one call fails under load", () => {
  let log = newLog();
  let faults = 0;
  beforeAll(async () => {
    bank = await newLoadBank();
  });
  afterAll(() => bank.remove());

  test.each<[Case, number[]]>([
    [{ call: "write", end: "-wal", error: "EIO" }, spread(times(2, 200))],
    [{ call: "write", end: "-wal", error: "ENOSPC" }, spread(times(2, 200))],
    [{ call: "fdatasync", end: "-wal", error: "EIO" }, spread(times(3, 200))],
    [{ call: "fsync", end: "-wal", error: "EIO" }, first(times(1, 5))],
    [{ call: "write", end: ".db", error: "EIO" }, spread(times(1, 30))],
    [{ call: "write", end: ".db", error: "ENOSPC" }, spread(times(1, 30))],
    [{ call: "fdatasync", end: ".db", error: "EIO" }, first(times(1, 5))],
    [{ call: "fsync", end: ".db", error: "EIO" }, first(times(1, 5))],
    [{ call: "ftruncate", end: ".db", error: "EIO" }, first(times(1, 5))],
  ])(
    "%j, N is each of %j: no answer is lost, no flush is believed at its second try",
    async (one, nths) => {
      const { call, end, error } = one;
      const seen = { "not met": 0, "served on": 0, ended: 0 };
      for (const [index, nth] of nths.entries()) {
        faults += 1;
        if (faults % FAULTS_A_BANK === 0) {
          bank.remove();
          bank = await newLoadBank();
          log = newLog();
        }
        seen[await fail(`nth ${nth} ${call} ${end} ${error}`, log, index % 2 === 0)] += 1;
      }
      const met = seen["served on"] + seen.ended;
      expect(met).toBeGreaterThan(nths.length / 2);
      noteTorture({
        injected: `${error} in the Nth ${call} on the ${end === ".db" ? "database" : "WAL"} under load`,
        times: met,
        held: `I1-I7; ${seen.ended} ended the process, ${seen["served on"]} were tried again`,
      });
    },
    times(120_000, 3_600_000),
  );
});

describe("one call fails while the program starts", () => {
  /** A flush failed, or a thread could not open what it needs. */
  const ENDED = /^137 (.|\n)*error: the disk did not take a flush \(/;

  type Start = "not met" | "served" | "ended" | "refused";

  /** A purchase from its beginning to its end, as any other day. */
  async function serves(server: Server): Promise<string> {
    const { responseCode, raasTxnRef } = await reserve(server);
    const result = await server.post("/transactResult", { raasTxnRef, responseCode: "0000" });
    return `${responseCode} ${result.status}`;
  }

  /** A server that listens sells, and keeps out a second one; or it ends, and says why. */
  async function judgeServer(server: Server): Promise<Start> {
    const sold = await serves(server).catch(() => "no answer");
    const end = await Promise.race([server.exited, Bun.sleep(sold === "no answer" ? 2_000 : 100)]);
    if (end === undefined) {
      const second = bank.serve().then((other) => other.stop("SIGKILL"));
      await expect(second).rejects.toThrow("another server serves");
      await server.stop("SIGKILL");
      expect(sold).toBe("0000 202");
      return hitBy(bank) === null ? "not met" : "served";
    }
    expect(`${end} ${server.err()}`).toMatch(ENDED);
    return "ended";
  }

  /** Says how a start with one failing call went; "not met" where it makes fewer of them. */
  async function start(fault: Nth): Promise<Start> {
    breakDisk(bank, fault);
    try {
      return await judgeServer(await bank.serve({ env: onDisk(bank) }));
    } catch (error) {
      if (!(error instanceof NotServing)) throw error;
      if (error.exit === KILLED) {
        expect(`${error.exit} ${error.message}`).toMatch(ENDED);
        return "ended";
      }
      // What happened, why, and what to do: "... (disk I/O error): check the disk".
      expect(error.message).toMatch(/^error: [^\n]+: [a-z][^\n]+\n/m);
      expect(error.exit).toBe(1);
      return "refused";
    } finally {
      breakDisk(bank, "none");
    }
  }

  beforeEach(async () => {
    bank = await newBank();
  });
  afterEach(() => bank.remove());

  test.each<Call>(["open", "write", "fdatasync", "fsync", "ftruncate"])(
    "%s: it says what to do, or serves, or ends",
    async (call) => {
      // What the first start makes is there: a lock that cannot be taken must not be missed.
      await (await bank.serve()).stop();
      const seen: Start[] = [];
      // The short form leaves out more and more of them.
      for (let nth = 1; seen.at(-1) !== "not met"; nth += times(Math.ceil(nth * 0.7), 1)) {
        seen.push(await start(`nth ${nth} ${call} * EIO`));
        expect((await bank.json<{ ok: boolean }>("verify")).ok).toBe(true);
      }
      // The lock comes first: one that can only be read would let a second such server in.
      expect(seen[0]).toBe("refused");
      const count = (one: Start) => seen.filter((other) => other === one).length;
      noteTorture({
        injected: `EIO in the Nth ${call} of a start and its first purchase, N from 1 to the last`,
        times: seen.length - 1,
        held:
          `${count("refused")} refused and said what to do, ${count("served")} served, ` +
          `${count("ended")} ended by themselves; never two servers; verify`,
      });
    },
    times(120_000, 1_200_000),
  );
});
