// The data dir's keys/: secrets in files of their own, 0600, outside the database and outside
// every backup. Nothing here is ever printed. A file that is not in keys/ may be a credential that
// systemd hands to the service (service-unit.ts); a file in keys/ comes first, so that a secret
// which is set by a command is in force at once.
import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { writeFileDurably } from "./files.ts";
import { credentialName } from "./service-unit.ts";

export const KEYS_DIR = "keys";
const PIN_KEY = "pin.key";
const RECEIPT_KEY = "receipt.key";
const DATABASE_PASSWORD = "database.password";
const KEY_BYTES = 32;

/** Secrets shared with Clickatell: what signs the bodies, and the password of HTTP Basic. */
export const SHARED_SECRETS = ["signature", "basic"] as const;
export type SharedSecret = (typeof SHARED_SECRETS)[number];

/** While one is rotated, both are valid. */
export type SecretPair = {
  readonly current: string;
  readonly previous: string | null;
  /** Epoch milliseconds of the last rotation. */
  readonly rotatedAt: number;
};

/** A key file is missing or damaged; the message says what to do. */
export class KeyError extends Error {}

const fileOf = (dataDir: string, name: string) => join(dataDir, KEYS_DIR, name);
/** Where systemd put a file of keys/ for this process; null outside a service that has credentials. */
function credentialFile(name: string): string | null {
  const folder = process.env["CREDENTIALS_DIRECTORY"];
  return folder === undefined ? null : join(folder, credentialName(name));
}

/** The file that holds a key: in keys/, or where that is missing the service's credential. */
function fileToRead(dataDir: string, name: string): string {
  const file = fileOf(dataDir, name);
  const credential = existsSync(file) ? null : credentialFile(name);
  return credential !== null && existsSync(credential) ? credential : file;
}

const secretFile = (dataDir: string, kind: SharedSecret) => fileOf(dataDir, `${kind}.json`);

/** Makes the keys of a new bank; gives its PIN key. Keys that are there stay. */
export function createKeys(dataDir: string): Uint8Array {
  mkdirSync(join(dataDir, KEYS_DIR), { recursive: true, mode: 0o700 });
  for (const name of [PIN_KEY, RECEIPT_KEY]) {
    const file = fileOf(dataDir, name);
    if (existsSync(file)) continue;
    const key = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
    writeFileDurably(file, `${key.toHex()}\n`);
  }
  const key = readPinKey(dataDir);
  if (key === null) throw new KeyError("keys/pin.key vanished while it was made: try again");
  return key;
}

/** All that makes a bank's secrets; what is on its way to somebody else is not among it. */
const KEY_FILES = [PIN_KEY, RECEIPT_KEY, ...SHARED_SECRETS.map((kind) => `${kind}.json`)];

/** SECRET. The texts of the key files that there are, by name. */
export function keyTexts(dataDir: string): { [name: string]: string } {
  const files = KEY_FILES.map((name) => [name, fileToRead(dataDir, name)] as const);
  return Object.fromEntries(
    files
      .filter(([, file]) => existsSync(file))
      .map(([name, file]) => [name, readFileSync(file, "utf8")]),
  );
}

/** Puts key files in the place of those that are there. Takes names that `keyTexts` gives. */
export function writeKeyTexts(dataDir: string, texts: { readonly [name: string]: string }): void {
  mkdirSync(join(dataDir, KEYS_DIR), { recursive: true, mode: 0o700 });
  for (const name of KEY_FILES) {
    const text = texts[name];
    if (text !== undefined) writeFileDurably(fileOf(dataDir, name), text);
  }
}

/** The PIN key in the text of its file; throws KeyError where it is none. */
export function pinKeyIn(texts: { readonly [name: string]: string }): Uint8Array {
  const text = texts[PIN_KEY]?.trim() ?? "";
  if (!/^[0-9a-f]{64}$/.test(text)) throw new KeyError("there is no whole pin.key in it");
  return Uint8Array.fromHex(text);
}

