// The admin's operations: what they refuse, what they leave in the journal, and settling by hand.
import { describe, expect, test } from "bun:test";
import { minor } from "../../src/domain/money.ts";
import type { By, Result, Store } from "../../src/storage/store.ts";
import {
  BY,
  balancesOf,
  bankTest,
  buyerOf,
  done,
  findingsOf,
  journalOf,
  MONDAY_MORNING,
  newAccount,
  problemsOf,
  type TemporaryBank,
  temporaryBank,
} from "./bank.ts";

const GLOBAL = { scope: "global", scopeKey: "*" } as const;

/** "ok", or how it was refused. */
function said<T>(result: Result<T>): string {
  return result.ok ? "ok" : `${result.refusal.kind}: ${result.refusal.message}`;
}

describe("every change is journalled once, with who, when and why", () => {
  const THANDI: By = { ...BY, reason: "ticket 7" };
  test.each([
    // act in the journal, kind, subject, what is done
    [
      "accounts add",
      "act",
      "2001",
      (s, by) => s.addAccounts(by, "accounts add", [newAccount("2001")], false),
    ],
    [
      "accounts add",
      "opening",
      "2001",
      (s, by) =>
        s.addAccounts(by, "accounts add", [newAccount("2001", { balance: minor(1) })], false),
    ],
    ["accounts map", "act", "1001", (s, by) => s.mapBuyer(by, "0731304709", "1001")],
    ["accounts unmap", "act", "1001", (s, by) => s.unmapBuyer(by, "0731304702")],
    ["accounts block-buyer", "act", "27731304702", (s, by) => s.blockBuyer(by, "0731304702")],
    ["accounts unblock-buyer", "act", "blocked", (s, by) => s.unblockBuyer(by, "blocked")],
    ["accounts status", "act", "1001", (s, by) => s.setStatus(by, "1001", "inactive")],
    ["accounts overdraft", "act", "1001", (s, by) => s.setOverdraft(by, "1001", minor(5))],
    ["accounts set-pin", "act", "1001", (s, by) => s.setPin(by, "1001", "4321")],
    ["accounts unlock-pin", "act", "1005", (s, by) => s.unlockPin(by, "1005")],
    ["accounts remove-pin", "act", "1005", (s, by) => s.removePin(by, "1005")],
    ["accounts credit", "credit", "1001", (s, by) => s.credit(by, "1001", minor(5))],
    ["accounts debit", "withdrawal", "1001", (s, by) => s.debit(by, "1001", minor(5))],
    ["limits set", "act", "global *", (s, by) => s.setLimits(by, GLOBAL, { max: minor(5) })],
    [
      "limits unset",
      "act",
      "product 110",
      (s, by) => s.unsetLimits(by, { scope: "product", scopeKey: "110" }, []),
    ],
    ["reservations release", "act", null, (s, by) => s.settle(by, "open", "release", false)],
    ["reservations debit", "debit", null, (s, by) => s.settle(by, "open", "debit", false)],
    [
      "reservations release",
      "correction",
      null,
      (s, by) => s.settle(by, "debited", "release", false),
    ],
    ["findings close", "act", "1", (s, by) => s.closeFinding(by, 1)],
    ["settlement pay", "settlement", "@clickatell", (s, by) => s.paySettlement(by, minor(9_000))],
    [
      "holidays add",
      "act",
      null,
      (s, by) => s.addHolidays(by, [{ day: "2026-09-24", name: "Heritage Day" }]),
    ],
    ["holidays remove", "act", "2026-12-25", (s, by) => s.removeHoliday(by, "2026-12-25")],
    ["sales pause", "act", null, (s, by) => s.pauseSales(by)],
    ["sales resume", "act", null, (s, by) => s.resumeSales(by)],
    ["secrets rotate", "act", null, (s, by) => s.recordAct(by, "secrets rotate", "signature")],
    [
      "reports exceptions --mark-sent",
      "act",
      null,
      (s, by) => s.markSent(by, { reservations: [1], findings: [1] }),
    ],
  ] as [string, string, string | null, (store: Store, by: By) => Result<unknown>][])(
    "%s (%s)",
    (act, kind, subject, change) => {
      const bank = temporaryBank();
      prepare(bank);
      const before = journalOf(bank);
      done(change(bank.store, THANDI));
      const added = journalOf(bank).slice(before.length);
      expect(added).toMatchObject([
        { id: before.length + 1, at: MONDAY_MORNING, act, kind, by: THANDI, reason: "ticket 7" },
      ]);
      if (subject !== null) expect(added[0]?.subject).toBe(subject);
      expect(problemsOf(bank)).toEqual([]);
      bank.close();
    },
  );

  /** Something of each kind that the acts above change. */
  function prepare(bank: TemporaryBank): void {
    bank.reserve("debited");
    bank.result("debited", "0000");
    bank.reserve("open");
    bank.result("never", "2201");
    done(bank.store.blockBuyer(BY, "blocked"));
    done(bank.store.setLimits(BY, { scope: "product", scopeKey: "110" }, { max: minor(99_999) }));
    done(bank.store.addHolidays(BY, [{ day: "2026-12-25", name: "Christmas Day" }]));
  }

  bankTest("a posting that Clickatell caused names no admin", (bank) => {
    bank.reserve("raas-1");
    bank.result("raas-1", "0000");
    expect(journalOf(bank).at(-1)).toMatchObject({ kind: "debit", act: "result", by: null });
  });

  bankTest("no PIN stands in it", (bank) => {
    done(bank.store.setPin(BY, "1001", "907856341290"));
    expect(JSON.stringify(journalOf(bank))).not.toContain("907856341290");
  });
});

