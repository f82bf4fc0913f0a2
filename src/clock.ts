// Time and waiting, handed in so that a whole bank can run on a simulated clock.

export type Clock = {
  /** Epoch milliseconds: what is written down. It may jump. */
  now(): number;
  /** Milliseconds that only go forward: what deadlines are measured on. */
  monotonicMs(): number;
  /** Runs a function once the events of this turn are handled. */
  soon(run: () => void): void;
  /** Runs a function after so many milliseconds; gives what calls it off. */
  after(delayMs: number, run: () => void): () => void;
};

export const systemClock: Clock = {
  now: Date.now,
  monotonicMs: () => performance.now(),
  soon: (run) => {
    setImmediate(run);
  },
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};
