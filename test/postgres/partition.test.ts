// The network parts: one appliance stays alone with the primary, the other one with its standby,
// which is promoted. Nothing is sold on the side that was left, and nothing is lost when it is over.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Client, codeOf, count, startClient } from "../binary/clients.ts";
import { buyer, type Log, newBody, newLog, problemsOf } from "../binary/load.ts";
import type { Server } from "../binary/program.ts";
import type { Exchange } from "../history.ts";
import { noteTorture, times } from "../torture.ts";
import { newSharedLoadBank, type SharedBank } from "./appliances.ts";
import { endPostgres, startPrimary, startStandby, untilSynchronous } from "./cluster.ts";
import { type Network, namespacesMissing, startNetwork } from "./namespaces.ts";
import { skipsPostgres } from "./programs.ts";
import type { Server as Postgres } from "./server.ts";
import { until } from "./wait.ts";

const why = namespacesMissing();
const isSkipped = why !== null || skipsPostgres();
if (why !== null) console.error(`NOT CHECKED: a network that parts appliances, for ${why}`);
const LIMIT_MS = 180_000;
const STANDBY = "standby1";
/** A server that would have a commit wait for no standby: the bank's own sessions must ask for it. */
const LAX = { synchronous_commit: "local" };

/** An appliance on a host, with a client beside it. */
type Side = { readonly node: Server; readonly client: Client };

let network: Network;
let primary: Postgres;
let standby: Postgres;
let shared: SharedBank;
let left: Side;
let right: Side;
let log: Log;
beforeAll(async () => {
  if (isSkipped) return;
  log = newLog();
  network = await startNetwork(["a", "b"]);
  const [a, b] = [network.place("a"), network.place("b")];
  primary = await startPrimary({ place: a, settings: LAX });
  standby = await startStandby(primary, { name: STANDBY, place: b });
  await primary.set("synchronous_standby_names", STANDBY);
  await untilSynchronous(primary, STANDBY);
  const hosts = [primary, standby];
  shared = await newSharedLoadBank(primary, hosts, b.inside);
  right = { node: await shared.first.serve(), client: startClient(b.inside) };
  const alone = shared.appliance(hosts, a.inside);
  left = { node: await alone.serve(), client: startClient(a.inside) };
}, LIMIT_MS);
afterAll(async () => {
  if (isSkipped) return;
  for (const side of [left, right]) {
    side?.client.stop();
    await side?.node.stop("SIGKILL");
  }
  shared?.remove();
  await endPostgres();
  await network?.stop();
}, LIMIT_MS);

type Path = Exchange["path"];

/** Asks for all of it at once, and gives what each was answered. */
async function ask({ node, client }: Side, path: Path, bodies: readonly object[]) {
  const exchanges = bodies.map(
    (body): Exchange => ({ path, body: { ...body }, sentAt: performance.now(), answer: null }),
  );
  log.exchanges.push(...exchanges);
  const calls = bodies.map((body) => ({ path, body: { ...body } }));
  const called = await client.run({ url: node.url, calls });
  for (const [index, { status, body }] of called.entries()) {
    const exchange = exchanges[index];
    if (status !== 0 && exchange !== undefined) {
      exchange.answer = { at: performance.now(), status, body };
    }
  }
  return called;
}

const bodies = (many: number) => Array.from({ length: many }, (_, n) => newBody(buyer(n)));
const sell = (side: Side, many = 20) => ask(side, "/reserveFunds", bodies(many));

async function untilSelling(side: Side): Promise<void> {
  await until("it sells", async () => (await sell(side, 2)).every((one) => codeOf(one) === "0000"));
}

describe.skipIf(isSkipped)("a network that parts two appliances and their servers", () => {
  test(
    "nothing is sold on the side that was left, nothing is lost, both sell in the end",
    async () => {
      const before = bodies(20);
      for (const side of [left, right]) {
        expect(count((await sell(side)).map(codeOf))).toEqual({ "0000": 20 });
      }
      await ask(left, "/reserveFunds", before);
      const from = performance.now();
      // In the middle of purchases on both sides.
      const underWay = [sell(left, 100), sell(right, 100)];
      await network.split(["a"], ["b"]);
      await Promise.all(underWay);
      const results = before.map(({ raasTxnRef }) => ({ raasTxnRef, responseCode: "0000" }));
      const lateResults = ask(left, "/transactResult", results);
      const leftAlone = (async () => {
        for (let round = 0; round < times(4, 20); round += 1) {
          const codes = count((await sell(left)).map(codeOf));
          expect(Object.keys(codes)).toEqual(["2060"]);
        }
      })();
      await standby.promote();
      await untilSelling(right);
      // Clickatell finds the other appliance with what the first one could not take.
      const settled = await ask(right, "/transactResult", results);
      expect(count(settled.map(({ status }) => status))).toEqual({ 202: 20 });
      await leftAlone;
      expect(count((await lateResults).map(({ status }) => status))).toEqual({ 503: 20 });
      expect(count((await sell(right)).map(codeOf))).toEqual({ "0000": 20 });

      // The old primary is thrown away before anybody reaches it again.
      await primary.kill();
      await network.heal();
      await untilSelling(left);
      log.outages.push({ from, until: performance.now() });
      expect(count((await sell(left)).map(codeOf))).toEqual({ "0000": 20 });
      const deadline = performance.now() + 20_000;
      let problems = await problemsOf(shared.first, log);
      while (problems.length > 0 && performance.now() < deadline) {
        problems = await problemsOf(shared.first, log);
      }
      expect(problems.slice(0, 10)).toEqual([]);
      noteTorture({
        injected: "an appliance and the primary cut off from another one and the standby, promoted",
        times: 1,
        held: "I1-I7: nothing sold on the side that was left, nothing lost, both sold once it healed",
      });
    },
    LIMIT_MS,
  );
});
