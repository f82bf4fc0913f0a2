// PostgreSQL as what a bank is moved from and to, on one connection as the owner of the tables. What
// is shut here is renamed: its schema is another, so that nobody finds its tables any more.
import { postgresPages } from "../move/pages.ts";
import {
  CREATE_MOVING,
  foundIn,
  MOVING,
  MoveRefused,
  NOTE_BEGUN,
  type Serving,
  type Source,
  type Target,
} from "../move/sides.ts";
import { TABLES } from "../move/tables.ts";
import type { Sql } from "../sql/sql.ts";
import { NOW_MS, SEEN_WITHIN_MS } from "./batch-load.ts";
import { type Client, createClient, ServerSaidNo } from "./client.ts";
import { assertNewest, MAKE_LOCK, MIGRATIONS, versionOf } from "./migrate.ts";
import {
  assertFit,
  CONNECT_WITHIN_MS,
  type Place,
  refuseToReconnect,
  sessionsOn,
  withAdvice,
} from "./reach.ts";
import { grantsTo } from "./roles.ts";
import { sqlOn } from "./sql.ts";

const WITHIN_MS = 3_600_000;
/** The sessions of a killed process are taken for gone once so long has passed. */
const ALIVE_WITHIN_MS = 5_000;
const SCHEMA = "transact_bank";
const movedSchema = (move: string): string => `${SCHEMA}_moved_${move}`;

type Connected = {
  readonly client: Client;
  readonly sql: Sql;
  readonly run: (text: string) => void;
};

/** Connects, and keeps every other move and `init` away from this database as long as it lasts. */
function connect(place: Place): Connected {
  const client = createClient(place);
  const run = (text: string) => void client.run([{ text, values: [] }], WITHIN_MS);
  try {
    client.connect(CONNECT_WITHIN_MS);
    run("SET idle_in_transaction_session_timeout = 0");
    // What a killed one had is free a moment after it.
    waitFor(() => run(`SELECT pg_advisory_lock(${MAKE_LOCK})`), "another move to or from it runs");
    const sql = sqlOn(client, { reconnect: refuseToReconnect, withinMs: WITHIN_MS });
    return { client, sql, run };
  } catch (error) {
    client.close();
    throw withAdvice(error, place);
  }
}

const hasTable = (sql: Sql, name: string): boolean =>
  (
    sql.query(`SELECT to_regclass('${SCHEMA}.${name}') IS NOT NULL AS there`).get() as {
      there: number;
    }
  ).there === 1;

// ---------------------------------------------------------------- to

type TargetOptions = {
  readonly owner: Place;
  readonly servingRole: string;
  /** Under which this data dir is known among the appliances. */
  readonly name: string;
};

/** An empty database, or what an earlier move left in it. Throws CannotOpen, MoveRefused. */
export function postgresTarget({ owner, servingRole, name }: TargetOptions): Target {
  const { client, sql, run } = connect(owner);
  try {
    // Pages follow keys in the order of their bytes, on both sides.
    assertFit(sql, owner);
    if (versionOf(sql) > 0) assertNewest(sql);
    // Pages need not be durable one by one: the last commit is, and all before it with it.
    run("SET synchronous_commit = off");
  } catch (error) {
    client.close();
    throw error;
  }
  return {
    sql,
    pages: postgresPages(sql),
    checks: [],
    found: () => (versionOf(sql) === 0 ? "nothing" : foundIn(sql, hasTable(sql, MOVING))),
    begin({ move, bank, state }) {
      sql
        .transaction(() => {
          for (const text of MIGRATIONS) run(text);
          for (const text of grantsTo(servingRole)) run(text);
          run(CREATE_MOVING);
          sql.query(NOTE_BEGUN).run(move, bank, state);
        })
        .immediate();
    },
    clear() {
      if (!hasTable(sql, MOVING)) throw new Error("this is no unfinished move");
      run(`DROP SCHEMA ${SCHEMA} CASCADE`);
    },
    copied() {
      // Whatever this commit follows is on the standbys as well when it returns.
      run("SET synchronous_commit = on");
      run(`ANALYZE ${TABLES.map((table) => table.name).join(", ")}`);
    },
    settle(serving) {
      settle(sql, name, serving);
    },
    close: () => client.close(),
  };
}

