// A PIN is stored as a keyed hash whose key is not in the database: four digits must not fall to
// whoever copies the file.
import { timingSafeEqual } from "node:crypto";

/** The keyed hash of one account's PIN. The number goes in, so equal PINs have unequal hashes. */
export function pinHash(key: Uint8Array, accountNumber: string, pin: string): Uint8Array {
  return new Bun.CryptoHasher("sha256", key).update(`pin\n${accountNumber}\n${pin}`).digest();
}

/** Compares in constant time. */
export function pinMatches(
  key: Uint8Array,
  account: { readonly number: string; readonly pin_hash: Uint8Array | null },
  pin: string,
): boolean {
  if (account.pin_hash === null) return false;
  return timingSafeEqual(account.pin_hash, pinHash(key, account.number, pin));
}

/** What the bank remembers of its PIN key, to tell it from another one; says nothing of it. */
export function pinKeyCheck(key: Uint8Array): string {
  return new Bun.CryptoHasher("sha256", key).update("pin key check").digest("hex").slice(0, 16);
}
