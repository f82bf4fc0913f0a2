// doctor on real data dirs: well, beside a server, and broken in every way a disk or a person can.
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { CHECKS } from "../../src/doctor/checks.ts";
import { type Bank, newBank } from "../binary/program.ts";
import { run } from "./run.ts";

type Line = { check: string; state: string; found: string; remedy: string | null };
type Document = { ok: boolean; failures: number; warnings: number; checks: Line[] };

let bank: Bank;
let good: string;
const file = (name: string) => join(bank.dataDir, name);
const TLS_FILES = resolve(import.meta.dir, "../http/tls");

beforeAll(async () => {
  bank = await newBank();
  good = join(bank.folder, "good");
  // No server of another test shall hold the port that it tries.
  writeFileSync(file("config.toml"), "port = 0\n");
  cpSync(bank.dataDir, good, { recursive: true });
});
afterAll(() => bank.remove());
beforeEach(() => {
  rmSync(bank.dataDir, { recursive: true, force: true });
  cpSync(good, bank.dataDir, { recursive: true });
  chmodSync(bank.dataDir, 0o700);
});

const OWN = CHECKS.filter(([, , where]) => where !== "shared").map(([name]) => name);

async function doctor(exit: number): Promise<(check: string) => Line> {
  const ran = await bank.run(["doctor", "--json"]);
  expect([ran.exit, ran.err]).toEqual([exit, ""]);
  expect(ran.out).not.toMatch(/^\s+at |SQLITE_|s3cret-word/m);
  const { checks } = JSON.parse(ran.out) as Document;
  expect(checks.map(({ check }) => check)).toEqual(OWN);
  return (check) => checks.find((line) => line.check === check) as Line;
}

test("a new bank: nothing fails, and no trace is left", async () => {
  const { exit, out } = await bank.run(["doctor"]);
  expect([exit, out]).toEqual([0, expect.stringMatching(/^0 failures, \d+ warnings?\.$/m)]);
  expect(out).toMatch(/^limits +warning +none: any amount may be bought\n +remedy +transact-bank/m);
  expect(readdirSync(bank.dataDir).filter((name) => /trial|lock/.test(name))).toEqual([]);
});

test("--strict: a warning is a finding as well", async () => {
  expect((await bank.run(["doctor", "--strict"])).exit).toBe(6);
});

test("--json has the same shape for every bank", async () => {
  const document = JSON.parse((await bank.run(["doctor", "--json"])).out) as Document;
  expect(document).toEqual({
    ok: true,
    dataDir: bank.dataDir,
    checkedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    failures: 0,
    warnings: document.checks.filter(({ state }) => state === "warning").length,
    checks: expect.arrayContaining([
      { check: "SQLite", state: "ok", found: "3.54.1", remedy: null },
      { check: "journal tail", state: "ok", found: expect.any(String), remedy: null },
    ]),
  } as never);
});

test("beside a server: it runs, goes on, keeps its lock, and its port is not missed", async () => {
  const server = await bank.serve();
  const line = await doctor(0);
  expect(line("server")).toMatchObject({
    state: "ok",
    found: `process ${server.pid} is ready at ${server.url}`,
  });
  expect(line("port").state).toBe("ok");
  const second = await bank.run(["serve", "--port", "0"]);
  expect(second.err).toContain("another server serves");
  expect((await server.post("/reserveFunds", "{}")).status).toBe(400);
  expect((await server.stop()).exit).toBe(0);
});

test("a server that has no socket to be asked on is found by its lock", async () => {
  // No socket can have so long a name.
  const deep = join(bank.folder, "a".repeat(100));
  renameSync(bank.dataDir, deep);
  const server = await bank.serve({ args: ["--data-dir", deep] });
  const { exit, out } = await run(["doctor", "--json", "--data-dir", deep]);
  const { checks } = JSON.parse(out) as Document;
  expect([exit, checks.find(({ check }) => check === "server")]).toEqual([
    0,
    expect.objectContaining({
      state: "warning",
      found: `process ${server.pid} serves and tells nothing of itself`,
    }),
  ]);
  await server.stop();
  rmSync(deep, { recursive: true });
});

const inDatabase = (sql: string) => {
  const db = new Database(file("bank.db"));
  db.run("DROP TRIGGER journal_no_update");
  db.run(sql);
  db.close();
};

type Breaking = readonly [what: string, breaks: () => void, check: string, found: RegExp];

