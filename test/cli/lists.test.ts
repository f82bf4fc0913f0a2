// Lists longer than a page and longer than what a table shows.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "csv-parse/sync";
import { minor } from "../../src/domain/money.ts";
import { PAGE_SIZE } from "../../src/storage/pages.ts";
import { type Message, receive } from "./purchases.ts";
import { newBank, type TestBank, words } from "./run.ts";

// Each command is a process of its own, and the machine may be busy.
setDefaultTimeout(60_000);

const SHOWN = 1_000;
const ACCOUNTS = PAGE_SIZE + 100;
const PURCHASES = SHOWN + 5;
/** After its titles and the line under them. */
const rowsOf = (table: string) => table.trimEnd().split("\n").slice(2);

let bank: TestBank;
beforeAll(async () => {
  bank = await newBank();
  const file = join(bank.dataDir, "..", "accounts.csv");
  const rows = Array.from(
    { length: ACCOUNTS },
    (_, row) => `N-${row + 10_000},Name ${row},10.00,CIF${row}`,
  );
  writeFileSync(file, ["number,name,balance,buyers", ...rows].join("\n"));
  await bank.run(["accounts", "import", file, "--yes"]);
  const messages = Array.from({ length: PURCHASES }, (_, sale): Message[] => [
    {
      at: "2026-03-02T08:00:00Z",
      reserve: `raas-${sale}`,
      buyerId: `CIF${sale}`,
      reserveAmount: minor(1),
    },
    { at: "2026-03-02T08:00:01Z", result: `unknown-${sale}`, code: "0000" },
  ]);
  receive(bank.dataDir, messages.flat());
});
afterAll(() => bank.remove());

describe.each([
  ["accounts list", "first", ACCOUNTS],
  ["reservations list", "newest", PURCHASES],
  ["reservations list --state reserved", "newest", PURCHASES],
  ["findings list", "most urgent", PURCHASES],
  ["findings list --all", "most urgent", PURCHASES],
])("%s", (command, first, count) => {
  test("shows people so many rows, and says that there are more", async () => {
    const { out, err, exit } = await bank.run(words(command));
    expect([exit, rowsOf(out).length]).toEqual([0, SHOWN]);
    expect(err).toEndWith(`showing the ${first} ${SHOWN}; --limit for more\n`);
  });
  test("shows as many as were asked for, and says no more", async () => {
    for (const limit of [3, SHOWN + 1, ACCOUNTS + PURCHASES]) {
      const { out, err } = await bank.run([...words(command), "--limit", String(limit)]);
      expect(rowsOf(out)).toHaveLength(Math.min(limit, count));
      expect(err).not.toContain("showing");
    }
  });
  test("gives scripts all, once each, or as many as were asked for", async () => {
    const all = (await bank.json(words(command))) as { id?: number; number?: string }[];
    expect(new Set(all.map((row) => JSON.stringify(row))).size).toBe(count);
    expect(all).toHaveLength(count);
    expect(await bank.json([...words(command), "--limit", "3"])).toEqual(all.slice(0, 3));
    expect(await bank.json([...words(command), "--limit", "0"])).toEqual([]);
  });
  test("says in its help what it shows", async () => {
    const { out } = await bank.run([...words(command), "--help"]);
    expect(out.replaceAll(/\s+/g, " ")).toContain(
      `at most so many (default: all with --json, ${SHOWN} in a table)`,
    );
  });
});

describe("reports balances has every account, in every format", () => {
  const all = ACCOUNTS + 5;
  /** The last record of every report. */
  const JOURNAL_HEAD = 1;
  test("JSON", async () => {
    const report = (await bank.json(words("reports balances"))) as {
      accounts: { number: string; ledgerBalanceMinor: number }[];
      sumMinor: number;
    };
    const numbers = report.accounts.map(({ number }) => number);
    expect(numbers).toEqual([...numbers].sort());
    expect([new Set(numbers).size, numbers.length, report.sumMinor]).toEqual([all, all, 0]);
  });
  test("CSV, to a file as to the terminal", async () => {
    const { out } = await bank.run(words("reports balances --format csv"));
    const records = parse(out, { columns: true }) as { account: string }[];
    expect(records).toHaveLength(all + JOURNAL_HEAD);
    const file = join(bank.dataDir, "..", "balances.csv");
    await bank.run([...words("reports balances --format csv --output"), file]);
    expect(await Bun.file(file).text()).toBe(out);
  });
  test("a table, with its sum below", async () => {
    const { out } = await bank.run(words("reports balances"));
    expect(out).toContain(`Accounts  ${all}\n`);
    const table = out.slice(out.indexOf("Account  "), out.indexOf("\nJournal head:"));
    expect(rowsOf(table)).toHaveLength(all + 1);
    expect(table).toMatch(/\nSum +0\.00\n$/);
  });
  test("HTML", async () => {
    const { out } = await bank.run(words("reports balances --format html"));
    expect(out.match(/<tbody/g)).toHaveLength(all + 1);
    expect(out).toEndWith("</html>\n");
  });
});

test("reports exceptions has every finding, once each", async () => {
  const { findings, unconfirmed } = (await bank.json(words("reports exceptions"))) as {
    findings: { id: number }[];
    unconfirmed: unknown[];
  };
  expect(new Set(findings.map(({ id }) => id)).size).toBe(PURCHASES);
  expect(unconfirmed).toHaveLength(PURCHASES);
  const { out } = await bank.run(words("reports exceptions"));
  expect(out).toContain(`Open findings  ${PURCHASES}\n`);
});
