// What a command reads from a file that a person names; "-" is standard input.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { withoutTrailingNewline } from "../src/keys.ts";
import { Failure } from "./failure.ts";

const STANDARD_INPUT = "-";

/** The file that a command shall write and have on the disk when it ends; "-" promises no such thing. */
export function fileOnDisk(file: string, what: string): string {
  if (file !== STANDARD_INPUT) return resolve(file);
  throw new Failure(
    "usage",
    `${what} - will not do: it must be a file, and on the disk at the end`,
  );
}

/** The name of a file in a message. */
export const inputName = (file: string): string =>
  file === STANDARD_INPUT ? "standard input" : file;

/** The bytes of a file, or of standard input; `what` is the argument or option that names it. */
export function readInput(file: string, what: string): Uint8Array {
  if (file === STANDARD_INPUT && process.stdin.isTTY === true) {
    throw new Failure("usage", `${what} - reads standard input, which is a terminal: pipe it in`);
  }
  try {
    return readFileSync(file === STANDARD_INPUT ? 0 : file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") throw new Failure("usage", `${what}: there is no file ${file}`);
    throw new Failure("failed", `${what}: ${inputName(file)} cannot be read (${message})`);
  }
}

/** Reads the secret in the file that an option names; says nothing of what stands in it. */
export function readSecretFile(file: string, option: string): string {
  const secret = withoutTrailingNewline(Buffer.from(readInput(file, option)).toString("utf8"));
  if (secret === "") {
    throw new Failure("usage", `${option}: ${inputName(file)} is empty: it must hold the secret`);
  }
  return secret;
}
