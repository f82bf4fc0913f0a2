// What every rule works with: requests in Clickatell's forms, what was sent and answered so far, and
// the reservations that are open because of it, so that none is left behind.
import type { FindingKind } from "../domain/finding.ts";
import { OUTCOMES, type Outcome } from "../domain/outcomes.ts";
import type { Answer, Call, Client, Sending } from "./client.ts";
import type { Profile } from "./profile.ts";

/** The bank broke the rule that is being tried. The message says how, and names no secret. */
export class Broken extends Error {}

/** The rule could not be tried: what it starts from did not come about. */
export class NotTried extends Error {}

export type Fields = Readonly<Record<string, unknown>>;

export type Exchange = {
  readonly call: Call;
  readonly requestId: string | null;
  readonly answer: Answer;
};

/** A Success that was answered, as far as the kit knows; or a reserve whose answer never came. */
export type Reservation = {
  readonly requestId: string;
  readonly reference: string | null;
  readonly amount: number;
};

/** What the caller knows of one purchase of a storm. */
export type Purchase = {
  readonly requestId: string;
  readonly amount: number;
  /** What the reserve came to: held under this reference, nothing, or who knows. */
  readonly reserve: { readonly reference: string } | "nothing" | "unknown";
  /** What is said of it: dispensed, or cancelled. */
  readonly said: typeof DISPENSED | typeof CANCELLED;
  /** What became of that: nobody has answered yet, taken, or no such reservation. */
  end: "open" | "taken" | "unmatched";
};

export type ExpectedFinding = { readonly kind: FindingKind; readonly requestId: string };

export type Kit = ReturnType<typeof createKit>;

/** The code of the kit's own cancels: Clickatell's for a purchase that it gave up. */
export const CANCELLED = "2226";
export const DISPENSED = "0000";
const TRIES = 3;

export const codeOf = ({ json }: Answer): unknown => json?.["responseCode"];
export const isTaken = ({ status }: Answer): boolean => status >= 200 && status < 300;

/** An answer in a few words; its texts are the bank's and are cut short. */
export function said({ status, json, body, error }: Answer): string {
  if (error !== null) return error;
  const code = typeof json?.["responseCode"] === "string" ? json["responseCode"] : null;
  if (code !== null) return `HTTP ${status} with responseCode "${code.slice(0, 8)}"`;
  return `HTTP ${status} with ${body === "" ? "no body" : "another body"}`;
}

