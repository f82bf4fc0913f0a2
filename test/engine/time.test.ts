// contract.md 4.3: the budget, and what becomes of a hold whose caller was told 2060.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { minor } from "../../src/domain/money.ts";
import { BUDGET_MS, BUSY, type HeldBank, heldBank, RESULT_MS } from "./held-disk.ts";
import { START } from "./manual-clock.ts";

let bank: HeldBank;
beforeEach(() => {
  bank = heldBank();
});
afterEach(() => bank.close());

const SUCCESS = expect.stringMatching(/^success ACME-/) as unknown as string;
/** Deadlines are looked at every 20 ms. */
const SWEPT_MS = BUDGET_MS + 20;

describe("an answer waits for its flush", () => {
  test("committed and not flushed: nobody is answered; flushed: everybody is", async () => {
    bank.hold();
    const calls = [bank.reserve("a"), bank.reserve("b"), bank.result("none", "2201")];
    await bank.advance(1_000);
    expect(bank.batches).toEqual([["reserve", "reserve", "result"]]);
    expect(calls.map(({ state }) => state())).toEqual(["waiting", "waiting", "waiting"]);
    await bank.release();
    expect(calls.map(({ state }) => state())).toEqual([SUCCESS, SUCCESS, "unmatched"]);
  });

  test("while one flush runs the next batch is committed, and waits for the next flush", async () => {
    bank.hold();
    const first = bank.reserve("a");
    await bank.turns();
    const second = bank.reserve("b");
    const third = bank.reserve("c");
    await bank.turns();
    expect(bank.batches).toEqual([["reserve"], ["reserve", "reserve"]]);
    expect(bank.flushing()).toBe(1);
    expect([first, second, third].map(({ state }) => state())).toEqual(Array(3).fill("waiting"));
    await bank.release();
    expect([first, second, third].map(({ state }) => state())).toEqual(Array(3).fill(SUCCESS));
  });

  test("a repeat waits for its first, and has its answer", async () => {
    bank.hold();
    const first = bank.reserve("a");
    await bank.turns();
    const repeat = bank.reserve("a");
    await bank.advance(500);
    expect(repeat.state()).toBe("waiting");
    await bank.release();
    expect(repeat.state()).toBe(first.state());
    expect(bank.held()).toBe(10_000);
  });
});

describe("the budget passed before the commit", () => {
  test("2060 at once, no hold, recorded, and final", async () => {
    bank.commitError = BUSY;
    const call = bank.reserve("a");
    await bank.advance(BUDGET_MS - 1);
    expect(call.state()).toBe("waiting");
    await bank.advance(21);
    expect(call.state()).toBe("timeOut");

    bank.commitError = null;
    await bank.advance(100);
    expect(bank.held()).toBe(0);
    expect(bank.store.reservation("a")).toBeNull();
    expect(bank.answerCodes("a")).toEqual(["2060"]);
    const repeat = bank.reserve("a");
    await bank.turns();
    expect(repeat.state()).toBe("timeOut");
    expect(bank.held()).toBe(0);
  });

  test("what is late when its batch begins is not decided, swept or not", async () => {
    bank.commitError = BUSY;
    const late = bank.reserve("late");
    await bank.advance(BUDGET_MS - 5);
    const early = bank.reserve("early");
    bank.commitError = null;
    await bank.advance(6);
    expect([late.state(), early.state()]).toEqual([SUCCESS, SUCCESS]);

    bank.commitError = BUSY;
    const later = bank.reserve("later");
    await bank.advance(BUDGET_MS + 1);
    bank.commitError = null;
    await bank.advance(2);
    expect(later.state()).toBe("timeOut");
    expect(bank.held()).toBe(20_000);
  });

  test("a PIN that was never looked at is not counted", async () => {
    bank.close();
    bank = heldBank([{ pin: "4321" }]);
    bank.commitError = BUSY;
    bank.reserve("a", {}, "9999");
    await bank.advance(SWEPT_MS);
    bank.commitError = null;
    await bank.advance(100);
    expect(bank.answerCodes("a")).toEqual(["2060"]);
    expect(bank.store.account("1001")!.pinFailures).toBe(0);
  });

  test("a repeat of a durable first outcome keeps its answer", async () => {
    const first = bank.reserve("a");
    await bank.turns();
    bank.commitError = BUSY;
    const repeat = bank.reserve("a");
    const conflict = bank.reserve("a", { reserveAmount: minor(1) });
    await bank.advance(SWEPT_MS);
    expect(repeat.state()).toBe(first.state());
    expect(conflict.state()).toBe("unknownError");
    bank.commitError = null;
    await bank.advance(100);
    expect(bank.held()).toBe(10_000);
    const again = bank.reserve("a");
    await bank.turns();
    expect(again.state()).toBe(first.state());
    // The conflict is still a finding, and each request has its receipt.
    expect(bank.store.findings({ openAt: null, limit: 100 }).map(({ kind }) => kind)).toEqual([
      "conflict",
    ]);
    expect(bank.answerCodes("a").length).toBe(4);
  });
});

