// Purchases as Clickatell makes them, at any time, in the bank of a data dir: for commands to show.

import { type Minor, minor } from "../../src/domain/money.ts";
import type { ReserveRequest } from "../../src/domain/reserve.ts";
import type { ResultRequest } from "../../src/domain/result.ts";
import { readPinKey } from "../../src/keys.ts";
import { openSqliteStore, type SqliteStore } from "../../src/storage/sqlite/store.ts";
import type { Operation, ReceiptDraft } from "../../src/storage/store.ts";
import { bodyOf } from "../storage/bank.ts";

/** One message, `at` an ISO 8601 time; what is not named is a sale of 100.00 with a fee of 5.00. */
export type Message =
  | ({ readonly at: string; readonly reserve: string } & Partial<Omit<ReserveRequest, "requestId">>)
  | {
      readonly at: string;
      readonly result: string;
      readonly code: string;
      readonly reserveAmount?: Minor;
    };

function receiptOf(message: Message, text: string): ReceiptDraft {
  return {
    receivedAt: Date.parse(message.at),
    startedAtMs: 0,
    trace: 1,
    peer: "127.0.0.1",
    path: "reserve" in message ? "/reserveFunds" : "/transactResult",
    body: text,
    bodyLength: text.length,
    bodyDigest: null,
    signature: "not-required",
    notes: [],
  };
}

function operationOf(message: Message): Operation {
  if ("reserve" in message) {
    const { at: _, reserve, ...given } = message;
    const request: ReserveRequest = {
      requestId: reserve,
      clientRef: "client-1",
      channelId: 7,
      buyerId: "27731304702",
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
    const receipt = receiptOf(message, bodyOf(request).replace("}", ',"authCode":"***"}'));
    return { kind: "reserve", request, authCode: null, receipt, told: null };
  }
  const request: ResultRequest = {
    requestId: message.result,
    reference: null,
    resultCode: message.code,
    reserveAmount: message.reserveAmount ?? null,
    feeAmount: null,
    clientShareAmount: null,
    settlementAmount: null,
    malformedFields: [],
  };
  const body = JSON.stringify({ raasTxnRef: message.result, responseCode: message.code });
  const receipt = receiptOf(message, body);
  return { kind: "result", request, receipt, toldLate: false };
}

function openAt(dataDir: string, now: () => number): SqliteStore {
  return openSqliteStore(dataDir, {
    serving: false,
    now,
    newUuid: Bun.randomUUIDv7,
    policy: { pinPolicy: "if-set", pinMaxTries: 3 },
    pinKey: readPinKey(dataDir),
  });
}

/** Puts messages through the bank in order, each at its own time. */
export function receive(dataDir: string, messages: readonly Message[]): void {
  let now = 0;
  const store = openAt(dataDir, () => now);
  try {
    for (const message of messages) {
      now = Date.parse(message.at);
      const [outcome] = store.applyNow([operationOf(message)], {
        now,
        monotonicMs: 1,
        openSince: now,
      });
      if (outcome?.kind === "failed") throw outcome.error;
    }
  } finally {
    store.close();
  }
}
