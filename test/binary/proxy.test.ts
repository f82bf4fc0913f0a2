// The configurations that docs/proxy.md shows, in the real Caddy and nginx, before the program.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { blocksOf, textOf } from "../docs/pages.ts";
import { tool } from "../tools.ts";
import {
  type Bank,
  configure,
  newBank,
  newRequestId,
  reserveBody,
  type Server,
} from "./program.ts";

const TLS = resolve(import.meta.dir, "../http/tls");
/** Clickatell's side: another address than the proxy's own, both of this machine. */
const CLIENT = "127.0.0.2";

let bank: Bank;
let server: Server;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "transact-bank-proxy-"));
  bank = await newBank();
  configure(bank, `trusted_proxies = ["127.0.0.1"]\nallow_addresses = ["${CLIENT}"]`);
  server = await bank.serve();
});
afterAll(async () => {
  await server.stop();
  bank.remove();
  rmSync(folder, { recursive: true });
});

function freePort(): Promise<number> {
  return new Promise((found) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => found(typeof address === "object" ? (address?.port ?? 0) : 0));
    });
  });
}

/** A configuration as the page shows it, with this test's files, names and ports. */
function shown(info: string, port: number): string {
  const block = blocksOf(textOf("docs/proxy.md")).find((each) => each.info === info);
  if (block === undefined) throw new Error(`docs/proxy.md shows no ${info}`);
  const text = block.lines
    .join("\n")
    .replaceAll("/etc/ssl/bank.pem", join(TLS, "server.pem"))
    .replaceAll("/etc/ssl/private/bank.key", join(TLS, "server.key"))
    .replaceAll("127.0.0.1:8080", new URL(server.url).host)
    .replace("listen 443 ssl;", `listen 127.0.0.1:${port} ssl;`)
    .replace(/^bank\.example \{/m, `https://localhost:${port} {`);
  expect(text).toContain(String(port));
  return text;
}

async function runs(line: readonly string[]): Promise<void> {
  const child = Bun.spawn([...line], { stdout: "pipe", stderr: "pipe", env: proxyEnv() });
  const said = await new Response(child.stderr).text();
  if ((await child.exited) !== 0) throw new Error(said);
}

const proxyEnv = () => ({ PATH: process.env["PATH"] ?? "", HOME: folder, XDG_DATA_HOME: folder });

/** Resolves once somebody listens. */
async function listens(port: number): Promise<void> {
  for (;;) {
    try {
      (await Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {} } })).end();
      return;
    } catch {
      await Bun.sleep(20);
    }
  }
}

/** Sends a request from the client's address through the proxy; gives the answer and its status. */
async function ask(port: number, path: string, body: string): Promise<string> {
  const url = `https://localhost:${port}${path}`;
  const spoofed = ["-H", "X-Forwarded-For: 196.0.0.9", "-H", "Forwarded: for=196.0.0.9"];
  const ca = ["--cacert", join(TLS, "ca.pem"), "--resolve", `localhost:${port}:127.0.0.1`];
  const line = ["curl", "-sS", ...ca, ...spoofed, "--interface", CLIENT];
  const child = Bun.spawn([...line, "-w", " %{http_code}", "-d", body, url], { stderr: "inherit" });
  return await new Response(child.stdout).text();
}

/** What must hold behind any proxy: the answer, the peer, and the limit with its receipt. */
async function purchaseThrough(port: number): Promise<void> {
  await listens(port);
  const raasTxnRef = newRequestId();
  const answer = await ask(port, "/reserveFunds", JSON.stringify(reserveBody({ raasTxnRef })));
  expect(answer).toMatch(/^\{"responseCode":"0000".*\} 200$/);
  const result = JSON.stringify({ raasTxnRef, responseCode: "0000" });
  expect(await ask(port, "/transactResult", result)).toBe(" 202");
  const [receipt] = await bank.json<{ peer: string; status: number }[]>("receipts list --limit 1");
  expect(receipt).toMatchObject({ peer: CLIENT, status: 202 });
  expect(await ask(port, "/reserveFunds", "x".repeat(65_537))).toEndWith(" 413");
}

describe("docs/proxy.md", () => {
  test("Caddy", async () => {
    if (tool("caddy", "the Caddyfile of docs/proxy.md") === null) return;
    const port = await freePort();
    const file = join(folder, "Caddyfile");
    const own = `{\n\tadmin off\n\tauto_https disable_redirects\n}\n`;
    writeFileSync(file, `${own}${shown("caddyfile", port)}\n`);
    const config = ["--config", file, "--adapter", "caddyfile"];
    await runs(["caddy", "validate", ...config]);
    const caddy = Bun.spawn(["caddy", "run", ...config], { stderr: "ignore", env: proxyEnv() });
    try {
      await purchaseThrough(port);
    } finally {
      caddy.kill();
      await caddy.exited;
    }
  }, 60_000);

  test("nginx", async () => {
    if (tool("nginx", "nginx's configuration of docs/proxy.md") === null) return;
    const port = await freePort();
    const file = join(folder, "nginx.conf");
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `${name}_temp_path ${join(folder, name)};`)
      .join("\n");
    // Its workers are another user where it is started as root, who could not write in here.
    const user = process.getuid?.() === 0 ? "user root;\n" : "";
    const main = `${user}daemon off;\npid ${join(folder, "nginx.pid")};\nerror_log stderr;\nevents {}\n`;
    const http = `http {\naccess_log off;\n${temporary}\n${shown("nginx", port)}\n}\n`;
    writeFileSync(file, main + http);
    await runs(["nginx", "-t", "-c", file]);
    const nginx = Bun.spawn(["nginx", "-c", file], { stderr: "ignore" });
    try {
      await purchaseThrough(port);
    } finally {
      nginx.kill();
      await nginx.exited;
    }
  }, 60_000);
});
