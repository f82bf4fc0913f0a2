// The served operations on the engine under test, in a real database: contract.md 2-4.
import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { minor } from "../../src/domain/money.ts";
import { traceIdOf } from "../../src/domain/trace-id.ts";
import { PAGE_SIZE } from "../../src/storage/pages.ts";
import type { Operation, OperationOutcome } from "../../src/storage/store.ts";
import { bytesOutsideKeys } from "../http/bank.ts";
import {
  BY,
  balancesOf,
  bankTest,
  buyerOf,
  done,
  findingsOf,
  MONDAY_MORNING,
  PIN,
  problemsOf,
  receiptDraft,
  reserveOperation,
  resultOperation,
  sqliteTest,
  type TemporaryBank,
  temporaryBank,
} from "./bank.ts";
import { onPostgres } from "./spelling.ts";

const referenceOf = (outcome: OperationOutcome | undefined) =>
  outcome?.kind === "reserve" ? outcome.reference : null;

/** The counters as people would write them: "2026-03-02 all *: 10500 in 1". */
function countersOf(bank: TemporaryBank): string[] {
  return bank
    .sql("SELECT period, scope, scope_key, amount, count FROM usage ORDER BY 1, 2, 3")
    .map(
      (row) =>
        `${row["period"]} ${row["scope"]} ${row["scope_key"]}: ${row["amount"]} in ${row["count"]}`,
    );
}

describe("a purchase", () => {
  bankTest("is held, debited once, and split", (bank) => {
    const [outcome] = bank.apply(reserveOperation("raas-1"));
    expect(outcome).toMatchObject({ kind: "reserve", outcome: "success", fresh: true });
    expect(referenceOf(outcome)).toMatch(/^ACME-[0-9a-f-]{36}$/);
    expect(balancesOf(bank, "1001")).toBe("ledger 5000.00, held 105.00");

    expect(bank.result("raas-1", "0000")).toBe("accepted");
    expect(balancesOf(bank, "1001")).toBe("ledger 4895.00, held 0.00");
    expect(balancesOf(bank, "@clickatell")).toBe("ledger 90.00, held 0.00");
    expect(balancesOf(bank, "@income")).toBe("ledger 15.00, held 0.00");
    expect(bank.store.reservation("raas-1")).toMatchObject({
      state: "debited",
      resolvedBy: "result",
      resultCode: "0000",
      resolvedAt: MONDAY_MORNING,
    });

    expect(bank.result("raas-1", "0000")).toBe("accepted");
    expect(balancesOf(bank, "1001")).toBe("ledger 4895.00, held 0.00");
    expect(problemsOf(bank)).toEqual([]);
  });

  bankTest("that was not dispensed is released, and leaves no posting", (bank) => {
    bank.reserve("raas-1");
    expect(bank.result("raas-1", "2201")).toBe("accepted");
    expect(balancesOf(bank, "1001")).toBe("ledger 5000.00, held 0.00");
    const { state, resultCode } = bank.store.reservation("raas-1")!;
    expect([state, resultCode]).toEqual(["released", "2201"]);
    expect(bank.store.journalOf("raas-1")).toEqual([]);
    expect(problemsOf(bank)).toEqual([]);
  });

  bankTest("can be confirmed by our reference alone, at any age", (bank) => {
    const reference = referenceOf(bank.apply(reserveOperation("raas-1"))[0]);
    bank.clock.set("2027-03-02T10:00:00+02:00");
    expect(bank.result(null, "0000", { reference })).toBe("accepted");
    expect(balancesOf(bank, "1001")).toBe("ledger 4895.00, held 0.00");
  });

  bankTest("without a settlementAmount waits in suspense, with a finding", (bank) => {
    bank.reserve("raas-1", { settlementAmount: null });
    bank.result("raas-1", "0000");
    expect(balancesOf(bank, "@suspense")).toBe("ledger 105.00, held 0.00");
    expect(findingsOf(bank)).toEqual(["settlement-missing raas-1"]);
  });

  bankTest("of which more is owed than was paid is debited all the same", (bank) => {
    bank.reserve("raas-1", { settlementAmount: minor(11_000) });
    bank.result("raas-1", "0000");
    expect(balancesOf(bank, "@clickatell")).toBe("ledger 110.00, held 0.00");
    expect(balancesOf(bank, "@income")).toBe("ledger -5.00, held 0.00");
    expect(findingsOf(bank)).toEqual(["settlement-exceeds-reserve raas-1"]);
    expect(problemsOf(bank)).toEqual([]);
  });

  bankTest("by each buyer of the demo answers as the contract's table says", (bank) => {
    done(bank.store.blockBuyer(BY, buyerOf("1002")));
    expect({
      fine: bank.reserve("raas-1"),
      unknown: bank.reserve("raas-2", { buyerId: "nobody" }),
      inactive: bank.reserve("raas-3", { buyerId: buyerOf("1003") }),
      blacklisted: bank.reserve("raas-4", { buyerId: buyerOf("1004") }),
      blocked: bank.reserve("raas-5", { buyerId: buyerOf("1002") }),
      noPin: bank.reserve("raas-6", { buyerId: buyerOf("1005") }),
      rightPin: bank.reserve("raas-7", { buyerId: buyerOf("1005") }, PIN),
      poor: bank.reserve("raas-8", { reserveAmount: minor(489_501) }),
      currency: bank.reserve("raas-9", { currency: "USD" }),
    }).toEqual({
      fine: "success",
      unknown: "notMapped",
      inactive: "accountInactive",
      blacklisted: "blacklisted",
      blocked: "blacklisted",
      noPin: "invalidAuthCode",
      rightPin: "success",
      poor: "insufficientFunds",
      currency: "unknownError",
    });
  });

  bankTest("is declined while sales are paused, and its result still counts", (bank) => {
    bank.reserve("raas-1");
    done(bank.store.pauseSales(BY));
    expect(bank.reserve("raas-2")).toBe("unknownError");
    expect(bank.reserve("raas-1")).toBe("success");
    expect(bank.result("raas-1", "0000")).toBe("accepted");
    done(bank.store.resumeSales(BY));
    expect(bank.reserve("raas-3")).toBe("success");
    expect(bank.reserve("raas-2")).toBe("unknownError");
  });
});

