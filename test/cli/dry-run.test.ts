// --dry-run: what any writing command would do is said, and neither the database nor a file changes.
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { program } from "../../cli/program.ts";
import type { TestBank } from "./run.ts";
import { words } from "./run.ts";
import { marchBank } from "./seeded.ts";

/** Every writing command in an order in which each has something to change. */
const WRITES: readonly (readonly [line: string, stdin?: string])[] = [
  ["accounts add 62-0002 --name Sipho --balance 500 --overdraft 10"],
  ["accounts import FOLDER/accounts.csv --yes"],
  ["accounts status 62-0002 inactive"],
  ["accounts overdraft 62-0002 20.00 --reason agreed"],
  ["accounts credit 62-0001 100.00 --yes --reason slip"],
  ["accounts debit 62-0001 1.00 --yes --reason slip"],
  ["accounts map 27825550103 62-0002"],
  ["accounts unmap 27825550103 --yes"],
  ["accounts block-buyer 27825550103"],
  ["accounts unblock-buyer 27825550103"],
  ["accounts set-pin 62-0001", "4321\n"],
  ["accounts unlock-pin 62-0001"],
  ["accounts remove-pin 62-0001 --yes"],
  ["limits set --max 2000.00"],
  ["limits unset --max"],
  ["reservations release raas-open --yes --reason ticket"],
  ["reservations debit raas-open --yes --reason ticket"],
  ["findings close 1 --reason ticket"],
  ["reports exceptions --mark-sent --as-of 2026-06-01 --output FOLDER/exceptions.txt"],
  ["receipts prune --older-than 30d --archive FOLDER/receipts.jsonl --yes"],
  ["settlement pay 1.00 --reason EFT"],
  ["holidays add 2026-11-04 --name Election"],
  ["holidays remove 2026-11-04"],
  ["holidays import --country ZA --year 2026"],
  ["sales pause --reason maintenance"],
  ["sales resume"],
  ["secrets rotate", "one\n"],
  ["secrets rotate", "two\n"],
  ["secrets retire"],
  ["secrets export --output FOLDER/keys.age", "correct horse battery\n"],
  ["secrets import FOLDER/keys.age --yes", "correct horse battery\n"],
  ["backup restore BACKUP --replace ACME"],
  ["restore record --from 2020-01-01 --reason lost"],
  ["restore acknowledge --reason compared"],
];

let bank: TestBank;
let folder: string;
let backup: string;
beforeAll(async () => {
  bank = await marchBank();
  folder = join(bank.dataDir, "..");
  writeFileSync(join(folder, "accounts.csv"), "number,name,balance\n62-0003,Lerato,5.00\n");
  const made = await bank.json(["backup", "create", "--folder", join(folder, "backups")]);
  backup = (made as { file: string }).file;
}, 60_000);
afterAll(() => bank.remove());

/** SQLite's own files, whose rows are looked at, and the empty one that a lock stands on. */
const NOT_COMPARED = /bank\.db|serve\.lock/;

/** Every row of every table, and every file beside the database. */
function everything(): { readonly [name: string]: unknown } {
  const db = new Database(join(bank.dataDir, "bank.db"));
  try {
    const tables = db.query("SELECT name FROM sqlite_schema WHERE type = 'table'").values().flat();
    const rows = tables.map((table) => [table, db.query(`SELECT * FROM "${table}"`).values()]);
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => !NOT_COMPARED.test(name) && statSync(join(folder, name)).isFile())
      .map((name) => [name, readFileSync(join(folder, name), "latin1")]);
    return Object.fromEntries([...rows, ...files]);
  } finally {
    db.close();
  }
}

function leaves(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
}

function pathOf(command: Command): string {
  const { parent } = command;
  return parent?.parent == null ? command.name() : `${pathOf(parent)} ${command.name()}`;
}

const has = (command: Command, flag: string) => command.options.some(({ long }) => long === flag);

/** Tried where there is a PostgreSQL (test/binary/postgres-commands.test.ts, test/migrate). */
const ON_POSTGRES = ["join", "migrate-to", "migrate-from"];

test("each command that takes a reason has --dry-run, and stands in the table below", () => {
  // A reason stands in the journal, so what takes one writes.
  const writing = leaves(program()).filter((command) => has(command, "--reason"));
  expect(writing.filter((command) => !has(command, "--dry-run")).map(pathOf)).toEqual([]);
  const shown = writing.map(pathOf).filter((path) => !path.startsWith("approvals "));
  const tried = new Set(WRITES.map(([line]) => line.split(" ", 2).join(" ")));
  expect(shown.filter((path) => !tried.has(path))).toEqual(ON_POSTGRES);
});

