// Backups as the command line makes and checks them, and what is in their files.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import {
  backupName,
  backupsIn,
  draftOf,
  factsOf,
  manifestOf,
  pack,
  unpack,
} from "../../src/backup/format.ts";
import { newBank, type TestBank } from "../cli/run.ts";
import { tool } from "../tools.ts";

type Made = {
  readonly file: string;
  readonly sha256: string;
  readonly encrypted: boolean;
  readonly journalHead: { readonly record: number; readonly hash: string };
};

setDefaultTimeout(60_000);

let bank: TestBank;
const folder = () => dirname(bank.dataDir);
const backups = () => join(bank.dataDir, "backups");
const create = async (...args: string[]) =>
  (await bank.json(["backup", "create", ...args])) as Made;

beforeAll(async () => {
  bank = await newBank();
  await bank.json(["accounts", "add", "62-0001", "--name", "Thandi", "--balance", "5000.00"]);
});
afterAll(() => bank.remove());

describe("a backup", () => {
  let made: Made;
  beforeAll(async () => {
    made = await create();
  });

  test("is one file, its owner's alone, and nothing else is left", () => {
    expect(statSync(made.file).mode & 0o777).toBe(0o600);
    expect(statSync(backups()).mode & 0o777).toBe(0o700);
    expect(readdirSync(backups())).toHaveLength(1);
    expect(existsSync(join(bank.dataDir, "backup.tmp"))).toBe(false);
  });

  test("names the journal's newest record, as verify does", async () => {
    const { head } = (await bank.json(["verify"])) as { head: Made["journalHead"] };
    expect(made.journalHead).toEqual(head);
  });

  test("has the SHA-256 that it was said to have", () => {
    const digest = new Bun.CryptoHasher("sha256").update(readFileSync(made.file)).digest("hex");
    expect(digest).toBe(made.sha256);
  });

  test("is a tar under zstd, and holds the database, the configuration and no key", () => {
    const whole = Bun.zstdDecompressSync(readFileSync(made.file));
    const { stdout } = Bun.spawnSync(["tar", "-tf", "-"], { stdin: whole });
    const names = stdout.toString().trim().split("\n");
    expect(names).toEqual(["manifest.json", "config.toml", "bank.db"]);
    const keys = readdirSync(join(bank.dataDir, "keys"));
    expect(keys).toContain("pin.key");
    for (const name of keys) {
      const key = readFileSync(join(bank.dataDir, "keys", name), "utf8").trim();
      expect([name, Buffer.from(whole).includes(key)]).toEqual([name, false]);
    }
  });

  test("is listed, and verifies", async () => {
    const [listed] = (await bank.json(["backup", "list"])) as { file: string }[];
    expect(listed?.file).toBe(made.file);
    expect(await bank.json(["backup", "verify", made.file])).toMatchObject({
      ok: true,
      bankCode: "ACME",
      journalHead: made.journalHead,
    });
  });

  test("that lost its end, or of which a byte changed, does not verify", async () => {
    const damaged = join(folder(), "ACME-20260302T000000000Z.tar.zst");
    const whole = readFileSync(made.file);
    for (const size of [0, 10, whole.length >> 1, whole.length - 1]) {
      writeFileSync(damaged, whole);
      truncateSync(damaged, size);
      const { exit, err } = await bank.run(["backup", "verify", damaged]);
      expect([size, exit, err]).toEqual([size, 1, expect.stringContaining("no whole backup")]);
    }
    for (const at of [6, whole.length >> 1, whole.length - 10]) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] as number) ^ 0x10;
      writeFileSync(damaged, changed);
      const { exit, err } = await bank.run(["backup", "verify", damaged]);
      expect([at, exit, err]).toEqual([at, 1, expect.stringContaining("no whole backup")]);
    }
  });
});

describe("what a backup says of itself", () => {
  const damaged = () => join(folder(), "ACME-20260303T000000000Z.tar.zst");

  test("is under a checksum as well: no bit of its beginning changes unnoticed", async () => {
    const { file } = await create();
    const said = await unpack(file, null, null);
    const whole = readFileSync(file);
    for (let at = 0; at < 1500; at += 1) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] as number) ^ (1 << (at % 8));
      writeFileSync(damaged(), changed);
      // What is not refused says the same; a few bits of the frame's header mean nothing.
      expect([at, await unpack(damaged(), null, null).catch(() => said)]).toEqual([at, said]);
    }
  });

  test("goes before how long a file in it is: a longer one is not written to the disk", async () => {
    const work = join(folder(), "longer");
    mkdirSync(work);
    writeFileSync(join(work, "config.toml"), "");
    writeFileSync(join(work, "bank.db"), Buffer.alloc(1_000_000));
    const { file } = await create();
    const manifest = await manifestOf(file, null);
    const { "bank.db": database } = manifest.files;
    const none = await factsOf(join(work, "config.toml"));
    const descriptor = openSync(damaged(), "w");
    // The tar is right about the length; the manifest speaks of less.
    const told = {
      ...manifest,
      files: { "config.toml": none, "bank.db": { ...database, size: 9 } },
    };
    const files = { ...told.files, "bank.db": { ...database, size: 1_000_000 } };
    const lying = { ...manifest, files, toJSON: () => told };
    await pack(work, lying, { descriptor, recipients: [] });
    closeSync(descriptor);
    const into = join(folder(), "into");
    mkdirSync(into);
    await expect(unpack(damaged(), null, into)).rejects.toThrow("is not what its manifest says");
    expect(readdirSync(into)).toEqual(["config.toml"]);
  });
});

