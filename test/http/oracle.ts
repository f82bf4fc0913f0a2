// What contract.md 1, 2 and 3 say of a body and of its answer, written down a second time: nothing
// here comes from src/, so that a mistake in src/http/schema.ts is not made twice.
import { isUtf8 } from "node:buffer";

export type Call = "reserveFunds" | "transactResult";
/** Which fields a 400 may name, none where the body must be served; and the reference to echo. */
export type Verdict =
  | { readonly kind: "noJson" }
  | { readonly kind: "json"; readonly broken: readonly string[]; readonly echo: unknown };
/** An answer as both `app.handle` and a socket give it. */
export type Answered = { readonly status: number; readonly body: string };

type Check = (value: unknown) => boolean;

const isDigits = (text: string): boolean => [...text].every((sign) => sign >= "0" && sign <= "9");
const codePoints = (text: string): number => [...text].length;

/** "A whole number of at most 12 digits", or a string of 1 to 12 ASCII digits. */
const isWhole: Check = (value) =>
  typeof value === "number"
    ? value >= 0 && value < 1e12 && Math.floor(value) === value
    : typeof value === "string" && value.length >= 1 && value.length <= 12 && isDigits(value);
const isPositive: Check = (value) => isWhole(value) && Number(value) > 0;
/** 1 to 64 characters, no control character, no half of a surrogate pair. */
const isReference: Check = (value) =>
  typeof value === "string" &&
  codePoints(value) >= 1 &&
  codePoints(value) <= 64 &&
  [...value].every((sign) => {
    const code = sign.codePointAt(0) ?? 0;
    const isControl = code < 0x20 || (code >= 0x7f && code < 0xa0);
    return !isControl && !(code >= 0xd800 && code < 0xe000);
  });
const isText =
  (most: number): Check =>
  (value) =>
    typeof value === "string" && codePoints(value) <= most;
const isFourDigits: Check = (value) =>
  typeof value === "string" && value.length === 4 && isDigits(value);

const REQUIRED: Readonly<Record<string, Check>> = {
  raasTxnRef: isReference,
  sourceIdentifier: isReference,
  reserveAmount: isPositive,
};
const OPTIONAL: Readonly<Record<string, Check>> = {
  purchaseAmount: isWhole,
  clientTxnRef: isReference,
  productId: isWhole,
  feeAmount: isWhole,
  clientShareAmount: isWhole,
  settlementAmount: isWhole,
  productType: (value) => isText(32)(value) || isWhole(value),
  channelId: isWhole,
  channelName: isText(64),
  channelSessionId: isReference,
  targetIdentifier: isReference,
  authCode: isText(64),
  accountIdentifier: isReference,
};
const REFERENCES = ["raasTxnRef", "reserveFundsTxnRef"];

const isAbsent: Check = (value) => value === undefined || value === null || value === "";

function brokenOfReserve(body: Record<string, unknown>): string[] {
  const required = Object.keys(REQUIRED).filter((name) => !REQUIRED[name]!(body[name]));
  const optional = Object.keys(OPTIONAL).filter(
    (name) => !isAbsent(body[name]) && !OPTIONAL[name]!(body[name]),
  );
  return [...required, ...optional];
}

function brokenOfResult(body: Record<string, unknown>): string[] {
  const given = REFERENCES.filter((name) => !isAbsent(body[name]));
  const broken = given.filter((name) => !isReference(body[name]));
  if (given.length === 0) broken.push(...REFERENCES);
  if (!isFourDigits(body["responseCode"])) broken.push("responseCode");
  return broken;
}

