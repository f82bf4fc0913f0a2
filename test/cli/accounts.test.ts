import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { newBank, type Step, story, type TestBank, words } from "./run.ts";

let bank: TestBank;
beforeAll(async () => {
  bank = await newBank();
});
afterAll(() => bank.remove());

const step = (line: string, exit: number, ...says: string[]): Step => ({
  run: words(line),
  exit,
  says,
});

describe("an account's life", () => {
  story(
    () => bank,
    [
      step("accounts list", 0, "No accounts yet"),
      step("accounts add 62-1 --name Thandi --balance 5000.00 --overdraft 100", 0, "5100.00 ZAR"),
      step("accounts add 62-2 --name Sipho", 0, "0.00 ZAR"),
      step("accounts add 62-1 --name Again", 4, "account 62-1 exists"),
      step("accounts add 62_1 --name Again", 2, "62_1", "1-34 letters, digits and -"),
      step(`accounts add ${"9".repeat(35)} --name Long`, 2, "1-34"),
      step("accounts add 62-3", 2, "--name"),
      step("accounts add 62-3 --name X --balance 5,00", 2, "5,00", "like 2500.00"),
      step("accounts add 62-3 --name X --balance 1.234", 2, "at most 2 decimals"),
      step("accounts add 62-3 --name X --balance -1", 2, "-1"),
      step("accounts add 62-3 --name X --balance 10000000000", 2, "12 digits"),
      step("accounts show 62-3", 3, "there is no account 62-3"),

      step("accounts status 62-2 blacklisted", 0, "blacklisted"),
      step("accounts status 62-2 frozen", 2, "active, inactive, blacklisted"),
      step("accounts status 62-3 active", 3, "62-3"),

      step("accounts overdraft 62-1 200.00", 2, "--reason"),
      step("accounts overdraft 62-1 200.00 --reason agreed", 0, "5200.00 ZAR"),

      step("accounts credit 62-1 50.00 --yes", 2, "--reason"),
      step("accounts credit 62-1 50.00 --reason slip", 2, "Credit 50.00 ZAR", "--yes"),
      step("accounts credit 62-1 50.00 --reason slip --yes", 0, "5050.00 ZAR"),
      step("accounts credit 62-1 0 --reason slip --yes", 2, "more than zero"),
      step("accounts credit 62-3 1 --reason slip --yes", 3, "62-3"),
      step("accounts debit 62-1 5250.01 --reason slip --yes", 4, "5250.00 ZAR available"),
      step("accounts debit 62-1 5250.00 --reason slip --yes", 0, "-200.00 ZAR"),
      step("accounts overdraft 62-1 199.99 --reason less", 4, "short"),
      step("accounts list", 0, "62-1", "62-2", "blacklisted"),
      step("accounts list --limit 1", 0, "62-1"),
      step("accounts list --limit x", 2, "whole number"),
      step("verify", 0, "All is well."),
    ],
  );
});

describe("buyers", () => {
  story(
    () => bank,
    [
      { run: ["accounts", "map", "073 130 4702", "62-1"], exit: 0, says: ["27731304702"] },
      step("accounts map 0027731304702 62-1", 0),
      step("accounts map +27731304702 62-2", 2, "27731304702", "62-1", "--yes"),
      step("accounts map +27731304702 62-2 --yes", 0, "62-2"),
      step("accounts map CIF0731304702 62-1", 0, "CIF0731304702"),
      step("accounts map CIF0731304702 62-9", 2, "--yes"),
      step("accounts map CIF0731304702 62-9 --yes", 3, "62-9"),
      { run: ["accounts", "map", "", "62-1"], exit: 2, says: ["1-64 characters"] },
      step("accounts block-buyer 0731304702", 0, "27731304702"),
      step("accounts show 62-2", 0, "27731304702 (blocked)"),
      step("accounts unblock-buyer 27731304702", 0),
      step("accounts unblock-buyer 27731304702", 3, "not blocked"),
      step("accounts unmap 27731304702", 2, "--yes"),
      step("accounts unmap 27731304702 --yes", 0, "62-2"),
      step("accounts unmap 27731304702 --yes", 3, "not mapped"),
    ],
  );

  test("what would reorder the line is escaped, in text and in JSON", async () => {
    await bank.run(["accounts", "map", "bob\u202e", "62-1"]);
    const { out } = await bank.run(["accounts", "show", "62-1"]);
    expect(out).toContain("bob\\u202e");
    const json = await bank.run(["accounts", "show", "62-1", "--json"]);
    expect(json.out).toContain("bob\\u202e");
    expect(JSON.parse(json.out).buyers).toContain("bob\u202e");
  });
});

