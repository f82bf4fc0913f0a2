// Stops, kills, and a disk that is slow or broken.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { chunk, postHead, rawConnection } from "../http/socket.ts";
import { noteTorture, times } from "../torture.ts";
import { breakDisk, type Fault, onDisk, useDisk } from "./disk.ts";
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
import {
  account,
  type Bank,
  newBank,
  newRequestId,
  type Reserved,
  reserve,
  reserveBody,
  type Server,
} from "./program.ts";

useDisk();

let bank: Bank;
beforeEach(async () => {
  bank = await newBank();
});
afterEach(() => bank.remove());

/** Waits, at most so many seconds, until a check holds. */
async function eventually(check: () => Promise<boolean>, seconds = 8): Promise<boolean> {
  for (let tries = 0; tries < seconds * 10; tries += 1) {
    if (await check()) return true;
    await Bun.sleep(100);
  }
  return false;
}

const verifies = async () => (await bank.json<{ ok: boolean }>("verify")).ok;

describe("SIGTERM", () => {
  test.each(["SIGTERM", "SIGINT"] as const)(
    "%s: what was accepted is answered, idle connections are closed, exit 0 within 5 s",
    async (signal) => {
      const server = await bank.serve();
      const used = await rawConnection(server.url);
      used.send("GET /health/live HTTP/1.1\r\nHost: bank\r\n\r\n");
      expect((await used.answer())!.status).toBe(200);
      // Accepted, with its body still on the way when the signal comes.
      const accepted = await rawConnection(server.url);
      const raasTxnRef = newRequestId();
      const body = JSON.stringify(reserveBody({ raasTxnRef }));
      accepted.send(postHead("/reserveFunds", ["Transfer-Encoding: chunked"]));
      accepted.send(chunk(body.slice(0, 20)));
      await Bun.sleep(100);
      const stopped = server.stop(signal);
      await Bun.sleep(200);
      await expect(fetch(`${server.url}/health/live`)).rejects.toThrow();
      accepted.send(chunk(body.slice(20)) + chunk(""));
      const answer = await accepted.answer();
      expect(answer?.status).toBe(200);
      const { responseCode } = JSON.parse(answer!.body) as Reserved;
      expect(responseCode).toBe("0000");
      const { exit, ms } = await stopped;
      await Promise.all([used.closed, accepted.closed]);
      expect(exit).toBe(0);
      expect(ms).toBeLessThan(5_000);
      expect((await account(bank)).heldMinor).toBe(10_000);
      expect(await verifies()).toBe(true);
    },
  );

  test("with idle connections alone it ends without waiting for them", async () => {
    const server = await bank.serve();
    // This one never sent a byte; its kernel may not tell it of the end, so only the other waits.
    const silent = await rawConnection(server.url);
    const used = await rawConnection(server.url);
    used.send("GET /health/live HTTP/1.1\r\nHost: bank\r\n\r\n");
    await used.answer();
    const { exit, ms } = await server.stop();
    await used.closed;
    silent.destroy();
    expect(exit).toBe(0);
    expect(ms).toBeLessThan(2_000);
  });

  test("a caller that never ends its body does not keep it from ending", async () => {
    const server = await bank.serve();
    const hanging = await rawConnection(server.url);
    hanging.send(postHead("/reserveFunds", ["Content-Length: 100"]));
    await Bun.sleep(100);
    const { exit, ms } = await server.stop();
    await hanging.closed;
    expect(exit).toBe(0);
    expect(ms).toBeLessThan(5_000);
  });
});

describe("a disk that is slow or broken", () => {
  const disk = (fault: Fault) => breakDisk(bank, fault);
  let server: Server;
  beforeEach(async () => {
    server = await bank.serve({ env: onDisk(bank) });
  });
  afterEach(async () => {
    await server.stop("SIGKILL");
  });

  test("a flush of 3 s: 2060 within 2 s, no hold remains, and repeats say 2060", async () => {
    expect((await reserve(server)).responseCode).toBe("0000");
    disk("delay 3000");
    const body = reserveBody();
    const startedAt = performance.now();
    const answer = await server.post("/reserveFunds", body);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    expect(answer.body).toBe(
      `{"responseCode":"2060","responseMessage":"Time-out","raasTxnRef":"${body["raasTxnRef"]}"}`,
    );
    expect((await server.post("/reserveFunds", body)).body).toBe(answer.body);
    disk("none");
    // What was answered before the trouble is all that is held.
    expect(await eventually(async () => (await account(bank)).heldMinor === 10_000)).toBe(true);
    expect((await server.post("/reserveFunds", body)).body).toBe(answer.body);
    expect((await reserve(server)).responseCode).toBe("0000");
    expect(await verifies()).toBe(true);
  });

  test("a flush of 5 s: a result is 503 with Retry-After within 4.2 s, and its resend 202", async () => {
    const { raasTxnRef } = await reserve(server);
    disk("delay 5000");
    const startedAt = performance.now();
    const result = { raasTxnRef, responseCode: "0000" };
    const late = await server.post("/transactResult", result);
    expect(performance.now() - startedAt).toBeLessThan(4_200);
    expect([late.status, late.body]).toEqual([503, ""]);
    expect(late.headers.get("retry-after")).toMatch(/^\d+$/);
    disk("none");
    expect((await server.post("/transactResult", result)).status).toBe(202);
    expect(await account(bank)).toMatchObject({ ledgerBalanceMinor: 490_000, heldMinor: 0 });
  });

  test("SIGTERM during a flush: what was accepted is answered first", async () => {
    disk("delay 1000");
    const answered = reserve(server);
    await Bun.sleep(200);
    const stopped = server.stop();
    expect((await answered).responseCode).toBe("0000");
    disk("none");
    const { exit, ms } = await stopped;
    expect(exit).toBe(0);
    expect(ms).toBeLessThan(5_000);
  });

  test("a flush that fails: nobody is answered, it ends by itself, and the next start is sound", async () => {
    const before = await reserve(server);
    disk("fail");
    const calls = Array.from({ length: 5 }, () =>
      reserve(server).then(
        () => "answered",
        () => "closed",
      ),
    );
    expect(new Set(await Promise.all(calls))).toEqual(new Set(["closed"]));
    // SIGKILL: an exit would close the database, and that flush would be believed.
    expect(await server.exited).toBe(137);
    expect(server.err()).toContain("error: the disk did not take a flush");
    disk("none");
    server = await bank.serve();
    expect(await reserve(server, { raasTxnRef: before.raasTxnRef })).toEqual(before);
    expect(await verifies()).toBe(true);
  });
});

