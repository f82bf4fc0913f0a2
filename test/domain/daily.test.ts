import { describe, expect, test } from "bun:test";
import { lastDue } from "../../src/domain/daily.ts";

describe("what was due last", () => {
  const rows = [
    ["2026-03-02T02:00:00+02:00", ["02:00"], "2026-03-02T02:00:00+02:00"],
    ["2026-03-02T01:59:59+02:00", ["02:00"], "2026-03-01T02:00:00+02:00"],
    ["2026-03-02T13:00:00+02:00", ["14:00", "02:00"], "2026-03-02T02:00:00+02:00"],
    ["2026-03-02T15:00:00+02:00", ["14:00", "02:00"], "2026-03-02T14:00:00+02:00"],
    ["2026-03-02T00:30:00+02:00", ["14:00", "02:00"], "2026-03-01T14:00:00+02:00"],
  ] as const;
  test.each(rows)("at %s of %p", (now, times, due) => {
    expect(lastDue(Date.parse(now), times, "Africa/Johannesburg")).toBe(Date.parse(due));
  });

  test("nothing, where no time is named", () => {
    expect(lastDue(Date.parse("2026-03-02T02:00:00Z"), [], "Africa/Johannesburg")).toBeNull();
  });

  test("a time that the clocks skip is the one after the gap", () => {
    const now = Date.parse("2026-03-29T12:00:00Z");
    expect(lastDue(now, ["02:30"], "Europe/Berlin")).toBe(Date.parse("2026-03-29T03:30:00+02:00"));
  });
});
