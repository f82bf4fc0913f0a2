// kill -9 of one appliance under load, while another one sells on: what the dead one answered stands,
// what it left open becomes a finding, and the other one never waits for it.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { buyer, connectTo, type Log, load, loadAndKill, newBody, newLog } from "../binary/load.ts";
import type { Bank, Server } from "../binary/program.ts";
import { noteTorture, times } from "../torture.ts";
import {
  at,
  newSharedLoadBank,
  problemsOnceSettled,
  type SharedBank,
  untilReady,
} from "./appliances.ts";
import { endPostgres, startPrimary } from "./cluster.ts";
import { skipsPostgres } from "./programs.ts";
import { type DatabaseProxy, startProxy } from "./proxy.ts";
import { until } from "./wait.ts";

const isSkipped = skipsPostgres();
const LIMIT_MS = times(120_000, 1_200_000);

let proxy: DatabaseProxy;
let shared: SharedBank;
/** It reaches the database by way of the proxy. */
let mortal: Bank;
let survivor: Server;
let log: Log;
beforeAll(async () => {
  if (isSkipped) return;
  const postgres = await startPrimary();
  proxy = await startProxy(postgres);
  shared = await newSharedLoadBank(postgres);
  mortal = shared.appliance([at(proxy.port)]);
  survivor = await shared.first.serve();
  log = newLog();
}, LIMIT_MS);
afterAll(async () => {
  if (isSkipped) return;
  await survivor?.stop("SIGKILL");
  await proxy?.stop();
  shared?.remove();
  await endPostgres();
}, LIMIT_MS);

async function ask({ url }: Server, body: object) {
  const { ask: send, end } = await connectTo(url, log);
  const answer = await send("/reserveFunds", { ...body }).catch(() => null);
  end();
  return answer;
}

describe.skipIf(isSkipped)("an appliance that is killed", () => {
  test(
    "under load: what was answered stands, and the other one serves on",
    async () => {
      const kills = times(3, 50);
      for (let kill = 1; kill <= kills; kill += 1) {
        const node = await mortal.serve();
        const before = log.unusual.length;
        const killed = loadAndKill(node, log, Bun.sleep(300 + ((kill * 137) % 400)));
        await Promise.all([
          killed,
          load(
            survivor,
            log,
            killed.then(() => Bun.sleep(300)),
          ),
        ]);
        expect(log.unusual.slice(before, before + 5)).toEqual([]);
      }
      expect(await problemsOnceSettled(shared.first, log, [survivor.url])).toEqual([]);
      noteTorture({
        injected: "kill -9 of one of two appliances under load on one PostgreSQL",
        times: kills,
        held: "I1-I7; the other one answered every request as if nothing had been",
      });
    },
    LIMIT_MS,
  );

  test(
    "between a commit and its answer: once it is back, what it left is a finding",
    async () => {
      const before = await mortal.serve();
      await proxy.holdAtCommit("answered", 60_000);
      const left = newBody(buyer(1));
      const unanswered = ask(before, left);
      await until("it is in the bank", async () => {
        const found = await shared.first.run(["reservations", "show", left.raasTxnRef]);
        return found.exit === 0;
      });
      const others = newBody(buyer(1));
      expect((await ask(survivor, others))?.body).toContain('"0000"');
      log.crashes.push(performance.now());
      await before.stop("SIGKILL");
      expect(await unanswered).toBeNull();

      const after = await mortal.serve();
      await untilReady(after.url);
      const marked = "select count(*) from appliances where interrupted_since is not null";
      expect(await shared.sql(marked)).toBe("1");
      const spans = `select count(*) from requests, appliances
        where request_id = '${left.raasTxnRef}' and reserved_at >= interrupted_since`;
      expect(await shared.sql(spans)).toBe("1");
      // The finding comes a minute after the start.
      if (times(0, 1) === 1) {
        await Bun.sleep(62_000);
        type Finding = { kind: string; requestId: string };
        const findings = await shared.first.json<Finding[]>("findings list");
        const found = findings.filter(({ kind }) => kind === "interrupted");
        expect(found.map(({ requestId }) => requestId)).toContain(left.raasTxnRef);
        expect(await shared.sql(marked)).toBe("0");
        noteTorture({
          injected: "an appliance killed between PostgreSQL's commit and its own answer",
          times: 1,
          held: "what it left held was a finding a minute after its next start",
        });
      }
      expect((await after.stop()).exit).toBe(0);
      expect(await problemsOnceSettled(shared.first, log, [survivor.url])).toEqual([]);
    },
    LIMIT_MS,
  );
});
