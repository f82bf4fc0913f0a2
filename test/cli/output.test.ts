import { afterEach, describe, expect, test } from "bun:test";
import { amountAdvice, clean, cleanLines, facts, readAmount, table } from "../../cli/output.ts";
import type { Bank } from "../../src/storage/store.ts";

const bank = (minorDigits: number) => ({ minorDigits, currency: "ZAR" }) as Bank;

/** As on a terminal of so many columns; undefined is a pipe or a file. */
function onTerminal(columns: number | undefined): void {
  Object.defineProperty(process.stdout, "columns", { value: columns, configurable: true });
}
const before = process.stdout.columns;
afterEach(() => onTerminal(before));

describe("clean", () => {
  const rows: readonly [name: string, text: string, expected: string][] = [
    ["plain text", "Thandi Mokoena", "Thandi Mokoena"],
    ["letters of any script", "Zoë 漢字 👍", "Zoë 漢字 👍"],
    ["an escape sequence", "\u001b[31mred", "\\u001b[31mred"],
    ["the one-character CSI", "\u009b2J", "\\u009b2J"],
    ["a line break", "one\ntwo\r", "one\\u000atwo\\u000d"],
    ["a delete", "a\u007f", "a\\u007f"],
    ["writing turned around", "abc\u202edef", "abc\\u202edef"],
    ["a line separator", "a\u2028b", "a\\u2028b"],
    ["half a surrogate pair", "a\ud800b", "a\\ud800b"],
  ];
  for (const [name, text, expected] of rows) {
    test(name, () => expect(clean(text)).toBe(expected));
  }
  test("lines keep their breaks", () => expect(cleanLines("a\nb\tc")).toBe("a\nb\\u0009c"));
});

describe("readAmount", () => {
  test("takes the bank's minor digits", () => {
    expect(readAmount("5.00", "the amount", bank(2))).toBe(500 as never);
    expect(readAmount("5", "the amount", bank(0))).toBe(5 as never);
  });
  test("says what is wrong and what is right", () => {
    expect(() => readAmount("5.5", "--min", bank(0))).toThrow("--min 5.5 is no amount");
    expect(amountAdvice("x", "--min", bank(0))).toContain("like 2500, without a decimal point");
    expect(amountAdvice("x", "--min", bank(3))).toContain("like 2500.000, with at most 3 decimals");
  });
});

describe("table", () => {
  const columns = [
    { title: "Name" },
    { title: "Amount", align: "right" },
    { title: "Why" },
  ] as const;

  test("lines up what is short", () => {
    expect(
      table(columns, [
        ["Ann", "5.00", "x"],
        ["Bob", "12.00", "yy"],
      ]),
    ).toBe(
      ["Name  Amount  Why", "----  ------  ---", "Ann     5.00  x", "Bob    12.00  yy"].join("\n"),
    );
  });

  test("fits 80 columns and loses nothing", () => {
    onTerminal(80);
    const long = "abcdefghij".repeat(12);
    const text = table(columns, [["漢字".repeat(20), "123456789012.00", long]]);
    for (const line of text.split("\n")) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(80);
    expect(text).toContain("123456789012.00");
    const letters = [...text.matchAll(/[a-j]+(?=\n|$)/g)].map((match) => match[0]).join("");
    expect(letters).toBe(long);
  });

  test("a column that is to be copied whole is not broken", () => {
    onTerminal(80);
    const [reference, why] = ["r".repeat(64), "word ".repeat(20).trim()];
    expect(table([{ title: "Ref", whole: true }, { title: "Why" }], [[reference, why]])).toContain(
      reference,
    );
  });

  test("in a pipe each row is one line", () => {
    onTerminal(undefined);
    expect(table([{ title: "A" }], [["word ".repeat(100).trim()]]).split("\n")).toHaveLength(3);
  });

  test("a cell cannot break the row", () => {
    expect(table([{ title: "A" }], [["x\ny"]]).split("\n")).toHaveLength(3);
  });
});

test("facts line up, and long ones go on below", () => {
  onTerminal(80);
  const lines = facts([
    ["A", "x"],
    ["Long label", "word ".repeat(30).trim()],
  ]).split("\n");
  expect(lines[0]).toBe("A           x");
  expect(lines.length).toBeGreaterThan(2);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
});
