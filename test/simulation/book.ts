// The reference model under a disk that may lose what was not flushed: two naive banks, of which
// one has all that was committed and the other only what is sure to be on the disk.
import { type NaiveBank, naiveBank } from "../storage/naive-bank.ts";

/** Something that one commit did; it must do the same to both banks. */
export type Change = (bank: NaiveBank) => void;

export type Book = ReturnType<typeof newBook>;

export function newBook() {
  let current = naiveBank();
  const durable = naiveBank();
  let unflushed: (readonly Change[])[] = [];
  let flushed = 0;

  function flushUpTo(commit: number): void {
    const count = Math.max(0, commit - flushed);
    for (const changes of unflushed.splice(0, count)) {
      for (const change of changes) change(durable);
    }
    flushed += count;
  }

  return {
    /** All that was committed. */
    current: () => current,
    /** What is on the disk for sure. */
    durable,
    /** How many commits there were. */
    commits: () => flushed + unflushed.length,
    /** How many of them are on the disk for sure. */
    flushed: () => flushed,
    /** One commit, whose changes were made to the current bank already. */
    committed(changes: readonly Change[]): void {
      unflushed.push(changes);
    },
    flushUpTo,
    /** The disk kept the commits up to and with this one, and no later one. */
    crashed(kept: number): void {
      flushUpTo(kept);
      unflushed = [];
      current = naiveBank(structuredClone(durable.state));
    },
  };
}
