// contract.md 4.9: seven business days without a result, by the bank's own calendar.
import { expect, test } from "bun:test";
import {
  businessDayAfter,
  businessDaysBetween,
  type Calendar,
  DAYS_TO_CONFIRM,
  isBusinessDay,
  listedBefore,
  listedFrom,
} from "../../src/domain/business-days.ts";

const SATURDAY_SUNDAY = [6, 7];
const FRIDAY_SATURDAY = [5, 6];

function calendar(timeZone: string, weekend: number[], holidays: string[] = []): Calendar {
  return { timeZone, weekend: new Set(weekend), holidays: new Set(holidays) };
}

const JOHANNESBURG = calendar("Africa/Johannesburg", SATURDAY_SUNDAY);

test("seven business days", () => {
  expect(DAYS_TO_CONFIRM).toBe(7);
});

test.each([
  // day, weekend, holidays -> a business day?
  ["2026-03-02 Mon", SATURDAY_SUNDAY, [], true],
  ["2026-03-06 Fri", SATURDAY_SUNDAY, [], true],
  ["2026-03-07 Sat", SATURDAY_SUNDAY, [], false],
  ["2026-03-08 Sun", SATURDAY_SUNDAY, [], false],
  ["2026-03-06 Fri", FRIDAY_SATURDAY, [], false],
  ["2026-03-08 Sun", FRIDAY_SATURDAY, [], true],
  ["2026-03-07 Sat", [], [], true],
  ["2026-03-02 Mon", SATURDAY_SUNDAY, ["2026-03-02"], false],
  ["2026-03-03 Tue", SATURDAY_SUNDAY, ["2026-03-02"], true],
  ["2026-03-07 Sat", SATURDAY_SUNDAY, ["2026-03-07"], false],
] as [string, number[], string[], boolean][])(
  "%s with weekend %j and holidays %j: %p",
  (day, weekend, holidays, expected) => {
    expect(isBusinessDay(day.slice(0, 10), calendar("UTC", weekend, holidays))).toBe(expected);
  },
);

test.each([
  // day 0, count, weekend, holidays -> the nth business day after it
  ["2026-03-02", 0, SATURDAY_SUNDAY, [], "2026-03-02"],
  ["2026-03-02", 1, SATURDAY_SUNDAY, [], "2026-03-03"],
  ["2026-03-02", 7, SATURDAY_SUNDAY, [], "2026-03-11"],
  ["2026-03-06", 1, SATURDAY_SUNDAY, [], "2026-03-09"],
  ["2026-03-07", 1, SATURDAY_SUNDAY, [], "2026-03-09"],
  ["2026-03-08", 7, SATURDAY_SUNDAY, [], "2026-03-17"],
  ["2026-03-05", 1, FRIDAY_SATURDAY, [], "2026-03-08"],
  ["2026-03-02", 7, [], [], "2026-03-09"],
  ["2026-03-02", 7, SATURDAY_SUNDAY, ["2026-03-04"], "2026-03-12"],
  ["2026-12-24", 1, SATURDAY_SUNDAY, ["2026-12-25", "2026-12-28"], "2026-12-29"],
] as [string, number, number[], string[], string][])(
  "after %s, business day %d with weekend %j and holidays %j is %s",
  (day, count, weekend, holidays, expected) => {
    expect(businessDayAfter(day, count, calendar("UTC", weekend, holidays))).toBe(expected);
  },
);

