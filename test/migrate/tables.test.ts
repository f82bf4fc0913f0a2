// The list of what is moved has every column that there is, on either engine.
import { Database } from "bun:sqlite";
import { afterAll, describe, expect, test } from "bun:test";
import { BANK_COLUMNS, TABLES } from "../../src/storage/move/tables.ts";
import { MIGRATIONS as OF_POSTGRES } from "../../src/storage/postgres/migrate.ts";
import { MIGRATIONS as OF_SQLITE } from "../../src/storage/sqlite/migrate.ts";
import { endPostgres, startPrimary } from "../postgres/cluster.ts";
import { skipsPostgres } from "../postgres/programs.ts";

const LISTED = [
  ...TABLES.flatMap(({ name, columns }) =>
    Object.entries(columns).map(([column, kind]) => `${name}.${column} ${kind}`),
  ),
].sort();
const BANK = BANK_COLUMNS.map((column) => `bank.${column}`).sort();

const KINDS: { readonly [type: string]: string } = {
  TEXT: "text",
  INTEGER: "whole",
  BLOB: "bytes",
  text: "text",
  bigint: "whole",
  smallint: "whole",
  bytea: "bytes",
};

/** The columns but those of the bank's row, and those. */
function parted(rows: readonly (readonly string[])[]) {
  const ofBank = rows.filter(([table]) => table === "bank").map(([, name]) => `bank.${name}`);
  const others = rows.filter(([table]) => table !== "bank");
  return {
    bank: ofBank.sort(),
    others: others.map(([table, name, type]) => `${table}.${name} ${KINDS[type ?? ""]}`).sort(),
  };
}

test("SQLite", () => {
  const db = new Database(":memory:");
  for (const sql of OF_SQLITE) db.run(sql);
  const rows = db
    .query(
      `SELECT t.name, c.name, c.type FROM sqlite_schema t, pragma_table_info(t.name) c
       WHERE t.type = 'table'`,
    )
    .values() as string[][];
  const { bank, others } = parted(rows);
  expect(others).toEqual(LISTED);
  // Which server writes is each engine's own.
  expect(bank).toEqual(
    [...BANK, "bank.serving", "bank.open_since", "bank.interrupted_since"].sort(),
  );
  db.close();
});

describe.skipIf(skipsPostgres())("on a server", () => {
  afterAll(endPostgres);

  test("PostgreSQL", async () => {
    const server = await startPrimary();
    await server.createDatabase("bank");
    await server.sql(`BEGIN; ${OF_POSTGRES.join(";\n")}; COMMIT`, "bank");
    const lines = await server.sql(
      `SELECT table_name, column_name, data_type FROM information_schema.columns
         JOIN information_schema.tables USING (table_schema, table_name)
       WHERE table_schema = 'transact_bank' AND table_type = 'BASE TABLE'
         AND table_name NOT IN ('appliances', 'schema_version')`,
      "bank",
    );
    const { bank, others } = parted(lines.split("\n").map((line) => line.split("|")));
    expect(others).toEqual(LISTED);
    expect(bank).toEqual(BANK);
  });
});
