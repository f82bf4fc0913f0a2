import { describe, expect, test } from "bun:test";
import { parse } from "csv-parse/sync";
import { minor, ZERO } from "../../src/domain/money.ts";
import {
  DISPUTED,
  settlementCsv,
  settlementJson,
  settlementReport,
  spanOf,
} from "../../src/reports/settlement.ts";
import type { SettlementRow } from "../../src/storage/store.ts";
import { BANK, csvText, finding, reservation } from "./rows.ts";

const row = (day: string, productId: number | null, figures: Partial<SettlementRow>) => ({
  day,
  productId,
  count: 1,
  reserved: minor(10_500),
  purchases: minor(10_000),
  fees: minor(500),
  clientShare: minor(1_000),
  owed: minor(9_000),
  suspenseCount: 0,
  suspense: ZERO,
  sumsDifferCount: 0,
  ...figures,
});

const REPORT = settlementReport(
  {
    rows: [
      row("2026-03-02", 110, { count: 2, owed: minor(18_000) }),
      row("2026-03-03", null, { owed: ZERO, suspenseCount: 1, suspense: minor(10_500) }),
    ],
    movements: {
      owedBefore: minor(1_000),
      corrected: minor(-9_000),
      adjusted: minor(200),
      paid: minor(12_000),
      inSuspense: minor(10_500),
    },
    disputes: [
      { finding: finding({ kind: "unmatched-success", reference: null }), reservation: null },
      { finding: finding(), reservation: reservation({ state: "released" }) },
    ],
  },
  { bank: BANK, period: { from: "2026-03-01", to: "2026-03-31" } },
);

test("the totals are the sums of the rows", () => {
  expect(REPORT.totals).toMatchObject({
    count: 3,
    purchases: minor(20_000),
    owed: minor(18_000),
    suspense: minor(10_500),
  });
});

test("still owed: what the period brought, less what was paid in it; in all, what was before too", () => {
  const { stillOwedMinor, owedAfterMinor, paidMinor } = settlementJson(REPORT);
  expect({ stillOwedMinor, owedAfterMinor, paidMinor }).toEqual({
    stillOwedMinor: minor(18_000 - 9_000 + 200 - 12_000),
    owedAfterMinor: minor(1_000 + 18_000 - 9_000 + 200 - 12_000),
    paidMinor: minor(12_000),
  });
});

test("a dispute names the reservation's amounts, or nothing where nothing was reserved", () => {
  const amounts = settlementJson(REPORT).disputed.map(({ kind, state, reserveAmountMinor }) => [
    kind,
    state,
    reserveAmountMinor,
  ]);
  expect(amounts).toEqual([
    ["unmatched-success", null, null],
    ["contradiction", "released", minor(10_500)],
  ]);
});

test("CSV has the debits, their total, the account and the disputes; a negative is a number", () => {
  const records: Record<string, string>[] = parse(csvText(settlementCsv(REPORT)), {
    columns: true,
  });
  const of = (section: string) => records.filter((record) => record["section"] === section);
  expect(of("debits").map(({ day, productId, owed }) => [day, productId, owed])).toEqual([
    ["2026-03-02", "110", "180.00"],
    ["2026-03-03", "", "0.00"],
  ]);
  expect(of("total")).toMatchObject([{ count: "3", owed: "180.00", suspense: "105.00" }]);
  expect(of("account").find(({ item }) => item === "paid")).toMatchObject({ amount: "-120.00" });
  expect(of("disputed")).toHaveLength(2);
});

describe("a day means all of it, in the bank's zone", () => {
  for (const { name, zone, period, from, to } of [
    {
      name: "one day",
      zone: "Africa/Johannesburg",
      period: { from: "2026-03-02", to: "2026-03-02" },
      from: "2026-03-01T22:00:00Z",
      to: "2026-03-02T22:00:00Z",
    },
    {
      name: "a day of 23 hours",
      zone: "Europe/Paris",
      period: { from: "2026-03-29", to: "2026-03-29" },
      from: "2026-03-28T23:00:00Z",
      to: "2026-03-29T22:00:00Z",
    },
  ]) {
    test(name, () => {
      expect(spanOf(period, zone)).toEqual({ from: Date.parse(from), to: Date.parse(to) });
    });
  }
});

test("contradictions and unmatched successes are disputed, and nothing else is", () => {
  expect(DISPUTED).toEqual(["unmatched-success", "contradiction"]);
});
