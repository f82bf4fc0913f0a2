// SQLite as the SQL that both engines speak.
import type { Database } from "bun:sqlite";
import type { Dialect, Sql, Statement } from "../sql/sql.ts";

const DIALECT: Dialect = {
  inIds: (parameter) => `IN (SELECT value FROM json_each(${parameter}))`,
  field: (column, name) => `${column} ->> '$.${name}'`,
  by: (index) => `INDEXED BY ${index}`,
  jsonList: (members, from) => {
    const object = Object.entries(members).map(([name, value]) => `'${name}', ${value}`);
    return `(SELECT json_group_array(json_object(${object.join(", ")})) FROM ${from})`;
  },
};

/** The same connection; statements are kept prepared. */
export const sqlOn = (db: Database): Sql => ({
  dialect: DIALECT,
  get inTransaction() {
    return db.inTransaction;
  },
  query: (text) => db.query(text) as Statement,
  transaction: (run) => db.transaction(run),
});