describe("a repeat (contract.md 4.2)", () => {
  bankTest("has the first answer and reference, and holds nothing more", (bank) => {
    const [first, inTheSameBatch] = bank.apply(
      reserveOperation("raas-1"),
      reserveOperation("raas-1"),
    );
    const [later] = bank.apply(reserveOperation("raas-1", { clientRef: "other", channelId: 4 }));
    expect(referenceOf(inTheSameBatch)).toBe(referenceOf(first));
    expect(later).toMatchObject({
      outcome: "success",
      reference: referenceOf(first),
      fresh: false,
    });
    expect(balancesOf(bank, "1001")).toBe("ledger 5000.00, held 105.00");
    expect(findingsOf(bank)).toEqual([]);
  });

  bankTest("of a decline stays a decline, even if funds have come since", (bank) => {
    const much = { reserveAmount: minor(600_000) };
    expect(bank.reserve("raas-1", much)).toBe("insufficientFunds");
    done(bank.store.credit(BY, "1001", minor(1_000_000)));
    expect(bank.reserve("raas-1", much)).toBe("insufficientFunds");
    expect(bank.reserve("raas-2", much)).toBe("success");
  });

  bankTest("with other content is 2090 and one finding; the first outcome stands", (bank) => {
    const reference = referenceOf(bank.apply(reserveOperation("raas-1"))[0]);
    expect(bank.reserve("raas-1", { reserveAmount: minor(10_501) })).toBe("unknownError");
    expect(bank.reserve("raas-1", { productId: 111 })).toBe("unknownError");
    expect(bank.store.findings({ openAt: null, limit: 100 })).toMatchObject([
      { kind: "conflict", requestId: "raas-1", reference, occurrences: 2 },
    ]);
    expect(bank.reserve("raas-1")).toBe("success");
    expect(balancesOf(bank, "1001")).toBe("ledger 5000.00, held 105.00");
    bank.result("raas-1", "0000");
    expect(balancesOf(bank, "1001")).toBe("ledger 4895.00, held 0.00");
  });

  bankTest("is the same in another spelling of the buyer, even after a remap", (bank) => {
    bank.reserve("raas-1", { buyerId: "0731304702" });
    done(bank.store.mapBuyer(BY, "27731304702", "1002"));
    expect(bank.reserve("raas-1", { buyerId: "+27731304702" })).toBe("success");
    expect(findingsOf(bank)).toEqual([]);
  });

  bankTest("after a release is a time-out: Success is never said where nothing is held", (bank) => {
    bank.reserve("raas-1");
    bank.result("raas-1", "2201");
    const [again] = bank.apply(reserveOperation("raas-1"));
    expect(again).toMatchObject({ outcome: "timeOut", reference: null, fresh: false });
    expect(balancesOf(bank, "1001")).toBe("ledger 5000.00, held 0.00");
  });

  bankTest("evaluates no PIN and counts nothing", (bank) => {
    const buyerId = buyerOf("1005");
    expect(bank.reserve("raas-1", { buyerId }, "9999")).toBe("invalidAuthCode");
    expect(bank.reserve("raas-1", { buyerId }, "8888")).toBe("invalidAuthCode");
    expect(bank.reserve("raas-1", { buyerId }, PIN)).toBe("invalidAuthCode");
    expect(bank.store.account("1005")?.pinFailures).toBe(1);
  });

  sqliteTest("can be answered without a write", (bank) => {
    const { request } = reserveOperation("raas-1", { buyerId: "0731304702" });
    expect(bank.store.repeatOf(request)).toBeNull();
    const reference = referenceOf(bank.apply(reserveOperation("raas-1"))[0]);
    expect(bank.store.repeatOf(request)).toMatchObject({ outcome: "success", reference });
    expect(bank.store.repeatOf({ ...request, feeAmount: minor(1) })).toMatchObject({
      outcome: "unknownError",
      reference: null,
    });
    expect(findingsOf(bank)).toEqual([]);
  });
});

