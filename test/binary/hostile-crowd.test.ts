// Connections that never come to a request, by the hundreds and thousands, against the compiled
// program: purchases go on beside them, they are closed, and there is an end to their number.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { chunk, postHead, rawConnection } from "../http/socket.ts";
import { noteTorture, times } from "../torture.ts";
import { type Bank, newBank, reserveBody, type ServeHow, type Server } from "./program.ts";
import { cpuMs, memoryMb, openFiles } from "./vitals.ts";

let bank: Bank;
beforeEach(async () => {
  bank = await newBank();
});
afterEach(() => bank.remove());

/** A reserve is answered within this, whatever goes on beside it (the guide). */
const DEADLINE_MS = 2_000;

/** What a connection of the crowd begins with, and what it then drips. */
const WAYS = [
  ["POST /reserveFunds HTTP/1.1\r\nHost: bank\r\nX: ", "a"],
  ["POST /reserveFunds HTTP/1.1\r\nHost: bank\r\n", "X: a\r\n"],
  [postHead("/reserveFunds", ["Content-Length: 60000"]), "{"],
  [postHead("/transactResult", ["Transfer-Encoding: chunked"]), "1\r\n \r\n"],
] as const;

/** A crowd of connections that begin and then drip. */
function crowdAt(server: Server) {
  const { hostname, port } = new URL(server.url);
  const open = new Set<Socket>();
  let joined = 0;

  function join(): void {
    const [begin, drop] = WAYS[joined % WAYS.length]!;
    joined += 1;
    const socket = connect({ host: hostname, port: Number(port) });
    open.add(socket);
    socket.write(begin);
    const timer = setInterval(() => socket.write(drop), 1_000);
    // To be refused or cut off is what it is for.
    socket.on("error", () => {});
    socket.on("close", () => {
      clearInterval(timer);
      open.delete(socket);
    });
  }
  return {
    joined: () => joined,
    open: () => open.size,
    async grow(by: number) {
      for (let n = 0; n < by; n += 1) {
        join();
        if (n % 100 === 99) await Bun.sleep(2);
      }
    },
    leave() {
      for (const socket of open) socket.destroy();
    },
  };
}

/** Buys over a connection of its own; gives the milliseconds, or null where it was not let in. */
async function buy(server: Server): Promise<number | null> {
  const startedAt = performance.now();
  const signal = AbortSignal.timeout(5_000);
  const init = { method: "POST", body: JSON.stringify(reserveBody({ reserveAmount: 1 })), signal };
  const answer = await fetch(`${server.url}/reserveFunds`, { ...init, keepalive: false }).catch(
    () => null,
  );
  if (answer === null) return null;
  expect(await answer.text()).toContain('"responseCode":"0000"');
  return performance.now() - startedAt;
}

async function within(seconds: number, check: () => boolean | Promise<boolean>): Promise<boolean> {
  for (let tries = 0; tries < seconds * 10; tries += 1) {
    if (await check()) return true;
    await Bun.sleep(100);
  }
  return false;
}

/** Serves while something is done; it must end as ever, and its books agree. */
async function served(how: ServeHow, act: (server: Server) => Promise<void>): Promise<void> {
  const server = await bank.serve(how);
  try {
    await act(server);
    expect(await buy(server)).not.toBeNull();
  } catch (error) {
    await server.stop("SIGKILL");
    throw error;
  }
  expect((await server.stop()).exit).toBe(0);
  expect((await bank.json<{ ok: boolean }>("verify")).ok).toBe(true);
}

