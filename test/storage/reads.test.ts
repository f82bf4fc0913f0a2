// What people look at: every list whole and in order whatever its pages, nothing of it by reading a
// table from end to end, and every report of one moment while purchases go on.
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, spyOn, test } from "bun:test";
import fc from "fast-check";
import { FINDING_KINDS } from "../../src/domain/finding.ts";
import { minor } from "../../src/domain/money.ts";
import { PAGE_SIZE, type Paging, rowsOf } from "../../src/storage/pages.ts";
import { reservationsOn } from "../../src/storage/sql/reservations.ts";
import { settlementOn } from "../../src/storage/sql/settlement.ts";
import { idsInTime } from "../../src/storage/sql/walk.ts";
import { sqlOn } from "../../src/storage/sqlite/sql.ts";
import type {
  LedgerAccount,
  NewAccount,
  PurchaseView,
  Settlement,
  Store,
} from "../../src/storage/store.ts";
import {
  ACCOUNTS,
  BY,
  bankTest,
  buyerOf,
  done,
  IDENTITY,
  MONDAY_MORNING,
  reserveOperation,
  resultOperation,
  type TemporaryBank,
  temporaryBank,
} from "./bank.ts";
import { besideTraffic, traffic } from "./beside.ts";
import { onPostgres } from "./spelling.ts";

const EVER = Number.MAX_SAFE_INTEGER;
const at = (minutes: number) => MONDAY_MORNING + minutes * 60_000;

/** A bank in which something of every kind happened. */
function eventfulBank(): TemporaryBank {
  const bank = temporaryBank({ serving: true });
  const { store } = bank;
  const buyers = [buyerOf("1001"), buyerOf("1002")];
  for (let minute = 0; minute < 24; minute += 1) {
    bank.clock.set(at(minute));
    const settlementAmount = minute % 5 === 0 ? null : minor(9_000);
    bank.reserve(`raas-${minute}`, { buyerId: buyers[minute % 2] ?? "", settlementAmount });
    if (minute % 3 === 1) bank.reserve(`declined-${minute}`, { buyerId: "nobody" });
    if (minute % 4 < 3) bank.result(`raas-${minute}`, minute % 4 === 2 ? "2201" : "0000");
    if (minute % 6 === 0) bank.result(`unknown-${minute}`, "0000");
    if (minute % 8 === 2) bank.result(`raas-${minute}`, "0000");
    if (minute === 12) done(store.mapBuyer(BY, buyers[0] ?? "", "1002"));
    if (minute === 18) done(store.mapBuyer(BY, buyers[0] ?? "", "1005"));
    if (minute === 20) done(store.removePin(BY, "1005"));
  }
  done(store.settle(BY, "raas-2", "debit", false));
  done(store.settle(BY, "raas-1", "release", true));
  done(store.credit(BY, "@suspense", minor(77)));
  done(store.debit(BY, "@clickatell", minor(33)));
  done(store.paySettlement(BY, minor(500)));
  done(store.closeFinding(BY, 4));
  done(store.unmapBuyer(BY, buyers[0] ?? ""));
  return bank;
}

