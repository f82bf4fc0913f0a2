// limits test says of purchases that were seen what a server with those limits answers to them.
import { afterEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type FindLimit, type LimitFigures, NO_FIGURES } from "../../src/domain/limits.ts";
import { minor } from "../../src/domain/money.ts";
import { replay } from "../../src/reports/limits-test.ts";
import { rowsOf } from "../../src/storage/pages.ts";
import type { LimitTarget, ReservedView, Store } from "../../src/storage/store.ts";
import { BY, done, reserveBody, type TestBank, testBank } from "../http/bank.ts";

type Row = { readonly target: LimitTarget; readonly figures: Partial<LimitFigures> };

const finder =
  (rows: readonly Row[]): FindLimit =>
  (scope, key) => {
    const row = rows.find(({ target }) => target.scope === scope && target.scopeKey === key);
    return row === undefined ? null : { ...NO_FIGURES, ...row.figures };
  };

const all = (store: Store): Iterable<ReservedView> =>
  rowsOf(
    (page: { after?: number | undefined; limit: number }) =>
      store.reservedInOrder({ ...page, from: 0, to: Number.MAX_SAFE_INTEGER }),
    ({ id }) => id,
  );

const refusedIn = (purchases: Iterable<ReservedView>, rows: readonly Row[], from = 0) =>
  [...replay(purchases, finder(rows), from)].flatMap(({ purchase, refusedBy }) =>
    refusedBy === null ? [] : [{ id: purchase.requestId, ...refusedBy }],
  );

const banks: TestBank[] = [];
afterEach(async () => {
  for (const bank of banks.splice(0)) await bank.close();
});

function newBank(): TestBank {
  const bank = testBank({
    accounts: [
      { number: "1", buyers: ["a@bank"], balance: 1e9 },
      { number: "2", buyers: ["b@bank"], balance: 1e9 },
    ],
  });
  banks.push(bank);
  return bank;
}

describe("a replay", () => {
  const purchase = (id: number, fields: Partial<ReservedView> = {}): ReservedView => ({
    id,
    requestId: `r${id}`,
    reference: `REF-${id}`,
    account: "1",
    productId: 110,
    channelId: 7,
    reserveAmount: minor(1_000),
    reservedAt: id * 1_000,
    day: "2026-03-02",
    releasedAt: null,
    ...fields,
  });
  const everything = (figures: Partial<LimitFigures>): Row[] => [
    { target: { scope: "global", scopeKey: "*" }, figures },
  ];

  test.each([
    ["below a minimum", { min: minor(1_001) }, ["r1", "r2", "r3"], "min"],
    ["above a maximum", { max: minor(999) }, ["r1", "r2", "r3"], "max"],
    ["more than a day's amount", { dayAmount: minor(2_500) }, ["r3"], "dayAmount"],
    ["more often than a day allows", { dayCount: 1 }, ["r2", "r3"], "dayCount"],
    ["more than a month's amount", { monthAmount: minor(2_000) }, ["r3"], "monthAmount"],
    ["more often than a month allows", { monthCount: 2 }, ["r3"], "monthCount"],
  ] as const)("names the limit: %s", (_, figures, refused, figure) => {
    const found = refusedIn([purchase(1), purchase(2), purchase(3)], everything(figures));
    expect(found.map(({ id }) => id)).toEqual([...refused]);
    expect(new Set(found.map((one) => one.figure))).toEqual(new Set([figure]));
  });

  test("one that is refused counts towards nothing, so the next smaller one passes", () => {
    const rows = everything({ dayAmount: minor(1_500) });
    const small = purchase(3, { reserveAmount: minor(500) });
    expect(refusedIn([purchase(1), purchase(2), small], rows).map(({ id }) => id)).toEqual(["r2"]);
  });

  test("one that was released counts until then", () => {
    const rows = everything({ dayCount: 1 });
    const released = purchase(1, { releasedAt: 2_500 });
    const found = refusedIn([released, purchase(2), purchase(3)], rows);
    expect(found.map(({ id }) => id)).toEqual(["r2"]);
  });

  test("those before the span count, and are not judged", () => {
    const found = refusedIn([purchase(1), purchase(2)], everything({ monthCount: 1 }), 2_000);
    expect(found.map(({ id }) => id)).toEqual(["r2"]);
  });

  test("the most specific minimum and maximum is named, and each window by its own scope", () => {
    const rows: Row[] = [
      { target: { scope: "global", scopeKey: "*" }, figures: { max: minor(100) } },
      { target: { scope: "product", scopeKey: "110" }, figures: { max: minor(999), dayCount: 9 } },
      { target: { scope: "account", scopeKey: "2" }, figures: { max: minor(5_000), dayCount: 0 } },
    ];
    const found = refusedIn([purchase(1), purchase(2, { account: "2" })], rows);
    expect(found.map(({ id, scope, figure }) => [id, scope, figure])).toEqual([
      ["r1", "product", "max"],
      ["r2", "account", "dayCount"],
    ]);
  });
});