describe("refused, with nothing left behind", () => {
  test.each([
    // what is wrong, what is done -> kind of refusal
    ["no such account", (s) => s.credit(BY, "9", minor(5)), "not-found"],
    ["no such account", (s) => s.mapBuyer(BY, "x", "9"), "not-found"],
    [
      "no such account",
      (s) => s.setLimits(BY, { scope: "account", scopeKey: "9" }, { max: minor(1) }),
      "not-found",
    ],
    ["no such buyer", (s) => s.unmapBuyer(BY, "nobody"), "not-found"],
    ["not blocked", (s) => s.unblockBuyer(BY, "nobody"), "not-found"],
    ["no such limit", (s) => s.unsetLimits(BY, GLOBAL, ["max"]), "not-found"],
    ["no such reservation", (s) => s.settle(BY, "raas-9", "release", false), "not-found"],
    ["no such finding", (s) => s.closeFinding(BY, 9), "not-found"],
    ["no such holiday", (s) => s.removeHoliday(BY, "2026-03-02"), "not-found"],
    ["one unit over what is available", (s) => s.debit(BY, "1001", minor(489_501)), "refused"],
    ["no PIN to unlock", (s) => s.unlockPin(BY, "1001"), "refused"],
    ["no PIN to remove", (s) => s.removePin(BY, "1001"), "refused"],
    ["the overdraft is in use", (s) => s.setOverdraft(BY, "1002", minor(9_999)), "refused"],
    [
      "the minimum over the maximum",
      (s) => s.setLimits(BY, GLOBAL, { min: minor(2), max: minor(1) }),
      "refused",
    ],
    ["more than is owed", (s) => s.paySettlement(BY, minor(1)), "refused"],
    [
      "a bank's own account has no status",
      (s) => s.setStatus(BY, "@income", "inactive"),
      "refused",
    ],
    ["a bank's own account has no buyers", (s) => s.mapBuyer(BY, "x", "@income"), "refused"],
    ["a bank's own account has no PIN", (s) => s.setPin(BY, "@income", "1234"), "refused"],
    [
      "a bank's own account has no overdraft",
      (s) => s.setOverdraft(BY, "@income", minor(1)),
      "refused",
    ],
    ["funding is the other side", (s) => s.credit(BY, "@funding", minor(1)), "refused"],
    ["funding is the other side", (s) => s.debit(BY, "@funding", minor(1)), "refused"],
    ["--bank-bears on an open one", (s) => s.settle(BY, "open", "release", true), "refused"],
  ] as [string, (store: Store) => Result<unknown>, string][])("%s %#", (_, change, kind) => {
    const bank = temporaryBank();
    bank.reserve("open");
    done(bank.store.debit(BY, "1002", minor(510_000)));
    const before = [journalOf(bank), bank.store.accounts({ limit: 100 }), bank.store.limits()];
    const result = change(bank.store);
    expect(result.ok === false && result.refusal.kind).toBe(kind as "refused");
    expect([journalOf(bank), bank.store.accounts({ limit: 100 }), bank.store.limits()]).toEqual(
      before,
    );
    bank.close();
  });

  bankTest("a debit obeys what is available: held funds are spent, an overdraft may be", (bank) => {
    bank.reserve("raas-1");
    expect(said(bank.store.debit(BY, "1001", minor(489_501)))).toBe(
      "refused: account 1001 has 4895.00 ZAR available, less than 4895.01 ZAR",
    );
    expect(said(bank.store.debit(BY, "1001", minor(489_500)))).toBe("ok");
    expect(bank.store.account("1001")?.available).toBe(minor(0));
    expect(said(bank.store.debit(BY, "1002", minor(600_000)))).toBe("ok");
    expect(balancesOf(bank, "1002")).toBe("ledger -1000.00, held 0.00");
    bank.result("raas-1", "0000");
    expect(balancesOf(bank, "1001")).toBe("ledger 0.00, held 0.00");
    expect(problemsOf(bank)).toEqual([]);
  });

  bankTest("a finding closes once", (bank) => {
    bank.result("raas-1", "0000");
    const [finding] = bank.store.findings({ openAt: null, limit: 100 });
    expect(done(bank.store.closeFinding(BY, finding?.id ?? 0))).toMatchObject({
      closedAt: MONDAY_MORNING,
      closeReason: "a test",
    });
    expect(said(bank.store.closeFinding(BY, finding?.id ?? 0))).toStartWith("refused: ");
    bank.result("raas-1", "0000");
    expect(findingsOf(bank)).toEqual([]);
    expect(bank.store.findings({ openAt: null, limit: 100 })).toMatchObject([{ occurrences: 2 }]);
  });
});