describe("a list", () => {
  let bank: TemporaryBank;
  beforeAll(() => {
    bank = eventfulBank();
  });
  afterAll(() => bank.close());

  type List = (store: Store, page: Paging<never>) => readonly { id?: number; number?: string }[];
  const buyer = `+${buyerOf("1001")}`;
  const lists: readonly [name: string, list: List][] = [
    ["accounts", (store, page) => store.accounts(page)],
    ["balances", (store, page) => store.balances({ ...page, upTo: store.mark() })],
    ["reservations", (store, page) => store.reservations(page)],
    ["open reservations", (store, page) => store.reservations({ ...page, state: "reserved" })],
    ["debited reservations", (store, page) => store.reservations({ ...page, state: "debited" })],
    [
      "reservations of a span",
      (store, page) => store.reservations({ ...page, from: at(3), to: at(17) }),
    ],
    [
      "open reservations of a span",
      (store, page) => store.reservations({ ...page, state: "reserved", from: at(3), to: at(17) }),
    ],
    [
      "an account's reservations",
      (store, page) => store.reservations({ ...page, account: "1002" }),
    ],
    [
      "an account's released ones",
      (store, page) => store.reservations({ ...page, account: "1001", state: "released" }),
    ],
    ["declined requests", (store, page) => store.purchases({ ...page, state: "declined" })],
    ["all purchases", (store, page) => store.purchases({ ...page, state: "all" })],
    [
      "a buyer's purchases of a span",
      (store, page) =>
        store.purchases({ ...page, state: "all", buyer: "nobody", from: at(0), to: at(20) }),
    ],
    [
      "purchases of an amount",
      (store, page) => store.purchases({ ...page, amount: minor(10_500), from: at(3) }),
    ],
    [
      "purchases with a clientTxnRef",
      (store, page) => store.purchases({ ...page, state: "all", clientRef: "client-1" }),
    ],
    ["a buyer's reservations", (store, page) => store.reservations({ ...page, buyer })],
    [
      "a buyer's in one account",
      (store, page) => store.reservations({ ...page, buyer, account: "1002" }),
    ],
    ["findings", (store, page) => store.findings({ ...page, openAt: EVER })],
    ["findings of a moment", (store, page) => store.findings({ ...page, openAt: at(13) })],
    ["findings of all times", (store, page) => store.findings({ ...page, openAt: null })],
    [
      "findings of two kinds",
      (store, page) =>
        store.findings({ ...page, openAt: null, kinds: ["settlement-missing", "contradiction"] }),
    ],
    ["the journal", (store, page) => store.journal({ ...page, from: 0, to: EVER })],
    ["the journal of a span", (store, page) => store.journal({ ...page, from: at(5), to: at(9) })],
  ];
  describe.each(lists)("%s", (_, list) => {
    const whole = () => list(bank.store, { limit: 1_000 });
    test("has rows, none of them twice", () => {
      const keys = whole().map(({ id, number }) => number ?? id);
      expect(keys.length).toBeGreaterThan(1);
      expect(new Set(keys).size).toBe(keys.length);
    });
    test.each([1, 2, 3, 7])("is the same in pages of %d", (limit) => {
      const pages: unknown[] = [];
      for (let after: unknown; ; ) {
        const page = list(bank.store, { after, limit } as Paging<never>);
        pages.push(...page);
        if (page.length < limit) break;
        after = page.at(-1)?.number ?? page.at(-1)?.id;
      }
      expect(pages).toEqual(whole() as unknown[]);
    });
    test("of nothing is empty", () => expect(list(bank.store, { limit: 0 })).toEqual([]));
  });

  test("of reservations has the newest first, and knows every account a buyer ever had", () => {
    const all = bank.store.reservations({ limit: 1_000 });
    expect(all.map(({ id }) => id)).toEqual(all.map(({ id }) => id).sort((a, b) => b - a));
    const ofBuyer = bank.store.reservations({ buyer, limit: 1_000 });
    expect(ofBuyer).toEqual(all.filter(({ buyerId }) => buyerId === buyerOf("1001")));
    expect(new Set(ofBuyer.map(({ account }) => account))).toEqual(
      new Set(["1001", "1002", "1005"]),
    );
    expect(bank.store.reservations({ account: "1002", limit: 1_000 })).toEqual(
      all.filter(({ account }) => account === "1002"),
    );
    expect(bank.store.reservations({ account: "none", limit: 10 })).toEqual([]);
    expect(bank.store.reservations({ buyer: "nobody", limit: 10 })).toEqual([]);
  });

  test("of purchases tells the declined ones from the reservations, and leaves none out", () => {
    const all = bank.store.purchases({ state: "all", limit: 1_000 });
    expect(all.map(({ id }) => id)).toEqual(all.map((_, index) => all.length - index));
    const declined = bank.store.purchases({ state: "declined", limit: 1_000 });
    expect(declined).toEqual(all.filter(({ state }) => state === "declined"));
    expect(declined.map(({ requestId }) => requestId)).toContain("declined-13");
    expect(bank.store.purchases({ limit: 1_000 })).toEqual(
      bank.store.reservations({ limit: 1_000 }),
    );
    expect(bank.store.purchases({ state: "all", amount: minor(1), limit: 10 })).toEqual([]);
    expect(bank.store.purchase("declined-13")).toEqual(
      declined.find(({ requestId }) => requestId === "declined-13") ?? null,
    );
    expect(bank.store.reservation("declined-13")).toBeNull();
  });

  test("of findings has the most urgent first, and of a kind the oldest", () => {
    const all = bank.store.findings({ openAt: null, limit: 1_000 });
    const order = all.map(({ kind, id }) => FINDING_KINDS.indexOf(kind) * 1_000 + id);
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(all.filter(({ closedAt }) => closedAt !== null).length).toBeGreaterThan(0);
  });

  test("of balances has the bank's own first, and sums to zero", () => {
    const all = bank.store.balances({ upTo: bank.store.mark(), limit: 1_000 });
    expect(all.map(({ number }) => number)).toEqual([
      ...["@clickatell", "@funding", "@income", "@loss", "@suspense"],
      ...ACCOUNTS.map(({ number }) => number),
    ]);
    expect(all.reduce((sum, { balance }) => sum + balance, 0)).toBe(0);
  });
});