describe("where the disk has too little room, nothing is copied that would fill it", () => {
  const ENDLESS = 4_000_000_000_000_000;

  test("by a backup", async () => {
    const large = await newBank();
    try {
      // As long as no disk has room for, though nothing is in it.
      truncateSync(join(large.dataDir, "bank.db"), 8_000_000_000_000);
      const { exit, err } = await large.run(["backup", "create"]);
      expect([exit, err]).toEqual([1, expect.stringMatching(/free, and 8.0 TB are needed/)]);
      expect(readdirSync(large.dataDir)).not.toContain("backups");
    } finally {
      large.remove();
    }
  });

  test("by a file that says how much is in it", async () => {
    const manifest = await manifestOf((await create()).file, null);
    const files = {
      "config.toml": await factsOf(join(bank.dataDir, "config.toml")),
      "bank.db": await factsOf(join(bank.dataDir, "bank.db")),
    };
    const told = {
      ...manifest,
      files: { ...files, "bank.db": { ...files["bank.db"], size: ENDLESS } },
    };
    const lying = { ...manifest, files, toJSON: () => told };
    const huge = join(folder(), "ACME-20260304T000000000Z.tar.zst");
    const descriptor = openSync(huge, "w");
    await pack(bank.dataDir, lying, { descriptor, recipients: [] });
    closeSync(descriptor);
    const { exit, err } = await bank.run(["backup", "verify", huge]);
    expect([exit, err]).toEqual([1, expect.stringContaining("4000 TB are needed")]);
  });
});

describe("an encrypted backup", () => {
  let key: string;
  let recipient: string;
  beforeAll(async () => {
    key = join(folder(), "backup.key");
    recipient = join(folder(), "backup.recipient");
    await bank.json(["backup", "new-key", "--output", key]);
  });

  test("needs the secret key to be read, and the recipient alone to be made", async () => {
    expect(readFileSync(recipient, "utf8")).not.toContain("SECRET");
    expect(statSync(key).mode & 0o777).toBe(0o600);
    const { file, encrypted } = await create("--key-file", recipient);
    expect([encrypted, file.endsWith(".tar.zst.age")]).toEqual([true, true]);
    for (const args of [[], ["--key-file", recipient]]) {
      const { exit, err } = await bank.run(["backup", "verify", file, ...args]);
      expect([exit, err]).toEqual([1, expect.stringContaining("is encrypted")]);
    }
    const ok = await bank.json(["backup", "verify", file, "--key-file", key]);
    expect(ok).toMatchObject({ ok: true });
  });

  test("does not open with another key", async () => {
    const { file } = await create("--key-file", recipient);
    const other = join(folder(), "other.key");
    await bank.json(["backup", "new-key", "--output", other]);
    const { exit, err } = await bank.run(["backup", "verify", file, "--key-file", other]);
    expect([exit, err]).toEqual([1, expect.stringContaining("not the right one")]);
  });

  test("opens with Debian's age", async () => {
    const { file } = await create("--key-file", recipient);
    if (tool("age", "that age opens a backup") === null) return;
    const { stdout, exitCode } = Bun.spawnSync(["age", "-d", "-i", key, file]);
    expect(exitCode).toBe(0);
    const tar = Bun.spawnSync(["tar", "-tf", "-"], { stdin: Bun.zstdDecompressSync(stdout) });
    expect(tar.stdout.toString()).toBe("manifest.json\nconfig.toml\nbank.db\n");
  });

  test("is refused where the key file is none, and what is in the file is not said", async () => {
    const file = join(folder(), "wrong.key");
    writeFileSync(file, "hunter2\n");
    const { exit, err } = await bank.run(["backup", "create", "--key-file", file]);
    expect([exit, err]).toEqual([1, expect.stringContaining("is no key file")]);
    expect(err).not.toContain("hunter2");
  });
});

test("what a killed backup left is no backup, and the next one removes it", async () => {
  const at = Date.parse("2026-03-02T00:00:00Z");
  const draft = join(backups(), draftOf(backupName("ACME", at, false)));
  const others = join(backups(), draftOf(backupName("OTHER", at, false)));
  const work = join(bank.dataDir, "backup.tmp");
  mkdirSync(work);
  for (const file of [draft, others, join(work, "bank.db")]) writeFileSync(file, "half of it");
  const before = backupsIn(backups(), "ACME").length;
  await create();
  expect(backupsIn(backups(), "ACME")).toHaveLength(before + 1);
  expect([draft, others, work].map((file) => existsSync(file))).toEqual([false, true, false]);
});

test("a bank whose books are off gets no backup, and is told so", async () => {
  const damaged = await newBank();
  try {
    await damaged.json(["accounts", "add", "62-0001", "--name", "Thandi", "--balance", "5.00"]);
    const { Database } = await import("bun:sqlite");
    const db = new Database(join(damaged.dataDir, "bank.db"));
    db.run("UPDATE accounts SET ledger_balance = 1 WHERE number = '62-0001'");
    db.close();
    const { exit, err } = await damaged.run(["backup", "create"]);
    expect([exit, err]).toEqual([1, expect.stringContaining("the bank's books are off")]);
    expect(readdirSync(join(damaged.dataDir))).not.toContain("backup.tmp");
    expect(backupsIn(join(damaged.dataDir, "backups"), "ACME")).toEqual([]);
  } finally {
    damaged.remove();
  }
});

test("where the folder cannot be written there is no backup, and it is said which and what to do", async () => {
  const file = join(folder(), "a-file");
  writeFileSync(file, "");
  const inFile = join(file, "backups");
  const { exit, err } = await bank.run(["backup", "create", "--folder", inFile]);
  expect([exit, err]).toEqual([
    1,
    expect.stringContaining(`no backup can be written to ${inFile} (ENOTDIR`),
  ]);
  expect(readdirSync(bank.dataDir)).not.toContain("backup.tmp");
});