describe("new accounts: all or none", () => {
  bankTest("each bad row is named, and no row is added", (bank) => {
    const refusals = done(
      bank.store.addAccounts(
        BY,
        "accounts import",
        [
          newAccount("2001"),
          newAccount("1001"),
          newAccount("2002", { buyers: ["073 130 4702"] }),
          newAccount("2001"),
          newAccount("2003", { buyers: ["new-buyer"] }),
          newAccount("2004", { buyers: ["new-buyer"] }),
        ],
        false,
      ),
    );
    expect(refusals).toEqual([
      { index: 1, message: "account 1001 exists" },
      { index: 2, message: "buyer 073 130 4702 is mapped to account 1001" },
      { index: 3, message: "account 2001 exists" },
      { index: 5, message: "buyer new-buyer is mapped to account 2003" },
    ]);
    expect(bank.store.accounts({ limit: 100 })).toHaveLength(5);
    expect(bank.store.buyer("new-buyer").account).toBeNull();
    expect(problemsOf(bank)).toEqual([]);
  });

  bankTest("a dry run finds the same, in the bank and among the rows themselves", (bank) => {
    const rows = [
      newAccount("1001"),
      newAccount("2001", { buyers: ["0821234567"] }),
      newAccount("2001"),
      newAccount("2002", { buyers: ["+27 82 123 4567"] }),
      newAccount("2003", { buyers: ["073 130 4702"] }),
    ];
    const dry = done(bank.store.addAccounts(BY, "accounts import", rows, true));
    expect(dry).toEqual([
      { index: 0, message: "account 1001 exists" },
      { index: 2, message: "account 2001 exists" },
      { index: 3, message: "buyer +27 82 123 4567 is mapped to account 2001" },
      { index: 4, message: "buyer 073 130 4702 is mapped to account 1001" },
    ]);
    expect(done(bank.store.addAccounts(BY, "accounts import", rows, false))).toEqual(dry);
  });

  bankTest("a dry run says the same and adds none", (bank) => {
    const rows = [newAccount("2001", { balance: minor(5), buyers: ["x"] })];
    const before = journalOf(bank);
    expect(done(bank.store.addAccounts(BY, "accounts import", rows, true))).toEqual([]);
    expect(bank.store.account("2001")).toBeNull();
    expect(journalOf(bank)).toEqual(before);
    expect(done(bank.store.addAccounts(BY, "accounts import", rows, false))).toEqual([]);
    expect(bank.store.account("2001")).toMatchObject({
      ledgerBalance: 5,
      buyers: [{ buyerId: "x" }],
    });
    expect(problemsOf(bank)).toEqual([]);
  });
});