describe("a result that fits nothing or not quite (contract.md 4.4-4.8)", () => {
  bankTest("a failure that overtook its reserve leaves a tombstone", (bank) => {
    expect(bank.result("raas-1", "2201")).toBe("unmatched");
    expect(bank.reserve("raas-1")).toBe("timeOut");
    expect(bank.reserve("raas-1")).toBe("timeOut");
    expect(bank.result("raas-1", "2201")).toBe("unmatched");
    expect(balancesOf(bank, "1001")).toBe("ledger 5000.00, held 0.00");
    expect(findingsOf(bank)).toEqual(["unmatched raas-1"]);
  });

  bankTest(
    "a 0000 that overtook its reserve does not block it, and the finding names it",
    (bank) => {
      expect(bank.result("raas-1", "0000")).toBe("unmatched");
      const reference = referenceOf(bank.apply(reserveOperation("raas-1"))[0]);
      expect(reference).not.toBeNull();
      expect(bank.store.findings({ openAt: null, limit: 100 })[0]).toMatchObject({
        kind: "unmatched-success",
        detail: `result 0000: never seen; a reserve came later and was answered 0000 as ${reference}`,
      });
      expect(bank.result("raas-1", "0000")).toBe("accepted");
    },
  );

  bankTest("a later reserve that was told 2060 undecided is named too", (bank) => {
    bank.result("raas-1", "0000");
    bank.apply({ ...reserveOperation("raas-1"), told: "timeOut" });
    expect(bank.store.findings({ openAt: null, limit: 100 })[0]?.detail).toEndWith(
      "a reserve came later and was answered 2060",
    );
  });

  bankTest("two references that are not of one reservation move nothing", (bank) => {
    bank.reserve("raas-1");
    const reference = referenceOf(bank.apply(reserveOperation("raas-2"))[0]);
    expect(bank.result("raas-1", "2201", { reference })).toBe("unmatched");
    expect(bank.result("raas-3", "2201", { reference })).toBe("unmatched");
    expect(bank.reserve("raas-3")).toBe("success");
    expect(balancesOf(bank, "1001")).toBe("ledger 5000.00, held 315.00");
    expect(findingsOf(bank)).toEqual(["unmatched raas-1", "unmatched raas-3"]);
  });

  test.each([
    // first result, then -> balances, state
    ["2201", "0000", "ledger 5000.00, held 0.00", "released"],
    ["0000", "2201", "ledger 4895.00, held 0.00", "debited"],
  ])("%s, then %s: 202, no money moves, one finding", (first, then, balances, state) => {
    const bank = temporaryBank();
    bank.reserve("raas-1");
    bank.result("raas-1", first);
    expect(bank.result("raas-1", then)).toBe("accepted");
    expect(bank.result("raas-1", then)).toBe("accepted");
    expect(balancesOf(bank, "1001")).toBe(balances);
    expect(bank.store.reservation("raas-1")?.state as string).toBe(state);
    expect(bank.store.findings({ openAt: null, limit: 100 })).toMatchObject([
      { kind: "contradiction", occurrences: 2 },
    ]);
    bank.close();
  });

  bankTest("other amounts: the reservation's are used, with a finding", (bank) => {
    bank.reserve("raas-1");
    bank.result("raas-1", "0000", { reserveAmount: minor(1), settlementAmount: minor(1) });
    expect(balancesOf(bank, "1001")).toBe("ledger 4895.00, held 0.00");
    expect(balancesOf(bank, "@clickatell")).toBe("ledger 90.00, held 0.00");
    expect(findingsOf(bank)).toEqual(["amounts-differ raas-1"]);
  });

  bankTest("for a declined reserve: 404; only a 0000 is a finding", (bank) => {
    bank.reserve("raas-1", { buyerId: "nobody" });
    expect(bank.result("raas-1", "2201")).toBe("unmatched");
    expect(findingsOf(bank)).toEqual([]);
    expect(bank.result("raas-1", "0000")).toBe("unmatched");
    expect(findingsOf(bank)).toEqual(["unmatched-success raas-1"]);
  });

  bankTest("a supplier whose outcome is unknown: released, with a finding", (bank) => {
    bank.reserve("raas-1");
    bank.result("raas-1", "2240");
    expect(balancesOf(bank, "1001")).toBe("ledger 5000.00, held 0.00");
    expect(findingsOf(bank)).toEqual(["supplier-unknown raas-1"]);
  });

  bankTest("an unmatched 0000 stands first among the findings", (bank) => {
    bank.result("raas-1", "2201");
    bank.reserve("raas-2");
    bank.reserve("raas-2", { productId: 1 });
    bank.result("raas-3", "0000");
    expect(findingsOf(bank)).toEqual([
      "unmatched-success raas-3",
      "conflict raas-2",
      "unmatched raas-1",
    ]);
  });
});

