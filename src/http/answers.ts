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
export function refusalBody(message: string): string {
  return JSON.stringify({ responseCode: OUTCOMES.unknownError.code, responseMessage: message });
}

export const UNMATCHED_BODY = JSON.stringify({ responseMessage: "No matching reservation" });

export const answers = {
  reserve: (outcome: Outcome, requestId: string, reference: string | null) =>
    new Response(reserveBody(outcome, requestId, reference), { headers: JSON_TYPE }),

  accepted: () => new Response(null, { status: 202 }),

  unmatched: () => new Response(UNMATCHED_BODY, { status: 404, headers: JSON_TYPE }),

  /** A result that is not known to be durable: it may still take effect, and is resent. */
  late: () => new Response(null, { status: 503, headers: { "retry-after": "5" } }),

  malformed: (message: string) =>
    new Response(refusalBody(message), { status: 400, headers: JSON_TYPE }),

  unauthenticated: (basic: boolean) =>
    new Response(refusalBody("Not authenticated"), {
      status: 401,
      headers: basic ? { ...JSON_TYPE, "www-authenticate": 'Basic realm="bank"' } : JSON_TYPE,
    }),

  tooLarge: () =>
    new Response("The body is over 64 KiB\n", {
      status: 413,
      // The rest of the body is not read, so the connection cannot be used again.
      headers: { ...TEXT_TYPE, connection: "close" },
    }),

  wrongMethod: (allowed: string) =>
    new Response("Method not allowed\n", {
      status: 405,
      headers: { ...TEXT_TYPE, allow: allowed },
    }),

  unknownPath: () => new Response("No such path\n", { status: 404, headers: TEXT_TYPE }),

  internalError: () => new Response("Internal error\n", { status: 500, headers: TEXT_TYPE }),

  health: (status: 200 | 503, state: string) =>
    new Response(JSON.stringify({ status: state }), { status, headers: JSON_TYPE }),
};
