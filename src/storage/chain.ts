// The journal's hash chain: each record carries the SHA-256 of the hash before it and of its own
// content, so that a changed, missing or added record shows (`verify`), also where the database
// itself calls the file intact. The first record follows the bank's own identity.
//
// No key is in it: whoever may write the file may also compute a new chain. What they cannot do is
// keep the newest hash the same, so that one is shown, to be kept off the machine.
import type { Bank } from "./store.ts";

/** What a record says, in a fixed order; a change of the order is another chain. */
export type ChainedContent = readonly (string | number | null)[];

/** The newest record and its hash, 32 bytes. */
export type ChainHead = { readonly id: number; readonly hash: Uint8Array };

/** The hash of the record that follows `previous`. */
export const chainNext = (previous: Uint8Array, content: ChainedContent): Uint8Array =>
  new Bun.CryptoHasher("sha256").update(previous).update(JSON.stringify(content)).digest();

/** What the first record follows. */
export function chainStart(bank: Omit<Bank, "salesPaused">): ChainHead {
  const { code, currency, minorDigits, timeZone, country, demo, createdAt } = bank;
  const identity = [code, currency, minorDigits, timeZone, country, demo ? 1 : 0, createdAt];
  return { id: 0, hash: chainNext(new Uint8Array(), ["transact-bank journal", ...identity]) };
}