test.each([
  // zone, weekend, holidays, confirmed -> listed from
  // The contract's own example, at three hours of that Monday.
  ["Africa/Johannesburg", SATURDAY_SUNDAY, [], "2026-03-02T10:00+02:00", "2026-03-12T00:00+02:00"],
  ["Africa/Johannesburg", SATURDAY_SUNDAY, [], "2026-03-02T00:00+02:00", "2026-03-12T00:00+02:00"],
  [
    "Africa/Johannesburg",
    SATURDAY_SUNDAY,
    [],
    "2026-03-02T23:59:59.999+02:00",
    "2026-03-12T00:00+02:00",
  ],
  // A minute later it is Tuesday there, though still Monday in UTC.
  ["Africa/Johannesburg", SATURDAY_SUNDAY, [], "2026-03-03T00:00+02:00", "2026-03-13T00:00+02:00"],
  // Confirmed in the weekend: Monday is day 1; listed after Tuesday of the week after.
  ["Africa/Johannesburg", SATURDAY_SUNDAY, [], "2026-03-07T12:00+02:00", "2026-03-18T00:00+02:00"],
  ["Africa/Johannesburg", SATURDAY_SUNDAY, [], "2026-03-08T12:00+02:00", "2026-03-18T00:00+02:00"],
  // Day 7 is a Friday: the midnight that ends it begins a Saturday.
  ["Africa/Johannesburg", SATURDAY_SUNDAY, [], "2026-03-04T12:00+02:00", "2026-03-14T00:00+02:00"],
  // Human Rights Day falls on a Saturday and takes no day; Good Friday and Family Day take two.
  [
    "Africa/Johannesburg",
    SATURDAY_SUNDAY,
    ["2026-03-21"],
    "2026-03-16T12:00+02:00",
    "2026-03-26T00:00+02:00",
  ],
  [
    "Africa/Johannesburg",
    SATURDAY_SUNDAY,
    ["2026-04-03", "2026-04-06"],
    "2026-03-30T12:00+02:00",
    "2026-04-11T00:00+02:00",
  ],
  // A weekend on Friday and Saturday.
  ["Asia/Riyadh", FRIDAY_SATURDAY, [], "2026-03-02T12:00+03:00", "2026-03-12T00:00+03:00"],
  ["Asia/Riyadh", FRIDAY_SATURDAY, [], "2026-03-05T12:00+03:00", "2026-03-17T00:00+03:00"],
  // Clocks go forward in between: the days count, not the hours.
  ["Europe/Berlin", SATURDAY_SUNDAY, [], "2026-03-20T12:00+01:00", "2026-04-01T00:00+02:00"],
  ["Europe/Berlin", SATURDAY_SUNDAY, [], "2026-10-20T12:00+02:00", "2026-10-30T00:00+01:00"],
  // In Cairo clocks skip the midnight that ends day 7: listed from the first time there is.
  ["Africa/Cairo", FRIDAY_SATURDAY, [], "2026-04-14T12:00+02:00", "2026-04-24T01:00+03:00"],
] as [string, number[], string[], string, string][])(
  "%s, weekend %j, holidays %j: confirmed %s is listed from %s",
  (zone, weekend, holidays, confirmed, listed) => {
    const from = listedFrom(Date.parse(confirmed), calendar(zone, weekend, holidays));
    expect(new Date(from).toISOString()).toBe(new Date(listed).toISOString());
  },
);

test.each([
  // from, to -> business days that began in between (Johannesburg, holiday 2026-03-04)
  ["2026-03-02T10:00+02:00", "2026-03-02T23:00+02:00", 0],
  ["2026-03-02T23:59+02:00", "2026-03-03T00:00+02:00", 1],
  ["2026-03-02T10:00+02:00", "2026-03-04T10:00+02:00", 1],
  ["2026-03-02T10:00+02:00", "2026-03-05T10:00+02:00", 2],
  ["2026-03-02T10:00+02:00", "2026-03-08T10:00+02:00", 3],
  ["2026-03-02T10:00+02:00", "2026-03-09T10:00+02:00", 4],
  ["2026-03-05T10:00+02:00", "2026-03-02T10:00+02:00", 0],
] as [string, string, number][])("from %s to %s: %d business days", (from, to, expected) => {
  const withHoliday = calendar("Africa/Johannesburg", SATURDAY_SUNDAY, ["2026-03-04"]);
  expect(businessDaysBetween(Date.parse(from), Date.parse(to), withHoliday)).toBe(expected);
});

test("at the instant it is listed from, seven business days are over and an eighth has begun", () => {
  const confirmed = Date.parse("2026-03-02T10:00+02:00");
  const listed = listedFrom(confirmed, JOHANNESBURG);
  expect(businessDaysBetween(confirmed, listed - 1, JOHANNESBURG)).toBe(7);
  expect(businessDaysBetween(confirmed, listed, JOHANNESBURG)).toBe(8);
});

test.each([
  // Wednesday 2026-03-11 is day 7 of Monday the 2nd, which is listed from the midnight after it.
  ["2026-03-11T23:59:59+02:00", "2026-03-02T00:00:00+02:00"],
  ["2026-03-12T00:00:00+02:00", "2026-03-03T00:00:00+02:00"],
  ["2026-03-12T23:59:59+02:00", "2026-03-03T00:00:00+02:00"],
  ["2026-03-13T00:00:00+02:00", "2026-03-04T00:00:00+02:00"],
  ["2026-03-15T12:00:00+02:00", "2026-03-05T00:00:00+02:00"],
])("at %s those confirmed before %s are listed", (asOf, before) => {
  const limit = listedBefore(Date.parse(asOf), JOHANNESBURG);
  expect(new Date(limit).toISOString()).toBe(new Date(before).toISOString());
  expect(listedFrom(limit - 1, JOHANNESBURG)).toBeLessThanOrEqual(Date.parse(asOf));
  expect(listedFrom(limit, JOHANNESBURG)).toBeGreaterThan(Date.parse(asOf));
});
