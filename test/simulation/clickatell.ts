// Clickatell in the simulation: purchases with everything that goes wrong on the way, over a
// network that loses, delays, doubles and reorders.
import type { Chooser } from "../chooser.ts";
import type { NaiveReserve, NaiveResult } from "../storage/naive-bank.ts";
import {
  type Answer,
  type Meaning,
  type Message,
  malformedBody,
  reserveFields,
  resultFields,
  shortAnswer,
} from "./messages.ts";
import type { Server } from "./server.ts";
import type { SimulatedTime } from "./time.ts";
import type { Trace } from "./trace.ts";
import type { Weather } from "./weather.ts";

export const BUYERS = ["27731304701", "27731304702", "27731304703", "CIF0731304702", "27731304709"];
export const AMOUNTS = [1, 999, 1_000, 5_000, 10_000, 20_001, 60_000];
export const PINS = ["1234", "1234", "1234", "4321"];
const FAILURES = ["2201", "2226", "2240", "2601", "2603", "2608"];
const MALFORMED = ["feeAmount", "settlementAmount", "vendAmount"];
const RESERVE_WAIT_MS = 5_000;
const RESULT_WAIT_MS = 10_000;

type Purchase = {
  readonly requestId: string;
  readonly reserve: NaiveReserve;
  /** What its answer said, once one was heard. */
  code: string | null;
  reference: string | null;
  /** What it says of the result, once that is decided. */
  resultCode: string | null;
  isOver: boolean;
};

export type ClickatellOptions = {
  readonly choose: Chooser;
  readonly time: SimulatedTime;
  readonly trace: Trace;
  readonly weather: Weather;
  readonly messages: Message[];
  readonly server: Server;
};

export type Clickatell = ReturnType<typeof simulatedClickatell>;

