// Brings the tables of a shared database to this program's version, as their owner's role: nobody of
// an earlier version may be at work meanwhile, nor come back after.
import { CannotOpen } from "../cannot-open.ts";
import type { Sql } from "../sql/sql.ts";
import type { Client } from "./client.ts";
import { MAKE_LOCK, MIGRATIONS, type Versions, versionsOf } from "./migrate.ts";
import { onDatabase, type Place, sessionsOn } from "./reach.ts";
import { grantsTo } from "./roles.ts";
import { BEGIN, COMMIT, WRITE_LOCK } from "./sql.ts";

/** Rewriting a large table may take hours. */
const WITHIN_MS = 24 * 3_600_000;

function refuseOthers(db: Sql): void {
  const others = sessionsOn(db, { andMine: false });
  if (others.length === 0) return;
  throw new CannotOpen(
    `stop the servers of the earlier version first, on every appliance: ${others.join(", ")}`,
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
