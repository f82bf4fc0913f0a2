// A real bank in a temporary folder, with a few accounts and a clock that stands until it is set.
// Tests of the store, the engine and the HTTP side share it; nothing in it is a mock.
import { Database } from "bun:sqlite";
import { test } from "bun:test";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CONFIG_FILE, type Config, readConfig } from "../../src/config.ts";
import { formatAmount, minor } from "../../src/domain/money.ts";
import type { Outcome } from "../../src/domain/outcomes.ts";
import type { ReserveRequest } from "../../src/domain/reserve.ts";
import type { ResultRequest } from "../../src/domain/result.ts";
import { initBank } from "../../src/init.ts";
import { readPinKey } from "../../src/keys.ts";
import { openPostgresStore, type PostgresOptions } from "../../src/storage/postgres/store.ts";
import { postgresChecks } from "../../src/storage/postgres/verify.ts";
import type { Sql } from "../../src/storage/sql/sql.ts";
import type { AdminOptions } from "../../src/storage/sql/store.ts";
import type { EngineCheck } from "../../src/storage/sql/verify.ts";
import { DATABASE_FILE } from "../../src/storage/sqlite/open.ts";
import { sqlOn as sqliteSqlOn } from "../../src/storage/sqlite/sql.ts";
import { openSqliteStore, type SqliteStoreOptions } from "../../src/storage/sqlite/store.ts";
import { sqliteChecks } from "../../src/storage/sqlite/verify.ts";
import type {
  BankIdentity,
  By,
  JournalView,
  NewAccount,
  Operation,
  OperationOutcome,
  ReceiptDraft,
  ReserveOperation,
  Result,
  ResultOperation,
  Store,
} from "../../src/storage/store.ts";
import { type PostgresEngine, postgresEngine } from "../postgres/engine.ts";

/** Who the tests are, in the journal. */
export const BY: By = {
  loginUid: 1000,
  loginName: "thandi",
  effectiveUid: 0,
  effectiveName: "root",
  reason: "a test",
};

export const IDENTITY: BankIdentity = {
  code: "ACME",
  currency: "ZAR",
  minorDigits: 2,
  timeZone: "Africa/Johannesburg",
  country: "ZA",
  demo: false,
};

/** Monday 2026-03-02, 10:00 in Johannesburg: where the clock stands first. */
export const MONDAY_MORNING = Date.parse("2026-03-02T10:00:00+02:00");

export const PIN = "1234";

/** A customer's account as it is made, of nothing but what is given. */
export const newAccount = (number: string, given: Partial<NewAccount> = {}): NewAccount => ({
  number,
  name: `Customer ${number}`,
  balance: minor(0),
  overdraft: minor(0),
  status: "active",
  buyers: [],
  ...given,
});

const account = (number: string, given: Partial<NewAccount>): NewAccount =>
  newAccount(number, { balance: minor(500_000), ...given });

/** One account in each state; 5000.00 in every one. Account 1005's PIN is `PIN`. */
export const ACCOUNTS: readonly NewAccount[] = [
  account("1001", { buyers: ["27731304702"] }),
  account("1002", { buyers: ["27731304703"], overdraft: minor(100_000) }),
  account("1003", { buyers: ["27731304704"], status: "inactive" }),
  account("1004", { buyers: ["27731304705"], status: "blacklisted" }),
  account("1005", { buyers: ["27731304706"] }),
];

export const buyerOf = (number: string): string =>
  ACCOUNTS.find((known) => known.number === number)?.buyers[0] ?? "27731304709";

export function receiptDraft(given: Partial<ReceiptDraft> = {}): ReceiptDraft {
  return {
    receivedAt: MONDAY_MORNING,
    startedAtMs: 0,
    trace: 1,
    peer: "127.0.0.1",
    path: "/reserveFunds",
    body: "{}",
    bodyLength: 2,
    bodyDigest: null,
    signature: "not-required",
    notes: [],
    ...given,
  };
}

