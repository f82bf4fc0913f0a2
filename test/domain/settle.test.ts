// Settling by hand (the "Settling by hand"; contract.md 4.5).
import { describe, expect, test } from "bun:test";
import { type Entry, sumOf } from "../../src/domain/entries.ts";
import { minor, ZERO } from "../../src/domain/money.ts";
import type { ReservationState } from "../../src/domain/reservation.ts";
import { decideSettle, isEarlyRelease, type SettleAction } from "../../src/domain/settle.ts";

const RESERVATION = {
  id: 1,
  accountId: 7,
  requestId: "raas-1",
  reference: "ACME-1",
  reserveAmount: minor(10_500),
  feeAmount: minor(500),
  clientShareAmount: minor(1_000),
  settlementAmount: minor(9_000),
};

function text(entries: readonly Entry[]): string {
  return entries
    .map(({ account, amount }) => {
      const name = account.kind === "customer" ? "buyer" : account.name;
      return `${name} ${amount > 0 ? "+" : ""}${amount}`;
    })
    .join(", ");
}

test.each([
  // state, corrected, action, --bank-bears -> what it does
  ["reserved", false, "release", false, "resolve"],
  ["reserved", false, "debit", false, "resolve"],
  [
    "reserved",
    false,
    "release",
    true,
    "refused: it is open: --bank-bears belongs to a correction only",
  ],
  [
    "reserved",
    false,
    "debit",
    true,
    "refused: it is open: --bank-bears belongs to a correction only",
  ],
  ["debited", false, "debit", false, "refused: it is debited already"],
  ["released", false, "release", false, "refused: it is released already"],
  ["debited", false, "debit", true, "refused: it is debited already"],
  ["released", false, "release", true, "refused: it is released already"],
  ["released", false, "debit", false, "buyer -10500, clickatell +9000, income +1500"],
  ["released", false, "debit", true, "loss -10500, clickatell +9000, income +1500"],
  ["debited", false, "release", false, "buyer +10500, clickatell -9000, income -1500"],
  ["debited", false, "release", true, "loss -10500, buyer +10500"],
  ["released", true, "debit", false, "refused: it was corrected once"],
  ["released", true, "debit", true, "refused: it was corrected once"],
  ["debited", true, "release", false, "refused: it was corrected once"],
  ["debited", true, "release", true, "refused: it was corrected once"],
] as [ReservationState, boolean, SettleAction, boolean, string][])(
  "%s, corrected %p, %s, bank bears %p: %s",
  (state, corrected, action, bankBears, expected) => {
    const decision = decideSettle({ ...RESERVATION, state, corrected }, action, bankBears);
    const said =
      decision.kind === "refused"
        ? `refused: ${decision.why}`
        : decision.kind === "correct"
          ? text(decision.entries)
          : "resolve";
    expect(said).toStartWith(expected);
    if (decision.kind === "correct") expect(sumOf(decision.entries)).toBe(ZERO);
  },
);

describe("an open reservation that is debited by hand leaves what a result would", () => {
  test.each([
    // settlementAmount, action -> findings
    [9_000, "debit", []],
    [null, "debit", ["settlement-missing"]],
    [10_501, "debit", ["settlement-exceeds-reserve"]],
    [null, "release", []],
    [10_501, "release", []],
  ] as [number | null, SettleAction, string[]][])(
    "settlementAmount %p, %s: %j",
    (owed, action, kinds) => {
      const settlementAmount = owed === null ? null : minor(owed);
      const open = {
        ...RESERVATION,
        settlementAmount,
        state: "reserved",
        corrected: false,
      } as const;
      const decision = decideSettle(open, action, false);
      expect(decision.kind).toBe("resolve");
      const findings = decision.kind === "resolve" ? decision.findings : [];
      expect(findings.map(({ kind }) => kind as string)).toEqual(kinds);
    },
  );
});

test("without a split a correction goes by suspense, and back from there", () => {
  const unsplit = { ...RESERVATION, settlementAmount: null, corrected: false };
  const debit = decideSettle({ ...unsplit, state: "released" }, "debit", false);
  const release = decideSettle({ ...unsplit, state: "debited" }, "release", false);
  expect(debit.kind === "correct" && text(debit.entries)).toBe("buyer -10500, suspense +10500");
  expect(release.kind === "correct" && text(release.entries)).toBe("buyer +10500, suspense -10500");
});

test.each([
  // when it is released -> before the end of day 7, so that a late success is the bank's loss?
  ["2026-03-02T10:00+02:00", true],
  ["2026-03-11T23:59:59.999+02:00", true],
  ["2026-03-12T00:00+02:00", false],
  ["2026-04-01T00:00+02:00", false],
])("reserved on Monday 2026-03-02, released %s: early %p", (now, expected) => {
  const calendar = {
    timeZone: "Africa/Johannesburg",
    weekend: new Set([6, 7]),
    holidays: new Set<string>(),
  };
  const reservedAt = Date.parse("2026-03-02T10:00+02:00");
  expect(isEarlyRelease(reservedAt, Date.parse(now), calendar)).toBe(expected);
});