describe("PINs", () => {
  const pin = (line: string, stdin: string, exit: number, ...says: string[]): Step => ({
    ...step(line, exit, ...says),
    stdin,
  });
  story(
    () => bank,
    [
      pin("accounts set-pin 62-1", "", 2, "4 to 12 digits"),
      pin("accounts set-pin 62-1", "123", 2, "4 to 12 digits"),
      pin("accounts set-pin 62-1", "1234\n\n", 2, "4 to 12 digits"),
      pin("accounts set-pin 62-1 1234", "1234", 2, "too many arguments"),
      pin("accounts set-pin 62-1", "1234\n", 0, "set"),
      pin("accounts set-pin 62-1", "4321", 2, "--yes"),
      pin("accounts set-pin 62-1 --yes", "4321", 0, "set"),
      step("accounts unlock-pin 62-1", 0),
      step("accounts remove-pin 62-1", 2, "--yes"),
      step("accounts remove-pin 62-1 --yes", 0, "none"),
      step("accounts remove-pin 62-1 --yes", 4, "has no PIN"),
      step("accounts unlock-pin 62-1", 4, "has no PIN"),
      step("accounts set-pin 62-9 --yes", 3, "62-9"),
    ],
  );

  test("a PIN is never repeated, not even a wrong one given as a flag", async () => {
    const wrong = await bank.run(words("accounts set-pin 62-1"), { stdin: "12345x6" });
    const flag = await bank.run(words("accounts set-pin 62-1 --pin=987654"));
    expect(wrong.exit).toBe(2);
    expect(flag.exit).toBe(2);
    expect(wrong.err + flag.err).not.toMatch(/12345|987654/);
  });
});

test("accounts show --json is the document that scripts rely on", async () => {
  await bank.run(words("accounts add J-1 --name Json --balance 12.34 --overdraft 5"));
  await bank.run(words("accounts map 0821234567 J-1"));
  expect(await bank.json(words("accounts show J-1"))).toEqual({
    number: "J-1",
    name: "Json",
    status: "active",
    currency: "ZAR",
    ledgerBalanceMinor: 1234,
    heldMinor: 0,
    availableMinor: 1734,
    overdraftMinor: 500,
    pin: "none",
    pinFailures: 0,
    buyers: ["27821234567"],
    blockedBuyers: [],
    createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
  });
});