const BREAKING: readonly Breaking[] = [
  ["no data dir", () => rmSync(bank.dataDir, { recursive: true }), "data dir", /is no folder/],
  ["no database", () => rmSync(file("bank.db")), "database", /cannot be read/],
  ["an empty database", () => truncateSync(file("bank.db")), "database", /cannot be read/],
  [
    "a text for a database",
    () => writeFileSync(file("bank.db"), "hello\n".repeat(999)),
    "database",
    /cannot/,
  ],
  ["half a database", () => truncateSync(file("bank.db"), 40_000), "database", /cannot be read/],
  [
    "a folder for a database",
    () => {
      rmSync(file("bank.db"));
      mkdirSync(file("bank.db"));
    },
    "database",
    /cannot be read/,
  ],
  [
    "no TOML",
    () => writeFileSync(file("config.toml"), "port = ="),
    "configuration",
    /not valid TOML/,
  ],
  [
    "an unknown key",
    () => writeFileSync(file("config.toml"), 'password = "s3cret-word"'),
    "configuration",
    /no key "password"/,
  ],
  [
    "a folder for a configuration",
    () => {
      rmSync(file("config.toml"));
      mkdirSync(file("config.toml"));
    },
    "configuration",
    /./,
  ],
  ["no keys", () => rmSync(file("keys"), { recursive: true }), "PIN key", /pin.key is missing/],
  ["a short PIN key", () => writeFileSync(file("keys/pin.key"), "abc"), "PIN key", /is damaged/],
  [
    "another PIN key",
    () => writeFileSync(file("keys/pin.key"), "ab".repeat(32)),
    "PIN key",
    /another bank's/,
  ],
  [
    "no signature secret",
    () => writeFileSync(file("config.toml"), "require_signature = true"),
    "secrets",
    /required and not set/,
  ],
  [
    "a damaged secret",
    () => writeFileSync(file("keys/signature.json"), "s3cret-word"),
    "secrets",
    /signature.json is damaged/,
  ],
  ["an open key", () => chmodSync(file("keys/pin.key"), 0o644), "permissions", /pin.key \(0644\)/],
  ["an open data dir", () => chmodSync(bank.dataDir, 0o755), "permissions", /\(0755\)/],
  [
    "a changed record",
    () => inDatabase("UPDATE journal SET at = at + 1 WHERE id = 1"),
    "journal tail",
    /record 1 or the one before it/,
  ],
  [
    "a later program's record",
    () => inDatabase("PRAGMA user_version = 999"),
    "database",
    /version is 999/,
  ],
  [
    "a clock set back",
    () => inDatabase("UPDATE journal SET at = 4102444800000 WHERE id > 1"),
    "clock",
    /behind the newest record/,
  ],
  [
    "no TLS file",
    () => writeFileSync(file("config.toml"), '[tls]\ncertificate = "c.pem"\nkey = "k.pem"'),
    "TLS",
    /certificate c.pem cannot be read \(ENOENT\); the key k.pem/,
  ],
  [
    "another certificate's key",
    () =>
      writeFileSync(
        file("config.toml"),
        `[tls]\ncertificate = "${TLS_FILES}/server.pem"\nkey = "${TLS_FILES}/client.key"`,
      ),
    "TLS",
    /is not the key of the certificate/,
  ],
  [
    "a certificate for a key",
    () =>
      writeFileSync(
        file("config.toml"),
        `[tls]\ncertificate = "${TLS_FILES}/server.pem"\nkey = "${TLS_FILES}/server.pem"`,
      ),
    "TLS",
    /holds no key in PEM/,
  ],
  [
    "an address of another machine",
    () => writeFileSync(file("config.toml"), 'host = "192.0.2.1"\nallow_unauthenticated = true'),
    "port",
    /EADDRNOTAVAIL/,
  ],
];

describe("broken: its line says so, every other check goes on, nothing is thrown", () => {
  test.each(BREAKING)("%s", async (_, breaks, check, found) => {
    breaks();
    const line = (await doctor(6))(check);
    expect(line).toMatchObject({ state: "FAIL", found: expect.stringMatching(found) });
    expect(line.remedy).toMatch(/\w/);
  });
});

test("a port that another program has", async () => {
  const other = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  writeFileSync(file("config.toml"), `port = ${other.port}\n`);
  expect((await doctor(6))("port")).toMatchObject({
    state: "FAIL",
    found: expect.stringContaining("EADDRINUSE"),
  });
  other.stop(true);
});

test("no data dir named: a usage error", async () => {
  expect(await run(["doctor"])).toMatchObject({ exit: 2, out: "" });
});
