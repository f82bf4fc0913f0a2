// Files that are there whole or not at all, and nobody's but their owner's.
import { afterAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeFileDurably } from "../src/files.ts";

const folder = mkdtempSync(join(tmpdir(), "transact-bank-files-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("a secret is written to a new file of its own, whatever stands in the way", () => {
  test("a link is not followed", () => {
    const file = join(folder, "secret.key");
    const victim = join(folder, "victim");
    writeFileSync(victim, "untouched");
    symlinkSync(victim, `${file}.new`);
    expect(() => writeFileDurably(file, "secret")).toThrow("EEXIST");
    expect(readFileSync(victim, "utf8")).toBe("untouched");
  });

  test("who has a file of that name open reads nothing of it", () => {
    const file = join(folder, "other.key");
    writeFileSync(`${file}.new`, "left over");
    chmodSync(`${file}.new`, 0o666);
    const theirs = openSync(`${file}.new`, "r");
    writeFileDurably(file, "secret");
    expect(readFileSync(theirs, "utf8")).toBe("left over");
    closeSync(theirs);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });
});
