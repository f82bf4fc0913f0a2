// The two interfaces and the health checks as an Elysia app: from a request to its answer.
import { Elysia } from "elysia";
import type { Clock } from "../clock.ts";
import { type Counters, createCounters, type Route } from "../counters.ts";
import { type Trace, traceIdOf } from "../domain/trace-id.ts";
import { type Engine, NoAnswer } from "../engine/engine.ts";
import { type Log, type LogLevel, NO_LOG } from "../log.ts";
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
  readonly log?: Log;
  /** What those should know who ask whether it is ready: the port's. */
  readonly risk?: () => string | null;
};

type Incoming = { readonly request: Request; readonly peer: string; readonly path: string };

/** When a request came, by both clocks, and what it is called. */
type Arrival = Trace & { readonly startedAtMs: number };

/** Decides one parsed body; what it writes carries the receipt. */
type Decide = (body: Body, receipt: ReceiptDraft) => Promise<Answer>;

type Parts = AppOptions & {
  readonly refusals: Refusals;
  readonly counters: Counters;
  readonly log: Log;
  readonly arrived: () => Arrival;
  readonly myTurn: ReturnType<typeof turnTaker>;
};

/** Stands for the status in a receipt where the connection was closed without an answer. */
const NOT_ANSWERED = 0;

/** Answers the latency is measured of: what is turned away at the door is not worth a figure. */
const DECIDED: ReadonlySet<number> = new Set([200, 202, 404, 503]);

/** How loud an answer is in the log, and what it is called there. */
function eventOf(route: Route, { status, code }: Answer): readonly [LogLevel, string] {
  if (status === 200 || status === 202) return code === "2060" ? ["warn", "timed-out"] : ORDINARY;
  if (status === NOT_ANSWERED) return ["warn", "unanswered"];
  if (status === 503) return ["warn", route === "health" ? "not-ready" : "late"];
  if (status === 500) return ["error", "failed"];
  // The 404 of an unmatched result is an answer; a path that there is not was turned away.
  return status === 404 && route !== "other" ? ORDINARY : ["info", "refused"];
}
const ORDINARY = ["debug", "answered"] as const;

function logAnswer(
  { log, clock }: Pick<Parts, "log" | "clock">,
  { route, peer, arrival }: { route: Route; peer: string; arrival: Arrival },
  answer: Answer,
): void {
  const { status, code = "", why = "" } = answer;
  const [level, event] = eventOf(route, answer);
  if (!log.takes(level)) return;
  const told = status === NOT_ANSWERED ? "closed without an answer" : `answered ${status}`;
  const parts = [`${route} from ${peer} was ${told}`, code, why].filter((part) => part !== "");
  log.line(level, event, parts.join(" "), {
    traceId: traceIdOf(arrival),
    route,
    peer,
    status,
    code,
    why,
    tookMs: Number((clock.monotonicMs() - arrival.startedAtMs).toFixed(3)),
  });
}

/** What stands for the answer where there is none. */
const UNANSWERED: Answer = { status: NOT_ANSWERED, headers: {}, body: null };

/** One of the two interfaces, counted and logged. */
function counted(parts: Parts, route: "reserveFunds" | "transactResult", decide: Decide) {
  const { counters, arrived } = parts;
  const answerOne = endpoint(parts, decide);
  return async (incoming: Incoming): Promise<Response> => {
    const arrival = arrived();
    let answer = UNANSWERED;
    counters.began();
    try {
      answer = await answerOne(incoming, arrival);
    } catch (error) {
      if (error instanceof NoAnswer) throw error;
      answer = answers.internalError();
    } finally {
      counters.ended();
      counters.answered(route, answer.status, answer.code ?? "");
      if (DECIDED.has(answer.status)) counters.took(route, arrival.startedAtMs);
      logAnswer(parts, { route, peer: incoming.peer, arrival }, answer);
    }
    return respond(answer, traceIdOf(arrival));
  };
}

