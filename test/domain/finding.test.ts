import { expect, test } from "bun:test";
import { byUrgency, FINDINGS, type FindingKind } from "../../src/domain/finding.ts";

test("an unmatched 0000 stands first, then the kinds in their order, then the oldest", () => {
  const given: { kind: FindingKind; id: number }[] = [
    { kind: "unmatched", id: 1 },
    { kind: "conflict", id: 2 },
    { kind: "contradiction", id: 3 },
    { kind: "unmatched-success", id: 5 },
    { kind: "unmatched-success", id: 4 },
  ];
  expect(given.sort(byUrgency).map(({ id }) => id)).toEqual([4, 5, 3, 2, 1]);
});

test("every kind says what it is and what to do", () => {
  for (const { title, advice } of Object.values(FINDINGS)) {
    expect(title).toMatch(/^.*[^.]$/);
    expect(advice).toMatch(/^[A-Z].+\.$/);
  }
});
