// What holds while a batch is with the store: it is not known yet what its operations come to, and
// the rules of time (contract.md 4.3) hold all the same.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { BUDGET_MS, BUSY, DISK_FULL, type HeldBank, heldBank, RESULT_MS } from "./held-disk.ts";

let bank: HeldBank;
beforeEach(() => {
  bank = heldBank();
});
afterEach(() => bank.close());

const SUCCESS = expect.stringMatching(/^success ACME-/) as unknown as string;
/** Deadlines are looked at every 20 ms. */
const SWEPT_MS = BUDGET_MS + 20;

test("what comes meanwhile is one batch, in the order it came", async () => {
  bank.stopCommits("before");
  const calls = [bank.reserve("a")];
  await bank.turns();
  calls.push(bank.reserve("b"));
  await bank.turns();
  calls.push(bank.reserve("c"));
  await bank.turns();
  expect(bank.batches).toEqual([]);
  await bank.letCommit();
  await bank.turns();
  expect(bank.batches).toEqual([["reserve"], ["reserve", "reserve"]]);
  expect(calls.map(({ state }) => state())).toEqual(Array(3).fill(SUCCESS));
});

describe("a second batch goes to the store before it has done the first", () => {
  const reserves = (count: number, name: string) =>
    Array.from({ length: count }, (_, index) => bank.reserve(`${name} ${index}`));

  test("where enough wait for it to be worth a commit, and no third one", async () => {
    bank.stopCommits("before");
    reserves(1, "first");
    await bank.turns();
    reserves(7, "few");
    await bank.turns();
    expect(bank.handed).toEqual([1]);
    reserves(1, "one more");
    await bank.turns();
    expect(bank.handed).toEqual([1, 8]);
    reserves(100, "third");
    await bank.turns();
    expect(bank.handed).toEqual([1, 8]);
    await bank.letCommit();
    await bank.turns();
    expect(bank.handed.slice(0, 3)).toEqual([1, 8, 100]);
    expect(bank.batches.map(({ length }) => length)).toEqual([1, 8, 100]);
  });

  test("but not past an undoing, which goes before all others", async () => {
    bank.stopCommits("before");
    reserves(1, "first");
    await bank.advance(SWEPT_MS);
    reserves(50, "later");
    await bank.turns();
    expect(bank.handed).toEqual([1]);
    await bank.letCommit();
    await bank.turns();
    expect(bank.batches[1]?.[0]).toBe("expire");
  });

  test("and where the first fails, both go again, in their order", async () => {
    bank.close();
    bank = heldBank([{ balance: 999_999_999_999 }]);
    bank.stopCommits("before");
    reserves(1, "first");
    await bank.turns();
    const results = Array.from({ length: 10 }, (_, index) => bank.result(`x ${index}`, "2201"));
    await bank.turns();
    expect(bank.handed).toEqual([1, 10]);
    bank.commitError = BUSY;
    await bank.letCommit();
    bank.commitError = null;
    await bank.advance(10);
    expect(bank.batches[0]).toEqual(["reserve", ...Array<"result">(10).fill("result")]);
    expect(new Set(results.map(({ state }) => state()))).toEqual(new Set(["unmatched"]));
  });
});

