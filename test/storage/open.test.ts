// Opening a data dir: what is refused, and what a killed process leaves behind.
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { openBank } from "../../src/bank.ts";
import { minor } from "../../src/domain/money.ts";
import { strangersPart } from "../../src/files.ts";
import { initBank } from "../../src/init.ts";
import { MIGRATIONS } from "../../src/storage/sqlite/migrate.ts";
import { lockForServing, migrateDatabase } from "../../src/storage/sqlite/open.ts";
import type { Store } from "../../src/storage/store.ts";
import { BY, done, IDENTITY, PIN, reserveOperation } from "./bank.ts";

const SOURCES = resolve(import.meta.dir, "../../src");

let folder: string;
let dataDir: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "transact-bank-open-"));
  dataDir = join(folder, "bank");
});
afterEach(() => rmSync(folder, { recursive: true }));

const init = () => initBank(dataDir, IDENTITY, null);

/** What opening throws, and that nothing of it stays open. */
function refusal(how: Parameters<typeof openBank>[1] = {}): string {
  try {
    openBank(dataDir, how).close();
  } catch (error) {
    return (error as Error).message;
  }
  return "opened";
}

function onDatabase(change: (db: Database) => void): void {
  const db = new Database(join(dataDir, "bank.db"));
  change(db);
  db.close();
}

/** An account with a PIN, and a buyer. */
function openWithPin(store: Store): void {
  const account = {
    number: "1001",
    name: "Thandi",
    balance: minor(500_000),
    overdraft: minor(0),
    status: "active",
    buyers: ["27731304702"],
  } as const;
  done(store.addAccounts(BY, "accounts add", [account], false));
  done(store.setPin(BY, "1001", PIN));
}

/** Runs a program on the sources; gives how it ended. */
async function runKilled(program: string): Promise<unknown> {
  const child = Bun.spawn([process.execPath, "-e", program], { stderr: "inherit" });
  await child.exited;
  return child.signalCode;
}

test("a new bank is opened as it was made, again and again", () => {
  init();
  for (const _ of [1, 2]) {
    const { store, close } = openBank(dataDir);
    expect(store.bank()).toMatchObject({ ...IDENTITY, salesPaused: null });
    expect(store.verify().every(({ ok }) => ok)).toBe(true);
    close();
  }
});

test("a demo stays a demo", () => {
  initBank(dataDir, { ...IDENTITY, demo: true }, null);
  const { store, close } = openBank(dataDir);
  expect(store.bank().demo).toBe(true);
  close();
});

describe("what cannot be opened says what to do", () => {
  test.each([
    // what the data dir is -> what is said
    ["missing", () => {}, /bank does not exist: make the bank with transact-bank init/],
    ["empty", () => mkdirSync(dataDir), /holds no bank: make the bank with transact-bank init/],
    [
      "another program's database",
      () => {
        mkdirSync(dataDir);
        onDatabase((db) => db.run("CREATE TABLE theirs (id INTEGER)"));
      },
      /was not made by this program: name another data dir/,
    ],
    [
      "no database at all",
      () => {
        mkdirSync(dataDir);
        writeFileSync(join(dataDir, "bank.db"), "a text that is no database, and long enough");
      },
      /bank\.db/,
    ],
    [
      "written by a newer program",
      () => {
        init();
        onDatabase((db) => db.run("PRAGMA user_version = 9999"));
      },
      /has version 9999, this program knows \d+: use the newer program that wrote it/,
    ],
    [
      "of a bank whose PIN key was replaced",
      () => {
        init();
        writeFileSync(join(dataDir, "keys/pin.key"), `${"ab".repeat(32)}\n`);
      },
      /keys\/pin\.key is not this bank's PIN key: put the right one back/,
    ],
    [
      "of a bank whose PIN key is damaged",
      () => {
        init();
        writeFileSync(join(dataDir, "keys/pin.key"), "not a key");
      },
      /keys\/pin\.key is damaged: put back the copy/,
    ],
  ] as [string, () => void, RegExp][])("%s", (_, make, said) => {
    make();
    expect(refusal()).toMatch(said);
  });

  test("another program's database is left as it was", () => {
    mkdirSync(dataDir);
    onDatabase((db) => db.run("CREATE TABLE theirs (id INTEGER)"));
    refusal();
    expect(() => init()).toThrow(/holds a bank already|not empty/);
    onDatabase((db) => {
      expect(db.query("SELECT name FROM sqlite_schema").all()).toEqual([{ name: "theirs" }]);
      expect(db.query("PRAGMA journal_mode").get()).toEqual({ journal_mode: "delete" });
    });
    expect(readdirSync(dataDir)).toEqual(["bank.db"]);
  });
});

