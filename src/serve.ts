// Puts a bank on the air: lock, store, engine, app, socket; and takes it off again.
import { version } from "../package.json";
import { openBank } from "./bank.ts";
import { systemClock } from "./clock.ts";
import { type Config, readConfig } from "./config.ts";
import { createCounters } from "./counters.ts";
import { withToldBuyers } from "./demo.ts";
import { createEngine, type Engine } from "./engine/engine.ts";
import { closeToOthers } from "./files.ts";
import { glancesOf } from "./glance.ts";
import { createApp } from "./http/app.ts";
import type { Authentication } from "./http/authenticate.ts";
import { isLoopback, listen } from "./http/listen.ts";
import { openApiDocument } from "./http/openapi.ts";
import { refusalCounter } from "./http/receipts.ts";
import { readReceiptKey, readSecret, secretReader } from "./keys.ts";
import { type Log, NO_LOG } from "./log.ts";
import { observe } from "./observe.ts";
import { CannotOpen } from "./storage/cannot-open.ts";
import { startPostgresThreads } from "./storage/postgres/threads.ts";
import { checkBeforeServing, lockForServing, lockShared } from "./storage/sqlite/open.ts";
import { startThreads } from "./storage/sqlite/threads.ts";
import type { Bank } from "./storage/store.ts";
import { type Certificate, readCertificate, TlsRefused } from "./tls.ts";

export type ServeOptions = {
  readonly dataDir: string;
  readonly host: string | null;
  readonly port: number | null;
  readonly withoutPins: boolean;
  readonly allowUnauthenticated: boolean;
  /** Makes the log that the configuration asks for; without it nothing is logged. */
  readonly logAs?: (config: Config) => Log;
  /** Called once where the flush failed: the process must end without an answer. */
  readonly onFatal: (error: unknown) => void;
  /** Called where one operation failed alone, for the log. */
  readonly onTrouble: (what: string, error: unknown) => void;
};

export type Served = {
  readonly url: string;
  readonly bank: Bank;
  readonly config: Config;
  /** What people should know before they connect Clickatell. */
  readonly warnings: readonly string[];
  /**
   * Reads the TLS files again and serves new connections with them; no request is dropped. Gives
   * until when they are valid, or null where none are configured. Throws TlsRefused, and changes
   * nothing, where they cannot be served.
   */
  renewCertificate(): { readonly expiresAt: number } | null;
  close(): Promise<void>;
};

/** So long a server that ends waits for a database that does not answer. */
const STOP_WITHIN_MS = 5_000;

/** Serving is refused by a rule; the message says what to do. */
export class ServeRefused extends Error {}

/** How often a database elsewhere is asked what its purchases risk. */
const RISK_EVERY_MS = 5_000;

/** What is answered risks, as it was known last. */
function watchRisk(first: string | null, { isSlow, read }: ReturnType<typeof glancesOf>) {
  let risk = first;
  const look = () =>
    void read().then(
      (glance) => {
        risk = glance.risk;
      },
      // One that does not answer decides nothing either, which is said in another way.
      () => {},
    );
  const timer = isSlow ? setInterval(look, RISK_EVERY_MS) : null;
  return { now: () => risk, end: () => timer !== null && clearInterval(timer) };
}

/** How requests are authenticated under this configuration, as people read it. */
export function authenticationSummary(config: Config): string[] {
  const ways: string[] = [];
  if (config.require_signature) ways.push("signatures");
  if (config.basic_user !== undefined)
    ways.push(config.tls ? "Basic over TLS" : "Basic without TLS");
  if (config.tls?.client_ca !== undefined) ways.push("client certificates");
  return ways;
}

/** Off loopback, somebody must be authenticated; TLS or an allow-list alone is nobody. */
function assertAuthenticated(
  config: Config,
  host: string,
  options: ServeOptions,
  bank: Bank,
): void {
  if (isLoopback(host)) return;
  if (bank.demo) {
    throw new ServeRefused(`a demo bank serves on loopback only, not on ${host}`);
  }
  const enough = authenticationSummary(config).some((way) => way !== "Basic without TLS");
  if (enough || options.allowUnauthenticated || config.allow_unauthenticated) return;
  throw new ServeRefused(
    `off loopback (${host}) requests must be authenticated: require signatures, client ` +
      "certificates, or Basic over TLS in config.toml, or add --allow-unauthenticated",
  );
}