function settle(sql: Sql, name: string, { serving, openSince, interruptedSince }: Serving): void {
  for (const table of TABLES.filter(({ sequence }) => sequence)) {
    const next = `pg_get_serial_sequence('${SCHEMA}.${table.name}', 'id')`;
    sql.query(`SELECT setval(${next}, max(id)) FROM ${table.name} HAVING max(id) > 0`).values();
  }
  if (serving === 0 && interruptedSince === null) return;
  sql
    .query(
      `INSERT INTO appliances (name, serving, open_since, interrupted_since, seen_at)
       VALUES (?, ?, ?, ?, ?)`,
    )
    .run(name, serving, openSince, interruptedSince, openSince ?? 0);
}

// ---------------------------------------------------------------- from

/** The names of those that may be writing now; a person has to end them. */
function alive(sql: Sql): string[] {
  const seen = sql
    .query(
      `SELECT name FROM appliances WHERE serving = 1 AND seen_at > ${NOW_MS} - ${SEEN_WITHIN_MS}`,
    )
    .values()
    .flat() as string[];
  return [...new Set([...sessionsOn(sql, { andMine: false }), ...seen])];
}

/** What all appliances left open, as if one had: the earliest of each. */
const SERVING = `SELECT coalesce(max(serving), 0) AS serving,
    min(CASE serving WHEN 1 THEN open_since END) AS "openSince",
    CASE WHEN count(interrupted_since) > 0 THEN
      min(least(interrupted_since, CASE serving WHEN 1 THEN open_since END)) END
      AS "interruptedSince"
  FROM appliances`;

/**
 * The bank of a database, which no appliance serves, or what `move` closed of it. Throws CannotOpen,
 * MoveRefused.
 */
export function postgresSource(owner: Place, move: string | null): Source {
  const { client, sql, run } = connect(owner);
  try {
    // Its name says by which move it was closed, and that is known in the data dir that it goes to.
    const closed = move !== null && isMoved(sql, move) ? { move, to: "" } : null;
    if (closed !== null) run(`SET search_path = ${movedSchema(closed.move)}, pg_catalog, pg_temp`);
    else {
      assertNewest(sql);
      if (hasTable(sql, MOVING))
        throw new MoveRefused("the move to this database was not finished");
      refuseAlive(sql);
    }
    return {
      sql,
      pages: postgresPages(sql),
      checks: [],
      closed,
      serving: () => sql.query(SERVING).get() as Serving,
      hold: (all) =>
        waitFor(() => sql.transaction(all).immediate(), "a server or a command writes"),
      shut(by) {
        run(`ALTER SCHEMA ${SCHEMA} RENAME TO ${movedSchema(by.move)}`);
      },
      close: () => client.close(),
    };
  } catch (error) {
    client.close();
    throw error;
  }
}

function isMoved(sql: Sql, move: string): boolean {
  return sql.query("SELECT 1 FROM pg_namespace WHERE nspname = ?").get(movedSchema(move)) !== null;
}

function refuseAlive(sql: Sql): void {
  const until = performance.now() + ALIVE_WITHIN_MS;
  for (;;) {
    const names = alive(sql);
    if (names.length === 0) return;
    if (performance.now() > until) {
      throw new MoveRefused(
        `${names.join(", ")} ${names.length === 1 ? "uses" : "use"} this database: stop every ` +
          "server and command on it first; one that was killed is gone a minute later",
      );
    }
    Bun.sleepSync(100);
  }
}

/** Waiting for a lock is limited: whoever has it is at work. */
function waitFor<T>(run: () => T, who: string): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof ServerSaidNo) || error.state !== "55P03") throw error;
    throw new MoveRefused(`the database is in use (${who}): wait for that, or stop it`);
  }
}
