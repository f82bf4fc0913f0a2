// Clickatell's side of the wire: one request, its answer, and how long that took. Connections are
// kept and used again; nothing is followed or repeated by itself.
import { signatureOf } from "../http/authenticate.ts";

export type Call = "reserveFunds" | "transactResult";

/**
 * How long is waited for an answer. A reserve without one by then is cancelled by Clickatell (the
 * guide, 1.3); of a result nothing is said.
 */
const GIVES_UP_MS: Readonly<Record<Call, number>> = { reserveFunds: 5_000, transactResult: 8_000 };

export type Target = {
  /** Scheme, host, port; a path of it stands before the paths of the calls. */
  readonly url: string;
  readonly paths: Readonly<Record<Call, string>>;
  /** SECRET. What bodies are signed with, or null. */
  readonly secret: string | null;
  /** SECRET. Basic credentials, or null. */
  readonly basic: { readonly user: string; readonly password: string } | null;
  readonly tls: {
    /** PEM of who may have signed the bank's certificate, beside the well-known ones. */
    readonly ca: string | null;
    /** PEM of our own certificate and its key. */
    readonly client: { readonly certificate: string; readonly key: string } | null;
    readonly insecure: boolean;
  };
};

/** How credentials are given: as they should be, as they must not be, or not at all. */
export type Given = "right" | "wrong" | "none";

export type Sending = {
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly method?: string;
  /** Behind the URL, where it is neither of the two calls. */
  readonly path?: string;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signature?: Given | { readonly header: string };
  readonly basic?: Given;
  readonly certificate?: "right" | "none";
};

export type Answer = {
  /** 0 where there was none: `error` says why. */
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
  /** The body as JSON, or null where it is none. */
  readonly json: Readonly<Record<string, unknown>> | null;
  readonly ms: number;
  readonly error: string | null;
};

export type Client = {
  readonly target: Target;
  send(call: Call, sending: Sending): Promise<Answer>;
};

/** A text as a JSON object, or null where it is none. */
export function objectIn(body: string): Answer["json"] {
  try {
    const value: unknown = JSON.parse(body);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** Why there was no answer, in a few words that name no secret. */
function reason(error: unknown, call: Call): string {
  if (!(error instanceof Error)) return "no answer";
  if (error.name === "TimeoutError") return `no answer within ${GIVES_UP_MS[call] / 1_000} s`;
  return "code" in error && typeof error.code === "string" ? error.code : error.message;
}

function basicHeader({ basic }: Target, given: Given): Record<string, string> {
  if (basic === null || given === "none") return {};
  const password = given === "wrong" ? `${basic.password}-not` : basic.password;
  const encoded = Buffer.from(`${basic.user}:${password}`).toString("base64");
  return { authorization: `Basic ${encoded}` };
}

function signatureHeader(
  { secret }: Target,
  body: string | Uint8Array,
  given: NonNullable<Sending["signature"]>,
): Record<string, string> {
  if (typeof given === "object") return { Signature: given.header };
  if (secret === null || given === "none") return {};
  const key = given === "wrong" ? `${secret}-not` : secret;
  return { Signature: signatureOf(key, typeof body === "string" ? Buffer.from(body) : body) };
}

function tlsOf({ tls }: Target, certificate: "right" | "none") {
  const own = certificate === "right" ? tls.client : null;
  return {
    rejectUnauthorized: !tls.insecure,
    ...(tls.ca !== null && { ca: tls.ca }),
    ...(own !== null && { cert: own.certificate, key: own.key }),
  };
}

export function createClient(target: Target): Client {
  const base = target.url.replace(/\/+$/, "");
  return {
    target,
    async send(call, sending) {
      const { body = "", method = "POST", signature = "right", basic = "right" } = sending;
      const startedMs = performance.now();
      const ended = (
        answer: Pick<Answer, "status" | "headers" | "body">,
        error: string | null,
      ): Answer => ({
        ...answer,
        json: objectIn(answer.body),
        ms: performance.now() - startedMs,
        error,
      });
      try {
        const url = `${base}${sending.path ?? target.paths[call]}${sending.query ?? ""}`;
        const response = await fetch(url, {
          method,
          ...(method !== "GET" && { body }),
          headers: {
            "content-type": "application/json",
            ...basicHeader(target, basic),
            ...signatureHeader(target, body, signature),
            ...sending.headers,
          },
          redirect: "manual",
          signal: AbortSignal.timeout(GIVES_UP_MS[call]),
          tls: tlsOf(target, sending.certificate ?? "right"),
        });
        const text = await response.text();
        return ended({ status: response.status, headers: response.headers, body: text }, null);
      } catch (error) {
        return ended({ status: 0, headers: new Headers(), body: "" }, reason(error, call));
      }
    },
  };
}