describe("the budget passed while the commit is in flight", () => {
  test("2060 at once, and the hold is released in the next commit", async () => {
    bank.hold();
    const call = bank.reserve("a");
    await bank.advance(BUDGET_MS - 1);
    expect([call.state(), bank.held()]).toEqual(["waiting", 10_000]);
    await bank.advance(21);
    expect(call.state()).toBe("timeOut");
    expect(bank.batches).toEqual([["reserve"], ["expire"]]);
    expect(bank.held()).toBe(0);
    await bank.release();
    expect(bank.store.reservation("a")).toMatchObject({
      state: "released",
      resolvedBy: "time-out",
    });
    expect(bank.answerCodes("a")).toEqual(["2060"]);
    const repeat = bank.reserve("a");
    await bank.turns();
    expect(repeat.state()).toBe("timeOut");
  });

  test("the release goes before any other decision on the account", async () => {
    bank.close();
    bank = heldBank([{ balance: 10_000 }]);
    bank.hold();
    const first = bank.reserve("a");
    await bank.turns();
    bank.commitError = BUSY;
    // Queued before the first one expires, and yet decided after its hold is gone.
    await bank.advance(BUDGET_MS - 100);
    const second = bank.reserve("b");
    await bank.advance(150);
    expect(first.state()).toBe("timeOut");
    bank.commitError = null;
    await bank.advance(50);
    expect(bank.batches).toEqual([["reserve"], ["expire", "reserve"]]);
    await bank.release();
    expect(second.state()).toEqual(SUCCESS);
    expect(bank.held()).toBe(10_000);
  });

  test("repeats answer 2060: in the same flush, queued, and later", async () => {
    bank.hold();
    const first = bank.reserve("a");
    const sameBatch = bank.reserve("a");
    await bank.advance(BUDGET_MS - 50);
    const sameFlush = bank.reserve("a");
    await bank.turns();
    bank.commitError = BUSY;
    const queued = bank.reserve("a");
    await bank.advance(100);
    expect([first.state(), sameBatch.state()]).toEqual(["timeOut", "timeOut"]);
    bank.commitError = null;
    const afterwards = bank.reserve("a");
    await bank.advance(50);
    await bank.release();
    await bank.advance(50);
    const later = bank.reserve("a");
    await bank.turns();
    for (const { state } of [sameFlush, queued, afterwards, later]) expect(state()).toBe("timeOut");
    expect(bank.held()).toBe(0);
    expect(new Set(bank.answerCodes("a"))).toEqual(new Set(["2060"]));
    expect(bank.store.verify().filter(({ ok }) => !ok)).toEqual([]);
  });

  test("a repeat whose own budget passes first takes its first along: one purchase, one answer", async () => {
    bank.hold();
    await bank.advance(1_000);
    const first = bank.reserve("a");
    await bank.turns();
    bank.commitError = BUSY;
    const repeat = bank.slowReserve("a", 1_000);
    await bank.advance(BUDGET_MS - 1_000 + 20);
    expect([first.state(), repeat.state()]).toEqual(["waiting", "timeOut"]);
    bank.commitError = null;
    await bank.advance(50);
    await bank.release();
    expect([first.state(), bank.held()]).toEqual(["timeOut", 0]);
  });

  test("however many are undone at once, a batch stays bounded, and nothing is decided before", async () => {
    bank.close();
    bank = heldBank([{ balance: 10_000_000 }]);
    bank.hold();
    for (let n = 0; n < 300; n += 1) bank.reserve(`a${n}`);
    await bank.advance(1_000);
    bank.stopCommits("before");
    bank.reserve("b");
    await bank.advance(SWEPT_MS - 1_000);
    const before = bank.handed.length;
    await bank.letCommit();
    await bank.release();
    await bank.advance(100);
    expect(Math.max(...bank.handed)).toBe(256);
    const undoing = bank.batches.slice(-2);
    expect(bank.handed.slice(before).reduce((sum, count) => sum + count, 0)).toBe(300);
    expect(new Set(undoing.flat())).toEqual(new Set(["expire"]));
    expect(bank.held()).toBe(10_000);
  });

  test("until it is undone on the disk, an unclean end would still ask about it", async () => {
    const receivedAt = bank.clock.now();
    bank.hold();
    bank.reserve("a");
    await bank.advance(SWEPT_MS);
    expect([bank.batches.at(-1), bank.openSince()]).toEqual([["expire"], receivedAt]);
    bank.reserve("b");
    await bank.turns();
    expect(bank.openSince()).toBe(receivedAt);
    await bank.release();
    bank.reserve("c");
    await bank.turns();
    expect(bank.openSince()).toBe(bank.clock.now());
  });

  test("once nobody waits and nothing came for a second, an unclean end asks about nothing", async () => {
    bank.reserve("a");
    await bank.advance(999);
    expect(bank.openSince()).toBe(START);
    bank.reserve("b");
    await bank.advance(999);
    expect(bank.openSince()).toBe(START + 999);
    await bank.advance(1_001);
    expect([bank.batches.at(-1), bank.openSince()]).toEqual([["idle"], null]);
    const noted = bank.batches.length;
    await bank.advance(60_000);
    expect(bank.batches.length).toBe(noted);
    bank.reserve("c");
    await bank.advance(0);
    expect(bank.openSince()).toBe(bank.clock.now());
    await bank.advance(2_000);
    expect(bank.openSince()).toBeNull();
  });

  test("a decline in flight becomes 2060 as well, and stays it", async () => {
    bank.hold();
    const call = bank.reserve("a", { buyerId: "nobody" });
    await bank.advance(SWEPT_MS);
    expect(call.state()).toBe("timeOut");
    await bank.release();
    const repeat = bank.reserve("a", { buyerId: "nobody" });
    await bank.turns();
    expect(repeat.state()).toBe("timeOut");
  });

  test("a wrong PIN tried in flight stays counted", async () => {
    bank.close();
    bank = heldBank([{ pin: "4321" }]);
    bank.hold();
    const call = bank.reserve("a", {}, "9999");
    await bank.advance(SWEPT_MS);
    expect(call.state()).toBe("timeOut");
    await bank.release();
    expect(bank.store.account("1001")!.pinFailures).toBe(1);
  });

  test("a repeat in flight of a durable first outcome keeps its answer", async () => {
    const first = bank.reserve("a");
    await bank.turns();
    bank.hold();
    const repeat = bank.reserve("a");
    await bank.advance(SWEPT_MS);
    expect(repeat.state()).toBe(first.state());
    await bank.release();
    expect(bank.held()).toBe(10_000);
    expect(bank.store.reservation("a")!.state).toBe("reserved");
  });

  test("the limits' counters are given back with the hold", async () => {
    const scope = { scope: "account", scopeKey: "1001" } as const;
    const by = {
      loginUid: null,
      loginName: null,
      effectiveUid: 0,
      effectiveName: null,
      reason: "",
    };
    bank.store.setLimits(by, scope, { dayCount: 1 });
    bank.hold();
    bank.reserve("a");
    await bank.advance(SWEPT_MS);
    await bank.release();
    const next = bank.reserve("b");
    await bank.turns();
    expect(next.state()).toEqual(SUCCESS);
  });

  test("Clickatell's cancel of what was told 2060 moves nothing", async () => {
    bank.hold();
    bank.reserve("a");
    await bank.advance(SWEPT_MS);
    const cancel = bank.result("a", "2226");
    await bank.turns();
    await bank.release();
    expect(cancel.state()).toBe("accepted");
    expect([bank.held(), bank.store.findings({ openAt: null, limit: 100 })]).toEqual([0, []]);
  });
});

