// A refusal inside a write: it rolls the write back and comes out as a value of the port.
import type { Refusal } from "../store.ts";

export class Refused extends Error {
  readonly refusal: Refusal;
  constructor(refusal: Refusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

/** Refuses by a rule; the write leaves nothing behind. */
export function refuse(message: string): never {
  throw new Refused({ kind: "refused", message });
}

/** Refuses because what was named does not exist. */
export function notFound(message: string): never {
  throw new Refused({ kind: "not-found", message });
}
