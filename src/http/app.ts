// The two interfaces and the health checks as an Elysia app: from a request to its answer.
import { Elysia } from "elysia";
import type { Clock } from "../clock.ts";
import { type Engine, NoAnswer } from "../engine/engine.ts";
import type { ReceiptDraft } from "../storage/store.ts";
import { answers } from "./answers.ts";
import { type Authentication, checkSignature, doorKeeper, plainAddress } from "./authenticate.ts";
import { isDeclaredTooLarge, parseBody, readBody } from "./body.ts";
import {
  bodyDigest,
  isNestedTooDeeply,
  maskedBody,
  type Refusals,
  refusalCounter,
} from "./receipts.ts";
import { type Body, decodeReserve, decodeResult } from "./schema.ts";
import { turnTaker } from "./turns.ts";

export type AppOptions = {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly currency: string;
  readonly receiptKey: Uint8Array;
  readonly authentication: Authentication;
  readonly paths: { readonly reserveFunds: string; readonly transactResult: string };
  readonly https: boolean;
  /** Counts what is turned away; who gives it has its last counts written at the end. */
  readonly refusals?: Refusals;
};

type Incoming = { readonly request: Request; readonly peer: string; readonly path: string };

/** Decides one parsed body; what it writes carries the receipt. */
type Decide = (body: Body, receipt: ReceiptDraft) => Promise<Response>;

type Parts = AppOptions & {
  readonly refusals: Refusals;
  readonly myTurn: ReturnType<typeof turnTaker>;
};

/** Serves one of the two paths: the door, the bytes, the signature, the JSON, the decision. */
function endpoint(parts: Parts, decide: Decide) {
  const { clock, receiptKey, authentication, refusals, myTurn } = parts;
  const turnedAway = doorKeeper(authentication);

  return async ({ request, peer, path }: Incoming): Promise<Response> => {
    const startedAtMs = clock.monotonicMs();
    const receivedAt = clock.now();
    const turn = (status: number, reason: string, answer: Response) => {
      refusals.count({ peer, method: request.method, path, status, reason });
      return answer;
    };
    const unauthenticated = (reason: string) =>
      turn(401, reason, answers.unauthenticated(authentication.basic !== null));

    await myTurn();
    if (isDeclaredTooLarge(request)) return turn(413, "body too large", answers.tooLarge());
    const reason = turnedAway(peer, request.headers.get("authorization"));
    if (reason !== null) return unauthenticated(reason);
    const bytes = await readBody(request);
    if (bytes === null) return turn(413, "body too large", answers.tooLarge());
    const { signatureSecrets } = authentication;
    const signature = checkSignature(request.headers.get("signature"), bytes, signatureSecrets);
    if (signature === "missing" || signature === "wrong") {
      return unauthenticated(`signature ${signature}`);
    }
    const body = parseBody(bytes);
    const isKept = body !== null && !isNestedTooDeeply(bytes);
    const receipt: ReceiptDraft = {
      receivedAt,
      startedAtMs,
      peer,
      path,
      body: isKept ? maskedBody(body) : null,
      bodyLength: bytes.byteLength,
      bodyDigest: isKept ? null : bodyDigest(receiptKey, bytes),
      signature,
      notes: [],
    };
    if (body !== null) return decide(body, receipt);
    return malformed(parts, receipt, "the body must be a JSON object in UTF-8");
  };
}

/** Stands for the status in a receipt where the connection was closed without an answer. */
const NOT_ANSWERED = 0;

/** Counts a request for whose receipt there is no room. */
function countOverload({ refusals }: Parts, { peer, path }: ReceiptDraft, status: number): void {
  refusals.count({ peer, method: "POST", path, status, reason: "overload" });
}

async function malformed(parts: Parts, receipt: ReceiptDraft, message: string) {
  if (!(await parts.engine.malformed(receipt, message))) countOverload(parts, receipt, 400);
  return answers.malformed(message);
}

function decideReserveFunds(parts: Parts): Decide {
  return async (body, receipt) => {
    const decoded = decodeReserve(body, parts.currency);
    if (!decoded.ok) return malformed(parts, receipt, decoded.message);
    const { request, authCode, notes } = decoded.value;
    const decided = parts.engine.reserve(request, authCode, { ...receipt, notes });
    const answer = await decided.catch((error: unknown) => {
      if (error instanceof NoAnswer) countOverload(parts, receipt, NOT_ANSWERED);
      throw error;
    });
    return answers.reserve(answer.outcome, request.requestId, answer.reference);
  };
}

function decideTransactResult(parts: Parts): Decide {
  return async (body, receipt) => {
    const decoded = decodeResult(body);
    if (!decoded.ok) return malformed(parts, receipt, decoded.message);
    const answer = await parts.engine.result(decoded.value, receipt);
    if (answer !== "overloaded") return answers[answer]();
    countOverload(parts, receipt, 503);
    return answers.late();
  };
}

/** Never resolves: where nothing may be said, the socket's idle timeout closes the connection. */
const noAnswer = () => new Promise<Response>(() => {});

/** Makes the app; `listen.ts` puts it on a socket, tests call `handle`. */
export function createApp(options: AppOptions) {
  const { engine, clock, paths } = options;
  const refusals = options.refusals ?? refusalCounter(clock, engine.refused);
  const parts = { ...options, refusals, myTurn: turnTaker(clock) };
  const reserveFunds = endpoint(parts, decideReserveFunds(parts));
  const transactResult = endpoint(parts, decideTransactResult(parts));

  const peerOf = (
    server: { requestIP(request: Request): { address: string } | null } | null,
    request: Request,
  ) => plainAddress(server?.requestIP(request)?.address ?? "");
  // A Host header that is no host makes the URL unreadable, and is no reason to fail.
  const pathOf = ({ url }: Request) => URL.parse(url)?.pathname ?? url.replace(/\?.*$/s, "");
  const turned = (peer: string, request: Request, status: number, reason: string) =>
    refusals.count({ peer, method: request.method, path: pathOf(request), status, reason });

  // Elysia looks for the path's "/" from the URL's character 7, or from 11 where host names are
  // "standard". A host name may be short ("http://tb/..."); but in "https://" 7 is too early.
  return new Elysia({ precompile: true, handler: { standardHostname: options.https } })
    .onError(({ code, error, request, server }) => {
      if (error instanceof NoAnswer) return noAnswer();
      if (code !== "NOT_FOUND") return answers.internalError();
      turned(peerOf(server, request), request, 404, "unknown path");
      return answers.unknownPath();
    })
    .post(
      paths.reserveFunds,
      ({ request, server }) =>
        reserveFunds({ request, peer: peerOf(server, request), path: paths.reserveFunds }),
      { parse: "none" },
    )
    .post(
      paths.transactResult,
      ({ request, server }) =>
        transactResult({ request, peer: peerOf(server, request), path: paths.transactResult }),
      { parse: "none" },
    )
    .get("/health/live", () => answers.health(200, "live"))
    .get("/health/ready", () => {
      const why = engine.notReady();
      return why === null ? answers.health(200, "ready") : answers.health(503, why);
    })
    .all(paths.reserveFunds, ({ request, server }) => wrongMethod(server, request))
    .all(paths.transactResult, ({ request, server }) => wrongMethod(server, request));

  function wrongMethod(server: Parameters<typeof peerOf>[0], request: Request): Response {
    turned(peerOf(server, request), request, 405, "wrong method");
    return answers.wrongMethod("POST");
  }
}

export type App = ReturnType<typeof createApp>;
