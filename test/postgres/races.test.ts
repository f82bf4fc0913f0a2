// Two appliances at once on one bank: what holds for two clients of one server holds for two servers.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  type Call,
  type Called,
  calls,
  codeOf,
  count,
  newRacer,
  reserveCall,
  resultCall,
  type TwoClients,
  twoClients,
} from "../binary/clients.ts";
import { load, newLog } from "../binary/load.ts";
import { account, type Bank, reserveBody, type Server } from "../binary/program.ts";
import {
  newSharedBank,
  newSharedLoadBank,
  problemsOnceSettled,
  type SharedBank,
} from "./appliances.ts";
import { endPostgres, startPrimary } from "./cluster.ts";
import { skipsPostgres } from "./programs.ts";
import type { Server as Postgres } from "./server.ts";

const isSkipped = skipsPostgres();
const LIMIT_MS = 120_000;

let postgres: Postgres;
let shared: SharedBank;
let bank: Bank;
let second: Bank;
let nodes: readonly [Server, Server];
/** Two for each appliance. */
let clients: readonly [TwoClients, TwoClients];
beforeAll(async () => {
  if (isSkipped) return;
  postgres = await startPrimary();
  shared = await newSharedBank(postgres);
  bank = shared.first;
  second = shared.appliance();
  nodes = [await bank.serve(), await second.serve()];
  clients = [twoClients(), twoClients()];
}, LIMIT_MS);
afterAll(async () => {
  if (isSkipped) return;
  for (const each of clients) each.stop();
  for (const node of nodes) await node.stop();
  shared.remove();
  await endPostgres();
});

/** Half of the calls to the one appliance and half to the other, all at the same moment. */
async function onBoth(all: readonly Call[]): Promise<Called[]> {
  const both = nodes.map(({ url }, node) =>
    clients[node]!.atOnce(
      url,
      all.filter((_, place) => place % 2 === node),
    ),
  );
  return (await Promise.all(both)).flat();
}
/** Each call to both appliances at once. */
const twice = (all: readonly Call[]) => onBoth(all.flatMap((one) => [one, one]));
const refOf = ({ body }: Call) => String(body["raasTxnRef"]);

async function verifies(): Promise<void> {
  const { ok, checks } = await bank.json<{ ok: boolean; checks: object[] }>("verify");
  expect([ok, ok ? [] : checks]).toEqual([true, []]);
}

