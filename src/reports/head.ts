// The journal's newest record and its hash, on every report. Whoever can write the database can
// write another chain of hashes; a report that was printed or sent away cannot be taken back.
import type { ChainHead } from "../storage/chain.ts";

/** As `verify --kept` takes it: "1200:9f86...". */
export function headText({ id, hash }: ChainHead): string {
  return `${id}:${Buffer.from(hash).toString("hex")}`;
}

/** As `verify --json` gives it. */
export function headJson({ id, hash }: ChainHead) {
  return { record: id, hash: Buffer.from(hash).toString("hex") };
}

export const HEAD_ADVICE =
  "The journal's newest record and its hash when this was made. Keep it off the bank's machine: " +
  "given to transact-bank verify --kept, it shows that nobody rewrote the journal up to there.";
