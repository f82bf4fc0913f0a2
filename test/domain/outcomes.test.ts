// contract.md 2 and 4.8: the codes, their texts, their order.
import { expect, test } from "bun:test";
import {
  DISPENSED,
  OUTCOMES,
  type Outcome,
  outcomeOfCode,
  SUPPLIER_UNKNOWN,
} from "../../src/domain/outcomes.ts";

test("the ten codes with the guide's texts, in the order of the checks", () => {
  expect(Object.values(OUTCOMES).map(({ code, message }) => `${code} ${message}`)).toEqual([
    "0000 Success",
    "2050 Below minimum amount",
    "2040 Maximum amount exceeded",
    "2030 Consumer Account not mapped",
    "2020 Invalid authentication code",
    "2080 Consumer Account inactive",
    "2070 Blacklisted Consumer Account",
    "2010 Insufficient funds",
    "2060 Time-out",
    "2090 Unknown error",
  ]);
});

test("a stored code is read back as its outcome, and no other code is", () => {
  for (const [outcome, { code }] of Object.entries(OUTCOMES)) {
    expect(outcomeOfCode(code)).toBe(outcome as Outcome);
  }
  for (const code of ["", "2000", "0", "success", "__proto__"]) {
    expect(() => outcomeOfCode(code)).toThrow(RangeError);
  }
});

test("0000 is dispensed; 2240, 2601 and 2603 leave the supplier's outcome unknown", () => {
  expect(DISPENSED).toBe("0000");
  expect([...SUPPLIER_UNKNOWN].sort()).toEqual(["2240", "2601", "2603"]);
});
