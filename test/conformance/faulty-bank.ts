// A small bank that keeps the contract, written once more and in memory, and the same bank with one
// deliberate fault: what the conformance kit must notice. Nothing here comes from src/.
import { createHmac } from "node:crypto";
import { MESSAGES } from "../http/oracle.ts";

/** Each fault in a few words: it is the name of its test. */
export type Fault =
  | keyof typeof FAULTS
  /** Answers Unknown error where another code belongs. */
  | `2090 instead of ${string}`;

/** The rule that each fault breaks, and no other. */
export const FAULTS = {
  "a repeat has a new reference": "repeat.same",
  "200 instead of 202": "result.accepted",
  "202 with a body": "result.accepted",
  "2.2 s for one answer": "time.reserve",
  "5.5 s for one result": "time.result",
  "a field more in the answer": "answer.fields",
  "a reference in a decline": "answer.fields",
  "another text for Success": "answer.success",
  "one reference for two purchases": "answer.unique",
  "one request at a time for an account": "answer.parallel",
  "a code that is not in the table": "answer.codes",
  "the account before the limits": "order.limits",
  "the currency last": "order.currency",
  "another spelling of the own currency is refused": "currency.own",
  "any PIN is right": "decline.2020-wrong",
  "no PIN is needed": "decline.2020-absent",
  "digit strings are refused": "fields.strings",
  "all fields are required": "fields.absent",
  "unknown fields are refused": "fields.extra",
  "sums must add up": "fields.sums",
  "the timestamp must be one": "fields.timestamp",
  "only application/json": "fields.envelope",
  "one spelling of a buyer": "fields.spellings",
  "500 for what is no JSON": "malformed.body",
  "a missing buyer is unmapped": "malformed.missing",
  "an exponent is an amount": "malformed.amount",
  "long references": "malformed.reference",
  "a malformed fee is no fee": "malformed.known",
  "the message repeats the value": "malformed.message",
  "a 400 is remembered": "malformed.forgotten",
  "404 for a wrong method": "http.method",
  "an unknown path is unmatched": "http.path",
  "no limit for a body": "http.limit",
  "0000 is not taken": "result.dispensed",
  "both references are needed": "result.one-reference",
  "only known result codes": "result.codes",
  "the supplier's unknown is refused": "result.supplier-unknown",
  "a number is a result code": "result.malformed",
  "a malformed amount refuses a result": "result.malformed-ignored",
  "another text for unmatched": "result.unmatched",
  "crossed references are taken": "result.two-references",
  "a declined reserve has a result": "result.declined",
  "other amounts refuse a result": "result.amounts-differ",
  "a second failure is unmatched": "result.repeat",
  "a second 0000 is unmatched": "result.repeat-debit",
  "0000 after a release is refused": "contradiction.dispensed",
  "a failure after a debit is refused": "contradiction.failed",
  "no tombstone": "cancel.overtakes",
  "an unmatched 0000 blocks": "cancel.dispensed",
  "holds expire": "result.late",
  "a decline is decided again": "repeat.decline",
  "a repeat is compared as text": "repeat.meaning",
  "a repeat is compared with its channel": "repeat.meaning",
  "other content is not seen": "repeat.conflict",
  "Success after a release": "repeat.released",
  "2060 after a debit": "repeat.debited",
  "repeats race": "repeat.at-once",
  "repeats of a wrong PIN count": "repeat.pin",
  "no signature is as good": "signature.missing",
  "any signature is right": "signature.wrong",
  "a signature of the meaning": "signature.bytes",
  "parsed before the signature": "signature.first",
  "a 401 is remembered": "signature.forgotten",
  "no WWW-Authenticate": "basic.refused",
} as const;

export const SECRET = "a secret of the test";
export const BASIC = { user: "clickatell", password: "a password of the test" };

/** What the kit is told of this bank, as a profile file. */
export const PROFILE = `
amount = 1000
below_minimum = 100
above_maximum = 300000
currency = "ZAR"
[buyers]
active = "27731304702"
spellings = ["+27731304702"]
unmapped = "27000000000"
inactive = "27000000003"
blacklisted = "27000000004"
blocked = "27000000005"
without_funds = "27000000006"
with_pin = "27000000007"
pin = "4321"
`;

