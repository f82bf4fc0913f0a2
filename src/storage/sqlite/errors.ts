// What SQLite's errors mean to the port.
import { messageOf } from "../../errors.ts";
import { FlushFailed, StoreBusy } from "../store.ts";
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