describe("what was told 2060 (contract.md 4.3)", () => {
  const expire = (requestId: string, ...receiptIds: number[]): Operation => ({
    kind: "expire",
    requestId,
    receiptIds,
  });

  bankTest("while its commit was in flight: the hold and the counters are given back", (bank) => {
    const [outcome] = bank.apply(reserveOperation("raas-1"));
    const receiptId = outcome?.kind === "reserve" ? outcome.receiptId : 0;
    bank.apply(expire("raas-1", receiptId));
    expect(balancesOf(bank, "1001")).toBe("ledger 5000.00, held 0.00");
    expect(bank.store.reservation("raas-1")).toMatchObject({
      state: "released",
      resolvedBy: "time-out",
      resultCode: null,
    });
    expect(bank.store.receipt(String(receiptId))).toMatchObject({
      responseCode: "2060",
      message: "Time-out",
      reference: null,
    });
    expect(bank.reserve("raas-1")).toBe("timeOut");
    expect(countersOf(bank).filter((line) => !line.endsWith(": 0 in 0"))).toEqual([]);
    expect(problemsOf(bank)).toEqual([]);
  });

  bankTest("comes before the next decision on the account", (bank) => {
    bank.reserve("raas-1", { reserveAmount: minor(500_000) });
    const [, next] = bank.apply(
      expire("raas-1"),
      reserveOperation("raas-2", { reserveAmount: minor(500_000) }),
    );
    expect(next).toMatchObject({ outcome: "success" });
  });

  bankTest("is undone once: a second time-out of the same request changes nothing", (bank) => {
    bank.reserve("raas-1");
    bank.reserve("raas-2");
    bank.apply(expire("raas-1"), expire("raas-1"));
    expect(balancesOf(bank, "1001")).toBe("ledger 5000.00, held 105.00");
  });

  bankTest("after the debit moves no money, and a repeat is still a time-out", (bank) => {
    bank.reserve("raas-1");
    bank.result("raas-1", "0000");
    bank.apply(expire("raas-1"));
    expect(balancesOf(bank, "1001")).toBe("ledger 4895.00, held 0.00");
    expect(bank.reserve("raas-1")).toBe("timeOut");
    expect(problemsOf(bank)).toEqual([]);
  });

  bankTest("before its commit: recorded, never decided, for ever", (bank) => {
    const [outcome] = bank.apply({ ...reserveOperation("raas-1"), told: "timeOut" });
    expect(outcome).toMatchObject({ outcome: "timeOut", reference: null, fresh: true });
    expect(balancesOf(bank, "1001")).toBe("ledger 5000.00, held 0.00");
    expect(bank.reserve("raas-1")).toBe("timeOut");
    expect(bank.reserve("raas-1", { productId: 1 })).toBe("unknownError");
  });

  bankTest("about a repeat takes nothing from the first outcome", (bank) => {
    bank.reserve("raas-1");
    bank.apply({ ...reserveOperation("raas-1"), told: "timeOut" });
    expect(bank.reserve("raas-1")).toBe("success");
    expect(balancesOf(bank, "1001")).toBe("ledger 5000.00, held 105.00");
  });

  bankTest("and then dispensed after all: a contradiction", (bank) => {
    bank.reserve("raas-1");
    bank.apply(expire("raas-1"));
    expect(bank.result("raas-1", "2201")).toBe("accepted");
    expect(findingsOf(bank)).toEqual([]);
    expect(bank.result("raas-1", "0000")).toBe("accepted");
    expect(findingsOf(bank)).toEqual(["contradiction raas-1"]);
  });
});

describe("an unclean end (contract.md 4.3)", () => {
  const at = (minutes: number) => MONDAY_MORNING + minutes * 60_000;

  bankTest("names its open reservations of the last moment, and no others", (bank) => {
    bank.reserve("before");
    bank.clock.set(at(10));
    bank.reserve("open");
    bank.reserve("confirmed");
    bank.clock.set(at(20));
    bank.reserve("after");
    bank.result("confirmed", "0000");
    bank.apply({ kind: "interrupted", since: at(10), until: at(15) });
    bank.apply({ kind: "interrupted", since: at(10), until: at(15) });
    expect(findingsOf(bank)).toEqual(["interrupted open"]);
  });

  bankTest("of a server that nobody waited for leaves nothing to look at", ({ store }) => {
    store.beginServing(at(0));
    const times = { monotonicMs: 0, openSince: at(5) };
    store.applyNow([reserveOperation("raas-1")], { ...times, now: at(5) });
    store.applyNow([{ kind: "idle" }], { ...times, now: at(6), openSince: null });
    expect(store.beginServing(at(7))).toBeNull();
  });

  bankTest("is known from the moment the oldest unanswered request came", (bank) => {
    const { store } = bank;
    const begin = (time: number) => {
      bank.clock.set(time);
      return store.beginServing(time);
    };
    expect(begin(at(0))).toBeNull();
    bank.clock.set(at(5));
    store.applyNow([reserveOperation("raas-1")], {
      now: at(5),
      monotonicMs: 0,
      openSince: at(4),
    });
    // No endServing: killed. It stays known over a second kill, until it was looked at.
    expect(begin(at(6))).toEqual({ since: at(4), until: at(6) });
    expect(begin(at(7))).toEqual({ since: at(4), until: at(7) });
    bank.apply({ kind: "interrupted", since: at(4), until: at(7) });
    expect(findingsOf(bank)).toEqual(["interrupted raas-1"]);
    store.endServing();
    expect(begin(at(8))).toBeNull();
  });

  bankTest("is known although the clock was set back before the next start", (bank) => {
    const { store } = bank;
    store.beginServing(at(0));
    bank.clock.set(at(90));
    const times = { now: at(90), monotonicMs: 0, openSince: at(89) };
    store.applyNow([reserveOperation("raas-1")], times);
    bank.clock.set(at(30));
    expect(store.beginServing(at(30))).toEqual({ since: at(89), until: at(90) });
  });
});

