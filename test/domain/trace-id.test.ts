import { expect, test } from "bun:test";
import { parseTraceId, traceIdOf } from "../../src/domain/trace-id.ts";

test.each([
  [{ receivedAt: Date.parse("2026-03-02T08:00:00Z"), number: 1 }, "mm8w2680-1"],
  [{ receivedAt: Date.parse("2026-03-02T08:00:00.001Z"), number: 36 }, "mm8w2681-10"],
  [{ receivedAt: Date.parse("2059-12-31T00:00:00Z"), number: 2 ** 50 }, "108pb2800-b33j9ynrb4"],
])("%j is %s, and back", (trace, id) => {
  expect(traceIdOf(trace)).toBe(id);
  expect(parseTraceId(id)).toEqual(trace);
});

test.each(["", "118", "d7", "mm8w2680", "mm8w2680-", "-1", "MM8W2680-1", "mm8w2680-1 ", "a-1"])(
  "%j names none",
  (text) => {
    expect(parseTraceId(text)).toBeNull();
  },
);
