// One client of the load: what it sends next, and whether an answer fits what it was told before.
import { createHash, createHmac } from "node:crypto";

/** What is sent: whole purchases with repeats, declines and PINs among them, or reserves alone. */
export type Mix = "purchases" | "reserves";

/** What a client knows of the bank by its own answers. */
export type History = {
  /** Our reference, the request's id and what its result said, for each Success. */
  readonly reserved: readonly Reserved[];
  readonly debitedMinor: number;
  readonly heldMinor: number;
};

export type Reserved = {
  readonly requestId: string;
  readonly reference: string;
  /** What was told of it; a result whose answer never came leaves it null. */
  readonly state: "reserved" | "debited" | "released" | null;
};

type Purchase = { body: string; requestId: string; answer: string; state: Reserved["state"] };

export type Sent = {
  readonly kind: "reserve" | "pin" | "decline" | "unmapped" | "replay" | "debit" | "release";
  readonly request: string;
  readonly purchase: Purchase;
};

export type ClientOptions = {
  readonly index: number;
  readonly mix: Mix;
  readonly accounts: number;
  readonly secret: string | null;
  readonly prefix: string;
  readonly answersAs: AnswersAs;
};

/**
 * What the answers are checked against. A "bank" keeps the contract; a "peer" gives a repeat the
 * first answer even after a release; the "limit" keeps nothing and says Success to every reserve.
 */
export type AnswersAs = "bank" | "peer" | "limit";

/** The first buyer of the seeded bank; the others follow it. */
export const FIRST_BUYER = 27_730_000_000;
/** One account in twenty has a PIN, one in fifty no money (seed.ts and the peers alike). */
export const HAS_PIN = (account: number) => account % 20 === 19;
export const HAS_NOTHING = (account: number) => account % 50 === 7;
export const PIN = "4321";
const AMOUNT = 10_000;
const SUCCESS = '"responseCode":"0000"';
const EXPECTED = {
  reserve: SUCCESS,
  pin: SUCCESS,
  decline: '"responseCode":"2010"',
  unmapped: '"responseCode":"2030"',
} as const;

