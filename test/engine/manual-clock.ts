// A clock that stands still until a test moves it. Turns of the event loop are real.
import type { Clock } from "../../src/clock.ts";

/** A Monday morning in Johannesburg. */
export const START = Date.parse("2026-03-02T08:00:00Z");

export type ManualClock = {
  readonly clock: Clock;
  /** Lets so many milliseconds pass, runs what is due in its order, and lets the engine work. */
  advance(ms: number): Promise<void>;
  /** Lets time pass while nothing can run, as when a call into the system blocks. */
  leap(ms: number): void;
  /** Lets the engine do all that it can do now. */
  turns(): Promise<void>;
};

const oneTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

export function manualClock(): ManualClock {
  let passed = 0;
  let timers: { at: number; run: () => void }[] = [];

  async function turns(): Promise<void> {
    for (let turn = 0; turn < 4; turn += 1) await oneTurn();
  }

  return {
    clock: {
      now: () => START + passed,
      monotonicMs: () => passed,
      soon: (run) => {
        setImmediate(run);
      },
      after(delayMs, run) {
        const timer = { at: passed + delayMs, run };
        timers.push(timer);
        return () => {
          timers = timers.filter((other) => other !== timer);
        };
      },
    },
    turns,
    leap(ms) {
      passed += ms;
    },
    async advance(ms) {
      const until = passed + ms;
      await turns();
      for (;;) {
        const [next] = timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at);
        if (next === undefined) break;
        timers = timers.filter((timer) => timer !== next);
        passed = Math.max(passed, next.at);
        next.run();
        await turns();
      }
      passed = until;
      await turns();
    },
  };
}
