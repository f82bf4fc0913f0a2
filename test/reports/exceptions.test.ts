import { describe, expect, test } from "bun:test";
import { parse } from "csv-parse/sync";
import {
  exceptionCount,
  exceptionReport,
  exceptionsCsv,
  exceptionsJson,
  exceptionsPage,
} from "../../src/reports/exceptions.ts";
import { BANK, calendar, csvText, finding, reservation } from "./rows.ts";

const local = (time: string) => Date.parse(`${time}+02:00`);

describe("a reservation without a result is listed from the midnight that ends day 7", () => {
  const rows: readonly {
    name: string;
    confirmed: string;
    holidays?: string[];
    weekend?: number[];
    asOf: string;
    listed: boolean;
    businessDays?: number;
  }[] = [
    // contract.md 4.9, its example.
    {
      name: "the contract's example, a millisecond too early",
      confirmed: "2026-03-02T10:00:00",
      asOf: "2026-03-11T23:59:59.999",
      listed: false,
    },
    {
      name: "the contract's example",
      confirmed: "2026-03-02T10:00:00",
      asOf: "2026-03-12T00:00:00",
      listed: true,
      businessDays: 8,
    },
    {
      name: "the first moment of day 0 waits as long as its last",
      confirmed: "2026-03-02T00:00:00",
      asOf: "2026-03-11T23:59:59.999",
      listed: false,
    },
    {
      name: "the last moment of day 0 waits no longer than its first",
      confirmed: "2026-03-02T23:59:59.999",
      asOf: "2026-03-12T00:00:00",
      listed: true,
      businessDays: 8,
    },
    {
      name: "confirmed on a Saturday, day 1 is Monday: day 7 not over",
      confirmed: "2026-03-07T10:00:00",
      asOf: "2026-03-17T23:59:59",
      listed: false,
    },
    {
      name: "confirmed on a Saturday, day 1 is Monday: day 7 over",
      confirmed: "2026-03-07T10:00:00",
      asOf: "2026-03-18T00:00:00",
      listed: true,
      businessDays: 8,
    },
    {
      name: "two holidays move it by two business days: not yet",
      confirmed: "2026-03-02T10:00:00",
      holidays: ["2026-03-04", "2026-03-11"],
      asOf: "2026-03-13T23:59:59",
      listed: false,
    },
    {
      name: "two holidays move it by two business days: now",
      confirmed: "2026-03-02T10:00:00",
      holidays: ["2026-03-04", "2026-03-11"],
      asOf: "2026-03-14T00:00:00",
      listed: true,
      businessDays: 7,
    },
    {
      name: "a holiday on a Sunday changes nothing",
      confirmed: "2026-03-02T10:00:00",
      holidays: ["2026-03-08"],
      asOf: "2026-03-12T00:00:00",
      listed: true,
      businessDays: 8,
    },
    {
      name: "where Friday and Saturday are the weekend, Sunday counts",
      confirmed: "2026-03-02T10:00:00",
      weekend: [5, 6],
      asOf: "2026-03-12T00:00:00",
      listed: true,
      businessDays: 8,
    },
  ];
  for (const { name, confirmed, holidays, weekend, asOf, ...expected } of rows) {
    test(name, () => {
      const open = {
        reservations: [reservation({ reservedAt: local(confirmed) })],
        findings: [],
        restored: [],
      };
      const at = { bank: BANK, calendar: calendar(holidays, weekend), asOf: local(asOf) };
      const { unconfirmed } = exceptionReport(open, at);
      expect(unconfirmed.length === 1).toBe(expected.listed);
      expect(unconfirmed[0]?.businessDays).toBe(expected.businessDays);
    });
  }
});

const REPORT = exceptionReport(
  {
    reservations: [
      reservation({ clientRef: "=cmd|' /C calc'!A0" }),
      reservation({ id: 2, requestId: "raas-2", reference: "ACME-2", firstSentAt: 1 }),
    ],
    findings: [finding(), finding({ id: 8, kind: "unmatched", reference: null, firstSentAt: 1 })],
    restored: [],
  },
  { bank: BANK, calendar: calendar(), asOf: local("2026-03-12T00:00:00") },
);

test("only the lines that no report was sent with are marked", () => {
  expect(REPORT.notSentYet).toEqual({ reservations: [1], findings: [7] });
});

test("every line counts", () => {
  expect(exceptionCount(REPORT)).toBe(4);
});

test("JSON names amounts in minor units and times in UTC", () => {
  const document = exceptionsJson(REPORT);
  const line: object | undefined = document.unconfirmed[1];
  expect(document.asOf).toBe("2026-03-11T22:00:00.000Z");
  expect(line).toEqual({
    reference: "ACME-2",
    requestId: "raas-2",
    clientTxnRef: "client-1",
    buyerId: "27731304702",
    targetId: null,
    productId: 110,
    channelId: 7,
    reserveAmountMinor: 10_500,
    purchaseAmountMinor: 10_000,
    feeAmountMinor: 500,
    clientShareAmountMinor: 1_000,
    settlementAmountMinor: 9_000,
    reservedAt: "2026-03-02T08:00:00.000Z",
    firstSentAt: "1970-01-01T00:00:00.001Z",
    listedFrom: "2026-03-11T22:00:00.000Z",
    businessDays: 8,
  });
  expect([...document.findings][0]).toMatchObject({
    id: 7,
    kind: "contradiction",
    title: "The result contradicts an earlier one",
    occurrences: 2,
  });
});

test("CSV tells the two lists apart by section, and no text of it is a formula", () => {
  const records: Record<string, string>[] = parse(csvText(exceptionsCsv(REPORT)), {
    columns: true,
  });
  expect(records.map(({ section, raasTxnRef }) => [section, raasTxnRef])).toEqual([
    ["unconfirmed", "raas-1"],
    ["unconfirmed", "raas-2"],
    ["finding", "raas-1"],
    ["finding", "raas-1"],
  ]);
  expect(records[0]).toMatchObject({
    clientTxnRef: "'=cmd|' /C calc'!A0",
    reserveAmount: "105.00",
    settlementAmount: "90.00",
    listedFrom: "2026-03-11T22:00:00.000Z",
    businessDays: "8",
    firstSentAt: "",
    kind: "",
  });
});

describe("after a restore", () => {
  const forgotten = finding({ id: 9, kind: "restored", detail: "all of the morning is forgotten" });
  const restored = exceptionReport(
    { reservations: [reservation({})], findings: [finding()], restored: [forgotten] },
    { bank: BANK, calendar: calendar(), asOf: local("2026-03-12T00:00:00") },
  );

  test("what it forgot heads the report in every format, and is sent and counted with it", () => {
    expect(Object.keys(exceptionsJson(restored)).indexOf("restored")).toBeLessThan(
      Object.keys(exceptionsJson(restored)).indexOf("unconfirmed"),
    );
    const [first] = exceptionsCsv(restored).rows;
    expect([first?.[0], first]).toEqual([
      "restored",
      expect.arrayContaining(["all of the morning is forgotten"]),
    ]);
    const [head] = exceptionsPage(restored).sections;
    expect([...(head?.rows ?? [])][0]).toContain("all of the morning is forgotten");
    expect(restored.notSentYet.findings).toEqual([9, 7]);
    expect(exceptionCount(restored)).toBe(3);
  });
});
