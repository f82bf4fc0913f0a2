// A customer's question, answered from what they give in one command.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { minor } from "../../src/domain/money.ts";
import { receive } from "./purchases.ts";
import { type TestBank, words } from "./run.ts";
import { marchBank } from "./seeded.ts";

// Each command is a process of its own, and the machine may be busy.
setDefaultTimeout(60_000);

let bank: TestBank;
beforeAll(async () => {
  bank = await marchBank();
  receive(bank.dataDir, [
    { at: new Date().toISOString(), reserve: "raas-poor", reserveAmount: minor(999_999) },
    { at: new Date().toISOString(), reserve: "raas-today" },
  ]);
  await bank.run(["accounts", "add", "62-0002", "--name", "Sipho", "--balance", "1.00"]);
  await bank.run(words("accounts map 27731304702 62-0002 --yes"));
  await bank.run(words("accounts block-buyer 27731304702"));
});
afterAll(() => bank.remove());

type Found = {
  buyer: { buyerId: string; blocked: boolean; changes: { act: string; subject: string }[] } | null;
  account: { number: string; availableMinor: number } | null;
  purchases: { requestId: string; state: string }[];
  findings: { kind: string }[];
};
const find = async (...args: string[]) => (await bank.json(["find", ...args])) as Found;

describe("find takes a phone number in any spelling", () => {
  test.each(["27731304702", "0731304702", "+27 73 130 4702", "073-130-4702"])(
    "%s",
    async (what) => {
      const known = await find(what);
      expect(known.buyer).toMatchObject({ buyerId: "27731304702", blocked: true });
      expect(known.account).toMatchObject({ number: "62-0002", availableMinor: 100 });
      expect(known.buyer?.changes.map(({ act, subject }) => [act, subject])).toEqual([
        ["accounts map", "62-0001"],
        ["accounts map", "62-0002"],
      ]);
    },
  );
});

test("find shows the newest purchases of every account a buyer had, declined ones among them", async () => {
  const { purchases, findings } = await find("0731304702");
  expect(purchases.map(({ requestId, state }) => `${requestId} ${state}`)).toEqual([
    "raas-today reserved",
    "raas-poor declined",
    "raas-suspense debited",
    "raas-late released",
    "raas-debited debited",
    "raas-open reserved",
  ]);
  expect(findings.map(({ kind }) => kind)).toEqual(["settlement-missing", "contradiction"]);
  expect((await find("0731304702", "--limit", "2")).purchases).toHaveLength(2);
});

test("find tells people what became of each purchase, in words", async () => {
  const { out } = await bank.run(words("find 0731304702"));
  for (const text of [
    "YES: every purchase is declined",
    "from 62-0001 to 62-0002",
    "debited 2026-03-02 11:00:09",
    "released 2026-03-02 12:01:00: not dispensed, Clickatell reported 2201",
    "declined: Insufficient funds (2010)",
    "held, waits for Clickatell's result since 2026-03-02 10:00:00",
    "The result contradicts an earlier one",
  ]) {
    expect(out).toContain(text);
  }
});

test("find takes an account number, and a reference of either side", async () => {
  const known = await find("62-0001");
  expect([known.buyer, known.account?.number]).toEqual([null, "62-0001"]);
  expect(known.purchases).toHaveLength(5);
  for (const ref of ["raas-poor", "raas-late"]) {
    expect(await bank.json(["find", ref])).toMatchObject({ requestId: ref });
  }
});

test("find says where else to look when nothing is known", async () => {
  const ran = await bank.run(words("find 0800000000"));
  expect([ran.exit, ran.out]).toEqual([3, ""]);
  expect(ran.err).toContain("reservations list --help");
});