/** A reserve as it came: the fields that are given, under their names at the wire. */
export function bodyOf(request: ReserveRequest): string {
  const { requestId, clientRef, buyerId, targetId, currency, ...figures } = request;
  return JSON.stringify({
    raasTxnRef: requestId,
    clientTxnRef: clientRef,
    sourceIdentifier: buyerId,
    targetIdentifier: targetId,
    currencyCode: currency,
    ...figures,
  });
}

/** A sale of 100.00 with a fee of 5.00 to the buyer of account 1001, of which 90.00 is owed. */
export function reserveOperation(
  requestId: string,
  given: Partial<ReserveRequest> = {},
  authCode: string | null = null,
): ReserveOperation {
  const request: ReserveRequest = {
    requestId,
    clientRef: "client-1",
    channelId: 7,
    buyerId: buyerOf("1001"),
    reserveAmount: minor(10_500),
    purchaseAmount: minor(10_000),
    feeAmount: minor(500),
    clientShareAmount: minor(1_000),
    settlementAmount: minor(9_000),
    productId: 110,
    targetId: null,
    currency: null,
    ...given,
  };
  const receipt = receiptDraft({ body: bodyOf(request) });
  return { kind: "reserve", request, authCode, receipt, told: null };
}

export function resultOperation(
  requestId: string | null,
  resultCode: string,
  given: Partial<ResultRequest> = {},
): ResultOperation {
  const request: ResultRequest = {
    requestId,
    reference: null,
    resultCode,
    reserveAmount: null,
    feeAmount: null,
    clientShareAmount: null,
    settlementAmount: null,
    malformedFields: [],
    ...given,
  };
  const receipt = receiptDraft({ path: "/transactResult" });
  return { kind: "result", request, receipt, toldLate: false };
}

/** The value of an admin's act that must succeed. */
export function done<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`refused: ${result.refusal.message}`);
  return result.value;
}

export type TestClock = {
  now(): number;
  /** Takes ISO 8601 text with a zone, or epoch milliseconds. */
  set(time: string | number): void;
};

export type TemporaryBank = {
  readonly dataDir: string;
  readonly store: Store;
  readonly config: Config;
  readonly clock: TestClock;
  /** Applies operations in one batch, at the clock's time. */
  apply(...operations: Operation[]): OperationOutcome[];
  /** Applies one reserve; gives its outcome. */
  reserve(requestId: string, given?: Partial<ReserveRequest>, authCode?: string | null): Outcome;
  /** Applies one result. */
  result(
    requestId: string | null,
    resultCode: string,
    given?: Partial<ResultRequest>,
  ): "accepted" | "unmatched";
  /** Runs SQL on a connection of its own, beside the store; gives the rows. */
  sql(text: string, ...values: (string | number | null)[]): Record<string, unknown>[];
  /** Runs statements in one commit, with foreign keys checked or, to damage things, not. */
  sqlTogether(...statements: string[]): void;
  rawSql(text: string): void;
  /** Takes away what would refuse the damage that `rawSql` does from here on. */
  withoutTriggers(): void;
  /** Runs something on a connection of its own; `checks` are the engine's own of verify. */
  besides<T>(run: (db: Sql, checks: readonly EngineCheck[]) => T): T;
  /** Opens another store of the same bank. */
  open(how: Pick<AdminOptions, "dualControl" | "dryRun">): Store;
  /** Closes the store and removes the folder. */
  close(): void;
};

export type TemporaryBankOptions = {
  readonly identity?: Partial<BankIdentity>;
  readonly accounts?: readonly NewAccount[];
  /** A closed bank's data dir to begin with: much faster than a new one. */
  readonly copyOf?: string;
  /** The text of config.toml. */
  readonly config?: string;
  readonly signatureSecret?: string;
  /** Opens the store as the server does, without a flush in each commit. */
  readonly serving?: boolean;
};

/** What a test does beside the store, in the way of the engine under test. */
type Beside = {
  readonly store: Store;
  readonly sql: TemporaryBank["sql"];
  /** Statements in one commit; with nothing checked, to damage things. */
  readonly together: (statements: readonly string[], unchecked: boolean) => void;
  readonly withoutTriggers: () => void;
  readonly besides: TemporaryBank["besides"];
  readonly open: TemporaryBank["open"];
  readonly close: () => void;
};

