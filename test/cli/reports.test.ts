import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
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

  test.each([["config.toml"], ["bank.db"], ["keys/pin.key"], ["keys/basic.json"], ["backups/new"]])(
    "never takes the place of the bank's own %s",
    async (name) => {
      mkdirSync(join(bank.dataDir, "backups"), { recursive: true });
      const file = join(bank.dataDir, name);
      const before = existsSync(file) ? readFileSync(file) : null;
      for (const path of [file, relative(process.cwd(), file)]) {
        const ran = await bank.run(["reports", "balances", "--output", path]);
        expect([ran.exit, ran.err]).toEqual([4, expect.stringContaining("a part of a bank")]);
      }
      expect(existsSync(file) ? readFileSync(file) : null).toEqual(before);
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
