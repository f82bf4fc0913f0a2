// A peer: Fastify and better-sqlite3, one synchronous transaction and one flush for each request.
//
//   node fastify-better-sqlite3.mjs --dir DIR [--accounts N] [--secret S]
import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import {
  ACCEPTED,
  debitEntries,
  decideReserve,
  parseFlags,
  repeatAnswer,
  reserveAnswer,
  seeds,
  UNMATCHED,
} from "./common.mjs";
import { serveWithFastify } from "./fastify-app.mjs";

const TABLES = `
  CREATE TABLE accounts (
    id INTEGER PRIMARY KEY,
    number TEXT NOT NULL UNIQUE,
    ledger_balance INTEGER NOT NULL,
    held INTEGER NOT NULL DEFAULT 0 CHECK (held >= 0),
    overdraft INTEGER NOT NULL DEFAULT 0,
    status TEXT NOT NULL DEFAULT 'active',
    pin_hash TEXT,
    CHECK (ledger_balance - held + overdraft >= 0)
  ) STRICT;
  CREATE TABLE buyers (
    buyer_id TEXT NOT NULL PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES accounts (id)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE reservations (
    id INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL UNIQUE,
    reference TEXT UNIQUE,
    account_id INTEGER REFERENCES accounts (id),
    buyer_id TEXT NOT NULL,
    amount INTEGER NOT NULL,
    settlement_amount INTEGER,
    state TEXT NOT NULL CHECK (state IN ('reserved', 'debited', 'released', 'declined')),
    response_code TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    resolved_at INTEGER
  ) STRICT;
  CREATE TABLE entries (
    reservation_id INTEGER NOT NULL REFERENCES reservations (id),
    account TEXT NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (reservation_id, account)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE receipts (
    id INTEGER PRIMARY KEY,
    received_at INTEGER NOT NULL,
    path TEXT NOT NULL,
    body TEXT NOT NULL,
    status INTEGER NOT NULL,
    response TEXT NOT NULL
  ) STRICT;
`;

function seed(db, accounts) {
  const isSeeded = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'accounts'").get();
  if (isSeeded !== undefined) return;
  // In one transaction, so that a seeding that is stopped half-way leaves nothing.
  db.transaction(() => {
    db.exec(TABLES);
    const account = db.prepare(
      "INSERT INTO accounts (id, number, ledger_balance, pin_hash) VALUES (?, ?, ?, ?)",
    );
    const buyer = db.prepare("INSERT INTO buyers (buyer_id, account_id) VALUES (?, ?)");
    for (let i = 0; i < accounts; i += 1) {
      account.run(i, seeds.number(i), seeds.balanceOf(i), seeds.pinHashOf(i));
      buyer.run(seeds.buyerId(i), i);
    }
  })();
  db.exec("ANALYZE");
}

function openDatabase({ dir, accounts }) {
  mkdirSync(dir, { recursive: true });
  const db = new Database(join(dir, "peer.db"));
  // The accounts of a large bank stay in memory; the default holds 16 MB of them.
  db.pragma("cache_size = -262144");
  seed(db, accounts);
  // After the seeding, which would all go through the write-ahead log first.
  db.pragma("journal_mode = WAL");
  // better-sqlite3 makes it NORMAL in WAL mode, which loses answered requests when power fails.
  db.pragma("synchronous = FULL");
  return db;
}

function statementsOn(db) {
  return {
    selectReservation: db.prepare("SELECT * FROM reservations WHERE request_id = ?"),
    selectAccount: db.prepare(
      "SELECT a.* FROM buyers b JOIN accounts a ON a.id = b.account_id WHERE b.buyer_id = ?",
    ),
    selectNumber: db.prepare("SELECT number FROM accounts WHERE id = ?").pluck(),
    insertReservation: db.prepare(
      `INSERT INTO reservations (request_id, reference, account_id, buyer_id, amount,
         settlement_amount, state, response_code, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    hold: db.prepare("UPDATE accounts SET held = held + ? WHERE id = ?"),
    release: db.prepare("UPDATE accounts SET held = held - ? WHERE id = ?"),
    debit: db.prepare(
      `UPDATE accounts SET held = held - @amount, ledger_balance = ledger_balance - @amount
       WHERE id = @accountId`,
    ),
    resolve: db.prepare("UPDATE reservations SET state = ?, resolved_at = ? WHERE id = ?"),
    insertEntry: db.prepare("INSERT INTO entries VALUES (?, ?, ?)"),
    insertReceipt: db.prepare(
      "INSERT INTO receipts (received_at, path, body, status, response) VALUES (?, ?, ?, ?, ?)",
    ),
  };
}

function bankOn(db) {
  const sql = statementsOn(db);

  function answered(receipt, answer) {
    const { receivedAt, path, text } = receipt;
    sql.insertReceipt.run(receivedAt, path, text, answer.status, answer.body);
    return answer;
  }

  /** Writes the reservation, or the decline for its replays; gives the answer. */
  function decide(request, receivedAt) {
    const account = sql.selectAccount.get(request.buyerId);
    const code = decideReserve(account, request);
    const isReserved = code === "0000";
    const reference = isReserved ? `PEER-${randomUUID()}` : null;
    sql.insertReservation.run(
      request.requestId,
      reference,
      account?.id ?? null,
      request.buyerId,
      request.amount,
      request.settlement,
      isReserved ? "reserved" : "declined",
      code,
      receivedAt,
    );
    if (isReserved) sql.hold.run(request.amount, account.id);
    return reserveAnswer(code, request.requestId, reference);
  }

  function reserve(request, receipt) {
    const first = sql.selectReservation.get(request.requestId);
    const answer =
      first === undefined ? decide(request, receipt.receivedAt) : repeatAnswer(first, request);
    return answered(receipt, answer);
  }

  function result({ requestId, isDispensed }, receipt) {
    const reservation = sql.selectReservation.get(requestId);
    if (reservation === undefined || reservation.state === "declined") {
      return answered(receipt, UNMATCHED);
    }
    const { id, account_id: accountId, amount, state } = reservation;
    if (state === "reserved") {
      sql.resolve.run(isDispensed ? "debited" : "released", receipt.receivedAt, id);
      if (isDispensed) {
        sql.debit.run({ amount, accountId });
        const entries = debitEntries({ ...reservation, number: sql.selectNumber.get(accountId) });
        for (const [account, moved] of entries) sql.insertEntry.run(id, account, moved);
      } else {
        sql.release.run(amount, accountId);
      }
    }
    return answered(receipt, ACCEPTED);
  }

  return {
    reserve: db.transaction(reserve).immediate,
    result: db.transaction(result).immediate,
    malformed: db.transaction(answered).immediate,
    close: () => db.close(),
  };
}

const flags = parseFlags({}, ["dir"]);
await serveWithFastify(bankOn(openDatabase(flags)), flags);
