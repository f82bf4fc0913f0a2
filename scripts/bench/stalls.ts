// A virtual machine may stand still for seconds. What is measured meanwhile says nothing, and a
// server that keeps its deadlines then answers late, as it should: such a case is measured again.

/** Somebody who tells what goes on. */
export type Tell = (line: string) => void;

const TICK_MS = 50;
/** Less than the deadlines that a standstill would break. */
const STANDSTILL_MS = 1_000;
/** After so many it is taken as it is. */
const MOST_TRIES = 5;

/** Watches this process, which waits most of the time; gives the longest it was kept from it. */
function watch(): () => number {
  let lastMs = performance.now();
  let longestMs = 0;
  const look = () => {
    const nowMs = performance.now();
    longestMs = Math.max(longestMs, nowMs - lastMs - TICK_MS);
    lastMs = nowMs;
  };
  const timer = setInterval(look, TICK_MS);
  return () => {
    clearInterval(timer);
    look();
    return longestMs;
  };
}

/** Does the part of the work that a standstill would spoil. */
export type Watched = <T>(act: () => Promise<T>) => Promise<T>;

/** Does something until the machine did not stand still in its watched part; tells how often. */
export async function whileSteady<T>(
  name: string,
  act: (watched: Watched) => Promise<T>,
  tell: Tell,
): Promise<{ readonly value: T; readonly tries: number }> {
  for (let tries = 1; ; tries += 1) {
    let stoodMs = 0;
    const [settled] = await Promise.allSettled([
      act(async (part) => {
        const stop = watch();
        return part().finally(() => {
          stoodMs = Math.max(stoodMs, stop());
        });
      }),
    ]);
    if (stoodMs < STANDSTILL_MS || tries === MOST_TRIES) {
      if (settled.status === "rejected") throw settled.reason;
      return { value: settled.value, tries };
    }
    tell(`  ${name}: again, for the machine stood still for ${Math.round(stoodMs)} ms`);
  }
}