describe("without its PIN key", () => {
  beforeEach(() => {
    init();
    const { store, close } = openBank(dataDir);
    openWithPin(store);
    close();
    rmSync(join(dataDir, "keys/pin.key"));
  });

  test("a bank does not serve, unless it is told to", () => {
    expect(refusal({ serving: true })).toMatch(/keys\/pin\.key is missing.*--without-pins/);
    expect(refusal({ serving: true, withoutPins: true })).toBe("opened");
  });

  test("commands work, but set no PIN", () => {
    const { store, close } = openBank(dataDir);
    expect(store.setPin(BY, "1001", PIN)).toMatchObject({ ok: false });
    expect(store.credit(BY, "1001", minor(5)).ok).toBe(true);
    close();
  });

  test("served without PINs, an account with one is declined, uncounted", () => {
    const { store, close } = openBank(dataDir, { serving: true, withoutPins: true });
    for (const [index, pin] of [PIN, "9999", "9999", "9999", null].entries()) {
      const [outcome] = store.applyNow([reserveOperation(`raas-${index}`, {}, pin)], {
        now: Date.now(),
        monotonicMs: 0,
        openSince: Date.now(),
      });
      expect(outcome).toMatchObject({ outcome: "invalidAuthCode" });
    }
    expect(store.account("1001")).toMatchObject({ pin: "set", pinFailures: 0 });
    close();
  });
});

test("only one server takes a data dir, and a command works beside it", () => {
  init();
  const letGo = lockForServing(dataDir);
  expect(() => lockForServing(dataDir)).toThrow(/another server serves .*: stop it first/);
  expect(refusal()).toBe("opened");
  letGo();
  lockForServing(dataDir)();
});

describe("a program with one more migration", () => {
  const LATER = "CREATE TABLE later (filling TEXT)";
  const migrations = MIGRATIONS as string[];
  const hasLater = () => {
    let found: unknown[] = [];
    onDatabase((db) => {
      found = db.query("SELECT name FROM sqlite_schema WHERE name = 'later'").all();
    });
    return found.length === 1;
  };
  beforeEach(() => {
    init();
    migrations.push(LATER);
  });
  afterEach(() => void migrations.pop());

  test("migrates by an upgrade alone, and neither a command nor a server does it unasked", () => {
    for (const how of [{}, { serving: true }]) {
      expect(refusal(how)).toMatch(/an earlier version of this program: run transact-bank upgrade/);
      expect(hasLater()).toBe(false);
    }
    migrateDatabase(dataDir);
    expect(hasLater()).toBe(true);
    expect(refusal()).toBe("opened");
  });

  test("once it did, the program before refuses the database", () => {
    migrateDatabase(dataDir);
    migrations.pop();
    expect(refusal()).toMatch(/use the newer program that wrote it/);
    migrations.push(LATER);
  });
});

test("init refuses a bank and anybody else's folder", () => {
  init();
  expect(() => init()).toThrow(/holds a bank already/);
  mkdirSync(join(folder, "theirs"));
  writeFileSync(join(folder, "theirs/notes.txt"), "");
  expect(() => initBank(join(folder, "theirs"), IDENTITY, null)).toThrow(/is not empty/);
  expect(readdirSync(join(folder, "theirs"))).toEqual(["notes.txt"]);
});

