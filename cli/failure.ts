// How a command ends other than well: an exit code that scripts rely on, and a message for people.
import { ConnectionLost, ServerSaidNo } from "../src/storage/postgres/client.ts";

export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  refused: 4,
  findings: 6,
  awaitingApproval: 7,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** An expected end. The message says what happened, why, and what to do; it names no secret. */
export class Failure extends Error {
  readonly exitCode: ExitCode;

  constructor(kind: Exclude<keyof typeof EXIT, "done">, message: string) {
    super(message);
    this.exitCode = EXIT[kind];
  }
}

/** What to do about the faults of the disk and the database that a person can mend. */
const DATABASE_ADVICE: readonly (readonly [code: string, advice: string])[] = [
  ["SQLITE_BUSY", "the bank is busy with another command: try again in a moment"],
  ["SQLITE_FULL", "the disk is full: make room on it, then run the command again"],
  ["SQLITE_READONLY", "the data dir cannot be written: run the command as the bank's own user"],
  ["SQLITE_CANTOPEN", "the database cannot be opened: run the command as the bank's own user"],
  ["SQLITE_IOERR", "the disk failed: check it, then run transact-bank verify"],
  ["SQLITE_CORRUPT", "the database is damaged: restore it from a backup"],
  ["ENOSPC", "the disk is full: make room on it, then run the command again"],
  ["EDQUOT", "the disk quota is used up: raise it, then run the command again"],
  ["EMFILE", "too many files are open: raise the limit (ulimit -n), then run the command again"],
  ["EIO", "the disk failed: check it, then run transact-bank verify"],
];

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : "";
}

/** The same of a PostgreSQL, by SQLSTATE. */
const SERVER_ADVICE: { readonly [state: string]: string } = {
  "25006": "the database takes no writes now, as while it fails over: try again in a moment",
  "42501": "the role that serves lacks a right in the database: the tables' owner can give it",
  "53100": "the database's disk is full: make room on it, then run the command again",
  "53300":
    "the database has no room for another connection: end idle ones, or raise max_connections",
  "55P03": "the bank is busy with another command: try again in a moment",
};

const LOST =
  "the connection to the database was lost: whether it was done is not known, look (journal list) " +
  "before you run the command again";

function adviceOf(error: Error): string | undefined {
  if (error instanceof ConnectionLost) return LOST;
  if (error instanceof ServerSaidNo) return SERVER_ADVICE[error.state];
  return DATABASE_ADVICE.find(([code]) => codeOf(error).startsWith(code))?.[1];
}

/** The message and exit code of any error; never a stack trace. */
export function describe(error: unknown): { message: string; exitCode: ExitCode } {
  if (error instanceof Failure) return { message: error.message, exitCode: error.exitCode };
  if (!(error instanceof Error)) return { message: String(error), exitCode: EXIT.failed };
  return { message: adviceOf(error) ?? error.message, exitCode: EXIT.failed };
}
