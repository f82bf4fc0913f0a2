// Damaged, foreign and missing files, and whose they are: the program refuses to go on and says
// what to do, and whatever it meets while it serves, money is never wrong.
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  closeSync,
  cpSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { program, type Ran, run } from "../cli/run.ts";
import { noteTorture, times } from "../torture.ts";
import { preload } from "./preload.ts";
import { account, type Bank, NotServing, newBank, reserve, type Server } from "./program.ts";

const PAGE = 4_096;
/** So many that the tables and indexes of purchases are more than one page. */
const PURCHASES = 300;

let bank: Bank;
let good: string;
const file = (name: string) => join(bank.dataDir, name);

beforeAll(async () => {
  bank = await newBank();
  good = join(bank.folder, "good");
  await bank.admin("accounts credit 1001 100000.00 --reason deposit --yes");
  await bank.admin("limits set --max 2000.00");
  await bank.admin("accounts block-buyer 27731309999");
  await bank.admin("holidays add 2026-12-25 --name Christmas");
  const server = await bank.serve();
  await sell(server, PURCHASES);
  expect((await server.stop()).exit).toBe(0);
  // What the server has done is all in the one file.
  await bank.admin("verify");
  cpSync(bank.dataDir, good, { recursive: true });
  cpSync(good, join(bank.folder, "read"), { recursive: true });
});
afterAll(() => bank.remove());
beforeEach(putBack);

function putBack(): void {
  rmSync(bank.dataDir, { recursive: true });
  cpSync(good, bank.dataDir, { recursive: true });
}

/** Sells one after the other; of three one is debited, one released and one stays open. */
async function sell(server: Server, count: number): Promise<string[]> {
  const references: string[] = [];
  for (let sold = 0; sold < count; sold += 1) {
    const { raasTxnRef, reserveFundsTxnRef } = await reserve(server, { reserveAmount: 100 });
    references.push(reserveFundsTxnRef);
    const responseCode = sold % 3 === 1 ? "0000" : "2201";
    if (sold % 3 > 0) await server.post("/transactResult", { raasTxnRef, responseCode });
  }
  return references;
}

function overwrite(name: string, at: number, bytes: Buffer): void {
  const descriptor = openSync(file(name), "r+");
  writeSync(descriptor, bytes, 0, bytes.length, at);
  closeSync(descriptor);
}

/** Bytes that are no page of a database. */
const GARBAGE = Buffer.alloc(2_000, 0xa5);
/** The first page begins with the file's own header. */
const damagePage = (page: number) =>
  overwrite("bank.db", (page - 1) * PAGE + (page === 1 ? 100 : 0), GARBAGE);

function inDatabase<T>(read: (db: Database) => T): T {
  const db = new Database(join(bank.folder, "read", "bank.db"));
  try {
    return read(db);
  } finally {
    db.close();
  }
}

type Page = { readonly name: string; readonly page: number; readonly path: string };
const pages = (where: string): Page[] =>
  inDatabase((db) =>
    db.query(`SELECT name, pageno AS page, path FROM dbstat WHERE ${where} ORDER BY pageno`).all(),
  ) as Page[];

/** What `serve` said instead of serving; a server that serves all the same fails the test. */
async function refusalToServe(): Promise<Ran> {
  try {
    const server = await bank.serve();
    await server.stop("SIGKILL");
  } catch (error) {
    if (error instanceof NotServing) return { exit: error.exit, out: "", err: error.message };
    throw error;
  }
  throw new Error("it serves");
}

/** An error for people: what to do, no trace, no statement of SQL, no name of SQLite's. */
const ADVICE = /restore it from a backup|another data dir|keep of keys|secrets rotate|own user/;
function expectAdvice({ exit, err }: Ran, what: string): void {
  expect([what, exit, err]).toEqual([what, 1, expect.stringMatching(ADVICE)]);
  expect(err).not.toMatch(/^\s+at |SELECT|INSERT|SQLITE_|SQLiteError/m);
}

