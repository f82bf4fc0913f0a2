// The connection to the database ends around a COMMIT: whoever was answered Success has his hold,
// once, and nobody else has any.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { buyer, connectTo, type Log, load, newBody, newLog } from "../binary/load.ts";
import type { Bank, Server } from "../binary/program.ts";
import { noteTorture, times } from "../torture.ts";
import { at, newSharedLoadBank, problemsOnceSettled, type SharedBank } from "./appliances.ts";
import { endPostgres, startPrimary } from "./cluster.ts";
import { skipsPostgres } from "./programs.ts";
import { type CommitAt, type DatabaseProxy, startProxy } from "./proxy.ts";
import type { Server as Postgres } from "./server.ts";

const isSkipped = skipsPostgres();
const LIMIT_MS = times(120_000, 1_200_000);
const MOMENTS: readonly CommitAt[] = ["before", "forwarded", "answered"];

let postgres: Postgres;
let proxy: DatabaseProxy;
let shared: SharedBank;
/** It reaches the database by way of the proxy alone. */
let bank: Bank;
let node: Server;
let log: Log;
beforeAll(async () => {
  if (isSkipped) return;
  postgres = await startPrimary();
  proxy = await startProxy(postgres);
  shared = await newSharedLoadBank(postgres);
  bank = shared.appliance([at(proxy.port)]);
  node = await bank.serve();
  log = newLog();
}, LIMIT_MS);
afterAll(async () => {
  if (isSkipped) return;
  await node?.stop("SIGKILL");
  await proxy?.stop();
  shared?.remove();
  await endPostgres();
}, LIMIT_MS);

type Path = "/reserveFunds" | "/transactResult";
async function ask(path: Path, body: object) {
  const { ask: send, end } = await connectTo(node.url, log);
  const answer = await send(path, { ...body });
  end();
  return answer;
}
const judged = () => problemsOnceSettled(shared.first, log, [node.url]);

/** Nothing is under way that would come to a COMMIT by itself: the note that nobody waits has gone. */
const idle = () => Bun.sleep(1_500);

/** Cuts the connection at the COMMIT of the next request, and sees that it was. */
async function askAndCut(moment: CommitAt, path: Path, body: object) {
  const { cuts } = await proxy.counts();
  await proxy.cutAtCommit(moment);
  const answer = await ask(path, body);
  expect((await proxy.counts()).cuts).toBe(cuts + 1);
  return answer;
}

describe.skipIf(isSkipped)("a connection that is cut", () => {
  test("at the COMMIT of a reserve and of a result: sold once and debited once", async () => {
    const receipts = async () => Number(await shared.sql("select count(*) from receipts"));
    const before = await receipts();
    for (const moment of MOMENTS) {
      const body = newBody(buyer(1));
      const answer = await askAndCut(moment, "/reserveFunds", body);
      expect(answer.body).toStartWith('{"responseCode":"0000"');
      expect((await ask("/reserveFunds", body)).body).toBe(answer.body);
      const result = { raasTxnRef: body.raasTxnRef, responseCode: "0000" };
      expect((await askAndCut(moment, "/transactResult", result)).status).toBe(202);
      expect((await ask("/transactResult", result)).status).toBe(202);
    }
    // What was committed and not answered is looked for, and not done once more.
    expect((await receipts()) - before).toBe(4 * MOMENTS.length);
    expect(await judged()).toEqual([]);
  });

  test(
    "again and again under load, at every moment: each answer stands",
    async () => {
      const cuts = times(30, 400);
      const before = (await proxy.counts()).cuts;
      const from = performance.now();
      const during = (async () => {
        for (let done = 0; done < cuts; done += 1) {
          await proxy.cutAtCommit(MOMENTS[done % MOMENTS.length] ?? "before", (done * 7) % 5);
          await Bun.sleep(60 + ((done * 37) % 90));
          // Anywhere: between two statements, while it connects, while it asks for what became of it.
          if (done % 5 === 4) await proxy.cutAll();
        }
        await proxy.forgetPlan();
      })();
      await load(node, log, during);
      log.outages.push({ from, until: performance.now() + 2_000 });
      expect(await judged()).toEqual([]);
      const seen = (await proxy.counts()).cuts - before;
      expect(seen).toBeGreaterThan(cuts / 3);
      noteTorture({
        injected: "the connection to PostgreSQL cut around a COMMIT, under load",
        times: seen,
        held: "I1-I7: each answered Success once in the bank, nothing held behind a 2060",
      });
    },
    LIMIT_MS,
  );

  test("and is not to be had again for seconds: told in time, and done once it is back", async () => {
    await idle();
    const from = performance.now();
    await proxy.cutAtCommit("answered");
    await proxy.refuse();
    const { raasTxnRef, ...fields } = newBody(buyer(4));
    const lost = ask("/reserveFunds", { raasTxnRef, ...fields });
    const later = ask("/reserveFunds", newBody(buyer(4)));
    for (const { body } of await Promise.all([lost, later])) {
      expect(body).toStartWith('{"responseCode":"2060"');
    }
    expect(performance.now() - from).toBeLessThan(2_500);
    await proxy.accept();
    log.outages.push({ from, until: performance.now() + 1_000 });
    expect(await judged()).toEqual([]);
    const again = await ask("/reserveFunds", { raasTxnRef, ...fields });
    expect(again.body).toStartWith('{"responseCode":"2060"');
    expect(await judged()).toEqual([]);
  });

  test(
    "says nothing for seconds: nothing is sold that is not there, and it finds back",
    async () => {
      await idle();
      const from = performance.now();
      // Each comes when it was given up, and the appliance asks what became of it.
      for (const moment of MOMENTS.slice(0, times(1, 3))) {
        await proxy.holdAtCommit(moment, 7_000);
        const told = await ask("/reserveFunds", newBody(buyer(5)));
        expect(told.body).toStartWith('{"responseCode":"2060"');
        let answer = told;
        while (!answer.body.startsWith('{"responseCode":"0000"')) {
          answer = await ask("/reserveFunds", newBody(buyer(5)));
        }
      }
      log.outages.push({ from, until: performance.now() });
      expect(await judged()).toEqual([]);
      expect((await node.stop()).exit).toBe(0);
    },
    LIMIT_MS,
  );
});
