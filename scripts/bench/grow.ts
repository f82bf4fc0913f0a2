// Fills a seeded bank with ended purchases: what it is like after years of selling.
//
//   bun scripts/bench/grow.ts DATA_DIR FROM TO ACCOUNTS
//
// Purchase n of a bank is always the same one, so that a bank can be grown in steps.
import { createHash } from "node:crypto";
import { openBank } from "../../src/bank.ts";
import { maskedBody } from "../../src/http/receipts.ts";
import { decodeReserve, decodeResult } from "../../src/http/schema.ts";
import type { SqliteStore } from "../../src/storage/sqlite/store.ts";
import type { Operation, ReceiptDraft, Store } from "../../src/storage/store.ts";
import { FIRST_BUYER, HAS_NOTHING, HAS_PIN } from "./client.ts";

export type GrownPurchase = {
  readonly requestId: string;
  /** The account's place in the seeded bank; its buyer and number follow from it. */
  readonly account: number;
  readonly reservedAt: number;
  readonly isDebited: boolean;
};

/** Writes these purchases, each of them ended, into the bank of a data dir. */
export type Fill = (dataDir: string, batches: Iterable<readonly GrownPurchase[]>) => Promise<void>;

const AMOUNT = 10_000;
const DEBITED_SHARE = 0.9;
/** The oldest is so long ago and the others follow it evenly: a year of ten million. */
const OLDEST_DAYS = 365;
const MOST_PURCHASES = 10_000_000;
const DAY_MS = 86_400_000;
/** So many purchases are written together, in the order of their ids: they touch each page once. */
const BATCH = 20_000;
/** How long after the reserve its result came. */
const RESULT_AFTER_MS = 2_000;
const TELL_MS = 20_000;

/** A number from 0 to 1 that follows from n and the salt alone. */
function shareOf(n: number, salt: number): number {
  let t = (Math.imul(n + 1, 0x9e3779b1) ^ Math.imul(salt, 0x85ebca6b)) >>> 0;
  t = Math.imul(t ^ (t >>> 16), 0x21f0aaad);
  t = Math.imul(t ^ (t >>> 15), 0x735a2d97);
  return ((t ^ (t >>> 15)) >>> 0) / 4_294_967_296;
}

/** A random UUID's text, spread over the whole index as the real ones are, and never twice. */
function requestIdOf(n: number): string {
  const hex = createHash("md5").update(`grown ${n}`).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
}

/** An account that can buy without a PIN. */
function accountOf(n: number, accounts: number): number {
  for (let salt = 1; ; salt += 1) {
    const account = Math.floor(shareOf(n, salt) * accounts);
    if (!HAS_PIN(account) && !HAS_NOTHING(account)) return account;
  }
}

/** Purchases from one number up to another, in batches. */
function* purchases(from: number, to: number, how: { accounts: number; oldestAt: number }) {
  const apart = ((OLDEST_DAYS - 1) * DAY_MS) / MOST_PURCHASES;
  for (let first = from; first < to; first += BATCH) {
    const count = Math.min(BATCH, to - first);
    const batch = Array.from({ length: count }, (_, index): GrownPurchase => {
      const n = first + index;
      return {
        requestId: requestIdOf(n),
        account: accountOf(n, how.accounts),
        // None is in the future, however many there are.
        reservedAt: Math.round(how.oldestAt + Math.min(n, MOST_PURCHASES) * apart),
        isDebited: shareOf(n, 0) < DEBITED_SHARE,
      };
    });
    yield batch.sort((a, b) => (a.requestId < b.requestId ? -1 : 1));
  }
}

// ---------------------------------------------------------------- through the store

function receiptOf(
  path: string,
  body: Readonly<Record<string, unknown>>,
  receivedAt: number,
): ReceiptDraft {
  const text = maskedBody(body);
  return {
    receivedAt,
    startedAtMs: 0,
    trace: 1,
    peer: "127.0.0.1",
    path,
    body: text,
    bodyLength: text.length,
    bodyDigest: null,
    signature: "not-required",
    notes: [],
  };
}

