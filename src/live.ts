// What a running server tells of itself: over a UNIX socket in its data dir, so that no port is
// opened for it and only the owner of the data dir can ask.
import { chmodSync, lstatSync, readdirSync, statSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { version } from "../package.json";
import type { AnswerCount, Counters, Histogram, Latency, RefusalCount } from "./counters.ts";
import { isoTime } from "./domain/local-time.ts";
import type { Engine } from "./engine/engine.ts";
import { messageOf } from "./errors.ts";
import { WAL_FILE } from "./storage/sqlite/open.ts";

export const LIVE_SOCKET = "serve.sock";

/** The longest name that a UNIX socket can have on Linux; elsewhere it is a few less. */
const LONGEST_NAME = 103;
/** A server that does not answer within this is stuck. */
const ANSWER_WITHIN_MS = 2_000;

/** Times are ISO 8601 in UTC. Fields are added, never renamed. */
export type Live = {
  readonly version: string;
  readonly pid: number;
  readonly url: string;
  readonly startedAt: string;
  readonly uptimeS: number;
  readonly ready: boolean;
  /** Why it is not ready. */
  readonly notReady: string | null;
  /** What holds for as long as it runs. */
  readonly warnings: readonly string[];
  readonly answers: readonly AnswerCount[];
  readonly refusals: readonly RefusalCount[];
  /** Of the decided requests: since the start, and in the last one to two minutes. */
  readonly latency: Readonly<Record<"reserveFunds" | "transactResult", LatencyPair>>;
  /** How long commits waited for the disk. */
  readonly flush: LatencyPair;
  readonly inFlight: number;
  readonly queue: {
    readonly waiting: number;
    readonly queued: number;
    readonly outstanding: number;
  };
  readonly batches: { readonly batches: number; readonly operations: number };
  /** Files and connections that are open; null where the system does not say. */
  readonly openFiles: number | null;
  readonly walBytes: number;
  /** Null where it does not serve HTTPS itself. */
  readonly tls: { readonly expiresAt: string } | null;
  readonly logLevel: string;
  /** Where the metrics are; null where they are off. */
  readonly metricsUrl: string | null;
};

export type LatencyPair = { readonly sinceStart: Latency; readonly lately: Latency };

/** How many files this process has open, or null. */
export function openFiles(): number | null {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return null;
  }
}

const both = (of: Histogram): LatencyPair => ({
  sinceStart: of.sinceStart(),
  lately: of.lately(),
});

/** What a running server says of itself, at each moment that it is asked. */
export function liveOf(server: {
  readonly dataDir: string;
  readonly url: string;
  readonly engine: Engine;
  readonly counters: Counters;
  readonly warnings: () => readonly string[];
  readonly tlsExpiresAt: () => number | null;
  readonly logLevel: string;
  readonly metricsUrl: () => string | null;
}): () => Live {
  const { dataDir, url, engine, counters, warnings, tlsExpiresAt, logLevel } = server;
  const startedAt = isoTime(Date.now());
  const startedAtMs = performance.now();
  const walFile = join(dataDir, WAL_FILE);
  return () => {
    const notReady = engine.notReady();
    const expiresAt = tlsExpiresAt();
    return {
      version,
      pid: process.pid,
      url,
      startedAt,
      uptimeS: Math.floor((performance.now() - startedAtMs) / 1000),
      ready: notReady === null,
      notReady,
      warnings: warnings(),
      answers: counters.answers(),
      refusals: counters.refusals(),
      latency: {
        reserveFunds: both(counters.latency.reserveFunds),
        transactResult: both(counters.latency.transactResult),
      },
      flush: both(counters.flushes),
      inFlight: counters.inFlight(),
      queue: engine.load(),
      batches: counters.batches(),
      openFiles: openFiles(),
      walBytes: statSync(walFile, { throwIfNoEntry: false })?.size ?? 0,
      tls: expiresAt === null ? null : { expiresAt: isoTime(expiresAt) },
      logLevel,
      metricsUrl: server.metricsUrl(),
    };
  };
}

/**
 * Answers `readLive` until it is closed. Call it under the server's lock: the socket that a killed
 * server left is replaced. Where there can be no socket, `warning` says so and nothing else changes.
 */
export function serveLive(
  dataDir: string,
  read: () => Live,
): { readonly warning: string | null; close(): void } {
  const socket = join(dataDir, LIVE_SOCKET);
  const none = (why: string) => ({
    warning: `status cannot ask this server: ${why}`,
    close: () => {},
  });
  if (Buffer.byteLength(socket) > LONGEST_NAME) {
    return none(`${socket} is too long a name for a socket (${LONGEST_NAME} bytes at most)`);
  }
  try {
    if (lstatSync(socket, { throwIfNoEntry: false }) !== undefined) unlinkSync(socket);
    const server = Bun.serve({ unix: socket, fetch: () => Response.json(read()) });
    chmodSync(socket, 0o600);
    return { warning: null, close: () => void server.stop(true) };
  } catch (error) {
    return none(`${socket} cannot be made (${messageOf(error)})`);
  }
}

/** Asks the server of a data dir; null where none runs. Throws where one runs and is stuck. */
export async function readLive(dataDir: string): Promise<Live | null> {
  const unix = join(dataDir, LIVE_SOCKET);
  if (Buffer.byteLength(unix) > LONGEST_NAME) return null;
  if (lstatSync(unix, { throwIfNoEntry: false }) === undefined) return null;
  try {
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
    const response = await fetch("http://localhost/", { unix, signal });
    return (await response.json()) as Live;
  } catch (error) {
    if (error instanceof Error && error.name !== "TimeoutError") return null;
    throw new Error(`the server of ${dataDir} does not answer: it is stuck or stopped`);
  }
}
