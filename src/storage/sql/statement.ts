// An account's statement: every entry of a span in the journal's order, with the balance after it.
//
// All of one moment, the journal's newest record when it was asked for: what was before the span is
// the balance of then less all that came since its beginning. A customer's entries are found by the
// account's own reservations and by the index of what was posted by hand; the bank's own accounts,
// which nearly every posting changes, are searched for in the journal from the span on.

import type { InternalAccount } from "../../domain/account.ts";
import { minor } from "../../domain/money.ts";
import { PAGE_SIZE } from "../pages.ts";
import type { JournalView, ReservationView, Statement, StatementEntry } from "../store.ts";
import { amountOf } from "./journal.ts";
import type { Sql } from "./sql.ts";
import { idsInTime, type Place, walkByTime } from "./walk.ts";

const RECORDS_AT_ONCE = 20_000;

/** The account's id, which is bound as the first value of each query. */
const ACCOUNT = "CAST(?1 AS BIGINT)";

type Account = {
  id: number;
  number: string;
  name: string;
  internal: InternalAccount | null;
  balance: number;
  createdAt: number;
  newest: number | null;
  /** The journal's newest record. */
  upTo: number;
};

type Span = { readonly from: number; readonly to: number };

/** An entry of the account: where it stands, and what it adds to the balance. */
type Found = Place & { readonly amount: number };

/** The sums that a statement begins with, and the ids of its records, page by page, ascending. */
type Entries = {
  /** Of the span and of all that came after it. */
  readonly since: number;
  readonly sums: { readonly credits: number; readonly debits: number; readonly count: number };
  readonly pages: () => Iterable<number[]>;
};

export type Reading = {
  readonly records: (ids: readonly number[]) => JournalView[];
  readonly reservations: (ids: readonly number[]) => ReservationView[];
};