describe("a batch", () => {
  const PLANT_FAILURE = onPostgres
    ? `CREATE TRIGGER planted BEFORE UPDATE OF held ON accounts
       FOR EACH ROW WHEN (NEW.number = '1002') EXECUTE FUNCTION refuse('planted')`
    : `CREATE TRIGGER planted BEFORE UPDATE OF held ON accounts
       WHEN NEW.number = '1002' BEGIN SELECT RAISE(ABORT, 'planted'); END`;
  const PULL_IT = `DROP TRIGGER planted${onPostgres ? " ON accounts" : ""}`;

  bankTest("one operation that fails leaves its neighbours, and nothing of itself", (bank) => {
    bank.sql(PLANT_FAILURE);
    const outcomes = bank.apply(
      reserveOperation("raas-1"),
      reserveOperation("raas-2", { buyerId: buyerOf("1002") }),
      reserveOperation("raas-3"),
    );
    expect(outcomes).toMatchObject([
      { outcome: "success" },
      { outcome: "unknownError", reference: null },
      { outcome: "success" },
    ]);
    expect(balancesOf(bank, "1001")).toBe("ledger 5000.00, held 210.00");
    expect(bank.store.reservation("raas-2")).toBeNull();
    expect(bank.store.receipts(10)).toHaveLength(3);
    bank.sql(PULL_IT);
    expect(bank.reserve("raas-2", { buyerId: buyerOf("1002") })).toBe("unknownError");
    expect(problemsOf(bank)).toEqual([]);
  });

  bankTest("a result that fails is not accepted, and can come again", (bank) => {
    bank.reserve("raas-1", { buyerId: buyerOf("1002") });
    bank.reserve("raas-2");
    bank.sql(PLANT_FAILURE);
    const outcomes = bank.apply(
      resultOperation("raas-1", "0000"),
      resultOperation("raas-2", "0000"),
    );
    expect(outcomes).toMatchObject([{ kind: "failed" }, { kind: "result", answer: "accepted" }]);
    expect(balancesOf(bank, "1002")).toBe("ledger 5000.00, held 105.00");
    bank.sql(PULL_IT);
    expect(bank.result("raas-1", "0000")).toBe("accepted");
    expect(balancesOf(bank, "1002")).toBe("ledger 4895.00, held 0.00");
    expect(problemsOf(bank)).toEqual([]);
  });

  sqliteTest(
    "that cannot be written throws, changes nothing, and does not wait while serving",
    (bank) => {
      bank.store.beginServing(MONDAY_MORNING);
      const other = new Database(join(bank.dataDir, "bank.db"));
      other.run("BEGIN IMMEDIATE");
      // Waiting for the other writer would take longer than a test may.
      expect(() => bank.apply(reserveOperation("raas-1"))).toThrow(/locked/);
      other.run("ROLLBACK");
      other.close();
      expect(bank.store.repeatOf(reserveOperation("raas-1").request)).toBeNull();
      expect(bank.reserve("raas-1")).toBe("success");
      bank.store.endServing();
    },
    { serving: true },
  );

  bankTest(
    "is in the file after a flush",
    async (bank) => {
      bank.reserve("raas-1");
      await bank.store.flush();
      expect(bank.sql("SELECT request_id FROM requests")).toEqual([{ request_id: "raas-1" }]);
    },
    { serving: true },
  );
});