describe("import", () => {
  const HEADER = "number,name,balance";
  let bank: TestBank;
  beforeAll(async () => {
    bank = await newBank();
    await bank.run(words("accounts add OLD-1 --name Old"));
    await bank.run(words("accounts map 0731304702 OLD-1"));
  });
  afterAll(() => bank.remove());

  async function importing(content: string | Uint8Array, ...flags: string[]) {
    const file = join(bank.dataDir, "..", `${Bun.hash(content)}.csv`);
    writeFileSync(file, content);
    return bank.run(["accounts", "import", file, ...flags]);
  }
  const numbers = async () =>
    ((await bank.json(words("accounts list"))) as { number: string }[]).map((one) => one.number);

  const full = `${HEADER},status,overdraft,buyers`;
  const bad: readonly [name: string, content: string | Uint8Array, ...says: string[]][] = [
    ["an empty file", "", "column number is missing"],
    ["a header alone", `${HEADER}\n`, "no accounts"],
    ["an unknown column", `${HEADER},colour\nA,B,1,red\n`, "column colour is unknown"],
    ["a file that is no table, which may be a key", `${"5e".repeat(32)}\n`, "column number 1 is"],
    ["a double column", `${HEADER},name\nA,B,1,B\n`, "column name is there twice"],
    ["a missing column", "number,name\nA,B\n", "column balance is missing"],
    ["semicolons", "number;name;balance\nA;B;1\n", "parted by commas"],
    ["an open quote", `${HEADER}\nA,"B,1\n`, "line 2", "quotes"],
    ["another encoding", new Uint8Array([...Buffer.from(`${HEADER}\nA,B`), 0xff]), "UTF-8"],
    ["too few cells", `${HEADER}\nA,B\n`, "line 2: it has 2 cells, the header 3"],
    ["too many cells", `${HEADER}\nA,B,1,1\n`, "line 2: it has 4 cells"],
    ["a bad number", `${HEADER}\nA_1,B,1\n`, "line 2: number A_1"],
    ["a bad amount", `${HEADER}\nA,B,"1,00"\n`, "line 2: balance 1,00 is no amount"],
    ["a bad status", `${full}\nA,B,1,frozen,,\n`, "line 2: status frozen"],
    ["a control character", `${HEADER}\nA,"B\u001b[31m",1\n`, "line 2: the name"],
    ["a number twice", `${HEADER}\nA,B,1\nA,C,1\n`, "line 3: number A stands on line 2"],
    [
      "a buyer twice, spelled otherwise",
      `${full}\nA,B,1,,,0821234567\nC,D,1,,,+27 82 123 4567\n`,
      "line 3: buyer +27 82 123 4567 stands on line 2",
    ],
    ["a number that is taken", `${HEADER}\nA,B,1\nOLD-1,C,1\n`, "line 3: account OLD-1 exists"],
    ["a buyer of another", `${full}\nA,B,1,,,27731304702\n`, "line 2: buyer", "OLD-1"],
    [
      "each bad row, in order",
      `${HEADER}\nOLD-1,B,1\nA,,1\nC,D,1\nE,F,x\n`,
      "line 2: ",
      "line 3: ",
      "line 5: ",
    ],
  ];
  for (const [name, content, ...says] of bad) {
    test(`${name} imports nothing`, async () => {
      const [dry, wet] = await Promise.all([
        importing(content, "--dry-run"),
        importing(content, "--yes"),
      ]);
      expect([dry.exit, wet.exit]).toEqual([4, 4]);
      for (const text of says) expect(wet.err).toContain(text);
      expect(wet.err).toBe(dry.err);
    });
  }
  test("and so nothing was", async () => expect(await numbers()).toEqual(["OLD-1"]));

  test("a file that is not there is named", async () => {
    const ran = await bank.run(words("accounts import /nowhere.csv --yes"));
    expect([ran.exit, ran.err]).toEqual([2, expect.stringContaining("/nowhere.csv")]);
  });

  const good = `\ufeff${full}\r\nN-1,"Ann, A.",10.00,inactive,5,0821234567; CIF1\r\n\r\nN-2,Bob,0,,,\r\n`;

  test("a dry run changes nothing, and without a terminal --yes is needed", async () => {
    const dry = await importing(good, "--dry-run");
    expect([dry.exit, dry.out]).toEqual([0, expect.stringContaining("2 accounts with 10.00 ZAR")]);
    const unsure = await importing(good);
    expect([unsure.exit, unsure.err]).toEqual([2, expect.stringContaining("--yes")]);
    expect(await numbers()).toEqual(["OLD-1"]);
  });

  test("a good file is imported whole", async () => {
    const ran = await importing(good, "--yes", "--json");
    expect([ran.exit, ran.err]).toEqual([0, ""]);
    expect(JSON.parse(ran.out)).toEqual({
      accounts: 2,
      balanceMinor: 1000,
      currency: "ZAR",
      dryRun: false,
    });
    expect(await bank.json(words("accounts show N-1"))).toMatchObject({
      name: "Ann, A.",
      status: "inactive",
      ledgerBalanceMinor: 1000,
      availableMinor: 1500,
      buyers: ["27821234567", "CIF1"],
    });
    expect(await numbers()).toEqual(["N-1", "N-2", "OLD-1"]);
    expect((await bank.run(["verify"])).exit).toBe(0);
  });

  test("20,000 rows take seconds", async () => {
    const rows = Array.from(
      { length: 20_000 },
      (_, row) => `R-${row},Name ${row},1.00,,,CIF-R${row}`,
    );
    const started = performance.now();
    const ran = await importing([full, ...rows].join("\n"), "--yes");
    expect(ran.exit).toBe(0);
    expect(performance.now() - started).toBeLessThan(15_000);
  }, 60_000);
});
