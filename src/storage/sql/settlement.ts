// What was debited in a span, by local day and product, and what else moved @clickatell and @suspense.
//
// The figures are those of one moment, the journal's newest record when the report began, though
// purchases go on while it reads: the balances are those of that record, later debits are passed
// over, and what was before the span is the balance less all that came since.

import type { InternalAccount } from "../../domain/account.ts";
import { localDayFinder } from "../../domain/local-time.ts";
import { minor } from "../../domain/money.ts";
import type {
  BankIdentity,
  JournalView,
  Settlement,
  SettlementMovements,
  SettlementRow,
} from "../store.ts";
import { amountOf } from "./journal.ts";
import type { Sql } from "./sql.ts";
import { type Place, walkByTime } from "./walk.ts";

/** A reservation that ended. */
type Ended = Place & {
  /** Null of a release. */
  readonly journalId: number | null;
  readonly product_id: number | null;
  readonly reserve_amount: number;
  readonly purchase_amount: number | null;
  readonly fee_amount: number;
  readonly client_share_amount: number;
  readonly settlement_amount: number | null;
};

/** A posting by hand: what it adds to either account. */
type ByHand = Place & {
  readonly kind: JournalView["kind"];
  readonly clickatell: number;
  readonly suspense: number;
};

export function settlementOn(db: Sql, bank: BankIdentity) {
  const moment = db.query(
    `SELECT (SELECT coalesce(max(id), 0) FROM journal) AS journal,
       (SELECT ledger_balance FROM accounts WHERE internal = 'clickatell') AS clickatell,
       (SELECT ledger_balance FROM accounts WHERE internal = 'suspense') AS suspense`,
  );
  // Releases are passed over here and not in SQL, where a page of debits might look at any number.
  const endedFrom = db.query(
    `SELECT r.id, r.resolved_at AS at, r.product_id, r.reserve_amount, r.purchase_amount,
       r.fee_amount, r.client_share_amount, r.settlement_amount,
       (SELECT j.id FROM journal j WHERE j.reservation_id = r.id AND j.kind = 'debit') AS journalId
     FROM requests r
     WHERE r.resolved_at IS NOT NULL AND (r.resolved_at, r.id) > (?, ?)
     ORDER BY r.resolved_at, r.id LIMIT ?`,
  );
  const amountOn = (internal: InternalAccount) =>
    `coalesce(${amountOf(`(SELECT id FROM accounts WHERE internal = '${internal}')`)}, 0)`;
  const byHandFrom = db.query(
    `SELECT j.id, j.at, j.kind, ${amountOn("clickatell")} AS clickatell,
       ${amountOn("suspense")} AS suspense
     FROM journal j
     WHERE j.kind <> 'debit' AND j.kind <> 'act' AND j.kind <> 'opening' AND (j.at, j.id) > (?, ?) AND j.id <= ?
     ORDER BY j.at, j.id LIMIT ?`,
  );

  /** All debits from an instant on that the journal had when it was at a record. */
  function eachDebit(from: number, upTo: number, visit: (debit: Ended) => void): void {
    walkByTime<Ended>(
      from,
      (after, limit) => endedFrom.all(after.at, after.id, limit) as Ended[],
      (ended) => {
        if (ended.journalId !== null && ended.journalId <= upTo) visit(ended);
      },
    );
  }

  function eachByHand(from: number, upTo: number, visit: (posting: ByHand) => void): void {
    walkByTime<ByHand>(
      from,
      (after, limit) => byHandFrom.all(after.at, after.id, upTo, limit) as ByHand[],
      visit,
    );
  }

  return {
    settlement(from: number, to: number): Settlement {
      const now = moment.get() as { journal: number; clickatell: number; suspense: number };
      const days = byDayAndProduct(bank.timeZone);
      const moves = { corrected: 0, adjusted: 0, paid: 0 };
      // The two balances, taken back to before the span and to its end.
      let owedBefore = now.clickatell;
      let inSuspense = now.suspense;
      eachDebit(from, now.journal, (debit) => {
        owedBefore -= debit.settlement_amount ?? 0;
        if (debit.at < to) days.add(debit);
        else if (debit.settlement_amount === null) inSuspense -= debit.reserve_amount;
      });
      eachByHand(from, now.journal, ({ at, kind, clickatell, suspense }) => {
        owedBefore -= clickatell;
        if (at >= to) inSuspense -= suspense;
        else if (kind === "correction") moves.corrected += clickatell;
        else if (kind === "settlement") moves.paid -= clickatell;
        else moves.adjusted += clickatell;
      });
      return { rows: days.rows(), movements: movementsOf({ owedBefore, ...moves, inSuspense }) };
    },
  };
}

function movementsOf(figures: { [figure in keyof SettlementMovements]: number }) {
  return {
    owedBefore: minor(figures.owedBefore),
    corrected: minor(figures.corrected),
    adjusted: minor(figures.adjusted),
    paid: minor(figures.paid),
    inSuspense: minor(figures.inSuspense),
  };
}

type Row = { -readonly [key in keyof SettlementRow]: SettlementRow[key] };

/** Sums debits by local day and product; the days are the bank's, so they are found here. */
function byDayAndProduct(timeZone: string) {
  const dayOf = localDayFinder(timeZone);
  const rows = new Map<string, Row>();

  function rowOf({ at, product_id }: Ended): Row {
    const day = dayOf(at);
    const key = `${day} ${String(product_id ?? "").padStart(12, "0")}`;
    const row = rows.get(key) ?? emptyRow(day, product_id);
    rows.set(key, row);
    return row;
  }

  return {
    add(debit: Ended): void {
      const row = rowOf(debit);
      const purchase = debit.purchase_amount ?? debit.reserve_amount - debit.fee_amount;
      row.count += 1;
      row.reserved = minor(row.reserved + debit.reserve_amount);
      row.purchases = minor(row.purchases + purchase);
      row.fees = minor(row.fees + debit.fee_amount);
      row.clientShare = minor(row.clientShare + debit.client_share_amount);
      row.owed = minor(row.owed + (debit.settlement_amount ?? 0));
      if (debit.settlement_amount === null) {
        row.suspenseCount += 1;
        row.suspense = minor(row.suspense + debit.reserve_amount);
      }
      if (purchase + debit.fee_amount !== debit.reserve_amount) row.sumsDifferCount += 1;
    },

    rows: (): Row[] =>
      [...rows.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row),
  };
}

function emptyRow(day: string, productId: number | null): Row {
  const nothing = minor(0);
  return {
    day,
    productId,
    count: 0,
    reserved: nothing,
    purchases: nothing,
    fees: nothing,
    clientShare: nothing,
    owed: nothing,
    suspenseCount: 0,
    suspense: nothing,
    sumsDifferCount: 0,
  };
}