function reserveOf({ requestId, account, reservedAt }: GrownPurchase, currency: string): Operation {
  const buyer = String(FIRST_BUYER + account);
  const body = {
    ...{ clientTxnRef: "bench", raasTxnRef: requestId, productId: 110, productType: 3 },
    ...{ purchaseAmount: AMOUNT, feeAmount: 0, reserveAmount: AMOUNT, clientShareAmount: 1_000 },
    ...{ settlementAmount: 9_000, channelId: 7, channelName: "USSD" },
    ...{ channelSessionId: "144974973281", sourceIdentifier: buyer, targetIdentifier: buyer },
    timestamp: "2026-11-24T10:30:00.000+02:00",
  };
  const decoded = decodeReserve(body, currency);
  if (!decoded.ok) throw new Error(decoded.message);
  const { request, authCode } = decoded.value;
  const receipt = receiptOf("/reserveFunds", body, reservedAt);
  return { kind: "reserve", request, authCode, receipt, told: null };
}

function resultOf({ requestId, isDebited, reservedAt }: GrownPurchase): Operation {
  const body = {
    ...{ clientTxnRef: "bench", raasTxnRef: requestId },
    ...{ responseCode: isDebited ? "0000" : "2226", reserveAmount: AMOUNT, feeAmount: 0 },
    timestamp: "2026-11-24T10:30:02.000+02:00",
  };
  const decoded = decodeResult(body);
  if (!decoded.ok) throw new Error(decoded.message);
  const receipt = receiptOf("/transactResult", body, reservedAt + RESULT_AFTER_MS);
  return { kind: "result", request: decoded.value, receipt, toldLate: false };
}

/** One commit; each must come to what it was meant to. */
async function apply(store: Store, operations: readonly Operation[], now: number): Promise<void> {
  // The store may apply a batch on another thread and give a promise.
  const outcomes = await store.applyBatch(operations, { now, monotonicMs: 0, openSince: now });
  const other = outcomes.find((outcome) =>
    outcome.kind === "reserve" ? outcome.outcome !== "success" : outcome.kind !== "result",
  );
  if (other !== undefined) throw new Error(`a purchase came to ${JSON.stringify(other)}`);
}

/** Writes them as the server would. Slow, and right whatever the tables look like. */
export const fillThroughStore: Fill = async (dataDir, batches) => {
  const { store, close } = openBank(dataDir, { serving: true });
  const { currency } = store.bank();
  for (const batch of batches) {
    const now = Math.max(...batch.map(({ reservedAt }) => reservedAt));
    await apply(
      store,
      batch.map((purchase) => reserveOf(purchase, currency)),
      now,
    );
    await apply(store, batch.map(resultOf), now + RESULT_AFTER_MS);
    // No other thread copies the WAL here.
    (store as SqliteStore).finishWal();
  }
  await store.flush();
  close();
};

/** Says on standard error how far it is; a large bank takes a while. */
function* told<Batch extends readonly unknown[]>(batches: Iterable<Batch>, from: number) {
  let done = from;
  let toldAtMs = performance.now();
  for (const batch of batches) {
    yield batch;
    done += batch.length;
    if (performance.now() - toldAtMs < TELL_MS) continue;
    toldAtMs = performance.now();
    console.error(`  ${done} purchases`);
  }
}

/** Adds the purchases from one number up to another. */
export async function growBank(
  dataDir: string,
  wanted: { readonly from: number; readonly to: number; readonly accounts: number },
  fill: Fill = fillThroughStore,
): Promise<void> {
  const { from, to, accounts } = wanted;
  const oldestAt = Date.now() - OLDEST_DAYS * DAY_MS;
  await fill(dataDir, told(purchases(from, to, { accounts, oldestAt }), from));
}

if (import.meta.main) {
  const [dataDir = "", ...numbers] = process.argv.slice(2);
  const [from = 0, to = 0, accounts = 0] = numbers.map(Number);
  await growBank(dataDir, { from, to, accounts });
}
