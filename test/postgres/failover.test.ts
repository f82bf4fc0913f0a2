// The primary dies under load and its synchronous standby takes over; and the standby is away.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { buyer, connectTo, type Log, load, newBody, newLog } from "../binary/load.ts";
import type { Server } from "../binary/program.ts";
import { noteTorture, times } from "../torture.ts";
import {
  newSharedLoadBank,
  problemsOnceSettled,
  type SharedBank,
  untilReady,
} from "./appliances.ts";
import { endPostgres, startPrimary, startStandby, untilSynchronous } from "./cluster.ts";
import { skipsPostgres } from "./programs.ts";
import type { Server as Postgres } from "./server.ts";
import { until } from "./wait.ts";

const isSkipped = skipsPostgres();
const LIMIT_MS = times(120_000, 1_200_000);
const STANDBY = "standby1";
/** A server that would have a commit wait for no standby: the bank's own sessions must ask for it. */
const LAX = { synchronous_commit: "local" };
/** A bank that grew over more failovers would only make `verify` slow. */
const FAILOVERS_A_JUDGEMENT = 5;

let primary: Postgres;
let standby: Postgres;
let shared: SharedBank;
let nodes: readonly Server[];
let log: Log;
beforeAll(async () => {
  if (isSkipped) return;
  log = newLog();
  primary = await startPrimary({ settings: LAX });
  standby = await startStandby(primary, { name: STANDBY });
  await bindStandby();
  shared = await newSharedLoadBank(primary, [primary, standby]);
  nodes = [await shared.first.serve(), await shared.appliance().serve()];
}, LIMIT_MS);
afterAll(async () => {
  if (isSkipped) return;
  for (const node of nodes ?? []) await node.stop("SIGKILL");
  shared?.remove();
  await endPostgres();
}, LIMIT_MS);

async function bindStandby(): Promise<void> {
  await primary.set("synchronous_standby_names", STANDBY);
  await untilSynchronous(primary, STANDBY);
}

/** Kills the primary at this moment, and gives how long each appliance sold nothing, in ms. */
async function failOver(): Promise<number[]> {
  const lost = primary;
  const from = performance.now();
  await lost.kill();
  await standby.promote();
  primary = standby;
  const down = await Promise.all(nodes.map(untilSelling)).then((all) => all.map((at) => at - from));
  log.outages.push({ from, until: performance.now() });
  return down;
}

/** When an appliance sold something again. */
async function untilSelling({ url }: Server): Promise<number> {
  const { ask, end } = await connectTo(url, log);
  await until(`${url} sells`, async () => {
    const { body } = await ask("/reserveFunds", newBody(buyer(0)));
    return body.startsWith('{"responseCode":"0000"');
  });
  end();
  return performance.now();
}

/** A new standby where the lost primary was, so that the appliances know where it is. */
async function rebuild(lost: Postgres): Promise<void> {
  standby = await startStandby(primary, { name: STANDBY, port: lost.port });
  await bindStandby();
}

const urls = () => nodes.map(({ url }) => url);

describe.skipIf(isSkipped)("a primary that is killed", () => {
  test(
    "no answered Success is lost, none is there twice, no hold is left behind a 2060",
    async () => {
      const failovers = times(3, 20);
      const downMs: number[] = [];
      for (let round = 1; round <= failovers; round += 1) {
        const lost = primary;
        const before = log.exchanges.length;
        const during = (async () => {
          await Bun.sleep(300 + ((round * 137) % 400));
          downMs.push(...(await failOver()));
          await Bun.sleep(200);
        })();
        await Promise.all([during, ...nodes.map((node) => load(node, log, during))]);
        await rebuild(lost);
        // Of each load many purchases were answered, or nothing was under way when it was lost.
        const answered = log.exchanges.slice(before).filter(({ answer }) => answer !== null);
        expect(answered.length).toBeGreaterThan(200);
        if (round % FAILOVERS_A_JUDGEMENT !== 0 && round !== failovers) continue;
        expect(await problemsOnceSettled(shared.first, log, urls())).toEqual([]);
      }
      const sorted = downMs.map((ms) => ms / 1000).sort((a, b) => a - b);
      const [least, middle, most] = [sorted[0], sorted[sorted.length >> 1], sorted.at(-1)].map(
        (seconds) => (seconds ?? 0).toFixed(1),
      );
      const successes = log.exchanges.filter(({ answer }) =>
        answer?.body.startsWith('{"responseCode":"0000"'),
      ).length;
      const held =
        `none of ${successes.toLocaleString("en")} answered Successes lost or there twice; each ` +
        `appliance sold again after ${middle} s (median; ${least} to ${most})`;
      console.error(`${failovers} failovers: ${held}`);
      noteTorture({
        injected: "PostgreSQL's primary killed under load on two appliances, its standby promoted",
        times: failovers,
        held,
      });
    },
    LIMIT_MS,
  );
});

describe.skipIf(isSkipped)("a standby that is away", () => {
  test(
    "nothing is sold and each request is told so in time; all is well when it is back",
    async () => {
      const sold = await Promise.all(nodes.map((node) => sell(node)));
      const from = performance.now();
      standby.freeze();
      try {
        const told = await Promise.all(
          nodes.flatMap((node, index) => [
            ...Array.from({ length: 10 }, () => inTime(node, "/reserveFunds", newBody(buyer(1)))),
            inTime(node, "/transactResult", {
              raasTxnRef: sold[index] ?? "",
              responseCode: "0000",
            }),
          ]),
        );
        for (const { path, status, body, ms } of told) {
          if (path === "/reserveFunds") expect(body).toStartWith('{"responseCode":"2060"');
          else expect(status).toBe(503);
          expect(ms).toBeLessThan(path === "/reserveFunds" ? 2_300 : 4_500);
        }
        for (const url of urls()) await untilReady(url, false);
        // Long enough that the connections which wait were given up, and those after them.
        await Bun.sleep(times(6_000, 30_000));
        const later = await Promise.all(
          nodes.map((node) => inTime(node, "/reserveFunds", newBody(buyer(2)))),
        );
        for (const { body } of later) expect(body).toStartWith('{"responseCode":"2060"');
      } finally {
        standby.thaw();
      }
      for (const url of urls()) await untilReady(url);
      await Promise.all(nodes.map(untilSelling));
      log.outages.push({ from, until: performance.now() });
      expect(await problemsOnceSettled(shared.first, log, urls())).toEqual([]);
      for (const node of nodes) expect((await node.stop()).exit).toBe(0);
    },
    LIMIT_MS,
  );
});

async function sell(node: Server): Promise<string> {
  const { ask, end } = await connectTo(node.url, log);
  const body = newBody(buyer(3));
  await ask("/reserveFunds", body);
  end();
  return body.raasTxnRef;
}

/** Asks, and gives what was answered and how long it took. */
async function inTime(node: Server, path: "/reserveFunds" | "/transactResult", body: object) {
  const { ask, end } = await connectTo(node.url, log);
  const startedAt = performance.now();
  const answer = await ask(path, { ...body });
  end();
  return { path, ms: performance.now() - startedAt, ...answer };
}