describe("changes nothing, and then the command itself does what was said", () => {
  for (const [line, stdin = ""] of WRITES) {
    test(line, async () => {
      const args = words(line.replaceAll("FOLDER", folder).replace("BACKUP", backup));
      const before = everything();
      const dry = await bank.run([...args, "--dry-run", "--json"], { stdin });
      expect([dry.exit, dry.err]).toEqual([0, ""]);
      expect(everything()).toEqual(before);

      const real = await bank.run([...args, "--json"], { stdin });
      expect([real.exit, real.err]).toEqual([0, ""]);
      expect(everything()).not.toEqual(before);
      if (line.includes("--output")) return;
      const said = JSON.parse(dry.out) as { dryRun: unknown; result?: unknown };
      expect(said.dryRun).toBe(true);
      // Times may differ, names do not, but what only the deed shows is not foretold; a document that
      // is a list stands whole under "result".
      const names = (document: unknown) => Object.keys(document as object).toSorted();
      const document = JSON.parse(real.out) as unknown;
      if (Array.isArray(document)) expect(said.result).toEqual(document);
      else {
        const all = names({ ...(document as object), dryRun: true });
        expect(all).toEqual(expect.arrayContaining(names(said)));
      }
    }, 30_000);
  }
});

/** What makes files, and writes no journal. */
const MAKES = [
  "init --no-input --data-dir FOLDER/new --bank-code NEW --currency ZAR --country ZA --time-zone UTC",
  "init --demo --data-dir FOLDER/demo",
  "backup create --folder FOLDER/copies",
  "backup new-key --output FOLDER/pair.key",
];

test("so has each command that makes something without a journal", () => {
  const making = leaves(program()).filter(
    (command) => has(command, "--dry-run") && !has(command, "--reason"),
  );
  const tried = new Set(MAKES.map((line) => line.split(" --")[0] ?? ""));
  // The service is root's and systemd's: its refusals are tried beside it.
  const shown = making.map(pathOf).filter((path) => !path.startsWith("service "));
  expect(shown.filter((path) => !tried.has(path))).toEqual([]);
});

describe("makes nothing, and then the command itself does", () => {
  test.each(MAKES)(
    "%s",
    async (line) => {
      const args = words(line.replaceAll("FOLDER", folder));
      const before = everything();
      const dry = await bank.run([...args, "--dry-run", "--json"]);
      expect([dry.exit, dry.err]).toEqual([0, ""]);
      expect(JSON.parse(dry.out)).toMatchObject({ dryRun: true });
      expect(everything()).toEqual(before);
      const real = await bank.run([...args, "--json"]);
      expect([real.exit, real.err]).toEqual([0, ""]);
      expect(everything()).not.toEqual(before);
      const { dryRun: _, ...said } = JSON.parse(dry.out) as Record<string, unknown>;
      if (!line.startsWith("backup create")) expect(JSON.parse(real.out)).toMatchObject(said);
      // What is there already is refused by both.
      if (line.startsWith("backup create")) return;
      for (const more of [["--dry-run"], []])
        expect((await bank.run([...args, ...more])).exit).not.toBe(0);
    },
    30_000,
  );
});

describe("to people", () => {
  test("it says that nothing was changed, then what would be said; and asks nothing", async () => {
    const ran = await bank.run(words("accounts credit 62-0001 7.00 --dry-run --reason slip"));
    expect(ran.exit).toBe(0);
    expect(ran.out).toStartWith("dry run: nothing was changed; without --dry-run:\n\nAccount");
  });

  test("a report says that it was neither written nor marked", async () => {
    const file = join(folder, "other.txt");
    const line = `reports exceptions --mark-sent --as-of 2026-06-01 --dry-run --output ${file}`;
    const { exit, err } = await bank.run(words(line));
    expect(exit).toBe(0);
    expect(err).toContain(`dry run, so not written to ${file}`);
    expect(err).toContain("dry run, so not marked as sent");
    expect(existsSync(file)).toBe(false);
  });
});

describe("is refused as the command would be", () => {
  const rows: readonly [line: string, exit: number, says: string][] = [
    ["accounts debit 62-0001 999999.00 --reason slip", 4, "available"],
    ["accounts credit 62-0009 1.00 --reason slip", 3, "there is no account 62-0009"],
    ["accounts credit 62-0001 1.00", 2, "--reason"],
    ["accounts add 62-0001 --name Thandi", 4, "account 62-0001 exists"],
    ["secrets retire", 3, "no former signature secret"],
    ["reports exceptions --output /dev/null", 2, "no plain file"],
  ];
  for (const [line, exit, says] of rows) {
    test(`${line} -> ${exit}`, async () => {
      const ran = await bank.run([...words(line), "--dry-run"]);
      expect([ran.exit, ran.err]).toEqual([exit, expect.stringContaining(says)]);
    });
  }
});
