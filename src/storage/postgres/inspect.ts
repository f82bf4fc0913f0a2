// What doctor wants to know of a shared database: its tables, and how its server keeps them.

import { bankOf } from "../sql/bank.ts";
import { type InspectedTables, inspectTables } from "../sql/inspect.ts";
import type { Sql } from "../sql/sql.ts";
import { NOW_MS } from "./batch-load.ts";
import { versionsOf } from "./migrate.ts";
import { onDatabase, type Place, sessionsOn } from "./reach.ts";

/** A setting as the server has it, not the session, which sets its own. */
type Settings = {
  readonly fsync: string;
  readonly full_page_writes: string;
  readonly synchronous_commit: string;
  readonly synchronous_standby_names: string;
  readonly default_transaction_isolation: string;
};

export type SharedFacts = {
  readonly user: string;
  readonly serverVersion: string;
  readonly serverNumber: number;
  readonly encoding: string;
  readonly collation: string;
  readonly settings: Settings;
  /** Whether this role sees how standbys are; without that `standbys` is of no use. */
  readonly seesStandbys: boolean;
  /** Synchronous ones that stream now, by name. */
  readonly standbys: readonly string[];
  /** How far the database's clock is ahead of this machine's. */
  readonly clockAheadMs: number;
  readonly overNetwork: boolean;
  readonly encrypted: boolean;
  /** What this role may beyond what serving needs. */
  readonly powers: readonly string[];
  /** Names of the connected servers and commands, "0.2.0 host:dir". */
  readonly connected: readonly string[];
  /** What is under dual control in the bank. */
  readonly dualControl: readonly string[];
};

export type SharedInspection = InspectedTables & {
  readonly version: number;
  readonly newestVersion: number;
  readonly shared: SharedFacts;
};

const SETTINGS = `SELECT name, reset_val AS value FROM pg_settings WHERE name IN ('fsync',
  'full_page_writes', 'synchronous_commit', 'synchronous_standby_names',
  'default_transaction_isolation')`;

const ABOUT = `SELECT current_user AS role, current_setting('server_version') AS server,
    CAST(current_setting('server_version_num') AS BIGINT) AS number,
    pg_encoding_to_char(d.encoding) AS encoding, d.datcollate AS collation,
    pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees,
    coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS encrypted,
    inet_client_addr() IS NOT NULL AND inet_client_addr() <> inet_server_addr()
      AND NOT inet_client_addr() <<= '127.0.0.0/8' AS network,
    (SELECT dual_control FROM bank) AS kinds
  FROM pg_database d WHERE d.datname = current_database()`;

const STANDBYS = `SELECT application_name AS name FROM pg_stat_replication
  WHERE state = 'streaming' AND sync_state IN ('sync', 'quorum') ORDER BY application_name`;

const POWERS = `SELECT r.rolsuper AS "superuser", r.rolcreaterole AS "may make roles",
    r.rolcreatedb AS "may make databases", r.rolreplication AS "may replicate",
    EXISTS (SELECT 1 FROM pg_tables t WHERE t.schemaname = 'transact_bank'
      AND pg_has_role(current_user, t.tableowner, 'USAGE')) AS "owns the tables"
  FROM pg_roles r WHERE r.rolname = current_user`;

type About = {
  role: string;
  server: string;
  number: number;
  encoding: string;
  collation: string;
  sees: number;
  encrypted: number;
  network: number;
  kinds: string;
};

function clockAheadMs(db: Sql): number {
  const before = Date.now();
  const { now } = db.query(`SELECT ${NOW_MS} AS now`).get() as { now: number };
  return Math.round(now - (before + Date.now()) / 2);
}

function sharedFacts(db: Sql): SharedFacts {
  const about = db.query(ABOUT).get() as About;
  const rows = db.query(SETTINGS).all() as { name: string; value: string }[];
  const named = (sql: string) => (db.query(sql).all() as { name: string }[]).map((row) => row.name);
  const powers = db.query(POWERS).get() as { [power: string]: number };
  return {
    user: about.role,
    serverVersion: about.server,
    serverNumber: about.number,
    encoding: about.encoding,
    collation: about.collation,
    settings: Object.fromEntries(rows.map(({ name, value }) => [name, value])) as Settings,
    seesStandbys: about.sees === 1,
    standbys: about.sees === 1 ? named(STANDBYS) : [],
    clockAheadMs: clockAheadMs(db),
    overNetwork: about.network === 1,
    encrypted: about.encrypted === 1,
    powers: Object.keys(powers).filter((power) => powers[power] === 1),
    connected: sessionsOn(db, { andMine: true }),
    dualControl: JSON.parse(about.kinds) as string[],
  };
}

/** Throws CannotOpen, with what to do, where the database cannot be read. */
export function inspectShared(place: Place, tailLength: number): SharedInspection {
  return onDatabase(place, (db) => {
    const { from, to } = versionsOf(db);
    return {
      version: from,
      newestVersion: to,
      shared: sharedFacts(db),
      ...inspectTables(db, bankOf(db), tailLength),
    };
  });
}
