// The log of a running server, as whoever collects it sees it.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { readLive } from "../../src/live.ts";
import { program } from "../cli/run.ts";
import { type Bank, configure, newBank, reserve, reserveBody } from "./program.ts";

let bank: Bank;
beforeAll(async () => {
  bank = await newBank();
});
afterAll(() => bank.remove());

type Line = { time: string; level: string; event: string; message: string; traceId?: string };

const linesOf = (text: string): Line[] =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);

describe("as JSON", () => {
  test("every line is an object, with the name of the request where it is about one", async () => {
    configure(bank, 'log_format = "json"\nlog_level = "debug"');
    const server = await bank.serve();
    const answer = await server.post("/reserveFunds", reserveBody());
    const refused = await server.post("/reserveFunds", "{");
    await server.stop();
    const lines = linesOf(server.err());
    for (const { time, level, event, message } of lines) {
      expect(new Date(time).toISOString()).toBe(time);
      expect(["error", "warn", "info", "debug"]).toContain(level);
      expect([typeof event, typeof message]).toEqual(["string", "string"]);
    }
    expect(lines.map(({ event }) => event)).toEqual([
      ...lines.filter(({ event }) => event === "warning").map(() => "warning"),
      ...["listening", "answered", "refused", "stopped"],
    ]);
    const named = lines.flatMap(({ traceId }) => (traceId === undefined ? [] : [traceId]));
    expect(named).toEqual(
      [answer, refused].map(({ headers }) => headers.get("x-request-id") ?? ""),
    );
    // What people see as it starts is a line too, and nowhere else.
    expect(server.out()).toBe("");
  });

  test("the flags come before the configuration", async () => {
    configure(bank, 'log_format = "json"\nlog_level = "debug"');
    const server = await bank.serve({ args: ["--log-format", "text", "--log-level", "info"] });
    await reserve(server);
    const live = await readLive(bank.dataDir);
    await server.stop();
    expect(server.err()).toMatch(/^transact-bank ACME listens on .*\n$/);
    expect(live?.logLevel).toBe("info");
  });

  test("a level that is none is refused", async () => {
    const { exit, err } = await bank.run(["serve", "--log-level", "loud"]);
    expect([exit, err]).toEqual([2, expect.stringContaining("error, warn, info, debug")]);
  });
});

test("a pipe that nobody reads holds up no purchase, and no stop", async () => {
  configure(bank, 'log_format = "json"\nlog_level = "debug"');
  const pipe = join(bank.folder, "pipe");
  spawnSync("mkfifo", [pipe]);
  const descriptor = openSync(pipe, "r+");
  const line = [...program, "serve", "--data-dir", bank.dataDir, "--port", "0"];
  const child = Bun.spawn(line, { stdout: "ignore", stderr: descriptor });
  try {
    let url: string | undefined;
    while (url === undefined) {
      await Bun.sleep(20);
      url = (await readLive(bank.dataDir))?.url;
    }
    // Each leaves a line: some megabytes of them.
    for (let round = 0; round < 50; round += 1) {
      await Promise.all(Array.from({ length: 100 }, () => fetch(`${url}/health/live`)));
    }
    const body = JSON.stringify(reserveBody());
    const answer = await fetch(`${url}/reserveFunds`, { method: "POST", body });
    expect(await answer.text()).toContain('"0000"');
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
  } finally {
    child.kill("SIGKILL");
    closeSync(descriptor);
  }
}, 60_000);
