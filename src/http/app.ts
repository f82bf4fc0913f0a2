// The two interfaces and the health checks as an Elysia app: from a request to its answer.
import { Elysia } from "elysia";
import type { Clock } from "../clock.ts";
import { type Counters, createCounters, type Route } from "../counters.ts";
import { type Engine, NoAnswer } from "../engine/engine.ts";
import type { ReceiptDraft } from "../storage/store.ts";
import { type Answer, answers, respond } from "./answers.ts";
import { type Authentication, checkSignature, doorKeeper } from "./authenticate.ts";
import { isDeclaredTooLarge, parseBody, readBody } from "./body.ts";
import { OPENAPI_PATH } from "./openapi.ts";
import { peerFinder, plainAddress } from "./peer.ts";
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
  /** Proxies whose word for a request's address is taken; none by default. */
  readonly trustedProxies?: readonly string[];
  /** The OpenAPI document, as text; null where it is not shown. */
  readonly openApi?: string | null;
  /** Counts what is turned away; who gives it has its last counts written at the end. */
  readonly refusals?: Refusals;
  readonly counters?: Counters;
};

type Incoming = { readonly request: Request; readonly peer: string; readonly path: string };

/** Decides one parsed body; what it writes carries the receipt. */
type Decide = (body: Body, receipt: ReceiptDraft) => Promise<Answer>;

type Parts = AppOptions & {
  readonly refusals: Refusals;
  readonly counters: Counters;
  readonly myTurn: ReturnType<typeof turnTaker>;
};

/** Answers the latency is measured of: what is turned away at the door is not worth a figure. */
const DECIDED: ReadonlySet<number> = new Set([200, 202, 404, 503]);

/** One of the two interfaces, counted. */
function counted(parts: Parts, route: "reserveFunds" | "transactResult", decide: Decide) {
  const { clock, counters } = parts;
  const answerOne = endpoint(parts, decide);
  return async (incoming: Incoming): Promise<Response> => {
    const startedAtMs = clock.monotonicMs();
    let status = NOT_ANSWERED;
    let code = "";
    counters.began();
    try {
      const answer = await answerOne(incoming, startedAtMs);
      ({ status, code = "" } = answer);
      return respond(answer);
    } catch (error) {
      if (!(error instanceof NoAnswer)) status = 500;
      throw error;
    } finally {
      counters.ended();
      counters.answered(route, status, code);
      if (DECIDED.has(status)) counters.took(route, startedAtMs);
    }
  };
}

/** Serves one of the two paths: the door, the bytes, the signature, the JSON, the decision. */
function endpoint(parts: Parts, decide: Decide) {
  const { clock, receiptKey, authentication, refusals, myTurn } = parts;
  const turnedAway = doorKeeper(authentication);

  return async ({ request, peer, path }: Incoming, startedAtMs: number): Promise<Answer> => {
    const receivedAt = clock.now();
    const turn = (reason: string, answer: Answer) => {
      refusals.count({ peer, method: request.method, path, status: answer.status, reason });
      return answer;
    };
    const unauthenticated = (reason: string) =>
      turn(reason, answers.unauthenticated(authentication.basic !== null));

    await myTurn();
    if (isDeclaredTooLarge(request)) return turn("body too large", answers.tooLarge());
    const reason = turnedAway(peer, request.headers.get("authorization"));
    if (reason !== null) return unauthenticated(reason);
    const bytes = await readBody(request);
    if (bytes === null) return turn("body too large", answers.tooLarge());
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
  const counters = options.counters ?? createCounters(clock);
  const refusals = options.refusals ?? refusalCounter(clock, engine.refused, counters.refused);
  const parts = { ...options, refusals, counters, myTurn: turnTaker(clock) };
  const reserveFunds = counted(parts, "reserveFunds", decideReserveFunds(parts));
  const transactResult = counted(parts, "transactResult", decideTransactResult(parts));

  const findPeer = peerFinder(options.trustedProxies ?? []);
  const peerOf = (
    server: { requestIP(request: Request): { address: string } | null } | null,
    request: Request,
  ) => findPeer(plainAddress(server?.requestIP(request)?.address ?? ""), request.headers);
  // A Host header that is no host makes the URL unreadable, and is no reason to fail.
  const pathOf = ({ url }: Request) => URL.parse(url)?.pathname ?? url.replace(/\?.*$/s, "");
  function answerAs(route: Route, answer: Answer): Response {
    counters.answered(route, answer.status, answer.code ?? "");
    return respond(answer);
  }

  /** What is turned away without being looked at. */
  function turned(
    server: Parameters<typeof peerOf>[0],
    request: Request,
    { route, reason, answer }: { route: Route; reason: string; answer: Answer },
  ): Response {
    const { method } = request;
    const { status } = answer;
    const peer = peerOf(server, request);
    refusals.count({ peer, method, path: pathOf(request), status, reason });
    return answerAs(route, answer);
  }

  const wrongMethod = (route: Route, server: Parameters<typeof peerOf>[0], request: Request) =>
    turned(server, request, {
      route,
      reason: "wrong method",
      answer: answers.wrongMethod("POST"),
    });

  function health(): Response {
    const why = engine.notReady();
    return answerAs("health", answers.health(why === null ? 200 : 503, why ?? "ready"));
  }

  function description({
    server,
    request,
  }: {
    request: Request;
    server: Parameters<typeof peerOf>[0];
  }) {
    if (options.openApi != null) return answerAs("other", answers.document(options.openApi));
    const answer = answers.unknownPath();
    return turned(server, request, { route: "other", reason: "unknown path", answer });
  }

  // Elysia looks for the path's "/" from the URL's character 7, or from 11 where host names are
  // "standard". A host name may be short ("http://tb/..."); but in "https://" 7 is too early.
  return new Elysia({ precompile: true, handler: { standardHostname: options.https } })
    .onError(({ code, error, request, server }) => {
      if (error instanceof NoAnswer) return noAnswer();
      if (code !== "NOT_FOUND") return respond(answers.internalError());
      const answer = answers.unknownPath();
      return turned(server, request, { route: "other", reason: "unknown path", answer });
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
    .get("/health/live", () => answerAs("health", answers.health(200, "live")))
    .get("/health/ready", health)
    .get(OPENAPI_PATH, description)
    .all(paths.reserveFunds, ({ request, server }) => wrongMethod("reserveFunds", server, request))
    .all(paths.transactResult, ({ request, server }) =>
      wrongMethod("transactResult", server, request),
    );
}

export type App = ReturnType<typeof createApp>;
