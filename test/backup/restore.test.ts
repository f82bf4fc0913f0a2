// Restoring: into what it may be put, what the bank knows then of what it has forgotten, and what it
// answers until somebody has looked at that.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { backupName, pack, unpack } from "../../src/backup/format.ts";
import { restoreBackup } from "../../src/backup/restore.ts";
import { openBank } from "../../src/bank.ts";
import { lockForServing } from "../../src/storage/sqlite/open.ts";
import { wayBack } from "../../src/upgrade.ts";
import { newBank, type TestBank } from "../cli/run.ts";
import { BY, done, reserveOperation, resultOperation } from "../storage/bank.ts";

type Outcomes = ReturnType<ReturnType<typeof openBank>["store"]["applyNow"]>;

setDefaultTimeout(60_000);

let bank: TestBank;
let file: string;
const inFolder = (name: string) => join(dirname(bank.dataDir), name);

/** Applies operations on the bank of a data dir, as its server would. */
function apply(dataDir: string, ...operations: Parameters<typeof applyOn>[1]): Outcomes {
  const { store, close } = openBank(dataDir);
  try {
    return applyOn(store, operations);
  } finally {
    close();
  }
}
type Applying = ReturnType<typeof openBank>["store"];
function applyOn(store: Applying, operations: Parameters<Applying["applyNow"]>[0]): Outcomes {
  const now = Date.now();
  return store.applyNow(operations, { now, monotonicMs: 0, openSince: now });
}

const restore = (dataDir: string, ...args: string[]) =>
  bank.run(["backup", "restore", file, "--data-dir", dataDir, "--json", ...args]);

beforeAll(async () => {
  bank = await newBank();
  await bank.json(["accounts", "add", "1001", "--name", "Thandi", "--balance", "5000.00"]);
  await bank.json(["accounts", "map", "27731304702", "1001"]);
  apply(bank.dataDir, reserveOperation("before"));
  file = ((await bank.json(["backup", "create"])) as { file: string }).file;
  apply(bank.dataDir, reserveOperation("forgotten"), reserveOperation("forgotten-too"));
});
afterAll(() => bank.remove());

describe("is refused, and changes nothing,", () => {
  test("where another bank stands, unless its code is named", async () => {
    const before = openBank(bank.dataDir);
    const known = before.store.reservation("forgotten");
    before.close();
    for (const args of [[], ["--yes"], ["--replace", "OTHER"]]) {
      const { exit, err } = await restore(bank.dataDir, ...args);
      expect([args, exit, err]).toEqual([args, 4, expect.stringContaining("holds bank ACME")]);
    }
    const after = openBank(bank.dataDir);
    expect(after.store.reservation("forgotten")).toEqual(known);
    after.close();
  });

  test("where the bank is served, even if its code is named", async () => {
    const letGo = lockForServing(bank.dataDir);
    const { exit, err } = await restore(bank.dataDir, "--replace", "ACME");
    letGo();
    expect([exit, err]).toEqual([1, expect.stringContaining("another server serves")]);
  });

  test("where anything else stands", async () => {
    mkdirSync(inFolder("theirs"));
    writeFileSync(join(inFolder("theirs"), "notes.txt"), "");
    const { exit, err } = await restore(inFolder("theirs"));
    expect([exit, err]).toEqual([4, expect.stringContaining("is not empty")]);
    expect(readdirSync(inFolder("theirs"))).toEqual(["notes.txt"]);
  });

  test("where the backup is damaged", async () => {
    const damaged = inFolder("ACME-20260302T000000000Z.tar.zst");
    writeFileSync(damaged, new Uint8Array(await Bun.file(file).arrayBuffer()).slice(0, -100));
    const { exit } = await bank.run(["backup", "restore", damaged, "--data-dir", inFolder("no")]);
    expect([exit, existsSync(inFolder("no"))]).toEqual([1, false]);
  });

  test("with --dry-run", async () => {
    const { exit, out } = await restore(inFolder("dry/and/deep"), "--dry-run");
    expect([exit, JSON.parse(out)]).toMatchObject([0, { dryRun: true, bankCode: "ACME" }]);
    expect(existsSync(inFolder("dry"))).toBe(false);
  });
});

test("is not held up by a config.toml that is damaged, where no key is needed", async () => {
  const dataDir = inFolder("damaged-config");
  cpSync(bank.dataDir, dataDir, { recursive: true });
  writeFileSync(join(dataDir, "config.toml"), "port = = 3");
  expect(await restore(dataDir, "--replace", "ACME")).toMatchObject({ exit: 0 });
});

test("is refused where a newer program made the backup, which is named", async () => {
  const work = inFolder("newer");
  const made = await unpack(file, null, mkdirSync(work, { recursive: true }) ?? work);
  const newer = inFolder("ACME-20260305T000000000Z.tar.zst");
  const descriptor = openSync(newer, "w");
  const manifest = { ...made, schemaVersion: 99, program: "9.9.9" };
  await pack(work, manifest, { descriptor, recipients: [] });
  closeSync(descriptor);
  for (const args of [["verify"], ["restore", "--data-dir", inFolder("older")]]) {
    const { exit, err } = await bank.run(["backup", ...args, newer]);
    expect([exit, err]).toEqual([1, expect.stringContaining("transact-bank 9.9.9 made")]);
  }
  expect(existsSync(inFolder("older"))).toBe(false);
});