describe("rows of a list", () => {
  /** A list of the numbers from 1 on; tells what it was asked for. */
  function numbers(count: number) {
    const asked: Paging<number>[] = [];
    const page = (paging: Paging<number>) => {
      asked.push(paging);
      const { after = 0, limit } = paging;
      return Array.from(
        { length: Math.min(limit, count - after) },
        (_, index) => after + index + 1,
      );
    };
    return { asked, rows: (most?: number) => rowsOf(page, (row: number) => row, most) };
  }
  test.each([
    ["none", 0, undefined, 0, 1],
    ["less than a page", 7, undefined, 7, 1],
    ["exactly a page", PAGE_SIZE, undefined, PAGE_SIZE, 2],
    ["more than a page", PAGE_SIZE + 1, undefined, PAGE_SIZE + 1, 2],
    ["at most a few", PAGE_SIZE, 3, 3, 1],
    ["at most more than a page", 3 * PAGE_SIZE, PAGE_SIZE + 5, PAGE_SIZE + 5, 2],
    ["at most none", 7, 0, 0, 0],
  ])("%s", (_, count, most, given, pages) => {
    const { asked, rows } = numbers(count);
    const all = [...rows(most)];
    expect(all).toEqual(Array.from({ length: given }, (_, index) => index + 1));
    expect(asked).toHaveLength(pages);
    expect(asked.every(({ limit }) => limit <= PAGE_SIZE)).toBe(true);
  });
  test("are read a page at a time, and anew by each who reads them", () => {
    const { asked, rows } = numbers(3 * PAGE_SIZE);
    const list = rows();
    for (const row of list) if (row === PAGE_SIZE) break;
    expect(asked).toHaveLength(1);
    expect([...list]).toHaveLength(3 * PAGE_SIZE);
  });
});

