import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { parse } from "csv-parse/sync";
import { minor } from "../../src/domain/money.ts";
import { type Message, receive } from "./purchases.ts";
import { story, type TestBank, words } from "./run.ts";
import { marchBank } from "./seeded.ts";

// Each command is a process of its own, and the machine may be busy.
setDefaultTimeout(60_000);

let bank: TestBank;
beforeAll(async () => {
  bank = await marchBank();
});
afterAll(() => bank.remove());

type Listed = { id: number; kind: string; act: string; entries: { amountMinor: number }[] };
const journal = async (...args: string[]) =>
  (await bank.json(["journal", "list", ...args])) as Listed[];

test("each posting and each act stands in it once, in the order of their ids", async () => {
  const records = await journal();
  expect(records.map(({ id, kind, act }) => [id, kind, act])).toEqual([
    [1, "opening", "accounts add"],
    [2, "act", "accounts map"],
    [3, "debit", "result"],
    [4, "debit", "result"],
  ]);
});

describe("journal list gives", () => {
  test.each([
    ["what follows a record", ["--after", "2"], [3, 4]],
    ["at most so many", ["--limit", "2"], [1, 2]],
    ["none at all", ["--limit", "0"], []],
    ["a day through its end", ["--from", "2026-03-02", "--to", "2026-03-02"], [3]],
    ["what is before a time", ["--to", "2026-03-02T09:00:09Z"], []],
    ["what is from a time on", ["--from", "2026-03-02T09:00:09Z", "--to", "2026-03-03"], [3, 4]],
  ])("%s", async (_, args, ids) => {
    expect((await journal(...args)).map(({ id }) => id)).toEqual(ids);
  });
});

test("CSV has one line an entry; those of one id sum to zero", async () => {
  const { out } = await bank.run(words("journal list --format csv"));
  const lines: Record<string, string>[] = parse(out, { columns: true });
  const sums = new Map<string, number>();
  for (const { id = "", amountMinor } of lines) {
    sums.set(id, (sums.get(id) ?? 0) + Number(amountMinor));
  }
  expect([...sums]).toEqual([
    ["1", 0],
    ["2", 0],
    ["3", 0],
    ["4", 0],
  ]);
  expect(lines.filter(({ kind }) => kind === "act")).toMatchObject([{ account: "", amount: "" }]);
  expect(lines.find(({ account }) => account === "@clickatell")).toMatchObject({ amount: "90.00" });
});

test("a journal of several pages comes whole, each record once, in every format", async () => {
  const long = await marchBank();
  const purchases = Array.from({ length: 1_100 }, (_, index): Message[] => [
    { at: "2026-04-01T08:00:00Z", reserve: `raas-${index}`, reserveAmount: minor(1) },
    { at: "2026-04-01T08:00:01Z", result: `raas-${index}`, code: "0000" },
  ]).flat();
  receive(long.dataDir, purchases);
  const ids = Array.from({ length: 1_104 }, (_, index) => index + 1);

  const json = (await long.json(["journal", "list"])) as Listed[];
  expect(json.map(({ id }) => id)).toEqual(ids);
  const csv = await long.run(words("journal list --format csv"));
  const lines: { id: string }[] = parse(csv.out, { columns: true });
  expect([...new Set(lines.map(({ id }) => Number(id)))]).toEqual(ids);
  const table = await long.run(words("journal list"));
  expect(table.out.match(/^#\d+/gm)?.map((id) => Number(id.slice(1)))).toEqual(ids);
  long.remove();
});

story(
  () => bank,
  [
    { run: words("journal list"), exit: 0, says: ["#1 ", "opening: accounts add", "5000.00 ZAR"] },
    {
      run: words("journal list --from 2026-03-03 --to 2026-03-02"),
      exit: 2,
      says: ["exchange them"],
    },
    { run: words("journal list --after x"), exit: 2, says: ["whole number"] },
    { run: words("journal list --format html"), exit: 2, says: ["table, csv, json"] },
    { run: words("journal list --help"), exit: 0, says: ["journal list --after 1200"] },
  ],
);
