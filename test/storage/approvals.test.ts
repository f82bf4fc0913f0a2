// Dual control in the store: nothing under it takes effect but under an approval of another login,
// once, in one commit with it; and verify tells what was done past it.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { CONTROLLED_KINDS, type ControlledKind, NO_LOGIN } from "../../src/domain/dual-control.ts";
import { minor } from "../../src/domain/money.ts";
import { ACTS, type ActName, digestOf, isActName, type Sealed } from "../../src/storage/acts.ts";
import type { By, NewAccount, Store } from "../../src/storage/store.ts";
import { BY, done, journalOf, problemsOf, type TemporaryBank, temporaryBank } from "./bank.ts";
import { jsonWithout, onPostgres } from "./spelling.ts";

const ASKER: By = { ...BY, loginUid: 1000, loginName: "thandi", reason: "slip 4711" };
const APPROVER: By = { ...BY, loginUid: 1001, loginName: "sipho", reason: "slip seen" };
const NOBODY: By = { ...BY, loginUid: null, loginName: null };
const DAY = 24 * 60 * 60 * 1000;

let bank: TemporaryBank;
let store: Store;
/** The same bank with nothing under dual control. */
let free: Store;

/** `dualControl` may change while it is open. */
function open(dualControl: readonly ControlledKind[], dryRun = false): Store {
  return bank.open({ dualControl: () => dualControl, dryRun });
}

beforeEach(() => {
  bank = temporaryBank();
  done(bank.store.setLimits(BY, { scope: "global", scopeKey: "*" }, { max: minor(200_000) }));
  for (const requestId of ["open", "debited", "owed"]) bank.reserve(requestId);
  bank.result("debited", "0000");
  bank.result("owed", "0000");
  store = open(CONTROLLED_KINDS);
  free = open([]);
});
afterEach(() => {
  free.close();
  store.close();
  bank.close();
});

const newAccount = (number: string, balance: number): NewAccount => ({
  number,
  name: "Lerato",
  balance: minor(balance),
  overdraft: minor(0),
  status: "active",
  buyers: [],
});

const SEALED: Sealed = { pinHash: "ab".repeat(32), salt: "00" };
const digest = digestOf(SEALED);
const GLOBAL = { scope: "global", scopeKey: "*" } as const;
const seen = (ref: string) => ({ ref: bank.store.reservation(ref)?.reference ?? "" });

type Asked = { readonly act: ActName; readonly args: object; readonly sealed?: Sealed };

