// What comes at once is spread over turns of the event loop, in its order.
import { expect, test } from "bun:test";
import { systemClock } from "../../src/clock.ts";
import { turnTaker } from "../../src/http/turns.ts";

const oneTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

test("2,000 at once: 200 a turn in their order, and who comes later comes after them", async () => {
  const myTurn = turnTaker(systemClock);
  const begun: number[] = [];
  const begin = async (n: number) => {
    await myTurn();
    begun.push(n);
  };
  const all = Array.from({ length: 2_000 }, (_, n) => begin(n));
  await Promise.resolve();
  expect(begun.length).toBe(200);
  for (let turn = 1; begun.length < 2_000; turn += 1) {
    const before = begun.length;
    if (turn === 3) all.push(begin(2_000));
    await oneTurn();
    expect(begun.length - before).toBeLessThanOrEqual(200);
    expect(turn).toBeLessThan(20);
  }
  await Promise.all(all);
  expect(begun).toEqual(Array.from({ length: 2_001 }, (_, n) => n));
});

test("one alone does not wait, turn after turn", async () => {
  const myTurn = turnTaker(systemClock);
  for (let n = 0; n < 1_000; n += 1) {
    expect(myTurn()).toBeUndefined();
    await oneTurn();
  }
});