test("into a bank that a newer program has goes by that bank's code, and never takes another's", async () => {
  const dataDir = inFolder("upgraded");
  cpSync(bank.dataDir, dataDir, { recursive: true });
  const { Database } = await import("bun:sqlite");
  const db = new Database(join(dataDir, "bank.db"));
  db.run("PRAGMA user_version = 99");
  db.close();
  // Another bank's backup in the same folder, and the newest there.
  const { mtimeMs } = statSync(file);
  const others = join(dataDir, "backups", backupName("OTHER", mtimeMs + 60_000, false));
  cpSync(file, others);
  expect(await wayBack(dataDir)).toBe(join(dataDir, "backups", basename(file)));
  const made = await unpack(file, null, mkdirSync(inFolder("others"), { recursive: true }) ?? "");
  const descriptor = openSync(others, "w");
  await pack(inFolder("others"), { ...made, bankCode: "OTHER" }, { descriptor, recipients: [] });
  closeSync(descriptor);
  const to = ["--replace", "OTHER", "--data-dir", dataDir];
  const { exit, err } = await bank.run(["backup", "restore", others, ...to]);
  expect([exit, err]).toEqual([4, expect.stringContaining("holds bank ACME")]);
  expect((await restore(dataDir, "--replace", "ACME")).exit).toBe(0);
});

describe("a restored bank", () => {
  let dataDir: string;
  beforeAll(async () => {
    dataDir = inFolder("restored");
    expect((await restore(dataDir)).exit).toBe(0);
    cpSync(join(bank.dataDir, "keys"), join(dataDir, "keys"), { recursive: true });
  });
  const command = async (...args: string[]) => {
    const { exit, out, err } = await bank.run([...args, "--data-dir", dataDir]);
    return { exit, out, err };
  };

  test("is its owner's alone, and nothing is left of the restoring", () => {
    for (const name of ["", "bank.db", "config.toml"]) {
      expect([name, statSync(join(dataDir, name)).mode & 0o077]).toEqual([name, 0]);
    }
    expect(existsSync(join(dataDir, "restore.tmp"))).toBe(false);
  });

  test("verifies, and says everywhere that it sells nothing", async () => {
    const verified = await command("verify");
    expect([verified.exit, verified.out]).toEqual([0, expect.stringContaining("All is well.")]);
    expect((await command("status")).out).toMatch(/restore acknowledge/);
    expect((await command("doctor")).out).toMatch(/restore acknowledge/);
  });

  test("answers 2090 to every reserve and holds nothing, whatever it answered before", () => {
    const [known, forgotten, fresh] = apply(
      dataDir,
      reserveOperation("before"),
      reserveOperation("forgotten"),
      reserveOperation("new-1"),
    );
    expect(known).toMatchObject({ outcome: "success", fresh: false });
    expect([forgotten, fresh]).toMatchObject([
      { outcome: "unknownError", reference: null },
      { outcome: "unknownError", reference: null },
    ]);
    const { store, close } = openBank(dataDir);
    expect(store.account("1001")).toMatchObject({ held: 10_500 });
    close();
  });

  test("takes results; one of a forgotten reserve holds and moves nothing, and is a finding", () => {
    const outcomes = apply(
      dataDir,
      resultOperation("before", "0000"),
      resultOperation("forgotten-too", "0000", { reference: "ACME-it-gave-this-once" }),
      resultOperation("forgotten-3", "2226"),
    );
    expect(outcomes).toMatchObject([
      { answer: "accepted" },
      { answer: "unmatched" },
      { answer: "unmatched" },
    ]);
    const { store, close } = openBank(dataDir);
    const kinds = store.findings({ limit: 10, openAt: Date.now() });
    expect(kinds.map(({ kind }) => kind)).toEqual(["restored", "unmatched-success", "unmatched"]);
    expect(store.account("1001")).toMatchObject({ ledgerBalance: 489_500, held: 0 });
    close();
  });

  test("does not sell by sales resume, which names what does it", async () => {
    const { exit, err } = await command("sales", "resume");
    expect([exit, err]).toEqual([4, expect.stringContaining("restore acknowledge")]);
  });

  test("that was paused by hand as well is told so, and stays paused", async () => {
    const paused = inFolder("paused");
    expect((await restore(paused)).exit).toBe(0);
    await bank.run(["sales", "pause", "--reason", "a doubt", "--yes", "--data-dir", paused]);
    const to = ["--reason", "compared", "--data-dir", paused];
    const { exit, out } = await bank.run(["restore", "acknowledge", ...to]);
    expect([exit, out]).toEqual([0, expect.stringContaining("sales resume")]);
    expect(out).not.toContain("Reserves are decided again");
  });

  test("needs a reason, sells again, and keeps the gap at the head of the report", async () => {
    expect((await command("restore", "acknowledge")).exit).toBe(2);
    const acknowledged = await command("restore", "acknowledge", "--reason", "compared");
    expect(acknowledged.exit).toBe(0);
    const [fresh, failed] = apply(
      dataDir,
      reserveOperation("new-2"),
      // Its failed result came before: the tombstone holds.
      reserveOperation("forgotten-3"),
    );
    expect(fresh).toMatchObject({ outcome: "success" });
    expect(failed).toMatchObject({ outcome: "timeOut", reference: null });
    const { out } = await command("reports", "exceptions", "--format", "csv");
    expect(out.split("\n")[1]).toMatch(/^restored,.*all that was answered from .* is forgotten/);
    expect((await command("restore", "acknowledge", "--reason", "again")).exit).toBe(4);
    expect((await command("verify")).exit).toBe(0);
  });

  test("stands in the journal: what was restored, who acknowledged it and why", () => {
    const { store, close } = openBank(dataDir);
    const acts = store.journal({ limit: 100, from: 0, to: Date.now() + 1 });
    const restored = acts.find(({ act }) => act === "backup restore");
    expect(restored?.detail).toContain(file.slice(-20));
    expect(acts.find(({ act }) => act === "restore acknowledge")?.reason).toBe("compared");
    close();
  });

  test("whose restore was taken out of the tables does not verify", async () => {
    const other = inFolder("changed");
    expect((await restore(other)).exit).toBe(0);
    const { Database } = await import("bun:sqlite");
    const db = new Database(join(other, "bank.db"));
    db.run("UPDATE restores SET acknowledged_by = restored_by");
    db.close();
    const { exit, out } = await bank.run(["verify", "--data-dir", other]);
    expect([exit, out]).toEqual([6, expect.stringContaining("the journal says 1 and 1")]);
  });
});

