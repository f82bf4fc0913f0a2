// Makes the scheduled backups of a bank that is served, each in a process of its own, so that neither
// the copying nor a full disk nor a fault in it can hold up an answer.

import { rmSync } from "node:fs";
import type { Config } from "../config.ts";
import { lastDue } from "../domain/daily.ts";
import { expired } from "../domain/keep.ts";
import { messageOf } from "../errors.ts";
import type { Bank } from "../storage/store.ts";
import { backupFolder, newestBackup } from "./create.ts";
import { backupsIn } from "./format.ts";

/** Between two looks whether one is due: one that was missed is made soon after the start. */
const LOOK_MS = 20_000;
/** After one that failed. */
const RETRY_MS = 15 * 60_000;

export type Schedule = {
  readonly dataDir: string;
  readonly config: Config;
  readonly bank: Bank;
  /** The command line that makes one. */
  readonly command: readonly string[];
  readonly onFailed: (why: string) => void;
  readonly lookMs?: number;
};

/** Runs until the function that it gives is called, which ends a backup that is being made as well. */
export function scheduleBackups(schedule: Schedule): () => void {
  const { dataDir, config, bank, command, onFailed } = schedule;
  let running: Bun.Subprocess | null = null;
  let notBefore = 0;
  let isStopped = false;

  async function make(): Promise<void> {
    const child = Bun.spawn([...command], { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
    running = child;
    const [said, exit] = await Promise.all([new Response(child.stderr).text(), child.exited]);
    running = null;
    if (exit === 0 || isStopped) return;
    notBefore = Date.now() + RETRY_MS;
    onFailed(/^error: (.*)$/m.exec(said)?.[1] ?? `it ended with ${exit}`);
  }

  /** A folder that cannot be read has none: the backup that is then tried says what is wrong. */
  function isThereSince(due: number): boolean {
    try {
      return (newestBackup(dataDir, config, bank.code)?.createdAt ?? 0) >= due;
    } catch {
      return false;
    }
  }

  function look(): void {
    const now = Date.now();
    // A clock that was set back must not end the retries for good.
    if (notBefore > now + RETRY_MS) notBefore = 0;
    if (running !== null || now < notBefore) return;
    const due = lastDue(now, config.backup.at, bank.timeZone);
    if (due === null || due <= bank.createdAt) return;
    if (isThereSince(due)) return;
    make().catch((error: unknown) => {
      running = null;
      notBefore = Date.now() + RETRY_MS;
      onFailed(messageOf(error));
    });
  }

  const timer = setInterval(look, schedule.lookMs ?? LOOK_MS);
  return () => {
    isStopped = true;
    clearInterval(timer);
    running?.kill();
  };
}

/**
 * Removes what the keep rule no longer keeps; call it when a new one was verified. Gives the names.
 * Those of times to come, which a wrong clock made, neither count nor go until their time is past.
 */
export function removeExpired(dataDir: string, config: Config, bank: Bank): string[] {
  const { keep_days: keepDays, keep_weeks: keepWeeks } = config.backup;
  const now = Date.now();
  const all = backupsIn(backupFolder({ dataDir, config }), bank.code);
  const backups = all.filter(({ createdAt }) => createdAt <= now);
  const instants = backups.map(({ createdAt }) => createdAt);
  const gone = new Set(expired(instants, { keepDays, keepWeeks }, bank.timeZone));
  const files = backups.filter(({ createdAt }) => gone.has(createdAt)).map(({ file }) => file);
  for (const file of files) rmSync(file);
  return files;
}