describe("receipts (contract.md 4.1)", () => {
  bankTest("each received request leaves one, with what it was answered", (bank) => {
    const reserve = reserveOperation("raas-1");
    const receipt = receiptDraft({
      startedAtMs: 100,
      notes: ["no clientTxnRef"],
      peer: "10.0.0.7",
    });
    bank.store.applyNow(
      [
        { ...reserve, receipt },
        resultOperation("raas-1", "0000"),
        resultOperation("raas-9", "2201"),
        { kind: "malformed", receipt: receiptDraft({ body: null }), message: "reserveAmount: > 0" },
      ],
      { now: MONDAY_MORNING, monotonicMs: 101.5, openSince: MONDAY_MORNING },
    );
    const [malformed, unmatched, accepted, reserved] = bank.store.receipts(10);
    expect(reserved).toMatchObject({
      status: 200,
      responseCode: "0000",
      requestId: "raas-1",
      peer: "10.0.0.7",
      durationUs: 1_500,
      notes: ["no clientTxnRef"],
      reference: bank.store.reservation("raas-1")?.reference,
    });
    expect(accepted).toMatchObject({ status: 202, responseCode: null, requestId: "raas-1" });
    expect(unmatched).toMatchObject({ status: 404, message: "No matching reservation" });
    expect(malformed).toMatchObject({
      status: 400,
      responseCode: "2090",
      message: "reserveAmount: > 0",
      body: null,
      requestId: null,
    });
    expect(bank.store.receiptsOf("raas-1", null).map(({ status }) => status)).toEqual([200, 202]);
  });

  bankTest("refusals at the door have numbers of their own, and are listed by time", (bank) => {
    bank.reserve("raas-1");
    bank.apply({
      kind: "refusal",
      trace: null,
      receivedAt: MONDAY_MORNING + 1,
      peer: "10.0.0.9",
      method: "GET",
      path: "/reserveFunds",
      status: 405,
      reason: "method",
      suppressed: 12,
    });
    expect(bank.store.receipts(10).map(({ id }) => id)).toEqual(["d1", "1"]);
    expect(bank.store.receipts(1).map(({ id }) => id)).toEqual(["d1"]);
    expect(bank.store.receipt("d1")).toMatchObject({ status: 405, method: "GET", suppressed: 12 });
    expect(bank.store.receipt("1")).toMatchObject({ status: 200, method: "POST" });
    for (const id of ["d2", "2", "x", "", "1; DROP TABLE receipts"]) {
      expect(bank.store.receipt(id)).toBeNull();
    }
  });

  bankTest("each is found by its trace id, wherever the clock jumped", (bank) => {
    const HOUR = 3_600_000;
    // More than a page; the clock is set back and forth on the way.
    const cameAt = Array.from({ length: PAGE_SIZE + 500 }, (_, index) => {
      const jump = index > 800 && index < 900 ? -30 * HOUR : index > 2_200 ? 24 * HOUR : 0;
      return MONDAY_MORNING + index * 1_000 + jump;
    });
    const operations = cameAt.map((receivedAt, index) => ({
      kind: "malformed" as const,
      receipt: receiptDraft({ receivedAt, trace: index + 1, body: null }),
      message: `number ${index}`,
    }));
    bank.store.applyNow(operations, { now: MONDAY_MORNING, monotonicMs: 0, openSince: null });
    for (const index of [0, 1, 799, 801, 850, 899, 901, 1_999, 2_000, 2_201, 2_499]) {
      const traceId = traceIdOf({ receivedAt: cameAt[index] ?? 0, number: index + 1 });
      expect(bank.store.receipt(traceId)).toMatchObject({ traceId, message: `number ${index}` });
    }
    const never = traceIdOf({ receivedAt: cameAt[5] ?? 0, number: 7 });
    expect(bank.store.receipt(never)).toBeNull();
  });
});

describe("buyers", () => {
  const SPELLINGS = [
    "27731304708",
    "+27 73 130 4708",
    "0027731304708",
    "073 130 4708",
    "0731304708",
  ];

  test.each(SPELLINGS)("mapped as %j, every usual spelling buys from that account", (mapped) => {
    const bank = temporaryBank();
    expect(done(bank.store.mapBuyer(BY, mapped, "1001")).buyerId).toBe("27731304708");
    for (const [index, buyerId] of SPELLINGS.entries()) {
      expect(bank.reserve(`raas-${index}`, { buyerId })).toBe("success");
      expect(bank.store.reservation(`raas-${index}`)).toMatchObject({
        buyerId: "27731304708",
        account: "1001",
      });
      expect(bank.store.buyer(buyerId)).toMatchObject({ buyerId: "27731304708", account: "1001" });
    }
    expect(bank.store.reservations({ buyer: "0731304708", limit: 100 })).toHaveLength(5);
    bank.close();
  });

  bankTest("map once, whatever the spelling: a second mapping moves the buyer", (bank) => {
    done(bank.store.mapBuyer(BY, "0731304702", "1002"));
    expect(bank.store.account("1001")?.buyers).toEqual([]);
    expect(bank.store.account("1002")?.buyers.map(({ buyerId }) => buyerId)).toEqual([
      "27731304702",
      "27731304703",
    ]);
    expect(done(bank.store.unmapBuyer(BY, "+27 73 130 4702"))).toEqual({
      buyerId: "27731304702",
      account: "1002",
    });
    expect(bank.reserve("raas-1")).toBe("notMapped");
  });

  bankTest("that are no phone numbers match as they are, and only so", (bank) => {
    done(bank.store.mapBuyer(BY, "CIF0731304702", "1002"));
    expect(bank.reserve("raas-1", { buyerId: "CIF0731304702" })).toBe("success");
    expect(bank.store.reservation("raas-1")?.account).toBe("1002");
    expect(bank.reserve("raas-2", { buyerId: "cif0731304702" })).toBe("notMapped");
    expect(bank.reserve("raas-3", { buyerId: "0731304702" })).toBe("success");
    expect(bank.store.reservation("raas-3")?.account).toBe("1001");
  });

  bankTest("are blocked in every spelling, mapped or not", (bank) => {
    done(bank.store.blockBuyer(BY, "0731304702"));
    expect(bank.reserve("raas-1", { buyerId: "+27731304702" })).toBe("blacklisted");
    expect(bank.store.account("1001")?.buyers).toEqual([{ buyerId: "27731304702", blocked: true }]);
    done(bank.store.blockBuyer(BY, "nobody"));
    expect(bank.reserve("raas-2", { buyerId: "nobody" })).toBe("notMapped");
    done(bank.store.unblockBuyer(BY, "0027731304702"));
    expect(bank.reserve("raas-3")).toBe("success");
  });

  bankTest("keep their open reservations where they are when remapped", (bank) => {
    bank.reserve("raas-1");
    bank.reserve("raas-2");
    done(bank.store.mapBuyer(BY, "27731304702", "1002"));
    expect(balancesOf(bank, "1001")).toBe("ledger 5000.00, held 210.00");
    bank.reserve("raas-3");
    expect(balancesOf(bank, "1002")).toBe("ledger 5000.00, held 105.00");
    bank.result("raas-1", "0000");
    bank.result("raas-2", "2201");
    bank.result("raas-3", "0000");
    expect(balancesOf(bank, "1001")).toBe("ledger 4895.00, held 0.00");
    expect(balancesOf(bank, "1002")).toBe("ledger 4895.00, held 0.00");
    expect(problemsOf(bank)).toEqual([]);
  });
});

