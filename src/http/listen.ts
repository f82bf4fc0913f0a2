// Puts the app on a socket, and takes it off again without dropping what was accepted.
//
// Bun bounds neither connections nor, once the process has no file left for one, its attempts to
// accept it: a flood would take the memory of 64 KiB a body, then a core. So at too many the
// server hands over to a new one on the same port. The old one answers what it has, closes who
// asks for nothing, and after a moment all others: requests that never come to their end.
import { closeSync, openSync, readFileSync } from "node:fs";
import { devNull } from "node:os";
import type { App } from "./app.ts";

export type ListenOptions = {
  readonly host: string;
  readonly port: number;
  /** PEM; with a client CA only clients with a certificate of it are let in. */
  readonly tls: {
    readonly certificate: Buffer;
    readonly key: Buffer;
    readonly clientCa: Buffer | null;
  } | null;
  /** Hears of it, once, where nobody listens any more; it is tried again all the time. */
  readonly onTrouble?: (what: string, error: unknown) => void;
};

/** Seconds without a byte before a connection is closed; a result may take four to answer. */
const IDLE_TIMEOUT_S = 10;
/** What is accepted is answered within this after the stop; the rest is cut off. */
const LAST_ANSWERS_MS = 4_300;

/** Open connections and other files at which those without a request make room for others. */
const MOST_OPEN = 5_000;
/** How often they are counted. */
const COUNT_MS = 100;
/** Then what is in flight gets its answer; a reserve has it within its budget. */
const HANDOVER_MS = 2_000;

export type Listener = {
  readonly url: string;
  /** Stops listening, waits for the answers in flight, closes all connections. */
  close(): Promise<void>;
};

function tlsOptions({ tls }: ListenOptions) {
  if (tls === null) return {};
  const own = { cert: tls.certificate, key: tls.key };
  if (tls.clientCa === null) return { tls: own };
  return { tls: { ...own, ca: tls.clientCa, requestCert: true, rejectUnauthorized: true } };
}

/** How many files this process may have open, as far as the system says. */
function mostFiles(): number {
  try {
    const limits = readFileSync("/proc/self/limits", "utf8");
    return Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? Infinity);
  } catch {
    return Infinity;
  }
}

/** At least so many files are open, for a new one gets the lowest free number; Infinity: all. */
function openFiles(): number {
  try {
    const file = openSync(devNull, "r");
    closeSync(file);
    return file;
  } catch {
    return Infinity;
  }
}

/** Starts to listen; throws where the address is taken or a TLS file is no PEM. */
export function listen(app: App, options: ListenOptions): Listener {
  app.compile();
  const start = (port: number) => {
    const server = Bun.serve({
      hostname: options.host,
      port,
      // Two servers must never share a port silently.
      reusePort: false,
      idleTimeout: IDLE_TIMEOUT_S,
      // The app counts the bytes itself, so that every refusal leaves its receipt.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      development: false,
      ...tlsOptions(options),
      fetch: app.fetch,
    });
    app.server = server;
    return server;
  };
  type Server = ReturnType<typeof start>;
  const first = start(options.port);
  const port = Number(first.port);
  // Half of the files at most, for the database needs some and a flood is faster than the count.
  const most = Math.min(MOST_OPEN, mostFiles() / 2);
  let server: Server | null = first;
  let leaving: Server | null = null;
  let cutAtMs = 0;
  let isTold = false;

  /** Without a server there was no file for one, or another process was faster: it tries again. */
  function startAgain(): void {
    try {
      server = start(port);
      isTold = false;
    } catch (error) {
      if (!isTold) options.onTrouble?.("handover of the port", error);
      isTold = true;
    }
  }

  function makeRoom(): void {
    const open = openFiles();
    if (leaving !== null && (open === Infinity || performance.now() >= cutAtMs)) {
      void leaving.stop(true);
      leaving = null;
    } else if (leaving === null && server !== null && open >= most) {
      leaving = server;
      server = null;
      cutAtMs = performance.now() + HANDOVER_MS;
      void leaving.stop();
      // Where no file is left nobody could be accepted, and the kernel refuses who comes.
      if (open < Infinity) startAgain();
    }
    if (leaving === null && server === null) startAgain();
  }

  const timer = setInterval(makeRoom, COUNT_MS);
  const scheme = options.tls === null ? "http" : "https";
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;
  return {
    url: `${scheme}://${host}:${port}`,
    async close() {
      clearInterval(timer);
      const both = [server, leaving].filter((one) => one !== null);
      await Promise.race([Promise.all(both.map((one) => one.stop())), Bun.sleep(LAST_ANSWERS_MS)]);
      await Promise.all(both.map((one) => one.stop(true)));
    },
  };
}

/** True for an address that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}
