// Puts the app on a socket, and takes it off again without dropping what was accepted.
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
};

/** Seconds without a byte before a connection is closed; a result may take four to answer. */
const IDLE_TIMEOUT_S = 10;
/** What is accepted is answered within this after the stop; the rest is cut off. */
const LAST_ANSWERS_MS = 4_300;

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

/** Starts to listen; throws where the address is taken or a TLS file is no PEM. */
export function listen(app: App, options: ListenOptions): Listener {
  app.compile();
  const server = Bun.serve({
    hostname: options.host,
    port: options.port,
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
  const scheme = options.tls === null ? "http" : "https";
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;
  return {
    url: `${scheme}://${host}:${server.port}`,
    async close() {
      await Promise.race([server.stop(), Bun.sleep(LAST_ANSWERS_MS)]);
      await server.stop(true);
    },
  };
}

/** True for an address that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}
