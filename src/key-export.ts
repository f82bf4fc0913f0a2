// Moves all of keys/ in one file under a passphrase, in age's format (scrypt), so that age opens it too.

import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { Decrypter, Encrypter } from "age-encryption";
import { KeyError, keyTexts } from "./keys.ts";

const ExportSchema = Type.Object({
  format: Type.Literal(1),
  bankCode: Type.String(),
  exportedAt: Type.String(),
  /** SECRET. */
  keys: Type.Record(Type.String(), Type.String()),
});

export type KeyExport = Static<typeof ExportSchema>;

/** Whoever has the file may try passphrases as fast as they can. */
export const SHORTEST_PASSPHRASE = 12;

/** Gives the file's bytes. */
export async function exportKeys(
  dataDir: string,
  bankCode: string,
  passphrase: string,
): Promise<Uint8Array> {
  const keys = keyTexts(dataDir);
  const content: KeyExport = {
    format: 1,
    bankCode,
    exportedAt: new Date().toISOString(),
    keys,
  };
  const age = new Encrypter();
  age.setPassphrase(passphrase);
  return age.encrypt(`${JSON.stringify(content, null, 2)}\n`);
}

/** Reads such a file; throws KeyError where it is none or the passphrase is another. */
export async function readKeyExport(file: Uint8Array, passphrase: string): Promise<KeyExport> {
  const age = new Decrypter();
  age.addPassphrase(passphrase);
  let content: unknown;
  try {
    content = JSON.parse(await age.decrypt(file, "text"));
  } catch {
    throw new KeyError("it does not open: the passphrase is another one, or the file is damaged");
  }
  if (Value.Check(ExportSchema, content)) return content;
  throw new KeyError("it is no export of secrets that this program knows");
}