/** Each controlled act, and in which words another reads it. */
const ROWS: readonly (readonly [act: ActName, args: () => object, what: string | RegExp])[] = [
  [
    "accounts credit",
    () => ({ number: "1001", amount: minor(700) }),
    "credit 7.00 ZAR to account 1001 (Customer 1001)",
  ],
  [
    "accounts debit",
    () => ({ number: "1001", amount: minor(700) }),
    "debit 7.00 ZAR from account 1001 (Customer 1001)",
  ],
  [
    "accounts add",
    () => newAccount("2001", 500),
    "open account 2001 (Lerato) with balances of 5.00 ZAR and overdrafts of 0.00 ZAR in all",
  ],
  [
    "accounts import",
    () => ({ accounts: [newAccount("2001", 500), newAccount("2002", 0), newAccount("2003", 9)] }),
    "open 3 accounts with balances of 5.09 ZAR and overdrafts of 0.00 ZAR in all",
  ],
  [
    "accounts overdraft",
    () => ({ number: "1001", overdraft: minor(50_000) }),
    "overdraft of 500.00 ZAR for account 1001 (Customer 1001) (now 0.00 ZAR)",
  ],
  [
    "accounts set-pin",
    () => ({ number: "1005", digest }),
    "another PIN for account 1005 (Customer 1005)",
  ],
  ["accounts unlock-pin", () => ({ number: "1005" }), "unlock the PIN of account 1005"],
  ["accounts remove-pin", () => ({ number: "1005" }), "remove the PIN of account 1005"],
  [
    "limits set",
    () => ({ ...GLOBAL, figures: { max: minor(300_000), dayCount: 3 } }),
    "limits of everything: maximum 3000.00 ZAR (now 2000.00 ZAR), times a day 3 (now none of its own)",
  ],
  [
    "limits unset",
    () => ({ ...GLOBAL, figures: [] }),
    "limits of everything: maximum none (now 2000.00 ZAR)",
  ],
  [
    "reservations release",
    () => ({ ...seen("open"), bankBears: false, seen: "reserved" }),
    /^release reservation ACME-\S+ \(105.00 ZAR of account 1001 \(Customer 1001\)\), which was reserved$/,
  ],
  [
    "reservations debit",
    () => ({ ...seen("open"), bankBears: false, seen: "reserved" }),
    /^debit reservation ACME-\S+ \(105.00 ZAR of account 1001 \(Customer 1001\)\), which was reserved$/,
  ],
  [
    "settlement pay",
    () => ({ amount: minor(9_000) }),
    "record a payment of 90.00 ZAR to Clickatell",
  ],
  [
    "secrets rotate",
    () => ({ kind: "signature", rotatedAt: null, digest }),
    "a new signature secret",
  ],
  [
    "secrets retire",
    () => ({ kind: "basic", rotatedAt: 5 }),
    "take the former basic secret out of force",
  ],
  [
    "secrets export",
    () => ({ keys: ["pin.key", "basic.json"], seen: "", output: "/x/keys.age", digest }),
    "write pin.key, basic.json under a passphrase to /x/keys.age",
  ],
  [
    "secrets import",
    () => ({ keys: ["pin.key", "basic.json"], seen: "", digest }),
    "put pin.key, basic.json of an export into keys/",
  ],
];

/** All that an act may change, but not the journal, the approvals and what is noted of them. */
function effects(): unknown {
  const tables = ["accounts", "buyers", "requests", "limits", "findings"];
  return [
    ...tables.map((table) => bank.sql(`SELECT * FROM ${table}`)),
    bank.sql("SELECT act FROM journal WHERE act NOT LIKE 'approvals %' AND act <> 'dual control'"),
  ];
}

function perform(by: By, { act, args, sealed = SEALED }: Asked) {
  return (ACTS[act].perform as (...all: unknown[]) => ReturnType<Store["recordAct"]>)(
    store,
    by,
    args,
    sealed,
  );
}

function ask(asked: Asked, by = ASKER) {
  const { act, args } = asked;
  return store.askApproval(by, { act, args, expiresAt: bank.clock.now() + 7 * DAY });
}

test("every act that can be asked for is in the table", () => {
  expect(ROWS.map(([act]) => act).sort()).toEqual(Object.keys(ACTS).filter(isActName).sort());
});

