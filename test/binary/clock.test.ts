// The system's clock jumps, while the server runs and between two starts: deadlines, the order of
// the journal and the exception report stand. moved-clock.c moves it; it needs cc and Linux.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../cli/run.ts";
import { noteTorture, times } from "../torture.ts";
import { type Preload, preload } from "./preload.ts";
import { type Bank, configure, newBank, newRequestId, reserve, type Server } from "./program.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

let clock: Preload;
let disk: Preload;
beforeAll(() => {
  clock = preload("moved-clock.c");
  disk = preload("disk.c");
});
afterAll(() => {
  clock.remove();
  disk.remove();
});

const environment = () => ({
  LD_PRELOAD: `${clock.library} ${disk.library}`,
  MOVED_CLOCK: join(clock.folder, "offset"),
  DISK_FAULT: join(disk.folder, "fault"),
});
/** Moves the clock away from the true one, for all that runs and all that starts. */
const moveClock = (ms: number) =>
  writeFileSync(environment().MOVED_CLOCK, `${Math.round(ms / 1000)}`);
/** Sets the clock to a time, such as "2026-03-29T00:59:55Z". */
const setClock = (time: string) => moveClock(Date.parse(time) - Date.now());
const flushTakes = (ms: number) =>
  writeFileSync(environment().DISK_FAULT, ms > 0 ? `delay ${ms}` : "");

let bank: Bank;
beforeEach(() => {
  moveClock(0);
  flushTakes(0);
});
afterEach(() => bank.remove());

const serve = () => bank.serve({ env: environment() });
/** A command's document, by the moved clock. */
async function json<T>(line: string): Promise<T> {
  const args = [...line.split(" "), "--json", "--data-dir", bank.dataDir];
  const { exit, out, err } = await run(args, { env: environment() });
  if (exit !== 0) throw new Error(`${line} ended with ${exit}: ${out}${err}`);
  return JSON.parse(out) as T;
}
const verifies = async () => (await json<{ ok: boolean }>("verify")).ok;

type Report = {
  readonly unconfirmed: readonly { requestId: string; businessDays: number }[];
  readonly findings: readonly { kind: string; requestId: string }[];
};
const report = (line = "reports exceptions") => json<Report>(line);
const listed = async (line?: string) =>
  (await report(line)).unconfirmed.map(({ requestId }) => requestId);

