// A connection beside a bank's store, before each of whose reads something happens: whatever reads
// page by page is tried with purchases between its pages.
import { minor } from "../../src/domain/money.ts";
import type { Sql, Statement } from "../../src/storage/sql/sql.ts";
import type { EngineCheck } from "../../src/storage/sql/verify.ts";
import { BY, buyerOf, done, type TemporaryBank } from "./bank.ts";

/** Runs `read` on a connection whose reads `happen` comes before. */
export function besideTraffic<T>(
  bank: TemporaryBank,
  happen: () => void,
  read: (db: Sql, checks: readonly EngineCheck[]) => T,
): T {
  const after = <T>(statement: T): T => {
    happen();
    return statement;
  };
  const watched = (statement: Statement): Statement => ({
    get: (...values) => after(statement).get(...values),
    all: (...values) => after(statement).all(...values),
    values: (...values) => after(statement).values(...values),
    run: (...values) => statement.run(...values),
  });
  return bank.besides((db, checks) =>
    read({ ...db, query: (text) => watched(db.query(text)) }, checks),
  );
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
