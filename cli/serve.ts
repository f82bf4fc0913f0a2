// serve: answers Clickatell until it is told to stop.
import { writeSync } from "node:fs";
import { isatty } from "node:tty";
import { type Command, InvalidArgumentError, Option } from "commander";
import { version } from "../package.json";
import { scheduleBackups } from "../src/backup/schedule.ts";
import { readConfig } from "../src/config.ts";
import { isoTime } from "../src/domain/local-time.ts";
import { messageOf } from "../src/errors.ts";
import { EXAMPLE_PURCHASE } from "../src/http/openapi.ts";
import {
  createLog,
  formatLine,
  LOG_FORMATS,
  LOG_LEVELS,
  type Log,
  type LogFormat,
  type LogLevel,
  lineWriter,
  NO_LOG,
} from "../src/log.ts";
import { type Served, serve } from "../src/serve.ts";
import { OlderDatabase } from "../src/storage/sqlite/open.ts";
import { upgrade } from "../src/upgrade.ts";
import { EXIT } from "./failure.ts";
import { complain, printText } from "./output.ts";
import { type CommonOptions, command, dataDirOf, typedAction } from "./session.ts";
import { whoIsIt } from "./who.ts";

type ServeOptions = CommonOptions & {
  readonly host?: string;
  readonly port?: number;
  readonly withoutPins?: true;
  readonly allowUnauthenticated?: true;
  readonly logLevel?: LogLevel;
  readonly logFormat?: LogFormat;
};

/** The last lines of the log have so long to be read. */
const LAST_LINES_MS = 200;
/** After this the process ends with an error, whatever still hangs: it promised five seconds. */
const STOP_WITHIN_MS = 4_800;

function readPort(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) {
    throw new InvalidArgumentError("Write a port, 0 to 65535.");
  }
  return Number(text);
}

/** What a newcomer types to see the demo bank work. */
function demoPurchase(served: Served): string {
  const requestId = `demo-${Date.now()}`;
  const post = (path: string, body: object) =>
    `curl -s ${served.url}${path} -d '${JSON.stringify(body)}'`;
  return [
    "Buy something (a second time it is the same purchase, and has the same answer):",
    post(served.config.reserve_funds_path, {
      raasTxnRef: requestId,
      ...EXAMPLE_PURCHASE,
      clientTxnRef: "demo",
    }),
    "It was dispensed: debit the buyer:",
    post(served.config.transact_result_path, { raasTxnRef: requestId, responseCode: "0000" }),
  ].join("\n");
}

function stopOnSignals(
  served: Served,
  log: Log,
  writer: ReturnType<typeof lineWriter>,
): () => Promise<void> {
  let stopping = false;
  const stop = async () => {
    // A signal to the group and one from the launcher are one wish.
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(EXIT.failed), STOP_WITHIN_MS);
    try {
      await served.close();
      log.line("debug", "stopped", "stopped: all that came in is answered and on the disk");
      await writer.drained(LAST_LINES_MS);
    } catch (error) {
      complain(messageOf(error));
      process.exit(EXIT.failed);
    }
    process.exit(EXIT.done);
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  return stop;
}

/**
 * SIGHUP renews the certificate. It also comes as the terminal goes that the server was started on:
 * then it ends, as it did without a certificate.
 */
function renewOnSighup(served: Served, log: Log, stop: () => Promise<void>): void {
  const terminal = [0, 1, 2].find(isatty);
  process.on("SIGHUP", () => {
    if (terminal !== undefined && !isatty(terminal)) {
      void stop();
      return;
    }
    try {
      const renewed = served.renewCertificate();
      if (renewed === null) {
        log.line("info", "tls", "SIGHUP: no certificate is configured, nothing is read again");
      } else {
        const expiresAt = isoTime(renewed.expiresAt);
        const told = `the certificate was renewed; it is valid until ${expiresAt}`;
        log.line("info", "tls", told, { expiresAt });
      }
    } catch (error) {
      const told = "the certificate was NOT renewed, the old one stays in force";
      log.line("error", "tls", `${told}: ${messageOf(error)}`);
    }
  });
}

/**
 * The flush failed: nobody who waits may be answered, and the supervisor starts anew. It is a
 * SIGKILL to itself because an exit would close the database, and SQLite would then flush the WAL
 * once more, believe that, and write over what only the WAL may hold.
 */
