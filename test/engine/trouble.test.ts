// What the engine does when the disk, the database or one operation fails, and under overload.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { FlushFailed, type RefusalOperation } from "../../src/storage/store.ts";
import { BUDGET_MS, BUSY, DISK_FULL, type HeldBank, heldBank, RESULT_MS } from "./held-disk.ts";

let bank: HeldBank;
beforeEach(() => {
  bank = heldBank([{ balance: 999_999_999_999 }]);
});
afterEach(() => bank.close());

const SUCCESS = expect.stringMatching(/^success ACME-/) as unknown as string;
const MOST_WAITING = 5_000;
const TURNED_AWAY: RefusalOperation = {
  kind: "refusal",
  trace: null,
  receivedAt: 0,
  peer: "",
  method: "GET",
  path: "/",
  status: 404,
  reason: "x",
  suppressed: 0,
};

describe("a failed flush", () => {
  test("nobody who depended on it is answered, onFatal comes once, nothing more is written", async () => {
    bank.hold();
    const flushed = [bank.reserve("a"), bank.result("none", "2201")];
    await bank.turns();
    // Committed behind the flush that will fail.
    const behind = bank.reserve("b");
    await bank.turns();
    const committed = bank.batches.length;
    const error = new Error("EIO");
    await bank.failFlush(error);
    expect(bank.fatal).toEqual([error]);

    const later = [bank.reserve("c"), bank.result("a", "0000")];
    await bank.advance(10_000);
    const states = [...flushed, behind].map(({ state }) => state());
    expect(states).toEqual(["waiting", "waiting", "waiting"]);
    expect(later.map(({ state }) => state())).toEqual(["no answer", "no answer"]);
    expect(bank.fatal.length).toBe(1);
    expect(bank.batches.length).toBe(committed);
    expect(bank.store.reservation("c")).toBeNull();
    expect(bank.engine.notReady()).toBe("a flush to the disk failed");
  });

  test("a batch that waits to be tried again is not", async () => {
    bank.hold();
    bank.reserve("a");
    await bank.turns();
    bank.commitError = BUSY;
    const waiting = bank.reserve("b");
    await bank.turns();
    await bank.failFlush(new Error("EIO"));
    bank.commitError = null;
    await bank.advance(10_000);
    expect([bank.batches, waiting.state()]).toEqual([[["reserve"]], "waiting"]);
  });

  test("nobody is told 2060 or 503 after it, whose time ends before the next look at it", async () => {
    bank.hold();
    const result = bank.result("none", "2201");
    await bank.advance(RESULT_MS - BUDGET_MS);
    const reserve = bank.reserve("a");
    await bank.advance(BUDGET_MS - 5);
    await bank.failFlush(new Error("EIO"));
    await bank.advance(10_000);
    expect([reserve.state(), result.state()]).toEqual(["waiting", "waiting"]);
  });

  test("a flush that ends well after one that failed answers nobody", async () => {
    bank.hold();
    const flushing = bank.reserve("a");
    await bank.turns();
    bank.commitError = new FlushFailed("EIO");
    const refused = bank.reserve("b");
    await bank.turns();
    expect(bank.fatal).toHaveLength(1);
    await bank.release();
    await bank.advance(10_000);
    expect([flushing.state(), refused.state()]).toEqual(["waiting", "waiting"]);
  });

  test("an fsync that failed inside a commit is as final", async () => {
    bank.commitError = new FlushFailed("disk I/O error");
    const call = bank.reserve("a");
    await bank.advance(10_000);
    expect([call.state(), bank.fatal.length, bank.batches]).toEqual(["waiting", 1, []]);
  });
});

describe("a batch that cannot be committed is tried again", () => {
  test("while another process writes", async () => {
    bank.commitError = BUSY;
    const call = bank.reserve("a");
    await bank.advance(500);
    expect(bank.engine.notReady()).toBeNull();
    bank.commitError = null;
    await bank.advance(5);
    expect(call.state()).toEqual(SUCCESS);
    expect(bank.held()).toBe(10_000);
  });

  test("while the disk is full: not ready until it is taken again", async () => {
    bank.commitError = DISK_FULL;
    const call = bank.reserve("a");
    const result = bank.result("none", "2201");
    await bank.advance(1_000);
    expect(bank.engine.notReady()).toBe("the database cannot be written");
    await bank.advance(4_000);
    expect([call.state(), result.state(), bank.fatal]).toEqual(["timeOut", "late", []]);
    bank.commitError = null;
    await bank.advance(200);
    expect(bank.engine.notReady()).toBeNull();
    // The 2060 that could not be recorded is recorded with the next commit that can.
    expect(bank.answerCodes("a")).toEqual(["2060"]);
    expect(bank.held()).toBe(0);
  });

  test("its operations keep their order, and what came meanwhile shares the commit", async () => {
    bank.commitError = BUSY;
    bank.reserve("a");
    await bank.advance(10);
    const result = bank.result("a", "0000");
    await bank.advance(10);
    bank.commitError = null;
    await bank.advance(5);
    expect(bank.batches).toEqual([["reserve", "result"]]);
    expect(result.state()).toBe("accepted");
  });
});

describe("one operation that fails", () => {
  test("does not fail its neighbours; it is 2090, and stays it", async () => {
    bank.hold();
    const before = bank.reserve("before");
    // What no request over the wire can be: it breaks a CHECK of the database.
    const broken = bank.reserve("broken", { feeAmount: -5 as never, productId: 1.5 });
    const after = bank.reserve("after");
    await bank.turns();
    await bank.release();
    expect(bank.batches[0]).toEqual(["reserve", "reserve", "reserve"]);
    expect([before.state(), broken.state(), after.state()]).toEqual([
      SUCCESS,
      "unknownError",
      SUCCESS,
    ]);
    expect(bank.held()).toBe(20_000);
    expect(bank.store.verify().filter(({ ok }) => !ok)).toEqual([]);
  });
});

