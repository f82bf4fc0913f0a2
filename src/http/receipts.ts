// What a received request leaves behind: its body without secrets, or its digest; and of those
// turned away, at the door or by overload, at most ten a minute for a peer and reason
// (contract.md 4.1).
import type { Clock } from "../clock.ts";
import type { RefusalOperation } from "../storage/store.ts";
import type { Body } from "./schema.ts";

/** Masked in any case, at any depth, of any type. */
const SECRET_FIELDS: ReadonlySet<string> = new Set(["authcode", "token", "pin", "otp", "password"]);
const MASK = "***";

/** The body as JSON text with every secret replaced. */
export function maskedBody(body: Body): string {
  // Nearly every body is flat and without a secret, and is written ten times faster as it is.
  const isPlain = Object.keys(body).every((key) => {
    const value = body[key];
    return (typeof value !== "object" || value === null) && !SECRET_FIELDS.has(key.toLowerCase());
  });
  if (isPlain) return JSON.stringify(body);
  return JSON.stringify(body, (key, value) =>
    SECRET_FIELDS.has(key.toLowerCase()) ? MASK : value,
  );
}

/** Deeper bodies are served, but not kept: writing them anew takes the square of their depth. */
const DEEPEST_KEPT = 100;

const [QUOTE, BACKSLASH, ...BRACKETS] = [...'"\\[{]}'].map((sign) => sign.charCodeAt(0));
const [OPEN_LIST, OPEN_OBJECT, CLOSE_LIST, CLOSE_OBJECT] = BRACKETS;

/** True where lists and objects of a JSON text are nested deeper than a receipt keeps. */
export function isNestedTooDeeply(json: Uint8Array): boolean {
  let depth = 0;
  let inText = false;
  for (let at = 0; at < json.length; at += 1) {
    const sign = json[at];
    if (inText) {
      if (sign === BACKSLASH) at += 1;
      else if (sign === QUOTE) inText = false;
    } else if (sign === QUOTE) inText = true;
    else if (sign === OPEN_LIST || sign === OPEN_OBJECT) depth += 1;
    else if (sign === CLOSE_LIST || sign === CLOSE_OBJECT) depth -= 1;
    if (depth > DEEPEST_KEPT) return true;
  }
  return false;
}

/** A keyed digest: tells two unreadable bodies apart, and nothing of what stood in them. */
export function bodyDigest(key: Uint8Array, body: Uint8Array): string {
  return new Bun.CryptoHasher("sha256", key).update(body).digest("hex");
}

export type Turned = {
  readonly receivedAt: number;
  readonly trace: number;
  readonly peer: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly reason: string;
};

const PER_MINUTE = 10;
const MINUTE_MS = 60_000;
/** Peers and reasons told apart; a flood from more addresses shares one count. */
const MOST_COUNTERS = 1_000;
const LONGEST_PATH = 200;

export type Refusals = ReturnType<typeof refusalCounter>;

/** Counts what is turned away, and lets through what is to be written; `write` may have no room. */
export function refusalCounter(
  clock: Clock,
  write: (refusal: RefusalOperation) => boolean,
  onCount: (status: number, reason: string) => void = () => {},
) {
  type Counter = { turned: Turned; written: number; suppressed: number };
  let counters = new Map<string, Counter>();

  function writeOne(turned: Omit<RefusalOperation, "kind">): boolean {
    return write({ ...turned, kind: "refusal", path: turned.path.slice(0, LONGEST_PATH) });
  }

  function counterOf(turned: Turned): Counter {
    if (counters.size === 0) clock.after(MINUTE_MS, endMinute);
    const own = `${turned.peer} ${turned.status} ${turned.reason}`;
    const key = counters.has(own) || counters.size < MOST_COUNTERS ? own : "others";
    const counter = counters.get(key) ?? { turned, written: 0, suppressed: 0 };
    counters.set(key, counter);
    return counter;
  }

  /** The counts of what was not written are written as one line each, or wait a minute more. */
  function endMinute(): void {
    const ended = counters;
    counters = new Map();
    for (const { turned, suppressed } of ended.values()) {
      const others = { ...turned, receivedAt: clock.now(), trace: null, suppressed };
      if (suppressed > 0 && !writeOne(others)) {
        counterOf(turned).suppressed += suppressed;
      }
    }
  }

  return {
    count(turned: Turned): void {
      onCount(turned.status, turned.reason);
      const counter = counterOf(turned);
      if (counter.written < PER_MINUTE && writeOne({ ...turned, suppressed: 0 }))
        counter.written += 1;
      else counter.suppressed += 1;
    },

    /** Writes what was counted so far, before the process ends. */
    end: endMinute,
  };
}
