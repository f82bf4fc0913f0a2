const WAIT_MS = 20_000;
const POLL_MS = 10;

/** Waits until a condition holds; throws when it takes too long. */
export async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + WAIT_MS;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`Waited ${WAIT_MS} ms in vain: ${what}`);
    await Bun.sleep(POLL_MS);
  }
}
