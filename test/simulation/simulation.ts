// One run: a whole bank under one seed, with simulated time, disk and network, every step of which
// is held to the reference model. docs/simulation.md says what it covers and what not.
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initBank } from "../../src/init.ts";
import { readPinKey } from "../../src/keys.ts";
import { chooser } from "../chooser.ts";
import { newBook } from "./book.ts";
import { simulatedClickatell } from "./clickatell.ts";
import { compareAccounts, compareWhole } from "./compare.ts";
import { simulatedDisk } from "./disk.ts";
import { simulatedFaults } from "./faults.ts";
import { newJudge } from "./judge.ts";
import type { Message } from "./messages.ts";
import { simulatedOperator } from "./operator.ts";
import { simulatedServer } from "./server.ts";
import { simulatedTime } from "./time.ts";
import { demand, newTrace, type Trace } from "./trace.ts";
import { newWeather } from "./weather.ts";

export const STEPS = 3_000;

/** Where and when a run begins: shortly before something that the calendar does. */
const BEGINNINGS = [
  ["Europe/Berlin", "2026-03-28T21:00:00Z"],
  ["Europe/Berlin", "2026-10-24T20:00:00Z"],
  ["America/New_York", "2026-03-08T03:00:00Z"],
  ["America/New_York", "2026-11-01T02:00:00Z"],
  ["Africa/Johannesburg", "2026-02-28T20:00:00Z"],
  ["Africa/Johannesburg", "2026-12-31T20:00:00Z"],
] as const;

/** What one run came to. */
export type Outcome = {
  readonly seed: number;
  readonly steps: number;
  readonly hash: string;
  readonly trace: Trace;
  /** Null where the bank did what the model says. */
  readonly error: unknown;
};

const temporary = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
const templates = new Map<string, string>();
let folder: string | null = null;

/** A new bank of a zone; made once and then copied. */
function template(timeZone: string): string {
  folder ??= mkdtempSync(join(temporary, "transact-bank-simulation-"));
  const known = templates.get(timeZone);
  if (known !== undefined) return known;
  const dataDir = join(folder, `template-${templates.size}`);
  const money = { code: "ACME", currency: "ZAR", minorDigits: 2, country: "ZA", demo: false };
  initBank(dataDir, { ...money, timeZone }, null);
  templates.set(timeZone, dataDir);
  return dataDir;
}

/** Removes what the runs left; call it once after the last one. */
export function removeTemplates(): void {
  if (folder !== null) rmSync(folder, { recursive: true, force: true });
  folder = null;
  templates.clear();
}

/** The local day by another way than the product's. */
function dayFinder(timeZone: string): (epochMs: number) => string {
  const format = new Intl.DateTimeFormat("en-CA", { timeZone, dateStyle: "short" });
  return (epochMs) => format.format(epochMs);
}

