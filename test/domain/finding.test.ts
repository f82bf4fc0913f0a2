import { expect, test } from "bun:test";
import { FINDING_KINDS, FINDINGS } from "../../src/domain/finding.ts";

test("after a restore, of which all else may follow, an unmatched 0000 is the most urgent", () => {
  expect(FINDING_KINDS.slice(0, 2)).toEqual(["restored", "unmatched-success"]);
  expect(FINDING_KINDS).toHaveLength(Object.keys(FINDINGS).length);
});

test("every kind says what it is and what to do", () => {
  for (const { title, advice } of Object.values(FINDINGS)) {
    expect(title).toMatch(/^.*[^.]$/);
    expect(advice).toMatch(/^[A-Z].+\.$/);
  }
});
