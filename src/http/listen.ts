// Puts the app on a socket, and takes it off again without dropping what was accepted.
//
// Bun bounds neither connections nor, once the process has no file left for one, its attempts to
// accept it: a flood would take the memory of 64 KiB a body, then a core. So at too many the
// server hands over to a new one on the same port. The old one answers what it has, closes who
// asks for nothing, and after a moment all others: requests that never come to their end.
//
// A certificate is renewed by a new server too, for Bun gives a running one no other. Then nobody
// is in the way, so the old one stays as long as anybody may be connected to it: it takes no new
// connection (steer.ts), and closes each of its own with that one's next answer.
import { closeSync, openSync, readFileSync } from "node:fs";
import { devNull } from "node:os";
import type { App } from "./app.ts";
import { steerTo } from "./steer.ts";

/** PEM; with a client CA only clients with a certificate of it are let in. */
export type Tls = {
  readonly certificate: Buffer;
  readonly key: Buffer;
  readonly clientCa: Buffer | null;
};

export type ListenOptions = {
  readonly host: string;
  readonly port: number;
  readonly tls: Tls | null;
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
/** After a renewal whoever is still connected to the old server was silent for its idle timeout. */
const RETIRED_MS = (IDLE_TIMEOUT_S + 5) * 1_000;
/** Renewals whose old servers are all still there: each holds a socket. */
const MOST_RETIRING = 8;

export type Listener = {
  readonly url: string;
  /**
   * Serves new connections with another certificate; no request is dropped. Throws, and changes
   * nothing, where it cannot be used, or where it was renewed too often in the last moments.
   */
  renew(tls: Tls): void;
  /** Stops listening, waits for the answers in flight, closes all connections. */
  close(): Promise<void>;
};

function tlsOptions(tls: Tls | null) {
  if (tls === null) return {};
  const own = { cert: tls.certificate, key: tls.key };
  if (tls.clientCa === null) return { tls: own };
  return { tls: { ...own, ca: tls.clientCa, requestCert: true, rejectUnauthorized: true } };
}

/** How many files this process may have open, as far as the system says. */
export function mostFiles(): number {
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
  let { tls } = options;
  /** All that listen, in the order in which Linux knows them. */
  const listening: Server[] = [];

  function start(port: number, isShared: boolean) {
    const started = Bun.serve({
      hostname: options.host,
      port,
      reusePort: isShared,
      idleTimeout: IDLE_TIMEOUT_S,
      // The app counts the bytes itself, so that every refusal leaves its receipt.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      development: false,
      ...tlsOptions(tls),
      fetch: app.fetch,
    });
    app.server = started;
    return started;
  }
  type Server = ReturnType<typeof start>;

  /** Where there is TLS two servers of this process share the port for a while. */
  function startOn(port: number): Server {
    const started = start(port, tls !== null);
    listening.push(started);
    if (tls !== null) steerTo(listening.indexOf(started));
    return started;
  }

  /** Linux puts the last in the place of the one that leaves. */
  function stopListening(leaver: Server): void {
    void leaver.stop();
    const place = listening.indexOf(leaver);
    const last = listening.pop();
    if (last !== undefined && last !== leaver) listening[place] = last;
    if (tls !== null && server !== null) steerTo(listening.indexOf(server));
  }

  /** Two programs must never share a port silently: one that shares first finds that nobody has it. */
  function startFirst(): Server {
    if (tls === null) return startOn(options.port);
    const alone = start(options.port, false);
    void alone.stop(true);
    return startOn(Number(alone.port));
  }

  const first = startFirst();
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
      server = startOn(port);
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
      stopListening(leaving);
      // Where no file is left nobody could be accepted, and the kernel refuses who comes.
      if (open < Infinity) startAgain();
    }
    if (leaving === null && server === null) startAgain();
  }

  const retiring = new Set<Server>();

  /** Closes each connection with its next answer; one without a request has its idle timeout. */
  function retire(old: Server): void {
    retiring.add(old);
    old.reload({
      async fetch(request: Request) {
        const answer = await app.fetch(request);
        answer.headers.set("connection", "close");
        return answer;
      },
    });
    setTimeout(async () => {
      stopListening(old);
      await Bun.sleep(HANDOVER_MS);
      await old.stop(true);
      retiring.delete(old);
    }, RETIRED_MS).unref();
  }

  function renew(renewed: Tls): void {
    if (server === null || retiring.size >= MOST_RETIRING) {
      throw new Error("it was renewed too often, or is very busy: try again in 20 seconds");
    }
    const before = { server, tls };
    tls = renewed;
    try {
      server = startOn(port);
    } catch (error) {
      tls = before.tls;
      throw error;
    }
    retire(before.server);
  }

  const timer = setInterval(makeRoom, COUNT_MS);
  const scheme = tls === null ? "http" : "https";
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;
  return {
    url: `${scheme}://${host}:${port}`,
    renew,
    async close() {
      clearInterval(timer);
      const all = [server, leaving, ...retiring].filter((one) => one !== null);
      await Promise.race([Promise.all(all.map((one) => one.stop())), Bun.sleep(LAST_ANSWERS_MS)]);
      await Promise.all(all.map((one) => one.stop(true)));
    },
  };
}

/** True for an address that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}
