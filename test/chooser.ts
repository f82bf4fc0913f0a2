// Chance from a seed: the same seed chooses the same, on every machine.

/** mulberry32: small, seeded, good enough to choose with. */
export function chooser(seed: number) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  return {
    below,
    /** A whole number from the one up to and with the other. */
    between: (least: number, most: number) => least + below(most - least + 1),
    one: <T>(from: readonly T[]): T => from[below(from.length)] as T,
    chance: (part: number) => next() < part,
  };
}
export type Chooser = ReturnType<typeof chooser>;