describe("who drips", () => {
  const CROWD = times(1_000, 4_000);
  const FOR_MS = times(0, 60_000);

  test(
    `${CROWD} connections: purchases within 2 s beside them, and each is closed within 20 s`,
    () =>
      served({}, async (server) => {
        const crowd = crowdAt(server);
        await crowd.grow(CROWD);
        expect(await within(5, () => openFiles(server.pid) > CROWD * 0.9)).toBe(true);
        let slowest = 0;
        let bought = 0;
        const startedAt = performance.now();
        const isOver = async () => {
          const ms = await buy(server);
          expect(ms).not.toBeNull();
          expect(ms!).toBeLessThan(DEADLINE_MS);
          slowest = Math.max(slowest, ms!);
          bought += 1;
          // In full, who was closed comes back for a while.
          if (performance.now() - startedAt < FOR_MS) await crowd.grow(CROWD - crowd.open());
          return crowd.open() === 0;
        };
        expect(await within(20 + FOR_MS / 500, isOver)).toBe(true);
        const memory = memoryMb(server.pid);
        noteTorture({
          injected: `${CROWD} connections at once that drip heads and bodies`,
          times: crowd.joined(),
          held: `each was closed; ${bought} purchases beside them, the slowest ${Math.round(slowest)} ms; ${Math.round(memory)} MB of memory`,
        });
      }),
    times(40_000, 240_000),
  );
});

describe.if(process.platform === "linux")("more connections than there may be", () => {
  const WAVES = times(1, 20);

  test(
    "more than half of the files: those without a request make room, what is in flight is answered",
    () =>
      served({ openFiles: 1_000 }, async (server) => {
        const crowd = crowdAt(server);
        for (let wave = 0; wave < WAVES; wave += 1) {
          const inFlight = await rawConnection(server.url);
          const body = JSON.stringify(reserveBody({ reserveAmount: 1 }));
          inFlight.send(postHead("/reserveFunds", ["Transfer-Encoding: chunked"]));
          inFlight.send(chunk(body.slice(0, 9)));
          // One without a request is closed as the room is made.
          const idle = await rawConnection(server.url);
          idle.send("GET /health/live HTTP/1.1\r\nHost: bank\r\n\r\n");
          await idle.answer();
          const grown = crowd.grow(900);
          await idle.closed;
          // Not at once: it has its two seconds.
          await Bun.sleep(700);
          inFlight.send(chunk(body.slice(9)) + chunk(""));
          expect((await inFlight.answer())?.body).toContain('"responseCode":"0000"');
          await grown;
          const startedAt = performance.now();
          // It is let in at once, or within a moment.
          expect(await within(2, async () => (await buy(server)) !== null)).toBe(true);
          expect(performance.now() - startedAt).toBeLessThan(DEADLINE_MS);
          expect(await within(5, () => openFiles(server.pid) < 600)).toBe(true);
          inFlight.destroy();
          crowd.leave();
          expect(await within(5, () => openFiles(server.pid) < 100)).toBe(true);
        }
        noteTorture({
          injected: "a crowd of 900 connections where the files allow 500",
          times: WAVES,
          held: "purchases within 2 s, what was in flight answered, the crowd closed",
        });
      }),
    times(30_000, 240_000),
  );

  test(
    "more than all files: who comes is refused, no core is kept busy, and it is over in 10 s",
    () =>
      served({ openFiles: 200 }, async (server) => {
        const crowd = crowdAt(server);
        let busiest = 0;
        let slowest = 0;
        for (let wave = 0; wave < WAVES; wave += 1) {
          const cpuBefore = cpuMs(server.pid);
          const startedAt = performance.now();
          await crowd.grow(600);
          expect(await within(10, async () => (await buy(server)) !== null)).toBe(true);
          expect(await within(10, () => openFiles(server.pid) < 150)).toBe(true);
          const took = performance.now() - startedAt;
          expect(took).toBeLessThan(10_000);
          slowest = Math.max(slowest, took);
          busiest = Math.max(busiest, (cpuMs(server.pid) - cpuBefore) / took);
          // Nobody is kept waiting for ever either.
          expect(await within(10, () => crowd.open() < 150)).toBe(true);
        }
        crowd.leave();
        expect(busiest).toBeLessThan(0.6);
        noteTorture({
          injected: "600 connections at once where the files allow 200",
          times: WAVES,
          held: `purchases again within ${(slowest / 1_000).toFixed(1)} s, ${Math.round(busiest * 100)} % of a core at most`,
        });
      }),
    times(30_000, 300_000),
  );
});
