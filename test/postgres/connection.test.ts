// The connection that a caller waits for, where its servers are silent or end it between two statements.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer, type Server as Listener } from "node:net";
import { readAddress } from "../../src/storage/postgres/address.ts";
import {
  type Client,
  ConnectionLost,
  createClient,
  ServerSaidNo,
} from "../../src/storage/postgres/client.ts";
import { sqlOn, WRITE_LOCK } from "../../src/storage/postgres/sql.ts";
import { endPostgres, startPrimary } from "./cluster.ts";
import { skipsPostgres } from "./programs.ts";
import { type Server as Postgres, SUPERUSER } from "./server.ts";
import { until } from "./wait.ts";

const isSkipped = skipsPostgres();
const WITHIN_MS = 5_000;

let postgres: Postgres;
const clients: Client[] = [];
const silent: Listener[] = [];
beforeAll(async () => {
  if (isSkipped) return;
  postgres = await startPrimary();
  await postgres.sql("create table seen (n int)");
});
afterAll(async () => {
  for (const client of clients) client.close();
  for (const each of silent) each.close();
  await endPostgres();
});

/** A host that takes a connection and says nothing, as one that stands still. */
async function silentPort(): Promise<number> {
  const listener = createServer();
  silent.push(listener);
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  return (listener.address() as { port: number }).port;
}

function clientOf(ports: readonly number[], name: string): Client {
  const hosts = ports.map((port) => `127.0.0.1:${port}`).join(",");
  const address = readAddress(`postgres://${SUPERUSER}@${hosts}/postgres`);
  const client = createClient({ address, password: null, name });
  clients.push(client);
  return client;
}

const seen = () => postgres.sql("select coalesce(string_agg(n::text, ','), '') from seen");
const asked = (text: string) => ({ text, values: [] });

describe.skipIf(isSkipped)("a connection", () => {
  test("is made to the third host, though the first two say nothing", async () => {
    const client = clientOf([await silentPort(), await silentPort(), postgres.port], "third");
    client.connect(WITHIN_MS);
    const [found] = client.run([asked("SELECT 1 AS one")], WITHIN_MS);
    expect(found?.rows).toEqual([{ one: 1 }]);
    // Those that were tried beside it are let go.
    await until("one is left", async () => {
      const rows = "application_name = 'third'";
      return (await postgres.sql(`select count(*) from pg_stat_activity where ${rows}`)) === "1";
    });
  });

  test("that none of its hosts makes is lost, and says of each why", async () => {
    const closed = await silentPort();
    silent.pop()?.close();
    const client = clientOf([closed, await silentPort()], "none");
    expect(() => client.connect(WITHIN_MS)).toThrow(ConnectionLost);
    expect(() => client.connect(WITHIN_MS)).toThrow(/127\.0\.0\.1:\d+: .+; 127\.0\.0\.1:\d+: /);
  });

  test("that ends within a transaction is lost: nothing of it is done on another one", async () => {
    const client = clientOf([postgres.port], "cut");
    client.connect(WITHIN_MS);
    client.run([asked("BEGIN"), asked("INSERT INTO public.seen VALUES (1)")], WITHIN_MS);
    await postgres.sql(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'cut'",
    );
    const rest = [asked("INSERT INTO public.seen VALUES (2)"), asked("COMMIT")];
    expect(() => client.run(rest, WITHIN_MS)).toThrow(ConnectionLost);
    expect(() => client.run(rest, WITHIN_MS)).toThrow(ConnectionLost);
    expect(await seen()).toBe("");
  });

  test("that ends while a write waits for the others: it begins anew, whole", async () => {
    const client = clientOf([postgres.port], "waits");
    const db = sqlOn(client, { reconnect: () => client.connect(WITHIN_MS), withinMs: 20_000 });
    client.connect(WITHIN_MS);
    // This thread waits below, so another session does it: it keeps all out, ends ours, and goes.
    const other = postgres.sql(`
      select pg_advisory_lock(${WRITE_LOCK});
      do $$ begin
        while not exists (select from pg_locks where locktype = 'advisory' and not granted) loop
          perform pg_sleep(0.05);
        end loop;
        perform pg_terminate_backend(pid) from pg_stat_activity where application_name = 'waits';
      end $$;`);
    await until("all are kept out", async () => {
      const rows = "locktype = 'advisory' and granted";
      return (await postgres.sql(`select count(*) from pg_locks where ${rows}`)) === "1";
    });
    const write = db.transaction(() => {
      db.query("INSERT INTO public.seen VALUES (3)").run();
      db.query("SELECT 1 / 0").get();
    });
    expect(() => write.immediate()).toThrow(ServerSaidNo);
    await other;
    // Had it gone on without its BEGIN, the first statement would stand.
    expect(await seen()).toBe("");
  });

  test("whose write was kept out for too long can be used again", async () => {
    const client = clientOf([postgres.port], "kept out");
    const db = sqlOn(client, { reconnect: () => {}, withinMs: WITHIN_MS });
    client.connect(WITHIN_MS);
    client.run([asked("SET lock_timeout = '100ms'")], WITHIN_MS);
    const other = postgres.sql(`select pg_advisory_lock(${WRITE_LOCK}); select pg_sleep(1)`);
    await until("all are kept out", async () => {
      const rows = "locktype = 'advisory' and granted";
      return (await postgres.sql(`select count(*) from pg_locks where ${rows}`)) === "1";
    });
    const write = db.transaction(() => db.query("SELECT 4 AS four").get());
    expect(() => write.immediate()).toThrow(ServerSaidNo);
    await other;
    expect(write.immediate()).toEqual({ four: 4 });
  });
});