function endAtOnce(error: unknown, format: LogFormat): void {
  const message = `the disk did not take a flush (${messageOf(error)}); ending`;
  const line = { level: "error", event: "flush-failed", message, fields: {} } as const;
  try {
    writeSync(2, formatLine(format, { ...line, now: Date.now() }));
  } finally {
    process.kill(process.pid, "SIGKILL");
  }
}

/** An unattended service that starts with a new program upgrades its bank by itself. */
async function serveUpgraded(options: Parameters<typeof serve>[0]): Promise<Served> {
  try {
    return serve(options);
  } catch (error) {
    if (!(error instanceof OlderDatabase)) throw error;
  }
  const { dataDir } = options;
  const config = readConfig(dataDir);
  const log = options.logAs?.(config) ?? NO_LOG;
  const older = "the bank was made by an earlier version: it is upgraded now, after a backup";
  log.line("info", "upgrade", older);
  const backup = await upgrade({ dataDir, config }, whoIsIt(null));
  const made = backup === null ? "" : `; the backup from before is ${backup.file}`;
  log.line("info", "upgrade", `upgraded${made}`);
  return serve(options);
}

/** How this program starts itself: compiled it is one file, else its source's. */
function ownCommand(): string[] {
  return Bun.main.startsWith("/$bunfs/") ? [process.execPath] : [process.execPath, Bun.main];
}

/** The server with its scheduled backups, which end with it. */
function withBackups(served: Served, dataDir: string, log: Log): Served {
  const { config, bank } = served;
  // A PostgreSQL has backups of its own.
  if (config.database !== undefined) return served;
  const stop = scheduleBackups({
    dataDir,
    config,
    bank,
    command: [...ownCommand(), "backup", "create", "--scheduled", "--data-dir", dataDir],
    onFailed: (failure) => log.line("error", "backup", `the scheduled backup failed: ${failure}`),
  });
  return {
    ...served,
    close() {
      stop();
      return served.close();
    },
  };
}

export function register(program: Command): void {
  command(program, {
    form: "serve",
    summary: "Answer Clickatell's two calls until SIGTERM or SIGINT",
    kind: "read",
    examples: [
      "serve --data-dir /var/lib/transact-bank",
      "serve --data-dir ./bank --host 0.0.0.0 --port 8443",
    ],
  })
    .option("--host <address>", "where to listen; config.toml's host, or 127.0.0.1")
    .option("--port <n>", "the port, 0 for any free one; config.toml's port, or 8080", readPort)
    .option(
      "--without-pins",
      "serve although keys/pin.key is missing; accounts with a PIN get 2020",
    )
    .option("--allow-unauthenticated", "serve off loopback although nobody is authenticated")
    .addOption(
      new Option("--log-level <level>", "config.toml's log_level, or info").choices(LOG_LEVELS),
    )
    .addOption(
      new Option("--log-format <format>", "config.toml's log_format, or text").choices(LOG_FORMATS),
    )
    .action(
      typedAction<[], ServeOptions>(async (_, options) => {
        const dataDir = dataDirOf(options);
        const writer = lineWriter(2);
        let format = options.logFormat ?? "text";
        let log = NO_LOG;
        const alone = await serveUpgraded({
          dataDir,
          host: options.host ?? null,
          port: options.port ?? null,
          withoutPins: options.withoutPins === true,
          allowUnauthenticated: options.allowUnauthenticated === true,
          logAs(config) {
            format = options.logFormat ?? config.log_format;
            const level = options.logLevel ?? config.log_level;
            log = createLog({ level, format, now: Date.now, write: writer.write });
            return log;
          },
          onFatal: (error) => endAtOnce(error, format),
          onTrouble: (what, error) =>
            log.line("error", "trouble", `a ${what} could not be applied: ${messageOf(error)}`, {
              what,
            }),
        });
        const served = withBackups(alone, dataDir, log);
        renewOnSighup(served, log, stopOnSignals(served, log, writer));
        for (const warning of served.warnings) {
          if (format === "text") printText(`warning: ${warning}`);
          else log.line("warn", "warning", warning);
        }
        const { bank, url } = served;
        if (bank.demo && format === "text") printText(demoPurchase(served));
        const told = `transact-bank ${bank.code} listens on ${url}, data dir: ${dataDir}`;
        log.line("info", "listening", told, { url, dataDir, version });
      }),
    );
}
