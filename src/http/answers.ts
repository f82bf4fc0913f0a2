// Every body and status that leaves the server, each once (contract.md 2 and 3).
import { OUTCOMES, type Outcome } from "../domain/outcomes.ts";

const JSON_TYPE = { "content-type": "application/json" };
const TEXT_TYPE = { "content-type": "text/plain;charset=utf-8" };

/** The body of a decided reserve. Field order is the contract's. */
export function reserveBody(outcome: Outcome, requestId: string, reference: string | null): string {
  const { code, message } = OUTCOMES[outcome];
  const answer = { responseCode: code, responseMessage: message, raasTxnRef: requestId };
  const withReference =
    outcome === "success" ? { ...answer, reserveFundsTxnRef: reference } : answer;
  return JSON.stringify(withReference);
}

/** The body of a 400 or 401: no outcome, so no reference is echoed. */
function refusalBody(message: string): string {
  return JSON.stringify({ responseCode: OUTCOMES.unknownError.code, responseMessage: message });
}

const UNMATCHED_BODY = JSON.stringify({ responseMessage: "No matching reservation" });

/** An answer before it is one of the runtime's: what is counted, and what goes out. */
export type Answer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  /** The responseCode in the body, where there is one. */
  readonly code?: string;
  /** Why it was turned away, for the log; no part of it is a caller's. */
  readonly why?: string;
};

/** The request's name goes with every answer, whatever that is. */
export const respond = ({ status, headers, body }: Answer, traceId: string): Response =>
  new Response(body, { status, headers: { ...headers, "x-request-id": traceId } });

const text = (status: number, body: string, headers: Answer["headers"] = {}): Answer => ({
  status,
  headers: { ...TEXT_TYPE, ...headers },
  body,
});

const refusal = (status: number, message: string, headers: Answer["headers"] = {}): Answer => ({
  status,
  headers: { ...JSON_TYPE, ...headers },
  body: refusalBody(message),
  code: OUTCOMES.unknownError.code,
});

export const answers = {
  reserve: (outcome: Outcome, requestId: string, reference: string | null): Answer => ({
    status: 200,
    headers: JSON_TYPE,
    body: reserveBody(outcome, requestId, reference),
    code: OUTCOMES[outcome].code,
  }),

  accepted: (): Answer => ({ status: 202, headers: {}, body: null }),

  unmatched: (): Answer => ({ status: 404, headers: JSON_TYPE, body: UNMATCHED_BODY }),

  /** A result that is not known to be durable: it may still take effect, and is resent. */
  late: (): Answer => ({ status: 503, headers: { "retry-after": "5" }, body: null }),

  malformed: (message: string) => refusal(400, message),

  unauthenticated: (basic: boolean) =>
    refusal(
      401,
      "Not authenticated",
      basic ? { "www-authenticate": 'Basic realm="bank"' } : undefined,
    ),

  // The rest of the body is not read, so the connection cannot be used again.
  tooLarge: () => text(413, "The body is over 64 KiB\n", { connection: "close" }),

  wrongMethod: (allowed: string) => text(405, "Method not allowed\n", { allow: allowed }),

  unknownPath: () => text(404, "No such path\n"),

  internalError: () => text(500, "Internal error\n"),

  document: (body: string): Answer => ({ status: 200, headers: JSON_TYPE, body }),

  /** `warning`: what those should know who ask, though all is served. */
  health: (status: 200 | 503, state: string, warning: string | null = null): Answer => ({
    status,
    headers: JSON_TYPE,
    body: JSON.stringify({ status: state, ...(warning !== null && { warning }) }),
  }),
};
