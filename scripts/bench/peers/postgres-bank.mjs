// The bank on PostgreSQL, for Fastify and for Express: a pool, and a transaction for each request.
import { randomUUID } from "node:crypto";
import pg from "pg";
import {
  ACCEPTED,
  debitEntries,
  decideReserve,
  parseFlags,
  repeatAnswer,
  reserveAnswer,
  UNMATCHED,
  wholeFlag,
} from "./common.mjs";
import { seedPostgres } from "./postgres-seed.mjs";

// Amounts are whole numbers far inside what a JavaScript number holds exactly.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

const UNIQUE_VIOLATION = "23505";

/** A statement with a name is prepared once a connection, and only bound after that. */
const statement = (name, text) => (values) => ({ name, text, values });

const SQL = {
  lockAccount: statement(
    "lock-account",
    `SELECT a.id, a.number, a.ledger_balance, a.held, a.overdraft, a.status, a.pin_hash
     FROM buyers b JOIN accounts a ON a.id = b.account_id WHERE b.buyer_id = $1 FOR UPDATE OF a`,
  ),
  insertReservation: statement(
    "insert-reservation",
    `INSERT INTO reservations (request_id, reference, account_id, buyer_id, amount,
       settlement_amount, state, response_code, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
  ),
  hold: statement("hold", "UPDATE accounts SET held = held + $1 WHERE id = $2"),
  release: statement("release", "UPDATE accounts SET held = held - $1 WHERE id = $2"),
  debit: statement(
    "debit",
    `UPDATE accounts SET held = held - $1, ledger_balance = ledger_balance - $1 WHERE id = $2`,
  ),
  first: statement(
    "first",
    "SELECT buyer_id, amount, response_code, reference FROM reservations WHERE request_id = $1",
  ),
  lockReservation: statement(
    "lock-reservation",
    `SELECT r.id, r.account_id, r.amount, r.settlement_amount, r.state, a.number
     FROM reservations r JOIN accounts a ON a.id = r.account_id
     WHERE r.request_id = $1 AND r.state <> 'declined' FOR UPDATE`,
  ),
  resolve: statement(
    "resolve",
    "UPDATE reservations SET state = $1, resolved_at = $2 WHERE id = $3",
  ),
  insertEntries: statement(
    "insert-entries",
    `INSERT INTO entries (reservation_id, account, amount)
     SELECT $1, account, amount FROM unnest($2::text[], $3::bigint[]) AS e (account, amount)`,
  ),
  insertReceipt: statement(
    "insert-receipt",
    "INSERT INTO receipts (received_at, path, body, status, response) VALUES ($1, $2, $3, $4, $5)",
  ),
};

async function writeReceipt(client, { receivedAt, path, text }, answer) {
  await client.query(SQL.insertReceipt([receivedAt, path, text, answer.status, answer.body]));
  return answer;
}

/** Runs `work` in one transaction on a connection of its own. */
async function transaction(pool, work) {
  const client = await pool.connect();
  let broken;
  try {
    await client.query("BEGIN");
    const answer = await work(client);
    await client.query("COMMIT");
    return answer;
  } catch (error) {
    // A connection on which not even this works is taken out of the pool.
    await client.query("ROLLBACK").catch((failure) => {
      broken = failure;
    });
    throw error;
  } finally {
    client.release(broken);
  }
}

/** Writes the reservation, or the decline for its replays; gives the answer. */
async function decide(client, request, receivedAt) {
  const { rows } = await client.query(SQL.lockAccount([request.buyerId]));
  const account = rows[0];
  const code = decideReserve(account, request);
  const isReserved = code === "0000";
  const reference = isReserved ? `PEER-${randomUUID()}` : null;
  await client.query(
    SQL.insertReservation([
      request.requestId,
      reference,
      account?.id ?? null,
      request.buyerId,
      request.amount,
      request.settlement,
      isReserved ? "reserved" : "declined",
      code,
      receivedAt,
    ]),
  );
  if (isReserved) await client.query(SQL.hold([request.amount, account.id]));
  return reserveAnswer(code, request.requestId, reference);
}

/** Moves the money of a reservation that is still open. */
async function resolve(client, reservation, isDispensed, receivedAt) {
  const { id, account_id: accountId, amount } = reservation;
  const move = isDispensed ? SQL.debit : SQL.release;
  await client.query(move([amount, accountId]));
  await client.query(SQL.resolve([isDispensed ? "debited" : "released", receivedAt, id]));
  if (!isDispensed) return;
  const entries = debitEntries(reservation);
  await client.query(
    SQL.insertEntries([id, entries.map(([account]) => account), entries.map(([, moved]) => moved)]),
  );
}

function bankOn(pool) {
  /** A repeat finds its raasTxnRef taken, by a commit long ago or by one that it waited for. */
  function repeat(request, receipt) {
    return transaction(pool, async (client) => {
      const { rows } = await client.query(SQL.first([request.requestId]));
      return writeReceipt(client, receipt, repeatAnswer(rows[0], request));
    });
  }

  return {
    /** Nearly every request is new, so it is tried as one: the unique index tells the repeats. */
    async reserve(request, receipt) {
      try {
        return await transaction(pool, async (client) => {
          const answer = await decide(client, request, receipt.receivedAt);
          return writeReceipt(client, receipt, answer);
        });
      } catch (error) {
        if (error.code !== UNIQUE_VIOLATION) throw error;
        return repeat(request, receipt);
      }
    },

    result({ requestId, isDispensed }, receipt) {
      return transaction(pool, async (client) => {
        // This locks the account too. A reserve holds the account's lock while its unique index
        // waits for whoever changed the same row, so nobody may change it without that lock.
        const { rows } = await client.query(SQL.lockReservation([requestId]));
        const reservation = rows[0];
        if (reservation === undefined) return writeReceipt(client, receipt, UNMATCHED);
        if (reservation.state === "reserved") {
          await resolve(client, reservation, isDispensed, receipt.receivedAt);
        }
        return writeReceipt(client, receipt, ACCEPTED);
      });
    },

    malformed: (receipt, answer) =>
      transaction(pool, (client) => writeReceipt(client, receipt, answer)),

    close: () => pool.end(),
  };
}

/** The flags of a peer on PostgreSQL. */
export function parsePostgresFlags() {
  const flags = parseFlags({ schema: "public", pool: "32" }, ["database-url"]);
  return { ...flags, pool: wholeFlag("pool", flags.pool) };
}

/** Connects, makes and fills the tables where there are none, and gives the bank. */
export async function openPostgresBank({ "database-url": url, schema, accounts, pool: max }) {
  await seedPostgres({ url, schema, accounts });
  const pool = new pg.Pool({
    connectionString: url,
    options: `-c search_path=${schema}`,
    max,
    // An idle connection is kept, with the statements prepared on it.
    idleTimeoutMillis: 0,
  });
  // Without a listener, a connection that breaks while it is idle would end the process.
  pool.on("error", (error) => console.error(error.message));
  return bankOn(pool);
}
