import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { receive } from "./purchases.ts";
import { newBank, story, type TestBank, words } from "./run.ts";
import { marchBank } from "./seeded.ts";

// Each command is a process of its own, and the machine may be busy.
setDefaultTimeout(60_000);

let bank: TestBank;
beforeAll(async () => {
  bank = await marchBank();
});
afterAll(() => bank.remove());

type Exceptions = {
  asOf: string;
  unconfirmed: { requestId: string; firstSentAt: string | null }[];
  findings: { kind: string; firstSentAt: string | null }[];
};

const exceptions = async (...args: string[]) =>
  (await bank.json(["reports", "exceptions", ...args])) as Exceptions;

describe("reports exceptions --as-of shows what was open and due then", () => {
  test.each([
    ["before the reserve", "2026-03-02T07:59:59Z", [], 0],
    ["the contract's example, before its midnight", "2026-03-11T23:59:59", [], 3],
    ["the contract's example, from its midnight", "2026-03-12", ["raas-open"], 3],
    ["between the two results of raas-late", "2026-03-02T10:01:30Z", [], 0],
    ["after its contradiction", "2026-03-02T10:02:30Z", [], 1],
  ])("%s", async (_, asOf, listed, findings) => {
    const report = await exceptions("--as-of", asOf);
    expect(report.unconfirmed.map(({ requestId }) => requestId)).toEqual(listed);
    expect(report.findings).toHaveLength(findings);
  });

  test("a line is gone once its result came, but still stands in a report as of before", async () => {
    const other = await marchBank();
    receive(other.dataDir, [{ at: "2026-03-20T08:00:00Z", result: "raas-open", code: "0000" }]);
    const lines = async (asOf: string) =>
      ((await other.json(["reports", "exceptions", "--as-of", asOf])) as Exceptions).unconfirmed;
    expect(await lines("2026-03-20T07:59:59Z")).toHaveLength(1);
    expect(await lines("2026-03-20T08:00:00Z")).toHaveLength(0);
    other.remove();
  });

  test("a holiday moves the day", async () => {
    const other = await marchBank();
    await other.run(words("holidays add 2026-03-05 --name Founders"));
    const lines = async (asOf: string) =>
      ((await other.json(["reports", "exceptions", "--as-of", asOf])) as Exceptions).unconfirmed;
    expect(await lines("2026-03-12")).toHaveLength(0);
    expect(await lines("2026-03-13")).toHaveLength(1);
    other.remove();
  });
});

describe("reports exceptions", () => {
  test("lists findings by urgency", async () => {
    const { findings } = await exceptions();
    expect(findings.map(({ kind }) => kind)).toEqual([
      "unmatched-success",
      "contradiction",
      "settlement-missing",
    ]);
  });

  test("--mark-sent marks once, only what it lists, and only after it was written", async () => {
    const failed = words("reports exceptions --mark-sent --output /nonexistent/report.csv");
    expect((await bank.run(failed)).exit).toBe(1);
    expect((await exceptions()).findings.every(({ firstSentAt }) => firstSentAt === null)).toBe(
      true,
    );

    await exceptions("--as-of", "2026-03-02T10:02:30Z", "--mark-sent");
    const sent = ({ unconfirmed, findings }: Exceptions) =>
      [...unconfirmed, ...findings].map(({ firstSentAt }) => firstSentAt !== null);
    expect(sent(await exceptions())).toEqual([false, false, true, false]);

    await exceptions("--mark-sent");
    const first = await exceptions();
    expect(sent(first)).toEqual([true, true, true, true]);
    await exceptions("--mark-sent");
    const { asOf: _, ...again } = await exceptions();
    expect(first).toMatchObject(again);
  });

  story(
    () => bank,
    [
      {
        run: words("reports exceptions --fail-on-findings"),
        exit: 6,
        says: ["raas-open", "105.00"],
      },
      { run: words("reports exceptions --as-of 2026-03-01 --fail-on-findings"), exit: 0 },
      { run: words("reports exceptions"), exit: 0, says: ["Exception report", "amounts in ZAR"] },
      {
        run: words("reports exceptions --format csv"),
        exit: 0,
        says: ["\nunconfirmed,raas-open,"],
      },
      { run: words("reports exceptions --format html"), exit: 0, says: ["<!doctype html>"] },
      { run: words("reports exceptions --as-of yesterday"), exit: 2, says: ["--as-of yesterday"] },
      { run: words("reports exceptions --json --format csv"), exit: 2, says: ["leave one out"] },
      { run: words("reports exceptions --format pdf"), exit: 2, says: ["table, csv, json, html"] },
    ],
  );
});