describe("a reserve's budget passes", () => {
  test("2060 at once; what it came to is undone before anything else", async () => {
    bank.stopCommits("before");
    const call = bank.reserve("a");
    await bank.advance(BUDGET_MS - 100);
    const other = bank.reserve("b");
    await bank.advance(120);
    expect([call.state(), other.state()]).toEqual(["timeOut", "waiting"]);
    await bank.letCommit();
    await bank.advance(10);
    expect(bank.batches).toEqual([["reserve"], ["expire", "reserve"]]);
    expect([other.state(), bank.held()]).toEqual([SUCCESS, 10_000]);
    expect(bank.store.reservation("a")).toMatchObject({
      state: "released",
      resolvedBy: "time-out",
    });
    expect(bank.answerCodes("a")).toEqual(["2060"]);
    const repeat = bank.reserve("a");
    await bank.turns();
    expect(repeat.state()).toBe("timeOut");
  });

  test("and the batch cannot be committed: it is recorded and never decided", async () => {
    bank.stopCommits("before");
    const call = bank.reserve("a");
    await bank.advance(SWEPT_MS);
    bank.commitError = DISK_FULL;
    await bank.letCommit();
    await bank.advance(500);
    bank.commitError = null;
    await bank.advance(200);
    expect([call.state(), bank.held()]).toEqual(["timeOut", 0]);
    expect(bank.store.reservation("a")).toBeNull();
    expect(bank.answerCodes("a")).toEqual(["2060"]);
    // Nothing about it is kept in memory: a repeat is answered by the disk alone.
    expect(bank.batches).toEqual([["reserve"]]);
    const repeat = bank.reserve("a");
    await bank.turns();
    expect(repeat.state()).toBe("timeOut");
  });

  test("with the commit done and not reported yet: no Success, and no hold stays", async () => {
    bank.stopCommits("after");
    const call = bank.reserve("a");
    await bank.advance(SWEPT_MS);
    await bank.letCommit();
    await bank.advance(30);
    expect([call.state(), bank.held()]).toEqual(["timeOut", 0]);
    expect(bank.answerCodes("a")).toEqual(["2060"]);
  });

  test("its repeats are told 2060: in its batch, behind it, and later", async () => {
    bank.stopCommits("before");
    const calls = [bank.reserve("a"), bank.reserve("a")];
    await bank.advance(100);
    calls.push(bank.reserve("a"));
    await bank.advance(SWEPT_MS);
    await bank.letCommit();
    await bank.advance(50);
    calls.push(bank.reserve("a"));
    await bank.turns();
    expect(calls.map(({ state }) => state())).toEqual(Array(4).fill("timeOut"));
    expect(bank.held()).toBe(0);
    expect(new Set(bank.answerCodes("a"))).toEqual(new Set(["2060"]));
    expect(bank.store.verify().filter(({ ok }) => !ok)).toEqual([]);
  });

  test("a repeat behind it whose own budget passes first takes it along", async () => {
    bank.stopCommits("before");
    const first = bank.reserve("a");
    await bank.turns();
    const repeat = bank.slowReserve("a", 1_000);
    await bank.advance(BUDGET_MS - 1_000 + 20);
    expect([first.state(), repeat.state()]).toEqual(["waiting", "timeOut"]);
    await bank.letCommit();
    await bank.advance(50);
    expect([first.state(), bank.held()]).toEqual(["timeOut", 0]);
  });

  test("a repeat of a durable first outcome keeps its answer", async () => {
    const first = bank.reserve("a");
    await bank.advance(1);
    for (const where of ["before", "after"] as const) {
      bank.stopCommits(where);
      const repeat = bank.reserve("a");
      await bank.advance(SWEPT_MS);
      expect(repeat.state()).toBe(first.state());
      await bank.letCommit();
    }
    await bank.advance(50);
    expect(bank.held()).toBe(10_000);
    expect(bank.store.reservation("a")?.state).toBe("reserved");
  });
});

describe("a result's four seconds pass", () => {
  test("503 at once; it takes effect, and its receipt says 503", async () => {
    bank.reserve("a");
    await bank.turns();
    bank.stopCommits("before");
    const call = bank.result("a", "0000");
    await bank.advance(RESULT_MS + 20);
    expect(call.state()).toBe("late");
    await bank.letCommit();
    await bank.advance(50);
    expect(bank.store.reservation("a")?.state).toBe("debited");
    expect(bank.store.receiptsOf("a", null).map(({ status }) => status)).toEqual([200, 503]);
  });

  test("and the batch cannot be committed: the next commit that can says the same", async () => {
    bank.reserve("a");
    await bank.turns();
    bank.stopCommits("before");
    const call = bank.result("a", "2226");
    await bank.advance(RESULT_MS + 20);
    bank.commitError = DISK_FULL;
    await bank.letCommit();
    await bank.advance(200);
    bank.commitError = null;
    await bank.advance(200);
    expect([call.state(), bank.held()]).toEqual(["late", 0]);
    expect(bank.store.receiptsOf("a", null).map(({ status }) => status)).toEqual([200, 503]);
  });
});

test("a flush that fails meanwhile ends it: the batch's callers hear nothing", async () => {
  bank.hold();
  const first = bank.reserve("a");
  await bank.turns();
  bank.stopCommits("after");
  const second = bank.reserve("b");
  await bank.turns();
  await bank.failFlush(new Error("EIO"));
  await bank.letCommit();
  await bank.advance(10_000);
  expect([first.state(), second.state(), bank.fatal.length]).toEqual(["waiting", "waiting", 1]);
});