describe.each(ROWS)("%s", (act, args, what) => {
  test("needs an approval, takes effect with another's, once, in both names", () => {
    const before = effects();
    const asked = { act, args: args() };
    expect(perform(ASKER, asked)).toMatchObject({
      ok: false,
      refusal: { kind: "needs-approval" },
    });
    const { id, what: said } = done(ask(asked));
    if (typeof what === "string") expect(said).toStartWith(what);
    else expect(said).toMatch(what);
    expect(effects()).toEqual(before);

    const mine = store.approve(ASKER, id, SEALED);
    expect(mine).toMatchObject({ ok: false, refusal: { kind: "refused" } });
    const nobody = store.approve(NOBODY, id, SEALED);
    expect(nobody).toEqual({ ok: false, refusal: { kind: "refused", message: NO_LOGIN } });
    expect(effects()).toEqual(before);

    const view = done(store.approve(APPROVER, id, SEALED));
    expect(view).toMatchObject({
      state: "approved",
      askedBy: { loginName: "thandi", reason: "slip 4711" },
      decidedBy: { loginName: "sipho", reason: "slip seen" },
    });
    const once = effects();
    expect(once).not.toEqual(before);
    const record = journalOf(bank).find((each) => each.id === view.record);
    expect(record).toMatchObject({
      act,
      reason: "slip 4711",
      by: { loginUid: 1000, approval: { id, loginUid: 1001, reason: "slip seen" } },
    });

    const again = store.approve({ ...APPROVER, loginUid: 1002 }, id, SEALED);
    expect(again).toMatchObject({
      ok: false,
      refusal: { message: expect.stringContaining("approved") },
    });
    expect(effects()).toEqual(once);
    expect(problemsOf(bank)).toEqual([]);
  });

  test("a dry run of it changes nothing, nor does one of its asking or its approval", () => {
    const { id } = done(ask({ act, args: args() }));
    const everything = () => [effects(), bank.sql("SELECT * FROM journal"), store.approval(id)];
    const before = everything();
    const dry = open(CONTROLLED_KINDS, true);
    try {
      const expiresAt = bank.clock.now() + DAY;
      done(dry.askApproval(ASKER, { act, args: args(), expiresAt }));
      expect(done(dry.approve(APPROVER, id, SEALED)).state).toBe("approved");
      done(dry.rejectApproval(APPROVER, id));
    } finally {
      dry.close();
    }
    expect(everything()).toEqual(before);
  });

  test("is not asked for by nobody, not done once rejected, not once expired", () => {
    const before = effects();
    expect(ask({ act, args: args() }, NOBODY)).toMatchObject({ refusal: { message: NO_LOGIN } });
    expect(store.approvals({ all: true, limit: 9 })).toEqual([]);

    const rejected = done(ask({ act, args: args() })).id;
    expect(store.rejectApproval(NOBODY, rejected)).toMatchObject({ ok: false });
    expect(done(store.rejectApproval(APPROVER, rejected))).toMatchObject({
      state: "rejected",
      decidedBy: { loginName: "sipho" },
    });
    const expired = done(ask({ act, args: args() })).id;
    bank.clock.set(bank.clock.now() + 7 * DAY);
    expect(store.approval(expired)?.state).toBe("expired");
    for (const [id, why] of [
      [rejected, "rejected already"],
      [expired, "has expired"],
      [99, "there is no approval 99"],
    ] as const) {
      const refused = { refusal: { message: expect.stringContaining(why) } };
      expect(store.approve(APPROVER, id, SEALED)).toMatchObject(refused);
      expect(store.rejectApproval(APPROVER, id)).toMatchObject(refused);
    }
    expect(store.approvals({ all: false, limit: 9 })).toEqual([]);
    expect(effects()).toEqual(before);
    expect(problemsOf(bank)).toEqual([]);
  });
});

