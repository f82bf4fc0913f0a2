// A bank in a temporary folder, and its app without a socket, for the tests of the HTTP side.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openBank } from "../../src/bank.ts";
import { type Clock, systemClock } from "../../src/clock.ts";
import { type Minor, minor } from "../../src/domain/money.ts";
import { createEngine, type Engine } from "../../src/engine/engine.ts";
import { type App, createApp } from "../../src/http/app.ts";
import type { Authentication } from "../../src/http/authenticate.ts";
import { initBank } from "../../src/init.ts";
import { readReceiptKey } from "../../src/keys.ts";
import type { Log } from "../../src/log.ts";
import type { SqliteStore } from "../../src/storage/sqlite/store.ts";
import type { By, NewAccount, Result, Store } from "../../src/storage/store.ts";
import { postgresEngine } from "../postgres/engine.ts";

export const BY: By = {
  loginUid: null,
  loginName: null,
  effectiveUid: 0,
  effectiveName: "test",
  reason: "a test",
};

/** The value of an admin's act that must not be refused. */
export function done<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.refusal.message);
  return result.value;
}

/** What of an account a test wants to be different from 5000.00 and active. */
export type Wanted = {
  readonly number?: string;
  readonly buyers?: readonly string[];
  readonly balance?: number;
  readonly overdraft?: number;
  readonly status?: NewAccount["status"];
  readonly pin?: string;
};

/** The buyer of every test that does not care. */
export const BUYER = "27731304702";
export const ACCOUNT = "1001";

export function addAccount(store: Store, wanted: Wanted = {}): void {
  const { number = ACCOUNT, buyers = [BUYER], balance = 500_000, overdraft = 0 } = wanted;
  const account = {
    number,
    name: `Holder of ${number}`,
    balance: minor(balance),
    overdraft: minor(overdraft),
    status: wanted.status ?? "active",
    buyers,
  };
  const refusals = done(store.addAccounts(BY, "test", [account], false));
  if (refusals[0] !== undefined) throw new Error(refusals[0].message);
  if (wanted.pin !== undefined) done(store.setPin(BY, number, wanted.pin));
}

export type BankFolder = { readonly dataDir: string; remove(): void };

/** A new South African bank's data dir; `config` is added to its config.toml. */
export function bankFolder({ secret = null, config = "" }: BankFolderOptions = {}): BankFolder {
  const folder = mkdtempSync(join(tmpdir(), "transact-bank-http-"));
  const dataDir = join(folder, "bank");
  const identity = {
    code: "ACME",
    currency: "ZAR",
    minorDigits: 2,
    timeZone: "Africa/Johannesburg",
    country: "ZA",
    demo: false,
  };
  const shared = postgresEngine();
  if (shared === null) initBank(dataDir, identity, secret);
  else shared.initBank(dataDir, identity, secret);
  if (config !== "") {
    const file = join(dataDir, "config.toml");
    writeFileSync(file, `${config}\n${readFileSync(file, "utf8")}`);
  }
  return {
    dataDir,
    remove() {
      shared?.dropDatabase(dataDir);
      rmSync(folder, { recursive: true });
    },
  };
}

export type BankFolderOptions = { readonly secret?: string | null; readonly config?: string };

/** Every file of a data dir, and of its database's server, but those in keys/, in one text. */
export function bytesOutsideKeys(dataDir: string): string {
  const folders = [
    dataDir,
    ...(postgresEngine() === null ? [] : [postgresEngine()?.files() ?? ""]),
  ];
  return folders
    .flatMap((folder) => readdirSync(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && !entry.parentPath.endsWith("keys"))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"))
    .join("\n");
}

const NOBODY_ASKED: Authentication = { signatureSecrets: null, basic: null, allowAddresses: [] };

export type TestBankOptions = {
  readonly accounts?: readonly Wanted[];
  readonly authentication?: Partial<Authentication>;
  readonly clock?: Clock;
  readonly budgetMs?: number;
  readonly paths?: { readonly reserveFunds: string; readonly transactResult: string };
  readonly log?: Log;
  readonly openApi?: string;
};

export type TestBank = {
  readonly dataDir: string;
  readonly store: Store;
  readonly engine: Engine;
  readonly app: App;
  /** Posts a body: text and bytes as they are, anything else as JSON. */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer>;
  request(path: string, init: RequestInit): Promise<Answer>;
  held(number?: string): Minor;
  close(): Promise<void>;
};

export type Answer = { readonly status: number; readonly body: string; readonly headers: Headers };

export async function answerOf(response: Response): Promise<Answer> {
  return { status: response.status, body: await response.text(), headers: response.headers };
}

/** What goes over the wire for a body of a test. */
export function wireBody(body: unknown): string | Uint8Array<ArrayBuffer> {
  if (typeof body === "string") return body;
  if (body instanceof Uint8Array) return new Uint8Array(body);
  return JSON.stringify(body);
}

/** A bank with one rich account (or those given) and its app. */
export function testBank(options: TestBankOptions = {}): TestBank {
  const { clock = systemClock, accounts = [{}], budgetMs = 1_800 } = options;
  const folder = bankFolder();
  const { dataDir } = folder;
  const opened = openBank(dataDir, { serving: true });
  const { store } = opened;
  for (const account of accounts) addAccount(store, account);
  // As the server's writer: where another process writes, a batch is tried again.
  if ("neverWait" in store) (store as SqliteStore).neverWait();
  const engine = createEngine(store, {
    clock,
    reserveBudgetMs: budgetMs,
    onFatal: (error) => {
      throw error;
    },
  });
  const app = createApp({
    engine,
    clock,
    currency: "ZAR",
    receiptKey: readReceiptKey(dataDir),
    authentication: { ...NOBODY_ASKED, ...options.authentication },
    paths: options.paths ?? { reserveFunds: "/reserveFunds", transactResult: "/transactResult" },
    https: false,
    ...(options.log === undefined ? {} : { log: options.log }),
    openApi: options.openApi ?? null,
  });
  const request = async (path: string, init: RequestInit) =>
    answerOf(await app.handle(new Request(`http://localhost${path}`, init)));
  return {
    dataDir,
    store,
    engine,
    app,
    request,
    post: (path, body, headers = {}) =>
      request(path, { method: "POST", body: wireBody(body), headers }),
    held: (number = ACCOUNT) => store.account(number)!.held,
    async close() {
      await engine.drained();
      opened.close();
      folder.remove();
    },
  };
}

let requests = 0;

/** A requestId that no test used before. */
export const newRequestId = (): string => `request-${++requests}`;

/** A reserve that succeeds, with what the test wants different; `undefined` leaves a field out. */
export function reserveBody(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    raasTxnRef: newRequestId(),
    sourceIdentifier: BUYER,
    reserveAmount: 10_000,
    purchaseAmount: 10_000,
    settlementAmount: 9_000,
    clientTxnRef: "airtime",
    productId: 110,
    channelId: 7,
    ...fields,
  };
}

/** Reserves and gives the fields of the answer. */
export async function reserve(
  bank: Pick<TestBank, "post">,
  fields: Record<string, unknown> = {},
): Promise<ReserveAnswer> {
  const answer = await bank.post("/reserveFunds", reserveBody(fields));
  if (answer.status !== 200) throw new Error(`reserve answered ${answer.status} ${answer.body}`);
  return JSON.parse(answer.body) as ReserveAnswer;
}

export type ReserveAnswer = {
  readonly responseCode: string;
  readonly responseMessage: string;
  readonly raasTxnRef: string;
  readonly reserveFundsTxnRef: string;
};