describe("--output", () => {
  const folder = () => join(dirname(bank.dataDir), "reports");
  const written = (name: string) =>
    bank.run(["reports", "balances", "--format", "csv", "--output", join(folder(), name)]);
  beforeAll(() => {
    mkdirSync(folder());
    writeFileSync(join(folder(), "old.csv"), "old");
    chmodSync(join(folder(), "old.csv"), 0o644);
    mkdirSync(join(folder(), "folder"));
    symlinkSync(join(folder(), "old.csv"), join(folder(), "link"));
  });

  test.each([["new.csv"], ["old.csv"]])("writes %s whole, for its owner alone", async (name) => {
    const ran = await written(name);
    expect([ran.exit, ran.out]).toEqual([0, ""]);
    const file = join(folder(), name);
    expect(readFileSync(file, "utf8")).toStartWith("number,name,internal,");
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test.each([["folder"], ["link"], ["nowhere/"]])("refuses %s", async (name) => {
    const ran = await written(name);
    expect(ran.exit).toBe(2);
    expect(ran.err).toContain(name);
  });

  test.each([["config.toml"], ["bank.db"], ["keys/pin.key"], ["keys/new.json"]])(
    "refuses a bank's own %s",
    async (name) => {
      const ran = await written(join("../bank", name));
      expect([ran.exit, ran.err]).toEqual([4, expect.stringContaining("a bank's own")]);
    },
  );

  test("leaves no draft behind", () => {
    expect(readdirSync(folder()).sort()).toEqual(["folder", "link", "new.csv", "old.csv"]);
  });
});

describe("reports settlement", () => {
  const settlement = async (...args: string[]) =>
    (await bank.json(["reports", "settlement", ...args])) as {
      from: string;
      to: string;
      rows: { day: string; productId: number; owedMinor: number }[];
      disputed: { kind: string }[];
      [figure: string]: unknown;
    };
  beforeAll(async () => {
    await bank.run(["settlement", "pay", "20.00", "--reason", "EFT 1"]);
  });

  test("counts a debit on its local day, and a last day through its end", async () => {
    const { rows, totals } = await settlement("--from", "2026-03-02", "--to", "2026-03-03");
    expect(rows.map(({ day, productId, owedMinor }) => [day, productId, owedMinor])).toEqual([
      ["2026-03-02", 110, 9_000],
      ["2026-03-03", 110, 0],
    ]);
    expect(totals).toMatchObject({ count: 2, suspenseMinor: 10_500, sumsDifferCount: 1 });
  });

  test("what was paid later is not of the period, and what is owed goes over to the next", async () => {
    expect(await settlement("--from", "2026-03-01", "--to", "2026-03-31")).toMatchObject({
      owedBeforeMinor: 0,
      paidMinor: 0,
      stillOwedMinor: 9_000,
      owedAfterMinor: 9_000,
      inSuspenseMinor: 10_500,
    });
    expect(await settlement()).toMatchObject({
      rows: [],
      owedBeforeMinor: 9_000,
      paidMinor: 2_000,
      stillOwedMinor: -2_000,
      owedAfterMinor: 7_000,
    });
  });

  test("contradictions and unmatched successes stand under it", async () => {
    const { disputed } = await settlement("--from", "2026-03-01", "--to", "2026-03-31");
    expect(disputed.map(({ kind }) => kind)).toEqual(["unmatched-success", "contradiction"]);
    expect((await settlement("--from", "2026-02-01", "--to", "2026-02-28")).disputed).toEqual([]);
  });

  story(
    () => bank,
    [
      { run: words("reports settlement --from 2026-03-01 --fail-on-findings"), exit: 6 },
      { run: words("reports settlement --from 2026-03-32"), exit: 2, says: ["--from 2026-03-32"] },
      { run: words("reports settlement --from 2026-03-02T10:00"), exit: 2, says: ["no day"] },
      { run: words("reports settlement --from 2026-04-01 --to 2026-03-31"), exit: 2 },
      {
        run: words("reports settlement --to 2026-03-31 --format csv"),
        exit: 0,
        says: ["\ntotal,"],
      },
    ],
  );
});

test("reports balances sums to zero, whatever was bought", async () => {
  const report = (await bank.json(["reports", "balances"])) as {
    accounts: { number: string; ledgerBalanceMinor: number }[];
    sumMinor: number;
  };
  expect(report.sumMinor).toBe(0);
  expect(Object.fromEntries(report.accounts.map((a) => [a.number, a.ledgerBalanceMinor]))).toEqual({
    "@clickatell": 7_000,
    "@funding": -498_000,
    "@income": 1_500,
    "@loss": 0,
    "@suspense": 10_500,
    "62-0001": 479_000,
  });
});

test("a new bank has empty reports", async () => {
  const fresh = await newBank();
  for (const report of ["exceptions", "settlement", "balances"]) {
    const ran = await fresh.run(["reports", report, "--fail-on-findings"]);
    expect([report, ran.exit]).toEqual([report, 0]);
  }
  fresh.remove();
});

describe("reports activity counts each request once", () => {
  type Figures = { count: number; debited: number; debitedMinor: number };
  type Activity = {
    total: Figures;
    days: ({ day: string } & Figures)[];
    answers: ({ responseCode: string } & Figures)[];
    products: ({ productId: number } & Figures)[];
  };
  const activity = async (...args: string[]) =>
    (await bank.json(["reports", "activity", ...args])) as Activity;

  test("by local day, answer and product", async () => {
    const march = await activity("--from", "2026-03-01", "--to", "2026-03-31");
    expect(march.total).toMatchObject({ count: 4, debited: 2, debitedMinor: 21_000 });
    expect(march.days.map(({ day, count }) => [day, count])).toEqual([
      ["2026-03-02", 3],
      ["2026-03-03", 1],
    ]);
    expect(march.answers.map(({ responseCode, count }) => [responseCode, count])).toEqual([
      ["0000", 4],
    ]);
    expect(march.products.map(({ productId, count }) => [productId, count])).toEqual([
      [110, 3],
      [220, 1],
    ]);
  });

  test("of the days named alone", async () => {
    const day = await activity("--from", "2026-03-03", "--to", "2026-03-03");
    expect(day.total.count).toBe(1);
    expect((await activity("--from", "2026-01-01", "--to", "2026-01-31")).days).toEqual([]);
  });

  test("as a table and as CSV, whose sections tell its lists apart", async () => {
    const march = words("reports activity --from 2026-03-01 --to 2026-03-31");
    const table = await bank.run(march);
    expect(table.out).toContain("Purchases asked for  4");
    const csv = await bank.run([...march, "--format", "csv"]);
    const sections = csv.out.split("\n").map((line) => line.split(",")[0]);
    expect(sections).toEqual([
      "section",
      ...["day", "day", "answer", "product", "product", "channel", "channel"],
      ...["total", "journalHead", ""],
    ]);
  });
});

describe("accounts statement", () => {
  const march = words("accounts statement 62-0001 --from 2026-03-01 --to 2026-03-31");

  test("has every entry with the balance after it, and hides the buyer", async () => {
    const statement = (await bank.json(march)) as {
      openingBalanceMinor: number;
      closingBalanceMinor: number;
      entries: { kind: string; text: string; amountMinor: number; balanceMinor: number }[];
    };
    const { openingBalanceMinor: opening, closingBalanceMinor: closing, entries } = statement;
    expect(entries.map(({ kind, amountMinor }) => [kind, amountMinor])).toEqual([
      ["debit", -10_500],
      ["debit", -10_500],
    ]);
    expect(entries.map(({ text }) => text)).toEqual(
      Array(2).fill("Purchase, product 110, buyer ****4702"),
    );
    expect(closing - opening).toBe(-21_000);
    expect(entries.at(-1)?.balanceMinor).toBe(closing);
    expect(JSON.stringify(statement)).not.toContain("27731304702");
  });

  test("of one of the bank's own accounts, in CSV", async () => {
    const line = "accounts statement @clickatell --from 2026-03-01 --to 2026-03-31 --format csv";
    const { out } = await bank.run(words(line));
    const lines = out.trimEnd().split("\n");
    expect(lines.map((text) => text.split(",").slice(0, 2).join(" "))).toEqual([
      "section account",
      "opening @clickatell",
      "entry @clickatell",
      "closing @clickatell",
      "journalHead ",
    ]);
    expect(lines[2]).toContain(",ZAR,90.00,");
  });

  story(
    () => bank,
    [
      { run: words("accounts statement 62-0009"), exit: 3, says: ["62-0009"] },
      { run: words("accounts statement 62-0001 --from 2026-03-32"), exit: 2, says: ["no time"] },
      { run: words("accounts statement 62-0001"), exit: 0, says: ["Opening balance"] },
    ],
  );
});

describe("the journal's head is on every report, in every format", () => {
  const REPORTS = [
    "reports exceptions",
    "reports settlement",
    "reports activity",
    "reports balances",
    "accounts statement 62-0001",
  ];
  test.each(REPORTS)("%s", async (line) => {
    const { head } = (await bank.json(["verify"])) as { head: { record: number; hash: string } };
    const { journalHead } = (await bank.json(words(line))) as { journalHead: unknown };
    expect(journalHead).toEqual(head);
    const kept = `${head.record}:${head.hash}`;
    for (const format of ["table", "html"]) {
      expect((await bank.run([...words(line), "--format", format])).out).toContain(kept);
    }
    const { out } = await bank.run([...words(line), "--format", "csv"]);
    const last = out.trimEnd().split("\n").at(-1) ?? "";
    expect(last).toMatch(/^journalHead,/);
    expect(last.split(",").filter((cell) => cell !== "")).toEqual(["journalHead", kept]);
    // One header, and every record has its columns.
    const widths = new Set(
      out
        .trimEnd()
        .split("\n")
        .map((row) => row.replace(/"[^"]*"/g, "")),
    );
    expect(new Set([...widths].map((row) => row.split(",").length)).size).toBe(1);
  });
});
