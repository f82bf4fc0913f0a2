// The proxy does to a real connection what it says, and the database then is as it must be.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { SQL } from "bun";
import { endPostgres, startPrimary } from "./cluster.ts";
import { skipsPostgres } from "./programs.ts";
import { type CommitAt, type DatabaseProxy, startProxy } from "./proxy.ts";
import type { Server } from "./server.ts";
import { until } from "./wait.ts";
import { clientMessages } from "./wire.ts";

/** How a client commits, as far as the wire can tell. */
const COMMITS: Readonly<Record<string, (sql: SQL, n: number) => Promise<unknown>>> = {
  "COMMIT as a text": (sql, n) => sql.begin((tx) => tx`insert into kept values (${n})`),
  "several statements in one text": (sql, n) =>
    sql.unsafe(`begin; insert into kept values (${n}); commit; select 1`),
  "COMMIT prepared before": async (sql, n) => {
    const one = await sql.reserve();
    try {
      // The first round prepares all three; the second sends them together, by their names.
      await one`begin`;
      await one`insert into kept values (${-n})`;
      await one`rollback`;
      await one`begin`;
      await one`commit`;
      return await Promise.all([one`begin`, one`insert into kept values (${n})`, one`commit`]);
    } finally {
      one.release();
    }
  },
};
/** So many COMMITs go by before the one that counts. */
const BEFORE: Readonly<Record<string, number>> = { "COMMIT prepared before": 1 };

describe.skipIf(skipsPostgres())("a proxy", () => {
  let server: Server;
  let proxy: DatabaseProxy;
  let sql: SQL;

  beforeAll(async () => {
    server = await startPrimary();
    await server.sql("create table kept (n int)");
  });
  beforeEach(async () => {
    await proxy?.stop();
    await sql?.close({ timeout: 0 });
    await server.sql("truncate kept");
    proxy = await startProxy(server);
    sql = new SQL(proxy.urlOf(server.url), { max: 1, connectionTimeout: 5 });
  });
  afterAll(async () => {
    await proxy?.stop();
    await sql?.close({ timeout: 0 });
    await endPostgres();
  });

  const kept = () => server.sql("select string_agg(n::text, ',' order by n) from kept");
  const inserted = (n: number) => sql`insert into kept values (${n})`.then(() => "done");
  const outcome = (promise: Promise<unknown>) =>
    promise.then(
      () => "done",
      () => "error",
    );
  const within = (ms: number, promise: Promise<unknown>) =>
    Promise.race([outcome(promise), Bun.sleep(ms).then(() => "silent")]);

  // where it is cut, what the client is told, whether the row is there
  const CUTS: readonly [CommitAt | null, string, boolean][] = [
    [null, "done", true],
    ["before", "error", false],
    ["forwarded", "error", true],
    ["answered", "error", true],
  ];
  for (const [how, commit] of Object.entries(COMMITS)) {
    for (const [at, told, isThere] of CUTS) {
      test(`${how}, cut ${at ?? "nowhere"}: ${told}, the row is ${isThere ? "" : "not "}there`, async () => {
        const skip = BEFORE[how] ?? 0;
        if (at !== null) await proxy.cutAtCommit(at, skip);
        expect(await outcome(commit(sql, 7))).toBe(told);
        // After "forwarded" the server may still be at it.
        if (at === "forwarded") await until("it is there", async () => (await kept()) === "7");
        expect(await kept()).toBe(isThere ? "7" : "");
        const { commits, cuts } = await proxy.counts();
        expect({ commits, cuts }).toEqual({ commits: skip + 1, cuts: at === null ? 0 : 1 });
        // One cut is one: the next goes well, on a new connection.
        expect(await outcome(COMMITS["COMMIT as a text"]?.(sql, 8) ?? Promise.reject())).toBe(
          "done",
        );
        expect(await kept()).toBe(isThere ? "7,8" : "8");
      });
    }
  }

  test("a client cut off while its COMMIT is under way knows it before the server is done", async () => {
    await server.set("synchronous_standby_names", "nobody");
    await proxy.cutAtCommit("forwarded");
    expect(await outcome(sql.begin((tx) => tx`insert into kept values (1)`))).toBe("error");
    // The commit still waits for its standby: nobody sees the row, and then it is there.
    expect(await kept()).toBe("");
    await server.set("synchronous_standby_names", "");
    await until("it is committed", async () => (await kept()) === "1");
  });

  for (const at of ["before", "forwarded", "answered"] as const) {
    test(`holds up a COMMIT ${at}`, async () => {
      await inserted(1);
      await proxy.holdAtCommit(at, 400);
      const committed = sql.begin((tx) => tx`insert into kept values (2)`);
      expect(await within(200, committed)).toBe("silent");
      expect(await kept()).toBe(at === "before" ? "1" : "1,2");
      expect(await outcome(committed)).toBe("done");
      expect(await kept()).toBe("1,2");
      expect((await proxy.counts()).holds).toBe(1);
    });
  }

  test("stalls and resumes, and loses nothing", async () => {
    await inserted(1);
    await proxy.stall();
    const second = inserted(2);
    expect(await within(200, second)).toBe("silent");
    expect(await kept()).toBe("1");
    await proxy.resume();
    expect(await outcome(second)).toBe("done");
    await proxy.stall(300);
    const third = inserted(3);
    expect(await within(100, third)).toBe("silent");
    expect(await outcome(third)).toBe("done");
    expect(await kept()).toBe("1,2,3");
  });

  test("refuses new connections and keeps those that are there, until it accepts", async () => {
    await inserted(1);
    await proxy.refuse();
    const other = new SQL(proxy.urlOf(server.url), { max: 1, connectionTimeout: 5 });
    expect(await outcome(other`select 1`)).toBe("error");
    expect(await outcome(inserted(2))).toBe("done");
    await proxy.accept();
    expect(await outcome(other`select 1`)).toBe("done");
    await other.close();
    expect((await proxy.counts()).connections).toBe(2);
  });

  test("cuts every connection, and a plan that is forgotten does not happen", async () => {
    await inserted(1);
    const asleep = outcome(sql`select pg_sleep(20)`);
    await until("it is open", async () => (await proxy.counts()).open === 1);
    await Bun.sleep(50);
    await proxy.cutAtCommit("before");
    await proxy.forgetPlan();
    await proxy.cutAll();
    expect(await asleep).toBe("error");
    expect((await proxy.counts()).open).toBe(0);
    expect(await outcome(sql.begin((tx) => tx`insert into kept values (2)`))).toBe("done");
    expect(await kept()).toBe("1,2");
  });
});