function sqliteBeside(dataDir: string, options: SqliteStoreOptions): Beside {
  const file = join(dataDir, DATABASE_FILE);
  const store = openSqliteStore(dataDir, options);
  const sql: Beside["sql"] = (text, ...values) => {
    const db = new Database(file, { strict: true });
    try {
      db.run("PRAGMA busy_timeout = 5000");
      db.run("PRAGMA foreign_keys = ON");
      return db.query(text).all(...values) as Record<string, unknown>[];
    } finally {
      db.close();
    }
  };
  return {
    store,
    sql,
    withoutTriggers() {
      for (const { name } of sql("SELECT name FROM sqlite_schema WHERE type = 'trigger'")) {
        sql(`DROP TRIGGER ${name}`);
      }
    },
    besides(run) {
      const db = new Database(file, { strict: true });
      try {
        return run(sqliteSqlOn(db), sqliteChecks(sqliteSqlOn(db)));
      } finally {
        db.close();
      }
    },
    open: (how) => openSqliteStore(dataDir, { ...options, ...how, serving: false }),
    together(statements, unchecked) {
      const db = new Database(file, { strict: true });
      try {
        db.run(`PRAGMA foreign_keys = ${unchecked ? "OFF" : "ON"}`);
        if (unchecked) db.run("PRAGMA ignore_check_constraints = ON");
        db.transaction(() => {
          for (const statement of statements) db.run(statement);
        })();
      } finally {
        db.close();
      }
    },
    close: () => store.close(),
  };
}

/** Neither triggers nor foreign keys, which are triggers too. */
const UNGUARDED = "SET LOCAL session_replication_role = replica";
const UNCHECKED = `DO $$ DECLARE c RECORD; BEGIN
  FOR c IN SELECT conrelid::regclass AS of, conname FROM pg_constraint
    WHERE contype = 'c' AND connamespace = 'transact_bank'::regnamespace
  LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.of, c.conname); END LOOP; END $$`;

function postgresBeside(
  engine: PostgresEngine,
  { dataDir, from }: { dataDir: string; from: string | null },
  options: Omit<PostgresOptions, "database" | "name">,
): Beside {
  const database = engine.newDatabase(dataDir, from);
  const store = openPostgresStore({ ...options, ...database });
  return {
    store,
    sql: (text, ...values) =>
      engine
        .sqlOf(dataDir)
        .query(text)
        .all(...values) as never,
    together(statements, unchecked) {
      const db = engine.sqlOf(dataDir);
      db.transaction(() => {
        if (unchecked) for (const text of [UNGUARDED, UNCHECKED]) db.query(text).run();
        for (const text of statements.flatMap((each) => each.split(";"))) db.query(text).run();
      }).immediate();
    },
    // As it does its damage none is in force.
    withoutTriggers: () => {},
    besides(run) {
      const db = engine.sqlOf(dataDir);
      return run(db, postgresChecks(db));
    },
    open: (how) => openPostgresStore({ ...options, ...database, ...how }),
    close() {
      store.close();
      engine.dropDatabase(dataDir);
    },
  };
}

/**
 * Makes a bank in a new folder and opens its store, as src/bank.ts does but with our clock: on SQLite,
 * or on PostgreSQL where test/postgres/engine.ts was loaded before.
 */
