// What the command line asks for.
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

export const PARTS = [
  "connections",
  "hot",
  "signed",
  "arrivals",
  "disks",
  "counts",
  "profile",
  "growth",
] as const;
export type Part = (typeof PARTS)[number];

export const CONTESTANTS = [
  "ours",
  "limit",
  "one-by-one",
  "fastify-better-sqlite3",
  "fastify-pg",
  "express-pg",
  "pgbench",
] as const;
export type ContestantName = (typeof CONTESTANTS)[number];

export type Options = {
  readonly short: boolean;
  readonly rounds: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  readonly accounts: number;
  readonly parts: readonly Part[];
  readonly contestants: readonly ContestantName[];
  /** Reservations that are there before growth is measured. */
  readonly growth: readonly number[];
  readonly growthAccounts: number;
  /** Where the results are written; null: nowhere. */
  readonly out: string | null;
  /** Where the banks are made; null: in a new folder that is removed. */
  readonly workDir: string | null;
};

/** A wrong command line; the message says what is right. */
export class UsageError extends Error {}

/** Long enough to see each part work, and no longer. */
const SHORT = { rounds: 1, seconds: 0.4, warmupSeconds: 0.1, accounts: 1_000, growth: [1_000] };

function readNumber(name: string, text: string, least: number): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value) && value >= least) return value;
  throw new UsageError(`--${name} takes a number from ${least} on, not "${text}".`);
}

function readWhole(name: string, text: string, least: number): number {
  const value = readNumber(name, text, least);
  if (Number.isSafeInteger(value)) return value;
  throw new UsageError(`--${name} takes a whole number, not "${text}".`);
}

/** Parts and contestants may be named in one list; what is not named at all is not narrowed. */
function readOnly(text: string | undefined): Pick<Options, "parts" | "contestants"> {
  const names = text?.split(",") ?? [];
  const known: readonly string[] = [...PARTS, ...CONTESTANTS];
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new UsageError(`--only takes: ${known.join(", ")}.`);
  // Half load is half of what the closed loop gives.
  const implied = (part: Part) => part === "connections" && names.includes("arrivals");
  const parts = PARTS.filter((part) => names.includes(part) || implied(part));
  const contestants = CONTESTANTS.filter((name) => names.includes(name));
  return {
    parts: parts.length > 0 ? parts : PARTS,
    contestants: contestants.length > 0 ? contestants : CONTESTANTS,
  };
}

/** Reads the arguments; throws UsageError. */
export function readOptions(args: string[]): Options {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    args,
    allowPositionals: false,
    options: {
      ...{ short: { type: "boolean" }, rounds: text, seconds: text, warmup: text, only: text },
      ...{ accounts: text, growth: text, "growth-accounts": text, out: text, "work-dir": text },
    },
  });
  const short = values.short === true;
  const standard = short
    ? { ...SHORT, growthAccounts: SHORT.accounts, out: null }
    : {
        ...{ rounds: 5, seconds: 5, warmupSeconds: 2, accounts: 100_000 },
        ...{ growth: [1e5, 1e6, 1e7], growthAccounts: 1_000_000 },
        out: values.only === undefined ? "docs" : null,
      };
  const number = (name: keyof typeof values, read: typeof readNumber, least: number) =>
    typeof values[name] === "string" ? read(name, values[name], least) : undefined;
  const out = values.out ?? standard.out;
  return {
    short,
    rounds: number("rounds", readWhole, 1) ?? standard.rounds,
    seconds: number("seconds", readNumber, 0.1) ?? standard.seconds,
    warmupSeconds: number("warmup", readNumber, 0) ?? standard.warmupSeconds,
    // Fewer would have none of some sorts that the load asks for.
    accounts: number("accounts", readWhole, 100) ?? standard.accounts,
    ...readOnly(values.only),
    growth:
      values.growth?.split(",").map((rows) => readWhole("growth", rows, 1)) ?? standard.growth,
    growthAccounts: number("growth-accounts", readWhole, 100) ?? standard.growthAccounts,
    out: out === null ? null : resolve(out),
    workDir: values["work-dir"] === undefined ? null : resolve(values["work-dir"]),
  };
}

/** Head of the name of the folder that a run makes for itself. */
export const WORK_DIR_HEAD = join(tmpdir(), "transact-bank-bench-");