describe("limits: only the figures named change", () => {
  bankTest("set, set more, unset one, unset all", (bank) => {
    const { store } = bank;
    done(store.setLimits(BY, GLOBAL, { min: minor(100), dayCount: 3 }));
    done(store.setLimits(BY, GLOBAL, { max: minor(900) }));
    expect(store.limits()).toEqual([
      {
        scope: "global",
        scopeKey: "*",
        min: minor(100),
        max: minor(900),
        dayAmount: null,
        dayCount: 3,
        monthAmount: null,
        monthCount: null,
      },
    ]);
    done(store.unsetLimits(BY, GLOBAL, ["min", "max"]));
    expect(store.limits()).toMatchObject([{ min: null, max: null, dayCount: 3 }]);
    done(store.unsetLimits(BY, GLOBAL, ["dayCount"]));
    expect(store.limits()).toEqual([]);
  });
});

describe("a PIN's lock and count", () => {
  test.each([
    // wrong tries before, what the admin does -> the PIN then
    [3, "set", (s) => s.setPin(BY, "1005", "4321")],
    [2, "set", (s) => s.setPin(BY, "1005", "4321")],
    [3, "set", (s) => s.unlockPin(BY, "1005")],
    [2, "set", (s) => s.unlockPin(BY, "1005")],
    [3, "none", (s) => s.removePin(BY, "1005")],
  ] as [number, string, (store: Store) => Result<unknown>][])(
    "after %d wrong tries: %s, and no wrong try counts any more",
    (tries, pin, change) => {
      const bank = temporaryBank();
      for (let wrong = 0; wrong < tries; wrong += 1) {
        bank.reserve(`raas-${wrong}`, { buyerId: buyerOf("1005") }, "0000");
      }
      expect(bank.store.account("1005")).toMatchObject({ pinFailures: tries });
      done(change(bank.store));
      expect(bank.store.account("1005")).toMatchObject({ pin, pinFailures: 0 });
      bank.close();
    },
  );
});