describe("deadlines under load", () => {
  /** What every answer keeps to (contract.md 2 and 3), whatever happens beneath. */
  function expectInTime(log: Log): void {
    const { reserveMs, resultMs } = slowestOf(log);
    expect(reserveMs).toBeLessThan(2_000);
    expect(resultMs).toBeLessThan(5_000);
  }

  /** Trouble for a while, then none: answers in time, no hold of a 2060, and none that comes later. */
  async function standsTrouble(
    server: Server,
    log: Log,
    { begin, end, forMs }: { begin(): unknown; end(): unknown; forMs: number },
  ): Promise<string> {
    const before = log.unusual.length;
    await load(server, log, Bun.sleep(200));
    expect(log.unusual.slice(before)).toEqual([]);
    await begin();
    await load(server, log, Bun.sleep(forMs));
    await end();
    const late = log.unusual.length;
    // What began in the trouble, as a flush does, may take as long as it took.
    const { ask, end: hangUp } = await connectTo(server.url, log);
    const sells = () => ask("/reserveFunds", newBody(buyer(0)));
    expect(await eventually(async () => (await sells()).body.includes('"0000"'))).toBe(true);
    hangUp();
    await sendAgain(server.url, log, unsettled(log));
    await load(server, log, Bun.sleep(200));
    expect(log.unusual.length).toBe(late);
    expectInTime(log);
    for (const waitMs of [0, 1_000]) {
      await Bun.sleep(waitMs);
      const problems = await problemsOf(loadBank, log);
      expect([problems.length, problems.slice(0, 10)]).toEqual([0, []]);
    }
    const { reserveMs, resultMs } = slowestOf(log);
    const slowest = `slowest reserve ${Math.ceil(reserveMs)} ms, result ${Math.ceil(resultMs)} ms`;
    return `${late - before} of ${log.exchanges.length} answers were 2060 or 503; ${slowest}`;
  }

  let loadBank: Bank;
  beforeEach(async () => {
    loadBank = await newLoadBank();
  });
  afterEach(() => loadBank.remove());

  test.each([300, 3_000])(
    "every flush takes %d ms",
    async (ms) => {
      const server = await loadBank.serve({ env: onDisk(loadBank) });
      const log = newLog();
      const rounds = times(1, 10);
      let seen = "";
      for (let round = 0; round < rounds; round += 1) {
        seen = await standsTrouble(server, log, {
          begin: () => breakDisk(loadBank, `delay ${ms}`),
          end: () => breakDisk(loadBank, "none"),
          forMs: ms + 500,
        });
      }
      await server.stop();
      noteTorture({
        injected: `every flush takes ${ms} ms for a while, under load`,
        times: rounds,
        held: `I1-I7; every answer in time, no hold of a 2060 remains or comes later (last: ${seen})`,
      });
    },
    times(60_000, 600_000),
  );

  test(
    "another process holds the database for 3 s",
    async () => {
      const server = await loadBank.serve();
      const log = newLog();
      const rounds = times(1, 10);
      let seen = "";
      for (let round = 0; round < rounds; round += 1) {
        let holder: ReturnType<typeof holdDatabase> | null = null;
        seen = await standsTrouble(server, log, {
          begin: () => {
            holder = holdDatabase(loadBank, 3_000);
            return holder.began;
          },
          end: () => holder?.exited,
          forMs: 2_800,
        });
      }
      await server.stop();
      noteTorture({
        injected: "another process holds the database for 3 s, under load",
        times: rounds,
        held: `I1-I7; every answer in time, no hold of a 2060 remains or comes later (last: ${seen})`,
      });
    },
    times(60_000, 600_000),
  );
});

/** A second process in a commit of its own that takes so long. */
function holdDatabase({ dataDir }: Bank, ms: number) {
  const code = `
    const { Database } = require("bun:sqlite");
    const db = new Database(process.argv[1], { readwrite: true });
    db.run("PRAGMA busy_timeout = 5000");
    db.run("BEGIN IMMEDIATE");
    console.log("begun");
    Bun.sleepSync(${ms});
    db.run("COMMIT");
    db.close();`;
  const child = Bun.spawn([process.execPath, "-e", code, join(dataDir, "bank.db")], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const began = child.stdout.getReader().read();
  return { began, exited: child.exited };
}