describe("what happened meanwhile", () => {
  const rows: readonly (readonly [
    what: string,
    asked: () => Asked,
    meanwhile: (bank: TemporaryBank) => void,
    why: string,
  ])[] = [
    [
      "the money is gone",
      () => ({ act: "accounts debit", args: { number: "1001", amount: minor(450_000) } }),
      () => done(free.debit(BY, "1001", minor(100_000))),
      "less than 4500.00 ZAR",
    ],
    [
      "the result came: a release would be a correction now",
      () => ({
        act: "reservations release",
        args: { ...seen("open"), bankBears: false, seen: "reserved" },
      }),
      (changed) => changed.result("open", "0000"),
      "it was reserved and is debited now",
    ],
    [
      "Clickatell was paid already",
      () => ({ act: "settlement pay", args: { amount: minor(18_000) } }),
      () => done(free.paySettlement(BY, minor(9_000))),
      "90.00 ZAR is owed",
    ],
    [
      "the account's number was given away",
      () => ({ act: "accounts add", args: newAccount("2001", 5) }),
      () => done(free.addAccount(BY, newAccount("2001", 0))),
      "account 2001 exists",
    ],
    [
      "of an import one account is there by now, so that none is opened",
      () => ({
        act: "accounts import",
        args: { accounts: [newAccount("2001", 5), newAccount("2002", 5)] },
      }),
      () => done(free.addAccount(BY, newAccount("2002", 0))),
      "account 2002 exists",
    ],
    [
      "the PIN was removed",
      () => ({ act: "accounts unlock-pin", args: { number: "1005" } }),
      () => done(free.removePin(BY, "1005")),
      "account 1005 has no PIN",
    ],
    [
      "the limit was taken away",
      () => ({ act: "limits unset", args: { ...GLOBAL, figures: [] } }),
      () => done(free.unsetLimits(BY, GLOBAL, [])),
      "there is no limit",
    ],
  ];
  test.each(rows)("%s: refused, and it stays open", (_, asked, meanwhile, why) => {
    const { id } = done(ask(asked()));
    meanwhile(bank);
    const before = effects();
    const result = store.approve(APPROVER, id, SEALED);
    expect(result).toMatchObject({ ok: false, refusal: { message: expect.stringContaining(why) } });
    expect(store.approval(id)?.state).toBe("open");
    expect(effects()).toEqual(before);
  });

  test("what only lowers, and what is not in the list, is done at once", () => {
    done(store.setLimits(ASKER, GLOBAL, { max: minor(100_000) }));
    done(store.setOverdraft(ASKER, "1002", minor(0)));
    done(store.setStatus(ASKER, "1003", "active"));
    done(store.pauseSales(ASKER));
    done(store.addAccount(ASKER, newAccount("2001", 0)));
    done(store.setPin(ASKER, "2001", "1234"));
    expect(problemsOf(bank)).toEqual([]);
  });

  test("each kind stands by itself", () => {
    const only = open(["pins"]);
    try {
      done(only.credit(ASKER, "1001", minor(100)));
      const refused = { ok: false, refusal: { kind: "needs-approval" } };
      expect(only.removePin(ASKER, "1005")).toMatchObject(refused);
    } finally {
      only.close();
    }
  });

  test("what is configured when it is done counts, however long ago the bank was opened", () => {
    const kinds: ControlledKind[] = [];
    const waiting = open(kinds);
    try {
      done(waiting.credit(ASKER, "1001", minor(100)));
      kinds.push("money");
      const refused = { ok: false, refusal: { kind: "needs-approval" } };
      expect(waiting.credit(ASKER, "1001", minor(100))).toMatchObject(refused);
    } finally {
      waiting.close();
    }
  });

  test("a store that is not told goes by what was noted, and notes nothing", () => {
    done(store.pauseSales(ASKER));
    const count = journalOf(bank).length;
    const refused = { ok: false, refusal: { kind: "needs-approval" } };
    expect(bank.store.removePin(ASKER, "1005")).toMatchObject(refused);
    done(bank.store.resumeSales(ASKER));
    expect(journalOf(bank).length).toBe(count + 1);
  });

  test("a change of what is under dual control is journalled before the next act", () => {
    const acts = () =>
      journalOf(bank)
        .filter(({ act }) => act === "dual control")
        .map(({ detail, by }) => [by?.loginUid, detail]);
    done(store.pauseSales(ASKER));
    done(store.resumeSales(ASKER));
    done(free.pauseSales(APPROVER));
    const all = JSON.stringify(CONTROLLED_KINDS);
    expect(acts()).toEqual([
      [1000, `{"before":[],"after":${all}}`],
      [1001, `{"before":${all},"after":[]}`],
    ]);
    expect(problemsOf(bank)).toEqual([]);
  });
});

