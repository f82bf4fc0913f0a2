// The wire: names, forms and rules exactly as contract.md 1 and 3 give them, and nowhere else.
import { FormatRegistry, type TSchema, Type } from "@sinclair/typebox";
import { type TypeCheck, TypeCompiler } from "@sinclair/typebox/compiler";
import { isIdentifier } from "../domain/identifiers.ts";
import { type Minor, minor, ZERO } from "../domain/money.ts";
import { type ReserveRequest, sumsDifference } from "../domain/reserve.ts";
import type { ResultRequest } from "../domain/result.ts";

/** A body as JSON.parse gives it. */
export type Body = { readonly [field: string]: unknown };

export type Decoded<T> =
  | { readonly ok: true; readonly value: T }
  /** The message names the field and the rule, never the value. */
  | { readonly ok: false; readonly message: string };

FormatRegistry.Set("identifier", isIdentifier);
FormatRegistry.Set("text64", (text) => text.length <= 64 || [...text].length <= 64);
FormatRegistry.Set("text32", (text) => text.length <= 32 || [...text].length <= 32);

const LARGEST = 999_999_999_999;
const DIGITS = Type.String({ pattern: "^[0-9]{1,12}$" });
const NON_ZERO_DIGITS = Type.String({ pattern: "^0*[1-9][0-9]*$", maxLength: 12 });

/** Numbers come as JSON integers from some platforms and as digit strings from others. */
const whole = Type.Union([Type.Integer({ minimum: 0, maximum: LARGEST }), DIGITS], {
  rule: "a whole number of at most 12 digits, or a string of 1 to 12 digits",
});
const positive = Type.Union([Type.Integer({ minimum: 1, maximum: LARGEST }), NON_ZERO_DIGITS], {
  rule: "more than 0: a whole number of at most 12 digits, or a string of 1 to 12 digits",
});
const identifier = Type.String({
  format: "identifier",
  rule: "a string of 1 to 64 characters without control characters",
});
const text64 = Type.String({ format: "text64", rule: "a string of at most 64 characters" });
const text32 = Type.Union(
  [Type.Integer({ minimum: 0, maximum: LARGEST }), Type.String({ format: "text32" })],
  { rule: "at most 32 characters" },
);
const resultCode = Type.String({ pattern: "^[0-9]{4}$", rule: "a string of four digits" });

export const RESERVE_REQUIRED = {
  raasTxnRef: identifier,
  sourceIdentifier: identifier,
  reserveAmount: positive,
} as const;

export const RESERVE_OPTIONAL = {
  purchaseAmount: whole,
  clientTxnRef: identifier,
  productId: whole,
  feeAmount: whole,
  clientShareAmount: whole,
  settlementAmount: whole,
  productType: text32,
  channelId: whole,
  channelName: text64,
  channelSessionId: identifier,
  targetIdentifier: identifier,
  authCode: text64,
  accountIdentifier: identifier,
} as const;

/** Always sent today; their absence loses no sale, and stands in the receipt. */
const RESERVE_EXPECTED = ["purchaseAmount", "clientTxnRef", "productId"] as const;

const RESULT_OPTIONAL = {
  clientTxnRef: identifier,
  reserveAmount: whole,
  feeAmount: whole,
  clientShareAmount: whole,
  settlementAmount: whole,
  vendAmount: whole,
  vendorShareAmount: whole,
  token: Type.String({ rule: "a string" }),
} as const;

export const RESULT_RULES = {
  references: { raasTxnRef: identifier, reserveFundsTxnRef: identifier },
  responseCode: resultCode,
  optional: RESULT_OPTIONAL,
} as const;

type Rules = { readonly [field: string]: TSchema };

type Checks = readonly (readonly [field: string, check: TypeCheck<TSchema>, rule: string])[];

function compile(rules: Rules): Checks {
  return Object.entries(rules).map(([field, schema]) => [
    field,
    TypeCompiler.Compile(schema),
    String(schema["rule"]),
  ]);
}

const reserveRequired = compile(RESERVE_REQUIRED);
const reserveOptional = compile(RESERVE_OPTIONAL);
const resultReferences = compile(RESULT_RULES.references);
const resultRequired = compile({ responseCode: RESULT_RULES.responseCode });
const resultOptional = compile(RESULT_RULES.optional);

/** `null` and `""` mean absent. */
const isAbsent = (value: unknown): boolean => value === undefined || value === null || value === "";

