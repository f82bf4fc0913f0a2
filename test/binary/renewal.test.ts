// A certificate is renewed while requests come in: SIGHUP, and not one of them is dropped.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { connect } from "node:tls";
import { readLive } from "../../src/live.ts";
import { type Bank, configure, newBank, reserveBody, type Server } from "./program.ts";

const FILES = resolve(import.meta.dir, "../http/tls");

let bank: Bank;
let server: Server;
const certificate = () => join(bank.dataDir, "tls.pem");
const key = () => join(bank.dataDir, "tls.key");

/** Puts the files of a name in place of the ones that are served. */
function put(name: string, keyOf = name): void {
  copyFileSync(join(FILES, `${name}.pem`), certificate());
  copyFileSync(join(FILES, `${keyOf}.key`), key());
}

/** Whose certificate a new connection is shown. */
function shown(): Promise<string> {
  const { hostname, port } = new URL(server.url);
  return new Promise((found, failed) => {
    const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false });
    socket.on("secureConnect", () => {
      found(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on("error", failed);
  });
}

/** Sends SIGHUP and waits for the line that tells what came of it. */
async function renew(): Promise<string> {
  const from = server.err().length;
  process.kill(server.pid, "SIGHUP");
  for (;;) {
    const line = server.err().slice(from);
    if (line.includes("\n")) return line.trimEnd();
    await Bun.sleep(10);
  }
}

beforeAll(async () => {
  bank = await newBank();
  configure(bank, '[tls]\ncertificate = "tls.pem"\nkey = "tls.key"');
  put("server");
  server = await bank.serve();
});
afterAll(async () => {
  await server.stop();
  bank.remove();
});

describe("a bad certificate is refused, and the old one stays", () => {
  test.each([
    ["the key is another one's", () => put("server", "stranger"), "is not the key of"],
    ["it has expired", () => put("expired", "server"), "the certificate expired on 2021-01-01"],
    ["it is missing", () => rmSync(certificate()), "tls.pem cannot be read"],
    ["it is no PEM", () => writeFileSync(certificate(), "none"), "holds no certificate"],
    ["its key is no PEM", () => writeFileSync(key(), "none"), "holds no key"],
  ])("%s", async (_, prepare, says) => {
    put("server");
    prepare();
    const line = await renew();
    expect(line).toContain("the certificate was NOT renewed, the old one stays in force");
    expect(line).toContain(says);
    expect(await shown()).toBe("server");
  });
});

test("renewed again and again under a storm: every request is answered", async () => {
  const until = { stopped: false };
  const failures: string[] = [];
  let answered = 0;
  async function ask(keepalive: boolean): Promise<void> {
    while (!until.stopped) {
      try {
        const response = await fetch(`${server.url}/reserveFunds`, {
          method: "POST",
          body: JSON.stringify(reserveBody({ sourceIdentifier: "nobody" })),
          keepalive,
          tls: { rejectUnauthorized: false },
        });
        const body = await response.text();
        if (response.status !== 200 || !body.includes('"2030"')) failures.push(body);
        answered += 1;
      } catch (error) {
        failures.push(String(error));
      }
    }
  }
  const askers = Array.from({ length: 12 }, (_, index) => ask(index % 2 === 0));
  for (const name of ["stranger", "server", "stranger", "server"]) {
    const before = answered;
    put(name);
    expect(await renew()).toContain("the certificate was renewed; it is valid until 2126-10-31");
    expect(await shown()).toBe(name);
    while (answered < before + 200) await Bun.sleep(20);
    expect(await shown()).toBe(name);
  }
  until.stopped = true;
  await Promise.all(askers);
  expect(failures).toEqual([]);
  const live = await readLive(bank.dataDir);
  expect(live?.tls).toEqual({ expiresAt: "2126-10-31T00:28:57.000Z" });
  // Each renewal keeps a server for a while, so that there is an end to them.
  const said: string[] = [];
  for (let times = 0; times < 5; times += 1) said.push(await renew());
  expect(said.filter((line) => line.includes("the certificate was renewed"))).toHaveLength(4);
  expect(said.at(-1)).toContain("it was renewed too often");
  expect(await shown()).toBe("server");
  // Of the connections to the old servers too.
  const receipts = await bank.json<{ peer: string }[]>("receipts list --limit 500");
  expect(new Set(receipts.map(({ peer }) => peer))).toEqual(new Set(["127.0.0.1"]));
}, 60_000);