/** Runs a seed for about so many steps, and then until all is settled. */
export async function simulate(seed: number, steps: number = STEPS): Promise<Outcome> {
  const choose = chooser(seed);
  const [timeZone, begins] = choose.one(BEGINNINGS);
  const made = template(timeZone);
  const dataDir = join(folder ?? "", `run-${seed}`);
  cpSync(made, dataDir, { recursive: true });
  const time = simulatedTime(choose, Date.parse(begins));
  const trace = newTrace(time.monotonicMs);
  trace.note(`seed ${seed}, ${timeZone}, from ${begins}`);
  try {
    await run({ dataDir, timeZone, choose, time, trace, steps });
    return { seed, steps: trace.steps(), hash: trace.hash(), trace, error: null };
  } catch (error) {
    return { seed, steps: trace.steps(), hash: trace.hash(), trace, error };
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

type Run = {
  readonly dataDir: string;
  readonly timeZone: string;
  readonly choose: ReturnType<typeof chooser>;
  readonly time: ReturnType<typeof simulatedTime>;
  readonly trace: Trace;
  readonly steps: number;
};

function assemble({ dataDir, timeZone, choose, time, trace }: Run) {
  const messages: Message[] = [];
  const book = newBook();
  const weather = newWeather(choose);
  const localDay = dayFinder(timeZone);
  const judge = newJudge({ book, time, trace, messages, localDay });
  let uuids = 0;
  const disk = simulatedDisk({
    ...{ dataDir, choose, time, trace, weather, book },
    store: {
      now: time.now,
      newUuid: () => String(++uuids).padStart(36, "0"),
      policy: { pinPolicy: "if-set", pinMaxTries: 3 },
      pinKey: readPinKey(dataDir),
    },
    onCommit(batch, outcomes) {
      const changes = judge.committed(batch, outcomes);
      compareAccounts(disk.observer(), book.current());
      return changes;
    },
  });
  const server = simulatedServer({
    ...{ book, disk, judge, time, trace, signed: choose.chance(0.3) },
    onStarted: () => compareAccounts(disk.observer(), book.current()),
  });
  const clickatell = simulatedClickatell({ choose, time, trace, weather, messages, server });
  const operator = simulatedOperator({ choose, trace, book, disk });
  const faults = simulatedFaults({ choose, time, trace, weather, disk, server });
  return { messages, book, weather, localDay, judge, disk, server, clickatell, operator, faults };
}
type Parts = ReturnType<typeof assemble>;

async function run(given: Run): Promise<void> {
  const parts = assemble(given);
  try {
    parts.server.start();
    parts.operator.found();
    await trouble(given, parts);
    await peace(given, parts);
  } finally {
    if (parts.disk.isOpen()) parts.disk.close();
  }
}

/** The first phase: traffic, acts and faults, until there were enough steps. */
async function trouble({ choose, time, trace, steps }: Run, parts: Parts): Promise<void> {
  const { server, clickatell, operator, faults, weather, disk } = parts;
  let isOver = false;
  /** Again and again, about so many milliseconds apart. */
  function often(everyMs: number, happen: () => void): void {
    time.after(choose.between(0, 2 * everyMs), () => {
      if (isOver) return;
      happen();
      often(everyMs, happen);
    });
  }
  const busyMs = choose.one([15, 60, 250]);
  weather.setNetwork([1, 40], 0.01, 0.02);
  often(busyMs, () => clickatell.begin());
  often(busyMs * 6, () => clickatell.disturb());
  often(busyMs * 9, () => {
    if (disk.isOpen() && !disk.isLocked()) operator.act(clickatell);
  });
  often(busyMs * choose.one([15, 40]), () => faults.strike());
  often(300, () => {
    if (disk.isOpen()) return;
    weather.calmDisk();
    server.start();
  });
  // Some nights nothing happens, and then it is another day.
  const nightMs = choose.one([2, 5, 11]) * 3_600_000;
  often((busyMs * steps) / 12, () => {
    if (!server.isUp()) return;
    trace.step("hours pass");
    time.stall(nightMs);
  });
  while (trace.steps() < steps) await time.runNext();
  isOver = true;
}

const PEACE_MS = 20 * 60_000;

/** The second phase: nothing goes wrong any more, and so everything must come to its end. */
async function peace({ time, trace }: Run, parts: Parts): Promise<void> {
  const { server, clickatell, faults, disk, book, judge, messages, localDay } = parts;
  faults.end();
  trace.note("-- peace");
  const until = time.monotonicMs() + PEACE_MS;
  let isStopped = false;
  const wait = async (isDone: () => boolean, what: string) => {
    while (!isDone()) {
      demand(time.monotonicMs() < until, () => `not after ${PEACE_MS} ms of peace: ${what}`);
      await time.runNext();
    }
  };
  const start = time.monotonicMs();
  // A server that was about to stop or to die does so; then one is up for good.
  await wait(() => time.monotonicMs() > start + 10_000, "time passes");
  if (!disk.isOpen()) server.start();
  demand(server.notReady() === null, () => `not ready: ${server.notReady()}`);
  clickatell.finish();
  await wait(clickatell.isFinished, "every request and result is answered");
  const answered = time.monotonicMs();
  await wait(() => time.monotonicMs() > answered + 70_000, "a minute passes");
  for (const { requestId, state } of book.current().reservations.values()) {
    demand(state !== "reserved", () => "a reservation that did not end", requestId);
  }
  demand(judge.inDoubt.size === 0, () => `never named: ${[...judge.inDoubt]}`);
  server.stop(() => {
    isStopped = true;
  });
  await wait(() => isStopped, "the server stops");
  disk.open();
  const bank = book.current();
  const whole = { observer: disk.observer(), store: disk.store(), bank, messages };
  compareWhole({ ...whole, day: localDay(time.now()), clean: judge.clean });
}