describe("PINs", () => {
  const buyerId = buyerOf("1005");

  bankTest("three wrong ones lock, a right one too late; an admin unlocks", (bank) => {
    expect(bank.reserve("raas-1", { buyerId }, "0000")).toBe("invalidAuthCode");
    expect(bank.reserve("raas-2", { buyerId })).toBe("invalidAuthCode");
    expect(bank.reserve("raas-3", { buyerId }, "0000")).toBe("invalidAuthCode");
    expect(bank.store.account("1005")).toMatchObject({ pin: "set", pinFailures: 2 });
    expect(bank.reserve("raas-4", { buyerId }, "0000")).toBe("invalidAuthCode");
    expect(bank.store.account("1005")).toMatchObject({ pin: "locked", pinFailures: 3 });
    expect(bank.reserve("raas-5", { buyerId }, PIN)).toBe("invalidAuthCode");
    done(bank.store.unlockPin(BY, "1005"));
    expect(bank.reserve("raas-6", { buyerId }, PIN)).toBe("success");
  });

  bankTest("are counted one by one in a batch: nobody tries four at once", (bank) => {
    const tries = ["0001", "0002", "0003", PIN];
    const outcomes = bank.apply(
      ...tries.map((pin, index) => reserveOperation(`raas-${index}`, { buyerId }, pin)),
    );
    expect(outcomes.map((outcome) => outcome.kind === "reserve" && outcome.outcome)).toEqual(
      tries.map(() => "invalidAuthCode"),
    );
    expect(bank.store.account("1005")?.pin).toBe("locked");
  });

  bankTest("a right one sets the count back, even if a later check declines", (bank) => {
    bank.reserve("raas-1", { buyerId }, "0000");
    bank.reserve("raas-2", { buyerId }, "0000");
    const much = { buyerId, reserveAmount: minor(500_001) };
    expect(bank.reserve("raas-3", much, PIN)).toBe("insufficientFunds");
    expect(bank.store.account("1005")?.pinFailures).toBe(0);
  });

  bankTest("an earlier check answers without a look at the PIN", (bank) => {
    done(bank.store.setLimits(BY, { scope: "global", scopeKey: "*" }, { max: minor(1) }));
    expect(bank.reserve("raas-1", { buyerId }, "0000")).toBe("maximumExceeded");
    expect(bank.store.account("1005")?.pinFailures).toBe(0);
  });

  bankTest("one is never another account's, though the digits are equal", (bank) => {
    done(bank.store.setPin(BY, "1001", PIN));
    const rows = bank.sql("SELECT pin_hash FROM accounts WHERE pin_hash IS NOT NULL");
    expect(rows).toHaveLength(2);
    expect(Bun.deepEquals(rows[0], rows[1])).toBe(false);
  });

  bankTest("stand nowhere in the data dir's database, nor does a wrong one", (bank) => {
    done(bank.store.setPin(BY, "1005", "907856341290"));
    bank.reserve("raas-1", { buyerId }, "907856341290");
    bank.reserve("raas-2", { buyerId }, "557856341255");
    const bytes = bytesOutsideKeys(bank.dataDir);
    // It looks where things are kept.
    expect(bytes.includes(buyerId)).toBe(true);
    expect(bytes.includes("907856341290")).toBe(false);
    expect(bytes.includes("557856341255")).toBe(false);
  });

  bankTest(
    "always: an account without one is declined",
    (bank) => {
      expect(bank.reserve("raas-1")).toBe("invalidAuthCode");
      expect(bank.reserve("raas-2", { buyerId }, PIN)).toBe("success");
    },
    { config: 'pin_policy = "always"\n' },
  );

  bankTest(
    "off: none is asked for or counted",
    (bank) => {
      expect(bank.reserve("raas-1", { buyerId }, "0000")).toBe("success");
      expect(bank.store.account("1005")?.pinFailures).toBe(0);
    },
    { config: 'pin_policy = "off"\n' },
  );
});

