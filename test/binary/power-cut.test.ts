// A power cut under load: the server is killed, and of its disk only what was flushed is left.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { cpSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run } from "../cli/run.ts";
import { noteTorture, times } from "../torture.ts";
import { breakDisk, castShadow, comeUpAgain, type Fault, onDisk, useDisk } from "./disk.ts";
import {
  type Log,
  load,
  loadAndKill,
  newLoadBank,
  newLog,
  problemsOf,
  readBooks,
  sendAgain,
  UNKNOWN,
} from "./load.ts";
import { type Bank, configure, type Server } from "./program.ts";

useDisk();

let bank: Bank;
/** With a budget as long as it goes: a slow machine must not make time-outs of sales. */
async function newPatientBank(): Promise<Bank> {
  const made = await newLoadBank();
  configure(made, "reserve_budget_ms = 4500");
  return made;
}
beforeEach(async () => {
  bank = await newPatientBank();
});
afterEach(() => bank.remove());

function serveOnShadow(more: Record<string, string> = {}): Promise<Server> {
  castShadow(bank);
  return bank.serve({ env: onDisk(bank, more) });
}

/** Resolves as soon as the WAL is written from its beginning again, with another header. */
async function walStartsOver({ dataDir }: Bank): Promise<void> {
  const wal = Bun.file(join(dataDir, "bank.db-wal"));
  const header = async () => Buffer.from(await wal.slice(0, 32).bytes()).toHex();
  const before = await header();
  for (const until = performance.now() + 20_000; performance.now() < until; await Bun.sleep(2)) {
    if ((await header()) !== before) return;
  }
  throw new Error("in 20 s of load no checkpoint let the WAL start over");
}

/**
 * What the bank that came up again has otherwise than it was acknowledged. Everything that was
 * answered is sent once more, and must be answered the same; the bank is left as it was.
 */
async function judge(log: Log): Promise<string[]> {
  const untouched = join(bank.folder, "untouched");
  cpSync(bank.dataDir, untouched, { recursive: true });
  try {
    const answered = log.exchanges.filter(({ answer }) => answer !== null);
    const books = await readBooks(bank);
    const problems = await problemsOf(bank, log, books);
    if (problems.length > 0) return problems;
    // From here on a decline that was lost would become a sale.
    await bank.admin("accounts credit POOR 1000000.00 --reason late --yes");
    await bank.admin(`accounts map ${UNKNOWN} A0`);
    const server = await bank.serve();
    const withRepeats = { ...log, exchanges: [...log.exchanges] };
    try {
      await sendAgain(server.url, withRepeats, answered);
    } finally {
      await server.stop();
    }
    return await problemsOf(bank, withRepeats, books);
  } finally {
    rmSync(bank.dataDir, { recursive: true });
    renameSync(untouched, bank.dataDir);
  }
}

type Cut = {
  until(bank: Bank): Promise<unknown>;
  readonly disk?: Record<string, string>;
  readonly fault?: Fault;
};
const HALF_KEPT = { SHADOW_KEEPS: "50" };
const CUTS: readonly Cut[] = [
  { until: () => Bun.sleep(1_500) },
  // Right after the recovery, on a disk that has half of what was not flushed, some of it torn.
  { until: () => Bun.sleep(200), disk: HALF_KEPT },
  // Right after a checkpoint, when the WAL's new frames lie over those that were copied.
  { until: (cut) => Bun.sleep(500).then(() => walStartsOver(cut)), disk: HALF_KEPT },
  // Nearly always in the middle of a flush: an answer that did not wait for it is found out.
  { until: () => Bun.sleep(1_000), fault: "delay 20" },
];

async function cutPower(log: Log, { until, disk, fault = "none" }: Cut): Promise<void> {
  breakDisk(bank, fault);
  const server = await serveOnShadow(disk);
  await loadAndKill(server, log, until(bank));
  breakDisk(bank, "none");
  comeUpAgain(bank);
}

describe("a power cut under load", () => {
  test(
    "what was answered is there, in its state, and is answered the same for ever",
    async () => {
      const series = times(1, 12);
      let answers = 0;
      for (let one = 1; one <= series; one += 1) {
        const log = newLog();
        // Each cut is of the disk that the one before left; a new bank keeps it from growing on.
        for (const cut of CUTS) {
          await cutPower(log, cut);
          const problems = await judge(log);
          expect([problems.length, problems.slice(0, 10)]).toEqual([0, []]);
        }
        expect(log.unusual).toEqual([]);
        answers += log.exchanges.filter(({ answer }) => answer !== null).length;
        bank.remove();
        bank = await newPatientBank();
      }
      expect(answers).toBeGreaterThan(1_000);
      noteTorture({
        injected: "power cut under load: only flushed bytes are left, or torn ones beside them",
        times: series * CUTS.length,
        held: `I1-I7; none of ${answers.toLocaleString("en")} answers lost, all the same when repeated`,
      });
    },
    times(90_000, 1_800_000),
  );
});

describe("the test itself", () => {
  test("without the flush before an answer, answers are lost", async () => {
    const lost: string[] = [];
    // A cut right after a checkpoint may find all of them in the database; the next one does not.
    for (let cuts = 0; cuts < 3 && lost.length === 0; cuts += 1) {
      const log = newLog();
      const disk = { SHADOW_SKIP_FLUSH: "wal" };
      await cutPower(log, { until: () => Bun.sleep(700), disk });
      expect(log.exchanges.length).toBeGreaterThan(100);
      lost.push(...(await judge(log)));
    }
    expect(lost.length).toBeGreaterThan(0);
  }, 90_000);

  test("the shadow of a database that was closed is that database: it misses no write", async () => {
    const server = await serveOnShadow();
    const log = newLog();
    await load(server, log, Bun.sleep(700));
    expect((await server.stop()).exit).toBe(0);
    expect(log.exchanges.length).toBeGreaterThan(100);
    // A command that ends alone moves all that a WAL still holds into the database.
    const { exit } = await run(["verify", "--data-dir", bank.dataDir], { env: onDisk(bank) });
    expect(exit).toBe(0);
    const bytes = (folder: string) => readFileSync(join(folder, "bank.db"));
    expect(bytes(join(bank.folder, "shadow")).equals(bytes(bank.dataDir))).toBe(true);
  }, 90_000);
});