function authenticationOf(dataDir: string, config: Config): Authentication {
  if (config.require_signature && readSecret(dataDir, "signature") === null) {
    throw new ServeRefused("signatures are required and no secret is set: run secrets rotate");
  }
  if (config.basic_user !== undefined && readSecret(dataDir, "basic") === null) {
    throw new ServeRefused(
      "HTTP Basic is on and no password is set: run secrets rotate --kind basic",
    );
  }
  return {
    signatureSecrets: config.require_signature ? secretReader(dataDir, "signature") : null,
    basic:
      config.basic_user === undefined
        ? null
        : { user: config.basic_user, passwords: secretReader(dataDir, "basic") },
    allowAddresses: config.allow_addresses,
  };
}

const pathsOf = (config: Config) => ({
  reserveFunds: config.reserve_funds_path,
  transactResult: config.transact_result_path,
});

/** How a bank that is configured so is called. */
export function openApiOf(config: Config) {
  return openApiDocument({
    version,
    paths: pathsOf(config),
    authentication: {
      signature: config.require_signature,
      basic: config.basic_user !== undefined,
      clientCertificate: config.tls?.client_ca !== undefined,
    },
  });
}

/** What the app is made of, as far as the data dir tells: all that may be missing or wrong there. */
function readAppParts(dataDir: string, config: Config) {
  return {
    clock: systemClock,
    receiptKey: readReceiptKey(dataDir),
    authentication: authenticationOf(dataDir, config),
    paths: pathsOf(config),
    https: config.tls !== undefined,
    openApi: config.openapi ? JSON.stringify(openApiOf(config)) : null,
    trustedProxies: config.trusted_proxies,
  };
}

/** Why the address cannot be had, and what to do. */
const LISTEN_REFUSED: ReadonlyMap<string, string> = new Map([
  ["EADDRINUSE", "the port is in use: stop what listens there, or name another --port"],
  [
    "EACCES",
    "the system does not let this user listen on that port: name one above 1023, or run service " +
      "install again, which gives the service the right to",
  ],
  ["EADDRNOTAVAIL", "this machine has no such address to listen on: correct host or --host"],
]);

