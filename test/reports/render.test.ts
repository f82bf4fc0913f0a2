import { describe, expect, test } from "bun:test";
import { minor } from "../../src/domain/money.ts";
import { balancesCsv, balancesJson, balancesReport } from "../../src/reports/balances.ts";
import { type Cell, decimal } from "../../src/reports/csv.ts";
import { htmlParts } from "../../src/reports/html.ts";
import { JOURNAL_COLUMNS, journalLines, journalRows } from "../../src/reports/journal.ts";
import type { Page } from "../../src/reports/page.ts";
import { whoText } from "../../src/reports/views.ts";
import type { By, JournalView } from "../../src/storage/store.ts";
import { BANK, csvText, whole } from "./rows.ts";

describe("a CSV cell", () => {
  const cells: readonly [name: string, cell: Cell, written: string][] = [
    ["text", "Thandi Mokoena", "Thandi Mokoena"],
    ["a comma", "Mokoena, Thandi", '"Mokoena, Thandi"'],
    ["a quote", 'the "old" one', '"the ""old"" one"'],
    ["nothing", null, ""],
    ["a number", 42, "42"],
    ["a negative number", -42, "-42"],
    ["an amount", decimal(minor(-1_250), 2), "-12.50"],
    ["no amount", decimal(null, 2), ""],
    ["our own account", { exact: "@clickatell" }, "@clickatell"],
    ["a formula =", "=1+1", "'=1+1"],
    ["a formula +", "+1+1", "'+1+1"],
    ["a formula -", "-1+1", "'-1+1"],
    ["a formula @", "@SUM(1)", "'@SUM(1)"],
    ["a formula behind a tab", "\t=1+1", "\\u0009=1+1"],
    ["a formula behind a carriage return", "\r=1+1", "\\u000d=1+1"],
    ["a formula in another width", "\uff1d1+1", "'\uff1d1+1"],
    ["a line break", "one\r\ntwo", "one\\u000d\\u000atwo"],
    ["an escape sequence", "\u001b[31mred", "\\u001b[31mred"],
    ["a letter beyond the ASCII", "Zoë 🙂", "Zoë 🙂"],
  ];
  test.each(cells)("%s", (_, cell, written) => {
    const csv = { columns: ["1", "2", "3"], rows: [["a", cell, "z"]] };
    expect(csvText(csv)).toBe(`1,2,3\na,${written},z\n`);
  });
});

test("CSV without rows is its header", () => {
  expect(csvText({ columns: ["a", "b"], rows: [] })).toBe("a,b\n");
});

const PAGE: Page = {
  title: 'A <report> & "more"',
  facts: [["Bank", "<img src=x onerror=alert(1)>"]],
  sections: [
    {
      title: "Lines",
      intro: "{{title}} is no placeholder here",
      columns: [
        { title: "Name" },
        { title: "Amount", align: "right" },
        { title: "Ref", whole: true },
      ],
      rows: [["<script>alert(1)</script>", "1.00", "r\u202e1"]],
      none: "None.",
    },
    { title: "Empty", intro: "", columns: [{ title: "Name" }], rows: [], none: "Nothing & none." },
  ],
};

describe("an HTML page", () => {
  const html = whole(htmlParts(PAGE));
  test.each([
    ["escapes its title", "<title>A &lt;report&gt; &amp; &quot;more&quot;</title>"],
    ["escapes facts", "&lt;img src=x onerror=alert(1)&gt;"],
    ["escapes cells", "&lt;script&gt;alert(1)&lt;/script&gt;"],
    ["makes turned writing visible", "r\\u202e1"],
    ["fills in no placeholder that a text brings", "<p>{{title}} is no placeholder here</p>"],
    ["says so where there is nothing", "Nothing &amp; none."],
    ["forbids every connection", "default-src 'none'"],
  ])("%s", (_, text) => expect(html).toContain(text));
  test("has no script and no address of another file", () => {
    expect(html).not.toMatch(/<script|<img|<link|https?:|url\(/);
  });
});

const by = (given: Partial<By>): By => ({
  loginUid: null,
  loginName: null,
  effectiveUid: 0,
  effectiveName: "root",
  reason: null,
  ...given,
});

describe("who did it", () => {
  const rows: readonly [By | null, string][] = [
    [by({}), "root"],
    [by({ loginUid: 1000, loginName: "alice" }), "alice, as root"],
    [by({ loginUid: 1000 }), "uid 1000, as root"],
    [by({ loginName: "bob" }), "bob, as root"],
    [by({ loginUid: 1, loginName: "eve", effectiveUid: 1, effectiveName: "eve" }), "eve"],
    [by({ effectiveUid: 33, effectiveName: null }), "uid 33"],
  ];
  for (const [who, text] of rows) {
    test(text, () => expect(whoText(who)).toBe(text));
  }
});

const POSTING: JournalView = {
  id: 12,
  at: Date.parse("2026-03-02T08:00:00Z"),
  kind: "settlement",
  act: "settlement pay",
  subject: "@clickatell",
  detail: null,
  reference: null,
  by: by({ reason: "EFT 1" }),
  reason: "EFT 1",
  entries: [
    { account: "@clickatell", amount: minor(-2_000) },
    { account: "-62", amount: minor(2_000) },
  ],
};

test("the journal's CSV has a line an entry, and an act has one without an account", () => {
  const act: JournalView = { ...POSTING, kind: "act", act: "sales pause", entries: [] };
  const rows = [...journalRows(POSTING, BANK), ...journalRows(act, BANK)];
  expect(csvText({ columns: JOURNAL_COLUMNS, rows }).split("\n")).toEqual([
    "id,at,kind,act,subject,account,currency,amount,amountMinor,reference,who,reason,detail",
    "12,2026-03-02T08:00:00.000Z,settlement,settlement pay,@clickatell,@clickatell,ZAR,-20.00,-2000,,root,EFT 1,",
    "12,2026-03-02T08:00:00.000Z,settlement,settlement pay,@clickatell,'-62,ZAR,20.00,2000,,root,EFT 1,",
    "12,2026-03-02T08:00:00.000Z,act,sales pause,@clickatell,,,,,,root,EFT 1,",
    "",
  ]);
});

test("people read a posting with its reason and its entries, the figures in one column", () => {
  expect(journalLines(POSTING, BANK)).toEqual([
    "#12  2026-03-02 10:00:00  settlement: settlement pay  @clickatell  by root",
    "    why: EFT 1",
    "    @clickatell  -20.00 ZAR",
    "    -62           20.00 ZAR",
  ]);
});

describe("balances", () => {
  const customer = { number: "62-0001", name: "A", internal: null, balance: minor(500) };
  const own = { number: "@funding", name: "F", internal: "funding", balance: minor(-500) } as const;
  const at = { bank: BANK, now: 0 };
  test("are counted and summed up, in the order given", () => {
    const report = balancesReport([own, customer], at);
    const { accounts, sumMinor } = balancesJson(report);
    expect([...accounts].map(({ number }) => number)).toEqual(["@funding", "62-0001"]);
    expect([report.count, sumMinor as number]).toEqual([2, 0]);
  });
  test("a sum that is off is shown", () => {
    expect(balancesReport([customer], at).sum).toBe(minor(500));
  });
  test("CSV keeps the bank's own names and negative figures as they are", () => {
    expect(csvText(balancesCsv(balancesReport([own], at)))).toEndWith(
      "@funding,F,funding,ZAR,-5.00,-500\n",
    );
  });
});
