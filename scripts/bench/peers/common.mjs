// What every peer does alike: its flags, the bodies it takes, its answers, its seeds, its end.
import { createHmac, timingSafeEqual } from "node:crypto";
import { parseArgs } from "node:util";

export const RESERVE_PATH = "/reserveFunds";
export const RESULT_PATH = "/transactResult";
export const LARGEST_BODY = 64 * 1024;

const LARGEST_AMOUNT = 999_999_999_999;
const PIN_KEY = "bench";

/**
 * Reads the command line of a peer.
 * Takes its own flags with their defaults, and the names of those that must be given. Throws on
 * any other flag, so that nobody measures a typo.
 */
export function parseFlags(own, required) {
  const defaults = { accounts: "1000000", secret: undefined, ...own };
  const names = [...Object.keys(defaults), ...required];
  const options = Object.fromEntries(names.map((name) => [name, { type: "string" }]));
  const { values } = parseArgs({ options });
  const missing = required.find((name) => values[name] === undefined);
  if (missing !== undefined) throw new Error(`--${missing} is required`);
  const flags = { ...defaults, ...values };
  return { ...flags, accounts: wholeFlag("accounts", flags.accounts) };
}

/** A flag's value as a whole number; throws where it is none. */
export function wholeFlag(name, text) {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name} must be over 0`);
  return value;
}

const OUTCOMES = {
  "0000": "Success",
  2010: "Insufficient funds",
  2020: "Invalid authentication code",
  2030: "Consumer Account not mapped",
  2080: "Consumer Account inactive",
  2090: "Unknown error",
};

/**
 * The answer to a reserve.
 * It follows from what the reservation keeps, so a replay is the first answer byte for byte.
 */
export function reserveAnswer(code, requestId, reference) {
  const answer = { responseCode: code, responseMessage: OUTCOMES[code], raasTxnRef: requestId };
  const withReference = code === "0000" ? { ...answer, reserveFundsTxnRef: reference } : answer;
  return { status: 200, body: JSON.stringify(withReference) };
}

/** The answer to a raasTxnRef that was seen before: the first one, or 2090 for another request. */
export function repeatAnswer(first, request) {
  const isSame = first.buyer_id === request.buyerId && first.amount === request.amount;
  return reserveAnswer(isSame ? first.response_code : "2090", request.requestId, first.reference);
}

export const ACCEPTED = { status: 202, body: "" };
export const UNMATCHED = {
  status: 404,
  body: JSON.stringify({ responseMessage: "No matching reservation" }),
};

const refusal = (status, responseMessage) => ({
  status,
  body: JSON.stringify({ responseCode: "2090", responseMessage }),
});
const UNAUTHENTICATED = refusal(401, "Unauthenticated");

/** The response code of a reserve, for the account that was found or undefined. */
export function decideReserve(account, request) {
  if (account === undefined) return "2030";
  if (account.pin_hash !== null && !pinMatches(account, request.authCode)) return "2020";
  if (account.status !== "active") return "2080";
  const available = account.ledger_balance - account.held + account.overdraft;
  return request.amount > available ? "2010" : "0000";
}

/** The ledger entries of a debit; they sum to zero, and none is of nothing. */
export function debitEntries({ number, amount, settlement_amount: settlement }) {
  // The bank's own accounts have entries and no balance row: each debit would queue for its lock.
  const others =
    settlement === null
      ? [["@suspense", amount]]
      : [
          ["@clickatell", settlement],
          ["@income", amount - settlement],
        ];
  return [[number, -amount], ...others].filter(([, moved]) => moved !== 0);
}

/** The keyed hash of an account's PIN; the number goes in, so equal PINs have unequal hashes. */
export function pinHash(number, pin) {
  return createHmac("sha256", PIN_KEY).update(`${number}\n${pin}`).digest("hex");
}

function pinMatches({ number, pin_hash: expected }, pin) {
  return pin !== null && sameText(expected, pinHash(number, pin));
}

/** Compares in constant time; a length is no secret. */
function sameText(a, b) {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}

function isSigned(raw, signature, secret) {
  if (typeof signature !== "string") return false;
  return sameText(signature, createHmac("sha256", secret).update(raw).digest("base64"));
}

/** What account i of N is seeded with. Every database is filled from these rules. */
export const seeds = {
  balance: 10_000_000_000,
  /** So many accounts from the first have one without money, which declines. */
  poorOf: 50,
  poorAt: 7,
  /** So many accounts from the first have one with a PIN. */
  pinOf: 20,
  pinAt: 19,
  firstBuyer: 27_730_000_000,
  number: (i) => `A${i}`,
  buyerId: (i) => String(seeds.firstBuyer + i),
  balanceOf: (i) => (i % seeds.poorOf === seeds.poorAt ? 0 : seeds.balance),
  pinHashOf: (i) => (i % seeds.pinOf === seeds.pinAt ? pinHash(seeds.number(i), "4321") : null),
};

const isText = (value) =>
  typeof value === "string" && value.length > 0 && value.length <= 64 && !/\p{Cc}/u.test(value);
const isAmount = (value) => Number.isSafeInteger(value) && value >= 0 && value <= LARGEST_AMOUNT;
const isAbsent = (value) => value === undefined || value === null;

const RULES = {
  [RESERVE_PATH]: {
    required: {
      raasTxnRef: isText,
      sourceIdentifier: isText,
      reserveAmount: (value) => isAmount(value) && value > 0,
    },
    optional: {
      purchaseAmount: isAmount,
      feeAmount: isAmount,
      settlementAmount: isAmount,
      productId: isAmount,
      channelId: isAmount,
      clientTxnRef: isText,
      targetIdentifier: isText,
      authCode: isText,
    },
  },
  [RESULT_PATH]: {
    required: {
      raasTxnRef: isText,
      responseCode: (value) => typeof value === "string" && /^[0-9]{4}$/.test(value),
    },
    optional: {},
  },
};

/** The fields of a body that are missing or wrong: none where it can be served. */
function wrongFields(body, { required, optional }) {
  const broken = Object.entries(required).filter(([field, check]) => !check(body[field]));
  const odd = Object.entries(optional).filter(
    ([field, check]) => !isAbsent(body[field]) && !check(body[field]),
  );
  return [...broken, ...odd].map(([field]) => field);
}

function parseBody(text) {
  try {
    const body = JSON.parse(text);
    return typeof body === "object" && body !== null && !Array.isArray(body) ? body : null;
  } catch {
    return null;
  }
}

/** The body as the receipt keeps it: as it came, but a PIN is never written down. */
function receiptText(text, body) {
  // PostgreSQL's text takes every character but this one.
  if (body === null) return text.replaceAll("\0", "\uFFFD");
  return isAbsent(body.authCode) ? text : JSON.stringify({ ...body, authCode: "***" });
}

/**
 * Makes the function that answers a request: (path, body bytes, Signature header) -> answer.
 * The bank's `reserve`, `result` and `malformed` each write the receipt in their own transaction;
 * a bank that works synchronously gives its answer as it is, another one a promise of it.
 */
export function answererOf(bank, secret) {
  return (path, raw, signature) => {
    const receivedAt = Date.now();
    if (secret !== undefined && !isSigned(raw, signature, secret)) return UNAUTHENTICATED;
    const text = raw.toString();
    const body = parseBody(text);
    const receipt = { receivedAt, path, text: receiptText(text, body) };
    const wrong = body === null ? ["the body"] : wrongFields(body, RULES[path]);
    if (wrong.length > 0) {
      return bank.malformed(receipt, refusal(400, `missing or wrong: ${wrong.join(", ")}`));
    }
    if (path === RESULT_PATH) {
      return bank.result(
        { requestId: body.raasTxnRef, isDispensed: body.responseCode === "0000" },
        receipt,
      );
    }
    return bank.reserve(
      {
        requestId: body.raasTxnRef,
        buyerId: body.sourceIdentifier,
        amount: body.reserveAmount,
        settlement: body.settlementAmount ?? null,
        authCode: body.authCode ?? null,
      },
      receipt,
    );
  };
}

/** The one line on standard output, which tells a harness where to send its requests. */
export function announce(port) {
  process.stdout.write(`listening ${port}\n`);
}

/** Ends on a signal: `stop` closes `server`, which answers what is under way, and the database. */
export function endOnSignal(server, stop) {
  let ending = false;
  const end = async () => {
    if (ending) return;
    ending = true;
    // A connection that was busy when the server was closed would stay for its keep-alive time.
    setInterval(() => server.closeIdleConnections(), 50);
    await stop();
    process.exit(0);
  };
  for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, end);
}
