// Makes and fills the tables of the peers on PostgreSQL, in seconds for a million accounts.
import pg from "pg";
import { seeds } from "./common.mjs";

/** So many PIN hashes go to the server with one statement. */
const HASHES_AT_ONCE = 50_000;

// Accounts and reservations are updated: room in their pages keeps the new versions of a row beside
// the old ones, with no work in the indexes.
const TABLES = `
  CREATE TABLE accounts (
    id bigint NOT NULL,
    number text NOT NULL,
    ledger_balance bigint NOT NULL,
    held bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    overdraft bigint NOT NULL DEFAULT 0,
    status text NOT NULL DEFAULT 'active',
    pin_hash text,
    CHECK (ledger_balance - held + overdraft >= 0)
  ) WITH (fillfactor = 80);
  CREATE TABLE buyers (
    buyer_id text NOT NULL,
    account_id bigint NOT NULL
  );
  CREATE TABLE reservations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_id text NOT NULL UNIQUE,
    reference text UNIQUE,
    account_id bigint,
    buyer_id text NOT NULL,
    amount bigint NOT NULL,
    settlement_amount bigint,
    state text NOT NULL CHECK (state IN ('reserved', 'debited', 'released', 'declined')),
    response_code text NOT NULL,
    created_at bigint NOT NULL,
    resolved_at bigint
  ) WITH (fillfactor = 80);
  CREATE TABLE entries (
    reservation_id bigint NOT NULL REFERENCES reservations (id),
    account text NOT NULL,
    amount bigint NOT NULL,
    PRIMARY KEY (reservation_id, account)
  );
  CREATE TABLE receipts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at bigint NOT NULL,
    path text NOT NULL,
    body text NOT NULL,
    status integer NOT NULL,
    response text NOT NULL
  );
`;

const FILL_ACCOUNTS = `
  INSERT INTO accounts (id, number, ledger_balance, pin_hash)
  SELECT i, 'A' || i, CASE WHEN i % $2 = $3 THEN 0 ELSE $4::bigint END, hash
  FROM generate_series(0, $1::bigint - 1) AS i LEFT JOIN pins ON pins.id = i
`;
const FILL_BUYERS = `
  INSERT INTO buyers (buyer_id, account_id)
  SELECT ($2::bigint + i)::text, i FROM generate_series(0, $1::bigint - 1) AS i
`;

// After the rows: an index that is built at once is built faster, and so is a reference checked.
const CONSTRAINTS = `
  ALTER TABLE accounts ADD PRIMARY KEY (id), ADD UNIQUE (number);
  ALTER TABLE buyers ADD PRIMARY KEY (buyer_id),
    ADD FOREIGN KEY (account_id) REFERENCES accounts (id);
  ALTER TABLE reservations ADD FOREIGN KEY (account_id) REFERENCES accounts (id);
`;

async function stagePins(client, accounts) {
  await client.query("CREATE TEMP TABLE pins (id bigint, hash text) ON COMMIT DROP");
  const step = seeds.pinOf * HASHES_AT_ONCE;
  for (let from = seeds.pinAt; from < accounts; from += step) {
    const ids = [];
    for (let i = from; i < Math.min(from + step, accounts); i += seeds.pinOf) ids.push(i);
    await client.query("INSERT INTO pins SELECT * FROM unnest($1::bigint[], $2::text[])", [
      ids,
      ids.map(seeds.pinHashOf),
    ]);
  }
}

async function fill(client, accounts) {
  await client.query("SET LOCAL maintenance_work_mem = '512MB'");
  await client.query(TABLES);
  await stagePins(client, accounts);
  const { poorOf, poorAt, balance, firstBuyer } = seeds;
  await client.query(FILL_ACCOUNTS, [accounts, poorOf, poorAt, balance]);
  await client.query(FILL_BUYERS, [accounts, firstBuyer]);
  await client.query(CONSTRAINTS);
}

/** A connection whose names are those of one schema. */
export async function connect({ url, schema }) {
  // It goes into the connection's options as it is, where only a plain name needs no quoting.
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema)) throw new Error("--schema must be a plain name");
  const client = new pg.Client({ connectionString: url, options: `-c search_path=${schema}` });
  await client.connect();
  return client;
}

/** Makes the tables with that many accounts, in one transaction; leaves what is there already. */
export async function seedPostgres({ url, schema, accounts }) {
  const client = await connect({ url, schema });
  try {
    const { rows } = await client.query("SELECT to_regclass($1) IS NOT NULL AS seeded", [
      `${schema}.accounts`,
    ]);
    if (rows[0].seeded) return;
    await client.query("BEGIN");
    await client.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
    await fill(client, accounts);
    await client.query("COMMIT");
    // The planner knows the tables, and the first requests do not pay for the new rows' hint bits.
    await client.query("VACUUM ANALYZE accounts, buyers");
  } finally {
    await client.end();
  }
}