export function createKit(client: Client, profile: Profile, run: string) {
  let count = 0;
  let hasSucceeded = false;
  const exchanges: Exchange[] = [];
  const open = new Map<string, Reservation>();
  const debited: Reservation[] = [];
  const released: Reservation[] = [];
  const findings: ExpectedFinding[] = [];
  const purchases = new Map<string, Purchase>();

  const keyOf = ({ requestId, reference }: Reservation) => `${requestId} ${reference ?? ""}`;

  /** A request id that nobody has ever used. */
  const newId = (): string => `sim-${run}-${++count}`;

  function reserveFields(fields: Fields = {}): Fields {
    return {
      raasTxnRef: newId(),
      sourceIdentifier: profile.active ?? `sim-${run}`,
      reserveAmount: profile.amount,
      purchaseAmount: profile.amount,
      feeAmount: 0,
      clientShareAmount: 0,
      settlementAmount: profile.amount,
      productId: profile.product,
      channelId: profile.channel,
      channelName: "USSD",
      clientTxnRef: "simulate",
      timestamp: new Date().toISOString(),
      ...fields,
    };
  }

  /** Notes what a reserve may have come to; an answer that never came may have been a hold. */
  function noteReserve(fields: Fields, answer: Answer): void {
    const requestId = fields["raasTxnRef"];
    if (typeof requestId !== "string") return;
    const reference = answer.json?.["reserveFundsTxnRef"];
    const amount = Number(fields["reserveAmount"]);
    const unknown = answer.status === 0 || answer.status >= 500;
    const isReference = typeof reference === "string" && codeOf(answer) === "0000";
    if (!unknown && !isReference) return;
    hasSucceeded ||= isReference;
    const reservation = { requestId, reference: isReference ? reference : null, amount };
    const key = keyOf(reservation);
    const isEnded = [...debited, ...released].some((ended) => keyOf(ended) === key);
    if (!isEnded) open.set(key, reservation);
  }

  function noteResult(fields: Fields, answer: Answer, isKept = true): void {
    if (!isTaken(answer)) return;
    const names = (wire: unknown, own: string | null) =>
      typeof wire !== "string" || wire === "" || wire === own;
    for (const [key, reservation] of open) {
      const { requestId, reference } = reservation;
      if (!names(fields["raasTxnRef"], requestId)) continue;
      if (!names(fields["reserveFundsTxnRef"], reference)) continue;
      open.delete(key);
      if (!isKept) continue;
      (fields["responseCode"] === "0000" ? debited : released).push(reservation);
    }
  }

  function noteEnd(requestId: unknown, answer: Answer): void {
    const purchase = purchases.get(String(requestId));
    if (purchase === undefined || purchase.end !== "open") return;
    if (isTaken(answer)) purchase.end = "taken";
    else if (answer.status === 404) purchase.end = "unmatched";
  }

  /** Sends any text as a call; the fields are what it says, where it says something. */
  async function raw(call: Call, sending: Sending, fields: Fields = {}): Promise<Answer> {
    const answer = await client.send(call, sending);
    const requestId = fields["raasTxnRef"];
    const isNamed = typeof requestId === "string" && requestId !== "";
    exchanges.push({ call, answer, requestId: isNamed ? requestId : null });
    if (call === "reserveFunds") noteReserve(fields, answer);
    else noteResult(fields, answer);
    return answer;
  }

  const send = (call: Call, fields: Fields, how: Sending = {}): Promise<Answer> =>
    raw(call, { body: JSON.stringify(fields), ...how }, fields);

  const kit = {
    profile,
    run,
    client,
    exchanges: exchanges as readonly Exchange[],
    debited: debited as readonly Reservation[],
    released: released as readonly Reservation[],
    findings: findings as readonly ExpectedFinding[],
    /** The storm's, by their requestIds. */
    purchases: purchases as ReadonlyMap<string, Purchase>,
    /** True once any reserve was answered Success. */
    hasSucceeded: () => hasSucceeded,
    newId,
    reserveFields,
    raw,

    /** Notes a finding that a person at the bank must be shown because of the kit. */
    expects(kind: FindingKind, requestId: string): void {
      findings.push({ kind, requestId });
    },

    /** A reserve with what is different; give a raasTxnRef to repeat one. */
    reserve: (fields: Fields = {}, how: Sending = {}) =>
      send("reserveFunds", reserveFields(fields), how),
    /** Exactly these fields. */
    reserveOnly: (fields: Fields, how: Sending = {}) => send("reserveFunds", fields, how),
    result: (fields: Fields, how: Sending = {}) => send("transactResult", fields, how),

    /** A purchase of a storm: only what it came to is kept of it, and what is to be said of it. */
    async purchase(fields: Fields, said: Purchase["said"]): Promise<Answer> {
      const answer = await client.send("reserveFunds", { body: JSON.stringify(fields) });
      noteReserve(fields, answer);
      const requestId = String(fields["raasTxnRef"]);
      const reference = answer.json?.["reserveFundsTxnRef"];
      const isHeld = codeOf(answer) === "0000" && typeof reference === "string";
      const isUnknown = answer.status === 0 || answer.status >= 500;
      purchases.set(requestId, {
        requestId,
        amount: Number(fields["reserveAmount"]),
        reserve: isHeld ? { reference } : isUnknown ? "unknown" : "nothing",
        said: isHeld ? said : CANCELLED,
        end: "open",
      });
      return answer;
    },

    /** Says of a storm's purchase what is to be said of it. */
    async endOf({ requestId, said }: Purchase): Promise<Answer> {
      const fields = { raasTxnRef: requestId, responseCode: said };
      const answer = await client.send("transactResult", { body: JSON.stringify(fields) });
      noteResult(fields, answer, said === DISPENSED);
      noteEnd(requestId, answer);
      return answer;
    },

    /** A reserve that must succeed for the rule to be tried at all. */
    async reserved(fields: Fields = {}): Promise<Reservation & { fields: Fields; answer: Answer }> {
      const asked = reserveFields(fields);
      const answer = await send("reserveFunds", asked);
      const reference = answer.json?.["reserveFundsTxnRef"];
      if (codeOf(answer) !== "0000" || typeof reference !== "string") {
        throw new NotTried(`a reserve to start from was answered ${said(answer)}`);
      }
      const requestId = String(asked["raasTxnRef"]);
      return { requestId, reference, amount: profile.amount, fields: asked, answer };
    },

    /** A result that must be taken for the rule to be tried at all. */
    async ended(reservation: Reservation, responseCode: string): Promise<Answer> {
      const answer = await kit.result({
        raasTxnRef: reservation.requestId,
        reserveFundsTxnRef: reservation.reference,
        responseCode,
      });
      if (!isTaken(answer)) {
        throw new NotTried(`a result to start from was answered ${said(answer)}`);
      }
      return answer;
    },

    /**
     * Cancels whatever may still be held because of the kit, or says that it was dispensed where a
     * storm has said so before and had no answer; gives what could not be ended.
     * A 404 says that nothing is held.
     */
    async cleanUp(): Promise<readonly Reservation[]> {
      for (let tries = 0; tries < TRIES && open.size > 0; tries += 1) {
        for (const [key, { requestId, reference }] of [...open]) {
          const responseCode = purchases.get(requestId)?.said ?? CANCELLED;
          const cancel = { raasTxnRef: requestId, responseCode };
          const named = reference === null ? cancel : { ...cancel, reserveFundsTxnRef: reference };
          const answer = await client.send("transactResult", { body: JSON.stringify(named) });
          noteEnd(requestId, answer);
          if (!isTaken(answer) && answer.status !== 404) continue;
          const reservation = open.get(key);
          const ended = responseCode === DISPENSED ? debited : released;
          if (isTaken(answer) && reservation !== undefined) ended.push(reservation);
          open.delete(key);
        }
      }
      return [...open.values()];
    },
  };
  return kit;
}

/** The bank breaks the rule unless this holds. */
export function must(holds: boolean, otherwise: string): void {
  if (!holds) throw new Broken(otherwise);
}

/** The answer must be this outcome, with the guide's code and text and the echo. */
export function mustAnswer(answer: Answer, outcome: Outcome, requestId: unknown): void {
  const { code, message } = OUTCOMES[outcome];
  const expected = `HTTP 200 with responseCode "${code}"`;
  must(
    answer.status === 200 && codeOf(answer) === code,
    `expected ${expected}, got ${said(answer)}`,
  );
  must(
    answer.json?.["responseMessage"] === message,
    `the responseMessage of ${code} is not "${message}"`,
  );
  must(answer.json?.["raasTxnRef"] === requestId, "the answer does not echo the raasTxnRef");
}

/** The answer must be refused with this status and, for 400 and 401, responseCode 2090. */
export function mustRefuse(answer: Answer, status: number, what: string): void {
  must(answer.status === status, `${what}: expected HTTP ${status}, got ${said(answer)}`);
}