describe("the clock jumps while the server runs", () => {
  const JUMPS: readonly [string, number][] = [
    ["an hour back", -HOUR],
    ["eight days ahead", 8 * DAY],
  ];
  let server: Server;
  beforeEach(async () => {
    bank = await newBank();
    server = await serve();
  });
  afterEach(async () => {
    await server.stop("SIGKILL");
  });

  test("moves for the server: the test itself", async () => {
    moveClock(8 * DAY);
    const { raasTxnRef } = await reserve(server);
    const { reservedAt } = await json<{ reservedAt: string }>(`reservations show ${raasTxnRef}`);
    expect(Math.abs(Date.parse(reservedAt) - Date.now() - 8 * DAY)).toBeLessThan(60_000);
  });

  test.each(JUMPS)("%s: a reserve that is on time succeeds", async (_, jump) => {
    flushTakes(800);
    const answer = reserve(server);
    await Bun.sleep(300);
    moveClock(jump);
    expect((await answer).responseCode).toBe("0000");
  });

  test("back, then ahead: a late reserve is told 2060 in time, a late result 503", async () => {
    const { raasTxnRef } = await reserve(server);
    flushTakes(5_000);
    const startedAtMs = performance.now();
    const since = () => performance.now() - startedAtMs;
    const told = reserve(server).then(({ responseCode }) => ({ responseCode, ms: since() }));
    const result = { raasTxnRef, responseCode: "0000" };
    const late = server
      .post("/transactResult", result)
      .then(({ status }) => ({ status, ms: since() }));
    for (const [, jump] of JUMPS) {
      await Bun.sleep(300);
      moveClock(jump);
    }
    const { responseCode, ms } = await told;
    expect(responseCode).toBe("2060");
    expect(ms).toBeWithin(1_700, 2_000);
    moveClock(-HOUR);
    const { status, ms: resultMs } = await late;
    expect(status).toBe(503);
    expect(resultMs).toBeWithin(3_900, 4_200);
    flushTakes(0);
    expect((await server.post("/transactResult", result)).status).toBe(202);
  });

  test("back and ahead, many times, between purchases: the journal's order is that of the acts", async () => {
    const rounds = times(12, 200);
    const sold: string[] = [];
    for (let round = 0; round < rounds; round += 1) {
      moveClock([0, -HOUR, 8 * DAY][round % 3] ?? 0);
      const { raasTxnRef, reserveFundsTxnRef } = await reserve(server, { reserveAmount: 100 });
      const result = { raasTxnRef, responseCode: "0000" };
      expect((await server.post("/transactResult", result)).status).toBe(202);
      sold.push(reserveFundsTxnRef);
    }
    expect(new Set(sold).size).toBe(rounds);
    type Posting = { id: number; act: string; reference: string | null };
    const journal = await json<Posting[]>("journal list");
    const debits = journal.filter(({ reference }) => reference !== null);
    expect(debits.map(({ reference }) => reference)).toEqual(sold);
    expect(journal.map(({ id }) => id)).toEqual(journal.map((_, index) => index + 1));
    expect(await verifies()).toBe(true);
    noteTorture({
      injected: "the clock set an hour back or eight days ahead between purchases",
      times: rounds,
      held: "every purchase went on, the journal's order is that of the acts, verify ok",
    });
  }, 60_000);

  test("a clock that was ahead hides no finding and reports nothing that is settled", async () => {
    moveClock(-20 * DAY);
    const [open, settled] = [await reserve(server), await reserve(server)];
    const result = (raasTxnRef: string, responseCode: string) =>
      server.post("/transactResult", { raasTxnRef, responseCode });
    moveClock(8 * DAY);
    await result(settled.raasTxnRef, "0000");
    await result(settled.raasTxnRef, "2201");
    moveClock(0);
    const { unconfirmed, findings } = await report();
    expect(unconfirmed.map(({ requestId }) => requestId)).toEqual([open.raasTxnRef]);
    const contradiction = { kind: "contradiction", requestId: settled.raasTxnRef };
    expect(findings).toContainEqual(expect.objectContaining(contradiction));
    expect(await json<object[]>("findings list")).toContainEqual(
      expect.objectContaining(contradiction),
    );
  });
});

describe("the clock jumps between two starts", () => {
  test.each([
    ["an hour back", -HOUR],
    ["eight days ahead", 8 * DAY],
  ] as const)("%s: answers, holds and limits stand, and purchases go on", async (_, jump) => {
    bank = await newBank();
    await bank.admin("limits set --day-count 3");
    const before = await serve();
    const first = await reserve(before);
    const open = await reserve(before);
    await before.stop("SIGKILL");
    moveClock(jump);
    const after = await serve();
    expect(await reserve(after, { raasTxnRef: first.raasTxnRef })).toEqual(first);
    const result = { raasTxnRef: open.raasTxnRef, responseCode: "0000" };
    expect((await after.post("/transactResult", result)).status).toBe(202);
    expect((await reserve(after)).responseCode).toBe("0000");
    expect((await after.stop()).exit).toBe(0);
    expect(await verifies()).toBe(true);
  });

  // The finding comes a minute after the start; test/storage has the short form of it.
  test.if(times(0, 1) === 1)(
    "killed before an answer, then set back: it is a finding all the same",
    async () => {
      bank = await newBank();
      const before = await serve();
      flushTakes(5_000);
      const raasTxnRef = newRequestId();
      const unanswered = reserve(before, { raasTxnRef }).catch(() => null);
      await Bun.sleep(300);
      await before.stop("SIGKILL");
      expect(await unanswered).toBeNull();
      flushTakes(0);
      moveClock(-HOUR);
      const after = await serve();
      await Bun.sleep(62_000);
      expect((await report()).findings).toEqual([
        expect.objectContaining({ kind: "interrupted", requestId: raasTxnRef }),
      ]);
      await after.stop();
      noteTorture({
        injected: "killed with a reserve unanswered, the clock an hour back at the next start",
        times: 1,
        held: "the reservation became a finding a minute after the start",
      });
    },
    90_000,
  );
});