describe("more than a page of reservations", () => {
  const COUNT = PAGE_SIZE + 300;
  let bank: TemporaryBank;
  beforeAll(() => {
    bank = temporaryBank();
    for (let from = 0; from < COUNT; from += 100) {
      const ids = Array.from({ length: 100 }, (_, index) => `raas-${from + index}`);
      const few = { reserveAmount: minor(100) };
      bank.apply(...ids.map((id) => reserveOperation(id, few)));
      bank.clock.set(bank.clock.now() + 1);
    }
  });
  afterAll(() => bank.close());

  const wanted = () => Array.from({ length: COUNT }, (_, index) => COUNT - index);
  test.each([
    ["all", {}],
    ["open", { state: "reserved" }],
    ["of an account", { account: "1001" }],
    ["of a buyer", { buyer: buyerOf("1001") }],
  ] as const)("%s: one call gives them all, in order", (_, filter) => {
    const ids = bank.store.reservations({ ...filter, limit: EVER }).map(({ id }) => id);
    expect(ids).toEqual(wanted());
  });

  test("of a buyer that moved: pages give them all, in order", () => {
    const buyer = buyerOf("1001");
    done(bank.store.mapBuyer(BY, buyer, "1002"));
    const pages = rowsOf(
      (page: Paging<number>) => bank.store.reservations({ ...page, buyer }),
      ({ id }) => id,
    );
    expect([...pages].map(({ id }) => id)).toEqual(wanted());
  });

  test("are all open, and were all open before some ended", () => {
    const before = bank.clock.now();
    bank.clock.set(before + 1_000);
    bank.apply(...[3, 1_500, COUNT - 1].map((id) => resultOperation(`raas-${id}`, "2201")));
    const open = (asOf: number) => bank.store.openReservationsAsOf(asOf).map(({ id }) => id);
    expect(open(before)).toEqual(wanted().reverse());
    expect(open(before + 1_000)).toHaveLength(COUNT - 3);
    expect(open(MONDAY_MORNING)).toHaveLength(100);
  });
});

// ---------------------------------------------------------------- by time, without an index

describe("the ids of a span of time", () => {
  const DAY = 86_400_000;

  test("hold every row of it, though clocks were up to a day off", () => {
    const offsets = fc.array(fc.integer({ min: -DAY, max: DAY }), { maxLength: 60 });
    const bounds = fc.tuple(fc.nat(100), fc.nat(100));
    fc.assert(
      fc.property(offsets, bounds, (off, [begin, length]) => {
        const db = new Database(":memory:", { strict: true });
        db.run("CREATE TABLE journal (id INTEGER PRIMARY KEY, at INTEGER)");
        const insert = db.query("INSERT INTO journal (at) VALUES (?)");
        for (const [index, offset] of off.entries()) insert.run(index * 3 * 3_600_000 + offset);
        const [from, to] = [begin * 3_600_000, (begin + length) * 3_600_000];
        const { first, last } = idsInTime(sqlOn(db), "journal", "at")(from, to);
        const missed = db
          .query("SELECT id FROM journal WHERE at >= ? AND at < ? AND NOT id BETWEEN ? AND ?")
          .values(from, to, first, last);
        db.close();
        return missed.length === 0;
      }),
    );
  });

  test("are few where the span is short", () => {
    const db = new Database(":memory:", { strict: true });
    db.run("CREATE TABLE journal (id INTEGER PRIMARY KEY, at INTEGER)");
    const insert = db.query("INSERT INTO journal (at) VALUES (?)");
    for (let day = 0; day < 400; day += 1) insert.run(day * DAY);
    const { first, last } = idsInTime(sqlOn(db), "journal", "at")(200 * DAY, 201 * DAY);
    expect([first, last]).toEqual([199, 203]);
    expect(idsInTime(sqlOn(db), "journal", "at")(undefined, undefined)).toEqual({
      first: 1,
      last: 400,
    });
    db.close();
  });
});

// ---------------------------------------------------------------- while purchases go on