describe("a result", () => {
  test("not durable in 4 s is late; it takes effect all the same, and the resend is accepted", async () => {
    const reserved = bank.reserve("a");
    await bank.turns();
    expect(reserved.state()).toEqual(SUCCESS);
    bank.hold();
    const call = bank.result("a", "0000");
    await bank.advance(RESULT_MS - 1);
    expect(call.state()).toBe("waiting");
    await bank.advance(21);
    expect(call.state()).toBe("late");
    await bank.release();
    const resent = bank.result("a", "0000");
    await bank.turns();
    expect(resent.state()).toBe("accepted");
    expect(bank.store.reservation("a")!.state).toBe("debited");
    expect(bank.store.account("1001")!.ledgerBalance).toBe(minor(490_000));
    expect(bank.store.findings({ openAt: null, limit: 100 })).toEqual([]);
  });

  test("not committed in 4 s is late, and takes effect when the disk takes it", async () => {
    bank.reserve("a");
    await bank.turns();
    bank.commitError = BUSY;
    const call = bank.result("a", "2201");
    await bank.advance(RESULT_MS + 20);
    expect(call.state()).toBe("late");
    bank.commitError = null;
    await bank.advance(100);
    expect(bank.store.reservation("a")!.state).toBe("released");
  });

  test("a reserve's shorter budget does not make a result late", async () => {
    bank.hold();
    const reserve = bank.reserve("a");
    const result = bank.result("b", "2201");
    await bank.advance(SWEPT_MS);
    expect([reserve.state(), result.state()]).toEqual(["timeOut", "waiting"]);
    await bank.release();
    expect(result.state()).toBe("unmatched");
  });
});
