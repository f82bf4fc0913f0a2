// Rows of the port as a report gets them; what a test does not care about is filled in.
import type { Calendar } from "../../src/domain/business-days.ts";
import { minor, ZERO } from "../../src/domain/money.ts";
import { type Csv, csvParts } from "../../src/reports/csv.ts";
import type { Bank, FindingView, ReceiptView, ReservationView } from "../../src/storage/store.ts";

export const BANK: Bank = {
  code: "ACME",
  currency: "ZAR",
  minorDigits: 2,
  timeZone: "Africa/Johannesburg",
  country: "ZA",
  demo: false,
  createdAt: 0,
  salesPaused: null,
};

/** The whole text of what is written in parts. */
export const whole = (parts: Iterable<string>): string => [...parts].join("");

export const csvText = (csv: Csv): string => whole(csvParts(csv));

export function calendar(holidays: readonly string[] = [], weekend: readonly number[] = [6, 7]) {
  return {
    timeZone: BANK.timeZone,
    weekend: new Set(weekend),
    holidays: new Set(holidays),
  } satisfies Calendar;
}

export function reservation(given: Partial<ReservationView> = {}): ReservationView {
  return {
    id: 1,
    reference: "ACME-1",
    requestId: "raas-1",
    clientRef: "client-1",
    buyerId: "27731304702",
    targetId: null,
    account: "62-0001",
    state: "reserved",
    reserveAmount: minor(10_500),
    purchaseAmount: minor(10_000),
    feeAmount: minor(500),
    clientShareAmount: minor(1_000),
    settlementAmount: minor(9_000),
    productId: 110,
    channelId: 7,
    reservedAt: Date.parse("2026-03-02T08:00:00Z"),
    resolvedAt: null,
    resultCode: null,
    resolvedBy: null,
    firstSentAt: null,
    corrected: false,
    sumsDifference: ZERO,
    ...given,
  };
}

export function finding(given: Partial<FindingView> = {}): FindingView {
  return {
    id: 7,
    kind: "contradiction",
    requestId: "raas-1",
    reference: "ACME-1",
    detail: "result 0000 after the reservation was released",
    openedAt: Date.parse("2026-03-02T09:00:00Z"),
    lastSeenAt: Date.parse("2026-03-02T10:00:00Z"),
    occurrences: 2,
    firstSentAt: null,
    closedAt: null,
    closeReason: null,
    ...given,
  };
}

export function receipt(given: Partial<ReceiptView> = {}): ReceiptView {
  return {
    id: "1",
    traceId: null,
    receivedAt: Date.parse("2026-03-02T08:00:00Z"),
    durationUs: 1_000,
    peer: "127.0.0.1",
    method: "POST",
    path: "/reserveFunds",
    body: "{}",
    bodyLength: 2,
    bodyDigest: null,
    signature: "not-required",
    status: 200,
    responseCode: "0000",
    message: "Success",
    reference: "ACME-1",
    requestId: "raas-1",
    notes: [],
    suppressed: 0,
    ...given,
  };
}