test("one that was killed as the former bank was moved aside goes on, whatever else stands there", async () => {
  const dataDir = inFolder("killed");
  cpSync(bank.dataDir, dataDir, { recursive: true });
  writeFileSync(join(dataDir, "certificate.pem"), "");
  mkdirSync(join(dataDir, "replaced-20260302T000000000Z"));
  renameSync(join(dataDir, "bank.db"), join(dataDir, "replaced-20260302T000000000Z", "bank.db"));
  mkdirSync(join(dataDir, "restore.tmp"));
  expect(await restore(dataDir)).toMatchObject({ exit: 0 });
  const names = readdirSync(dataDir);
  expect(names).toEqual(expect.arrayContaining(["bank.db", "certificate.pem", "keys"]));
  expect(names).not.toContain("restore.tmp");
});

test("a bank that is made in the folder meanwhile stays", async () => {
  const dataDir = inFolder("meanwhile");
  const how = { keys: null, by: BY, replace: false, dryRun: false };
  const restoring = restoreBackup(file, dataDir, how);
  cpSync(join(bank.dataDir, "bank.db"), join(dataDir, "bank.db"));
  await expect(restoring).rejects.toThrow("a bank was made");
  expect(readdirSync(dataDir)).toEqual(["bank.db"]);
});

test("a gap that was made smaller by hand does not verify", async () => {
  const dataDir = inFolder("smaller");
  expect((await restore(dataDir)).exit).toBe(0);
  const { Database } = await import("bun:sqlite");
  const db = new Database(join(dataDir, "bank.db"));
  for (const change of ["from_at = to_at", "to_at = from_at", "record = record + 1", "hash = ''"]) {
    const { sql } = db
      .query("SELECT sql FROM sqlite_schema WHERE name = 'restores_stay_as_they_are'")
      .get() as { sql: string };
    const was = db.query("SELECT from_at, to_at, record, hash FROM restores").values()[0] ?? [];
    db.run("DROP TRIGGER restores_stay_as_they_are");
    db.run(`UPDATE restores SET ${change}`);
    db.run(sql);
    const { exit, out } = await bank.run(["verify", "--data-dir", dataDir]);
    expect([change, exit, out]).toEqual([
      change,
      6,
      expect.stringMatching(/restore.*journal says/),
    ]);
    db.run("DROP TRIGGER restores_stay_as_they_are");
    db.run("UPDATE restores SET from_at = ?, to_at = ?, record = ?, hash = ?", was as string[]);
    db.run(sql);
  }
  db.close();
  expect((await bank.run(["verify", "--data-dir", dataDir])).exit).toBe(0);
});

test("what stood in the place of a restored bank is moved aside, whole", async () => {
  const dataDir = inFolder("replaced");
  cpSync(bank.dataDir, dataDir, { recursive: true });
  const { exit, out } = await restore(dataDir, "--replace", "ACME");
  expect(exit).toBe(0);
  const { movedTo } = JSON.parse(out) as { movedTo: string };
  cpSync(join(dataDir, "keys"), join(movedTo, "keys"), { recursive: true });
  const former = openBank(movedTo);
  expect(former.store.reservation("forgotten")?.state).toBe("reserved");
  done(former.store.recordAct(BY, "a test", "it can be written"));
  former.close();
  const { store, close } = openBank(dataDir);
  expect([store.reservation("before")?.state, store.reservation("forgotten")]).toEqual([
    "reserved",
    null,
  ]);
  close();
});
