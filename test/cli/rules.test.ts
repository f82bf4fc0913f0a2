// limits, sales, holidays, findings, settlement, verify, version.
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { newBank, run, type Step, story, type TestBank, words } from "./run.ts";

let bank: TestBank;
beforeAll(async () => {
  bank = await newBank();
  await bank.run(words("accounts add 62-1 --name Thandi --balance 100"));
});
afterAll(() => bank.remove());

const step = (line: string, exit: number, ...says: string[]): Step => ({
  run: words(line),
  exit,
  says,
});

/** What only the server, or a fault of the disk, would write. */
function inDatabase(sql: string): void {
  const db = new Database(join(bank.dataDir, "bank.db"));
  try {
    db.run(sql);
  } finally {
    db.close();
  }
}

describe("limits", () => {
  story(
    () => bank,
    [
      step("limits show", 0, "No limits."),
      step("limits set", 2, "--min, --max, --day-amount"),
      step("limits set --min 5.00 --max 2000.00", 0, "5.00", "2000.00"),
      step("limits set --max 4.99", 4, "minimum 5.00 ZAR", "maximum 4.99 ZAR"),
      step("limits set --max 3x", 2, "--max 3x is no amount"),
      step("limits set --day-count 3x", 2, "whole number"),
      step("limits set --product 12 --channel 7 --max 5", 2, "--product and --channel"),
      step("limits set --product twelve --max 5", 2, "--product twelve"),
      step("limits set --product 012 --day-amount 300 --day-count 9", 0, "product 12"),
      step("limits set --channel 7 --month-amount 900 --month-count 30", 0, "channel 7"),
      step("limits set --account 62-9 --max 5", 3, "62-9"),
      step("limits set --account 62-1 --max 50", 0, "account 62-1"),
      step("limits unset --product 13", 3, "product 13"),
      step("limits unset --product 12 --day-count", 0, "300.00"),
    ],
  );

  test("the document, from the least to the most specific; a set leaves other figures", async () => {
    const none = { dayAmountMinor: null, dayCount: null, monthAmountMinor: null, monthCount: null };
    const off = { ...none, minMinor: null, maxMinor: null };
    expect(await bank.json(words("limits show"))).toEqual([
      { scope: "global", scopeKey: "*", ...none, minMinor: 500, maxMinor: 200_000 },
      { scope: "channel", scopeKey: "7", ...off, monthAmountMinor: 90_000, monthCount: 30 },
      { scope: "product", scopeKey: "12", ...off, dayAmountMinor: 30_000 },
      { scope: "account", scopeKey: "62-1", ...off, maxMinor: 5_000 },
    ]);
    expect(await bank.json(words("limits unset"))).toEqual([]);
  });
});

describe("sales", () => {
  story(
    () => bank,
    [
      step("sales pause", 2, "--reason"),
      { run: ["sales", "pause", "--reason", "  "], exit: 2, says: ["Say why"] },
      step("sales pause --reason maintenance", 0, "2090"),
      step("sales resume", 0, "Sales are on."),
    ],
  );
});

describe("holidays", () => {
  story(
    () => bank,
    [
      step("holidays list", 0, "No holidays yet"),
      step("holidays import --country ZA --year 2026", 0, "13 added, 0 were there already"),
      step("holidays import --country za --year 2026", 0, "0 added, 13 were there already"),
      step("holidays import --country XX --year 2026", 2, "XX", "ZA"),
      step("holidays import --country ZA --year 26", 2, "like 2026"),
      step("holidays add 2026-02-30 --name x", 2, "2026-02-30"),
      step("holidays add 20260220 --name x", 2, "like 2026-12-26"),
      step("holidays add 2026-11-04 --name Election", 0, "Election"),
      step("holidays add 2026-11-04 --name Other", 0, "already"),
      step("holidays list", 0, "2026-04-27  Freedom Day", "2026-11-04  Election"),
      step("holidays remove 2026-11-04", 0, "Election"),
      step("holidays remove 2026-11-04", 3, "2026-11-04"),
    ],
  );

  test("a holiday of several days is each of them, a free afternoon none", async () => {
    const days = async (country: string) => {
      const json = await bank.json(["holidays", "import", "--country", country, "--year", "2026"]);
      return (json as { holidays: { day: string }[] }).holidays.map(({ day }) => day);
    };
    expect(await days("RU")).toEqual(expect.arrayContaining(["2026-01-02", "2026-01-05"]));
    expect(await days("CN")).not.toContain("2026-03-08");
  });
});