/** Every kind of command meets it: none goes on as if nothing were. */
async function expectRefused(what: string): Promise<void> {
  expectAdvice(await refusalToServe(), `${what}: serve`);
  for (const line of ["verify", "accounts list", "accounts credit 1001 1.00 --reason r --yes"]) {
    expectAdvice(await bank.run(line.split(" ")), `${what}: ${line}`);
  }
}

describe("bank.db", () => {
  test.each([
    ["its header", () => damagePage(1)],
    ["its first bytes", () => overwrite("bank.db", 0, GARBAGE.subarray(0, 16))],
    ["the half of it", () => truncateSync(file("bank.db"), lstatSync(file("bank.db")).size / 2)],
    ["a few bytes of it", () => truncateSync(file("bank.db"), 1_000)],
    ["nothing in it", () => truncateSync(file("bank.db"), 0)],
    ["a text", () => writeFileSync(file("bank.db"), "Dear bank,\n".repeat(1_000))],
    [
      "another program's database",
      () => {
        rmSync(file("bank.db"));
        const theirs = new Database(file("bank.db"));
        theirs.run("CREATE TABLE theirs (id INTEGER)");
        theirs.close();
      },
    ],
  ] as [string, () => void][])("%s: refused by all, with what to do", async (what, damage) => {
    damage();
    const before = readFileSync(file("bank.db"));
    await expectRefused(what);
    expect(readFileSync(file("bank.db")).equals(before)).toBe(true);
  });

  test("a newer schema is refused by all, and stays as it is", async () => {
    const newer = new Database(file("bank.db"));
    newer.run("PRAGMA user_version = 99");
    newer.close();
    for (const ran of [await refusalToServe(), await bank.run(["verify"])]) {
      expect([ran.exit, ran.err]).toEqual([1, expect.stringContaining("use the newer program")]);
    }
  });

  test("the root of any table or index damaged: no server starts, verify never says ok", async () => {
    const roots = pages("path = '/'");
    expect(roots.length).toBeGreaterThan(25);
    const step = times(4, 1);
    const damaged = roots.filter((_, index) => index % step === 0);
    for (const { name, page } of damaged) {
      putBack();
      damagePage(page);
      expectAdvice(await refusalToServe(), name);
      const verified = await bank.run(["verify"]);
      if (![1, 6].includes(verified.exit)) throw new Error(`${name}: verify says it is well`);
    }
    noteTorture({
      injected: "the root page of a table or an index overwritten",
      times: damaged.length,
      held: "the server refused to start and verify to say ok, every time",
    });
  }, 120_000);

  test("any other page damaged: found by verify, at the latest", async () => {
    const others = pages("path <> '/'");
    const step = Math.max(1, Math.floor(others.length / times(5, 1_000)));
    const damaged = others.filter((_, index) => index % step === 0);
    for (const { name, page, path } of damaged) {
      putBack();
      damagePage(page);
      const { exit, err } = await bank.run(["verify"]);
      if (![1, 6].includes(exit)) throw new Error(`${name} ${path}: verify says it is well`);
      expect(err).not.toMatch(/^\s+at |SELECT|SQLITE_/m);
    }
    noteTorture({
      injected: "another page of a table or an index overwritten",
      times: damaged.length,
      held: "verify found it, every time",
    });
  }, 300_000);
});

describe("a damaged page that a request meets", () => {
  /** The leaves of the index that every reserve is looked up in. */
  const leaves = () => pages("name = 'sqlite_autoindex_requests_1' AND pagetype = 'leaf'");

  test("a reserve is told 2060, a result 503, not ready, said; no money moves", async () => {
    expect(leaves().length).toBeGreaterThan(1);
    for (const { page } of leaves()) damagePage(page);
    const server = await bank.serve();
    const [told, late] = await Promise.all([
      reserve(server),
      server.post("/transactResult", { raasTxnRef: "none", responseCode: "0000" }),
    ]);
    expect([told.responseCode, late.status]).toEqual(["2060", 503]);
    const ready = await fetch(`${server.url}/health/ready`);
    expect([ready.status, await ready.text()]).toEqual([
      503,
      '{"status":"the database cannot be written"}',
    ]);
    expect(server.err().match(/^error: .*malformed$/gm)).toHaveLength(1);
    await server.stop("SIGKILL");
    // The disk reads well again: what was there is there, and nothing else.
    for (const { page } of leaves()) {
      const at = (page - 1) * PAGE;
      overwrite("bank.db", at, readFileSync(join(good, "bank.db")).subarray(at, at + PAGE));
    }
    const before = inDatabase((db) =>
      db.query("SELECT held FROM accounts WHERE number = 1001").get(),
    );
    expect((await account(bank)).heldMinor).toBe((before as { held: number }).held);
    expect((await bank.json<{ ok: boolean }>("verify")).ok).toBe(true);
  }, 30_000);
});

