// What a storm's history and the books say of a bank that loses a Success, gives one twice, or does
// what the caller was not told: nothing of our own bank, and each of these faults of a front before it.
import { afterEach, expect, test } from "bun:test";
import { openBooks } from "../../src/conformance/books.ts";
import { judgeStorm, type StormVerdict } from "../../src/conformance/history.ts";
import { NOTHING_KNOWN } from "../../src/conformance/profile.ts";
import { runStorm } from "../../src/conformance/storm.ts";
import { type TestBank, testBank } from "../http/bank.ts";
import { plainKit } from "./plain-kit.ts";

type Ask = () => Promise<Response>;
/** What stands before the bank; it may ask the bank, once, twice or not at all. */
type Front = (path: string, body: Record<string, unknown>, ask: Ask) => Promise<Response>;

let bank: TestBank;
let server: ReturnType<typeof Bun.serve>;
afterEach(async () => {
  await server.stop(true);
  await bank.close();
});

/** Twelve purchases, each fourth of which is dispensed. */
async function judged(front: Front): Promise<StormVerdict> {
  bank = testBank({ accounts: [{}] });
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const body = await request.text();
      const { method, headers } = request;
      const ask = async () => bank.app.handle(new Request(request.url, { method, headers, body }));
      return front(new URL(request.url).pathname, JSON.parse(body), ask);
    },
  });
  const kit = plainKit(server.url, { ...NOTHING_KNOWN, active: "27731304702" });
  const books = openBooks(bank.store, kit);
  const how = { rate: 40, seconds: 0.3, dispensedEvery: 4 };
  await runStorm(kit, { ...how, onProgress: () => {}, isStopped: () => false });
  await kit.cleanUp();
  return judgeStorm(kit, books);
}

const isResult = (path: string) => path === "/transactResult";

test("our own bank loses nothing and does nothing twice, whatever answers are lost", async () => {
  let count = 0;
  const verdict = await judged(async (_, __, ask) => {
    const answer = await ask();
    count += 1;
    return count % 3 === 0 ? new Response("", { status: 503 }) : answer;
  });
  expect(verdict).toEqual({ history: [], books: [] });
  expect(count).toBeGreaterThan(24);
});

test("a Success that nobody knows of afterwards is lost", async () => {
  const { history } = await judged(async (path, { raasTxnRef }, ask) =>
    isResult(path) && String(raasTxnRef).endsWith("-7")
      ? new Response("{}", { status: 404 })
      : ask(),
  );
  expect(history).toEqual([expect.stringMatching(/^sim-test-7 was answered Success.*lost$/)]);
});

test("two purchases with one reference are one too few", async () => {
  let first = "";
  const { history } = await judged(async (path, _, ask) => {
    const text = await (await ask()).text();
    if (isResult(path)) return new Response(null, { status: 202 });
    first ||= text;
    return new Response(first);
  });
  expect(history).toHaveLength(1);
});

test("what is held, debited or not done behind the caller's back stands in the books", async () => {
  const held = await judged(async (path, { raasTxnRef }, ask) => {
    const answer = await ask();
    const isHidden = !isResult(path) && raasTxnRef === "sim-test-2";
    return isHidden ? Response.json({ responseCode: "2060", raasTxnRef }) : answer;
  });
  expect(held.books).toEqual([
    "sim-test-2 is reserved, and was never answered Success",
    expect.stringContaining("1000 minor units more are held"),
  ]);
});

test("202 that does nothing is missed in the books", async () => {
  const { history, books } = await judged(async (path, _, ask) =>
    isResult(path) ? new Response(null, { status: 202 }) : ask(),
  );
  expect(history).toEqual([]);
  expect(books).toContain("sim-test-1 has 0 postings");
  expect(books).toContain("sim-test-2 is reserved, not released");
});
