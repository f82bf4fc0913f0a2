// The tables of a database: made by the owner's role, used by the serving one.
import { CannotOpen } from "../cannot-open.ts";
import { insertBank, type NewBank } from "../sql/bank.ts";
import type { Sql } from "../sql/sql.ts";
import { ConnectionLost } from "./client.ts";
import type { Query } from "./messages.ts";
import bank from "./migrations/0001_bank.sql" with { type: "text" };
import { assertFit, onDatabase, type Place } from "./reach.ts";
import { grantsTo } from "./roles.ts";
import { BEGIN, COMMIT } from "./sql.ts";

/** The one list of migrations. Add to its end; never change one that was released. */
export const MIGRATIONS: readonly string[] = [bank];

/** Held by whoever makes or changes tables. */
export const MAKE_LOCK = 7_200;

const WITHIN_MS = 600_000;

/** The version of the tables: how many migrations made them; 0 where there are none. */
export function versionOf(db: Sql): number {
  const { there } = db
    .query("SELECT to_regclass('transact_bank.schema_version') IS NOT NULL AS there")
    .get() as { there: number };
  if (there === 0) return 0;
  return (db.query("SELECT version FROM schema_version").get() as { version: number }).version;
}

export type Versions = { readonly from: number; readonly to: number };

/** The version of the tables, and this program's. Throws CannotOpen where there is no bank. */
export function versionsOf(db: Sql, migrations = MIGRATIONS): Versions {
  const from = versionOf(db);
  const to = migrations.length;
  if (from === 0)
    throw new CannotOpen("the database holds no bank: run transact-bank init, or migrate-to");
  if (from <= to) return { from, to };
  throw new CannotOpen(
    `the database has version ${from}, this program knows ${to}: use the newer program`,
  );
}

/** Throws CannotOpen, with what to do, where the tables are not those that this program knows. */
export function assertNewest(db: Sql): void {
  const { from, to } = versionsOf(db);
  if (from === to) return;
  throw new CannotOpen(
    "the database was made by an earlier version of this program: stop every appliance, then run " +
      "transact-bank upgrade --database-owner URL",
  );
}

export type NewDatabase = {
  readonly bank: NewBank;
  /** Tells the PIN key from another one. */
  readonly pinKeyCheck: string;
  /** The role that serves. */
  readonly servingRole: string;
};

/** Throws CannotOpen where a database is not one in which a bank can be made. */
export function assertEmptyDatabase(db: Sql, owner: Place): void {
  assertFit(db, owner);
  if (versionOf(db) !== 0) throw new CannotOpen("the database holds a bank already");
}

/**
 * Makes the tables and the bank in an empty database, in one transaction, as the owner's role.
 * `prepare` makes what belongs to the bank outside the database; it runs only for a new bank. Throws
 * CannotOpen where there is a bank already, or no database.
 */
export function createSharedBank(owner: Place, prepare: () => NewDatabase): void {
  onDatabase(owner, (db, client) => {
    const run = (...queries: Query[]) => client.run(queries, WITHIN_MS);
    const asked = (text: string): Query => ({ text, values: [] });
    run(BEGIN, asked(`SELECT pg_advisory_xact_lock(${MAKE_LOCK})`));
    assertEmptyDatabase(db, owner);
    for (const sql of MIGRATIONS) run(asked(sql));
    const made = prepare();
    insertBank(db, made.bank, made.pinKeyCheck);
    for (const text of grantsTo(made.servingRole)) run(asked(text));
    try {
      run(COMMIT);
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      throw new CannotOpen(
        `the connection was lost as the bank was made (${error.message}): see whether it is there ` +
          "with transact-bank status, and if not run this again",
      );
    }
  });
}
