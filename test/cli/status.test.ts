// status: one screen, with a server and without.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Bank, newBank, reserve, type Server } from "../binary/program.ts";
import { program } from "./run.ts";

let bank: Bank;
beforeAll(async () => {
  bank = await newBank();
});
afterAll(() => bank.remove());

type StatusJson = {
  server: string;
  live: { pid: number } | null;
  reserved: number;
  oldestReservedAt: string | null;
  unconfirmed: number;
  openFindings: Record<string, number>;
  salesPaused: { reason: string } | null;
  disk: { freeBytes: number };
};

describe("without a server", () => {
  test("it says so, tells what the database knows, and ends with 0", async () => {
    const { exit, out } = await bank.run(["status"]);
    expect(exit).toBe(0);
    expect(out).toMatch(/^server +not running$/m);
    expect(out).toMatch(/^reserved +0$/m);
    const json = await bank.json<StatusJson>("status");
    expect(json).toMatchObject({ server: "not running", live: null, reserved: 0 });
    expect(json.oldestReservedAt).toBeNull();
    expect(json.disk.freeBytes).toBeGreaterThan(0);
  });

  test("--watch is refused where nobody could see it", async () => {
    const { exit, err } = await bank.run(["status", "--watch"]);
    expect(exit).toBe(2);
    expect(err).toContain("--watch needs a terminal");
  });
});

describe("with a server", () => {
  let server: Server;
  beforeAll(async () => {
    server = await bank.serve();
    await reserve(server);
    await reserve(server, { sourceIdentifier: "nobody" });
    await server.post("/transactResult", { raasTxnRef: "unknown", responseCode: "0000" });
    await server.post("/nowhere", {});
    await bank.admin("sales pause --reason stocktaking");
  });
  afterAll(() => server.stop());

  test("what it answered, what is open, what needs a person", async () => {
    const { exit, out } = await bank.run(["status"]);
    expect(exit).toBe(0);
    expect(out).toMatch(new RegExp(`^server +running for .*, process ${server.pid}, `, "m"));
    expect(out).toMatch(/^ready +yes$/m);
    expect(out).toMatch(/^reserves +2: 0000 1, 2030 1$/m);
    expect(out).toMatch(/^results +1: HTTP 404 1$/m);
    expect(out).toMatch(/^turned away +1: unknown path 1$/m);
    expect(out).toMatch(/^reserve took +p50 [\d.]+ ms, p99 [\d.]+ ms \(2\)/m);
    expect(out).toMatch(/^sales +PAUSED: stocktaking$/m);
    expect(out).toMatch(/^reserved +1, the oldest for /m);
    expect(out).toMatch(/^findings +1: unmatched-success 1$/m);
    expect(out.trimEnd().split("\n").length).toBeLessThanOrEqual(23);
    const json = await bank.json<StatusJson>("status");
    expect(json).toMatchObject({
      server: "running",
      live: { pid: server.pid },
      reserved: 1,
      unconfirmed: 0,
      openFindings: { "unmatched-success": 1, contradiction: 0 },
      salesPaused: { reason: "stocktaking" },
    });
  });

  test.each(["q", "\u0003"])("--watch on a terminal leaves with %j, as it was", async (key) => {
    const line = [...program, "status", "--watch", "--data-dir", bank.dataDir].join(" ");
    const child = Bun.spawn(["script", "-qec", line, "/dev/null"], {
      stdin: "pipe",
      stdout: "pipe",
      env: { PATH: process.env["PATH"] ?? "", TERM: "xterm" },
    });
    let shown = "";
    const decoder = new TextDecoder();
    for await (const piece of child.stdout) {
      const before = shown;
      shown += decoder.decode(piece, { stream: true });
      if (shown.includes("q or ^C") && !before.includes("q or ^C")) {
        child.stdin.write(key);
        child.stdin.flush();
      }
    }
    expect(await child.exited).toBe(0);
    expect(shown).toContain("\u001b[?1049h");
    expect(shown).toMatch(/running for .*process/);
    expect(shown.trimEnd().endsWith("\u001b[?25h\u001b[?1049l")).toBe(true);
  });
});
