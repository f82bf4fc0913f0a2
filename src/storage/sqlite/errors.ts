// What SQLite's errors mean to the port, and how they pass from one thread to another.
import { messageOf } from "../../errors.ts";
import { FlushFailed, StoreBusy } from "../store.ts";
import type { Failure } from "./messages.ts";
import { isBusy } from "./open.ts";

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : "";

/** An error of the disk or the file, which fails the whole batch; any other fails one operation. */
export function concernsWholeBatch(error: unknown): boolean {
  const whole = /^SQLITE_(FULL|IOERR|CORRUPT|NOTADB|READONLY|BUSY|NOMEM|CANTOPEN)/;
  return whole.test(codeOf(error));
}

/** What the engine must tell apart, without knowing SQLite. */
export function portError(error: unknown): unknown {
  if (isBusy(error)) return new StoreBusy(messageOf(error));
  // A flush inside SQLite that failed is as final as one of ours.
  return /FSYNC/.test(codeOf(error)) ? new FlushFailed(messageOf(error)) : error;
}

/** An error as another thread is told of it. */
export function failureOf(error: unknown): Failure {
  const known = portError(error);
  const kind =
    known instanceof StoreBusy ? "busy" : known instanceof FlushFailed ? "flush" : "other";
  return { kind, message: messageOf(known) };
}

/** The error that another thread told of. */
export function errorOf({ kind, message }: Failure): Error {
  // A batch behind one that failed goes again with it, as where another process writes.
  if (kind === "busy" || kind === "skipped") return new StoreBusy(message);
  return kind === "flush" ? new FlushFailed(message) : new Error(message);
}
