// Brings the tables of a shared database to this program's version, as their owner's role: nobody of
// an earlier version may be at work meanwhile, nor come back after.
import { CannotOpen } from "../cannot-open.ts";
import type { Sql } from "../sql/sql.ts";
import type { Client } from "./client.ts";
import { MAKE_LOCK, MIGRATIONS, versionOf } from "./migrate.ts";
import { onDatabase, type Place } from "./reach.ts";
import { grantsTo } from "./roles.ts";
import { BEGIN, COMMIT, WRITE_LOCK } from "./sql.ts";

/** Rewriting a large table may take hours. */
const WITHIN_MS = 24 * 3_600_000;

export type Versions = { readonly from: number; readonly to: number };

/** The version of the tables, and this program's. Throws CannotOpen where there is no bank. */
export function versionsOf(db: Sql, migrations = MIGRATIONS): Versions {
  const from = versionOf(db);
  const to = migrations.length;
  if (from === 0) throw new CannotOpen("the database holds no bank: run transact-bank init");
  if (from <= to) return { from, to };
  throw new CannotOpen(
    `the database has version ${from}, this program knows ${to}: use the newer program`,
  );
}

/** Every server and command names itself to the database, for whoever asks, idle or not. */
function refuseOthers(db: Sql): void {
  const others = db
    .query(
      `SELECT DISTINCT application_name AS name FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid()
         AND application_name LIKE 'transact-bank %' ORDER BY application_name`,
    )
    .all() as { name: string }[];
  if (others.length === 0) return;
  const names = others.map(({ name }) => name.replace("transact-bank ", ""));
  throw new CannotOpen(
    `stop the servers of the earlier version first, on every appliance: ${names.join(", ")}`,
  );
}

/**
 * Upgrades, where that is due, in one commit; gives the versions before and after. Throws CannotOpen
 * while any appliance is connected, and then changes nothing.
 */
export function upgradeShared(
  owner: Place,
  servingRole: string,
  migrations: readonly string[] = MIGRATIONS,
): Versions {
  return onDatabase(owner, (db, client) => upgradeOn(db, client, { servingRole, migrations }));
}

function upgradeOn(
  db: Sql,
  client: Client,
  { servingRole, migrations }: { servingRole: string; migrations: readonly string[] },
): Versions {
  const run = (text: string) => client.run([{ text, values: [] }], WITHIN_MS);
  client.run([BEGIN], WITHIN_MS);
  run(`SELECT pg_advisory_xact_lock(${MAKE_LOCK})`);
  run(`SELECT pg_advisory_xact_lock(${WRITE_LOCK})`);
  const { from, to } = versionsOf(db, migrations);
  if (from === to) return { from, to };
  refuseOthers(db);
  for (const sql of migrations.slice(from)) run(sql);
  run(`UPDATE schema_version SET version = ${to}`);
  // A server that was cut off and comes back meanwhile finds its row taken, and ends.
  run("UPDATE appliances SET epoch = epoch + 1");
  for (const text of grantsTo(servingRole)) run(text);
  refuseOthers(db);
  client.run([COMMIT], WITHIN_MS);
  return { from, to };
}