type Body = Record<string, unknown>;
type Code = "0000" | `20${string}`;
type State = "reserved" | "debited" | "released";
type Account = { funds: number; status: string; pin?: string; failures: number; busy: number };
type Decided = {
  readonly body: Body;
  readonly code: Code;
  reference: string | null;
  state: State | null;
  readonly at: number;
};

const KNOWN =
  "raasTxnRef clientTxnRef productId productType purchaseAmount feeAmount reserveAmount " +
  "clientShareAmount settlementAmount channelId channelName channelSessionId sourceIdentifier " +
  "targetIdentifier authCode accountIdentifier mno currencyCode vendAmount vendorShareAmount " +
  "additionalData timestamp";
const AMOUNTS = ["purchaseAmount", "feeAmount", "clientShareAmount", "settlementAmount"];
const COMPARED = [...AMOUNTS, "reserveAmount", "productId", "targetIdentifier", "currencyCode"];

const isAbsent = (value: unknown) => value === undefined || value === null || value === "";
const isWhole = (value: unknown) =>
  typeof value === "number"
    ? Number.isInteger(value) && value >= 0 && value < 1e12
    : typeof value === "string" && /^[0-9]{1,12}$/.test(value);
const meaning = (field: string, body: Body): unknown => {
  const value = body[field];
  if (isAbsent(value)) return /fee|Share/.test(field) ? 0 : null;
  return field === "currencyCode" ? null : isWhole(value) ? Number(value) : value;
};

const json = (status: number, body: Body, headers = {}) =>
  new Response(JSON.stringify(body), { status, headers });
const refusal = (status: number, responseMessage: string, headers = {}) =>
  json(status, { responseCode: "2090", responseMessage }, headers);

export type FaultyBank = { readonly url: string; stop(): Promise<void> };

