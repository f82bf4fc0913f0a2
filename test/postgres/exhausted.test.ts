// Others take all the connections that the database has: purchases are told so in time, commands say
// what to do, and all goes on once there is room.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { buyer, connectTo, type Log, newBody, newLog } from "../binary/load.ts";
import { NotServing, type Server } from "../binary/program.ts";
import {
  newSharedLoadBank,
  problemsOnceSettled,
  type SharedBank,
  untilReady,
} from "./appliances.ts";
import { endPostgres, startPrimary } from "./cluster.ts";
import { CLEAN_ENV, postgresProgram, skipsPostgres } from "./programs.ts";
import type { Server as Postgres } from "./server.ts";
import { until } from "./wait.ts";

const isSkipped = skipsPostgres();
const LIMIT_MS = 120_000;
const MOST = 16;
/** As the settings have it: those that only a superuser gets. */
const RESERVED = 3;

let postgres: Postgres;
let shared: SharedBank;
let node: Server;
let log: Log;
beforeAll(async () => {
  if (isSkipped) return;
  postgres = await startPrimary({ settings: { max_connections: String(MOST) } });
  shared = await newSharedLoadBank(postgres);
  node = await shared.first.serve();
  log = newLog();
  await postgres.sql("create role other login");
}, LIMIT_MS);
afterAll(async () => {
  if (isSkipped) return;
  await node?.stop("SIGKILL");
  shared?.remove();
  await endPostgres();
}, LIMIT_MS);

async function ask(path: "/reserveFunds" | "/transactResult", body: object) {
  const { ask: send, end } = await connectTo(node.url, log);
  const startedAt = performance.now();
  const answer = await send(path, { ...body });
  end();
  return { ...answer, ms: performance.now() - startedAt };
}

/** Others that take every connection there is, and each that becomes free. */
function crowd() {
  let isOver = false;
  const { address, port } = postgres;
  const psql = [postgresProgram("psql"), "-XAtq", "-h", address, "-p", String(port), "-U", "other"];
  const one = async () => {
    while (!isOver) {
      const child = Bun.spawn([...psql, "-d", "postgres", "-c", "select pg_sleep(600)"], {
        env: CLEAN_ENV,
        stdout: "ignore",
        stderr: "ignore",
      });
      children.add(child);
      await child.exited;
      children.delete(child);
      // As often as an impatient program does.
      await Bun.sleep(100);
    }
  };
  const children = new Set<Bun.Subprocess>();
  const all = Promise.all(Array.from({ length: MOST - RESERVED }, one));
  return async () => {
    isOver = true;
    for (const child of children) child.kill("SIGKILL");
    await all;
    await postgres.sql(
      "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'other'",
    );
  };
}

const sessions = (role: string) =>
  postgres.sql(`select count(*) from pg_stat_activity where usename = '${role}'`).then(Number);

describe.skipIf(isSkipped)("no connection is left", () => {
  test(
    "those that are served go on; those that lost theirs are told in time, and recover",
    async () => {
      const sold = newBody(buyer(1));
      await ask("/reserveFunds", sold);
      const from = performance.now();
      const disperse = crowd();
      try {
        await until("they have all", async () => {
          return (await sessions("other")) + (await sessions("transact_bank")) >= MOST - RESERVED;
        });
        // What is connected stays so.
        expect((await ask("/reserveFunds", newBody(buyer(2)))).body).toContain('"0000"');

        const end = "select pg_terminate_backend(pid) from pg_stat_activity where usename =";
        await until("they have ours", async () => {
          await postgres.sql(`${end} 'transact_bank'`);
          return (await sessions("other")) === MOST - RESERVED;
        });
        const reserve = await ask("/reserveFunds", newBody(buyer(3)));
        expect(reserve.body).toStartWith('{"responseCode":"2060"');
        expect(reserve.ms).toBeLessThan(2_300);
        const result = await ask("/transactResult", { ...sold, responseCode: "0000" });
        expect(result.status).toBe(503);
        expect(result.ms).toBeLessThan(4_500);
        await untilReady(node.url, false);

        const { exit, err } = await shared.first.run(["accounts", "list"]);
        expect([exit, err]).toEqual([1, expect.stringContaining("raise max_connections")]);
        const refused = await shared
          .appliance()
          .serve()
          .catch((error: unknown) => error);
        expect(refused).toBeInstanceOf(NotServing);
        expect((refused as NotServing).message).toContain("raise max_connections");
      } finally {
        await disperse();
      }
      await untilReady(node.url);
      expect((await ask("/reserveFunds", newBody(buyer(3)))).body).toContain('"0000"');
      log.outages.push({ from, until: performance.now() });
      expect(await problemsOnceSettled(shared.first, log, [node.url])).toEqual([]);
      expect((await node.stop()).exit).toBe(0);
    },
    LIMIT_MS,
  );
});
