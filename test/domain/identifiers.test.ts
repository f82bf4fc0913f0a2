// Who buys: one stored spelling for every usual one (issue "The ledger"; contract.md 1).
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  canonicalBuyerId,
  isAccountNumber,
  isBankCode,
  isIdentifier,
} from "../../src/domain/identifiers.ts";

/** In the bank's country: every spelling on the right is the buyer on the left. */
const SPELLINGS: [string, string, string[]][] = [
  [
    "ZA",
    "27731304702",
    [
      "27731304702",
      "+27731304702",
      "+27 73 130 4702",
      "27 73 130 4702",
      "0027731304702",
      "00 27 73 130 4702",
      "0731304702",
      "073 130 4702",
      "(073) 130-4702",
      "+27 (0)73 130 4702",
      "+27-73-130-4702",
      " 0731304702 ",
    ],
  ],
  ["ZA", "27815793852", ["0815793852", "27815793852", "+27815793852"]],
  // Foreign buyers: only the international spellings reach them.
  ["ZA", "2348038382067", ["2348038382067", "+234 803 838 2067", "002348038382067"]],
  [
    "NG",
    "2348038382067",
    [
      "2348038382067",
      "+2348038382067",
      "002348038382067",
      "0092348038382067",
      "08038382067",
      "0803 838 2067",
      "(0803) 838-2067",
      "+234 (0) 803 838 2067",
    ],
  ],
  ["NG", "27731304702", ["27731304702", "+27 73 130 4702", "0027731304702"]],
  // Botswana and Singapore have no trunk prefix: local is the bare number.
  ["BW", "26771123456", ["71123456", "71 123 456", "26771123456", "+26771123456", "0026771123456"]],
  ["SG", "6591234567", ["91234567", "9123 4567", "6591234567", "+65 9123 4567", "0016591234567"]],
  // In Italy the leading zero belongs to the number; in the Ivory Coast too.
  ["IT", "390612345678", ["0612345678", "+39 06 1234 5678", "390612345678"]],
  ["CI", "2250707070707", ["0707070707", "+225 07 07 07 07 07", "2250707070707"]],
  // Bare digits that are a local number here, and another one abroad: local wins, and only the
  // foreign number keeps its "+".
  ["ZA", "27687751234", ["687751234", "0687751234", "+27687751234"]],
  ["ZA", "+687751234", ["+687751234", "+687 75 12 34", "00687751234"]],
];

for (const [country, buyerId, spellings] of SPELLINGS) {
  test.each(spellings)(`in ${country}, %j is ${buyerId}`, (spelling) => {
    expect(canonicalBuyerId(spelling, country)).toBe(buyerId);
  });
}

test.each([
  // These are no phone numbers, and match only as they are.
  ["ZA", "CIF0731304702"],
  ["ZA", "tel:0731304702"],
  ["ZA", "0731304702 x12"],
  ["ZA", "0731304702;ext=5"],
  ["ZA", "073.130.4702"],
  ["ZA", "073/130/4702"],
  ["ZA", "0731304702\t"],
  ["ZA", "٠٧٣١٣٠٤٧٠٢"],
  ["ZA", "++27731304702"],
  ["ZA", "27+731304702"],
  ["ZA", "073130470"],
  ["ZA", "07313047021"],
  ["ZA", "+0731304702"],
  ["ZA", "00 0731304702"],
  ["ZA", "08038382067"],
  ["ZA", "10111"],
  ["ZA", "12345"],
  ["ZA", "0000000000"],
  ["ZA", "00"],
  ["ZA", "+"],
  ["ZA", "()"],
  ["ZA", " "],
  ["NG", "0731304702"],
  ["NG", "23480383820677"],
  ["BW", "0711234567"],
  ["ZA", "thandi@example.com"],
])("in %s, %j is an identifier of its own", (country, text) => {
  expect(canonicalBuyerId(text, country)).toBe(text);
});

test("a canonical identifier is its own canonical spelling, in every country", () => {
  const country = fc.constantFrom("ZA", "NG", "BW", "SG", "IT", "CI", "US", "GB", "KE", "EG");
  const phoneLike = fc.oneof(
    fc.stringMatching(/^[+0-9]{0,2}[0-9 ()-]{3,16}$/),
    fc.stringMatching(/^(\+|00|0)?(27|234|267|65|1|44|687|508|298|376|20)[0-9]{5,10}$/),
    fc.string({ unit: "binary", maxLength: 64 }),
  );
  fc.assert(
    fc.property(country, phoneLike, (where, text) => {
      const once = canonicalBuyerId(text, where);
      expect(canonicalBuyerId(once, where)).toBe(once);
    }),
    { numRuns: 5_000 },
  );
});

test("two foreign numbers never fall together", () => {
  // The same digits behind a "+", in any two spellings, are one buyer; other digits another one.
  const number = fc.stringMatching(/^(27|234|267|65|687|508)[0-9]{6,10}$/);
  fc.assert(
    fc.property(number, number, (a, b) => {
      const same = canonicalBuyerId(`+${a}`, "ZA") === canonicalBuyerId(`+${b}`, "ZA");
      expect(same).toBe(a === b || sameWithoutTrunk(a, b));
    }),
    { numRuns: 2_000 },
  );
});

/** "+27 073..." is a usual slip for "+27 73...". */
function sameWithoutTrunk(a: string, b: string): boolean {
  const plain = (text: string) => text.replace(/^(27|234)0/, "$1");
  return plain(a) === plain(b);
}

describe("a reference or identifier has 1-64 characters, none a control character", () => {
  test.each([
    ["a", true],
    ["x".repeat(64), true],
    ["x".repeat(65), false],
    ["", false],
    ["a b", true],
    ["é😀", true],
    ["😀".repeat(64), true],
    ["😀".repeat(65), false],
    ["a\u0000b", false],
    ["a\nb", false],
    ["a\u001f", false],
    ["\u007f", false],
    ["\u0085", false],
    ["\u009f", false],
    ["\u00a0", true],
    ["\ud83d", false],
    ["\ude00\ud83d", false],
  ])("%j: %p", (text, expected) => {
    expect(isIdentifier(text)).toBe(expected);
  });
});

describe("an account number has 1-34 letters, digits and -", () => {
  test.each([
    ["1", true],
    ["ZA-0012-abc", true],
    ["9".repeat(34), true],
    ["9".repeat(35), false],
    ["", false],
    ["@income", false],
    ["10 01", false],
    ["10_01", false],
    ["1001\n", false],
    ["١٢", false],
  ])("%j: %p", (text, expected) => {
    expect(isAccountNumber(text)).toBe(expected);
  });
});

describe("a bank code has 2-16 capital letters and digits", () => {
  test.each([
    ["AC", true],
    ["ACME01", true],
    ["A".repeat(16), true],
    ["A".repeat(17), false],
    ["A", false],
    ["acme", false],
    ["AC-ME", false],
    ["ACME\n", false],
  ])("%j: %p", (text, expected) => {
    expect(isBankCode(text)).toBe(expected);
  });
});
