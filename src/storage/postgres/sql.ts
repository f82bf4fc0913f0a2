// PostgreSQL as the SQL that both engines speak: statements are put into its spelling, and a call
// returns when its rows are there.
import type { Dialect, Sql, Statement, Value, Values } from "../sql/sql.ts";
import { type Client, ConnectionLost } from "./client.ts";
import type { Query, Rows } from "./messages.ts";

/** The statement in PostgreSQL's spelling, and where each of its values is found. */
export type Translated = { readonly text: string; readonly names: readonly (string | number)[] };

/** A string, a name in quotes, a comment, a parameter, or a word. */
const PIECES = /'(?:[^']|'')*'|"[^"]*"|--[^\n]*|\?(\d*)|\$([A-Za-z]\w*)|(?<![\w$])[A-Za-z_]\w*/g;

/**
 * Puts a statement into PostgreSQL's spelling: `?`, `?2` and `$name` become `$1`, `$2` ..., and names
 * in camelCase are quoted, which it would otherwise write in small letters.
 */
export function translate(sql: string): Translated {
  const names: (string | number)[] = [];
  const place = (name: string | number): string => {
    if (!names.includes(name)) names.push(name);
    return `$${names.indexOf(name) + 1}`;
  };
  let next = 0;
  const text = sql.replace(
    PIECES,
    (piece, number: string | undefined, name: string | undefined) => {
      if (number !== undefined) {
        const at = number === "" ? next : Number(number) - 1;
        next = at + 1;
        return place(at);
      }
      if (name !== undefined) return place(name);
      return /^[a-z]\w*[A-Z]/.test(piece) ? `"${piece}"` : piece;
    },
  );
  return { text, names };
}

/** A name as an identifier, whatever is in it. */
export const quotedName = (name: string): string => `"${name.replaceAll('"', '""')}"`;

const DIALECT: Dialect = {
  inIds: (parameter) =>
    `IN (SELECT CAST(value AS BIGINT) FROM json_array_elements_text(CAST(CAST(${parameter} AS TEXT) AS JSON)))`,
  field: (column, name) => `(CAST(${column} AS JSONB) ->> '${name}')`,
  by: () => "",
  jsonList: (members, from) => {
    const object = Object.entries(members).map(([name, value]) => `'${name}', ${value}`);
    return (
      "(SELECT CAST(coalesce(json_agg(json_build_object(" +
      `${object.join(", ")})), '[]') AS TEXT) FROM ${from})`
    );
  },
};

/** The advisory locks: one for all writes of admins, which each batch of purchases shares. */
export const WRITE_LOCK = 7_201;
/** The end of the journal. */
export const JOURNAL_LOCK = 7_202;
/** The right to prune receipts, held by a session. */
export const PRUNE_LOCK = 7_203;

const once = (text: string): Query => ({ text, values: [] });
export const BEGIN = once("BEGIN");
export const COMMIT = once("COMMIT");
export const ROLLBACK = once("ROLLBACK");
const BEGIN_READ = once("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
const LOCK_OUT_ALL = once(`SELECT pg_advisory_xact_lock(${WRITE_LOCK})`);

type Options = {
  /** Connects, and once more where the connection was lost between two calls. */
  readonly reconnect: () => void;
  /** How long a statement may take, in milliseconds. */
  readonly withinMs: number;
};

export function sqlOn(client: Client, { reconnect, withinMs }: Options): Sql {
  const known = new Map<string, Translated>();
  let depth = 0;

  function translated(sql: string): Translated {
    const before = known.get(sql);
    if (before !== undefined) return before;
    const fresh = translate(sql);
    known.set(sql, fresh);
    return fresh;
  }

  /** All of it on one connection: what begins a transaction must not do so on a lost one. */
  function sendAll(queries: readonly Query[]): readonly Rows[] {
    try {
      return client.run(queries, withinMs);
    } catch (error) {
      // Outside a transaction this was a read, or is done whole by the next one who tries.
      if (!(error instanceof ConnectionLost) || depth > 0) throw error;
      reconnect();
      return client.run(queries, withinMs);
    }
  }
  const send = (query: Query): Rows => sendAll([query])[0] as Rows;

  function queryOf(sql: string, values: Values, lists: boolean): Query {
    const { text, names } = translated(sql);
    const [first] = values;
    const named = typeof first === "object" && first !== null && !(first instanceof Uint8Array);
    const bound = names.map((name): Value => {
      if (typeof name === "string") {
        const by = named ? (first as { readonly [name: string]: Value | undefined }) : {};
        return by[name] ?? null;
      }
      return (values[name] as Value | undefined) ?? null;
    });
    return { text, values: bound, lists };
  }

  function statement(sql: string): Statement {
    const rowsOf = (values: Values, lists: boolean) => send(queryOf(sql, values, lists)).rows;
    return {
      get: (...values) => rowsOf(values, false)[0] ?? null,
      all: (...values) => rowsOf(values, false) as unknown[],
      values: (...values) => rowsOf(values, true) as unknown[][],
      run: (...values) => ({ changes: send(queryOf(sql, values, true)).count }),
    };
  }

  /** Within another one it is a part of that which can be undone alone. */
  function inside<T>(run: () => T): T {
    const name = `part_${depth}`;
    client.run([once(`SAVEPOINT ${name}`)], withinMs);
    depth += 1;
    try {
      const value = run();
      client.run([once(`RELEASE ${name}`)], withinMs);
      return value;
    } catch (error) {
      if (!(error instanceof ConnectionLost)) {
        client.run([once(`ROLLBACK TO ${name}`), once(`RELEASE ${name}`)], withinMs);
      }
      throw error;
    } finally {
      depth -= 1;
    }
  }

  function whole<T>(begin: readonly Query[], run: () => T): T {
    try {
      sendAll(begin);
      depth = 1;
      const value = run();
      client.run([COMMIT], withinMs);
      return value;
    } catch (error) {
      if (!(error instanceof ConnectionLost)) client.run([ROLLBACK], withinMs);
      throw error;
    } finally {
      depth = 0;
    }
  }

  return {
    dialect: DIALECT,
    get inTransaction() {
      return depth > 0;
    },
    query: statement,
    transaction<A extends unknown[], R>(run: (...args: A) => R) {
      const as =
        (begin: readonly Query[]) =>
        (...args: A): R =>
          depth > 0 ? inside(() => run(...args)) : whole(begin, () => run(...args));
      return Object.assign(as([BEGIN_READ]), { immediate: as([BEGIN, LOCK_OUT_ALL]) });
    },
  };
}
