// What a person sees on a terminal of 80 columns: no line is wider, and there are no colours where
// they are not wanted.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { stripVTControlCharacters } from "node:util";
import { program, type TestBank, words } from "./run.ts";
import { marchBank } from "./seeded.ts";

// Each command is a process of its own, and the machine may be busy.
setDefaultTimeout(60_000);

let bank: TestBank;
beforeAll(async () => {
  bank = await marchBank();
  for (const line of [
    "limits set --max 2000.00",
    "limits set --account 62-0001 --day-amount 4000.00",
    "holidays import --country ZA --year 2026",
    "backup create",
  ]) {
    const { exit, err } = await bank.run(words(line));
    expect([line, exit, err]).toEqual([line, 0, expect.any(String)]);
  }
});
afterAll(() => bank.remove());

/** What a command shows on a terminal of 80 by 24. */
async function onTerminal(line: string, env: Record<string, string> = {}): Promise<string> {
  let shown = "";
  const decoder = new TextDecoder();
  const child = Bun.spawn([...program, ...words(line)], {
    env: {
      PATH: process.env["PATH"],
      TERM: "xterm-256color",
      TRANSACT_BANK_DATA_DIR: bank.dataDir,
      ...env,
    },
    terminal: {
      cols: 80,
      rows: 24,
      data: (_, piece) => {
        shown += decoder.decode(piece, { stream: true });
      },
    },
  });
  await child.exited;
  child.terminal?.close();
  return shown;
}

const READS = [
  "accounts list",
  "accounts show 62-0001",
  "accounts statement 62-0001 --from 2026-03-01 --to 2026-03-31",
  "find 0731304702 --from 2026-03-01",
  "find raas-late",
  "find 62-0001",
  "reservations list",
  "reservations show raas-late",
  "findings list",
  "findings list --all",
  "findings show 1",
  "limits show",
  "limits test --from 2026-03-01 --to 2026-03-31",
  "holidays list",
  "reports exceptions",
  "reports exceptions --as-of 2026-06-01",
  "reports settlement --from 2026-03-01 --to 2026-03-31",
  "reports activity --from 2026-03-01 --to 2026-03-31",
  "reports balances",
  "journal list",
  "receipts list",
  "receipts show 1",
  "approvals list",
  "secrets list",
  "config show",
  "backup list",
  "status",
  "doctor",
  "verify",
  "upgrade --check",
  "version",
  "accounts shwo",
  "holidays import --country XX --year 2026",
  "accounts list --help",
] as const;

test.each(READS)("%s is no wider than 80 columns", async (line) => {
  const shown = stripVTControlCharacters(await onTerminal(line));
  // A body stands as it was received, on one line, so that it can be copied.
  const lines = shown.split(/\r?\n/).filter((each) => !each.startsWith("{"));
  expect(lines.length).toBeGreaterThan(1);
  expect(lines.filter((each) => Bun.stringWidth(each) > 80)).toEqual([]);
});

test.each([
  ["verify", {}, true],
  ["verify", { NO_COLOR: "1" }, false],
  ["verify --no-color", {}, false],
  ["doctor", {}, true],
  ["doctor", { NO_COLOR: "1" }, false],
  ["accounts --help", {}, true],
  ["accounts --help", { NO_COLOR: "1" }, false],
  ["accounts show gone", {}, true],
  ["accounts show gone --no-color", {}, false],
] as const)("%s with %j has colours on a terminal: %p", async (line, env, coloured) => {
  expect((await onTerminal(line, env)).includes("\u001b[")).toBe(coloured);
});