describe("overload", () => {
  test("what waits is bounded by its size too: no answer, and service again once it is written", async () => {
    bank.commitError = BUSY;
    bank.body = JSON.stringify("x".repeat(60_000));
    const calls = Array.from({ length: 1_700 }, (_, index) => bank.reserve(`big-${index}`));
    await bank.turns();
    expect(calls.at(0)?.state()).toBe("waiting");
    expect(calls.at(-1)?.state()).toBe("no answer");
    bank.commitError = null;
    bank.body = null;
    await bank.advance(100);
    const after = bank.reserve("after");
    await bank.advance(100);
    expect(after.state()).not.toBe("no answer");
  });

  test("over 5,000 waiting: 2060 and overloaded at once; all of it is recorded when the disk can", async () => {
    bank.commitError = BUSY;
    const first = Array.from({ length: MOST_WAITING }, (_, n) => bank.reserve(`first ${n}`));
    await bank.turns();
    expect(bank.engine.notReady()).toBe("overloaded");
    const over = bank.reserve("over");
    const result = bank.result("over", "2201");
    await bank.turns();
    expect([over.state(), result.state()]).toEqual(["timeOut", "overloaded"]);
    expect(first[0]!.state()).toBe("waiting");

    bank.commitError = null;
    await bank.advance(200);
    await bank.engine.drained();
    expect(new Set(first.map(({ state }) => state().split(" ")[0]))).toEqual(new Set(["success"]));
    expect(bank.held()).toBe(MOST_WAITING * 10_000);
    expect(bank.answerCodes("over")).toEqual(["2060"]);
    expect(bank.engine.notReady()).toBeNull();
    // No batch is longer than what a short commit holds.
    expect(Math.max(...bank.batches.map(({ length }) => length))).toBeLessThanOrEqual(256);
  });

  test("no more than 1,000 refusals stand before a purchase; when they are written, more may", async () => {
    bank.commitError = BUSY;
    const taken = Array.from({ length: 3_000 }, () => bank.engine.refused(TURNED_AWAY));
    expect(taken.filter((isTaken) => isTaken).length).toBe(1_000);
    const call = bank.reserve("behind them");
    bank.commitError = null;
    await bank.advance(100);
    expect(call.state()).toEqual(SUCCESS);
    expect(bank.engine.refused(TURNED_AWAY)).toBe(true);
  });

  test("bounded: with 50,000 not on the disk a reserve has no answer, and leaves nothing", async () => {
    bank.commitError = BUSY;
    for (let n = 0; n < 50_000; n += 1) bank.reserve(`flood ${n}`);
    const over = bank.reserve("over");
    expect(bank.engine.refused(TURNED_AWAY)).toBe(false);
    await bank.turns();
    expect(over.state()).toBe("no answer");
  });
});

describe("after an unclean end", () => {
  const interrupted = () =>
    bank.store
      .findings({ openAt: null, limit: 100 })
      .map(({ kind, requestId }) => [kind, requestId]);

  test("what was open then and still is after 60 s is a finding, and nothing else is", async () => {
    const since = bank.clock.now();
    for (const requestId of ["open", "debited", "released"]) bank.reserve(requestId);
    await bank.turns();
    bank.result("debited", "0000");
    await bank.advance(1);
    const until = bank.clock.now();
    await bank.advance(10);
    bank.reserve("after the restart");
    bank.engine.watchInterrupted({ since, until });
    await bank.advance(30_000);
    bank.result("released", "2226");
    await bank.advance(29_990);
    expect(interrupted()).toEqual([]);
    await bank.advance(20);
    expect(interrupted()).toEqual([["interrupted", "open"]]);
    expect(bank.store.reservation("open")!.state).toBe("reserved");
  });

  test("the watch can be called off", async () => {
    bank.reserve("open");
    await bank.turns();
    const range = { since: 0, until: bank.clock.now() };
    bank.engine.watchInterrupted(range)();
    await bank.advance(120_000);
    expect(interrupted()).toEqual([]);
  });

  test("the store tells it from a clean end, and remembers it until it was looked at", async () => {
    expect(bank.store.beginServing(1_000)).toBeNull();
    // Killed: the next start is told since when requests were open, and the one after too.
    expect(bank.store.beginServing(5_000)).toEqual({ since: 1_000, until: 5_000 });
    expect(bank.store.beginServing(9_000)).toMatchObject({ since: 1_000 });
    bank.engine.watchInterrupted({ since: 1_000, until: 9_000 });
    await bank.advance(60_001);
    bank.store.endServing();
    expect(bank.store.beginServing(20_000)).toBeNull();
  });
});

describe("drained", () => {
  test("resolves once all that came in is on the disk, and at once where nothing is", async () => {
    await bank.engine.drained();
    bank.hold();
    bank.reserve("a");
    let drained = false;
    void bank.engine.drained().then(() => {
      drained = true;
    });
    await bank.advance(100);
    expect(drained).toBe(false);
    await bank.release();
    expect(drained).toBe(true);
  });

  test("waits for the undoing of what was told 2060, too", async () => {
    bank.hold();
    const call = bank.reserve("a");
    await bank.advance(2_000);
    expect(call.state()).toBe("timeOut");
    let drained = false;
    void bank.engine.drained().then(() => {
      drained = true;
    });
    await bank.turns();
    expect(drained).toBe(false);
    await bank.release();
    await bank.turns();
    expect([drained, bank.held()]).toEqual([true, 0]);
  });
});