describe("the database itself refuses", () => {
  const rows: readonly (readonly [what: string, sql: string, why: string])[] = [
    ["another amount", `UPDATE approvals SET args = '{}'`, "never changed"],
    ["another asker", "UPDATE approvals SET asked_uid = 1", "never changed"],
    ["a longer time", "UPDATE approvals SET expires_at = expires_at + 1", "never changed"],
    ["a deletion", "DELETE FROM approvals", "ever deleted"],
    // PostgreSQL knows no such statement.
    ...(onPostgres
      ? []
      : [
          [
            "another in its place",
            "INSERT OR REPLACE INTO approvals SELECT * FROM approvals",
            "asked for once",
          ] as const,
        ]),
    [
      "one eye too few",
      "UPDATE approvals SET state = 'approved', decided_in = asked_in + 1, decided_uid = asked_uid, decided_at = asked_at",
      "four_eyes",
    ],
    [
      "half a decision",
      "UPDATE approvals SET state = 'approved', decided_uid = 7",
      "whole_decision",
    ],
    [
      "an approval after its time",
      "UPDATE approvals SET state = 'approved', decided_in = asked_in + 1, decided_uid = 7, decided_at = expires_at",
      "approved_in_time",
    ],
    [
      "what was never asked for",
      "INSERT INTO approvals SELECT id + 1, act, args, 1, asked_uid, asked_at, expires_at, 'rejected', 2, 3, 4 FROM approvals",
      "asked for first",
    ],
  ];
  test.each(rows)("%s", (_, sql, why) => {
    done(ask({ act: "accounts credit", args: { number: "1001", amount: minor(700) } }));
    expect(() => bank.sql(sql)).toThrow(why);
  });

  test("a second decision", () => {
    const { id } = done(ask({ act: "accounts credit", args: { number: "1001", amount: 7 } }));
    done(store.approve(APPROVER, id, null));
    const sql =
      "UPDATE approvals SET state = 'open', decided_in = NULL, decided_uid = NULL, decided_at = NULL";
    expect(() => bank.sql(sql)).toThrow("decided once");
  });
});

test("when it was asked for and decided is said by the journal, whatever the table says", () => {
  const { id } = done(
    ask({ act: "accounts credit", args: { number: "1001", amount: minor(700) } }),
  );
  done(store.approve(APPROVER, id, null));
  const before = store.approval(id);
  bank.withoutTriggers();
  bank.rawSql("UPDATE approvals SET asked_at = asked_at - 1000, decided_at = decided_at + 1000");
  expect(store.approval(id)).toEqual(before);
});

describe("verify finds", () => {
  const credit = () => {
    const args = { number: "1001", amount: minor(700) };
    const { id } = done(ask({ act: "accounts credit", args }));
    return done(store.approve(APPROVER, id, null));
  };
  const rows: readonly (readonly [what: string, sql: string, line: string])[] = [
    [
      "an act past dual control",
      `UPDATE journal SET actor = ${jsonWithout("actor", ["approval"])} WHERE act = 'accounts credit'`,
      "nobody approved it",
    ],
    [
      "another amount than was asked for",
      `UPDATE journal SET amount_1 = -800, amount_2 = 800 WHERE act = 'accounts credit'`,
      "is not what was asked for",
    ],
    [
      "another account than was asked for",
      `UPDATE journal SET subject = '1002' WHERE act = 'accounts credit'`,
      "is not what was asked for",
    ],
    [
      "what was asked for, changed afterwards",
      `UPDATE approvals SET args = '{"number":"1001","amount":701}'`,
      "it is not what was asked for",
    ],
    ["another asker", `UPDATE approvals SET asked_uid = 7`, "it is not what was asked for"],
    ["another approver", `UPDATE approvals SET decided_uid = 7`, "names other people"],
    ["an approval that is gone", `DELETE FROM approvals`, "approval 1: it is gone"],
    [
      "an approval under which nothing was done",
      `UPDATE journal SET actor = ${jsonWithout("actor", ["approval"])} WHERE act = 'accounts credit'`,
      "approval 1: nothing was done under it",
    ],
    [
      "one that is used a second time",
      `INSERT INTO journal SELECT id + 5, at, kind, act, subject, detail, reservation_id, actor,
         reason, account_1, amount_1, account_2, amount_2, account_3, amount_3, hash
       FROM journal WHERE act = 'accounts credit'`,
      "approval 1 was used before",
    ],
    [
      "another setting than the journal says",
      "UPDATE bank SET dual_control = '[]'",
      "bank: dual control is noted as []",
    ],
  ];
  test.each(rows)("%s", (_, sql, line) => {
    credit();
    expect(problemsOf(bank)).toEqual([]);
    bank.withoutTriggers();
    bank.rawSql(sql);
    expect(problemsOf(bank).join("\n")).toContain(line);
  });
});
