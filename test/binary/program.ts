// The compiled program as an admin and Clickatell have it: a data dir, a process, a socket.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { program, type Ran, run } from "../cli/run.ts";

export const BUYER = "27731304702";
export const ACCOUNT = "1001";

export type Answer = { readonly status: number; readonly body: string; readonly headers: Headers };

/** A bank's data dir and the commands on it. */
export type Bank = {
  readonly folder: string;
  readonly dataDir: string;
  run(args: readonly string[], how?: { stdin?: string }): Promise<Ran>;
  /** Runs a command that must end with 0. */
  admin(line: string, how?: { stdin?: string }): Promise<Ran>;
  json<T>(line: string): Promise<T>;
  serve(how?: ServeHow): Promise<Server>;
  remove(): void;
};

export type ServeHow = {
  readonly args?: readonly string[];
  /** How many files and connections it may have open. */
  readonly openFiles?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Words before the command, such as those that run it on another host. */
  readonly inside?: readonly string[];
};

export type Server = {
  readonly url: string;
  readonly pid: number;
  readonly err: () => string;
  readonly out: () => string;
  readonly exited: Promise<number>;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** SIGTERM; gives the exit code and how long it took, in milliseconds. */
  stop(signal?: NodeJS.Signals): Promise<{ exit: number; ms: number }>;
};

/** `serve` ended before it listened. */
export class NotServing extends Error {
  readonly exit: number;
  constructor(exit: number, err: string) {
    super(err);
    this.exit = exit;
  }
}

/** Starts `serve`; resolves once it says where it listens. */
export async function startServer(dataDir: string, how: ServeHow): Promise<Server> {
  const { args = [], env = {}, openFiles, inside = [] } = how;
  const limited =
    openFiles === undefined ? [] : ["sh", "-c", `ulimit -n ${openFiles}; exec "$@"`, "sh"];
  const serve = [...program, "serve", "--data-dir", dataDir, "--port", "0", ...args];
  const line = [...inside, ...limited, ...serve];
  const child = Bun.spawn(line, {
    cwd: dirname(dataDir),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { PATH: process.env["PATH"] ?? "", ...env },
  });
  let err = "";
  let out = "";
  let url: string | undefined;
  const gather = async (stream: ReadableStream<Uint8Array>, keep: (text: string) => void) => {
    const decoder = new TextDecoder();
    for await (const piece of stream) keep(decoder.decode(piece, { stream: true }));
  };
  const readOut = gather(child.stdout, (text) => {
    out += text;
  });
  await new Promise<void>((resolve) => {
    const readErr = gather(child.stderr, (text) => {
      err += text;
      url = /listens on (\S+),.*\n/.exec(err)?.[1];
      if (url !== undefined) resolve();
    });
    void Promise.all([readErr, readOut, child.exited]).then(() => resolve());
  });
  if (url === undefined) throw new NotServing(await child.exited, err);
  const base = url;
  return {
    url: base,
    pid: child.pid,
    err: () => err,
    out: () => out,
    exited: child.exited,
    async post(path, body, headers = {}) {
      const text = typeof body === "string" ? body : JSON.stringify(body);
      const response = await fetch(`${base}${path}`, { method: "POST", body: text, headers });
      return { status: response.status, body: await response.text(), headers: response.headers };
    },
    async stop(signal = "SIGTERM") {
      const startedAt = performance.now();
      child.kill(signal);
      const exit = await child.exited;
      return { exit, ms: performance.now() - startedAt };
    },
  };
}

/** How a command line without quotes is typed; `_` stands for a blank inside a word. */
const words = (line: string) => line.split(" ").map((word) => word.replaceAll("_", " "));

/** Its answers, where nobody is asked. */
export const INIT =
  "init --no-input --bank-code ACME --currency ZAR --time-zone Africa/Johannesburg --country ZA";

/**
 * The bank of a data dir `bank` in a folder, whether it is there yet or not. `inside`: words before
 * every command, such as those that run it on another host.
 */
export function bankIn(folder: string, inside: readonly string[] = []): Bank {
  const dataDir = join(folder, "bank");
  const env = { TRANSACT_BANK_DATA_DIR: dataDir };
  const bank: Bank = {
    folder,
    dataDir,
    run: (args, { stdin = "" } = {}) => run(args, { stdin, env, inside }),
    async admin(line, { stdin = "" } = {}) {
      const ran = await run(words(line), { stdin, env, inside });
      if (ran.exit !== 0) throw new Error(`${line} ended with ${ran.exit}: ${ran.err}`);
      return ran;
    },
    json: async <T>(line: string) => JSON.parse((await bank.admin(`${line} --json`)).out) as T,
    serve: (serveHow = {}) => startServer(dataDir, { inside, ...serveHow }),
    remove: () => rmSync(folder, { recursive: true }),
  };
  return bank;
}

/** A new bank with one account of 5000.00, unless a test makes its own. */
export async function newBank(how: { account?: boolean; init?: string[] } = {}): Promise<Bank> {
  const bank = bankIn(mkdtempSync(join(tmpdir(), "transact-bank-binary-")));
  await bank.admin(INIT + (how.init ?? []).map((word) => ` ${word}`).join(""));
  if (how.account !== false) await addAccount(bank);
  return bank;
}

/** The account of 5000.00 of BUYER. */
export async function addAccount(bank: Bank): Promise<void> {
  await bank.admin(`accounts add ${ACCOUNT} --name Thandi --balance 5000.00`);
  await bank.admin(`accounts map ${BUYER} ${ACCOUNT}`);
}

/** Adds lines to a bank's config.toml, before its tables. */
export function configure(bank: Bank, lines: string): void {
  writeFileSync(join(bank.dataDir, "config.toml"), `${lines}\n`);
}

let requests = 0;
export const newRequestId = (): string => `request-${++requests}`;

/** A reserve that succeeds, with what the test wants different. */
export function reserveBody(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    raasTxnRef: newRequestId(),
    sourceIdentifier: BUYER,
    reserveAmount: "10000",
    purchaseAmount: 10_000,
    settlementAmount: 9_000,
    clientTxnRef: "airtime",
    productId: 110,
    channelId: "07",
    ...fields,
  };
}

export type Reserved = {
  readonly responseCode: string;
  readonly responseMessage: string;
  readonly raasTxnRef: string;
  readonly reserveFundsTxnRef: string;
};

/** Reserves and gives the fields of the answer. */
export async function reserve(
  server: Pick<Server, "post">,
  fields: Record<string, unknown> = {},
): Promise<Reserved> {
  const { status, body } = await server.post("/reserveFunds", reserveBody(fields));
  if (status !== 200) throw new Error(`reserve answered ${status} ${body}`);
  return JSON.parse(body) as Reserved;
}

export type AccountJson = {
  readonly ledgerBalanceMinor: number;
  readonly heldMinor: number;
  readonly availableMinor: number;
  readonly pin: string;
};

export const account = (bank: Bank, number = ACCOUNT): Promise<AccountJson> =>
  bank.json(`accounts show ${number}`);