export function simulatedClickatell(options: ClickatellOptions) {
  const { choose, time, trace, weather, messages, server } = options;
  const purchases: Purchase[] = [];
  let isEnding = false;

  // ------------------------------------------------------------- the network

  function newMessage(meaning: Meaning, about: string): Message {
    const number = messages.length;
    const { path, body } = bytesOf(meaning, number);
    const message: Message = {
      ...{ number, meaning, about, path, body, life: -1, deliveredMs: 0, receivedAt: 0 },
      ...{ expected: null, commit: -1, answer: null, toldLate: false },
    };
    messages.push(message);
    return message;
  }

  function bytesOf(meaning: Meaning, number: number): { path: string; body: string } {
    if (meaning.kind === "malformed") return meaning;
    const [path, fields] =
      meaning.kind === "reserve"
        ? ["/reserveFunds", reserveFields(choose, meaning.reserve)]
        : ["/transactResult", resultFields(choose, meaning.result)];
    return { path, body: JSON.stringify({ ...fields, simulated: number }) };
  }

  /** Sends a message; what is heard may be nothing at all, and may be heard late. */
  function send(meaning: Meaning, about: string, hear: (answer: Answer | "refused") => void): void {
    const message = newMessage(meaning, about);
    trace.step(`sent ${about} (message ${message.number}) ${what(meaning)}`);
    if (weather.isLost()) return;
    time.after(weather.networkMs(), () =>
      server.deliver(message, (answer) => {
        if (weather.isLost()) return;
        time.after(weather.networkMs(), () => hear(answer));
      }),
    );
  }

  // ------------------------------------------------------------- a purchase

  function newReserve(requestId: string): NaiveReserve {
    const amount = choose.one(AMOUNTS);
    return {
      requestId,
      buyer: choose.one(BUYERS),
      amount,
      settlement: choose.chance(0.1) ? null : Math.max(0, amount + choose.one([0, -1, 7, -amount])),
      fee: choose.one([0, 0, 100]),
      product: choose.one([null, 110, 917]),
      channel: choose.one([null, 7]),
      currency: choose.chance(0.02) ? "USD" : null,
      authCode: choose.one([null, ...PINS, ...PINS, "9999"]),
      purchase: choose.one([null, amount]),
      target: choose.one([null, "27825550000"]),
    };
  }

  /** The same message again, or one with the same raasTxnRef and something else in it. */
  function again(purchase: Purchase, isSame: boolean): void {
    const { requestId, reserve } = purchase;
    const other: Partial<NaiveReserve> = choose.one([
      { amount: reserve.amount + 1 },
      { buyer: BUYERS.find((buyer) => buyer !== reserve.buyer) ?? "" },
      { fee: reserve.fee + 5 },
      { product: reserve.product === 1 ? 2 : 1 },
      { target: "another" },
      { currency: reserve.currency === "EUR" ? "USD" : "EUR" },
      { settlement: reserve.settlement === null ? 1 : null },
    ]);
    const sent = isSame
      ? { ...reserve, authCode: choose.one([reserve.authCode, "9999"]) }
      : { ...reserve, ...other };
    send({ kind: "reserve", reserve: sent }, requestId, (answer) => {
      if (isSame && answer !== "refused") reserveHeard(purchase, answer);
    });
  }

  function begin(): void {
    const requestId = `R${String(purchases.length).padStart(5, "0")}`;
    const reserve = newReserve(requestId);
    const fresh = { code: null, reference: null, resultCode: null, isOver: false };
    const purchase: Purchase = { requestId, reserve, ...fresh };
    purchases.push(purchase);
    // Some results overtake their reserve.
    if (choose.chance(0.03)) {
      purchase.resultCode = choose.one(["0000", ...FAILURES]);
      sendResult(purchase, 1);
      time.after(choose.between(0, 3_000), () => again(purchase, true));
      return;
    }
    again(purchase, true);
    while (choose.chance(0.2) || weather.comesTwice()) {
      time.after(choose.between(0, 4_000), () => again(purchase, true));
    }
    if (choose.chance(0.03)) time.after(choose.between(0, 6_000), () => again(purchase, false));
    time.after(RESERVE_WAIT_MS, () => {
      if (purchase.code !== null || choose.chance(0.15)) return;
      giveResult(purchase, choose.one(FAILURES));
    });
  }

  function reserveHeard(purchase: Purchase, answer: Answer): void {
    if (answer.status !== 200 || purchase.code !== null) return;
    const [code = "", reference = null] = shortAnswer(answer).split(" ");
    Object.assign(purchase, { code, reference });
    if (isEnding) {
      giveResult(purchase, code === "0000" ? "0000" : "2201");
      return;
    }
    if (code !== "0000") {
      if (choose.chance(0.1)) giveResult(purchase, choose.one(["0000", ...FAILURES, ...FAILURES]));
      return;
    }
    // Some buyers walk away, and some results are lost for ever.
    if (choose.chance(0.08)) return;
    const delay = choose.one([50, 500, 3_000, 60_000]);
    const outcome = choose.chance(0.7) ? "0000" : choose.one(FAILURES);
    time.after(choose.below(delay), () => giveResult(purchase, outcome));
  }

  function giveResult(purchase: Purchase, code: string): void {
    if (purchase.resultCode !== null) return;
    purchase.resultCode = code;
    sendResult(purchase, 1);
  }

  function resultOf({ requestId, reference, reserve }: Purchase, code: string): NaiveResult {
    const named = reference === null ? "requestId" : choose.one(["requestId", "reference", "both"]);
    return {
      requestId: named === "reference" ? null : requestId,
      reference: named === "requestId" ? null : reference,
      code,
      amount: choose.chance(0.1) ? reserve.amount + choose.one([0, 0, 1, -1]) : null,
      malformed: choose.chance(0.04) ? [choose.one(MALFORMED)] : [],
    };
  }

  function sendResult(purchase: Purchase, tries: number): void {
    const result = resultOf(purchase, purchase.resultCode ?? "2201");
    let isHeard = false;
    send({ kind: "result", result }, purchase.requestId, (answer) => {
      isHeard = true;
      if (answer === "refused" || answer.status === 503) resend(purchase, tries);
      else resultHeard(purchase);
    });
    time.after(RESULT_WAIT_MS, () => {
      if (!isHeard) resend(purchase, tries);
    });
  }

  /** On a network failure, a time-out or a 503, some times, further and further apart. */
  function resend(purchase: Purchase, tries: number): void {
    if (purchase.isOver || (tries >= 6 && !isEnding)) return;
    time.after(choose.between(500, 2_000) * tries, () => sendResult(purchase, tries + 1));
  }

  function resultHeard(purchase: Purchase): void {
    purchase.isOver = true;
    if (isEnding) return;
    if (choose.chance(0.06)) odd(purchase);
  }

  /** A result that says something else, or names what does not belong together. */
  function odd(purchase: Purchase): void {
    const { requestId } = purchase;
    const other = choose.one(purchases);
    const code = choose.one(["0000", ...FAILURES.slice(0, 2)]);
    const result: NaiveResult = choose.chance(0.5)
      ? resultOf(purchase, code)
      : { requestId, reference: other.reference ?? "ACME-none", code, amount: null };
    send({ kind: "result", result }, requestId, () => {});
  }

  return {
    purchases,
    begin,

    /** Something of an earlier purchase comes once more, or something that no bank can read. */
    disturb(): void {
      if (purchases.length === 0) return;
      const purchase = choose.one(purchases.slice(-60));
      const { requestId } = purchase;
      const kind = choose.below(5);
      if (kind === 0) again(purchase, true);
      else if (kind === 1) again(purchase, false);
      else if (kind === 2) odd(purchase);
      else if (kind === 3) {
        send(
          { kind: "malformed", ...malformedBody(choose, requestId, messages.length) },
          requestId,
          () => {},
        );
      } else {
        const reserve = { ...purchase.reserve };
        void server.strangerIsRefused(newMessage({ kind: "reserve", reserve }, requestId));
      }
    },

    /** Every request is sent until it is answered, and then a result until that is. */
    finish(): void {
      isEnding = true;
      for (const purchase of purchases) {
        purchase.isOver = false;
        const outcome = purchase.resultCode;
        // Most declines have no result; but 2060 is cancelled, and 2090 may be of other content.
        const isDeclined =
          purchase.code !== null && !["0000", "2060", "2090"].includes(purchase.code);
        if (isDeclined && outcome === null && choose.chance(0.8)) {
          purchase.isOver = true;
          continue;
        }
        if (purchase.code !== null || outcome !== null) {
          purchase.resultCode = outcome ?? (choose.chance(0.5) ? "0000" : "2201");
          sendResult(purchase, 1);
        } else again(purchase, true);
      }
    },
    isFinished: () => purchases.every(({ isOver }) => isOver),
  };
}

function what(meaning: Meaning): string {
  if (meaning.kind === "malformed") return meaning.body;
  if (meaning.kind === "reserve") {
    const { buyer, amount, authCode } = meaning.reserve;
    return `reserve of ${amount} for ${buyer}, PIN ${authCode ?? "none"}`;
  }
  const { requestId, reference, code } = meaning.result;
  return `result ${code} by ${requestId ?? ""} ${reference ?? ""}`;
}
