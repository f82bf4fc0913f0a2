// Why a database cannot be used, said to whoever can mend it: how it is reached, and what it must be.
import { version } from "../../../package.json";
import { CannotOpen } from "../cannot-open.ts";
import type { Sql } from "../sql/sql.ts";
import {
  type Client,
  type ClientAddress,
  ConnectionLost,
  createClient,
  ServerSaidNo,
} from "./client.ts";
import { sqlOn } from "./sql.ts";

/** Connecting takes so long at most, over all hosts of the address. */
export const CONNECT_WITHIN_MS = 15_000;
/** Making the tables may take long, as on a slow disk. */
const ASKED_WITHIN_MS = 600_000;
/** How every session of ours names itself, and what is left of that is whose it is. */
const SESSION = "transact-bank ";

/** A database, and as whom; `name` as its list of sessions has it. */
export type Place = ClientAddress & {
  /** What named it to the person, such as "--database". */
  readonly from: string;
  /** What gave its password, such as "keys/database.password". */
  readonly passwordFrom: string;
};

/** The database of a data dir, in which this appliance goes by `name`. */
export const placeOf = ({
  database,
  name,
}: {
  readonly database: Pick<ClientAddress, "address" | "password">;
  readonly name: string;
}): Place => ({
  ...database,
  // As much of it as PostgreSQL keeps. doctor tells of appliances of another version by it.
  name: `${SESSION}${version} ${name}`.slice(0, 63),
  from: "database in config.toml",
  passwordFrom: "keys/database.password",
});

const COLLATION = "TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'";

/** What to do, by the SQLSTATE with which a connection is refused. */
function adviceOf({ state }: ConnectionLost, { address, from, passwordFrom }: Place): string {
  const { user, database } = address;
  switch (state) {
    case "28P01":
      return `correct the password of the role ${user} (${passwordFrom}), or its name in ${from}`;
    case "28000":
      return `let the role ${user} in from this machine (CREATE ROLE ... LOGIN, and pg_hba.conf)`;
    case "3D000":
      return `make it as a superuser: CREATE DATABASE "${database}" OWNER ... ${COLLATION}`;
    case "42501":
      return `a superuser can do: GRANT CONNECT ON DATABASE "${database}" TO "${user}"`;
    case "53300":
      return "it has no room for another connection: raise max_connections, or end idle ones";
    case "57P03":
      return "it is starting or ending: try again in a moment";
    default:
      return `check ${from}, and that its servers run and can be reached from this machine`;
  }
}

export const unreachable = (error: ConnectionLost, place: Place): CannotOpen =>
  new CannotOpen(`the database cannot be reached (${error.message}): ${adviceOf(error, place)}`);

/** The role may not do what it must; else the error itself. */
export function withAdvice(error: unknown, place: Place): unknown {
  if (error instanceof ConnectionLost) return unreachable(error, place);
  if (!(error instanceof ServerSaidNo) || error.state !== "42501") return error;
  const { user } = place.address;
  return new CannotOpen(
    `the role ${user} lacks a right in the database (${error.message}): the tables' owner can give ` +
      "it what serving needs (docs/scale.md), and a superuser what makes tables (ALTER DATABASE ... OWNER TO)",
  );
}

/** What a session holds, a lock or a transaction, is gone with it: nothing may go on in another one. */
export function refuseToReconnect(): never {
  throw new CannotOpen("the connection to the database was lost: run the same command again");
}

/** The servers and commands that are connected to this database, by name. */
export function sessionsOn(db: Sql, { andMine }: { andMine: boolean }): string[] {
  const names = db
    .query(
      `SELECT DISTINCT application_name AS name FROM pg_stat_activity
       WHERE datname = current_database() AND application_name LIKE '${SESSION}%'
         ${andMine ? "" : "AND pid <> pg_backend_pid()"} ORDER BY application_name`,
    )
    .values()
    .flat() as string[];
  return names.map((name) => name.slice(SESSION.length));
}

/** Connects, asks and lets go. Throws CannotOpen, with what to do. */
export function onDatabase<T>(place: Place, ask: (db: Sql, client: Client) => T): T {
  const client = createClient(place);
  try {
    client.connect(CONNECT_WITHIN_MS);
    return ask(sqlOn(client, { reconnect: refuseToReconnect, withinMs: ASKED_WITHIN_MS }), client);
  } catch (error) {
    throw withAdvice(error, place);
  } finally {
    client.close();
  }
}

/** Holds an advisory lock in a session of its own; gives what lets it go. `taken`: where another has it. */
export function lockInDatabase(place: Place, lock: number, taken: string): () => void {
  const client = createClient(place);
  try {
    client.connect(CONNECT_WITHIN_MS);
    const db = sqlOn(client, { reconnect: refuseToReconnect, withinMs: ASKED_WITHIN_MS });
    const { got } = db.query(`SELECT pg_try_advisory_lock(${lock}) AS got`).get() as {
      got: number;
    };
    if (got !== 1) throw new CannotOpen(taken);
    return client.close;
  } catch (error) {
    client.close();
    throw withAdvice(error, place);
  }
}

/** What a database without one risks. */
export const NO_STANDBY =
  "no synchronous standby is named: a lost machine takes its last purchases with it";

export const OLDEST_SERVER = 150_000;

/** True of a database whose texts are in the order of their bytes, as SQLite's are. */
export const sortsByBytes = (of: { readonly encoding: string; readonly collation: string }) =>
  of.encoding === "UTF8" && /^(C|POSIX)$/.test(of.collation);

type Fitness = {
  server: number;
  shown: string;
  encoding: string;
  collation: string;
  provider: string;
  mayCreate: number;
};

/** Throws CannotOpen where a bank's tables cannot be made in a database as it is. */
export function assertFit(db: Sql, { address }: Pick<ClientAddress, "address">): void {
  const { server, shown, encoding, collation, provider, mayCreate } = db
    .query(
      `SELECT CAST(current_setting('server_version_num') AS BIGINT) AS server,
         current_setting('server_version') AS shown, pg_encoding_to_char(encoding) AS encoding,
         datcollate AS collation, CAST(datlocprovider AS TEXT) AS provider,
         has_database_privilege(current_user, datname, 'CREATE') AS "mayCreate"
       FROM pg_database WHERE datname = current_database()`,
    )
    .get() as Fitness;
  const name = `"${address.database}"`;
  if (server < OLDEST_SERVER) {
    throw new CannotOpen(`the server is PostgreSQL ${shown}: 15 or later is needed`);
  }
  if (!sortsByBytes({ encoding, collation }) || provider === "i") {
    throw new CannotOpen(
      `the database ${name} is in ${encoding} with collation ${collation}, and must sort by bytes: ` +
        `make it anew, CREATE DATABASE ${name} OWNER "${address.user}" ${COLLATION}`,
    );
  }
  if (mayCreate !== 1) {
    throw new CannotOpen(
      `the role ${address.user} may make no tables in ${name}: ` +
        `ALTER DATABASE ${name} OWNER TO "${address.user}", or name the owner with --database-owner`,
    );
  }
}

/** Tells one database of one server from any other. */
export function identityOf(db: Sql): string {
  const row = db
    .query(
      `SELECT CAST(oid AS BIGINT) AS oid,
         CAST(extract(epoch FROM pg_postmaster_start_time()) * 1000000 AS BIGINT) AS started
       FROM pg_database WHERE datname = current_database()`,
    )
    .get() as { oid: number; started: number };
  return `${row.oid} ${row.started}`;
}