describe("limits' counters", () => {
  const ALL = { scope: "global", scopeKey: "*" } as const;

  bankTest("count the account, its channel and its product, by local day and month", (bank) => {
    bank.reserve("raas-1");
    bank.reserve("raas-2", { channelId: 4, productId: null });
    expect(countersOf(bank)).toEqual([
      "2026-03 all *: 21000 in 2",
      "2026-03 channel 4: 10500 in 1",
      "2026-03 channel 7: 10500 in 1",
      "2026-03 product 110: 10500 in 1",
      "2026-03-02 all *: 21000 in 2",
      "2026-03-02 channel 4: 10500 in 1",
      "2026-03-02 channel 7: 10500 in 1",
      "2026-03-02 product 110: 10500 in 1",
    ]);
    expect(problemsOf(bank)).toEqual([]);
  });

  bankTest("take a debit as used and a decline as not", (bank) => {
    done(bank.store.setLimits(BY, ALL, { dayCount: 2 }));
    bank.reserve("raas-1");
    bank.result("raas-1", "0000");
    expect(bank.reserve("raas-2", { reserveAmount: minor(999_999) })).toBe("insufficientFunds");
    expect(bank.reserve("raas-3")).toBe("success");
    expect(bank.reserve("raas-4")).toBe("maximumExceeded");
  });

  bankTest("are each account's own: one buyer's purchases take nothing from another's", (bank) => {
    done(bank.store.setLimits(BY, { scope: "product", scopeKey: "110" }, { dayCount: 1 }));
    expect(bank.reserve("raas-1")).toBe("success");
    expect(bank.reserve("raas-2")).toBe("maximumExceeded");
    expect(bank.reserve("raas-3", { productId: 111 })).toBe("success");
    expect(bank.reserve("raas-4", { buyerId: buyerOf("1002") })).toBe("success");
  });

  bankTest("begin anew at local midnight, not at UTC's", (bank) => {
    done(bank.store.setLimits(BY, ALL, { dayCount: 1 }));
    bank.clock.set("2026-03-02T23:59:59.999+02:00");
    expect(bank.reserve("raas-1")).toBe("success");
    expect(bank.reserve("raas-2")).toBe("maximumExceeded");
    bank.clock.set("2026-03-03T00:00:00+02:00");
    expect(bank.reserve("raas-3")).toBe("success");
    bank.clock.set("2026-03-03T02:00:00+02:00");
    expect(bank.reserve("raas-4")).toBe("maximumExceeded");
  });

  test.each([
    // reserved -> released in another day or month; who is given back?
    ["midnight", "2026-03-02T23:59+02:00", "2026-03-03T00:01+02:00", "2026-03-02", "2026-03"],
    ["a month's end", "2026-03-31T23:59+02:00", "2026-04-01T00:01+02:00", "2026-03-31", "2026-03"],
    ["a year's end", "2026-12-31T23:59+02:00", "2027-01-01T00:01+02:00", "2026-12-31", "2026-12"],
  ])("a release after %s gives back to the day and month counted", (_, from, to, day, month) => {
    const bank = temporaryBank();
    bank.clock.set(from);
    bank.reserve("raas-1");
    bank.reserve("raas-2");
    bank.clock.set(to);
    bank.reserve("raas-3");
    bank.result("raas-1", "2201");
    const counters = countersOf(bank).filter((line) => line.includes(" all "));
    expect(counters).toContain(`${day} all *: 10500 in 1`);
    expect(counters).toContain(
      `${new Date(Date.parse(to) + 7_200_000).toISOString().slice(0, 10)} all *: 10500 in 1`,
    );
    const inMonth = to.startsWith(month) ? "21000 in 2" : "10500 in 1";
    expect(counters).toContain(`${month} all *: ${inMonth}`);
    expect(problemsOf(bank)).toEqual([]);
    bank.close();
  });

  bankTest("given back, the day takes another purchase", (bank) => {
    done(
      bank.store.setLimits(
        BY,
        { scope: "account", scopeKey: "1001" },
        { dayAmount: minor(10_500) },
      ),
    );
    expect(bank.reserve("raas-1")).toBe("success");
    expect(bank.reserve("raas-2")).toBe("maximumExceeded");
    bank.result("raas-1", "2201");
    expect(bank.reserve("raas-3")).toBe("success");
  });

  bankTest("the most specific minimum and maximum apply", (bank) => {
    done(bank.store.setLimits(BY, ALL, { min: minor(10_501), max: minor(10_502) }));
    expect(bank.reserve("raas-1")).toBe("belowMinimum");
    done(bank.store.setLimits(BY, { scope: "channel", scopeKey: "7" }, { min: minor(1) }));
    expect(bank.reserve("raas-2")).toBe("success");
    done(bank.store.setLimits(BY, { scope: "product", scopeKey: "110" }, { max: minor(10_499) }));
    expect(bank.reserve("raas-3")).toBe("maximumExceeded");
    expect(bank.reserve("raas-4", { buyerId: "nobody" })).toBe("maximumExceeded");
    done(bank.store.setLimits(BY, { scope: "account", scopeKey: "1001" }, { max: minor(20_000) }));
    expect(bank.reserve("raas-5")).toBe("success");
    expect(bank.reserve("raas-6", { productId: null, channelId: null })).toBe("belowMinimum");
  });
});
