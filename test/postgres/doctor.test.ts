// What doctor says of real servers: with and without a synchronous standby, and whose role sees it.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { endPostgres, startStandby, untilSynchronous } from "./cluster.ts";
import { type Appliances, startAppliances } from "./nodes.ts";
import { skipsPostgres } from "./programs.ts";
import { type BankServer, OWNER, SERVING, startBankServer } from "./roles.ts";
import type { Server } from "./server.ts";

type Line = { readonly check: string; readonly state: string; readonly found: string };

describe.skipIf(skipsPostgres())("doctor on a shared database", () => {
  let server: BankServer;
  let bank: Appliances;
  let standby: Server;

  beforeAll(async () => {
    server = await startBankServer();
    bank = await startAppliances(server);
  }, 60_000);
  afterAll(async () => {
    await endPostgres();
    bank.remove();
  });

  async function line(check: string): Promise<string> {
    const { out } = await bank.run(1, "doctor --json");
    const { checks } = JSON.parse(out) as { checks: Line[] };
    const found = checks.find((each) => each.check === check);
    return `${found?.state}: ${found?.found}`;
  }

  test("a role that may do no more than it must, on a server that keeps what it commits", async () => {
    expect(await line("role")).toStartWith("ok");
    expect(await line("commits")).toStartWith("ok");
    expect(await line("PostgreSQL")).toStartWith("ok: PostgreSQL");
    expect(await line("journal tail")).toStartWith("ok: the chain holds from record 1 to 2");
    expect(await line("standby")).toStartWith("warning: no synchronous standby is named");
  }, 30_000);

  test("a standby is seen by who may see it, and missed when it is gone", async () => {
    standby = await startStandby(server.server, { name: "db2" });
    await server.server.set("synchronous_standby_names", "db2");
    await untilSynchronous(server.server, "db2");
    expect(await line("standby")).toContain("this role cannot see");
    await server.server.sql(`grant pg_read_all_stats to ${SERVING.role}`);
    expect(await line("standby")).toBe("ok: each commit is on db2 as well");
    await standby.kill();
    expect(await line("standby")).toStartWith("FAIL: no synchronous standby (db2) streams now");
  }, 60_000);

  test("what is loose is told: settings, and a role that owns", async () => {
    await server.server.set("synchronous_standby_names", "");
    await server.server.set("full_page_writes", "off");
    expect(await line("commits")).toStartWith("FAIL: full_page_writes is off");
    await server.server.set("full_page_writes", "on");
    await server.server.set("synchronous_commit", "local");
    expect(await line("commits")).toStartWith("warning: synchronous_commit is local");
    await server.server.sql(`grant ${OWNER.role} to ${SERVING.role}`);
    expect(await line("role")).toContain("owns the tables");
  }, 60_000);

  test("a database that nobody serves is a failure with what to do", async () => {
    await server.server.kill();
    expect(await line("database")).toStartWith("FAIL: it cannot be read");
  }, 60_000);
});
