// What verify asks of PostgreSQL itself: that rows point at rows that exist, that what guards the
// tables is in force and, where the extension amcheck may be used, that indexes and tables are whole.

import { messageOf } from "../../errors.ts";
import type { Sql } from "../sql/sql.ts";
import type { EngineCheck } from "../sql/verify.ts";
import { quotedName } from "./sql.ts";

const SCHEMA = "CAST('transact_bank' AS regnamespace)";

/** Each foreign key, and each primary key that names its rows, has one column. */
const FOREIGN_KEYS = `SELECT t.relname AS "table", k.attname AS key, a.attname AS "column",
    p.relname AS parent
  FROM pg_constraint c
  JOIN pg_class t ON t.oid = c.conrelid
  JOIN pg_class p ON p.oid = c.confrelid
  JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
  JOIN pg_index x ON x.indrelid = c.conrelid AND x.indisprimary
  JOIN pg_attribute k ON k.attrelid = c.conrelid AND k.attnum = x.indkey[0]
  WHERE c.contype = 'f' AND c.connamespace = ${SCHEMA} ORDER BY t.relname, a.attname`;

type ForeignKey = {
  readonly table: string;
  readonly key: string;
  readonly column: string;
  readonly parent: string;
};

const orphansOf = ({ table, key, column, parent }: ForeignKey): string =>
  `SELECT 'table ${table}, row ' || c.${key} || ': its ${parent} is missing'
   FROM ${table} c LEFT JOIN ${parent} p ON p.id = c.${column}
   WHERE c.${column} IS NOT NULL AND p.id IS NULL ORDER BY c.${key} LIMIT ?`;

/** A foreign key is kept by triggers as well; "O" and "A" are in force for what a client writes. */
const NOT_IN_FORCE = `SELECT 'table ' || t.relname || ': the trigger ' || g.tgname || ' is off' AS line
  FROM pg_trigger g JOIN pg_class t ON t.oid = g.tgrelid
  WHERE t.relnamespace = ${SCHEMA} AND g.tgenabled NOT IN ('O', 'A')
  UNION ALL SELECT 'table ' || t.relname || ': the constraint ' || c.conname || ' is not validated'
  FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
  WHERE c.connamespace = ${SCHEMA} AND NOT c.convalidated
  UNION ALL SELECT 'table ' || t.relname || ': the index ' || i.relname || ' is not valid'
  FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
  WHERE t.relnamespace = ${SCHEMA} AND NOT (x.indisvalid AND x.indisready AND x.indislive)
  ORDER BY line LIMIT ?`;

/** Where amcheck is, if this role may run its checks: the superuser has to give it that. */
const AMCHECK = `SELECT n.nspname AS schema FROM pg_extension e
  JOIN pg_namespace n ON n.oid = e.extnamespace
  WHERE e.extname = 'amcheck' AND has_schema_privilege(n.oid, 'USAGE') AND NOT EXISTS
    (SELECT 1 FROM pg_proc f WHERE f.pronamespace = n.oid
       AND f.proname IN ('bt_index_check', 'verify_heapam')
       AND NOT has_function_privilege(f.oid, 'EXECUTE'))`;

const RELATIONS = `SELECT CAST(c.oid AS BIGINT) AS oid, c.relname AS name, c.relkind AS kind
  FROM pg_class c WHERE c.relnamespace = ${SCHEMA} AND c.relkind IN ('r', 'i') ORDER BY c.relname`;

type Relation = { readonly oid: number; readonly name: string; readonly kind: "r" | "i" };

export function postgresChecks(db: Sql): EngineCheck[] {
  const lines = (sql: string, ...values: (number | string)[]) =>
    db
      .query(sql)
      .values(...values)
      .flat() as string[];
  const keys = (most: number) =>
    (db.query(FOREIGN_KEYS).all() as ForeignKey[]).flatMap((key) => lines(orphansOf(key), most));

  /** What amcheck says of a table; of an index it says no more than the first thing, as an error. */
  function problemsOf(schema: string, { oid, name, kind }: Relation, most: number): string[] {
    if (kind === "r") {
      const sql = `SELECT 'table ${name}, block ' || coalesce(CAST(blkno AS TEXT), '?') || ': ' || msg
        FROM ${quotedName(schema)}.verify_heapam(CAST(CAST(? AS BIGINT) AS regclass)) LIMIT ?`;
      return lines(sql, oid, most);
    }
    const sql = `SELECT ${quotedName(schema)}.bt_index_check(CAST(CAST(? AS BIGINT) AS regclass), true)`;
    try {
      db.transaction(() => db.query(sql).get(oid))();
      return [];
    } catch (error) {
      return [`index ${name}: ${messageOf(error)}`];
    }
  }

  const schema = (db.query(AMCHECK).get() as { schema: string } | null)?.schema;
  const whole = (most: number) =>
    schema === undefined
      ? []
      : (db.query(RELATIONS).all() as Relation[]).flatMap((relation) =>
          problemsOf(schema, relation, most),
        );
  const always = [
    { name: "every row points at a row that exists", problems: keys },
    {
      name: "what guards the tables is in force",
      problems: (most: number) => lines(NOT_IN_FORCE, most),
    },
  ];
  return schema === undefined
    ? always
    : [...always, { name: "tables and indexes are whole", problems: whole }];
}
