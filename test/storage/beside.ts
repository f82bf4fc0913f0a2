// A connection beside a bank's store, before each of whose reads something happens: whatever reads
// page by page is tried with purchases between its pages.
import { Database } from "bun:sqlite";
import { join } from "node:path";
import { minor } from "../../src/domain/money.ts";
import type { Sql } from "../../src/storage/sql/sql.ts";
import { DATABASE_FILE } from "../../src/storage/sqlite/open.ts";
import { sqlOn } from "../../src/storage/sqlite/sql.ts";
import { BY, buyerOf, done, type TemporaryBank } from "./bank.ts";

const READS: readonly PropertyKey[] = ["get", "all", "values"];

/** Runs `read` on a connection whose statements `happen` comes before. */
export function besideTraffic<T>(bank: TemporaryBank, happen: () => void, read: (db: Sql) => T): T {
  const db = new Database(join(bank.dataDir, DATABASE_FILE), { strict: true });
  const query = db.query.bind(db);
  db.query = ((sql: string) =>
    new Proxy(query(sql), {
      get(statement, property) {
        const member: unknown = Reflect.get(statement, property, statement);
        if (typeof member !== "function") return member;
        const run = member.bind(statement) as (...values: unknown[]) => unknown;
        if (!READS.includes(property)) return run;
        return (...values: unknown[]) => {
          happen();
          return run(...values);
        };
      },
    })) as typeof db.query;
  try {
    return read(sqlOn(db));
  } finally {
    db.close();
  }
}

/**
 * At each call: a sale, and the result of the one before. Some are in suspense, some released, and
 * now and then money is moved by hand.
 */
export function traffic(bank: TemporaryBank): () => void {
  let sold = 0;
  return () => {
    sold += 1;
    bank.clock.set(bank.clock.now() + 1);
    const settlementAmount = sold % 3 === 0 ? null : minor(60);
    const amounts = { reserveAmount: minor(100), settlementAmount };
    bank.reserve(`busy-${sold}`, {
      ...amounts,
      buyerId: buyerOf(sold % 2 === 0 ? "1001" : "1002"),
    });
    const before = sold - 1;
    if (before > 0) bank.result(`busy-${before}`, before % 5 === 0 ? "2201" : "0000");
    if (sold % 7 === 0) done(bank.store.credit(BY, "@clickatell", minor(3)));
  };
}
