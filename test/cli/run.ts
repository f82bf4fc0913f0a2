// Runs the real command line: the sources, or the program that TRANSACT_BANK_BINARY names.
import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const MAIN = resolve(import.meta.dir, "../../cli/main.ts");
const binary = process.env["TRANSACT_BANK_BINARY"];
/** How the program is started; its arguments follow. */
export const program = binary === undefined ? [process.execPath, MAIN] : [binary];

/** Makes a folder with the program in it, as `transact-bank`, for a PATH; gives the folder. */
export function installIn(folder: string): string {
  mkdirSync(folder);
  const words = program.map((word) => `'${word}'`).join(" ");
  writeFileSync(join(folder, "transact-bank"), `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
  return folder;
}

export type Ran = { readonly exit: number; readonly out: string; readonly err: string };

/** No terminal on either side, and nothing of the environment but what is given. */
export async function run(
  args: readonly string[],
  {
    stdin = "",
    env = {},
    inside = [],
  }: {
    stdin?: string | Uint8Array<ArrayBuffer>;
    env?: Record<string, string>;
    /** Words before the command, such as those that run it on another host. */
    inside?: readonly string[];
  } = {},
): Promise<Ran> {
  const child = Bun.spawn([...inside, ...program, ...args], {
    stdin: new Blob([stdin]),
    stdout: "pipe",
    stderr: "pipe",
    env: { PATH: process.env["PATH"] ?? "", ...env },
  });
  const [out, err, exit] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { exit, out, err };
}

export type TestBank = {
  readonly dataDir: string;
  run(args: readonly string[], how?: { stdin?: string | Uint8Array<ArrayBuffer> }): Promise<Ran>;
  /** Runs with --json, expects exit 0 (or `exit`), gives the document. */
  json(args: readonly string[], exit?: number): Promise<unknown>;
  remove(): void;
};

/** A new South African bank in a folder of its own. */
export async function newBank(): Promise<TestBank> {
  const folder = mkdtempSync(join(tmpdir(), "transact-bank-cli-"));
  const dataDir = join(folder, "bank");
  const env = { TRANSACT_BANK_DATA_DIR: dataDir };
  const flags = "--no-input --bank-code ACME --currency ZAR --country ZA".split(" ");
  const made = await run(["init", ...flags, "--time-zone", "Africa/Johannesburg"], { env });
  if (made.exit !== 0) throw new Error(`init failed: ${made.err}`);
  return {
    dataDir,
    run: (args, { stdin = "" } = {}) => run(args, { stdin, env }),
    async json(args, exit = 0) {
      const ran = await run([...args, "--json"], { env });
      expect([ran.exit, ran.err]).toEqual([exit, ""]);
      return JSON.parse(ran.out) as unknown;
    },
    remove: () => rmSync(folder, { recursive: true }),
  };
}

/** One command and what it must say; the commands of a story run in order, on one bank. */
export type Step = {
  readonly run: readonly string[];
  readonly exit: number;
  /** Texts that standard output, after exit 0 and 6, or standard error must contain. */
  readonly says?: readonly string[];
  readonly stdin?: string | Uint8Array<ArrayBuffer>;
};

/** Tests a story step by step: each is a test of its own, named by its command line. */
export function story(bank: () => TestBank, steps: readonly Step[]): void {
  for (const { run: args, exit, says = [], stdin = "" } of steps) {
    test(`${args.join(" ")} -> ${exit}`, async () => {
      const ran = await bank().run(args, { stdin });
      expect([ran.exit, ran.err]).toEqual([exit, expect.any(String)]);
      const said = exit === 0 || exit === 6 ? ran.out : ran.err;
      for (const text of says) expect(said).toContain(text);
      // Errors never carry a stack trace.
      expect(ran.err).not.toMatch(/^\s+at /m);
    });
  }
}

/** A command line as one types it; no quotes, for no step needs a blank inside a word. */
export const words = (line: string): string[] => line.split(" ");