/** The fields that are present and break their rule, as messages that name both. */
function broken(body: Body, checks: Checks): { field: string; message: string }[] {
  return checks
    .filter(([field, check]) => !isAbsent(body[field]) && !check.Check(body[field]))
    .map(([field, , rule]) => ({ field, message: `${field} must be ${rule}` }));
}

function missing(body: Body, checks: Checks): string[] {
  return checks
    .filter(([field]) => isAbsent(body[field]))
    .map(([field, , rule]) => `${field} is required: ${rule}`);
}

function readAmount(value: unknown): Minor | null {
  return isAbsent(value) ? null : minor(Number(value));
}

function readText(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

/** The currency as a reason to decline: null where absent, of another type, or the bank's own. */
function readCurrency(value: unknown, own: string): string | null {
  // No database keeps a lone surrogate, nor each a NUL, and a repeat is compared with what it kept.
  const currency = readText(value)?.toUpperCase().toWellFormed().replaceAll("\0", "\ufffd") ?? null;
  return currency === own ? null : currency;
}

export type DecodedReserve = {
  readonly request: ReserveRequest;
  /** SECRET. */
  readonly authCode: string | null;
  readonly notes: readonly string[];
};

/**
 * Reads a reserveFunds body (contract.md 1).
 * The buyer stays as it was spelled: the store finds its canonical form, an exact match first.
 */
export function decodeReserve(body: Body, bankCurrency: string): Decoded<DecodedReserve> {
  const message =
    missing(body, reserveRequired)[0] ??
    broken(body, reserveRequired)[0]?.message ??
    broken(body, reserveOptional)[0]?.message;
  if (message !== undefined) return { ok: false, message };
  const request: ReserveRequest = {
    requestId: String(body["raasTxnRef"]),
    buyerId: String(body["sourceIdentifier"]),
    reserveAmount: minor(Number(body["reserveAmount"])),
    purchaseAmount: readAmount(body["purchaseAmount"]),
    feeAmount: readAmount(body["feeAmount"]) ?? ZERO,
    clientShareAmount: readAmount(body["clientShareAmount"]) ?? ZERO,
    settlementAmount: readAmount(body["settlementAmount"]),
    productId: readAmount(body["productId"]),
    targetId: readText(body["targetIdentifier"]),
    currency: readCurrency(body["currencyCode"], bankCurrency),
    clientRef: readText(body["clientTxnRef"]),
    channelId: readAmount(body["channelId"]),
  };
  const authCode = readText(body["authCode"]);
  return { ok: true, value: { request, authCode, notes: notesOn(body, request) } };
}

/** What was odd about a request that is served all the same. */
function notesOn(body: Body, request: ReserveRequest): string[] {
  const notes = RESERVE_EXPECTED.filter((field) => isAbsent(body[field])).map(
    (field) => `${field} is absent`,
  );
  const difference = sumsDifference(request);
  if (difference !== 0) {
    notes.push(`reserveAmount is not purchaseAmount + feeAmount: off by ${difference}`);
  }
  const currency = body["currencyCode"];
  if (!isAbsent(currency) && typeof currency !== "string") notes.push("currencyCode is no string");
  return notes;
}

/**
 * Reads a transactResult body (contract.md 3).
 * Only the references and responseCode can be refused; any other malformed field is ignored and
 * named, because a refused result leaves a customer's money held.
 */
export function decodeResult(body: Body): Decoded<ResultRequest> {
  const requestId = readText(body["raasTxnRef"]);
  const reference = readText(body["reserveFundsTxnRef"]);
  const oneOfTwo = resultReferences.every(([field]) => isAbsent(body[field]))
    ? "raasTxnRef or reserveFundsTxnRef is required"
    : undefined;
  const message =
    broken(body, resultReferences)[0]?.message ??
    oneOfTwo ??
    missing(body, resultRequired)[0] ??
    broken(body, resultRequired)[0]?.message;
  if (message !== undefined) return { ok: false, message };
  const malformedFields = broken(body, resultOptional).map(({ field }) => field);
  const amount = (field: string) =>
    malformedFields.includes(field) ? null : readAmount(body[field]);
  return {
    ok: true,
    value: {
      requestId,
      reference,
      resultCode: String(body["responseCode"]),
      reserveAmount: amount("reserveAmount"),
      feeAmount: amount("feeAmount"),
      clientShareAmount: amount("clientShareAmount"),
      settlementAmount: amount("settlementAmount"),
      malformedFields,
    },
  };
}