describe("one byte of an amount, which SQLite takes for sound", () => {
  /** Turns a bit of a stored amount where it lies in the file; gives what verify then finds. */
  async function verifyWithout(column: string, table: string, where: string): Promise<string[]> {
    const { value } = inDatabase((db) =>
      db.query(`SELECT ${column} AS value FROM ${table} WHERE ${where}`).get(),
    ) as { value: number };
    const [bytes, other] = [value, value ^ 1].map((amount) => {
      const all = Buffer.alloc(8);
      all.writeBigInt64BE(BigInt(amount));
      return all.subarray([...all].findIndex((byte) => byte !== 0));
    }) as [Buffer, Buffer];
    expect(bytes.length).toBeGreaterThan(2);
    expect(other.length).toBe(bytes.length);
    const content = readFileSync(file("bank.db"));
    let places = 0;
    for (let at = content.indexOf(bytes); at !== -1; at = content.indexOf(bytes, at + 1)) {
      overwrite("bank.db", at, other);
      places += 1;
    }
    expect(places).toBeGreaterThan(0);
    const { exit, out } = await bank.run(["verify", "--json"]);
    expect(exit).toBe(6);
    const { checks } = JSON.parse(out) as { checks: { name: string; ok: boolean }[] };
    return checks.filter(({ ok }) => !ok).map(({ name }) => name);
  }

  test("a balance", async () => {
    expect(await verifyWithout("ledger_balance", "accounts", "number = '1001'")).toContain(
      "each balance is the sum of its entries",
    );
  });

  test("an entry", async () => {
    expect(
      await verifyWithout("max(amount_1, amount_2)", "journal", "act = 'accounts credit'"),
    ).toContain("the entries of each posting sum to zero");
  });
});

describe("the write-ahead log of a killed server", () => {
  /** Sells on a server that is killed; gives what it answered, in order. */
  async function killed(): Promise<string[]> {
    const server = await bank.serve();
    const references = await sell(server, 30);
    await server.stop("SIGKILL");
    return references;
  }
  const FRAME = PAGE + 24;
  /** How many frames were written: behind them are the zeros that the server put there. */
  function framesIn(): number {
    const wal = readFileSync(file("bank.db-wal"));
    let frames = 0;
    while (wal.readUInt32BE(32 + frames * FRAME) !== 0) frames += 1;
    return frames;
  }

  test("cut off or damaged in the middle: a whole bank as it was at an earlier moment", async () => {
    const answered = await killed();
    const wal = readFileSync(file("bank.db-wal"));
    const frames = framesIn();
    expect(frames).toBeGreaterThan(50);
    const tries = times(4, 40);
    for (let at = 0; at < tries; at += 1) {
      putBack();
      const place = 32 + Math.floor((frames * (at + 1)) / (tries + 1)) * FRAME + 500;
      if (at % 2 === 0) writeFileSync(file("bank.db-wal"), wal.subarray(0, place));
      else {
        writeFileSync(file("bank.db-wal"), wal);
        overwrite("bank.db-wal", place, GARBAGE);
      }
      expect((await bank.json<{ ok: boolean }>("verify")).ok).toBe(true);
      const rows = await bank.json<{ reference: string }[]>("reservations list");
      const known = new Set(rows.map(({ reference }) => reference));
      // What stands behind the damage is lost; what stands before it is there without a gap.
      const kept = answered.filter((reference) => known.has(reference));
      expect(kept).toEqual(answered.slice(0, kept.length));
      expect(kept.length).toBeLessThan(answered.length);
      const server = await bank.serve();
      expect((await reserve(server)).responseCode).toBe("0000");
      await server.stop("SIGKILL");
    }
    noteTorture({
      injected: "the WAL of a killed server cut off or overwritten in the middle",
      times: tries,
      held: "the bank came up whole, as it was at an earlier moment; what came later was lost",
    });
  }, 120_000);

  test("another file in its place is no log: the bank as it was without one", async () => {
    for (const foreign of [Buffer.from("hello"), Buffer.alloc(100_000, 0xa5)]) {
      putBack();
      writeFileSync(file("bank.db-wal"), foreign);
      expect((await bank.json<{ ok: boolean }>("verify")).ok).toBe(true);
      const rows = await bank.json<object[]>("reservations list");
      expect(rows.length).toBe(PURCHASES);
    }
  });
});

