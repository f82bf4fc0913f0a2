// The log: lines for people and for programs, never too many, and never in the way.
import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLog, formatLine, type LogFormat, type LogLevel, lineWriter } from "../src/log.ts";

const AT = Date.parse("2026-03-02T08:00:00.123Z");

function logged(level: LogLevel, format: LogFormat = "json") {
  const lines: string[] = [];
  const clock = { now: AT };
  const log = createLog({
    level,
    format,
    now: () => clock.now,
    write: (line) => lines.push(line),
  });
  return { log, lines, clock };
}

test("a line as JSON: time, level, event, message, and what belongs to it", () => {
  const { log, lines } = logged("info");
  log.line("warn", "late", "it was late", { traceId: "mm8w2680-1", tookMs: 4000.1 });
  expect(lines).toEqual([
    `{"time":"2026-03-02T08:00:00.123Z","level":"warn","event":"late","message":"it was late",` +
      `"traceId":"mm8w2680-1","tookMs":4000.1}\n`,
  ]);
});

test.each([
  ["error", { message: "the disk failed", fields: {} }, "error: the disk failed\n"],
  ["warn", { message: "late", fields: { traceId: "mm8w2680-1" } }, "warning: late [mm8w2680-1]\n"],
  ["info", { message: "listens", fields: { url: "x" } }, "listens\n"],
  ["info", { message: "\u001b[2Jcleared", fields: {} }, "\\u001b[2Jcleared\n"],
  ["warn", { message: "one\nerror: two", fields: {} }, "warning: one\\u000aerror: two\n"],
] as const)("a line as text, %s", (level, { message, fields }, line) => {
  expect(formatLine("text", { level, event: "e", message, fields, now: AT })).toBe(line);
});

test.each([
  ["error", ["error"]],
  ["warn", ["error", "warn"]],
  ["info", ["error", "warn", "info"]],
  ["debug", ["error", "warn", "info", "debug"]],
] as [LogLevel, string[]][])("%s takes %j", (level, taken) => {
  const { log, lines } = logged(level);
  for (const each of ["error", "warn", "info", "debug"] as const) log.line(each, each, each);
  expect(lines.map((line) => (JSON.parse(line) as { level: string }).level)).toEqual(taken);
});

describe("a flood", () => {
  const of = (line: string | undefined) =>
    JSON.parse(line ?? "") as { event: string; suppressed?: number };

  test("has twenty lines of an event in a second, and the next one says how many there were", () => {
    const { log, lines, clock } = logged("info");
    for (let times = 0; times < 50; times += 1) log.line("info", "refused", "refused");
    log.line("error", "failed", "of another event");
    expect(lines).toHaveLength(21);
    clock.now += 1000;
    log.line("info", "refused", "refused");
    expect(of(lines.at(-1))).toMatchObject({ event: "refused", suppressed: 30 });
    log.line("info", "refused", "refused");
    expect(of(lines.at(-1)).suppressed).toBeUndefined();
  });

  test("has all of its lines at debug", () => {
    const { log, lines } = logged("debug");
    for (let times = 0; times < 50; times += 1) log.line("debug", "answered", "answered");
    expect(lines).toHaveLength(50);
  });
});

test("lines reach a file whole and in order", async () => {
  const folder = mkdtempSync(join(tmpdir(), "transact-bank-log-"));
  try {
    const file = join(folder, "log");
    const descriptor = openSync(file, "w");
    const writer = lineWriter(descriptor);
    const lines = Array.from({ length: 3000 }, (_, index) => `line ${index}\n`);
    for (const line of lines) writer.write(line);
    await writer.drained(10_000);
    closeSync(descriptor);
    expect(readFileSync(file, "utf8")).toBe(lines.join(""));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a pipe that nobody reads holds up nobody: lines are left out, and counted", async () => {
  const folder = mkdtempSync(join(tmpdir(), "transact-bank-log-"));
  const pipe = join(folder, "pipe");
  spawnSync("mkfifo", [pipe]);
  // Open at both ends, so that opening waits for nobody.
  const descriptor = openSync(pipe, "r+");
  try {
    const writer = lineWriter(descriptor);
    const line = `${"x".repeat(999)}\n`;
    // Three megabytes: this thread goes on, whatever becomes of them.
    for (let times = 0; times < 3000; times += 1) writer.write(line);
    const reader = Bun.spawn(["cat", pipe], { stdout: "pipe" });
    const read = new Response(reader.stdout).text();
    await writer.drained(10_000);
    writer.write("at last\n");
    await writer.drained(10_000);
    closeSync(descriptor);
    expect(await read).toMatch(/x\n\d+ lines were left out here: nobody read them\nat last\n$/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