/** Serves one of the two paths: the door, the bytes, the signature, the JSON, the decision. */
function endpoint(parts: Parts, decide: Decide) {
  const { receiptKey, authentication, refusals, myTurn } = parts;
  const turnedAway = doorKeeper(authentication);

  return async ({ request, peer, path }: Incoming, arrival: Arrival): Promise<Answer> => {
    const { receivedAt, startedAtMs, number: trace } = arrival;
    const turn = (reason: string, answer: Answer) => {
      const { method } = request;
      refusals.count({ receivedAt, trace, peer, method, path, status: answer.status, reason });
      return { ...answer, why: reason };
    };
    const unauthenticated = (reason: string) =>
      turn(reason, answers.unauthenticated(authentication.basic !== null));

    await myTurn();
    if (isDeclaredTooLarge(request)) return turn("body too large", answers.tooLarge());
    const reason = turnedAway(peer, request.headers.get("authorization"));
    if (reason !== null) return unauthenticated(reason);
    const bytes = await readBody(request);
    if (bytes === "too large") return turn("body too large", answers.tooLarge());
    // Nobody hears the answer, and it is no fault of ours.
    if (bytes === "incomplete") return turn("body incomplete", answers.malformed("incomplete"));
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
      trace,
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

/** Counts a request for whose receipt there is no room. */
function countOverload({ refusals }: Parts, receipt: ReceiptDraft, status: number): void {
  const { receivedAt, trace, peer, path } = receipt;
  const reason = "overload";
  refusals.count({ receivedAt, trace, peer, method: "POST", path, status, reason });
}

async function malformed(parts: Parts, receipt: ReceiptDraft, message: string) {
  if (!(await parts.engine.malformed(receipt, message))) countOverload(parts, receipt, 400);
  return { ...answers.malformed(message), why: message };
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

/** Of what Elysia hands to a handler; without a socket there is no server. */
type Asking = {
  readonly request: Request;
  readonly server: { requestIP(request: Request): { address: string } | null } | null;
};

/** What is answered beside the two interfaces: who asks what is not there, health, the description. */
function besides(parts: Parts) {
  const { engine, counters, refusals, arrived } = parts;
  const findPeer = peerFinder(parts.trustedProxies ?? []);
  const peerOf = ({ server, request }: Asking) =>
    findPeer(plainAddress(server?.requestIP(request)?.address ?? ""), request.headers);
  // A Host header that is no host makes the URL unreadable, and is no reason to fail.
  const pathOf = ({ url }: Request) => URL.parse(url)?.pathname ?? url.replace(/\?.*$/s, "");

  function answerAs(asked: { route: Route; peer: string; arrival: Arrival }, answer: Answer) {
    counters.answered(asked.route, answer.status, answer.code ?? "");
    logAnswer(parts, asked, answer);
    return respond(answer, traceIdOf(asked.arrival));
  }

  /** What is turned away without being looked at. */
  function turned(asking: Asking, route: Route, answer: Answer & { why: string }): Response {
    const { request } = asking;
    const { method } = request;
    const { status, why: reason } = answer;
    const peer = peerOf(asking);
    const arrival = arrived();
    const { receivedAt, number: trace } = arrival;
    refusals.count({ receivedAt, trace, peer, method, path: pathOf(request), status, reason });
    return answerAs({ route, peer, arrival }, answer);
  }

  const unknownPath = (asking: Asking): Response =>
    turned(asking, "other", { ...answers.unknownPath(), why: "unknown path" });

  return {
    peerOf,
    unknownPath,

    wrongMethod: (asking: Asking, route: Route): Response =>
      turned(asking, route, { ...answers.wrongMethod("POST"), why: "wrong method" }),

    health(asking: Asking, state: "live" | "ready"): Response {
      const why = state === "ready" ? engine.notReady() : null;
      const risk = state === "ready" && why === null ? (parts.risk?.() ?? null) : null;
      const told = answers.health(why === null ? 200 : 503, why ?? state, risk);
      const answer = { ...told, why: why ?? "" };
      return answerAs({ route: "health", peer: peerOf(asking), arrival: arrived() }, answer);
    },

    description(asking: Asking): Response {
      if (parts.openApi == null) return unknownPath(asking);
      const answer = answers.document(parts.openApi);
      return answerAs({ route: "other", peer: peerOf(asking), arrival: arrived() }, answer);
    },
  };
}

/** Makes the app; `listen.ts` puts it on a socket, tests call `handle`. */
export function createApp(options: AppOptions) {
  const { engine, clock, paths } = options;
  const counters = options.counters ?? createCounters(clock);
  const refusals = options.refusals ?? refusalCounter(clock, engine.refused, counters.refused);
  const log = options.log ?? NO_LOG;
  let requests = 0;
  const arrived = (): Arrival => {
    requests += 1;
    return { receivedAt: clock.now(), startedAtMs: clock.monotonicMs(), number: requests };
  };
  const parts = { ...options, refusals, counters, log, arrived, myTurn: turnTaker(clock) };
  const reserveFunds = counted(parts, "reserveFunds", decideReserveFunds(parts));
  const transactResult = counted(parts, "transactResult", decideTransactResult(parts));

  const { peerOf, unknownPath, wrongMethod, health, description } = besides(parts);

  // Elysia looks for the path's "/" from the URL's character 7, or from 11 where host names are
  // "standard". A host name may be short ("http://tb/..."); but in "https://" 7 is too early.
  return new Elysia({ precompile: true, handler: { standardHostname: options.https } })
    .onError(({ code, error, request, server }) => {
      if (error instanceof NoAnswer) return noAnswer();
      if (code === "NOT_FOUND") return unknownPath({ request, server });
      return respond(answers.internalError(), traceIdOf(arrived()));
    })
    .post(
      paths.reserveFunds,
      ({ request, server }) =>
        reserveFunds({ request, peer: peerOf({ request, server }), path: paths.reserveFunds }),
      { parse: "none" },
    )
    .post(
      paths.transactResult,
      ({ request, server }) =>
        transactResult({ request, peer: peerOf({ request, server }), path: paths.transactResult }),
      { parse: "none" },
    )
    .get("/health/live", ({ request, server }) => health({ request, server }, "live"))
    .get("/health/ready", ({ request, server }) => health({ request, server }, "ready"))
    .get(OPENAPI_PATH, ({ request, server }) => description({ request, server }))
    .all(paths.reserveFunds, ({ request, server }) =>
      wrongMethod({ request, server }, "reserveFunds"),
    )
    .all(paths.transactResult, ({ request, server }) =>
      wrongMethod({ request, server }, "transactResult"),
    );
}

export type App = ReturnType<typeof createApp>;