describe("keys/", () => {
  const HEX = "0123456789abcdef".repeat(4);

  test.each([
    ["pin.key", "short", HEX.slice(0, 62), /keys\/pin\.key is damaged/],
    ["pin.key", "empty", "", /keys\/pin\.key is damaged/],
    ["pin.key", "another bank's", HEX, /is not this bank's PIN key/],
    ["pin.key", "missing", null, /keys\/pin\.key is missing/],
    ["receipt.key", "short", HEX.slice(0, 62), /keys\/receipt\.key is damaged/],
    ["receipt.key", "missing", null, /keys\/receipt\.key is missing/],
  ] as const)("%s %s: no server, and what to do", async (name, _, content, says) => {
    if (content === null) rmSync(file(`keys/${name}`));
    else writeFileSync(file(`keys/${name}`), content);
    const refused = await refusalToServe();
    expect([refused.exit, refused.err]).toEqual([1, expect.stringMatching(says)]);
    expect(refused.err).not.toContain(HEX.slice(0, 62));
  });

  test.each(["", '{"current":""}', "{", '"text"'])("signature.json holding %p", async (content) => {
    await bank.admin("secrets rotate", { stdin: "secret\n" });
    writeFileSync(file("config.toml"), "require_signature = true\n");
    writeFileSync(file("keys/signature.json"), content);
    expectAdvice(await refusalToServe(), content);
  });
});

// ---------------------------------------------------------------- whose the files are

const initOf = (dataDir: string): string =>
  `init --no-input --data-dir ${dataDir} --bank-code ACME --currency ZAR --country ZA ` +
  "--time-zone Africa/Johannesburg";

/** All that is in a folder, with the modes, such as "0600". */
function modesIn(folder: string): Map<string, string> {
  const names = ["", ...(readdirSync(folder, { recursive: true }) as string[])];
  const mode = (name: string) => (lstatSync(join(folder, name)).mode & 0o777).toString(8);
  return new Map(names.map((name) => [name, mode(name)]));
}

/** What of them others than the owner may use. */
const open = (folder: string) => [...modesIn(folder)].filter(([, mode]) => !mode.endsWith("00"));

describe("modes", () => {
  /** Runs with the umask that hides nothing. */
  async function carelessly(line: string): Promise<void> {
    const shell = Bun.spawn([
      "sh",
      "-c",
      `umask 000; exec "$@"`,
      "sh",
      ...program,
      ...line.split(" "),
    ]);
    expect([line, await shell.exited]).toEqual([line, 0]);
  }

  test("umask 000 loosens nothing that is written, folders above included", async () => {
    const folder = join(bank.folder, "careless");
    const dataDir = join(folder, "above", "bank");
    mkdirSync(folder);
    const secret = join(bank.folder, "secret");
    writeFileSync(secret, "secret\n");
    await carelessly(`${initOf(dataDir)} --signature-secret-file ${secret}`);
    const output = join(dataDir, "report.csv");
    await carelessly(`reports exceptions --data-dir ${dataDir} --format csv --output ${output}`);
    writeFileSync(secret, "another\n");
    await carelessly(`secrets rotate --data-dir ${dataDir} --secret-file ${secret}`);
    // Before a server closes what it finds open.
    expect(open(join(folder, "above"))).toEqual([]);
    const umask = process.umask(0);
    const server = await bank.serve({ args: ["--data-dir", dataDir] });
    process.umask(umask);
    await server.post("/reserveFunds", "{}");
    expect([...modesIn(dataDir).keys()].sort()).toEqual(
      expect.arrayContaining(["bank.db", "bank.db-shm", "bank.db-wal", "serve.lock", "report.csv"]),
    );
    expect(open(join(folder, "above"))).toEqual([]);
    await server.stop("SIGKILL");
    expect(open(join(folder, "above"))).toEqual([]);
  });

  test("what was put back open to others is said at the start, and closed", async () => {
    for (const name of ["", "keys", "keys/pin.key", "bank.db", "config.toml"]) {
      chmodSync(file(name), 0o777);
    }
    const server = await bank.serve();
    const warnings = server.out().match(/^warning: .* was open to others \(mode 777\)/gm);
    expect(warnings).toHaveLength(5);
    expect(open(bank.dataDir)).toEqual([]);
    await server.stop();
    const again = await bank.serve();
    expect(again.out()).not.toContain("open to others");
    await again.stop();
  });

  test("init closes the empty folder that it is given", async () => {
    const dataDir = join(bank.folder, "given");
    mkdirSync(dataDir);
    chmodSync(dataDir, 0o755);
    const made = await run(initOf(dataDir).split(" "));
    expect([made.exit, open(dataDir)]).toEqual([0, []]);
  });
});

describe("another user, and folders that cannot be written", () => {
  const NOBODY = 65_534;
  const asNobody = (args: readonly string[]) => {
    const copy = join(bank.folder, "nobody");
    const [command = ""] = program;
    mkdirSync(copy, { recursive: true });
    chmodSync(bank.folder, 0o755);
    chmodSync(copy, 0o755);
    const linked = join(copy, "transact-bank");
    rmSync(linked, { force: true });
    linkSync(command, linked);
    const who = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
    const env = { PATH: process.env["PATH"] ?? "", TRANSACT_BANK_DATA_DIR: bank.dataDir };
    const child = Bun.spawn(["setpriv", ...who, linked, ...args], {
      cwd: "/",
      stdout: "pipe",
      stderr: "pipe",
      env,
    });
    return Promise.all([child.exited, new Response(child.stderr).text()]).then(([exit, err]) => ({
      exit,
      out: "",
      err,
    }));
  };
  const give = (to: number) => {
    for (const name of modesIn(bank.dataDir).keys()) chownSync(file(name), to, to);
  };
  const canChangeUser = process.getuid?.() === 0 && program.length === 1;

  test.if(canChangeUser)("another user's bank", async () => {
    for (const line of ["serve --port 0", "accounts list", "verify"]) {
      expectAdvice(await asNobody(line.split(" ")), line);
    }
  });

  test.if(canChangeUser)("a data dir that its user cannot write to", async () => {
    give(NOBODY);
    chmodSync(bank.dataDir, 0o500);
    for (const line of ["serve --port 0", "accounts credit 1001 1.00 --reason r --yes"]) {
      expectAdvice(await asNobody(line.split(" ")), line);
    }
    chmodSync(bank.dataDir, 0o700);
    expect(await asNobody(["verify"])).toMatchObject({ exit: 0 });
    chmodSync(file("bank.db"), 0o400);
    expectAdvice(await asNobody(["accounts", "list"]), "bank.db read only");
  });
});

test("init: the names of all that it made are on the disk when it is done", async () => {
  const disk = preload("disk.c");
  const notes = join(disk.folder, "flushed");
  const dataDir = join(bank.folder, "one", "two", "bank");
  const env = { LD_PRELOAD: disk.library, FLUSHED: notes };
  const made = await run(initOf(dataDir).split(" "), { env });
  expect(made.exit).toBe(0);
  const flushed = new Set(readFileSync(notes, "utf8").split("\n"));
  const folders = [dirname(dirname(dirname(dataDir))), dirname(dirname(dataDir)), dirname(dataDir)];
  for (const folder of [...folders, dataDir, join(dataDir, "keys")]) {
    expect([folder, flushed.has(folder)]).toEqual([folder, true]);
  }
  disk.remove();
});
