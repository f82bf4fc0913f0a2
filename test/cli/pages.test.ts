// The printable pages, looked at in a real browser: on a phone, on a laptop, in the dark, on paper.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { minor } from "../../src/domain/money.ts";
import { type Browser, openBrowser } from "../browser.ts";
import { tool } from "../tools.ts";
import { type Message, receive } from "./purchases.ts";
import { newBank, type TestBank, words } from "./run.ts";

// A browser is slow to start, and the machine may be busy.
setDefaultTimeout(120_000);

const PHONE = { width: 390, height: 844 };
const LAPTOP = { width: 1366, height: 768 };
const SCREENS = [
  ["a phone", PHONE],
  ["a small phone", { width: 320, height: 640 }],
  ["a laptop", LAPTOP],
] as const;
const LONG = "r".repeat(64);

/** Eight weeks of sales, with a reference as long as they may be, and texts that mean harm. */
function weeks(): Message[] {
  const messages: Message[] = [];
  for (let day = 0; day < 56; day += 1) {
    for (let sale = 0; sale < 1 + (day % 5); sale += 1) {
      const time = Date.UTC(2026, 1, 2 + day, 8, sale);
      const at = new Date(time).toISOString();
      const reserve = `${day}-${sale}-${LONG}`.slice(0, 64);
      const clientRef = sale === 0 ? '<img src="https://example.com/x.png">' : LONG;
      const declined = { reserveAmount: minor(999_999_999_999) };
      messages.push({ at, reserve, clientRef, ...(sale === 3 ? declined : {}) });
      if (sale === 3 || (day + sale) % 6 === 0) continue;
      const code = sale === 2 ? "2201" : "0000";
      messages.push({ at: new Date(time + 4_000).toISOString(), result: reserve, code });
    }
  }
  messages.push({ at: "2026-03-30T10:00:00Z", result: LONG, code: "0000" });
  return messages;
}

const PAGES = [
  ["exceptions", "reports exceptions", ["Reservations without a result, by business days"]],
  ["settlement", "reports settlement --from 2026-02-01 --to 2026-03-31", ["Debits per day"]],
  [
    "activity",
    "reports activity --from 2026-02-01 --to 2026-03-31",
    ["Purchases per day", "Answers by code"],
  ],
  ["balances", "reports balances", []],
  ["statement", "accounts statement 62-0001 --from 2026-02-01", []],
] as const;

const chromium = tool("chromium", "the pages in a browser");
const pdftotext = tool("pdftotext", "the pages on paper");

let bank: TestBank;
let browser: Browser;
const fileOf = (page: string) => join(dirname(bank.dataDir), `${page}.html`);

beforeAll(async () => {
  if (chromium === null) return;
  bank = await newBank();
  const thandi = ["--name", `Thandi <b>&</b> ${"M".repeat(60)}`, "--balance", "99999999.00"];
  await bank.run(["accounts", "add", "62-0001", ...thandi]);
  await bank.run(words("accounts map 27731304702 62-0001"));
  receive(bank.dataDir, weeks());
  for (const [page, line] of PAGES) {
    const ran = await bank.run([...words(line), "--format", "html", "--output", fileOf(page)]);
    expect([page, ran.exit, ran.out]).toEqual([page, 0, ""]);
  }
  browser = await openBrowser(chromium);
});
afterAll(async () => {
  if (chromium === null) return;
  await browser.close();
  bank.remove();
});

/** "rgb(22, 25, 29)" as how light it is, from 0 to 1. */
function lightness(colour: string): number {
  const parts =
    colour
      .match(/[\d.]+/g)
      ?.slice(0, 3)
      .map(Number) ?? [];
  return parts.reduce((sum, part) => sum + part, 0) / (3 * 255);
}

describe.skipIf(chromium === null)("in a browser", () => {
  describe.each(PAGES)("%s", (page, _, charts) => {
    test.each(SCREENS)("fits %s, asks for nothing, complains of nothing", async (_, screen) => {
      const looked = await browser.look(fileOf(page), screen);
      expect(looked.width).toBeLessThanOrEqual(screen.width);
      expect([looked.requests, looked.complaints]).toEqual([[], []]);
      for (const chart of charts) {
        expect(looked.images.filter((name) => name.startsWith(chart))).toHaveLength(1);
      }
      expect(looked.images).toHaveLength(charts.length);
    });

    test("is dark where people want it dark, and everything on it can be seen", async () => {
      const light = await browser.look(fileOf(page), LAPTOP);
      const dark = await browser.look(fileOf(page), { ...LAPTOP, dark: true });
      expect(lightness(light.colours[0] ?? "")).toBeGreaterThan(0.9);
      expect(lightness(dark.colours[0] ?? "")).toBeLessThan(0.2);
      for (const { colours } of [light, dark]) {
        const [paper = "", ...inks] = colours.filter((colour) => colour !== "");
        for (const ink of inks) {
          expect(Math.abs(lightness(paper) - lightness(ink))).toBeGreaterThan(0.4);
        }
      }
    });

    test.skipIf(pdftotext === null)("prints on sheets of A4, with the journal's head", async () => {
      const pdf = join(dirname(bank.dataDir), `${page}.pdf`);
      writeFileSync(pdf, await browser.print(fileOf(page)));
      const said = (program: string, ...args: string[]) =>
        Bun.spawnSync([program, ...args]).stdout.toString();
      const about = said("pdfinfo", pdf);
      expect(about).toContain("Page size:       841.92 x 594.96 pts (A4)");
      const sheets = Number(/Pages: +(\d+)/.exec(about)?.[1]);
      // What Clickatell gets and what stays in the bank are sheets of their own.
      expect(sheets).toBeWithin(page === "exceptions" ? 2 : 1, 40);
      const text = said("pdftotext", "-layout", pdf, "-");
      const [first = ""] = text.split("\f");
      expect(first).toContain("ACME");
      for (const chart of charts) expect(text).toContain(chart);
      const head = /Journal head (\d+:[0-9a-f]{64})/.exec(text)?.[1] ?? "none";
      const verified = await bank.run(["verify", "--kept", head]);
      expect(verified.exit).toBe(0);
    });
  });

  test("every line of the exception report is on paper, its references whole", async () => {
    const pdf = join(dirname(bank.dataDir), "whole.pdf");
    writeFileSync(pdf, await browser.print(fileOf("exceptions")));
    const text = Bun.spawnSync(["pdftotext", "-raw", pdf, "-"]).stdout.toString();
    const { unconfirmed } = (await bank.json(words("reports exceptions"))) as {
      unconfirmed: { requestId: string; reference: string }[];
    };
    expect(unconfirmed.length).toBeGreaterThan(10);
    for (const { requestId, reference } of unconfirmed) {
      expect([requestId, text.includes(requestId)]).toEqual([requestId, true]);
      expect([reference, text.includes(reference)]).toEqual([reference, true]);
    }
  });
});