/** Starts the bank, with one fault or none. */
export function startBank(fault: Fault | null): FaultyBank {
  const is = (other: keyof typeof FAULTS) => fault === other;
  const decided = new Map<string, Decided>();
  const tombstones = new Set<string>();
  const running = new Map<string, Promise<string>>();
  let references = 0;
  let slept = false;
  const account = (funds: number, status = "active", pin?: string): Account => ({
    funds,
    status,
    failures: 0,
    busy: 0,
    ...(pin !== undefined && { pin }),
  });
  const accounts = new Map([
    ["27731304702", account(1e9)],
    ["27000000003", account(1e9, "inactive")],
    ["27000000004", account(1e9, "blacklisted")],
    ["27000000005", account(1e9, "blocked")],
    ["27000000006", account(1)],
    ["27000000007", account(1e9, "active", "4321")],
  ]);

  const newReference = () => {
    references += 1;
    const number = is("one reference for two purchases") ? Math.ceil(references / 2) : references;
    return `FAULTY-${number}`;
  };

  /** The door: size, credentials, signature. */
  function turnedAway(request: Request, bytes: Buffer): Response | null {
    if (bytes.length > 65_536 && !is("no limit for a body"))
      return new Response("", { status: 413 });
    const basic = `Basic ${Buffer.from(`${BASIC.user}:${BASIC.password}`).toString("base64")}`;
    if (request.headers.get("authorization") !== basic) {
      const header = { "www-authenticate": 'Basic realm="x"' };
      return refusal(401, "Not authenticated", is("no WWW-Authenticate") ? {} : header);
    }
    const given = request.headers.get("signature");
    if (given === null) return is("no signature is as good") ? null : refusal(401, "Signature");
    if (is("any signature is right")) return null;
    let signed: string | Buffer = bytes;
    if (is("a signature of the meaning")) signed = bytes.toString().replace(/^.*$/s, compact);
    if (is("parsed before the signature") && parsed(bytes) === null) return null;
    if (given === createHmac("sha256", SECRET).update(signed).digest("base64")) return null;
    if (is("a 401 is remembered")) remember(parsed(bytes) ?? {}, "2090");
    return refusal(401, "Signature");
  }

  const compact = (text: string) => {
    const body = parsed(Buffer.from(text));
    return body === null ? text : JSON.stringify(body);
  };

  function parsed(bytes: Buffer): Body | null {
    try {
      const value = JSON.parse(bytes.toString());
      return typeof value === "object" && value !== null && !Array.isArray(value) ? value : null;
    } catch {
      return null;
    }
  }

  function remember(body: Body, code: Code): void {
    const id = String(body["raasTxnRef"]);
    decided.set(id, { body, code, reference: null, state: null, at: Date.now() });
  }

  /** What is malformed in a reserve, or null. */
  function malformed(body: Body): string | null {
    const most = is("long references") ? 99 : 64;
    const required = ["raasTxnRef", "sourceIdentifier", "reserveAmount"].filter(
      (field) => !(is("a missing buyer is unmapped") && field === "sourceIdentifier"),
    );
    if (is("all fields are required")) required.push("clientTxnRef");
    const missing = required.find((field) => isAbsent(body[field]));
    if (missing !== undefined) return `${missing} is required`;
    for (const field of ["raasTxnRef", "sourceIdentifier", "channelName"]) {
      const value = body[field];
      if (isAbsent(value)) continue;
      // biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the purpose.
      if (typeof value !== "string" || value.length > most || /[\u0000-\u001f]/.test(value)) {
        return `${field} must be a text of 1 to 64 characters`;
      }
    }
    for (const field of [...AMOUNTS, "reserveAmount", "productId", "channelId"]) {
      const value = body[field];
      if (isAbsent(value)) continue;
      if (is("an exponent is an amount") && /^\d+e\d+$/.test(String(value))) continue;
      if (is("a malformed fee is no fee") && field === "feeAmount") continue;
      const strict = is("digit strings are refused") && typeof value === "string";
      if (!isWhole(value) || strict || (field === "reserveAmount" && Number(value) === 0)) {
        return `${field} must be a whole number${is("the message repeats the value") ? `: ${value}` : ""}`;
      }
    }
    if (is("unknown fields are refused")) {
      const unknown = Object.keys(body).find((field) => !KNOWN.split(" ").includes(field));
      if (unknown !== undefined) return `${unknown} is not known`;
    }
    const [purchase, fee, reserve] = ["purchaseAmount", "feeAmount", "reserveAmount"].map((field) =>
      Number(body[field] ?? 0),
    );
    const differ = !isAbsent(body["purchaseAmount"]) && purchase! + fee! !== reserve;
    const late = isAbsent(body["timestamp"]) || /^\d{4}-/.test(String(body["timestamp"]));
    // Only where it is the one thing that is odd, so that no other rule meets it.
    if (is("sums must add up") && differ && reserve === 1_000 && fee === 7) return "sums";
    if (is("the timestamp must be one") && !late && body["channelId"] !== 4) return "timestamp";
    return null;
  }

  /** The checks, in their order. */
  function check(body: Body): Code {
    const buyer = String(body["sourceIdentifier"] ?? "").replace(/^\+/, (plus) =>
      is("one spelling of a buyer") ? plus : "",
    );
    const amount = Number(body["reserveAmount"]);
    const currency = body["currencyCode"];
    const own = is("another spelling of the own currency is refused")
      ? currency === "ZAR"
      : String(currency).toUpperCase() === "ZAR";
    const foreign = typeof currency === "string" && currency !== "" && !own;
    if (foreign && !is("the currency last")) return "2090";
    const found = accounts.get(buyer);
    if (found === undefined && is("the account before the limits")) return "2030";
    if (amount < 500) return "2050";
    if (amount > 200_000) return "2040";
    if (found === undefined) return "2030";
    const pin = pinCheck(found, body["authCode"]);
    if (pin !== null) return pin;
    if (found.status === "inactive") return "2080";
    if (found.status !== "active") return "2070";
    if (amount > found.funds) return "2010";
    return foreign ? "2090" : "0000";
  }

  function pinCheck(found: Account, given: unknown): Code | null {
    if (found.pin === undefined) return null;
    if (isAbsent(given)) return is("no PIN is needed") ? null : "2020";
    if (found.failures >= 3) return "2020";
    if (given === found.pin || is("any PIN is right")) {
      found.failures = 0;
      return null;
    }
    found.failures += 1;
    return "2020";
  }

  function answer(code: Code, id: unknown, reference: string | null): Response {
    const named = `2090 instead of ${code}` === fault && code !== "0000";
    const told = named ? "2090" : code;
    const success = is("another text for Success") && told === "0000";
    return json(200, {
      responseCode: told,
      responseMessage: success ? "OK" : MESSAGES[told],
      raasTxnRef: id,
      ...(reference !== null && { reserveFundsTxnRef: reference }),
      ...(is("a reference in a decline") && code !== "0000" && { reserveFundsTxnRef: null }),
      ...(is("a field more in the answer") && { balance: 1 }),
    });
  }

  function isSame(first: Body, body: Body): boolean {
    if (is("other content is not seen")) return true;
    const fields = is("a repeat is compared with its channel")
      ? [...COMPARED, "channelId"]
      : COMPARED;
    return fields.every((field) =>
      is("a repeat is compared as text")
        ? (first[field] ?? null) === (body[field] ?? null)
        : meaning(field, first) === meaning(field, body),
    );
  }

  function repeated(first: Decided, body: Body): Response {
    const id = body["raasTxnRef"];
    if (!isSame(first.body, body)) return answer("2090", id, null);
    if (first.code === "2020") {
      if (is("repeats of a wrong PIN count")) check(body);
      if (is("a code that is not in the table")) return json(200, { responseCode: "1001" });
    }
    if (first.code !== "0000") {
      const again = is("a decline is decided again") ? "2090" : first.code;
      return answer(again, id, null);
    }
    if (first.state === "released" && !is("Success after a release"))
      return answer("2060", id, null);
    if (first.state === "debited" && is("2060 after a debit")) return answer("2060", id, null);
    if (is("a repeat has a new reference")) return answer("0000", id, newReference());
    return answer("0000", id, first.reference);
  }

  async function decide(body: Body): Promise<Response> {
    const id = String(body["raasTxnRef"]);
    const first = decided.get(id);
    if (first !== undefined) return repeated(first, body);
    if (tombstones.has(id)) return answer("2060", id, null);
    const code = check(body);
    const found = accounts.get(String(body["sourceIdentifier"]));
    if (is("2.2 s for one answer") && code === "2080") await Bun.sleep(2_200);
    if (is("one request at a time for an account") && found !== undefined) {
      if (found.busy > 0) return answer("2090", id, null);
      found.busy += 1;
      await Bun.sleep(5);
      found.busy -= 1;
    } else await Bun.sleep(1);
    const success = code === "0000";
    const reference = success ? newReference() : null;
    decided.set(id, { body, code, reference, state: success ? "reserved" : null, at: Date.now() });
    return answer(code, id, reference);
  }

  async function reserveFunds(bytes: Buffer, type: string) {
    const body = parsed(bytes);
    if (body === null) {
      return is("500 for what is no JSON")
        ? new Response("", { status: 500 })
        : refusal(400, "JSON");
    }
    if (is("only application/json") && type !== "application/json") return refusal(400, "type");
    const wrong = malformed(body);
    if (wrong !== null) {
      if (is("a 400 is remembered")) remember(body, "2090");
      return refusal(400, wrong);
    }
    const id = String(body["raasTxnRef"]);
    const first = is("repeats race") ? undefined : running.get(id);
    const decision = first ?? decide(body).then((response) => response.text());
    running.set(id, decision);
    const text = await decision;
    running.delete(id);
    return new Response(text);
  }

  const unmatched = () =>
    json(404, {
      responseMessage: is("another text for unmatched") ? "Unknown" : "No matching reservation",
    });

  const taken = () => {
    if (is("202 with a body")) return json(202, {});
    return new Response(null, { status: is("200 instead of 202") ? 200 : 202 });
  };

  function end(reservation: Decided, dispensed: boolean): Response {
    const { state } = reservation;
    if (state === "reserved") {
      if (dispensed && is("0000 is not taken") && !slept) {
        slept = true;
        return refusal(400, "0000");
      }
      reservation.state = dispensed ? "debited" : "released";
      return taken();
    }
    const released = state === "released";
    if (released && !dispensed && is("a second failure is unmatched")) return unmatched();
    if (released && dispensed && is("0000 after a release is refused")) return refusal(409, "");
    if (!released && dispensed && is("a second 0000 is unmatched")) return unmatched();
    if (!released && !dispensed && is("a failure after a debit is refused"))
      return refusal(409, "");
    return taken();
  }

  function isMalformedResult(body: Body): boolean {
    const code = body["responseCode"];
    const references = [body["raasTxnRef"], body["reserveFundsTxnRef"]];
    const number = is("a number is a result code") && typeof code === "number";
    if (!number && !(typeof code === "string" && /^\d{4}$/.test(code))) return true;
    if (references.every(isAbsent)) return true;
    return references.some((value) => !isAbsent(value) && typeof value !== "string");
  }

  function isRefusedResult(body: Body, reservation: Decided): boolean {
    const { responseCode: code, reserveAmount: amount } = body;
    if (is("only known result codes") && code === "9999") return true;
    const supplier = ["2240", "2601", "2603"].includes(String(code));
    if (is("the supplier's unknown is refused") && supplier) return true;
    const given = !isAbsent(amount);
    if (is("a malformed amount refuses a result") && given && !isWhole(amount)) return true;
    const differs = isWhole(amount) && Number(amount) !== Number(reservation.body["reserveAmount"]);
    return is("other amounts refuse a result") && differs;
  }

  async function transactResult(bytes: Buffer): Promise<Response> {
    const body = parsed(bytes);
    if (body === null) {
      return is("500 for what is no JSON")
        ? new Response("", { status: 500 })
        : refusal(400, "JSON");
    }
    if (isMalformedResult(body)) return refusal(400, "malformed");
    if (is("5.5 s for one result") && body["reserveAmount"] === 2_000) await Bun.sleep(5_500);
    const [id, reference] = [body["raasTxnRef"], body["reserveFundsTxnRef"]];
    const dispensed = body["responseCode"] === "0000";
    const byId = isAbsent(id) ? undefined : decided.get(String(id));
    const byReference = [...decided.values()].findLast(
      (each) => each.reference !== null && each.reference === reference,
    );
    const one = isAbsent(id) || isAbsent(reference);
    if (one && is("both references are needed") && isAbsent(id)) return unmatched();
    const reservation = isAbsent(id) ? byReference : byId;
    if (one && reservation === undefined) {
      if (!dispensed ? !is("no tombstone") : is("an unmatched 0000 blocks")) {
        tombstones.add(String(id));
      }
      return unmatched();
    }
    if (!one && byId !== byReference && !is("crossed references are taken")) return unmatched();
    if (reservation === undefined || reservation.state === null) {
      return is("a declined reserve has a result") ? taken() : unmatched();
    }
    if (is("holds expire") && Date.now() - reservation.at > 300) return unmatched();
    return isRefusedResult(body, reservation) ? refusal(400, "") : end(reservation, dispensed);
  }

  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 30,
    async fetch(request) {
      const { pathname } = new URL(request.url);
      const call = { "/reserveFunds": reserveFunds, "/transactResult": transactResult }[pathname];
      if (call === undefined) {
        if (is("an unknown path is unmatched")) return unmatched();
        return new Response("nothing here", { status: 404 });
      }
      if (request.method !== "POST") {
        return new Response("", { status: is("404 for a wrong method") ? 404 : 405 });
      }
      const bytes = Buffer.from(await request.arrayBuffer());
      const type = request.headers.get("content-type") ?? "";
      return turnedAway(request, bytes) ?? (await call(bytes, type));
    },
  });
  return { url: server.url.href, stop: () => server.stop(true) };
}
