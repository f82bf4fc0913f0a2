// contract.md 4.2 and 4.3 together: once anyone was told 2060 of a raasTxnRef, nobody is told
// Success of it, whatever the disk, the database and the order of the repeats are.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { BUDGET_MS, BUSY, type HeldBank, heldBank, RESULT_MS } from "./held-disk.ts";

let bank: HeldBank;
beforeEach(() => {
  bank = heldBank();
});
afterEach(() => bank.close());

const SWEPT_MS = BUDGET_MS + 20;

/** After all of it the reservation, where there is one, is released and holds nothing. */
async function nothingIsHeld(): Promise<void> {
  bank.commitError = null;
  await bank.release();
  await bank.advance(200);
  expect(bank.held()).toBe(0);
  const repeat = bank.reserve("a");
  await bank.advance(50);
  expect(repeat.state()).toBe("timeOut");
  expect(bank.store.verify().filter(({ ok }) => !ok)).toEqual([]);
}

test("the undoing waits for a busy database, a repeat's deadline passes: 2060", async () => {
  bank.hold();
  const first = bank.reserve("a");
  await bank.advance(10);
  bank.commitError = BUSY;
  await bank.advance(SWEPT_MS);
  await bank.release();
  const repeat = bank.reserve("a");
  await bank.advance(SWEPT_MS);
  expect([first.state(), repeat.state()]).toEqual(["timeOut", "timeOut"]);
  await nothingIsHeld();
});

test("a repeat that was applied before the first was told 2060 is told 2060 too", async () => {
  bank.hold();
  const first = bank.reserve("a");
  await bank.advance(BUDGET_MS - 100);
  const repeat = bank.reserve("a");
  await bank.advance(10);
  bank.commitError = BUSY;
  await bank.advance(150);
  expect([first.state(), repeat.state()]).toEqual(["timeOut", "waiting"]);
  await bank.release();
  expect(repeat.state()).toBe("timeOut");
  await nothingIsHeld();
});

test("a repeat with less time left than the first is told 2060, and then the first is", async () => {
  bank.commitError = BUSY;
  const first = bank.reserve("a");
  const repeat = bank.slowReserve("a", 1_000);
  await bank.advance(BUDGET_MS - 900);
  expect([first.state(), repeat.state()]).toEqual(["waiting", "timeOut"]);
  bank.commitError = null;
  await bank.advance(200);
  expect(first.state()).toBe("timeOut");
  expect(bank.answerCodes("a")).toEqual(["2060", "2060"]);
  // It was never decided, so that there is nothing to undo.
  expect(bank.store.reservation("a")).toBeNull();
  await nothingIsHeld();
});

test("a commit that kept the whole process waiting past the deadline is no Success", async () => {
  bank.hold();
  const first = bank.reserve("a");
  await bank.turns();
  // The clock goes on while nothing could run: no sweep saw the deadline.
  bank.leap(6_000);
  await bank.release();
  expect(first.state()).toBe("timeOut");
  await nothingIsHeld();
});

test("a result that was told 503 says so in its receipt, though it took effect", async () => {
  const sale = bank.reserve("a");
  await bank.turns();
  expect(sale.state()).toStartWith("success");
  bank.hold();
  const applied = bank.result("a", "0000");
  await bank.advance(RESULT_MS + 20);
  await bank.release();
  await bank.advance(50);
  bank.commitError = BUSY;
  const queued = bank.result("a", "0000");
  await bank.advance(RESULT_MS + 20);
  bank.commitError = null;
  await bank.advance(200);
  expect([applied.state(), queued.state()]).toEqual(["late", "late"]);
  expect(bank.store.reservation("a")?.state).toBe("debited");
  const results = bank.store.receiptsOf("a", null).filter(({ path }) => path.includes("Result"));
  expect(results.map(({ status }) => status)).toEqual([503, 503]);
});

test.each(["queued", "applying"])(
  "a late repeat was told Success while it was %s behind a release: its receipt says Success",
  async (where) => {
    const sale = bank.reserve("a");
    await bank.advance(10);
    const success = sale.state();
    expect(success).toStartWith("success");
    if (where === "queued") bank.commitError = BUSY;
    else bank.stopCommits("before");
    const released = bank.result("a", "2201");
    const repeat = bank.reserve("a");
    await bank.advance(SWEPT_MS);
    expect([released.state(), repeat.state()]).toEqual(["waiting", success]);
    bank.commitError = null;
    await bank.letCommit();
    await bank.advance(200);
    expect([released.state(), bank.held()]).toEqual(["accepted", 0]);
    expect(bank.answerCodes("a")).toEqual(["0000", null, "0000"]);
  },
);