function readKey(dataDir: string, name: string): Uint8Array | null {
  const file = fileToRead(dataDir, name);
  if (!existsSync(file)) return null;
  const text = readFileSync(file, "utf8").trim();
  if (!/^[0-9a-f]{64}$/.test(text)) {
    throw new KeyError(`keys/${name} is damaged: put back the copy you keep of keys/`);
  }
  return Uint8Array.fromHex(text);
}

/** The key of the PIN hashes, or null where its file is missing. */
export function readPinKey(dataDir: string): Uint8Array | null {
  return readKey(dataDir, PIN_KEY);
}

/** The key of the digests that receipts keep of unreadable bodies. */
export function readReceiptKey(dataDir: string): Uint8Array {
  const key = readKey(dataDir, RECEIPT_KEY);
  if (key === null) {
    throw new KeyError("keys/receipt.key is missing: put back the copy you keep of keys/");
  }
  return key;
}

/** The shared secret of a kind, or null where none is set. */
export function readSecret(dataDir: string, kind: SharedSecret): SecretPair | null {
  const file = fileToRead(dataDir, `${kind}.json`);
  if (!existsSync(file)) return null;
  try {
    const { current, previous, rotatedAt } = JSON.parse(readFileSync(file, "utf8"));
    if (typeof current !== "string" || current === "") throw new Error();
    return { current, previous: previous ?? null, rotatedAt: Number(rotatedAt) };
  } catch {
    throw new KeyError(`keys/${kind}.json is damaged: set it anew with secrets rotate`);
  }
}

/** SECRET. The password of the database, or null where none is kept. */
export function readDatabasePassword(dataDir: string): string | null {
  const file = fileToRead(dataDir, DATABASE_PASSWORD);
  return existsSync(file) ? withoutTrailingNewline(readFileSync(file, "utf8")) : null;
}

/** Keeps the password of the database; it is this machine's own, and in no export of keys. */
export function writeDatabasePassword(dataDir: string, password: string): void {
  mkdirSync(join(dataDir, KEYS_DIR), { recursive: true, mode: 0o700 });
  writeFileDurably(fileOf(dataDir, DATABASE_PASSWORD), `${password}\n`);
}

/** Replaces both secrets of a kind in one step, so that a reader sees the old pair or the new. */
export function writeSecret(dataDir: string, kind: SharedSecret, pair: SecretPair): void {
  writeFileDurably(secretFile(dataDir, kind), `${JSON.stringify(pair)}\n`);
}

/** A secret that nobody can guess, in letters that every system takes. */
export const newSharedSecret = (): string =>
  Buffer.from(crypto.getRandomValues(new Uint8Array(KEY_BYTES))).toString("base64url");

/** Where a generated signature secret stands for the way to Clickatell, and is then to be deleted. */
export const HANDOVER_FILE = join(KEYS_DIR, "signature.handover");

/** Writes that file; without a secret it takes away what a killed init has left there. */
export function writeHandover(dataDir: string, secret: string | null): void {
  const file = join(dataDir, HANDOVER_FILE);
  if (secret === null) rmSync(file, { force: true });
  else writeFileDurably(file, `${secret}\n`);
}

/** A secret read from a file or a pipe loses one trailing newline, nothing else (contract.md 5). */
export function withoutTrailingNewline(text: string): string {
  return text.replace(/\r?\n$/, "");
}

/**
 * Gives the valid secrets of a kind, and sees a rotation on the very next call: each call costs one
 * stat, and only a changed file is read again. A file is replaced by renaming, so its inode tells.
 */
export function secretReader(dataDir: string, kind: SharedSecret): () => readonly string[] {
  const file = secretFile(dataDir, kind);
  const credential = credentialFile(`${kind}.json`);
  let stamp = "";
  let secrets: readonly string[] = [];
  return () => {
    const stat =
      statSync(file, { throwIfNoEntry: false }) ??
      (credential === null ? undefined : statSync(credential, { throwIfNoEntry: false }));
    const now = stat === undefined ? "" : `${stat.ino} ${stat.mtimeMs} ${stat.size}`;
    if (now !== stamp) {
      const pair = readSecret(dataDir, kind);
      secrets = pair === null ? [] : [pair.current, pair.previous].filter((s) => s !== null);
      stamp = now;
    }
    return secrets;
  };
}