describe("settling by hand (contract.md 4.5)", () => {
  bankTest("an open reservation ends as a result would end it", (bank) => {
    bank.reserve("raas-1");
    bank.reserve("raas-2", { settlementAmount: null });
    const reference = bank.store.reservation("raas-1")?.reference ?? "";
    expect(done(bank.store.settle(BY, reference, "release", false))).toMatchObject({
      state: "released",
      resolvedBy: "operator",
      resultCode: null,
    });
    expect(done(bank.store.settle(BY, "raas-2", "debit", false)).state).toBe("debited");
    expect(balancesOf(bank, "1001")).toBe("ledger 4895.00, held 0.00");
    expect(balancesOf(bank, "@suspense")).toBe("ledger 105.00, held 0.00");
    expect(findingsOf(bank)).toEqual(["settlement-missing raas-2"]);
    expect(problemsOf(bank)).toEqual([]);
    // The result that comes late is a repeat, or a contradiction.
    expect(bank.result("raas-2", "0000")).toBe("accepted");
    expect(bank.result("raas-1", "0000")).toBe("accepted");
    expect(findingsOf(bank)).toEqual(["contradiction raas-1", "settlement-missing raas-2"]);
  });

  test.each([
    // ended by, then contradicted by, settled by, bank bears -> buyer, Clickatell, income, loss
    ["2201", "0000", "debit", false, "4895.00", "90.00", "15.00", "0.00"],
    ["2201", "0000", "debit", true, "5000.00", "90.00", "15.00", "-105.00"],
    ["0000", "2201", "release", false, "5000.00", "0.00", "0.00", "0.00"],
    ["0000", "2201", "release", true, "5000.00", "90.00", "15.00", "-105.00"],
  ] as const)(
    "%s, then %s, settled by %s (bank bears %p): one correction, the state stays, no finding is open",
    (first, then, action, bankBears, buyer, clickatell, income, loss) => {
      const bank = temporaryBank();
      bank.reserve("raas-1");
      bank.result("raas-1", first);
      bank.result("raas-1", then);
      const { state } = bank.store.reservation("raas-1")!;
      expect(done(bank.store.settle(BY, "raas-1", action, bankBears))).toMatchObject({
        state,
        corrected: true,
      });
      const ledger = ["1001", "@clickatell", "@income", "@loss"].map((it) => balancesOf(bank, it));
      expect(ledger).toEqual(
        [buyer, clickatell, income, loss].map((amount) => `ledger ${amount}, held 0.00`),
      );
      expect(bank.store.journalOf("raas-1").at(-1)).toMatchObject({ kind: "correction", by: BY });
      expect(findingsOf(bank)).toEqual([]);
      expect(said(bank.store.settle(BY, "raas-1", action, false))).toContain("corrected once");
      // The contradiction that is sent again is settled already.
      bank.result("raas-1", then);
      expect(findingsOf(bank)).toEqual([]);
      expect(problemsOf(bank)).toEqual([]);
      bank.close();
    },
  );

  test.each([
    ["2201", "release"],
    ["0000", "debit"],
  ] as const)("after %s, %s is refused: it is so already", (code, action) => {
    const bank = temporaryBank();
    bank.reserve("raas-1");
    bank.result("raas-1", code);
    expect(said(bank.store.settle(BY, "raas-1", action, false))).toContain("already");
    bank.close();
  });

  bankTest("a release of what was open when it was looked at never corrects a debit", (bank) => {
    bank.reserve("raas-1");
    bank.result("raas-1", "0000");
    const settled = bank.store.settle(BY, "raas-1", "release", false, "reserved");
    expect(said(settled)).toContain("it was reserved and is debited now");
    expect(done(bank.store.settle(BY, "raas-1", "release", false, "debited")).corrected).toBe(true);
  });

  bankTest("a corrective debit obeys what is available, unless the bank bears it", (bank) => {
    bank.reserve("raas-1");
    bank.result("raas-1", "2240");
    done(bank.store.debit(BY, "1001", minor(489_501)));
    expect(said(bank.store.settle(BY, "raas-1", "debit", false))).toStartWith(
      "refused: account 1001 has 104.99 ZAR available, less than 105.00 ZAR",
    );
    expect(findingsOf(bank)).toEqual(["supplier-unknown raas-1"]);
    done(bank.store.settle(BY, "raas-1", "debit", true));
    expect(balancesOf(bank, "1001")).toBe("ledger 104.99, held 0.00");
    expect(findingsOf(bank)).toEqual([]);
  });

  test.each([
    // overdraft, held, ledger -> is 105.00 taken?
    [0, 0, 10_500, "ok"],
    [0, 1, 10_500, "refused"],
    [500, 0, 10_000, "ok"],
    [500, 1, 10_000, "refused"],
    [10_500, 0, 0, "ok"],
  ])("overdraft %d, held %d, balance %d: a corrective debit of 10500 is %s", (...row) => {
    const [overdraft, held, ledger, expected] = row;
    const bank = temporaryBank();
    bank.reserve("raas-1");
    bank.result("raas-1", "2240");
    done(bank.store.setOverdraft(BY, "1001", minor(overdraft)));
    if (ledger < 500_000) done(bank.store.debit(BY, "1001", minor(500_000 - ledger)));
    if (held > 0) bank.reserve("raas-2", { reserveAmount: minor(held) });
    expect(said(bank.store.settle(BY, "raas-1", "debit", false))).toStartWith(expected);
    expect(problemsOf(bank)).toEqual([]);
    bank.close();
  });

  bankTest("a release gives back to the limits' counters; a correction changes none", (bank) => {
    done(bank.store.setLimits(BY, GLOBAL, { dayCount: 1 }));
    bank.reserve("raas-1");
    done(bank.store.settle(BY, "raas-1", "release", false));
    expect(bank.reserve("raas-2")).toBe("success");
    bank.result("raas-2", "0000");
    done(bank.store.settle(BY, "raas-2", "release", false));
    expect(bank.reserve("raas-3")).toBe("maximumExceeded");
    expect(problemsOf(bank)).toEqual([]);
  });

  bankTest("closes what it settles, and leaves what it does not", (bank) => {
    bank.reserve("raas-1");
    bank.reserve("raas-1", { productId: 1 });
    bank.apply({ kind: "interrupted", since: 0, until: MONDAY_MORNING });
    expect(findingsOf(bank)).toEqual(["conflict raas-1", "interrupted raas-1"]);
    done(bank.store.settle(BY, "raas-1", "release", false));
    expect(findingsOf(bank)).toEqual(["conflict raas-1"]);
  });
});

