// The servers that other tests stand on do what those tests take for granted.
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { SQL } from "bun";
import { endPostgres, startPrimary, startStandby, untilSynchronous } from "./cluster.ts";
import { isAlive, skipsPostgres } from "./programs.ts";
import { until } from "./wait.ts";

afterAll(endPostgres);

/** What a promise came to within so many milliseconds: its value, "failed" or "silent". */
async function within(ms: number, promise: Promise<unknown>): Promise<unknown> {
  return Promise.race([promise.catch(() => "failed"), Bun.sleep(ms).then(() => "silent")]);
}

describe.skipIf(skipsPostgres())("a server", () => {
  test("is set to lose nothing that it acknowledged, and as it was asked to be", async () => {
    const server = await startPrimary({ settings: { work_mem: "1MB" } });
    const asked = ["fsync", "full_page_writes", "synchronous_commit", "work_mem"];
    const shown = await server.sql(asked.map((name) => `show ${name};`).join(" "));
    expect(shown.split("\n")).toEqual(["on", "on", "on", "1MB"]);
  });

  test("keeps what was committed over a stop, a restart and a kill", async () => {
    const server = await startPrimary();
    const url = await server.createDatabase("bank");
    await server.sql("create table kept (n int)", "bank");
    const ways = [
      ["restart", () => server.restart()],
      ["stop", () => server.stop().then(server.start)],
      ["kill", () => server.kill().then(server.start)],
    ] as const;
    for (const [n, [, way]] of ways.entries()) {
      await server.sql(`insert into kept values (${n})`, "bank");
      await way();
    }
    const sql = new SQL(url);
    expect(await sql`select n from kept order by n`.values()).toEqual([[0], [1], [2]]);
    await sql.close();
    expect(server.log()).toContain("database system was not properly shut down");
  });

  test("that is killed ends its clients' connections, and one that is frozen says nothing", async () => {
    const server = await startPrimary();
    const asleep = server.sql("select pg_sleep(60)");
    const failed = within(5_000, asleep);
    await until("it sleeps", async () => {
      const rows = "wait_event = 'PgSleep'";
      return (await server.sql(`select count(*) from pg_stat_activity where ${rows}`)) === "1";
    });
    await server.kill();
    expect(await failed).toBe("failed");

    await server.start();
    server.freeze();
    const answer = server.sql("select 'late'");
    expect(await within(300, answer)).toBe("silent");
    server.thaw();
    expect(await answer).toBe("late");
  });

  test("takes a setting at once", async () => {
    const server = await startPrimary();
    await server.set("work_mem", "3MB");
    expect(await server.sql("show work_mem")).toBe("3MB");
  });

  test("that cannot start says why", async () => {
    const wrong = startPrimary({ settings: { shared_buffers: "none" } });
    await expect(wrong).rejects.toThrow('invalid value for parameter "shared_buffers": "none"');
  });
});

describe.skipIf(skipsPostgres())("a standby", () => {
  test("has each commit that returned, holds up the next while it is away, and takes over", async () => {
    const primary = await startPrimary();
    const standby = await startStandby(primary, { name: "standby1" });
    await primary.set("synchronous_standby_names", "standby1");
    await untilSynchronous(primary, "standby1");
    await primary.sql("create table seen (n int)");
    await primary.sql("insert into seen values (1)");

    standby.freeze();
    const waiting = primary.sql("insert into seen values (2) returning n");
    expect(await within(300, waiting)).toBe("silent");
    standby.thaw();
    expect(await waiting).toBe("2");

    await expect(standby.sql("insert into seen values (3)")).rejects.toThrow("read-only");
    await primary.kill();
    await standby.promote();
    // It waits for standbys of that name itself now.
    await standby.set("synchronous_standby_names", "");
    await standby.sql("insert into seen values (3)");
    expect(await standby.sql("select n from seen order by n")).toBe("1\n2\n3");
  });
});

describe.skipIf(skipsPostgres())("nothing stays behind", () => {
  test("when the tests are killed", async () => {
    const lines = `
      import { startPrimary } from "./cluster.ts";
      const server = await startPrimary();
      const asked = "select pg_backend_pid(), current_setting('data_directory')";
      console.log(await server.sql(asked));
      await Bun.sleep(60_000);
    `;
    const child = Bun.spawn([process.execPath, "-e", lines], {
      cwd: import.meta.dir,
      stdout: "pipe",
    });
    const reader = child.stdout.getReader();
    const { value } = await reader.read();
    const data = new TextDecoder().decode(value).trim().split("|")[1] ?? "";
    const postmaster = Number(await Bun.file(join(data, "postmaster.pid")).text().then(firstLine));
    expect(isAlive(postmaster)).toBe(true);
    child.kill("SIGKILL");
    await until("the server is gone", () => !isAlive(postmaster));
    const folder = dirname(dirname(data));
    expect(folder).toContain("transact-bank-postgres-");
    await until("its folder is gone", () => !existsSync(folder));
  });
});

const firstLine = (text: string): string => text.split("\n")[0] ?? "";