describe("killed in the middle", () => {
  test("an init leaves no bank, and the next init takes the folder over", async () => {
    const killed = await runKilled(`
      const { createDatabase } = await import("${SOURCES}/storage/sqlite/open.ts");
      const { createKeys } = await import("${SOURCES}/keys.ts");
      const { mkdirSync } = await import("node:fs");
      mkdirSync("${dataDir}");
      createDatabase("${dataDir}", { ...${JSON.stringify(IDENTITY)}, createdAt: 1 }, () => {
        createKeys("${dataDir}");
        process.kill(process.pid, "SIGKILL");
        Bun.sleepSync(10_000);
      });`);
    expect(killed).toBe("SIGKILL");
    expect(readdirSync(dataDir)).toContain("keys");
    expect(refusal()).not.toBe("opened");
    init();
    expect(refusal()).toBe("opened");
  });

  test("a migration leaves the old version, whole", async () => {
    init();
    const before = openBank(dataDir);
    openWithPin(before.store);
    before.close();
    // A later program whose migration is long enough to reach the file before it is killed.
    const killed = await runKilled(`
      const { Database } = await import("bun:sqlite");
      const { MIGRATIONS } = await import("${SOURCES}/storage/sqlite/migrate.ts");
      const { migrateDatabase } = await import("${SOURCES}/storage/sqlite/open.ts");
      const last = "UPDATE bank SET code = 'LATER'";
      MIGRATIONS.push("CREATE TABLE later (filling BLOB); INSERT INTO later " +
        "WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 8000) " +
        "SELECT randomblob(1000) FROM n", last);
      const { run } = Database.prototype;
      Database.prototype.run = function (sql, ...values) {
        const changes = run.call(this, sql, ...values);
        if (sql === last) process.kill(process.pid, "SIGKILL"), Bun.sleepSync(10_000);
        return changes;
      };
      migrateDatabase("${dataDir}");`);
    expect(killed).toBe("SIGKILL");
    expect(statSync(join(dataDir, "bank.db-wal")).size).toBeGreaterThan(1_000_000);
    onDatabase((db) => {
      const { length } = MIGRATIONS;
      expect(db.query("PRAGMA user_version").get()).toEqual({ user_version: length });
      expect(db.query("SELECT 1 FROM sqlite_schema WHERE name = 'later'").all()).toEqual([]);
    });
    const { store, close } = openBank(dataDir);
    expect(store.bank().code).toBe("ACME");
    expect(store.account("1001")).toMatchObject({ ledgerBalance: 500_000, pin: "set" });
    expect(store.verify().filter(({ ok }) => !ok)).toEqual([]);
    close();
  });
});

test("a configuration that cannot be read is not taken for one that turns nothing on", () => {
  init();
  rmSync(join(dataDir, "config.toml"));
  expect(refusal()).toBe("opened");
  symlinkSync("config.toml", join(dataDir, "config.toml"));
  expect(refusal()).toContain("config.toml cannot be read");
});

describe("whose data dir it is", () => {
  const ROOT = process.geteuid?.() === 0;
  const BANK = ROOT ? 9001 : (process.geteuid?.() ?? 0);
  const STRANGER = BANK + 1;

  /** Folders and links of the bank's user, and one way of each kind that a stranger has made. */
  beforeEach(() => {
    mkdirSync(join(dataDir, "inner"), { recursive: true });
    symlinkSync(dataDir, join(folder, "link"));
    mkdirSync(join(folder, "open"), { mode: 0o700 });
    mkdirSync(join(folder, "open/bank"));
    chmodSync(join(folder, "open"), 0o777);
    if (!ROOT) return;
    for (const name of ["", "bank", "bank/inner", "open", "open/bank"]) {
      chownSync(join(folder, name), BANK, BANK);
    }
  });

  test("it is the bank's user's or root's all the way, by a link too", () => {
    for (const name of ["bank", "bank/inner", "bank/../bank"]) {
      expect([name, strangersPart(join(folder, name), BANK)]).toEqual([name, null]);
    }
    expect(strangersPart(join(folder, "link"), BANK)).toBeNull();
  });

  test("a folder of another user, or below one, may be exchanged", () => {
    expect(strangersPart(dataDir, STRANGER)).toBe(dataDir);
    if (ROOT) chownSync(dataDir, STRANGER, STRANGER);
    else return;
    expect(strangersPart(dataDir, BANK)).toBe(dataDir);
    expect(strangersPart(join(dataDir, "inner"), BANK)).toBe(dataDir);
    expect(strangersPart(join(folder, "link"), BANK)).toBe(dataDir);
  });

  test("a folder in which everybody may write may be exchanged too; /tmp is sticky", () => {
    expect(strangersPart(join(folder, "open/bank"), BANK)).toBe(join(folder, "open"));
    chmodSync(join(folder, "open"), 0o1777);
    expect(strangersPart(join(folder, "open/bank"), BANK)).toBeNull();
  });

  test.if(ROOT)(
    "a link to the bank's database beside another's configuration opens nothing",
    () => {
      rmSync(dataDir, { recursive: true });
      init();
      const theirs = join(folder, "theirs");
      mkdirSync(theirs);
      symlinkSync(join(dataDir, "bank.db"), join(theirs, "bank.db"));
      const made = readdirSync(dataDir, { recursive: true, encoding: "utf8" });
      for (const name of ["", ...made]) chownSync(join(dataDir, name), BANK, BANK);
      chownSync(theirs, STRANGER, STRANGER);
      process.seteuid?.(BANK);
      try {
        expect(refusal()).toBe("opened");
        dataDir = theirs;
        expect(refusal()).toContain(`${theirs} is another user's`);
      } finally {
        process.seteuid?.(0);
      }
    },
  );
});
