// secrets export and import: all of keys/ in one file under a passphrase, into a bank that they fit.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { newBank, type TestBank } from "./run.ts";

setDefaultTimeout(60_000);
const PASSPHRASE = "correct horse battery staple";

let bank: TestBank;
let file: string;
let passphrase: string;
const keys = () => join(bank.dataDir, "keys");
const contents = (folder: string) =>
  Object.fromEntries(
    readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), "utf8")]),
  );
const importing = (...more: string[]) =>
  bank.run(["secrets", "import", file, "--passphrase-file", passphrase, ...more]);

beforeAll(async () => {
  bank = await newBank();
  file = join(dirname(bank.dataDir), "keys.age");
  passphrase = join(dirname(bank.dataDir), "passphrase");
  writeFileSync(passphrase, `${PASSPHRASE}\n`);
  const { exit } = await bank.run(["secrets", "rotate"], { stdin: "a-shared-secret" });
  expect(exit).toBe(0);
});
afterAll(() => bank.remove());

test("a short passphrase is refused, and is not said", async () => {
  const { exit, err } = await bank.run(["secrets", "export", "--output", file], {
    stdin: "s3cret",
  });
  expect([exit, existsSync(file)]).toEqual([2, false]);
  expect(err).not.toContain("s3cret");
});

test("the export is its owner's alone, and no key stands in it in clear", async () => {
  const made = await bank.run(["secrets", "export", "--output", file], { stdin: PASSPHRASE });
  expect([made.exit, statSync(file).mode & 0o777]).toEqual([0, 0o600]);
  const bytes = readFileSync(file);
  for (const [name, text] of Object.entries(contents(keys()))) {
    expect([name, bytes.includes(text.trim())]).toEqual([name, false]);
    expect(made.out + made.err).not.toContain(text.trim());
  }
  expect(bytes.subarray(0, 40).toString()).toMatch(/^age-encryption.org\/v1\n-> scrypt /);
});

test("a file that is there is not written over", async () => {
  const again = await bank.run(["secrets", "export", "--output", file], { stdin: PASSPHRASE });
  expect([again.exit, again.err]).toEqual([4, expect.stringContaining("name another file")]);
});

test("keys that are missing are put back as they were, and the journal says so", async () => {
  const before = contents(keys());
  const aside = join(dirname(bank.dataDir), "keys-aside");
  renameSync(keys(), aside);
  expect((await importing()).exit).toBe(0);
  expect(contents(keys())).toEqual(before);
  for (const name of readdirSync(keys())) {
    expect([name, statSync(join(keys(), name)).mode & 0o777]).toEqual([name, 0o600]);
  }
  const acts = (await bank.json(["journal", "list"])) as { act: string; detail: string }[];
  const moved = acts.filter(({ act }) => /^secrets (export|import)$/.test(act));
  expect(moved.map(({ act, detail }) => `${act}: ${detail}`)).toEqual([
    "secrets export: pin.key, receipt.key, signature.json",
    "secrets import: pin.key, receipt.key, signature.json",
  ]);
});

test("keys that differ are replaced only when that is confirmed, a wrong pin.key among them", async () => {
  const before = contents(keys());
  writeFileSync(join(keys(), "pin.key"), `${"ab".repeat(32)}\n`);
  const asked = await importing();
  expect([asked.exit, asked.err]).toEqual([
    2,
    expect.stringContaining("pin.key would be replaced"),
  ]);
  expect(readFileSync(join(keys(), "pin.key"), "utf8")).toStartWith("abab");
  expect((await importing("--yes", "--dry-run")).exit).toBe(0);
  expect(readFileSync(join(keys(), "pin.key"), "utf8")).toStartWith("abab");
  expect((await importing("--yes")).exit).toBe(0);
  expect(contents(keys())).toEqual(before);
});

test("- is standard input for what is read; what must be on the disk has a name", async () => {
  const line = ["secrets", "import", "-", "--passphrase-file", passphrase];
  expect(await bank.run(line, { stdin: readFileSync(file) })).toMatchObject({ exit: 0 });
  const exported = await bank.run(["secrets", "export", "--output", "-"], { stdin: PASSPHRASE });
  expect([exported.exit, exported.err]).toEqual([
    2,
    expect.stringContaining("--output - will not do"),
  ]);
  expect(existsSync("-")).toBe(false);
});

test("another passphrase opens nothing", async () => {
  const { exit, err } = await bank.run(["secrets", "import", file], {
    stdin: "another passphrase",
  });
  expect([exit, err]).toEqual([1, expect.stringContaining("it does not open")]);
});

test("another bank's keys are refused", async () => {
  const other = await newBank();
  try {
    const kept = contents(join(other.dataDir, "keys"));
    const { exit, err } = await other.run([
      "secrets",
      "import",
      file,
      "--yes",
      "--passphrase-file",
      passphrase,
    ]);
    expect([exit, err]).toEqual([1, expect.stringContaining("not this bank's PIN key")]);
    expect(contents(join(other.dataDir, "keys"))).toEqual(kept);
  } finally {
    other.remove();
  }
  rmSync(file);
  cpSync(passphrase, file);
  expect((await importing()).exit).toBe(1);
});

test("a link that another put in the way leads to no file of the bank", async () => {
  const output = join(dirname(bank.dataDir), "other.age");
  const database = join(bank.dataDir, "bank.db");
  const before = readFileSync(database);
  symlinkSync(database, `${output}.new`);
  const { exit } = await bank.run(["secrets", "export", "--output", output], { stdin: PASSPHRASE });
  expect([exit, existsSync(output)]).toEqual([1, false]);
  expect(readFileSync(database).subarray(0, 16)).toEqual(before.subarray(0, 16));
  rmSync(`${output}.new`);
});
