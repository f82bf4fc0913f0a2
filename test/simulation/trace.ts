// What happened in a run, step by step: counted, hashed, and shown where the run fails.

/** The product and the reference model disagree; `about` names the request or account concerned. */
export class Disagreement extends Error {
  readonly about: string | null;
  constructor(message: string, about: string | null = null) {
    super(message);
    this.about = about;
  }
}

/** Fails the run unless it holds. */
export function demand(
  holds: boolean,
  message: () => string,
  about: string | null = null,
): asserts holds {
  if (!holds) throw new Disagreement(message(), about);
}

const LAST_LINES = 25;

export type Trace = ReturnType<typeof newTrace>;

export function newTrace(nowMs: () => number) {
  const lines: string[] = [];
  const hasher = new Bun.CryptoHasher("sha256");
  let steps = 0;

  /** Something that is worth a line and is no step of its own. */
  function note(text: string): void {
    const line = `${String(nowMs()).padStart(9)} ${text}`;
    lines.push(line);
    hasher.update(line);
  }

  return {
    lines,
    note,
    /** One event: a message sent, delivered or answered, a commit, a flush, an act, a fault. */
    step(text: string): void {
      steps += 1;
      note(text);
    },
    steps: () => steps,
    hash: () => hasher.digest("hex"),
    /** The last lines of what a failure is about, and the last of all. */
    excerpt(about: string | null): string {
      const concerned =
        about === null ? [] : lines.filter((line) => line.includes(about)).slice(-LAST_LINES);
      const last = lines.slice(-LAST_LINES);
      const head = about === null ? [] : [`-- the last of ${about}`, ...concerned];
      return [...head, "-- the last of all", ...last].join("\n");
    },
  };
}

/** What a failed run says: its seed, what is wrong, and what happened last. */
export function failureText(run: { seed: number; error: unknown; trace: Trace }): string {
  const { seed, error, trace } = run;
  const about = error instanceof Disagreement ? error.about : null;
  const why = error instanceof Disagreement ? error.message : Bun.inspect(error);
  const concerns = about === null ? "" : `${about}: `;
  return `seed ${seed}: ${concerns}${why}\n${trace.excerpt(about)}`;
}
