import { describe, expect, test } from "bun:test";
import { jsonParts } from "../../src/reports/json.ts";
import { mapped } from "../../src/storage/pages.ts";
import { whole } from "./rows.ts";

/** Rows that are read while they are written, as a list of the port is. */
const lazily = (rows: readonly unknown[]) => mapped(rows, (row) => row);

describe("rows that are read while they are written stand as JSON.stringify writes an array", () => {
  const row = { id: 1, text: 'a "quote"\nand a line', nested: { list: [1, 2], none: [] } };
  const documents: readonly [name: string, document: (rows: typeof lazily) => unknown][] = [
    ["a list", (rows) => rows([row, row])],
    ["a list of nothing", (rows) => rows([])],
    ["a list of plain values", (rows) => rows([1, "two", null, true])],
    ["a document with a list", (rows) => ({ before: 1, rows: rows([row]), after: { sum: 2 } })],
    ["a document with an empty list", (rows) => ({ rows: rows([]) })],
    ["a document with two", (rows) => ({ one: rows([row]), two: rows([row, row]) })],
    ["a document with a missing member", (rows) => ({ none: undefined, rows: rows([row]) })],
    ["a document without any", () => ({ empty: {}, list: [row], text: "x" })],
  ];
  test.each(documents)("%s", (_, document) => {
    const all = document((rows) => rows as never);
    expect(whole(jsonParts(document(lazily)))).toBe(JSON.stringify(all, null, 2));
  });
});
