// Makes a bank with something in every table and keeps its data dir beside this file, under the
// program's version. Run it once for each release whose tables are new, and never again for it:
//
//   bun test/released/make.ts
//
// released.test.ts shows that every later program opens it, migrates it and knows all its answers.
// The keys that are kept with it guard nothing else.
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { version } from "../../package.json" with { type: "json" };
import { openBank } from "../../src/bank.ts";
import { receive } from "../cli/purchases.ts";
import { newBank } from "../cli/run.ts";
import { MARCH } from "../cli/seeded.ts";
import { knownOf, PIN } from "./known.ts";

const folder = join(import.meta.dir, version);
const bank = await newBank();

async function admin(line: string, stdin = ""): Promise<void> {
  const words = line.split(" ").map((word) => word.replaceAll("_", " "));
  const { exit, err } = await bank.run([...words, "--yes"], { stdin });
  if (exit !== 0) throw new Error(`${line}: ${err}`);
}

await admin("accounts add 62-0001 --name Thandi --balance 5000.00 --overdraft 100.00");
await admin("accounts add 62-0002 --name Sipho --balance 50.00");
await admin("accounts status 62-0002 inactive");
await admin("accounts map 27731304702 62-0001");
await admin("accounts map 27731304703 62-0002");
await admin("accounts map 27731304704 62-0001");
await admin("accounts unmap 27731304704");
await admin("accounts block-buyer 27731304705");
await admin("accounts set-pin 62-0002", PIN);
await admin("limits set --max 2000.00 --day-amount 4000.00");
await admin("limits set --product 110 --min 5.00");
await admin("holidays add 2026-03-20 --name A_day_off");
receive(bank.dataDir, [
  ...MARCH,
  { at: "2026-03-04T08:00:00Z", result: "raas-overtaken", code: "2201" },
  { at: "2026-03-04T08:00:05Z", reserve: "raas-overtaken" },
  { at: "2026-03-04T09:00:00Z", reserve: "raas-nobody", buyerId: "27731304799" },
  { at: "2026-03-04T10:00:00Z", reserve: "raas-released" },
  { at: "2026-03-04T10:00:09Z", result: "raas-released", code: "2201" },
]);
await admin("reservations debit raas-released --reason The_token_was_used");
await admin("findings close 1 --reason Settled");
await admin("settlement pay 50.00 --reason The_week");
await admin("sales pause --reason Stocktaking");

mkdirSync(folder);
cpSync(bank.dataDir, folder, {
  recursive: true,
  filter: (name) => !/serve\.lock|bank\.db-/.test(name),
});
const opened = openBank(bank.dataDir);
writeFileSync(`${folder}.json`, `${JSON.stringify(knownOf(opened.store), null, 2)}\n`);
opened.close();
bank.remove();