describe("findings", () => {
  beforeAll(() =>
    inDatabase(
      `INSERT INTO findings (kind, key, request_id, detail, opened_at, last_seen_at) VALUES
         ('conflict', 'r1', 'r1', 'repeated with other buyerId', 1000, 1000),
         ('unmatched-success', 'r2', 'r2', char(27) || '[31m', 2000, 2000)`,
    ),
  );
  story(
    () => bank,
    [
      step("findings list", 0, "conflict", "\\u001b[31m"),
      step("findings show 1", 0, "The first request stands", "1970-01-01 02:00:01"),
      step("findings show 9", 3, "finding 9"),
      step("findings show one", 2, "findings list"),
      step("findings close 1", 2, "--reason"),
      step("findings close 1 --reason settled", 0, "settled"),
      step("findings close 1 --reason again", 4, "closed already"),
      step("findings close 9 --reason x", 3, "finding 9"),
    ],
  );

  test("the most urgent stands first; --all gives the closed ones too", async () => {
    const kinds = async (line: string) =>
      ((await bank.json(words(line))) as { kind: string }[]).map(({ kind }) => kind);
    expect(await kinds("findings list")).toEqual(["unmatched-success"]);
    expect(await kinds("findings list --all")).toEqual(["unmatched-success", "conflict"]);
  });
});

describe("settlement", () => {
  story(
    () => bank,
    [
      step("settlement pay 10", 2, "--reason"),
      step("accounts credit @clickatell 25 --reason correction --yes", 0),
      step("settlement pay 0 --reason EFT", 2, "more than zero"),
      step("settlement pay 10 --reason EFT", 0, "15.00 ZAR is still owed"),
      step("settlement pay 15.01 --reason EFT", 4, "15.00 ZAR"),
    ],
  );
});

describe("verify", () => {
  test("all is well: exit 0", async () => {
    expect(await bank.json(["verify"])).toMatchObject({ ok: true });
  });

  test("says the journal's head, which a later one can be given", async () => {
    type Verified = { head: { record: number; hash: string } };
    const { head } = (await bank.json(["verify"])) as Verified;
    const kept = `${head.record}:${head.hash}`;
    expect((await bank.run(["verify"])).out).toContain(kept);
    await bank.run(["sales", "pause", "--reason", "a test"]);
    await bank.run(["sales", "resume", "--reason", "a test"]);
    expect(await bank.json(["verify", "--kept", kept])).toMatchObject({ ok: true });
    const other = `${head.record}:${"0".repeat(64)}`;
    expect((await bank.run(["verify", "--kept", kept, "--kept", other])).exit).toBe(6);
    expect((await bank.run(["verify", "--kept", `900:${head.hash}`])).out).toContain("is gone");
    expect((await bank.run(["verify", "--kept", "900"])).exit).toBe(2);
  });

  test("a row that is off is named: exit 6", async () => {
    inDatabase("UPDATE accounts SET ledger_balance = ledger_balance + 1 WHERE number = '62-1'");
    const ran = await bank.run(["verify"]);
    expect([ran.exit, ran.out]).toEqual([6, expect.stringContaining("62-1")]);
    expect(await bank.json(["verify"], 6)).toMatchObject({ ok: false });
  });
});

test("version needs no bank", async () => {
  const ran = await run(["version", "--json"]);
  expect(ran.exit).toBe(0);
  expect(JSON.parse(ran.out)).toEqual({
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    commit: expect.any(String),
    bun: Bun.version,
    sqlite: expect.stringMatching(/^3\./),
  });
});
