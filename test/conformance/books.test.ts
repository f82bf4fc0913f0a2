// The rules that only the bank's own side shows, against our own bank: kept as it is, and broken
// where something in front of it, or an operator, does what the kit was not told.
import { afterEach, expect, test } from "bun:test";
import { type Books, bookRules, openBooks } from "../../src/conformance/books.ts";
import type { Kit } from "../../src/conformance/kit.ts";
import { NOTHING_KNOWN, type Profile } from "../../src/conformance/profile.ts";
import { IN_TIME } from "../../src/conformance/rule.ts";
import { type RunOptions, tryBooks, tryRules } from "../../src/conformance/run.ts";
import { minor, ZERO } from "../../src/domain/money.ts";
import { BY, done, type TestBank, testBank } from "../http/bank.ts";
import { plainKit } from "./plain-kit.ts";

/** What stands before the bank: it answers by itself, or gives null and lets the bank answer. */
type Front = (path: string, body: string) => Response | null;

let bank: TestBank;
let server: ReturnType<typeof Bun.serve>;
afterEach(async () => {
  await server.stop(true);
  await bank.close();
});

const PROFILE: Profile = {
  ...NOTHING_KNOWN,
  active: "27731304702",
  withPin: "27821234567",
  pin: "4321",
};

type Told = { readonly kit: Kit; readonly books: Books; readonly options: RunOptions };

async function play(front: Front, profile: Profile = PROFILE): Promise<Told> {
  bank = testBank({
    accounts: [{}, { number: "1002", buyers: ["27821234567"], pin: "4321" }],
  });
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const body = await request.text();
      const { pathname } = new URL(request.url);
      const { method, headers } = request;
      const init = method === "GET" ? { method } : { method, headers, body };
      return front(pathname, body) ?? bank.app.handle(new Request(request.url, init));
    },
  });
  const kit = plainKit(server.url, profile);
  const books = openBooks(bank.store, kit);
  const options: RunOptions = {
    abilities: new Set(["debit"]),
    only: null,
    lateMs: 0,
    ...IN_TIME,
    books,
    onRule: () => {},
    isStopped: () => false,
  };
  await tryRules(kit, options);
  await kit.cleanUp();
  return { kit, books, options };
}

async function failedBooks({ kit, options }: Told): Promise<string[]> {
  const verdicts = await tryBooks(kit, options);
  return verdicts.flatMap(({ id, verdict }) => (verdict === "failed" ? [id] : []));
}

test("our own bank keeps them all", async () => {
  const told = await play(() => null);
  const verdicts = await tryBooks(told.kit, told.options);
  const passed = verdicts.filter(({ verdict }) => verdict === "passed").map(({ id }) => id);
  expect(passed).toEqual(bookRules.map(({ id }) => id));
});

test("202 that does nothing: the state, the posting and the balance are missed", async () => {
  const told = await play((path) =>
    path === "/transactResult" ? new Response(null, { status: 202 }) : null,
  );
  const failed = await failedBooks(told);
  expect(failed).toContain("books.states");
  expect(failed).toContain("books.once");
  expect(failed).toContain("books.balances");
});

test("a posting too many, and money that went beside it", async () => {
  const told = await play(() => null);
  const released = told.kit.released[0];
  done(bank.store.settle(BY, released?.requestId ?? "", "debit", false));
  expect(await failedBooks(told)).toEqual(["books.once", "books.balances"]);
});

test("a hold that stayed", async () => {
  const told = await play(() => null);
  const fields = { raasTxnRef: "beside", sourceIdentifier: PROFILE.active, reserveAmount: 500 };
  await bank.post("/reserveFunds", fields);
  expect(await failedBooks(told)).toEqual(["books.balances"]);
});

/** Takes a second result for a purchase itself, where the two are alike or contradict each other. */
function secondResults(taken: "alike" | "contradicting"): Front {
  const ended = new Map<string, string>();
  return (path, body) => {
    const [, id, code = ""] = /"raasTxnRef":"([^"]+)".*"responseCode":"(\d+)"/.exec(body) ?? [];
    if (path !== "/transactResult" || id === undefined) return null;
    const first = ended.get(id);
    ended.set(id, first ?? code);
    if (first === undefined || (first === code) !== (taken === "alike")) return null;
    return new Response(null, { status: 202 });
  };
}

test("a repeat that is answered before the bank sees it has no receipt", async () => {
  expect(await failedBooks(await play(secondResults("alike")))).toEqual(["books.receipts"]);
});

test("a contradiction that nobody is shown", async () => {
  const failed = await failedBooks(await play(secondResults("contradicting")));
  expect(failed).toContain("books.findings");
});

test("a PIN in a receipt: here its mask stands for it", async () => {
  const told = await play(() => null, { ...PROFILE, pin: "***" });
  expect(await failedBooks(told)).toEqual(["books.secrets"]);
});

test("what happened before the kit came is none of its business", async () => {
  const told = await play(() => null);
  expect(told.books.before.map(({ number, held }) => [number, held])).toEqual([
    ["1001", ZERO],
    ["1002", ZERO],
  ]);
  expect(told.books.before[0]?.ledgerBalance).toBe(minor(500_000));
});