describe("while purchases go on", () => {
  bankTest("the settlement's figures are those of one moment", (bank) => {
    const happen = traffic(bank);
    for (let sale = 0; sale < 22; sale += 1) happen();
    const settle = (from: number, to: number): Settlement =>
      besideTraffic(bank, happen, (db) => settlementOn(db, IDENTITY).settlement(from, to));
    const before = bank.store.settlement(0, EVER);
    const during = settle(0, EVER);
    // Of all there ever was nothing can have been owed before.
    expect(during.movements.owedBefore as number).toBe(0);
    const counts = ({ rows }: Settlement) => rows.reduce((sum, { count }) => sum + count, 0);
    // One more was debited before the moment itself was looked up.
    expect(counts(during)).toBe(counts(before) + 1);
    // And after a span that is over nothing of it changes.
    const until = bank.clock.now();
    const past = bank.store.settlement(MONDAY_MORNING, until);
    expect(settle(MONDAY_MORNING, until)).toEqual(past);
  });

  bankTest("the settlement agrees with the journal, whatever the span", (bank) => {
    const happen = traffic(bank);
    for (let sale = 0; sale < 40; sale += 1) happen();
    done(bank.store.settle(BY, "busy-1", "release", false));
    done(bank.store.settle(BY, "busy-5", "debit", true));
    done(bank.store.paySettlement(BY, minor(40)));
    const sum = (internal: string, where: string) =>
      bank.sql(
        `SELECT CAST(coalesce(sum(e.amount), 0) AS BIGINT) AS sum FROM journal j
           JOIN entries e ON e.journal_id = j.id JOIN accounts a ON a.id = e.account_id
         WHERE a.internal = '${internal}' AND ${where}`,
      )[0]?.["sum"];
    for (const [from, to] of [
      [0, EVER],
      [MONDAY_MORNING + 7, MONDAY_MORNING + 21],
      [MONDAY_MORNING + 40, MONDAY_MORNING + 41],
      [MONDAY_MORNING + 900, EVER],
    ] as const) {
      const span = `j.at >= ${from} AND j.at < ${to}`;
      const { rows, movements } = bank.store.settlement(from, to);
      const owed = rows.reduce((all, row) => all + row.owed, 0);
      expect({ ...movements, owed } as { [figure: string]: number }).toEqual({
        owedBefore: sum("clickatell", `j.at < ${from}`) as number,
        owed: sum("clickatell", `${span} AND j.kind = 'debit'`) as number,
        corrected: sum("clickatell", `${span} AND j.kind = 'correction'`) as number,
        adjusted: sum("clickatell", `${span} AND j.kind IN ('credit', 'withdrawal')`) as number,
        paid: 0 - (sum("clickatell", `${span} AND j.kind = 'settlement'`) as number),
        inSuspense: sum("suspense", `j.at < ${to}`) as number,
      });
    }
  });

  bankTest("the balances are those of one mark, and sum to zero", (bank) => {
    const happen = traffic(bank);
    happen();
    const upTo = bank.store.mark();
    const whole = bank.store.balances({ upTo, limit: 100 });
    const found: LedgerAccount[] = [];
    for (let after: string | undefined; ; ) {
      happen();
      const number = `1001-${found.length}`;
      const added = { ...ACCOUNTS[0], number, buyers: [] } as NewAccount;
      done(bank.store.addAccounts(BY, "accounts add", [added], false));
      const page = bank.store.balances({ upTo, after, limit: 2 });
      found.push(...page);
      if (page.length < 2) break;
      after = page.at(-1)?.number;
    }
    expect(found).toEqual(whole);
    expect(found.reduce((sum, { balance }) => sum + balance, 0)).toBe(0);
  });

  bankTest("a reservation that ends meanwhile was open before, and is listed once", (bank) => {
    const names = ["raas-1", "raas-2", "raas-3", "raas-4"];
    for (const name of names) bank.reserve(name);
    const asOf = bank.clock.now();
    const left = [...names];
    const happen = () => {
      bank.clock.set(bank.clock.now() + 1);
      const name = left.pop();
      if (name !== undefined) bank.result(name, "0000");
    };
    const open = besideTraffic(bank, happen, (db) =>
      reservationsOn(db, IDENTITY).openReservationsAsOf(asOf),
    );
    expect(open.map(({ requestId }) => requestId)).toEqual(names);
    expect(left.length).toBeLessThan(names.length);
  });
});

// ---------------------------------------------------------------- plans

