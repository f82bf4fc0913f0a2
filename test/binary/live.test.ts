// What a running server tells of itself, over the socket in its data dir.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { lstatSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LIVE_SOCKET, type Live, readLive } from "../../src/live.ts";
import { type Bank, newBank, newRequestId, reserve, type Server } from "./program.ts";

let bank: Bank;
beforeAll(async () => {
  bank = await newBank();
});
afterAll(() => bank.remove());

const liveOf = async (): Promise<Live> => {
  const live = await readLive(bank.dataDir);
  if (live === null) throw new Error("no server answers");
  return live;
};
const socket = () => join(bank.dataDir, LIVE_SOCKET);

test("without a server there is nothing to tell", async () => {
  expect(await readLive(bank.dataDir)).toBeNull();
});

test("what was asked and answered is counted", async () => {
  const server = await bank.serve();
  try {
    const { raasTxnRef } = await reserve(server);
    await reserve(server, { sourceIdentifier: "nobody" });
    await server.post("/transactResult", { raasTxnRef, responseCode: "0000" });
    await server.post("/transactResult", { raasTxnRef: newRequestId(), responseCode: "0000" });
    await server.post("/reserveFunds", "{");
    await server.post("/nowhere", {});
    await fetch(`${server.url}/reserveFunds`);
    await fetch(`${server.url}/health/ready`);
    const live = await liveOf();
    expect(live).toMatchObject({ pid: server.pid, url: server.url, ready: true, inFlight: 0 });
    expect(live.answers).toEqual([
      { route: "reserveFunds", status: 200, code: "0000", count: 1 },
      { route: "reserveFunds", status: 200, code: "2030", count: 1 },
      { route: "transactResult", status: 202, code: "", count: 1 },
      { route: "transactResult", status: 404, code: "", count: 1 },
      { route: "reserveFunds", status: 400, code: "2090", count: 1 },
      { route: "other", status: 404, code: "", count: 1 },
      { route: "reserveFunds", status: 405, code: "", count: 1 },
      { route: "health", status: 200, code: "", count: 1 },
    ]);
    expect(live.refusals).toEqual([
      { status: 404, reason: "unknown path", count: 1 },
      { status: 405, reason: "wrong method", count: 1 },
    ]);
    expect(live.latency.reserveFunds.sinceStart.count).toBe(2);
    expect(live.latency.transactResult.lately.count).toBe(2);
    expect(live.flush.sinceStart.count).toBeGreaterThan(0);
    expect(live.batches.operations).toBeGreaterThanOrEqual(5);
    expect(live.walBytes).toBeGreaterThan(0);
    expect(live.tls).toBeNull();
    expect(lstatSync(socket()).mode & 0o777).toBe(0o600);
  } finally {
    await server.stop();
  }
  expect(await readLive(bank.dataDir)).toBeNull();
});

test("it warns of what holds as long as it runs, not of what may be over by now", async () => {
  const server = await bank.serve();
  try {
    const said = server.out().match(/^warning: .*/gm) ?? [];
    expect(said).toContain("warning: no limits are set: any amount may be reserved (limits set)");
    const { warnings } = await liveOf();
    expect(warnings).toContain(
      "requests are not authenticated: whoever reaches the port can reserve",
    );
    expect(warnings).toHaveLength(said.length - 1);
  } finally {
    await server.stop();
  }
});

test("the socket of a server that was killed is replaced", async () => {
  const killed = await bank.serve();
  await killed.stop("SIGKILL");
  expect(lstatSync(socket()).isSocket()).toBe(true);
  expect(await readLive(bank.dataDir)).toBeNull();
  const server = await bank.serve();
  try {
    expect((await liveOf()).pid).toBe(server.pid);
  } finally {
    await server.stop();
  }
});

test("a server that is stopped is not called none", async () => {
  const server = await bank.serve();
  try {
    process.kill(server.pid, "SIGSTOP");
    await expect(readLive(bank.dataDir)).rejects.toThrow("does not answer");
  } finally {
    process.kill(server.pid, "SIGCONT");
    await server.stop();
  }
});

test("where the socket's name is too long the server says so, and serves", async () => {
  const far = mkdtempSync(join(tmpdir(), `transact-bank-${"far-".repeat(25)}`));
  const near = await newBank();
  let server: Server | null = null;
  try {
    renameSync(near.dataDir, join(far, "bank"));
    const moved = { ...near, dataDir: join(far, "bank") };
    server = await near.serve({ args: ["--data-dir", moved.dataDir] });
    expect(server.out()).toContain("warning: status cannot ask this server: ");
    expect(await readLive(moved.dataDir)).toBeNull();
    expect((await reserve(server)).responseCode).toBe("0000");
  } finally {
    await server?.stop();
    near.remove();
    rmSync(far, { recursive: true });
  }
});
