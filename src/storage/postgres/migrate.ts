// The tables of a database: made by the owner's role, used by the serving one.
import { INTERNAL_ACCOUNTS } from "../../domain/account.ts";
import { CannotOpen } from "../cannot-open.ts";
import type { Sql } from "../sql/sql.ts";
import type { BankIdentity } from "../store.ts";
import type { Client } from "./client.ts";
import bank from "./migrations/0001_bank.sql" with { type: "text" };
import { grantsTo } from "./roles.ts";
import { BEGIN, COMMIT, ROLLBACK } from "./sql.ts";

/** The one list of migrations. Add to its end; never change one that was released. */
export const MIGRATIONS: readonly string[] = [bank];

const WITHIN_MS = 600_000;

/** The version of the tables: how many migrations made them; 0 where there are none. */
export function versionOf(db: Sql): number {
  const { there } = db
    .query("SELECT to_regclass('transact_bank.schema_version') IS NOT NULL AS there")
    .get() as { there: number };
  if (there === 0) return 0;
  return (db.query("SELECT version FROM schema_version").get() as { version: number }).version;
}

/** Throws CannotOpen, with what to do, where the tables are not those that this program knows. */
export function assertNewest(db: Sql): void {
  const version = versionOf(db);
  if (version === MIGRATIONS.length) return;
  if (version === 0) {
    throw new CannotOpen("the database holds no bank: run transact-bank init, or migrate-to");
  }
  throw new CannotOpen(
    version > MIGRATIONS.length
      ? `the database has version ${version}, this program knows ${MIGRATIONS.length}: use the newer program`
      : "the database was made by an earlier version of this program: run transact-bank upgrade",
  );
}

export type NewDatabase = {
  readonly bank: BankIdentity & { readonly createdAt: number };
  readonly pinKeyCheck: string;
  /** The role that serves. */
  readonly servingRole: string;
};

/**
 * Makes the tables and the bank in an empty database, in one transaction, as the owner's role.
 * Throws CannotOpen where there is a bank already.
 */
export function createBank(client: Client, db: Sql, made: NewDatabase): void {
  if (versionOf(db) !== 0) throw new CannotOpen("the database holds a bank already");
  try {
    client.run([BEGIN], WITHIN_MS);
    for (const sql of MIGRATIONS) client.run([{ text: sql, values: [] }], WITHIN_MS);
    insertBank(client, made);
    for (const text of grantsTo(made.servingRole)) client.run([{ text, values: [] }], WITHIN_MS);
    client.run([COMMIT], WITHIN_MS);
  } catch (error) {
    client.run([ROLLBACK], WITHIN_MS);
    throw error;
  }
}

function insertBank(client: Client, { bank: of, pinKeyCheck }: NewDatabase): void {
  client.run(
    [
      {
        text: `INSERT INTO bank (id, code, currency, minor_digits, time_zone, country, demo, created_at,
          pin_key_check) VALUES (1, $1, $2, $3, $4, $5, $6, $7, $8)`,
        values: [
          of.code,
          of.currency,
          of.minorDigits,
          of.timeZone,
          of.country,
          of.demo ? 1 : 0,
          of.createdAt,
          pinKeyCheck,
        ],
      },
      ...Object.entries(INTERNAL_ACCOUNTS).map(([internal, { number, name }]) => ({
        text: `INSERT INTO accounts (number, name, internal, status, created_at)
          VALUES ($1, $2, $3, 'active', $4)`,
        values: [number, name, internal, of.createdAt],
      })),
    ],
    WITHIN_MS,
  );
}
