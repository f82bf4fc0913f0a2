// Makes the bank that is measured, through the product's own init and store; only the PINs, which
// a command sets one by one, are written in one commit.
//
//   bun scripts/bench/seed.ts DATA_DIR ACCOUNTS [SIGNATURE_SECRET]
import { Database } from "bun:sqlite";
import { join } from "node:path";
import { openBank } from "../../src/bank.ts";
import { minor } from "../../src/domain/money.ts";
import { initBank, type SharedPlace } from "../../src/init.ts";
import { readPinKey } from "../../src/keys.ts";
import { pinHash } from "../../src/storage/pins.ts";
import { FIRST_BUYER, HAS_NOTHING, HAS_PIN, PIN } from "./client.ts";

/** So much for each that nobody runs out, and all together stay inside a balance's fifteen digits. */
const balanceOf = (accounts: number) =>
  minor(Math.min(10_000_000_000, Math.floor(900_000_000_000_000 / accounts)));
const ROWS_A_COMMIT = 5_000;
const BY = {
  loginUid: null,
  loginName: null,
  effectiveUid: 0,
  effectiveName: "bench",
  reason: "benchmark",
};

/** Makes a bank with so many accounts, buyers and limits that bind nobody; `shared`: elsewhere. */
export function seedBank(
  dataDir: string,
  accounts: number,
  secret: string | null,
  shared: SharedPlace | null = null,
): void {
  const identity = {
    code: "BENCH",
    currency: "ZAR",
    minorDigits: 2,
    timeZone: "Africa/Johannesburg",
    country: "ZA",
    demo: false,
  };
  initBank(dataDir, identity, secret, shared);
  const { store, close } = openBank(dataDir);
  const rows = Array.from({ length: accounts }, (_, account) => ({
    number: `A${account}`,
    name: `Account ${account}`,
    balance: HAS_NOTHING(account) ? minor(0) : balanceOf(accounts),
    overdraft: minor(0),
    status: "active" as const,
    buyers: [String(FIRST_BUYER + account)],
  }));
  for (let from = 0; from < rows.length; from += ROWS_A_COMMIT) {
    const some = rows.slice(from, from + ROWS_A_COMMIT);
    const added = store.addAccounts(BY, "accounts import", some, false);
    if (!added.ok || added.value.length > 0) throw new Error("the accounts were refused");
  }
  const figures = { min: minor(100), max: minor(1_000_000), dayAmount: minor(999_999_999_999) };
  store.setLimits(BY, { scope: "global", scopeKey: "*" }, figures);
  if (shared !== null) {
    for (const [account, { number }] of rows.entries()) {
      if (HAS_PIN(account)) store.setPin(BY, number, PIN);
    }
  }
  close();
  if (shared === null) setPins(dataDir, accounts);
}

function setPins(dataDir: string, accounts: number): void {
  const key = readPinKey(dataDir);
  if (key === null) throw new Error("the bank has no PIN key");
  const db = new Database(join(dataDir, "bank.db"));
  const set = db.query("UPDATE accounts SET pin_hash = ? WHERE number = ?");
  db.transaction(() => {
    for (let account = 0; account < accounts; account += 1) {
      if (!HAS_PIN(account)) continue;
      set.run(pinHash(key, `A${account}`, PIN), `A${account}`);
    }
  })();
  db.close();
}

if (import.meta.main) {
  const [dataDir = "", accounts = "", secret = null] = process.argv.slice(2);
  seedBank(dataDir, Number(accounts), secret);
}
