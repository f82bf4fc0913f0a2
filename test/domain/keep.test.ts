import { describe, expect, test } from "bun:test";
import { expired } from "../../src/domain/keep.ts";

const ZONE = "Africa/Johannesburg";
const at = (time: string) => Date.parse(`${time}:00+02:00`);
const day = (days: number) => new Date(at("2026-03-02T02:00") + days * 86_400_000);

/** Backups at 02:00 on so many days from Monday 2026-03-02 on. */
const daily = (count: number) => Array.from({ length: count }, (_, n) => day(n).getTime());

describe("a backup is kept", () => {
  const rows = [
    { name: "while it is the only one", backups: daily(1), days: 1, weeks: 0, gone: 0 },
    { name: "for so many days", backups: daily(10), days: 7, weeks: 0, gone: 3 },
    { name: "as the newest of its week", backups: daily(28), days: 1, weeks: 4, gone: 24 },
    { name: "by either rule", backups: daily(28), days: 7, weeks: 2, gone: 20 },
    { name: "if its day is the last that has any", backups: daily(2), days: 0, weeks: 0, gone: 1 },
    { name: "never for nothing", backups: [], days: 7, weeks: 8, gone: 0 },
  ];
  test.each(rows)("$name", ({ backups, days, weeks, gone }) => {
    const rule = { keepDays: days, keepWeeks: weeks };
    expect(expired(backups, rule, ZONE)).toHaveLength(gone);
  });

  test("with all others of its day, in the bank's time zone", () => {
    const [late, early, before] = ["03-02T23:30", "03-02T00:30", "03-01T23:30"].map((time) =>
      at(`2026-${time}`),
    ) as [number, number, number];
    const rule = { keepDays: 1, keepWeeks: 0 };
    expect(expired([before, early, late], rule, ZONE)).toEqual([before]);
  });

  test("however far the clock jumped, or how long none was made", () => {
    const rule = { keepDays: 3, keepWeeks: 0 };
    const backups = [...daily(3), at("2040-01-01T02:00")];
    expect(expired(backups, rule, ZONE)).toEqual([backups[0] as number]);
  });
});

test("those that go are named newest first, whatever the order they are given in", () => {
  const backups = daily(4);
  const rule = { keepDays: 2, keepWeeks: 0 };
  expect(expired(backups.toReversed(), rule, ZONE)).toEqual([backups[1], backups[0]] as number[]);
});