export function temporaryBank(options: TemporaryBankOptions = {}): TemporaryBank {
  const folder = mkdtempSync(join(tmpdir(), "transact-bank-"));
  const dataDir = join(folder, "bank");
  const identity = { ...IDENTITY, ...options.identity };
  const shared = postgresEngine();
  const from = options.copyOf ?? null;
  if (from !== null) cpSync(from, dataDir, { recursive: true });
  else if (shared === null) initBank(dataDir, identity, options.signatureSecret ?? null);
  else shared.initBank(dataDir, identity, options.signatureSecret ?? null);
  if (options.config !== undefined) writeFileSync(join(dataDir, CONFIG_FILE), options.config);
  const config = readConfig(dataDir);
  let now = MONDAY_MORNING;
  const opened = {
    now: () => now,
    newUuid: Bun.randomUUIDv7,
    policy: { pinPolicy: config.pin_policy, pinMaxTries: config.pin_max_tries },
    pinKey: readPinKey(dataDir),
    serving: options.serving === true,
  };
  const beside =
    shared === null
      ? sqliteBeside(dataDir, opened)
      : postgresBeside(shared, { dataDir, from }, opened);
  const { store } = beside;
  const accounts = options.accounts ?? ACCOUNTS;
  done(store.addAccounts(BY, "accounts add", accounts, false));
  if (accounts.some(({ number }) => number === "1005")) done(store.setPin(BY, "1005", PIN));

  const apply = (...operations: Operation[]) =>
    store.applyNow(operations, { now, monotonicMs: 0, openSince: now });
  function applyOne<K extends OperationOutcome["kind"]>(
    operation: ReserveOperation | ResultOperation,
    kind: K,
  ) {
    // Received at the clock's time.
    const [outcome] = apply({
      ...operation,
      receipt: { ...operation.receipt, receivedAt: now },
    });
    if (outcome?.kind !== kind) throw new Error(`${operation.kind} gave ${Bun.inspect(outcome)}`);
    return outcome as Extract<OperationOutcome, { kind: K }>;
  }
  return {
    dataDir,
    store,
    config,
    clock: {
      now: () => now,
      set: (time) => {
        now = typeof time === "number" ? time : Date.parse(time);
      },
    },
    apply,
    reserve: (requestId, given, authCode) =>
      applyOne(reserveOperation(requestId, given, authCode), "reserve").outcome,
    result: (requestId, resultCode, given) =>
      applyOne(resultOperation(requestId, resultCode, given), "result").answer,
    sql: beside.sql,
    sqlTogether: (...statements) => beside.together(statements, false),
    rawSql: (text) => beside.together([text], true),
    withoutTriggers: beside.withoutTriggers,
    besides: beside.besides,
    open: beside.open,
    close() {
      beside.close();
      rmSync(folder, { recursive: true });
    },
  };
}

type BankTest = (bank: TemporaryBank) => void | Promise<void>;

const onOwnBank = (run: BankTest, options: TemporaryBankOptions) => async () => {
  const bank = temporaryBank(options);
  try {
    await run(bank);
  } finally {
    bank.close();
  }
};

/** One test on a bank of its own, which is removed afterwards. */
export function bankTest(name: string, run: BankTest, options: TemporaryBankOptions = {}): void {
  test(name, onOwnBank(run, options));
}

/** The same, of what only SQLite does. */
export function sqliteTest(name: string, run: BankTest, options: TemporaryBankOptions = {}): void {
  test.skipIf(postgresEngine() !== null)(name, onOwnBank(run, options));
}

/** The whole journal. */
export function journalOf({ store }: TemporaryBank): JournalView[] {
  const all = { from: 0, to: Number.MAX_SAFE_INTEGER, after: 0, limit: 1_000_000 };
  return store.journal(all);
}

/** What verify complains of; nothing in a bank that is well. */
export function problemsOf({ store }: TemporaryBank): string[] {
  return store.verify().flatMap(({ problems }) => problems);
}

/** An account's balances as one line: "ledger 4895.00, held 0.00". */
export function balancesOf({ store }: TemporaryBank, number: string): string {
  const view = store.account(number);
  if (view === null) return "no account";
  const { ledgerBalance, held } = view;
  return `ledger ${formatAmount(ledgerBalance, 2)}, held ${formatAmount(held, 2)}`;
}

/** The open findings, most urgent first: "contradiction raas-1". */
export function findingsOf({ store }: TemporaryBank): string[] {
  return store
    .findings({ openAt: null, limit: 100 })
    .filter(({ closedAt }) => closedAt === null)
    .map(({ kind, requestId, reference }) => `${kind} ${requestId ?? reference}`);
}
