// Makes a database ready for pgbench.sql: the peers' tables, filled, and the two functions.
//
//   node pgbench-prepare.mjs --database-url URL [--accounts N] [--schema NAME]
import { readFileSync } from "node:fs";
import { parsePostgresFlags } from "./postgres-bank.mjs";
import { connect, seedPostgres } from "./postgres-seed.mjs";

const flags = parsePostgresFlags();
const database = { ...flags, url: flags["database-url"] };
await seedPostgres(database);
const client = await connect(database);
try {
  await client.query(readFileSync(new URL("pgbench-setup.sql", import.meta.url), "utf8"));
} finally {
  await client.end();
}
