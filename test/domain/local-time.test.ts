import { describe, expect, test } from "bun:test";
import {
  addDays,
  isoTime,
  isTimeZone,
  localDay,
  localDayFinder,
  localTimeText,
  monthOf,
  parseTime,
  startOfLocalDay,
} from "../../src/domain/local-time.ts";

const ZONE = "Africa/Johannesburg";
const iso = (epochMs: number) => new Date(epochMs).toISOString();

test.each([
  // zone, instant -> its local day
  ["Africa/Johannesburg", "2026-03-01T21:59:59.999Z", "2026-03-01"],
  ["Africa/Johannesburg", "2026-03-01T22:00:00Z", "2026-03-02"],
  ["UTC", "2026-03-01T23:59:59.999Z", "2026-03-01"],
  ["America/New_York", "2026-03-01T04:59:59Z", "2026-02-28"],
  ["Asia/Kathmandu", "2026-03-01T18:15:00Z", "2026-03-02"],
  ["UTC", "2028-02-29T12:00:00Z", "2028-02-29"],
])("in %s, %s is %s", (zone, instant, day) => {
  expect(localDay(Date.parse(instant), zone)).toBe(day);
});

test.each([
  // zone, day -> its first instant
  ["Africa/Johannesburg", "2026-03-02", "2026-03-01T22:00:00.000Z"],
  ["Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00.000Z"],
  ["Europe/Berlin", "2026-03-30", "2026-03-29T22:00:00.000Z"],
  // Cairo's clocks skip from 00:00 to 01:00, and in autumn live its last hour twice.
  ["Africa/Cairo", "2026-04-24", "2026-04-23T22:00:00.000Z"],
  ["Africa/Cairo", "2026-10-29", "2026-10-28T21:00:00.000Z"],
  ["Africa/Cairo", "2026-10-30", "2026-10-29T22:00:00.000Z"],
])("in %s, %s begins at %s", (zone, day, instant) => {
  expect(iso(startOfLocalDay(day, zone))).toBe(instant);
});

test.each([
  ["2026-03-02", 1, "2026-03-03"],
  ["2026-02-28", 1, "2026-03-01"],
  ["2028-02-28", 1, "2028-02-29"],
  ["2026-12-31", 1, "2027-01-01"],
  ["2026-03-02", 0, "2026-03-02"],
  ["2026-03-01", -1, "2026-02-28"],
])("%s and %d days is %s", (day, days, expected) => {
  expect(addDays(day, days)).toBe(expected);
});

test("the month of a day", () => {
  expect(monthOf("2026-03-02")).toBe("2026-03");
});

test("people read local time, machines ISO 8601", () => {
  const instant = Date.parse("2026-03-02T12:05:09.123Z");
  expect(localTimeText(instant, ZONE)).toBe("2026-03-02 14:05:09");
  expect(isoTime(instant)).toBe("2026-03-02T12:05:09.123Z");
  expect(isoTime(0)).toBe("1970-01-01T00:00:00.000Z");
});

describe("a time that a person names, in Johannesburg", () => {
  test.each([
    // text -> instant, or null where it is refused
    ["2026-03-02", "2026-03-01T22:00:00.000Z"],
    [" 2026-03-02 ", "2026-03-01T22:00:00.000Z"],
    ["2026-03-02T10:30", "2026-03-02T08:30:00.000Z"],
    ["2026-03-02 10:30", "2026-03-02T08:30:00.000Z"],
    ["2026-03-02 10:30:15.5", "2026-03-02T08:30:15.500Z"],
    ["2026-03-02T10:30Z", "2026-03-02T10:30:00.000Z"],
    ["2026-03-02T10:30z", "2026-03-02T10:30:00.000Z"],
    ["2026-03-02T10:30+0200", "2026-03-02T08:30:00.000Z"],
    ["2026-03-02 10:30:00-05:00", "2026-03-02T15:30:00.000Z"],
    ["2026-02-30", null],
    ["2026-13-01", null],
    ["2026-3-2", null],
    ["2026-03", null],
    ["2026-03-02T25:00", null],
    ["2026-03-02T24:00", null],
    ["10:30", null],
    ["yesterday", null],
    ["", null],
    // A zone in brackets would be passed over: "10:30 in Berlin" must not become 10:30 here.
    ["2026-03-02T10:30[Europe/Berlin]", null],
    ["2026-03-02T10:30+01:00[Europe/Berlin]", null],
  ] as [string, string | null][])("%j: %p", (text, expected) => {
    const parsed = parseTime(text, ZONE);
    expect(parsed === null ? null : iso(parsed)).toBe(expected);
  });

  test("an instant written for machines is read back the same", () => {
    const instant = Date.parse("2026-03-02T12:05:09.123Z");
    expect(parseTime(isoTime(instant), ZONE)).toBe(instant);
    expect(parseTime(localTimeText(instant, ZONE), ZONE)).toBe(instant - 123);
  });
});

test.each([
  ["Africa/Johannesburg", true],
  ["UTC", true],
  ["Nowhere/City", false],
  ["+02:00", false],
  ["", false],
])("time zone %j: %p", (text, expected) => {
  expect(isTimeZone(text)).toBe(expected);
});

describe("the finder gives each instant its own day, wherever the last one was", () => {
  test.each(["Africa/Johannesburg", "Africa/Cairo", "Europe/Berlin", "America/New_York"])(
    "%s",
    (zone) => {
      const find = localDayFinder(zone);
      const hour = 3_600_000;
      const instants = ["2026-03-02T00:00Z", "2026-04-23T21:59:59.999Z", "2026-10-29T22:00Z"]
        .map((text) => Date.parse(text))
        .flatMap((at) => [at, at + 1, at + hour, at - 1, at - 26 * hour, at + 26 * hour, at]);
      expect(instants.map(find)).toEqual(instants.map((at) => localDay(at, zone)));
    },
  );
});
