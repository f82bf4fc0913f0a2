// Simulated time: one queue of events in one order, and no clock but the next event's time.
import type { Clock } from "../../src/clock.ts";
import type { Chooser } from "../chooser.ts";

type Event = { readonly at: number; readonly tie: number; run: (() => void) | null };

export type SimulatedTime = Clock & {
  /** Runs the next event and all that it sets off; false where there is none. */
  runNext(): Promise<boolean>;
  /** Lets time pass while nothing can run, as when the whole machine stands still. */
  stall(ms: number): void;
  /** When the last stall ended, on the monotonic clock. */
  stalledUntil(): number;
  /** Runs a check amid the product's own code, which must not see it fail: `runNext` does. */
  judged(check: () => void): void;
  /** Runs a check once all that the event at hand sets off is done. */
  judgedLater(check: () => void): void;
};

/** Promises that are resolved have run all that hangs on them once this is done. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

const isBefore = (a: Event, b: Event) => a.at < b.at || (a.at === b.at && a.tie < b.tie);

/** A binary heap, the next event first. */
function eventQueue() {
  const heap: Event[] = [];
  const swap = (a: number, b: number) => {
    const moved = heap[a] as Event;
    heap[a] = heap[b] as Event;
    heap[b] = moved;
  };
  return {
    push(event: Event): void {
      heap.push(event);
      for (let at = heap.length - 1; at > 0; ) {
        const parent = (at - 1) >> 1;
        if (!isBefore(heap[at] as Event, heap[parent] as Event)) break;
        swap(at, parent);
        at = parent;
      }
    },
    pop(): Event | undefined {
      const first = heap[0];
      const last = heap.pop();
      if (first === undefined || last === undefined || heap.length === 0) return first;
      heap[0] = last;
      for (let at = 0; ; ) {
        let least = at;
        for (const child of [2 * at + 1, 2 * at + 2]) {
          if (child < heap.length && isBefore(heap[child] as Event, heap[least] as Event)) {
            least = child;
          }
        }
        if (least === at) return first;
        swap(at, least);
        at = least;
      }
    },
  };
}

/** `startsAt` is what the wall clock says first. Events of one instant come in any order. */
export function simulatedTime(choose: Chooser, startsAt: number): SimulatedTime {
  const queue = eventQueue();
  let passed = 0;
  let stalledUntil = 0;
  let failure: unknown = null;
  const later: (() => void)[] = [];

  function after(delayMs: number, run: () => void): () => void {
    const event: Event = { at: passed + delayMs, tie: choose.below(2 ** 30), run };
    queue.push(event);
    return () => {
      event.run = null;
    };
  }

  return {
    now: () => startsAt + passed,
    monotonicMs: () => passed,
    after,
    soon: (run) => void after(0, run),
    async runNext() {
      for (;;) {
        const event = queue.pop();
        if (event === undefined) return false;
        if (event.run === null) continue;
        passed = Math.max(passed, event.at);
        event.run();
        await settled();
        for (const check of later.splice(0)) check();
        if (failure !== null) throw failure;
        return true;
      }
    },
    stall(ms) {
      passed += ms;
      stalledUntil = passed;
    },
    stalledUntil: () => stalledUntil,
    judgedLater: (check) => void later.push(check),
    judged(check) {
      try {
        check();
      } catch (error) {
        failure ??= error;
      }
    },
  };
}
