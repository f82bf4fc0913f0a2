// Reads a table page by page, and writes pages, on either engine. A row is a list of its cells in the
// order of the columns; a page is what follows a key.
import type { Sql, Value } from "../sql/sql.ts";
import { MoveRefused } from "./sides.ts";
import { FREE_TEXTS, type Kind, REPLACES_NUL, type Table } from "./tables.ts";

export type Cell = string | number | null;
export type Row = readonly Cell[];
export type Rows = readonly Row[];

/** What of a bank's tables an engine does in its own way. */
export type Pages = {
  /** The rows of a table after a key, in its order; from the first one where that is null. */
  read(table: Table, after: readonly Cell[] | null): Rows;
  /** Adds rows, in one commit. */
  write(table: Table, rows: Rows): void;
};

const names = ({ columns }: Table): string[] => Object.keys(columns);

/** The cells of a row's key. */
export function keyOf(table: Table, row: Row): Cell[] {
  const columns = names(table);
  return table.key.map((name) => row[columns.indexOf(name)] as Cell);
}

/** The rows of a table after a key, without their columns: FROM and all that follows it. */
function pageOf({ name, key, pageRows }: Table, after: readonly Cell[] | null): string {
  const list = key.join(", ");
  const where = after === null ? "" : `WHERE (${list}) > (${key.map(() => "?").join(", ")}) `;
  return `FROM ${name} ${where}ORDER BY ${list} LIMIT ${pageRows}`;
}

/** The greatest key of a table, or null where it is empty. */
export function lastKey(db: Sql, { name, key }: Table): Cell[] | null {
  const newestFirst = key.map((column) => `${column} DESC`).join(", ");
  const sql = `SELECT ${key.join(", ")} FROM ${name} ORDER BY ${newestFirst} LIMIT 1`;
  return (db.query(sql).values()[0] as Cell[] | undefined) ?? null;
}

export const countOf = (db: Sql, { name }: Table): number =>
  (db.query(`SELECT count(*) AS count FROM ${name}`).get() as { count: number }).count;

/** The columns that a row is added with, and those that it gets by a change. */
function split(table: Table) {
  const later = table.later?.columns ?? [];
  return { first: names(table).filter((name) => !later.includes(name)), later };
}

/** The rows that are not as new ones are. */
function changed(table: Table, rows: Rows): Rows {
  const { later } = table;
  if (later === undefined) return [];
  const at = names(table).indexOf(later.unless.column);
  return rows.filter((row) => row[at] !== later.unless.value);
}

// ---------------------------------------------------------------- SQLite

const hex = (column: string): string =>
  `CASE WHEN ${column} IS NOT NULL THEN lower(hex(${column})) END`;

const selected = (of: (column: string) => string) => (columns: { readonly [name: string]: Kind }) =>
  Object.entries(columns).map(([name, kind]) => (kind === "bytes" ? of(name) : name));

const selectedInSqlite = selected(hex);

/** Whatever a row has for PostgreSQL's texts: a NUL in a free text becomes the sign for no letter. */
function withoutNul(table: Table, row: Row): Row {
  const columns = names(table);
  return row.map((cell, at) => {
    if (typeof cell !== "string" || !cell.includes("\0")) return cell;
    const column = `${table.name}.${columns[at]}`;
    if (FREE_TEXTS.has(column)) return cell.replaceAll("\0", REPLACES_NUL);
    throw new MoveRefused(
      `${column} of ${keyOf(table, row).join(" ")} has a NUL character, which PostgreSQL cannot hold`,
    );
  });
}

export function sqlitePages(db: Sql): Pages {
  return {
    read(table, after) {
      const sql = `SELECT ${selectedInSqlite(table.columns).join(", ")} ${pageOf(table, after)}`;
      return (db.query(sql).values(...(after ?? [])) as Row[]).map((row) => withoutNul(table, row));
    },
    write(table, rows) {
      const columns = names(table);
      const kinds = Object.values(table.columns);
      const { first, later } = split(table);
      const valuesOf = (row: Row, wanted: readonly string[]): Value[] =>
        wanted.map((name) => {
          const at = columns.indexOf(name);
          const cell = row[at] as Cell;
          return kinds[at] === "bytes" && cell !== null ? Uint8Array.fromHex(String(cell)) : cell;
        });
      const insert = db.query(
        `INSERT INTO ${table.name} (${first.join(", ")}) VALUES (${first.map(() => "?").join(", ")})`,
      );
      db.transaction(() => {
        for (const row of rows) insert.run(...valuesOf(row, first));
        for (const row of changed(table, rows)) {
          const set = later.map((name) => `${name} = ?`).join(", ");
          const where = table.key.map((name) => `${name} = ?`).join(" AND ");
          const sql = `UPDATE ${table.name} SET ${set} WHERE ${where}`;
          db.query(sql).run(...valuesOf(row, later), ...keyOf(table, row));
        }
      }).immediate();
    },
  };
}

// ---------------------------------------------------------------- PostgreSQL

const selectedInPostgres = selected((column) => `encode(${column}, 'hex') AS ${column}`);

const TYPES = { text: "TEXT", whole: "BIGINT", bytes: "TEXT" } as const;

/** A page as a set of rows: one JSON text, whatever its length is, is one value to bind. */
function recordset(table: Table): string {
  const types = Object.entries(table.columns).map(([name, kind]) => `${name} ${TYPES[kind]}`);
  return `json_to_recordset(CAST(CAST(? AS TEXT) AS JSON)) AS page (${types.join(", ")})`;
}

const cast = ({ columns }: Table, name: string): string =>
  columns[name] === "bytes" ? `decode(page.${name}, 'hex')` : `page.${name}`;

function jsonOf(table: Table, rows: Rows): string {
  const columns = names(table);
  return JSON.stringify(
    rows.map((row) => Object.fromEntries(columns.map((name, at) => [name, row[at]]))),
  );
}

export function postgresPages(db: Sql): Pages {
  return {
    read(table, after) {
      const columns = names(table).map((name) => `page.${name}`);
      const page = `SELECT ${selectedInPostgres(table.columns).join(", ")} ${pageOf(table, after)}`;
      const order = table.key.map((name) => `page.${name}`).join(", ");
      const sql = `SELECT CAST(coalesce(json_agg(json_build_array(${columns.join(", ")})
        ORDER BY ${order}), '[]') AS TEXT) AS rows FROM (${page}) page`;
      return JSON.parse((db.query(sql).get(...(after ?? [])) as { rows: string }).rows) as Rows;
    },
    write(table, rows) {
      const { first, later } = split(table);
      const json = jsonOf(table, rows);
      const insert = `INSERT INTO ${table.name} (${first.join(", ")})
        SELECT ${first.map((name) => cast(table, name)).join(", ")} FROM ${recordset(table)}`;
      if (table.later === undefined) {
        db.query(insert).run(json);
        return;
      }
      const set = later.map((name) => `${name} = ${cast(table, name)}`).join(", ");
      const where = table.key.map((name) => `${table.name}.${name} = page.${name}`).join(" AND ");
      db.transaction(() => {
        db.query(insert).run(json);
        const changes = jsonOf(table, changed(table, rows));
        db.query(`UPDATE ${table.name} SET ${set} FROM ${recordset(table)} WHERE ${where}`).run(
          changes,
        );
      }).immediate();
    },
  };
}