/** What may be read from end to end: single rows, short lists, and what a statement made itself. */
const SMALL = [
  "(subquery-",
  // A view: what is read of the journal for it is a step of its own.
  "entries",
  // The rows of a page, which a statement has found before it looks at them.
  "page",
  ...[
    "bank",
    "limits",
    "holidays",
    "approvals",
    "restores",
    "blocked_buyers",
    "sqlite_schema",
    "sqlite_master",
  ],
  ...["CONSTANT ROW", "json_each", "pragma_foreign_key_check", "pragma_integrity_check"],
];

/** Each statement that `run` gives to the database, once. */
function statementsOf(run: () => void): string[] {
  const query = spyOn(Database.prototype, "query");
  try {
    run();
    return [...new Set(query.mock.calls.map(([sql]) => sql))];
  } finally {
    query.mockRestore();
  }
}

/** Looks at everything there is to look at, once. */
function lookAtAll({ store }: TemporaryBank): void {
  const page = { limit: 10 };
  const { id, requestId, reference, account, buyerId } = store.reservations(page)[0]!;
  store.accounts(page);
  store.account(account);
  store.buyer(buyerId);
  for (const filter of [{ account }, { buyer: buyerId }, { state: "reserved" as const }]) {
    store.reservations({ ...page, ...filter, from: 0, to: EVER });
    store.reservations({ ...page, ...filter, after: id });
  }
  store.reservation(reference);
  store.purchases({ ...page, state: "all", from: at(1), to: at(20), amount: minor(1) });
  store.past(store.purchase(requestId) as PurchaseView);
  store.buyerHistory(buyerId);
  store.openReservationsAsOf(at(9));
  store.findings({ ...page, openAt: at(9) });
  store.overview(() => at(9));
  store.approvals({ ...page, all: true });
  store.approvals({ ...page, all: false });
  store.approval(1);
  store.finding(1);
  store.findingsOf(requestId, reference);
  store.journal({ ...page, from: 0, to: EVER });
  store.journalOf(requestId);
  store.journalHash(store.journalHead().id);
  store.receipts(10);
  store.receipt("1");
  store.receipt("d1");
  store.receiptsOf(requestId, reference);
  store.settlement(0, EVER);
  store.balances({ ...page, upTo: store.mark() });
  store.verify();
}

// What PostgreSQL chooses goes by the size of the tables.
describe.skipIf(onPostgres)("the plan of every read", () => {
  let plans: { sql: string; step: string }[];
  beforeAll(() => {
    let bank: TemporaryBank | undefined;
    const statements = statementsOf(() => {
      bank = eventfulBank();
      lookAtAll(bank);
    });
    const reads = statements.filter((sql) => /^\s*(SELECT|WITH)/.test(sql));
    plans = reads.flatMap((sql) =>
      (bank?.sql(`EXPLAIN QUERY PLAN ${sql}`) ?? []).map(({ detail }) => ({
        sql,
        step: String(detail),
      })),
    );
    bank?.close();
  });

  test("reads no large table from end to end", () => {
    expect(plans.length).toBeGreaterThan(50);
    const scans = plans
      .filter(({ step }) => step.startsWith("SCAN "))
      .filter(({ step }) => !SMALL.some((name) => step.startsWith(`SCAN ${name}`)));
    expect(scans).toEqual([]);
  });

  test.each([
    ["requests_open", "what is open"],
    ["requests_ended", "what ended since, and the debits of a span"],
    ["journal_one_debit", "a debit's posting"],
    ["journal_one_correction", "a correction's posting"],
    ["journal_by_hand", "what else moved the bank's own accounts"],
    ["journal_of_buyers", "the accounts that a buyer had"],
    ["findings_kind", "the open findings of a kind"],
    ["findings_request_id", "the findings of a purchase"],
    ["findings_reference", "the findings of a purchase"],
    ["receipts_request", "the receipts of a purchase"],
    ["receipts_request_id", "the receipts of a purchase"],
    ["receipts_reference", "the receipts of a purchase"],
  ])("finds by %s %s", (index) => {
    const used = plans.filter(({ step }) => step.includes(` INDEX ${index} (`));
    expect(used.length).toBeGreaterThan(0);
  });
});
