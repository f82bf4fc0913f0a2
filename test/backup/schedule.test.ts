// Scheduled backups: made when they are due or were missed, by a process of their own; what a failure
// leaves; and what the keep rule takes away, only ever after a new one was verified.
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { backupName, backupsIn } from "../../src/backup/format.ts";
import { scheduleBackups } from "../../src/backup/schedule.ts";
import { openBank } from "../../src/bank.ts";
import { readConfig } from "../../src/config.ts";
import { newBank, program, type TestBank } from "../cli/run.ts";

setDefaultTimeout(60_000);

let bank: TestBank;
let stop = () => {};
const folder = () => join(bank.dataDir, "backups");
const made = () => backupsIn(folder(), "ACME").length;

beforeEach(async () => {
  bank = await newBank();
});
afterEach(() => {
  stop();
  bank.remove();
});

/** Schedules backups as serve does, of a bank that is as old as the test says. */
function schedule(createdAt: number): { failures: string[] } {
  const { store, close } = openBank(bank.dataDir);
  const known = { ...store.bank(), createdAt };
  close();
  const failures: string[] = [];
  stop = scheduleBackups({
    dataDir: bank.dataDir,
    config: readConfig(bank.dataDir),
    bank: known,
    command: [...program, "backup", "create", "--scheduled", "--data-dir", bank.dataDir],
    onFailed: (why) => failures.push(why),
    lookMs: 10,
  });
  return { failures };
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) await Bun.sleep(20);
}

const openFindings = async () =>
  (await bank.json(["findings", "list"])) as { kind: string; detail: string }[];

test("one that was missed while no server ran is made, once", async () => {
  const { failures } = schedule(0);
  await until(() => made() === 1);
  await Bun.sleep(300);
  expect([made(), failures]).toEqual([1, []]);
});

test("one with a time to come, of a clock that was wrong, neither stands in for one nor goes", async () => {
  const day = (n: number) => backupName("ACME", Date.now() + n * 86_400_000, false);
  mkdirSync(folder());
  // More days than are kept, so that the newest of all would be the last ones kept.
  const wrong = [400, 401, 402, 403, 404, 405, 406, 407, 415, 422, 429, 436, 443, 450].map(day);
  for (const name of wrong) writeFileSync(join(folder(), name), "");
  schedule(0);
  await until(() => made() > wrong.length);
  stop();
  expect(readdirSync(folder())).toEqual(expect.arrayContaining(wrong));
  const { newestBackupAt } = (await bank.json(["status"])) as { newestBackupAt: string };
  expect(Date.parse(newestBackupAt)).toBeLessThanOrEqual(Date.now());
});

test("none is due in a bank that is younger than the last time", async () => {
  schedule(Date.now());
  await Bun.sleep(300);
  expect(made()).toBe(0);
});

test("one that fails is said, is a finding, and one that is made closes it", async () => {
  // A file stands where the folder should be.
  writeFileSync(folder(), "");
  const { failures } = schedule(0);
  await until(() => failures.length > 0);
  stop();
  const [finding] = await openFindings();
  expect(finding).toMatchObject({ kind: "backup-failed", detail: expect.any(String) });
  const again = await bank.run(["backup", "create", "--scheduled"]);
  expect(again.exit).toBe(1);
  expect(await openFindings()).toHaveLength(1);
  rmSync(folder());
  await bank.json(["backup", "create"]);
  expect(await openFindings()).toEqual([]);
  expect(await bank.json(["verify"])).toMatchObject({ ok: true });
});

test("the keep rule takes old ones only after a new one, and only this bank's own", async () => {
  mkdirSync(folder());
  const day = (n: number) => Date.parse("2026-03-02T00:00:00Z") + n * 86_400_000;
  for (let n = 0; n < 90; n += 1)
    writeFileSync(join(folder(), backupName("ACME", day(n), false)), "");
  const others = [backupName("OTHER", day(0), false), "notes.txt"];
  for (const name of others) writeFileSync(join(folder(), name), "");
  const { Database } = await import("bun:sqlite");
  const db = new Database(join(bank.dataDir, "bank.db"));
  db.run("UPDATE accounts SET held = 0, ledger_balance = 5 WHERE number = '@funding'");
  expect((await bank.run(["backup", "create", "--scheduled"])).exit).toBe(1);
  expect(made()).toBe(90);
  db.run("UPDATE accounts SET ledger_balance = 0");
  db.close();
  await bank.json(["backup", "create", "--scheduled"]);
  // The new day, six days before it, and the newest of six weeks more.
  expect(made()).toBe(13);
  expect(readdirSync(folder())).toEqual(expect.arrayContaining(others));
});
