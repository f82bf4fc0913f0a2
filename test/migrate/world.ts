// A bank in which something of every kind happened, and databases for it to go to.
import { Database } from "bun:sqlite";
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { CONTROLLED_KINDS } from "../../src/domain/dual-control.ts";
import { minor } from "../../src/domain/money.ts";
import type { SharedPlace } from "../../src/init.ts";
import { readPinKey } from "../../src/keys.ts";
import type { MoveHow } from "../../src/migrate/migrate.ts";
import { pruneReceipts } from "../../src/prune.ts";
import { readAddress } from "../../src/storage/postgres/address.ts";
import { DATABASE_FILE } from "../../src/storage/sqlite/open.ts";
import { openSqliteStore, type SqliteStore } from "../../src/storage/sqlite/store.ts";
import type { By, NewAccount, Operation, Store } from "../../src/storage/store.ts";
import type { Server } from "../postgres/server.ts";
import {
  ACCOUNTS,
  BY,
  buyerOf,
  done,
  MONDAY_MORNING,
  newAccount,
  receiptDraft,
  reserveOperation,
  type TemporaryBank,
  temporaryBank,
} from "../storage/bank.ts";

const NAME_WITH_NUL = "Customer\0of old";

/** A line of a dump as it is once it was in PostgreSQL. */
export const moved = (line: string): string =>
  line.replace(JSON.stringify(NAME_WITH_NUL), JSON.stringify("Customer\ufffdof old"));

export const HOW: MoveHow = { by: BY, tell: () => {}, anew: false, dryRun: false };

const DAY_MS = 86_400_000;
const ASKER: By = { ...BY, loginUid: 1000, reason: "slip 4711" };
const APPROVER: By = { ...BY, loginUid: 1001, loginName: "sipho", reason: "slip seen" };

/** One of them has nothing, one a name that PostgreSQL cannot hold, one no ASCII name. */
const CUSTOMERS: readonly NewAccount[] = [
  ...ACCOUNTS,
  newAccount("2001", { buyers: ["27731304711"], name: "Éloïse 🌍 Müller" }),
  newAccount("2002", { buyers: ["CIF-0731"], name: NAME_WITH_NUL }),
];

function buy(bank: TemporaryBank): void {
  const ten = { buyerId: buyerOf("1002") };
  for (let n = 0; n < 40; n += 1) {
    bank.clock.set(MONDAY_MORNING + n * 60_000);
    bank.reserve(`raas-${n}`, n % 2 === 0 ? {} : { ...ten, channelId: n, productId: 110 + n });
    if (n % 4 < 3) bank.result(`raas-${n}`, n % 4 === 2 ? "2201" : "0000");
    if (n % 6 === 0) bank.result(`unknown-${n}`, "0000");
    if (n % 8 === 2) bank.result(`raas-${n}`, "0000");
  }
  for (const buyerId of ["nobody", ...["1003", "1004", "2001", "27739999999"].map(of)]) {
    bank.reserve(`declined-${buyerId}`, { buyerId });
  }
  bank.reserve("too-much", { reserveAmount: minor(3_000_000) });
  bank.reserve("pin-wrong", { buyerId: buyerOf("1005") }, "9999");
  bank.reserve("pin-right", { buyerId: buyerOf("1005") }, "1234");
  bank.result("overtaken", "2226");
  bank.reserve("overtaken");
}

const of = (number: string): string =>
  CUSTOMERS.find((known) => known.number === number)?.buyers[0] ?? number;

function oddRequests(bank: TemporaryBank): void {
  const receivedAt = bank.clock.now();
  const refusal = { receivedAt, peer: "10.0.0.9", method: "GET", path: "/", status: 404 };
  const odd: Operation[] = [
    {
      kind: "malformed",
      receipt: receiptDraft({ body: '{"x":"\\u0000 \\ud800"}' }),
      message: "no",
    },
    { kind: "malformed", receipt: receiptDraft({ body: null, bodyDigest: "ab" }), message: "no" },
    { kind: "refusal", ...refusal, reason: "unknown path", trace: 7, suppressed: 0 },
    { kind: "refusal", ...refusal, reason: "unknown path", trace: null, suppressed: 3 },
    { ...reserveOperation("told"), told: "timeOut" },
  ];
  bank.apply(...odd);
  const [late] = bank.apply(reserveOperation("late"));
  if (late?.kind !== "reserve") throw new Error("no reserve");
  bank.apply({ kind: "expire", requestId: "late", receiptIds: [late.receiptId] });
}

function administer({ store }: TemporaryBank): void {
  done(store.settle(BY, "raas-2", "debit", false));
  done(store.settle(BY, "raas-1", "release", true));
  done(store.settle(BY, "raas-3", "release", false));
  done(store.credit(BY, "@suspense", minor(77)));
  done(store.debit(BY, "@clickatell", minor(33)));
  done(store.paySettlement(BY, minor(500)));
  done(store.closeFinding(BY, 4));
  done(store.mapBuyer(BY, "27731304712", "2001"));
  done(store.unmapBuyer(BY, buyerOf("1003")));
  done(store.blockBuyer(BY, "27739999999"));
  done(store.setLimits(BY, { scope: "channel", scopeKey: "7" }, { dayAmount: minor(9_000_000) }));
  done(store.setLimits(BY, { scope: "product", scopeKey: "110" }, { monthCount: 900 }));
  done(store.setLimits(BY, { scope: "account", scopeKey: "1001" }, { max: minor(200_000) }));
  done(store.addHolidays(BY, [{ day: "2026-12-25", name: "Christmas" }]));
  done(store.markSent(BY, { reservations: [1], findings: [1] }));
  done(store.backupFailed("the disk is full"));
  const head = store.journalHead();
  const restore = { from: 1, to: 2, record: head.id, hash: "ab", file: "a.backup" };
  done(store.recordRestore(BY, restore));
  done(store.acknowledgeRestore(BY));
}

