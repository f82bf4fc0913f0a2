// A peer: Fastify, node-postgres and PostgreSQL.
//
//   node fastify-pg.mjs --database-url URL [--accounts N] [--schema NAME] [--pool N] [--secret S]
import { serveWithFastify } from "./fastify-app.mjs";
import { openPostgresBank, parsePostgresFlags } from "./postgres-bank.mjs";

const flags = parsePostgresFlags();
await serveWithFastify(await openPostgresBank(flags), flags);