/** Starts to serve; throws CannotOpen, ConfigError, KeyError or ServeRefused with what to do. */
export function serve(options: ServeOptions): Served {
  const { dataDir } = options;
  const undo: (() => void)[] = [];
  let isGivenUp = false;
  /** Where the start failed nobody was answered, and its threads may miss what was taken from them. */
  const onFatal = (error: unknown) => {
    if (!isGivenUp) options.onFatal(error);
  };
  try {
    const isShared = readConfig(dataDir).database !== undefined;
    const unlock = isShared ? lockShared(dataDir) : lockForServing(dataDir);
    undo.unshift(unlock);
    if (!isShared) checkBeforeServing(dataDir);
    // Before SQLite makes the log's files with the modes of the database.
    const wereOpen = closeToOthers(dataDir);
    const opened = openBank(dataDir, { serving: true, withoutPins: options.withoutPins });
    const { store, config } = opened;
    undo.unshift(opened.close);
    const bank = store.bank();
    const host = options.host ?? config.host;
    assertAuthenticated(config, host, options, bank);
    const parts = readAppParts(dataDir, config);
    const log = options.logAs?.(config) ?? NO_LOG;
    let certificate = config.tls === undefined ? null : readCertificate(dataDir, config.tls);

    // What an administrator can end while it runs is said at the start alone.
    const passing = [
      ...problemsOf(certificate),
      ...passingWarnings(bank, store.limits().length === 0),
    ];
    const lasting = [...wereOpen, ...lastingWarnings(config, options, bank)];

    const interrupted = store.beginServing(systemClock.now());
    const threads =
      opened.shared === null
        ? startThreads(
            { dataDir, ...opened.options },
            { onTrouble: options.onTrouble, onFlushFailed: onFatal },
          )
        : startPostgresThreads({ ...opened.shared, ...opened.options }, onFatal);
    undo.unshift(() => void threads.stop());
    const counters = createCounters(systemClock);
    const engine: Engine = createEngine(
      { ...store, ...threads, ...(bank.demo && withToldBuyers(threads.applyBatch)) },
      {
        clock: systemClock,
        reserveBudgetMs: config.reserve_budget_ms,
        handsOverAhead: opened.shared === null,
        onFatal,
        onTrouble: options.onTrouble,
        onBatch: counters.batch,
        onFlush: counters.flushed,
      },
    );
    const refusals = refusalCounter(systemClock, engine.refused, counters.refused);
    const glances = glancesOf(dataDir, opened);
    const risk = watchRisk(store.risk(), glances);
    undo.unshift(risk.end);
    const { currency } = bank;
    const app = createApp({ ...parts, engine, refusals, counters, log, currency, risk: risk.now });
    const { onTrouble } = options;
    // Last: whatever fails before must end the process without anybody having been listened to.
    const port = options.port ?? config.port;
    const listener = listen(app, { host, port, tls: certificate?.files ?? null, onTrouble });
    const { url } = listener;
    const tlsExpiresAt = () => certificate?.expiresAt ?? null;
    const logLevel = log.level;
    const observer = observe(
      {
        dataDir,
        glance: glances.read,
        risk: risk.now,
        config,
        url,
        engine,
        counters,
        logLevel,
        tlsExpiresAt,
      },
      lasting,
    );
    // A database elsewhere may not come back: the next start looks for what was left open.
    const drained = () =>
      opened.shared === null
        ? engine.drained()
        : Promise.race([engine.drained(), Bun.sleep(STOP_WITHIN_MS)]);
    const unwatch = interrupted === null ? () => {} : engine.watchInterrupted(interrupted);

    return {
      url,
      bank,
      config,
      warnings: [...passing, ...lasting],
      renewCertificate() {
        if (config.tls === undefined) return null;
        const renewed = readCertificate(dataDir, config.tls);
        if (renewed.problem !== null) throw new TlsRefused(renewed.problem);
        listener.renew(renewed.files);
        certificate = renewed;
        return { expiresAt: renewed.expiresAt ?? 0 };
      },
      async close() {
        observer.close();
        risk.end();
        glances.close();
        await listener.close();
        unwatch();
        // Its lines need room among what is written.
        await drained();
        refusals.end();
        await drained();
        await threads.stop();
        // Where it cannot be noted the next start looks for what this one left open: no harm.
        for (let tries = 0; tries < 20 && !store.endServing(); tries += 1) await Bun.sleep(10);
        opened.close();
        unlock();
      },
    };
  } catch (error) {
    isGivenUp = true;
    for (const step of undo) step();
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const atListening = error instanceof Error && "syscall" in error && error.syscall === "listen";
    const why = atListening ? LISTEN_REFUSED.get(code) : undefined;
    if (why !== undefined) throw new CannotOpen(why);
    // What OpenSSL says of a file does not tell what to do.
    if (code.startsWith("ERR_OSSL")) {
      throw new ServeRefused("TLS cannot be served with these files: doctor says what is wrong");
    }
    throw error;
  }
}

/** What is served all the same, for a bank that can do nothing else sells at least what it can. */
function problemsOf(certificate: Certificate | null): string[] {
  return certificate?.problem == null ? [] : [`TLS: ${certificate.problem}`];
}

function passingWarnings({ salesPaused }: Bank, noLimits: boolean): string[] {
  const warnings: string[] = [];
  if (noLimits) warnings.push("no limits are set: any amount may be reserved (limits set)");
  if (salesPaused !== null) {
    warnings.push(`sales are paused (${salesPaused.reason}): reserves answer 2090`);
  }
  return warnings;
}

function lastingWarnings(config: Config, options: ServeOptions, bank: Bank): string[] {
  const warnings: string[] = [];
  if (bank.demo) warnings.push("this is a demo bank: its money is not real");
  if (authenticationSummary(config).length === 0) {
    warnings.push("requests are not authenticated: whoever reaches the port can reserve");
  }
  if (options.allowUnauthenticated || config.allow_unauthenticated) {
    warnings.push("allow-unauthenticated is in force: it would serve though nobody is checked");
  }
  if (options.withoutPins) warnings.push("serving without PINs: accounts with a PIN get 2020");
  return warnings;
}
