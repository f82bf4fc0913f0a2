// The SQL that both engines speak: all that is not particular to one of them is written once, in
// this folder, over these few functions. Each call returns when its rows are there, whichever
// engine it is; names in statements are "snake_case" in tables and "camelCase" in results.
//
// What is written here keeps to what SQLite and PostgreSQL understand alike: IS [NOT] DISTINCT FROM,
// ON CONFLICT, RETURNING, CASE, CAST(sum(...) AS BIGINT); a name for each subquery in FROM; numbers
// compared with numbers (a truth value in a result is 0 or 1). The rest is the dialect's.

/** Bound by place (`?`, `?1`) or by name (`$name`, one object). */
export type Value = string | number | null | Uint8Array;
export type Values = readonly (Value | { readonly [name: string]: Value | undefined })[];

export type Statement = {
  /** The first row as an object, or null. */
  get(...values: Values): unknown;
  all(...values: Values): unknown[];
  /** Rows as lists, in the order of their columns. */
  values(...values: Values): unknown[][];
  run(...values: Values): { readonly changes: number };
};

export type Transaction<A extends unknown[], R> = {
  /** Runs it as one read, or within the write that is under way. */
  (...args: A): R;
  /** Runs it as a write: no other write runs beside it. */
  immediate(...args: A): R;
};

/** What each engine spells in its own way. */
export type Dialect = {
  /** "IN (...)" for the ids in a JSON list, which is bound as text at the parameter. */
  inIds(parameter: string): string;
  /** The text of a field of a column that holds a JSON object, as the indexes spell it. */
  field(column: string, name: string): string;
  /** After a table's name: has its rows found by an index that the planner might pass over. */
  by(index: string): string;
  /** One JSON list as text of the objects {"name": expression, ...} of a query's rows, or "[]". */
  jsonList(members: { readonly [name: string]: string }, from: string): string;
};

export type Sql = {
  readonly dialect: Dialect;
  readonly inTransaction: boolean;
  query(text: string): Statement;
  transaction<A extends unknown[], R>(run: (...args: A) => R): Transaction<A, R>;
};