describe.skipIf(isSkipped)("two appliances", () => {
  test(
    "money for 100 and 400 tries: exactly 100",
    async () => {
      for (let round = 0; round < 2; round += 1) {
        const name = await newRacer(bank);
        const answers = await onBoth(calls(400, () => reserveCall({ sourceIdentifier: name })));
        expect(count(answers.map(codeOf))).toEqual({ "0000": 100, "2010": 300 });
        const figures = { ledgerBalanceMinor: 1_000_000, heldMinor: 1_000_000, availableMinor: 0 };
        expect(await account(second, name)).toMatchObject(figures);
      }
      await verifies();
    },
    LIMIT_MS,
  );

  test.each([
    ["--day-amount 3000.00", 30],
    ["--day-count 25", 25],
    ["--month-amount 2000.00", 20],
  ])(
    "limits set %s and 200 tries: exactly as many",
    async (flag, most) => {
      const name = await newRacer(bank);
      await second.admin(`limits set --account ${name} ${flag}`);
      const answers = await onBoth(calls(200, () => reserveCall({ sourceIdentifier: name })));
      expect(count(answers.map(codeOf))).toEqual({ "0000": most, "2040": 200 - most });
      await verifies();
    },
    LIMIT_MS,
  );

  test(
    "one raasTxnRef at both: one hold, all answers equal byte for byte",
    async () => {
      const name = await newRacer(bank);
      for (let round = 1; round <= 10; round += 1) {
        const one = reserveCall({ sourceIdentifier: name });
        const answers = await onBoth(calls(20, () => one));
        const told = count(answers.map(({ status, body }) => `${status} ${body}`));
        expect(Object.values(told)).toEqual([20]);
        expect((await account(bank, name)).heldMinor).toBe(10_000 * round);
      }
    },
    LIMIT_MS,
  );

  test(
    "a hundred raasTxnRefs at both at once: one hold each",
    async () => {
      const name = await newRacer(bank);
      const all = calls(100, () => reserveCall({ sourceIdentifier: name }));
      const answers = await twice(all);
      const told = Map.groupBy(answers, ({ body }) => body);
      expect([...told.values()].map(({ length }) => length)).toEqual(Array(100).fill(2));
      expect(count(answers.map(codeOf))).toEqual({ "0000": 200 });
      expect((await account(bank, name)).heldMinor).toBe(1_000_000);
      await verifies();
    },
    LIMIT_MS,
  );

  test(
    "a cancel at the one and its reserve at the other: held or cancelled, never both",
    async () => {
      const name = await newRacer(bank);
      const all = calls(160, () => reserveCall({ sourceIdentifier: name, reserveAmount: 100 }));
      const cancels = all.map((one) => resultCall(refOf(one), "2226"));
      // The one has reserves alone and the other cancels alone, so that no account keeps them apart;
      // a few at a time, for it is a matter of a moment.
      for (let from = 0; from < all.length; from += 4) {
        await Promise.all([
          clients[0].atOnce(nodes[0].url, all.slice(from, from + 4)),
          clients[1].atOnce(nodes[1].url, cancels.slice(from, from + 4)),
        ]);
      }
      // Every one is cancelled by now, whichever came first: nothing is held, and none is sold again.
      expect((await account(bank, name)).heldMinor).toBe(0);
      const again = await onBoth(all);
      expect(count(again.map(codeOf))).toEqual({ "2060": all.length });
      expect((await account(bank, name)).heldMinor).toBe(0);
      await verifies();
    },
    LIMIT_MS,
  );

  test(
    "results repeated at both: one debit each; contradicted at both: one wins",
    async () => {
      const name = await newRacer(bank);
      const all = calls(60, () => reserveCall({ sourceIdentifier: name }));
      await onBoth(all);
      const [settled, contradicted] = [all.slice(0, 30), all.slice(30)];
      const debits = settled.map((one) => resultCall(refOf(one), "0000"));
      const results = await twice([...debits, ...debits]);
      expect(count(results.map(({ status }) => status))).toEqual({ 202: 120 });
      expect(await account(bank, name)).toMatchObject({
        ledgerBalanceMinor: 700_000,
        heldMinor: 300_000,
      });

      const both = contradicted.flatMap((one, place) => {
        const pair = [resultCall(refOf(one), "0000"), resultCall(refOf(one), "2226")];
        return place % 2 === 0 ? pair : pair.reverse();
      });
      expect(count((await onBoth(both)).map(({ status }) => status))).toEqual({ 202: 60 });
      type Row = { requestId: string; state: string };
      const rows = await bank.json<Row[]>("reservations list");
      const refs = new Set(contradicted.map(refOf));
      const states = count(rows.filter((row) => refs.has(row.requestId)).map(({ state }) => state));
      expect((states["debited"] ?? 0) + (states["released"] ?? 0)).toBe(30);
      expect(await account(bank, name)).toMatchObject({
        ledgerBalanceMinor: 700_000 - 10_000 * (states["debited"] ?? 0),
        heldMinor: 0,
      });
      const findings =
        await bank.json<{ kind: string; requestId: string }[]>("findings list --all");
      const found = findings.filter(({ requestId }) => refs.has(requestId));
      expect(count(found.map(({ kind }) => kind))).toEqual({ contradiction: 30 });
      await verifies();
    },
    LIMIT_MS,
  );

  test.each([
    // what forbids it at the one -> what is answered at both then, and what allows it again
    ["accounts status NAME inactive", "2080", "accounts status NAME active"],
    ["accounts block-buyer NAME", "2070", "accounts unblock-buyer NAME"],
    ["limits set --account NAME --max 50.00", "2040", "limits unset --account NAME --max"],
    ["sales pause --reason race", "2090", "sales resume"],
  ])(
    "%s: after it has returned nothing is held at either",
    async (forbid, code, allow) => {
      const name = await newRacer(bank);
      await bank.admin(`accounts credit ${name} 9000000.00 --reason race --yes`);
      const heldOf = async () => (await account(bank, name)).heldMinor;
      const body = reserveBody({ sourceIdentifier: name });
      const selling = nodes.map(({ url }, node) => clients[node]!.keepReserving(url, body));
      while ((await heldOf()) === 0);
      await second.admin(forbid.replaceAll("NAME", name));
      const returnedAt = Date.now();
      const heldThen = await heldOf();
      for (const answers of await Promise.all(selling.map((one) => one.end()))) {
        const later = answers.filter(({ sentAt }) => sentAt > returnedAt);
        expect(later.length).toBeGreaterThan(10);
        // A machine that is busy with other things may be late with one.
        const { [code]: forbidden = 0, "2060": late = 0 } = count(later.map(codeOf));
        expect(forbidden).toBeGreaterThan(0);
        expect(forbidden + late).toBe(later.length);
        expect(count(answers.map(codeOf))["0000"]).toBeGreaterThan(0);
      }
      expect(await heldOf()).toBe(heldThen);
      await second.admin(allow.replaceAll("NAME", name));
    },
    LIMIT_MS,
  );

  test(
    "every kind of purchase at both for a while: what was answered is what is there",
    async () => {
      const own = await newSharedLoadBank(postgres);
      const served = [await own.first.serve(), await own.appliance().serve()];
      const log = newLog();
      const over = Bun.sleep(4_000);
      await Promise.all(served.map((node) => load(node, log, over)));
      expect(await problemsOnceSettled(own.first, log, [served[0]!.url])).toEqual([]);
      expect(log.unusual.slice(0, 5)).toEqual([]);
      for (const node of served) expect((await node.stop()).exit).toBe(0);
      own.remove();
    },
    LIMIT_MS,
  );
});
