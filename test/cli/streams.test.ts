// "-" stands for standard input or output wherever a file is named.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { newBank, run, type TestBank, words } from "./run.ts";

let bank: TestBank;
beforeAll(async () => {
  bank = await newBank();
});
afterAll(() => bank.remove());

test("accounts import - reads the accounts", async () => {
  const stdin = "number,name,balance\n62-0001,Thandi,5.00\n";
  const ran = await bank.run(words("accounts import - --yes"), { stdin });
  expect(ran).toEqual({
    exit: 0,
    out: "Imported 1 account with 5.00 ZAR in all.\n",
    err: expect.any(String),
  });
  const bad = await bank.run(words("accounts import - --yes"), { stdin: "number\n" });
  expect([bad.exit, bad.err]).toEqual([4, expect.stringContaining("standard input: column name")]);
});

test.each([
  ["secrets rotate --secret-file -", "--secret-file"],
  [
    "init --no-input --bank-code ACME --currency ZAR --country ZA --time-zone UTC " +
      "--signature-secret-file - --data-dir FOLDER",
    "--signature-secret-file",
  ],
])("%s reads the secret, and never says it", async (line, option) => {
  const args = words(line.replace("FOLDER", join(bank.dataDir, "..", "other")));
  const none = await bank.run(args, { stdin: "\n" });
  const empty = `${option}: standard input is empty: it must hold the secret`;
  expect([none.exit, none.err]).toEqual([2, expect.stringContaining(empty)]);
  const ran = await bank.run(args, { stdin: "hush-hush\n" });
  expect([ran.exit, `${ran.out}${ran.err}`.includes("hush")]).toEqual([0, false]);
});

test("--output - writes to standard output, and makes no file of that name", async () => {
  const plain = await bank.run(words("reports balances --format csv"));
  const ran = await bank.run(words("reports balances --format csv --output -"));
  expect([ran.exit, ran.out]).toEqual([0, plain.out]);
  expect(existsSync("-")).toBe(false);
});

test.each([
  ["accounts import gone.csv", "FILE: there is no file gone.csv"],
  ["secrets rotate --secret-file gone", "--secret-file: there is no file gone"],
])("a file that is not there is named with what named it: %s", async (line, says) => {
  const ran = await bank.run(words(line));
  expect([ran.exit, ran.err]).toEqual([2, expect.stringContaining(says)]);
});

test("a folder is no file", async () => {
  const { exit, err } = await run(["accounts", "import", "/tmp", "--data-dir", bank.dataDir]);
  expect([exit, err]).toEqual([1, expect.stringContaining("FILE: /tmp cannot be read")]);
});
