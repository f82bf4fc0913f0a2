// The storm's figures, and what becomes of reserves whose answer was lost. Only lower bounds: a busy
// machine makes answers later, never earlier.
import { afterEach, expect, test } from "bun:test";
import type { Kit } from "../../src/conformance/kit.ts";
import { NOTHING_KNOWN } from "../../src/conformance/profile.ts";
import { runStorm } from "../../src/conformance/storm.ts";
import { plainKit } from "./plain-kit.ts";

let server: ReturnType<typeof Bun.serve> | undefined;
afterEach(() => server?.stop(true));

type Answers = (path: string, body: Record<string, unknown>) => Promise<Response> | Response;

function kitOf(answers: Answers): Kit {
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const body = (await request.json()) as Record<string, unknown>;
      return answers(new URL(request.url).pathname, body);
    },
  });
  return plainKit(server.url, NOTHING_KNOWN);
}

const success = (body: Record<string, unknown>) =>
  new Response(
    JSON.stringify({ responseCode: "0000", reserveFundsTxnRef: `R-${body["raasTxnRef"]}` }),
  );
const accepted = () => new Response(null, { status: 202 });

const storm = (kit: Kit, rate: number, seconds: number) =>
  runStorm(kit, {
    rate,
    seconds,
    dispensedEvery: null,
    onProgress: () => {},
    isStopped: () => false,
  });

test("a stall is charged to every request that was due while it lasted", async () => {
  let untilMs = 0;
  const kit = kitOf(async (path, body) => {
    if (path === "/transactResult") return accepted();
    untilMs ||= performance.now() + 500;
    await Bun.sleep(Math.max(0, untilMs - performance.now()));
    return success(body);
  });
  const { calls } = await storm(kit, 100, 1);
  // Half of a second's requests came into a stall of half a second: a tenth of all waited 0.4 s.
  expect(calls.reserveFunds.maxMs).toBeGreaterThan(450);
  expect(calls.reserveFunds.p90Ms).toBeGreaterThan(350);
  expect(calls.reserveFunds.count).toBe(100);
  expect(calls.transactResult.answers).toEqual({ "HTTP 202": 100 });
  expect(await kit.cleanUp()).toEqual([]);
});

test("what is answered after two seconds is not within them, whatever it says", async () => {
  const kit = kitOf(async (_, body) => {
    await Bun.sleep(2_050);
    return new Response(JSON.stringify({ responseCode: "2060", raasTxnRef: body["raasTxnRef"] }));
  });
  const { reserveFunds, transactResult } = (await storm(kit, 4, 0.5)).calls;
  expect([reserveFunds.within2s, reserveFunds.answers]).toEqual([0, { "2060": 2 }]);
  expect(transactResult.count).toBe(0);
});

test("a reserve whose answer was lost, or whose cancel was, is cancelled in the end", async () => {
  const held = new Set<unknown>();
  let losesCancels = true;
  const kit = kitOf((path, body) => {
    if (path === "/reserveFunds") {
      held.add(body["raasTxnRef"]);
      return held.size % 2 === 0 ? new Response("", { status: 502 }) : success(body);
    }
    if (losesCancels) return new Response("", { status: 503 });
    held.delete(body["raasTxnRef"]);
    return accepted();
  });
  await storm(kit, 20, 0.3);
  expect(held.size).toBe(6);
  losesCancels = false;
  expect(await kit.cleanUp()).toEqual([]);
  expect(held.size).toBe(0);
});

test("what cannot be cancelled is named", async () => {
  const kit = kitOf((path, body) =>
    path === "/reserveFunds" ? success(body) : new Response("", { status: 503 }),
  );
  const { requestId } = await kit.reserved();
  expect(await kit.cleanUp()).toEqual([
    { requestId, reference: `R-${requestId}`, amount: NOTHING_KNOWN.amount },
  ]);
});
