// Verifies a backup as a restore would find it: its checksums, and the bank's books in it.
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Check } from "../storage/store.ts";
import { examine } from "./examine.ts";
import { BackupError, type Manifest, unpack } from "./format.ts";
import type { BackupKeys } from "./key-file.ts";

export type VerifiedBackup = { readonly manifest: Manifest; readonly checks: readonly Check[] };

/**
 * Unpacks a backup into a folder that must not be there yet or be empty, and runs `verify` on it.
 * Throws BackupError or KeyFileError where the file is not whole or cannot be read.
 */
export async function unpackVerified(
  file: string,
  keys: BackupKeys | null,
  folder: string,
): Promise<VerifiedBackup> {
  const manifest = await unpack(file, keys, folder);
  const { bank, journalHead, checks } = examine(folder);
  const { record, hash } = manifest.journalHead;
  if (
    bank.code !== manifest.bankCode ||
    journalHead.record !== record ||
    journalHead.hash !== hash
  ) {
    throw new BackupError("its manifest is another backup's: use another one");
  }
  return { manifest, checks };
}

/** The same in a folder inside `beside`, which is gone afterwards. */
export async function verifyBackup(
  file: string,
  keys: BackupKeys | null,
  beside: string,
): Promise<VerifiedBackup> {
  const folder = mkdtempSync(join(beside, "transact-bank-verify-"));
  try {
    return await unpackVerified(file, keys, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
