// An answer is on two machines only where the database has a synchronous standby: whoever asks whether
// the server is ready is told where it has none.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Server } from "../binary/program.ts";
import { newSharedBank, type SharedBank } from "./appliances.ts";
import { endPostgres, startPrimary, startStandby, untilSynchronous } from "./cluster.ts";
import { skipsPostgres } from "./programs.ts";
import type { Server as Postgres } from "./server.ts";
import { until } from "./wait.ts";

const isSkipped = skipsPostgres();
const LIMIT_MS = 60_000;
const WARNING = "no synchronous standby is named: a lost machine takes its last purchases with it";

let primary: Postgres;
let shared: SharedBank;
let node: Server;
beforeAll(async () => {
  if (isSkipped) return;
  primary = await startPrimary();
  shared = await newSharedBank(primary);
  node = await shared.first.serve();
}, LIMIT_MS);
afterAll(async () => {
  if (isSkipped) return;
  await node.stop();
  shared.remove();
  await endPostgres();
});

async function ready(): Promise<[number, string]> {
  const answer = await fetch(`${node.url}/health/ready`);
  return [answer.status, await answer.text()];
}
const warnings = async () => (await shared.first.json<Status>("status")).live.warnings;
type Status = { readonly live: { readonly warnings: readonly string[] } };

describe.skipIf(isSkipped)("a bank without a synchronous standby", () => {
  test(
    "is ready with a warning, until it has one, and again when that is taken away",
    async () => {
      const warned = [200, JSON.stringify({ status: "ready", warning: WARNING })];
      expect(await ready()).toEqual(warned as [number, string]);
      expect(await warnings()).toContain(WARNING);
      await startStandby(primary, { name: "standby" });
      await primary.set("synchronous_standby_names", "standby");
      await untilSynchronous(primary, "standby");
      await until("the warning goes", async () => !(await ready())[1].includes(WARNING));
      expect(await ready()).toEqual([200, '{"status":"ready"}']);
      expect(await warnings()).not.toContain(WARNING);
      await primary.set("synchronous_standby_names", "");
      await until("the warning comes", async () => (await ready())[1].includes(WARNING));
    },
    LIMIT_MS,
  );
});