test("refuses exactly what a server with these limits refuses", async () => {
  const amount = fc.integer({ min: 1, max: 40 }).map((units) => minor(units * 100));
  const figures = fc.record(
    {
      min: fc.integer({ min: 1, max: 8 }).map((units) => minor(units * 100)),
      max: fc.integer({ min: 20, max: 40 }).map((units) => minor(units * 100)),
      dayAmount: fc.integer({ min: 50, max: 120 }).map((units) => minor(units * 100)),
      dayCount: fc.integer({ min: 2, max: 9 }),
      monthAmount: fc.integer({ min: 50, max: 120 }).map((units) => minor(units * 100)),
      monthCount: fc.integer({ min: 2, max: 9 }),
    },
    { requiredKeys: [] },
  );
  const target = fc.constantFrom<LimitTarget>(
    { scope: "global", scopeKey: "*" },
    { scope: "channel", scopeKey: "7" },
    { scope: "product", scopeKey: "110" },
    { scope: "account", scopeKey: "1" },
  );
  const row = fc.record({ target, figures }).filter((one) => Object.keys(one.figures).length > 0);
  const rows = fc.uniqueArray(row, { maxLength: 4, selector: (one) => one.target.scope });
  const purchase = fc.record({
    buyer: fc.constantFrom("a@bank", "b@bank"),
    amount,
    productId: fc.constantFrom(110, 111),
    channelId: fc.constantFrom(7, 8),
    releases: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(rows, fc.array(purchase, { maxLength: 25 }), async (limits, purchases) => {
      const [free, limited] = [newBank(), newBank()];
      for (const { target, figures } of limits) done(limited.store.setLimits(BY, target, figures));
      const refused: string[] = [];
      for (const { buyer, amount, productId, channelId, releases } of purchases) {
        const fields = { sourceIdentifier: buyer, reserveAmount: amount, productId, channelId };
        const body = reserveBody(fields);
        await free.post("/reserveFunds", body);
        const answer = JSON.parse((await limited.post("/reserveFunds", body)).body);
        if (answer.responseCode !== "0000") refused.push(String(body["raasTxnRef"]));
        if (!releases) continue;
        const result = { raasTxnRef: body["raasTxnRef"], responseCode: "2201" };
        for (const bank of [free, limited]) await bank.post("/transactResult", result);
        // What is reserved in the same millisecond is not known to be later.
        await Bun.sleep(2);
      }
      expect(refusedIn(all(free.store), limits).map(({ id }) => id)).toEqual(refused);
      for (const bank of banks.splice(0)) await bank.close();
    }),
    { numRuns: 12 },
  );
}, 30_000);

test("pages go on where the last one ended, and a span leaves out what is outside", async () => {
  const bank = newBank();
  for (let times = 0; times < 5; times += 1) {
    await bank.post("/reserveFunds", reserveBody({ sourceIdentifier: "a@bank" }));
  }
  await bank.post("/reserveFunds", reserveBody({ sourceIdentifier: "nobody@bank" }));
  const page = (after: number, limit: number) =>
    bank.store.reservedInOrder({ after, limit, from: 0, to: Number.MAX_SAFE_INTEGER });
  const ids = page(0, 10).map(({ id }) => id);
  expect(ids).toHaveLength(5);
  expect(page(0, 2).map(({ id }) => id)).toEqual(ids.slice(0, 2));
  expect(page(ids[1] ?? 0, 10).map(({ id }) => id)).toEqual(ids.slice(2));
  const later = Date.now() + 60_000;
  expect(bank.store.reservedInOrder({ limit: 9, from: later, to: later + 1 })).toEqual([]);
});
