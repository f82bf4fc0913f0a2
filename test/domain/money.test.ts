import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  formatAmount,
  LARGEST_BALANCE,
  LARGEST_FIGURE,
  minor,
  minus,
  negated,
  parseAmount,
  plus,
  ZERO,
} from "../../src/domain/money.ts";

test.each([0, 1, -1, 999_999_999_999, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER])(
  "%d is money",
  (value) => {
    expect(minor(value) as number).toBe(value);
  },
);

test.each([0.5, 1e-9, 2 ** 53, -(2 ** 53), Number.NaN, Number.POSITIVE_INFINITY])(
  "%d is no exact amount and throws",
  (value) => {
    expect(() => minor(value)).toThrow(RangeError);
  },
);

test("minus zero is zero", () => {
  expect(Object.is(minor(-0), 0)).toBe(true);
  expect(Object.is(negated(ZERO), 0)).toBe(true);
});

test("sums are exact or thrown", () => {
  expect(plus(minor(1), minor(2))).toBe(minor(3));
  expect(minus(minor(1), minor(2))).toBe(minor(-1));
  expect(negated(minor(5))).toBe(minor(-5));
  const most = minor(Number.MAX_SAFE_INTEGER);
  expect(() => plus(most, minor(1))).toThrow(RangeError);
  expect(() => minus(negated(most), minor(1))).toThrow(RangeError);
});

test("a figure has at most twelve digits, a balance fifteen", () => {
  expect(String(LARGEST_FIGURE)).toBe("9".repeat(12));
  expect(String(LARGEST_BALANCE)).toBe("9".repeat(15));
});

describe("what a person types", () => {
  test.each([
    // text, minor digits -> minor units, or null where it is refused
    ["5000", 2, 500_000],
    ["5000.5", 2, 500_050],
    ["5000.00", 2, 500_000],
    ["0", 2, 0],
    ["0.01", 2, 1],
    ["007", 2, 700],
    ["5000", 0, 5_000],
    ["5000.0", 0, null],
    ["1.234", 3, 1_234],
    ["1.2345", 4, 12_345],
    ["1.234", 2, null],
    ["9999999999.99", 2, 999_999_999_999],
    ["10000000000.00", 2, null],
    ["999999999999", 0, 999_999_999_999],
    ["1000000000000", 0, null],
    ["", 2, null],
    [".5", 2, null],
    ["5.", 2, null],
    ["-5", 2, null],
    ["+5", 2, null],
    ["5,00", 2, null],
    ["5 000", 2, null],
    ["1e3", 2, null],
    ["0x10", 2, null],
    [" 5", 2, null],
    ["5\n", 2, null],
    ["٥", 2, null],
    ["NaN", 2, null],
  ] as [string, number, number | null][])("%j with %d digits: %p", (text, digits, expected) => {
    expect(parseAmount(text, digits) as number | null).toBe(expected);
  });
});

describe("what people read", () => {
  test.each([
    // minor units, minor digits -> text
    [500_000, 2, "5000.00"],
    [5, 2, "0.05"],
    [0, 2, "0.00"],
    [-5, 2, "-0.05"],
    [-500_000, 2, "-5000.00"],
    [500_000, 0, "500000"],
    [-7, 0, "-7"],
    [0, 0, "0"],
    [1_234, 3, "1.234"],
    [1, 4, "0.0001"],
    [999_999_999_999_999, 2, "9999999999999.99"],
  ])("%d with %d digits: %s", (amount, digits, expected) => {
    expect(formatAmount(minor(amount), digits)).toBe(expected);
  });
});

test("what is written is read back the same, in every currency", () => {
  const amount = fc.integer({ min: 0, max: LARGEST_FIGURE }).map(minor);
  fc.assert(
    fc.property(amount, fc.integer({ min: 0, max: 4 }), (value, digits) => {
      expect(parseAmount(formatAmount(value, digits), digits)).toBe(value);
    }),
  );
});
