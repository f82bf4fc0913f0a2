// The key file of encrypted backups, in the form of the age tools: recipients ("age1...") to encrypt
// to, identities ("AGE-SECRET-KEY-1...") to decrypt with, and comments, a line each. A server needs
// the recipients alone, so that the machine that makes backups cannot read them.
import { readFileSync } from "node:fs";
import { generateX25519Identity, identityToRecipient } from "age-encryption";

export type BackupKeys = {
  readonly recipients: readonly string[];
  /** SECRET. */
  readonly identities: readonly string[];
};

/** The key file is missing, wrong or not the right one; the message says what to do. */
export class KeyFileError extends Error {}

/** Reads a key file. What an identity decrypts may be encrypted to it as well. */
export async function readKeyFile(file: string): Promise<BackupKeys> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    throw new KeyFileError(`the key file ${file} cannot be read: name a readable one`);
  }
  const lines = text.split("\n").map((line) => line.trim());
  const keys = lines.filter((line) => line !== "" && !line.startsWith("#"));
  const identities = keys.filter((key) => key.startsWith("AGE-SECRET-KEY-"));
  const recipients = keys.filter((key) => key.startsWith("age1"));
  if (keys.length === 0 || identities.length + recipients.length < keys.length) {
    throw new KeyFileError(
      `${file} is no key file: its lines must begin with age1 or AGE-SECRET-KEY- ` +
        "(backup new-key makes one)",
    );
  }
  try {
    const own = await Promise.all(identities.map((identity) => identityToRecipient(identity)));
    return { identities, recipients: [...new Set([...recipients, ...own])] };
  } catch {
    throw new KeyFileError(`a key in ${file} is damaged: put back the copy you keep of it`);
  }
}

/** A new pair: the text of the secret file, and the recipient that belongs to it. */
export async function newKeyFile(now: string): Promise<{ text: string; recipient: string }> {
  const identity = await generateX25519Identity();
  const recipient = await identityToRecipient(identity);
  const comments = [`# created: ${now}`, `# public key: ${recipient}`];
  return { text: `${[...comments, identity].join("\n")}\n`, recipient };
}
