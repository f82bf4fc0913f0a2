// Spreads what comes at once over several turns of the event loop. The runtime hands over all
// requests that are there, thousands where as many connections have one, before a timer runs or a
// commit's answers leave; this keeps all but some of them for the next turns, in their order.
import type { Clock } from "../clock.ts";

/** Requests that one turn goes on with: some milliseconds of work. */
const MOST_A_TURN = 200;

/** Gives what each request awaits before its work begins. */
export function turnTaker({ soon }: Pick<Clock, "soon">): () => Promise<void> | undefined {
  let isScheduled = false;
  let begun = 0;
  let waiting: (() => void)[] = [];

  function schedule(): void {
    if (isScheduled) return;
    isScheduled = true;
    soon(nextTurn);
  }

  function nextTurn(): void {
    isScheduled = false;
    const next = waiting.slice(0, MOST_A_TURN);
    waiting = waiting.slice(MOST_A_TURN);
    begun = next.length;
    for (const begin of next) begin();
    if (begun > 0) schedule();
  }

  return () => {
    schedule();
    begun += 1;
    // Nobody goes past one who waits.
    if (begun <= MOST_A_TURN && waiting.length === 0) return undefined;
    return new Promise((resolve) => waiting.push(resolve));
  };
}
