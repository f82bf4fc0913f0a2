// What Clickatell sends, as its meaning and as the bytes of one of many spellings of it. Every
// message carries its own number in a field that no bank knows, by which its receipt is found.
import type { Chooser } from "../chooser.ts";
import type { NaiveReserve, NaiveResult } from "../storage/naive-bank.ts";

export type Meaning =
  | { readonly kind: "reserve"; readonly reserve: NaiveReserve }
  | { readonly kind: "result"; readonly result: NaiveResult }
  /** Answered 400. */
  | { readonly kind: "malformed"; readonly path: string; readonly body: string };

export type Answer = { readonly status: number; readonly body: string };

export type Message = {
  readonly number: number;
  readonly meaning: Meaning;
  /** Of the trace: the request that it is about. */
  readonly about: string;
  readonly path: string;
  readonly body: string;
  /** Where it reached a server: which one, and when on both clocks. */
  life: number;
  deliveredMs: number;
  receivedAt: number;
  /** What the model says of it since its commit, which is this one. */
  expected: string | null;
  commit: number;
  answer: Answer | null;
  /** Its caller was answered because its time was over, before its own commit was on the disk. */
  toldLate: boolean;
};

/** A spelling that must mean the same buyer. */
function spelled(choose: Chooser, buyer: string): string {
  if (!buyer.startsWith("27")) return buyer;
  const local = buyer.slice(2);
  return choose.one([
    buyer,
    buyer,
    `+${buyer}`,
    `00${buyer}`,
    `0${local}`,
    `+27 ${local.slice(0, 2)} (${local.slice(2)})`,
  ]);
}

/** A JSON number or digits, with zeros before them. */
function figure(choose: Chooser, value: number): number | string {
  return choose.one([value, value, String(value), `00${value}`]);
}

const absent = (choose: Chooser) => choose.one([undefined, undefined, null, ""]);

function optional(choose: Chooser, value: number | null | undefined) {
  return value === null || value === undefined ? absent(choose) : figure(choose, value);
}

export function reserveFields(choose: Chooser, reserve: NaiveReserve): Record<string, unknown> {
  return {
    raasTxnRef: reserve.requestId,
    sourceIdentifier: spelled(choose, reserve.buyer),
    reserveAmount: figure(choose, reserve.amount),
    purchaseAmount: optional(choose, reserve.purchase),
    settlementAmount: optional(choose, reserve.settlement),
    feeAmount:
      reserve.fee === 0 ? choose.one([0, "0", undefined, null]) : figure(choose, reserve.fee),
    productId: optional(choose, reserve.product),
    channelId: optional(choose, reserve.channel),
    targetIdentifier: reserve.target ?? absent(choose),
    currencyCode: reserve.currency ?? choose.one([undefined, "ZAR", "zar", null, ""]),
    authCode: reserve.authCode ?? absent(choose),
    // Never a key and never compared.
    clientTxnRef: choose.one(["same-for-all", `c-${choose.below(1_000)}`, undefined]),
    timestamp: choose.one([undefined, "2020-02-02T02:02:02+0200", "yesterday", 17]),
  };
}

export function resultFields(choose: Chooser, result: NaiveResult): Record<string, unknown> {
  const malformed = result.malformed ?? [];
  return {
    raasTxnRef: result.requestId ?? absent(choose),
    reserveFundsTxnRef: result.reference ?? absent(choose),
    responseCode: result.code,
    reserveAmount: optional(choose, result.amount),
    ...Object.fromEntries(malformed.map((field) => [field, choose.one([{}, [1], true, "0x10"])])),
    token: choose.one([undefined, undefined, "4711-0815"]),
  };
}

/** Requests that are answered 400, each for another reason. */
export function malformedBody(
  choose: Chooser,
  requestId: string,
  number: number,
): { path: string; body: string } {
  const buyer = { raasTxnRef: requestId, sourceIdentifier: "x" };
  const [path, fields] = choose.one([
    ["/reserveFunds", { raasTxnRef: requestId, reserveAmount: 5 }],
    ["/reserveFunds", { ...buyer, reserveAmount: "-5" }],
    ["/reserveFunds", { ...buyer, reserveAmount: 0 }],
    ["/reserveFunds", { ...buyer, reserveAmount: 5, feeAmount: "0x10" }],
    ["/transactResult", { raasTxnRef: requestId }],
    ["/transactResult", { raasTxnRef: requestId, responseCode: 0 }],
    ["/transactResult", { responseCode: "0000" }],
  ] as const);
  const body = JSON.stringify({ ...fields, simulated: number });
  return { path, body: choose.chance(0.2) ? body.slice(0, -1) : body };
}

const NUMBER = /"simulated":(\d+)/;

/** The number of the message that a receipt's body is of, or null where it is unreadable. */
export function numberOf(body: string | null): number | null {
  const match = NUMBER.exec(body ?? "");
  return match === null ? null : Number(match[1]);
}

/** What the trace and the judge call an answer: "0000 ACME-1", "2010", "202". */
export function shortAnswer({ status, body }: Answer): string {
  if (status !== 200) return String(status);
  const fields = JSON.parse(body) as Record<string, string>;
  const reference = fields["reserveFundsTxnRef"];
  return reference === undefined
    ? `${fields["responseCode"]}`
    : `${fields["responseCode"]} ${reference}`;
}
