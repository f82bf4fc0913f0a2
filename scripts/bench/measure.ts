// One case in one round: a fresh bank, its server, the load, and then whether all was right.
import { problemsOf } from "./check.ts";
import { type Contestant, contestant, type Running, SECRET } from "./contestants.ts";
import type { Flushes } from "./flushes.ts";
import { type Folders, sizeOf } from "./folders.ts";
import { grownBank } from "./growth.ts";
import type { LoadOptions, LoadResult } from "./load.ts";
import type { Options } from "./options.ts";
import type { Case } from "./plan.ts";
import type { Watched } from "./stalls.ts";
import { peakMemoryOf, type Usage, usageOf } from "./usage.ts";

export type Context = {
  readonly options: Options;
  readonly folders: Folders;
  /** Null where the library could not be compiled. */
  readonly flushes: Flushes | null;
};

export type MeasureContext = Context & { readonly watched: Watched };

/** What one case came to in one round. */
export type Measured = {
  readonly operations: number;
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  /** Cores that the load used: at 1 it is as busy as one thread can be. */
  readonly loadCores: number;
  readonly answers: Readonly<Record<string, number>>;
  readonly wrong: readonly string[];
  readonly readyMs: number;
  /** Processor time of the server and its database for an operation. */
  readonly cpuMicros: number;
  readonly writtenBytes: number;
  /** For an operation; null where they were not counted. */
  readonly flushes: number | null;
  /** Bytes; the HTTP server's process alone. */
  readonly peakMemory: number;
  /** By how much each purchase made the data dir grow; null where that says nothing. */
  readonly diskBytes: number | null;
};

/** The template that a case starts from; null where there is nothing to seed. */
function templateOf(one: Case, { options, folders }: Context): Promise<string> | null {
  const { seed, seedName, isOurs } = contestant(one.contestant);
  if (seed === null) return null;
  if (one.reservations !== null) return grownBank(one.reservations, options, folders);
  // The peers take the secret when they start, the bank has it in its files.
  const secret = one.isSigned && isOurs ? SECRET : null;
  const name = `${seedName}-${options.accounts}${secret === null ? "" : "-signed"}`;
  return folders.template(name, (dir) => seed(dir, options.accounts, secret));
}

function loadOptionsOf(one: Case, round: number, { options }: Context): LoadOptions {
  const accounts = one.reservations === null ? options.accounts : options.growthAccounts;
  return {
    port: 0,
    connections: one.connections,
    seconds: options.seconds,
    warmupSeconds: options.warmupSeconds,
    rate: one.rate,
    mix: "purchases",
    accounts: one.isHot ? 1 : accounts,
    secret: one.isSigned ? SECRET : null,
    prefix: `${one.name} ${round}`,
    answersAs: contestant(one.contestant).answersAs,
  };
}

type Loaded = {
  readonly result: LoadResult;
  readonly before: Usage;
  readonly after: Usage;
  readonly flushed: number | null;
  readonly peakMemory: number;
};

/** Loads a server and stops it. */
async function loadOf(
  who: Contestant,
  how: {
    readonly running: Running;
    readonly load: LoadOptions;
    readonly folders: Folders;
    /** Reads the count of flushes; null where they are not counted. */
    readonly flushes: (() => number) | null;
  },
): Promise<Loaded> {
  const { running, load, folders, flushes } = how;
  let stopped = false;
  try {
    const before = usageOf(running.pids);
    const flushedBefore = flushes?.() ?? 0;
    const result = await who.load(running, load, folders);
    const after = usageOf(running.pids);
    const flushed = flushes === null ? null : flushes() - flushedBefore;
    const peakMemory = peakMemoryOf(running.pid);
    stopped = true;
    await running.stop();
    return { result, before, after, flushed, peakMemory };
  } finally {
    // Whatever went wrong is told, and not that its end was no orderly one.
    if (!stopped) await running.stop().catch(() => {});
  }
}

/** Measures a case. What was wrong is in the result; it throws where it could not be measured. */
export async function measure(
  one: Case,
  round: number,
  context: MeasureContext,
): Promise<Measured> {
  const { options, folders } = context;
  const who = contestant(one.contestant);
  const template = await templateOf(one, context);
  const dir = await folders.fresh(template);
  const counted = one.isCounted ? (context.flushes?.counted(one.contestant) ?? null) : null;
  const slower = one.delayUs > 0 ? (context.flushes?.slower(one.delayUs) ?? {}) : {};
  const accounts = one.reservations === null ? options.accounts : options.growthAccounts;
  const secret = one.isSigned ? SECRET : null;
  const env = counted?.env ?? slower;
  const running = await who.start({ dir, accounts, secret, env });
  // A second earlier: the bank's clock and ours need not agree to the millisecond.
  const since = new Date(Date.now() - 1_000);
  const load = loadOptionsOf(one, round, context);
  const flushes = counted === null ? null : counted.read;
  const loaded = await context.watched(() => loadOf(who, { running, load, folders, flushes }));

  const { result } = loaded;
  // A large bank takes minutes to verify, so it is done once for each.
  const verifies = one.reservations === null || round === 0;
  const problems = who.isOurs ? await problemsOf(dir, result.history, { since, verifies }) : [];
  const grewBy = template === null ? 0 : sizeOf(dir) - sizeOf(template);
  folders.remove(dir);
  return measuredOf(one, loaded, {
    readyMs: running.readyMs,
    wrong: [...result.wrong, ...problems],
    grewBy,
  });
}

function measuredOf(
  one: Case,
  { result, before, after, flushed, peakMemory }: Loaded,
  found: { readonly readyMs: number; readonly wrong: readonly string[]; readonly grewBy: number },
): Measured {
  const { history, busy, operations, perSecond, p50, p99, p999, max, answers } = result;
  // All that were answered, those of the warm-up too: the counters run from the start.
  const all = Math.max(1, sum(Object.values(answers)));
  const purchases = history.reserved.length;
  const { seedName } = contestant(one.contestant);
  // A database server writes its log and its tables when it likes to.
  const isOneFile = seedName === "bank" || seedName === "better-sqlite3";
  return {
    ...{ operations, perSecond, p50, p99, p999, max, answers },
    loadCores: busy,
    wrong: found.wrong,
    readyMs: round3(found.readyMs),
    cpuMicros: round3(((after.cpuSeconds - before.cpuSeconds) * 1e6) / all),
    writtenBytes: Math.round((after.writtenBytes - before.writtenBytes) / all),
    flushes: flushed === null ? null : round3(flushed / all),
    peakMemory,
    diskBytes: isOneFile && purchases > 0 ? Math.round(found.grewBy / purchases) : null,
  };
}

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
const round3 = (value: number): number => Number(value.toFixed(3));
