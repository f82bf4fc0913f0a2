// The PostgreSQL engine of the port: several appliances, all serving, on one database. What each batch
// does is in batch.ts; what admins change and look at is the SQL that both engines share.
import { chainStart } from "../chain.ts";
import { bankOf, checkPinKey } from "../sql/bank.ts";
import { accountIdsOn } from "../sql/journal.ts";
import { type AdminOptions, adminStoreOn } from "../sql/store.ts";
import type { Store } from "../store.ts";
import { batchesOn } from "./batch.ts";
import { NOW_MS, SEEN_WITHIN_MS } from "./batch-load.ts";
import { type ClientAddress, ConnectionLost, createClient } from "./client.ts";
import { assertNewest } from "./migrate.ts";
import { CONNECT_WITHIN_MS, NO_STANDBY, placeOf, withAdvice } from "./reach.ts";
import { sqlOn } from "./sql.ts";
import { postgresChecks } from "./verify.ts";

/** A report may read for long; a server's thread that answers may not wait. */
const ADMIN_WITHIN_MS = 3_600_000;
const SERVING_WITHIN_MS = 5_000;

/** `now`: null for the database's clock, which all appliances share. `name`: this appliance's. */
export type PostgresOptions = Omit<AdminOptions, "now"> & {
  readonly database: Pick<ClientAddress, "address" | "password">;
  readonly name: string;
  readonly serving: boolean;
  readonly now: (() => number) | null;
};

/** Throws CannotOpen where the database cannot be reached or is not this program's. */
export function openPostgresStore(options: PostgresOptions): Store {
  const { database, name, now } = options;
  const client = createClient(placeOf({ database, name }));
  const connect = () => client.connect(CONNECT_WITHIN_MS);
  try {
    connect();
    const db = sqlOn(client, {
      reconnect: connect,
      withinMs: options.serving ? SERVING_WITHIN_MS : ADMIN_WITHIN_MS,
    });
    assertNewest(db);
    const bank = bankOf(db);
    checkPinKey(db, options.pinKey);
    const clock = db.query(`SELECT ${NOW_MS} AS now`);
    const adminOptions = { ...options, now: now ?? (() => (clock.get() as { now: number }).now) };
    const engine = {
      bank: () => bankOf(db),
      // What a reader sees was committed, and a commit is seen when the standby has it.
      durable: <A extends unknown[], R>(read: (...args: A) => R) => read,
      afterWrite: () => {},
      // Of one moment: what other appliances commit meanwhile may have lower ids than what was read.
      verifying: <T>(checks: () => T) => db.transaction(checks)(),
      // Looked for when they run: the superuser may have given them meanwhile.
      get checks() {
        return postgresChecks(db);
      },
    };
    const standbys = db.query("SELECT current_setting('synchronous_standby_names') AS names");
    const ended = db.query("UPDATE appliances SET serving = 0, open_since = NULL WHERE name = ?");
    const { desk } = adminStoreOn(db, engine, adminOptions);
    const batches = batchesOn({
      client,
      bank,
      options,
      accountId: accountIdsOn(db),
      start: chainStart(bank),
      name,
    });

    return {
      ...desk,
      bank: engine.bank,
      risk: () => ((standbys.get() as { names: string }).names === "" ? NO_STANDBY : null),
      applyNow: batches.applyNow,
      applyBatch: async (operations, times) => batches.applyNow(operations, times),
      // A commit that returned is durable already.
      flush: () => Promise.resolve(),
      // Only a commit of its own tells whether what is there is durable: a repeat waits for that.
      repeatOf: () => null,
      beginServing: () => beginServing(db, name, adminOptions.now()),
      endServing() {
        try {
          db.transaction(() => ended.run(name)).immediate();
        } catch (error) {
          // The next start looks for what this one left open: no harm.
          if (!(error instanceof ConnectionLost)) throw error;
        }
        return true;
      },
      close: () => client.close(),
    };
  } catch (error) {
    client.close();
    throw withAdvice(error, placeOf({ database, name }));
  }
}

/**
 * Notes that this appliance serves. Gives from when on requests may have been left open: by its own
 * last run, or by an appliance that wrote nothing for a minute though it had some.
 */
function beginServing(db: ReturnType<typeof sqlOn>, name: string, now: number) {
  return db
    .transaction(() => {
      db.query(
        `INSERT INTO appliances AS a (name, serving, open_since, seen_at)
         VALUES ($name, 1, $now, ${NOW_MS})
         ON CONFLICT (name) DO UPDATE SET serving = 1, open_since = $now, seen_at = ${NOW_MS},
           interrupted_since = coalesce(a.interrupted_since,
             CASE a.serving WHEN 1 THEN a.open_since END)`,
      ).run({ name, now });
      // One that is only slow still serves: what it leaves open from now on is known by its next batch.
      const others = db
        .query(
          `UPDATE appliances SET open_since = NULL
           WHERE name <> $name AND serving = 1 AND open_since IS NOT NULL
             AND seen_at < ${NOW_MS} - ${SEEN_WITHIN_MS}
           RETURNING (SELECT o.open_since FROM appliances o WHERE o.name = appliances.name) AS since`,
        )
        .all({ name }) as { since: number | null }[];
      const own = db
        .query("SELECT interrupted_since AS since FROM appliances WHERE name = ?")
        .get(name) as { since: number | null };
      const left = [own, ...others].flatMap(({ since }) => since ?? []);
      if (left.length === 0) return null;
      const since = Math.min(...left);
      db.query("UPDATE appliances SET interrupted_since = ? WHERE name = ?").run(since, name);
      // The clock may have been set back since: the last of them may be later than now.
      const { last } = db
        .query(
          "SELECT max(reserved_at) AS last FROM requests WHERE state = 'reserved' AND reserved_at >= ?",
        )
        .get(since) as { last: number | null };
      return { since, until: Math.max(now, last ?? now) };
    })
    .immediate();
}
