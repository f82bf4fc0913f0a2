// What the bank is, and whether it sells.
import { INTERNAL_ACCOUNTS } from "../../domain/account.ts";
import { CannotOpen } from "../cannot-open.ts";
import { pinKeyCheck } from "../pins.ts";
import type { Bank, BankIdentity } from "../store.ts";
import { RESTORED } from "./restores.ts";
import type { Sql } from "./sql.ts";

type BankRow = {
  code: string;
  currency: string;
  minorDigits: number;
  timeZone: string;
  country: string;
  demo: number;
  createdAt: number;
  pausedAt: number | null;
  pausedReason: string | null;
};

/** Throws CannotOpen where there is none. `knowsRestores`: false of the tables of an earlier version. */
export function bankOf(db: Sql, knowsRestores = true): Bank {
  const row = db
    .query(
      `SELECT code, currency, minor_digits AS minorDigits, time_zone AS timeZone, country, demo,
         created_at AS createdAt, sales_paused_at AS pausedAt,
         sales_paused_reason AS pausedReason FROM bank`,
    )
    .get() as BankRow | null;
  if (row === null) throw new CannotOpen("the database holds no bank: run transact-bank init");
  const { pausedAt, pausedReason, ...identity } = row;
  const byRestore = knowsRestores ? pausedByRestore(db) : null;
  return {
    ...identity,
    demo: row.demo === 1,
    salesPaused: pausedAt === null ? byRestore : { at: pausedAt, reason: pausedReason ?? "" },
  };
}

/** A restored bank sells nothing until that is acknowledged. */
function pausedByRestore(db: Sql): Bank["salesPaused"] {
  const { at } = db
    .query("SELECT max(to_at) AS at FROM restores WHERE acknowledged_by IS NULL")
    .get() as { at: number | null };
  return at === null ? null : { at, reason: RESTORED };
}

/** A PIN key that is not the one the PINs were hashed with would lock every buyer out. */
export function checkPinKey(db: Sql, pinKey: Uint8Array | null): void {
  if (pinKey === null) return;
  const row = db.query("SELECT pin_key_check AS known FROM bank").get() as { known: string | null };
  if (row.known !== null && row.known !== pinKeyCheck(pinKey)) {
    throw new CannotOpen("keys/pin.key is not this bank's PIN key: put the right one back");
  }
}

export type NewBank = BankIdentity & { readonly createdAt: number };

/** Writes the bank and its own accounts into empty tables; call it within a write. */
export function insertBank(db: Sql, bank: NewBank, pinKeyCheck: string): void {
  db.query(
    `INSERT INTO bank (id, code, currency, minor_digits, time_zone, country, demo, created_at,
       pin_key_check) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)`,
  ).run(
    bank.code,
    bank.currency,
    bank.minorDigits,
    bank.timeZone,
    bank.country,
    bank.demo ? 1 : 0,
    bank.createdAt,
    pinKeyCheck,
  );
  const account = db.query(
    "INSERT INTO accounts (number, name, internal, status, created_at) VALUES (?, ?, ?, 'active', ?)",
  );
  for (const [internal, { number, name }] of Object.entries(INTERNAL_ACCOUNTS)) {
    account.run(number, name, internal, bank.createdAt);
  }
}
