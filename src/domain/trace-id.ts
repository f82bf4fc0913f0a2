// The name of one request, for its answer's header, its receipt and the log. It is made of when the
// request came and a number that only grows while the server runs, so it needs nothing kept, and is
// not given twice: a later run comes later.

export type Trace = {
  /** Epoch milliseconds. */
  readonly receivedAt: number;
  readonly number: number;
};

export function traceIdOf({ receivedAt, number }: Trace): string {
  return `${receivedAt.toString(36)}-${number.toString(36)}`;
}

/** The trace that an id names, or null where the text is none. */
export function parseTraceId(text: string): Trace | null {
  const [, at, number] = /^([0-9a-z]{8,9})-([0-9a-z]{1,10})$/.exec(text) ?? [];
  if (at === undefined || number === undefined) return null;
  return { receivedAt: Number.parseInt(at, 36), number: Number.parseInt(number, 36) };
}
