// The server's log: one line an event on standard error, as text for people or as JSON for programs.
// Never a body, a PIN or a key: a line is made of what we say ourselves, and of addresses and codes.
// Our own few lines, for a library of some weight (pino starts a thread) does no more for this.
import { write } from "node:fs";
import { isoTime } from "./domain/local-time.ts";
import { clean } from "./printable.ts";

export const LOG_LEVELS = ["error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export const LOG_FORMATS = ["text", "json"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

type Fields = Readonly<Record<string, string | number | null>>;

export type Log = {
  readonly level: LogLevel;
  /** Whether a line of this level is written; ask before making one that costs something. */
  takes(level: LogLevel): boolean;
  line(level: LogLevel, event: string, message: string, fields?: Fields): void;
};

/** Lines of one event in one second; the rest is counted, and the counters have them all. */
const MOST_A_SECOND = 20;
/** Characters that wait where nobody reads: more lines are left out and counted. */
const MOST_WAITING = 1_000_000;
const RETRY_MS = 50;

const PREFIX = { error: "error: ", warn: "warning: ", info: "", debug: "" } as const;

/** One line of the log, complete. */
export function formatLine(
  format: LogFormat,
  line: { level: LogLevel; event: string; message: string; fields: Fields; now: number },
): string {
  const { level, event, message, fields, now } = line;
  if (format === "json") {
    return `${JSON.stringify({ time: isoTime(now), level, event, message, ...fields })}\n`;
  }
  const id = fields["traceId"];
  return `${clean(PREFIX[level] + message)}${id == null ? "" : ` [${id}]`}\n`;
}

export function createLog(options: {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly now: () => number;
  readonly write: (line: string) => void;
}): Log {
  const { level: most, format, now } = options;
  const taken = new Set(LOG_LEVELS.slice(0, LOG_LEVELS.indexOf(most) + 1));
  const takes = (level: LogLevel) => taken.has(level);
  const written = new Map<string, { second: number; lines: number; suppressed: number }>();

  /** How many lines of this event were left out before this one, or null where this one is too. */
  function leftOut(event: string, at: number): number | null {
    const second = Math.floor(at / 1000);
    const before = written.get(event);
    if (before === undefined || before.second !== second) {
      written.set(event, { second, lines: 1, suppressed: 0 });
      return before?.suppressed ?? 0;
    }
    before.lines += 1;
    if (before.lines <= MOST_A_SECOND) return 0;
    before.suppressed += 1;
    return null;
  }

  return {
    level: most,
    takes,
    line(level, event, message, fields = {}) {
      if (!takes(level)) return;
      const at = now();
      const suppressed = level === "debug" ? 0 : leftOut(event, at);
      if (suppressed === null) return;
      const all = suppressed === 0 ? fields : { ...fields, suppressed };
      options.write(formatLine(format, { level, event, message, fields: all, now: at }));
    },
  };
}

export const NO_LOG: Log = { level: "error", takes: () => false, line: () => {} };

/**
 * Writes lines to a file descriptor without ever waiting for its reader: one write at a time is with
 * the system, beside the thread that answers. Where nobody reads, what comes beyond a megabyte is
 * left out, and a line says how much once there is room.
 */
export function lineWriter(descriptor: number) {
  let waiting = "";
  let isWriting = false;
  let omitted = 0;
  let onEmpty: (() => void)[] = [];

  function writeOn(bytes: Buffer): void {
    write(descriptor, bytes, 0, bytes.length, null, (error, length) => {
      if (error === null && length < bytes.length) writeOn(bytes.subarray(length));
      else if (error !== null && error.code === "EAGAIN") setTimeout(writeOn, RETRY_MS, bytes);
      // Any other error: nobody will ever read. Serving goes on all the same.
      else writeNext();
    });
  }

  function writeNext(): void {
    isWriting = waiting !== "";
    if (!isWriting) {
      for (const empty of onEmpty) empty();
      onEmpty = [];
      return;
    }
    const bytes = Buffer.from(waiting);
    waiting = "";
    writeOn(bytes);
  }

  return {
    write(line: string): void {
      if (waiting.length + line.length > MOST_WAITING) {
        omitted += 1;
        return;
      }
      if (omitted > 0) waiting += `${omitted} lines were left out here: nobody read them\n`;
      omitted = 0;
      waiting += line;
      if (!isWriting) writeNext();
    },
    /** Resolves once all that was written is with the system, or after so long. */
    drained: (withinMs: number): Promise<unknown> =>
      Promise.race([
        isWriting ? new Promise<void>((resolve) => onEmpty.push(resolve)) : undefined,
        Bun.sleep(withinMs),
      ]),
  };
}