export function statementOn(db: Sql, { records, reservations }: Reading) {
  const recordsOfTime = idsInTime(db, "journal", "at");
  const now = db.query(
    `SELECT id, number, name, internal, ledger_balance AS balance, created_at AS createdAt,
       last_reservation AS newest, (SELECT coalesce(max(id), 0) FROM journal) AS upTo
     FROM accounts WHERE number = ?`,
  );
  const link = db.query("SELECT previous, state, resolved_at AS at FROM requests WHERE id = ?");
  const debit = db.query(
    `SELECT j.id, j.at, ${amountOf(ACCOUNT)} AS amount FROM journal j
     WHERE j.reservation_id = ?2 AND j.kind = 'debit'`,
  );
  const byHand = db.query(
    `SELECT j.id, j.at, ${amountOf(ACCOUNT)} AS amount FROM journal j
     WHERE j.kind <> 'debit' AND j.kind <> 'act' AND j.kind <> 'opening'
       AND (j.at, j.id) > (?2, ?3) ORDER BY j.at, j.id LIMIT ?4`,
  );
  const opening = db.query(
    `SELECT j.id, j.at, ${amountOf(ACCOUNT)} AS amount FROM journal j
     WHERE j.id BETWEEN ?2 AND ?3 AND j.kind = 'opening'
       AND ${ACCOUNT} IN (j.account_1, j.account_2, j.account_3)`,
  );
  const searched = db.query(
    `SELECT j.id, j.at, ${amountOf(ACCOUNT)} AS amount FROM journal j
     WHERE j.id BETWEEN ?2 AND ?3 AND j.at >= ?4 AND ${ACCOUNT} IN (j.account_1, j.account_2, j.account_3)
     ORDER BY j.id`,
  );
  const reservationOf = db.query(
    `SELECT id, reservation_id AS reservation FROM journal
     WHERE id ${db.dialect.inIds("?")} AND reservation_id IS NOT NULL`,
  );

  /** The debits of a customer's reservations from a moment on, by the chain of them. */
  function debitsOf({ id: account, newest }: Account, from: number): Found[] {
    const found: Found[] = [];
    let next = newest;
    const page = db.transaction(() => {
      for (let count = 0; next !== null && count < PAGE_SIZE; count += 1) {
        const id: number = next;
        const row = link.get(id) as { previous: number | null; state: string; at: number } | null;
        if (row?.state === "debited" && row.at >= from) {
          const entry = debit.get(account, id) as Found | null;
          if (entry !== null) found.push(entry);
        }
        // A chain that turns back is damaged, and would never end: verify names it.
        const previous = row?.previous ?? null;
        next = previous !== null && previous < id ? previous : null;
      }
    });
    while (next !== null) page();
    return found;
  }

  function entriesOfCustomer(account: Account, { from, to }: Span): Entries {
    const all = debitsOf(account, from);
    walkByTime<Place & { amount: number | null }>(
      from,
      (after, limit) => byHand.all(account.id, after.at, after.id, limit) as never,
      ({ amount, ...place }) => amount !== null && all.push({ ...place, amount }),
    );
    if (account.createdAt >= from) {
      const { first, last } = recordsOfTime(account.createdAt, account.createdAt);
      all.push(...(opening.all(account.id, first, last) as Found[]));
    }
    const entries = all.filter(({ id }) => id <= account.upTo).sort((a, b) => a.id - b.id);
    const inSpan = entries.filter(({ at }) => at < to);
    const ids = inSpan.map(({ id }) => id);
    return {
      since: entries.reduce((sum, { amount }) => sum + amount, 0),
      sums: sumsOf([inSpan]),
      *pages() {
        for (let from = 0; from < ids.length; from += PAGE_SIZE) {
          yield ids.slice(from, from + PAGE_SIZE);
        }
      },
    };
  }

  /** All entries of an account from a moment on, in short reads of the journal. */
  function* search({ id, upTo }: Account, from: number): Iterable<Found[]> {
    const { first } = recordsOfTime(from, undefined);
    for (let record = first; record <= upTo; record += RECORDS_AT_ONCE) {
      const last = Math.min(upTo, record + RECORDS_AT_ONCE - 1);
      yield searched.all(id, record, last, from) as Found[];
    }
  }

  function entriesBySearch(account: Account, { from, to }: Span): Entries {
    let since = 0;
    function* inSpan() {
      for (const entries of search(account, from)) {
        for (const { amount } of entries) since += amount;
        yield entries.filter(({ at }) => at < to);
      }
    }
    const sums = sumsOf(inSpan());
    return {
      since,
      sums,
      *pages() {
        for (const entries of search(account, from)) {
          const ids = entries.flatMap(({ id, at }) => (at < to ? [id] : []));
          for (let from = 0; from < ids.length; from += PAGE_SIZE) {
            yield ids.slice(from, from + PAGE_SIZE);
          }
        }
      },
    };
  }

  /** The records of a page with their purchases; `balance` is what the account had before them. */
  function entriesOf(account: Account, ids: readonly number[], balance: number): StatementEntry[] {
    const of = reservationOf.values(JSON.stringify(ids)) as [number, number][];
    const known = new Map(reservations(of.map(([, id]) => id)).map((row) => [row.id, row]));
    const purchaseOf = new Map(of.map(([record, id]) => [record, known.get(id) ?? null]));
    let after = balance;
    return records(ids).map((record) => {
      const entry = record.entries.find(({ account: number }) => number === account.number);
      const amount = minor(entry?.amount ?? 0);
      after += amount;
      const purchase = purchaseOf.get(record.id) ?? null;
      return { record, amount, balance: minor(after), purchase };
    });
  }

  return {
    statement(number: string, span: Span): Statement | null {
      const account = now.get(number) as Account | null;
      if (account === null) return null;
      const found =
        account.internal === null
          ? entriesOfCustomer(account, span)
          : entriesBySearch(account, span);
      const { credits, debits, count } = found.sums;
      const before = account.balance - found.since;
      return {
        account: { number, name: account.name, internal: account.internal },
        opening: minor(before),
        credits: minor(credits),
        debits: minor(debits),
        closing: minor(before + credits + debits),
        count,
        entries: {
          *[Symbol.iterator]() {
            let balance = before;
            for (const ids of found.pages()) {
              const entries = entriesOf(account, ids, balance);
              yield* entries;
              balance = entries.at(-1)?.balance ?? balance;
            }
          },
        },
      };
    },
  };
}

function sumsOf(pages: Iterable<readonly Found[]>) {
  const sums = { credits: 0, debits: 0, count: 0 };
  for (const entries of pages) {
    for (const { amount } of entries) {
      if (amount > 0) sums.credits += amount;
      else sums.debits += amount;
      sums.count += 1;
    }
  }
  return sums;
}