describe("a COMMIT is seen", () => {
  const withLength = (body: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(body.length + 4);
    return Buffer.concat([length, body]);
  };
  const message = (kind: string, body: string) =>
    Buffer.concat([Buffer.from(kind), withLength(Buffer.from(body, "latin1"))]);
  const start = [
    withLength(Buffer.from([4, 210, 22, 47])),
    withLength(Buffer.from("\0\x03\0\0user\0postgres\0\0")),
  ];
  const query = (text: string) => [message("Q", `${text}\0`)];
  const prepare = (name: string, text: string) => message("P", `${name}\0${text}\0\0\0`);
  const bind = (portal: string, name: string) => message("B", `${portal}\0${name}\0\0\0`);
  const execute = (portal: string) => message("E", `${portal}\0\0\0\0\0`);
  const sync = message("S", "");

  // what the client sends, and the letters of the messages that commit
  const ROWS: readonly [string, Buffer[], string][] = [
    ["the word alone", query("COMMIT"), "Q"],
    ["in small letters, with more words", query(" commit work;"), "Q"],
    ["after other statements", query("select 1; commit"), "Q"],
    ["not in a table's name", query("select * from commit_log"), ""],
    ["not in the end of a block of code", query("do $$ begin null; end $$"), ""],
    ["not when it is only prepared", [prepare("a", "COMMIT"), bind("", "a"), sync], ""],
    ["when it is executed", [prepare("a", "COMMIT"), bind("p", "a"), execute("p"), sync], "E"],
    [
      "each time it is executed",
      [prepare("a", "COMMIT"), bind("", "a"), execute(""), bind("", "a"), execute(""), sync],
      "EE",
    ],
    [
      "not when its name has another meaning since",
      [prepare("", "COMMIT"), prepare("", "select 1"), bind("", ""), execute(""), sync],
      "",
    ],
  ];
  for (const [what, sent, expected] of ROWS) {
    test(what, () => {
      const bytes = Buffer.concat([...start, ...sent]);
      for (const size of [1, 7, bytes.length]) {
        const messages = clientMessages();
        const seen = [];
        for (let at = 0; at < bytes.length; at += size) {
          seen.push(...messages(bytes.subarray(at, at + size)));
        }
        expect(Buffer.concat(seen.map((one) => one.bytes))).toEqual(bytes);
        const commits = seen.filter(({ isCommit }) => isCommit);
        expect(commits.map((one) => one.bytes.toString("latin1", 0, 1)).join("")).toBe(expected);
      }
    });
  }
});