/** A small generator of random numbers with a seed: runs can be repeated. */
function randomFrom(seed: number): () => number {
  let state = (seed * 2_654_435_761) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function createClient(options: ClientOptions) {
  const { index, mix, accounts, secret, prefix, answersAs } = options;
  const random = randomFrom(index + 1);
  const open: Purchase[] = [];
  const all: Purchase[] = [];
  const declined: Purchase[] = [];
  const counts = new Map<string, number>();
  const wrong: string[] = [];
  // The ids of one client and run: random as Clickatell's are, and never twice.
  const ids = createHash("sha256").update(`${prefix} ${index}`).digest("hex");
  let numbered = 0;

  /** A UUID's 36 characters, spread over the whole index as the real ones are. */
  function newRequestId(): string {
    numbered += 1;
    const head = Math.floor(random() * 0xffffffff);
    const hex = (value: number, length: number) => value.toString(16).padStart(length, "0");
    return `${hex(head, 8)}-${ids.slice(0, 4)}-4${ids.slice(4, 7)}-${ids.slice(7, 11)}-${hex(numbered, 6)}${ids.slice(11, 17)}`;
  }

  function post(path: string, body: string): string {
    const signature =
      secret === null
        ? ""
        : `Signature: ${createHmac("sha256", secret).update(body).digest("base64")}\r\n`;
    return (
      `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n` +
      `${signature}Content-Length: ${body.length}\r\n\r\n${body}`
    );
  }

  /** An account of the wanted sort; with one hot account, that one. */
  function pick(wanted: (account: number) => boolean): number {
    if (accounts === 1) return 0;
    for (;;) {
      const account = Math.floor(random() * accounts);
      if (wanted(account)) return account;
    }
  }

  function reserve(kind: "reserve" | "pin" | "decline" | "unmapped"): Sent {
    const account = {
      reserve: () => pick((a) => !HAS_PIN(a) && !HAS_NOTHING(a)),
      pin: () => pick(HAS_PIN),
      decline: () => pick(HAS_NOTHING),
      unmapped: () => -1 - Math.floor(random() * 1000),
    }[kind]();
    const requestId = newRequestId();
    const buyer = FIRST_BUYER + account;
    const authCode = kind === "pin" ? `,"authCode":"${PIN}"` : "";
    const body =
      `{"clientTxnRef":"bench","raasTxnRef":"${requestId}","productId":110,"productType":3,` +
      `"purchaseAmount":${AMOUNT},"feeAmount":0,"reserveAmount":${AMOUNT},` +
      `"clientShareAmount":1000,"settlementAmount":9000,"channelId":7,"channelName":"USSD",` +
      `"channelSessionId":"144974973281","sourceIdentifier":"${buyer}",` +
      `"targetIdentifier":"${buyer}","timestamp":"2026-11-24T10:30:00.000+02:00"${authCode}}`;
    const purchase: Purchase = { body, requestId, answer: "", state: null };
    return { kind, request: post("/reserveFunds", body), purchase };
  }

  function result(purchase: Purchase, kind: "debit" | "release"): Sent {
    const code = kind === "debit" ? "0000" : "2226";
    const body =
      `{"clientTxnRef":"bench","raasTxnRef":"${purchase.requestId}","responseCode":"${code}",` +
      `"reserveAmount":${AMOUNT},"feeAmount":0,"timestamp":"2026-11-24T10:30:02.000+02:00"}`;
    return { kind, request: post("/transactResult", body), purchase };
  }

  function next(): Sent {
    if (mix === "reserves") return reserve("reserve");
    const dice = random();
    if (dice < 0.04 && all.length > 0) {
      // A repeat of a recent request, a decline in one of four.
      const from = random() < 0.25 && declined.length > 0 ? declined : all;
      const purchase = from[from.length - 1 - Math.floor(random() * Math.min(50, from.length))];
      if (purchase !== undefined) {
        return { kind: "replay", request: post("/reserveFunds", purchase.body), purchase };
      }
    }
    if (dice < 0.06 && accounts > 1) return reserve(dice < 0.05 ? "decline" : "unmapped");
    // Results lag behind: a few purchases of each client are open at any time.
    if (open.length > 3 + random() * 4) {
      const purchase = open.shift();
      if (purchase !== undefined) return result(purchase, random() < 0.9 ? "debit" : "release");
    }
    return reserve(dice > 0.95 && accounts > 1 ? "pin" : "reserve");
  }

  function complain(sent: Sent, status: number, body: string): void {
    if (wrong.length < 20) {
      wrong.push(`${sent.kind} ${sent.purchase.requestId}: answered ${status} ${body}`);
    }
  }

  function replayFits({ answer, state }: Purchase, body: string): boolean {
    if (answersAs === "limit") return body.includes(SUCCESS);
    return state === "released" && answersAs === "bank"
      ? body.includes('"responseCode":"2060"')
      : body === answer;
  }

  function answered(sent: Sent, status: number, body: string): void {
    const { kind, purchase } = sent;
    const what = `${kind} ${status} ${/"responseCode":"(\d+)"/.exec(body)?.[1] ?? ""}`.trim();
    counts.set(what, (counts.get(what) ?? 0) + 1);
    if (kind === "debit" || kind === "release") {
      if (status === 202) purchase.state = kind === "debit" ? "debited" : "released";
      else complain(sent, status, body);
    } else if (kind === "replay") {
      if (status !== 200 || !replayFits(purchase, body)) complain(sent, status, body);
    } else {
      const expected = answersAs === "limit" ? SUCCESS : EXPECTED[kind];
      if (status !== 200 || !body.includes(expected)) complain(sent, status, body);
      purchase.answer = body;
      // By what it should be: the limit gets no results for what a bank would have declined.
      if (EXPECTED[kind] === SUCCESS && body.includes(SUCCESS)) {
        purchase.state = "reserved";
        open.push(purchase);
        all.push(purchase);
      } else declined.push(purchase);
    }
  }

  return {
    next,
    answered,
    answers: () => Object.fromEntries(counts),
    wrong: () => wrong,
    history(): History {
      const held = all.filter(({ state }) => state === "reserved").length;
      const debited = all.filter(({ state }) => state === "debited").length;
      return {
        reserved: all.map(({ requestId, answer, state }) => ({
          requestId,
          reference: /"reserveFundsTxnRef":"([^"]+)"/.exec(answer)?.[1] ?? "",
          state,
        })),
        debitedMinor: debited * AMOUNT,
        heldMinor: held * AMOUNT,
      };
    },
  };
}
