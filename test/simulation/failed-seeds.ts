// Seeds that once failed, each with what it found; npm test runs them all.

/** A seed means the same run only as long as the simulation chooses the same, so each has a test. */
export const FAILED_SEEDS: readonly { readonly seed: number; readonly found: string }[] = [];