/** What must become of these bytes. */
export function verdictOf(call: Call, bytes: Uint8Array): Verdict {
  if (!isUtf8(bytes)) return { kind: "noJson" };
  const text = Buffer.from(bytes).toString("utf8");
  let value: unknown;
  try {
    value = JSON.parse(text.startsWith("\ufeff") ? text.slice(1) : text);
  } catch {
    return { kind: "noJson" };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { kind: "noJson" };
  }
  // Own fields alone: what "__proto__" brings along is none.
  const body: Record<string, unknown> = Object.assign(Object.create(null), { ...value });
  const broken = call === "reserveFunds" ? brokenOfReserve(body) : brokenOfResult(body);
  return { kind: "json", broken, echo: body["raasTxnRef"] };
}

/** Of each responseCode (contract.md 2). */
export const MESSAGES: Readonly<Record<string, string>> = {
  "0000": "Success",
  "2050": "Below minimum amount",
  "2040": "Maximum amount exceeded",
  "2030": "Consumer Account not mapped",
  "2020": "Invalid authentication code",
  "2080": "Consumer Account inactive",
  "2070": "Blacklisted Consumer Account",
  "2010": "Insufficient funds",
  "2060": "Time-out",
  "2090": "Unknown error",
};
const REFERENCE = /^ACME-[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The texts of a 400 after the field's name: what else stood there would come from the request. */
const RULES = [
  "a whole number of at most 12 digits, or a string of 1 to 12 digits",
  "more than 0: a whole number of at most 12 digits, or a string of 1 to 12 digits",
  "a string of 1 to 64 characters without control characters",
  "a string of at most 64 characters",
  "at most 32 characters",
  "a string of four digits",
];

function wrongRefusal(verdict: Verdict, body: string): string | null {
  const says = (message: string) =>
    JSON.stringify({ responseCode: "2090", responseMessage: message }) === body;
  if (verdict.kind === "noJson") {
    return says("the body must be a JSON object in UTF-8") ? null : "another text for no JSON";
  }
  const names = verdict.broken.flatMap((field) =>
    RULES.flatMap((rule) => [`${field} must be ${rule}`, `${field} is required: ${rule}`]),
  );
  const isNamed = [...names, "raasTxnRef or reserveFundsTxnRef is required"].some(says);
  return isNamed ? null : `a 400 that does not name one of ${verdict.broken.join(", ")}`;
}

function wrongReserve(echo: unknown, body: string): string | null {
  const fields = JSON.parse(body) as Record<string, string>;
  const code = String(fields["responseCode"]);
  const reference = code === "0000" ? { reserveFundsTxnRef: fields["reserveFundsTxnRef"] } : {};
  const answer = { responseCode: code, responseMessage: MESSAGES[code], raasTxnRef: echo };
  if (MESSAGES[code] === undefined) return "a code that is none of the table's";
  if (JSON.stringify({ ...answer, ...reference }) !== body) return "another body";
  if (code === "0000" && !REFERENCE.test(String(fields["reserveFundsTxnRef"]))) {
    return "a reference that is none of ours";
  }
  return null;
}

/** Why an answer is none that the contract allows to these bytes, or null. */
export function wrongAnswer(call: Call, bytes: Uint8Array, answered: Answered): string | null {
  const { status, body } = answered;
  if (bytes.byteLength > 64 * 1024) return status === 413 ? null : "no 413";
  const verdict = verdictOf(call, bytes);
  const isRefused = verdict.kind === "noJson" || verdict.broken.length > 0;
  if (isRefused !== (status === 400)) {
    const what = verdict.kind === "noJson" ? "no JSON" : `broken: ${verdict.broken.join(", ")}`;
    return `the contract has it ${what}`;
  }
  if (status === 400) return wrongRefusal(verdict, body);
  if (call === "reserveFunds") {
    if (status !== 200) return "a reserve is 200";
    return wrongReserve(verdict.kind === "json" ? verdict.echo : "", body);
  }
  if (status === 202) return body === "" ? null : "a 202 with a body";
  const isUnmatched = status === 404 && body === '{"responseMessage":"No matching reservation"}';
  return isUnmatched ? null : "a result is 202 or the 404 of the unmatched";
}