/** Approvals in every state. */
function approve(bank: TemporaryBank): void {
  const store = openWith(bank, CONTROLLED_KINDS);
  try {
    const expiresAt = bank.clock.now() + DAY_MS;
    const args = { number: "1001", amount: 500 };
    const ask = () =>
      done(store.askApproval(ASKER, { act: "accounts credit", args, expiresAt } as never));
    const sealed = { salt: "00" };
    done(store.approve(APPROVER, ask().id, sealed));
    done(store.rejectApproval(APPROVER, ask().id));
    ask();
  } finally {
    store.close();
  }
}

function openWith(
  { dataDir, clock }: TemporaryBank,
  dualControl: typeof CONTROLLED_KINDS,
): SqliteStore {
  return openSqliteStore(dataDir, {
    serving: false,
    dualControl: () => dualControl,
    now: clock.now,
    newUuid: Bun.randomUUIDv7,
    policy: { pinPolicy: "if-set", pinMaxTries: 3 },
    pinKey: readPinKey(dataDir),
  });
}

export type World = {
  readonly dataDir: string;
  /** What the bank answers to who asks again, by request. */
  readonly repeats: ReadonlyMap<string, string>;
  remove(): void;
};

/** What a store answers to the same request again: it decides nothing, and says what it said. */
export function repeatsOf(store: Store): Map<string, string> {
  const asked = [...Array(40).keys()].map((n) => `raas-${n}`);
  const given = asked.map((requestId) => {
    const n = Number(requestId.slice("raas-".length));
    const odd = { buyerId: buyerOf("1002"), channelId: n, productId: 110 + n };
    const operation = reserveOperation(requestId, n % 2 === 0 ? {} : odd);
    const now = MONDAY_MORNING + 2 * DAY_MS;
    const [outcome] = store.applyNow([operation], { now, monotonicMs: 0, openSince: now });
    if (outcome?.kind !== "reserve") throw new Error(Bun.inspect(outcome));
    const { fresh, reference } = outcome;
    return [requestId, `${outcome.outcome} ${reference} ${fresh ? "fresh" : "again"}`] as const;
  });
  return new Map(given);
}

/** The bank, closed; a server of it was killed while something was open. */
export async function eventfulBank(): Promise<World> {
  const bank = temporaryBank({ accounts: CUSTOMERS });
  buy(bank);
  oddRequests(bank);
  administer(bank);
  approve(bank);
  bank.clock.set(MONDAY_MORNING + 3 * DAY_MS);
  const before = MONDAY_MORNING + 5 * 60_000;
  const file = join(dirname(bank.dataDir), "receipts.gz");
  done(await pruneReceipts(bank.store, BY, { dataDir: bank.dataDir, before, file }));
  const repeats = repeatsOf(bank.store);
  bank.store.beginServing(bank.clock.now());
  bank.reserve("open-at-the-end");
  // The folder stays, for that is what is moved.
  bank.store.close();
  return {
    dataDir: bank.dataDir,
    repeats,
    remove: () => rmSync(dirname(bank.dataDir), { recursive: true }),
  };
}

/** All rows of all tables of a database file, each as a line; of the journal those up to a record. */
export function dumpOf(dataDir: string, upTo: number): string[] {
  const db = new Database(join(dataDir, DATABASE_FILE), { readonly: true, strict: true });
  try {
    const tables = db
      .query("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
      .values()
      .flat() as string[];
    return tables.flatMap((table) => {
      const where = table === "journal" ? `WHERE id <= ${upTo}` : "";
      const rows = db.query(`SELECT * FROM ${table} ${where} ORDER BY 1, 2`).values();
      const cell = (value: unknown) => (value instanceof Uint8Array ? value.toHex() : value);
      return rows.map((row) => `${table} ${JSON.stringify(row.map(cell))}`);
    });
  } finally {
    db.close();
  }
}

export function headOf(dataDir: string): number {
  const db = new Database(join(dataDir, DATABASE_FILE), { readonly: true, strict: true });
  try {
    return (db.query("SELECT max(id) AS id FROM journal").get() as { id: number }).id;
  } finally {
    db.close();
  }
}

export type Addresses = {
  readonly database: string;
  readonly owner: string;
  readonly name: string;
};

export const ownerOf = ({ owner }: Addresses) => ({ address: readAddress(owner), password: null });
export const placeOf = (addresses: Addresses): SharedPlace => ({
  database: addresses.database,
  password: "unasked",
  owner: ownerOf(addresses),
});

/** A database that is its owner's, in which another role serves: empty, or a copy of another one. */
export async function newDatabase(
  server: Server,
  name: string,
  from = "template0",
): Promise<Addresses> {
  const exists = await server.sql("SELECT count(*) FROM pg_roles WHERE rolname = 'bank_owner'");
  if (exists === "0") await server.sql("CREATE ROLE bank_owner LOGIN; CREATE ROLE bank_app LOGIN");
  await server.sql(
    `CREATE DATABASE ${name} OWNER bank_owner TEMPLATE ${from} ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'`,
  );
  const at = (role: string) => `postgres://${role}@127.0.0.1:${server.port}/${name}`;
  return { database: at("bank_app"), owner: at("bank_owner"), name };
}
