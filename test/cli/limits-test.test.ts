// limits test on a bank with purchases: a table, one document, and a line for each refused purchase.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { minor } from "../../src/domain/money.ts";
import { receive } from "./purchases.ts";
import { newBank, type Step, story, type TestBank, words } from "./run.ts";

const MARCH = "limits test --from 2026-03-02 --to 2026-03-31";

let bank: TestBank;
beforeAll(async () => {
  bank = await newBank();
  await bank.run(words("accounts add 62-1 --name Thandi --balance 5000"));
  await bank.run(words("accounts map 27731304702 62-1"));
  receive(bank.dataDir, [
    // The day before counts towards the month.
    { at: "2026-03-01T10:00:00Z", reserve: "early" },
    { at: "2026-03-02T10:00:00Z", reserve: "first" },
    { at: "2026-03-02T10:01:00Z", reserve: "second", reserveAmount: minor(50_000), channelId: 8 },
    { at: "2026-03-02T10:02:00Z", reserve: "third", productId: 12 },
    { at: "2026-04-01T10:00:00Z", reserve: "late" },
  ]);
});
afterAll(() => bank.remove());

const step = (line: string, exit: number, ...says: string[]): Step => ({
  run: words(line),
  exit,
  says,
});

describe("limits test", () => {
  story(
    () => bank,
    [
      step("limits test --from 2026-03-09 --to 2026-03-02", 2, "is after"),
      step("limits test --from monday --to 2026-03-02", 2, "--from monday is no day"),
      step(`${MARCH} --product 12`, 2, "--product alone proposes nothing"),
      step(`${MARCH} --max 1x`, 2, "--max 1x is no amount"),
      step(MARCH, 0, "limits   none", "would have refused none of them", "3 purchases, 710.00 ZAR"),
      step(`${MARCH} --max 499.99`, 0, "everything: maximum 499.99", "500.00 ZAR (33.33 %)"),
      step(`${MARCH} --month-count 2`, 0, "2 purchases, 605.00 ZAR (66.67 %)"),
      step(`${MARCH} --product 12 --day-count 0`, 0, "product 12: times a day"),
      step(`${MARCH} --account 62-1 --day-amount 200`, 0, "account 62-1: amount a day"),
      step("limits show", 0, "No limits."),
    ],
  );

  test("one document", async () => {
    const json = await bank.json(words(`${MARCH} --max 499.99`));
    expect(json).toMatchObject({
      bank: "ACME",
      from: "2026-03-02",
      to: "2026-03-31",
      proposed: { scope: "global", scopeKey: "*", maxMinor: 49_999 },
      seen: { count: 3, amountMinor: 71_000 },
      refused: { count: 1, amountMinor: 50_000 },
      byLimit: [{ scope: "global", figure: "max", limitMinor: 49_999, count: 1 }],
      byProduct: [{ product: "110", count: 1, amountMinor: 50_000 }],
      byChannel: [{ channel: "8", count: 1, amountMinor: 50_000 }],
      byAccount: [{ account: "62-1", count: 1, amountMinor: 50_000 }],
      examples: [{ requestId: "second", reserveAmountMinor: 50_000 }],
    });
  });

  test("a line for each purchase that would have been refused", async () => {
    const { out } = await bank.run(words(`${MARCH} --max 499.99 --format csv`));
    const [titles, line, ...more] = out.trim().split("\n");
    expect(titles).toStartWith("reserved_at,reference,request_id,account");
    expect(line).toMatch(/^2026-03-02T10:01:00.000Z,ACME-.*,second,62-1,110,8,500.00,/);
    expect(more).toEqual([expect.stringMatching(/^journalHead,/)]);
  });

  test("those in force are tried where none is proposed, and stand beside what is", async () => {
    await bank.run(words("limits set --max 400"));
    const refused = async (line: string) =>
      ((await bank.json(words(line))) as { refused: { count: number } }).refused.count;
    expect(await refused(MARCH)).toBe(1);
    expect(await refused(`${MARCH} --min 200`)).toBe(3);
    expect(await refused(`${MARCH} --max 1000`)).toBe(0);
    expect(await refused(`${MARCH} --account 62-1 --max 1000`)).toBe(0);
  });
});