describe("what was open at an instant", () => {
  bankTest("reservations and findings as of then", (bank) => {
    const at = (hour: number) => MONDAY_MORNING + hour * 3_600_000;
    bank.reserve("raas-1");
    bank.clock.set(at(1));
    bank.result("raas-9", "0000");
    bank.reserve("raas-2", { buyerId: buyerOf("1002") });
    bank.clock.set(at(2));
    bank.result("raas-1", "0000");
    done(bank.store.closeFinding(BY, 1));
    const open = (hour: number) => [
      bank.store.openReservationsAsOf(at(hour)).map(({ requestId }) => requestId),
      bank.store.findings({ openAt: at(hour), limit: 100 }).map(({ kind }) => kind as string),
    ];
    expect(open(-1)).toEqual([[], []]);
    expect(open(0)).toEqual([["raas-1"], []]);
    expect(open(1)).toEqual([["raas-1", "raas-2"], ["unmatched-success"]]);
    expect(open(2)).toEqual([["raas-2"], []]);
  });

  bankTest("a line keeps when it was first sent", (bank) => {
    bank.reserve("raas-1");
    bank.result("raas-9", "0000");
    const sent = { reservations: [bank.store.reservation("raas-1")?.id ?? 0], findings: [1] };
    done(bank.store.markSent(BY, sent));
    bank.clock.set(MONDAY_MORNING + 1_000);
    done(bank.store.markSent(BY, sent));
    expect(bank.store.reservation("raas-1")?.firstSentAt).toBe(MONDAY_MORNING);
    expect(bank.store.finding(1)?.firstSentAt).toBe(MONDAY_MORNING);
  });
});

bankTest("all balances together are zero, the bank's own included", (bank) => {
  bank.reserve("raas-1");
  bank.result("raas-1", "0000");
  done(bank.store.credit(BY, "@suspense", minor(7)));
  done(bank.store.paySettlement(BY, minor(9_000)));
  const balances = bank.store.balances({ upTo: bank.store.mark(), limit: 100 });
  expect(balances.reduce((sum, { balance }) => sum + balance, 0)).toBe(0);
  expect(balances.filter(({ internal }) => internal !== null)).toHaveLength(5);
});