describe("across a change of summer time", () => {
  type Case = {
    readonly zone: string;
    readonly country: string;
    readonly weekend?: string;
    readonly confirmed: string;
    readonly listedFrom: string;
  };
  const CASES: readonly Case[] = [
    // Into summer time on Sunday 29 March: seven business days after Friday the 20th end with
    // Tuesday the 31st, at a midnight that is an hour earlier in UTC than the first one.
    {
      zone: "Europe/Berlin",
      country: "DE",
      confirmed: "2026-03-20T22:30:00Z",
      listedFrom: "2026-03-31T22:00:00Z",
    },
    // The same instant an hour later is Saturday the 21st there: day 0 is no business day.
    {
      zone: "Europe/Berlin",
      country: "DE",
      confirmed: "2026-03-20T23:30:00Z",
      listedFrom: "2026-03-31T22:00:00Z",
    },
    // Out of it on Sunday 25 October.
    {
      zone: "Europe/Berlin",
      country: "DE",
      confirmed: "2026-10-21T12:00:00Z",
      listedFrom: "2026-10-30T23:00:00Z",
    },
    // Day 7 itself is the day of 23 hours, where Sunday is a business day.
    {
      zone: "Europe/Berlin",
      country: "DE",
      weekend: "[5, 6]",
      confirmed: "2026-03-18T12:00:00Z",
      listedFrom: "2026-03-29T22:00:00Z",
    },
    // Day 7 ends at a midnight that does not exist: on 24 April it is 01:00 at once.
    {
      zone: "Africa/Cairo",
      country: "EG",
      weekend: "[5, 6]",
      confirmed: "2026-04-14T12:00:00Z",
      listedFrom: "2026-04-23T22:00:00Z",
    },
    // No summer time: contract.md 4.9's own example, Monday 2 March to Thursday 12 March 00:00.
    {
      zone: "Africa/Johannesburg",
      country: "ZA",
      confirmed: "2026-03-02T12:00:00Z",
      listedFrom: "2026-03-11T22:00:00Z",
    },
  ];

  test.each(CASES)("$zone, confirmed $confirmed: listed from $listedFrom", async (row) => {
    const { zone, country, weekend, confirmed, listedFrom } = row;
    bank = await newBank({ init: ["--time-zone", zone, "--country", country] });
    if (weekend !== undefined) configure(bank, `weekend = ${weekend}`);
    setClock(confirmed);
    const server = await serve();
    const { raasTxnRef } = await reserve(server);
    const before = new Date(Date.parse(listedFrom) - 20_000).toISOString();
    setClock(before);
    expect(await listed()).toEqual([]);
    // The clock passes the midnight while the server runs.
    setClock(new Date(Date.parse(listedFrom) + 1_000).toISOString());
    expect(await listed()).toEqual([raasTxnRef]);
    expect((await report()).unconfirmed[0]?.businessDays).toBeGreaterThanOrEqual(7);
    // Asked for by time, the clock does not matter.
    moveClock(0);
    expect(await listed(`reports exceptions --as-of ${before}`)).toEqual([]);
    expect(await listed(`reports exceptions --as-of ${listedFrom}`)).toEqual([raasTxnRef]);
    await server.stop();
  });

  test("a day of 23 hours is one day of its limits, and the next day begins at its midnight", async () => {
    bank = await newBank({ init: ["--time-zone", "Europe/Berlin", "--country", "DE"] });
    await bank.admin("limits set --day-count 2");
    setClock("2026-03-28T23:30:00Z");
    const server = await serve();
    const codes: string[] = [];
    for (const time of ["2026-03-29T00:59:58Z", "2026-03-29T01:00:02Z", "2026-03-29T21:59:00Z"]) {
      setClock(time);
      codes.push((await reserve(server)).responseCode);
    }
    setClock("2026-03-29T22:00:05Z");
    codes.push((await reserve(server)).responseCode);
    expect(codes).toEqual(["0000", "0000", "2040", "0000"]);
    expect(await verifies()).toBe(true);
    await server.stop();
  });
});
