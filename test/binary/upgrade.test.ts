// A bank of every version that was released, under the program of today: nobody migrates it without a
// backup, serve does it unattended, and nothing that it answered is forgotten.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { program, type Ran, run } from "../cli/run.ts";

const RELEASED = resolve(import.meta.dir, "../released");
const versions = readdirSync(RELEASED).filter((name) => /^\d+\.\d+\.\d+$/.test(name));

describe.each(versions)("a bank of version %s", (version) => {
  let folder: string;
  let dataDir: string;
  const command = (line: string): Promise<Ran> =>
    run([...line.split(" "), "--data-dir", dataDir], { env: {} });
  const done = async (line: string): Promise<string> => {
    const ran = await command(line);
    expect([line, ran.exit, ran.err]).toEqual([line, 0, expect.any(String)]);
    return ran.out;
  };
  const backups = () => readdirSync(join(dataDir, "backups"));

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "transact-bank-upgrade-"));
    dataDir = join(folder, "bank");
    cpSync(join(RELEASED, version), dataDir, { recursive: true });
    chmodSync(dataDir, 0o700);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test("is refused by commands, which name upgrade; --check says what it would do", async () => {
    const before = readFileSync(join(dataDir, "bank.db"));
    const { exit, err } = await command("accounts list");
    expect([exit, err]).toEqual([1, expect.stringContaining("run transact-bank upgrade")]);
    expect(JSON.parse(await done("upgrade --check --json"))).toMatchObject({ due: true });
    expect(readFileSync(join(dataDir, "bank.db")).equals(before)).toBe(true);
  });

  test("is upgraded after a backup, which is restored and upgraded like it", async () => {
    await done("upgrade");
    expect(backups()).toHaveLength(1);
    await done("verify");
    expect(await done("journal list")).toContain(backups()[0] as string);
    expect(JSON.parse(await done("upgrade --json"))).toMatchObject({ due: false });
    const file = join(dataDir, "backups", backups()[0] as string);
    const reservation = await done("reservations show raas-open --json");
    dataDir = join(folder, "restored");
    await done(`backup restore ${file}`);
    await done("verify");
    expect(JSON.parse(await done("reservations show raas-open --json")).reference).toBe(
      JSON.parse(reservation).reference,
    );
  });

  test("is not touched where no backup can be made", async () => {
    writeFileSync(join(dataDir, "backups"), "a file stands where the folder should be");
    const before = readFileSync(join(dataDir, "bank.db"));
    for (const line of ["upgrade", "serve --port 0"]) {
      const { exit, err } = await command(line);
      expect([line, exit, err]).toEqual([line, 1, expect.stringContaining("nothing was changed")]);
    }
    expect(readFileSync(join(dataDir, "bank.db")).equals(before)).toBe(true);
  });

  test("is upgraded by serve, unattended, and answers as it did", async () => {
    const line = [...program, "serve", "--data-dir", dataDir, "--port", "0"];
    const child = Bun.spawn(line, { stdout: "ignore", stderr: "pipe", env: {} });
    try {
      let said = "";
      const decoder = new TextDecoder();
      for await (const piece of child.stderr) {
        said += decoder.decode(piece, { stream: true });
        if (said.includes("listens on")) break;
      }
      expect(said).toContain("upgraded; the backup from before is");
      expect(backups()).toHaveLength(1);
      const url = /listens on (\S+),/.exec(said)?.[1] ?? "";
      const live = await fetch(`${url}/health/live`);
      expect(live.status).toBe(200);
    } finally {
      child.kill();
      await child.exited;
    }
    await done("verify");
  });
});

test("a program that is older than the bank refuses it, and names the backup it can restore", async () => {
  const folder = mkdtempSync(join(tmpdir(), "transact-bank-upgrade-"));
  const dataDir = join(folder, "bank");
  try {
    cpSync(join(RELEASED, versions[0] as string), dataDir, { recursive: true });
    chmodSync(dataDir, 0o700);
    expect((await run(["upgrade", "--data-dir", dataDir])).exit).toBe(0);
    const { Database } = await import("bun:sqlite");
    const db = new Database(join(dataDir, "bank.db"));
    db.run("PRAGMA user_version = 9999");
    db.close();
    for (const args of [
      ["accounts", "list"],
      ["serve", "--port", "0"],
    ]) {
      const { exit, err } = await run([...args, "--data-dir", dataDir]);
      const [file] = readdirSync(join(dataDir, "backups"));
      expect([exit, err]).toEqual([1, expect.stringContaining("use the newer program")]);
      expect(err).toContain(`backup restore --data-dir ${dataDir} ${dataDir}/backups/${file}`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
