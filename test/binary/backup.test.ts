// The restore drill: a bank under load is backed up, dies, and is put back elsewhere; and what a
// backup leaves that is killed or meets a full disk.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { cpSync, existsSync, readdirSync, renameSync } from "node:fs";
import { join, resolve } from "node:path";
import { program, run } from "../cli/run.ts";
import { breakDisk, onDisk, useDisk } from "./disk.ts";
import { buyer, load, loadAndKill, newLoadBank, newLog, problemsOf } from "./load.ts";
import { type Bank, reserve } from "./program.ts";

useDisk();

let bank: Bank;
beforeEach(async () => {
  bank = await newLoadBank();
});
afterEach(() => bank.remove());

type Made = { readonly file: string; readonly journalHead: { readonly record: number } };

const backups = () => {
  const folder = join(bank.dataDir, "backups");
  return existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
};

/** Every file among the backups that bears a backup's name is one. */
async function expectWholeBackups(): Promise<number> {
  const named = backups().filter((file) => !/^\..*\.tmp$/.test(file.split("/").at(-1) ?? ""));
  for (const file of named) await bank.admin(`backup verify ${file}`);
  return named.length;
}

describe("the restore drill", () => {
  test("a bank that is served under load is backed up, lost, and serves again", async () => {
    const log = newLog();
    const server = await bank.serve();
    let made: Made | undefined;
    const during = (async () => {
      await Bun.sleep(300);
      made = await bank.json<Made>("backup create");
      await Bun.sleep(300);
    })();
    await loadAndKill(server, log, during);
    const lost = resolve(bank.folder, "lost");
    renameSync(bank.dataDir, lost);
    const file = join(lost, "backups", made?.file.split("/").at(-1) ?? "");
    const drilled = await bank.json<{ forgottenFrom: string }>(`backup restore ${file}`);
    cpSync(join(lost, "keys"), join(bank.dataDir, "keys"), { recursive: true });
    await bank.admin("verify");

    const forgetful = await bank.serve();
    expect(forgetful.out()).toContain("restore acknowledge");
    const declined = await reserve(forgetful, { sourceIdentifier: buyer(1) });
    expect(declined).toMatchObject({ responseCode: "2090" });
    await bank.admin("restore acknowledge --reason drilled");
    // In force for the very next request, without a restart.
    const sold = await reserve(forgetful, { sourceIdentifier: buyer(1) });
    expect(sold).toMatchObject({ responseCode: "0000" });
    expect((await forgetful.stop()).exit).toBe(0);
    await bank.admin("verify");
    const report = await bank.json<{ restored: { detail: string }[] }>("reports exceptions");
    expect(report.restored).toHaveLength(1);
    expect(Date.parse(drilled.forgottenFrom)).toBeLessThan(Date.now());
  });

  test("a backup beside a server that is busy costs it no answer", async () => {
    const log = newLog();
    const server = await bank.serve();
    let made = 0;
    const during = (async () => {
      for (; made < 5; made += 1) await bank.json<Made>("backup create");
    })();
    await load(server, log, during);
    expect((await server.stop()).exit).toBe(0);
    expect(log.unusual).toEqual([]);
    expect(await problemsOf(bank, log)).toEqual([]);
    expect(await expectWholeBackups()).toBe(5);
  });
});

test("a backup that is killed leaves no backup, and hinders no later one", async () => {
  for (let at = 0; at < 12; at += 1) {
    const line = [...program, "backup", "create", "--data-dir", bank.dataDir];
    const child = Bun.spawn(line, { stdout: "ignore", stderr: "ignore" });
    await Bun.sleep(at * 25);
    child.kill("SIGKILL");
    await child.exited;
  }
  const before = await expectWholeBackups();
  await bank.json<Made>("backup create");
  expect(await expectWholeBackups()).toBe(before + 1);
  expect(backups()).toHaveLength(before + 1);
  expect(readdirSync(bank.dataDir)).not.toContain("backup.tmp");
});

test("on a full disk there is no backup and nothing in its place, and it names the disk", async () => {
  const create = ["backup", "create", "--data-dir", bank.dataDir];
  const faults = ["full", ...[1, 4, 16, 64].map((nth) => `nth ${nth} write * ENOSPC` as const)];
  for (const fault of faults as Parameters<typeof breakDisk>[1][]) {
    const before = backups().length;
    breakDisk(bank, fault);
    const { exit, err } = await run(create, { env: onDisk(bank) });
    breakDisk(bank, "none");
    expect([fault, exit, backups().length]).toEqual([fault, exit, before + (exit === 0 ? 1 : 0)]);
    if (exit !== 0) expect(err).toMatch(/error: .*disk/);
    if (fault === "full") expect(exit).toBe(1);
    expect(readdirSync(bank.dataDir)).not.toContain("backup.tmp");
  }
  await expectWholeBackups();
  await bank.admin("verify");
});
