// The thread that speaks with PostgreSQL, so that whoever asks may wait for the rows (client.ts). One
// connection; statements of one request are sent without waiting in between.
import { messageOf } from "../../errors.ts";
import type { Address, Host } from "./address.ts";
import type { ClientOptions, Failure, Query, Reply, Request, Rows } from "./messages.ts";

declare const self: Worker;

/** A server that does not answer is passed over. */
const CONNECT_WITHIN_S = 3;

/**
 * Of every session. A COMMIT that returned is on the synchronous standby, whatever the server's own
 * default is; nothing ends a statement by itself but waiting for a lock; what a dead machine left is
 * rolled back soon.
 */
const SETTINGS = [
  "SET synchronous_commit = on",
  "SET search_path = transact_bank, pg_catalog, pg_temp",
  "SET statement_timeout = 0",
  "SET lock_timeout = '10s'",
  "SET idle_in_transaction_session_timeout = '10s'",
  "SET tcp_user_timeout = '10s'",
  "SET TIME ZONE 'UTC'",
].join("; ");

type Connection = { readonly sql: Bun.SQL; readonly session: Bun.ReservedSQL };
type ServerError = {
  readonly errno?: string;
  readonly code?: string;
  readonly constraint?: string;
};

let connection: Connection | null = null;

function failureOf(error: unknown): Failure {
  const { errno = "", code = "", constraint = null } = error as ServerError;
  const state = /^[0-9A-Z]{5}$/.test(String(errno)) ? String(errno) : "";
  // 57P01 and on: the server ends, or took the connection away. 08: the connection failed. What the
  // client itself refuses to send is no loss of the connection.
  const isOwn = /^ERR_POSTGRES_(?!CONNECTION|.*TIMEOUT)/.test(code);
  const isLost = state === "" ? !isOwn : /^(57P0[1-5]|08...)$/.test(state);
  return {
    kind: isLost ? "lost" : "server",
    state,
    message: messageOf(error),
    constraint: constraint ?? null,
  };
}

const tlsOf = ({ tls }: Address, { name }: Host) =>
  tls === null
    ? false
    : {
        rejectUnauthorized: true,
        serverName: name,
        ...(tls.ca === null ? {} : { ca: Bun.file(tls.ca) }),
      };

async function connectTo(address: Address, host: Host, password: string | null, name: string) {
  const sql = new Bun.SQL({
    adapter: "postgres",
    hostname: host.name,
    port: host.port,
    username: address.user,
    database: address.database,
    ...(password === null ? {} : { password }),
    tls: tlsOf(address, host),
    max: 1,
    bigint: true,
    connectionTimeout: CONNECT_WITHIN_S,
    idleTimeout: 0,
    maxLifetime: 0,
    connection: { application_name: name },
  });
  try {
    const session = await sql.reserve();
    await session.unsafe(SETTINGS);
    const [row] = await session.unsafe(
      "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on' AS no",
    );
    if (row.no) throw new Error("it takes no writes: it is a standby");
    return { sql, session };
  } catch (error) {
    void sql.close({ timeout: 0 }).catch(() => {});
    throw error;
  }
}

/** To all hosts at once, for one that does not answer would have the others wait. */
async function connect(address: Address, password: string | null, name: string): Promise<Reply> {
  disconnect();
  const tries = address.hosts.map((host) => connectTo(address, host, password, name));
  const first = await Promise.any(tries).catch(() => null);
  connection = first;
  for (const one of tries) one.then((made) => made !== first && close(made), noted);
  if (first !== null) return { done: [] };
  const failed = (await Promise.allSettled(tries)) as PromiseRejectedResult[];
  const why = address.hosts.map(
    ({ name: host, port }, index) => `${host}:${port}: ${messageOf(failed[index]?.reason)}`,
  );
  const last = failureOf(failed.at(-1)?.reason);
  return { failure: { ...last, kind: "lost", message: why.join("; ") } };
}

/** Why it failed is said where all of them did. */
const noted = () => {};

function close({ sql }: Connection): void {
  void sql.close({ timeout: 0 }).catch(() => {});
}

function disconnect(): void {
  if (connection !== null) close(connection);
  connection = null;
}

/** A number for every whole number, 0 or 1 for a truth value: as SQLite gives them. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  return typeof value === "boolean" ? Number(value) : value;
}

function plainRows(rows: readonly unknown[], lists: boolean): unknown[] {
  if (lists) return rows.map((row) => (row as unknown[]).map(plain));
  return rows.map((row) => {
    const object = row as { [name: string]: unknown };
    for (const name of Object.keys(object)) object[name] = plain(object[name]);
    return { ...object };
  });
}

async function run({ session }: Connection, { text, values, lists = false }: Query): Promise<Rows> {
  // Without values a text may hold several statements, as a migration does.
  const query = values.length === 0 ? session.unsafe(text) : session.unsafe(text, [...values]);
  const rows = (await (lists ? query.values() : query)) as unknown[] & Rows;
  return { rows: plainRows(rows, lists), command: rows.command, count: rows.count };
}

async function runAll(queries: readonly Query[]): Promise<Reply> {
  const open = connection;
  if (open === null) {
    return { failure: { kind: "lost", state: "", message: "not connected", constraint: null } };
  }
  const settled = await Promise.allSettled(queries.map((query) => run(open, query)));
  const failed = settled.find((one) => one.status === "rejected");
  if (failed === undefined) {
    return { done: settled.map((one) => (one as PromiseFulfilledResult<Rows>).value) };
  }
  const failure = failureOf(failed.reason);
  if (failure.kind === "lost") disconnect();
  return { failure };
}

self.onmessage = ({ data: { replies, port } }: MessageEvent<ClientOptions>) => {
  port.onmessage = async ({ data }: { readonly data: Request }) => {
    const reply =
      "connect" in data
        ? await connect(data.connect, data.password, data.name)
        : await runAll(data.queries);
    port.postMessage(reply);
    Atomics.add(replies, 0, 1);
    Atomics.notify(replies, 0);
  };
};
