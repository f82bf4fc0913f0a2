// What people look at, and what verify recomputes. No function here writes.
import type { Database } from "bun:sqlite";
import { available, type InternalAccount } from "../../domain/account.ts";
import { byUrgency } from "../../domain/finding.ts";
import { canonicalBuyerId } from "../../domain/identifiers.ts";
import { localDayFinder } from "../../domain/local-time.ts";
import { type Minor, minor } from "../../domain/money.ts";
import { sumsDifference } from "../../domain/reserve.ts";
import type {
  AccountView,
  BankIdentity,
  By,
  EntryView,
  FindingView,
  Holiday,
  JournalView,
  LimitRow,
  ReservationFilter,
  ReservationView,
  SettlementMovements,
  SettlementRow,
} from "../store.ts";
import { LIMIT_COLUMNS } from "./admin.ts";

const RESERVATION = `SELECT r.id, r.reference, r.request_id AS requestId, r.client_ref AS clientRef,
    r.buyer_id AS buyerId, r.target_id AS targetId, a.number AS account, r.state,
    r.reserve_amount AS reserveAmount, r.purchase_amount AS purchaseAmount,
    r.fee_amount AS feeAmount, r.client_share_amount AS clientShareAmount,
    r.settlement_amount AS settlementAmount, r.product_id AS productId,
    r.channel_id AS channelId, r.reserved_at AS reservedAt, r.resolved_at AS resolvedAt,
    r.result_code AS resultCode, r.resolved_by AS resolvedBy, r.first_sent_at AS firstSentAt,
    EXISTS (SELECT 1 FROM journal j WHERE j.reservation_id = r.id AND j.kind = 'correction')
      AS corrected, r.currency
  FROM requests r JOIN accounts a ON a.id = r.account_id`;

const FINDING = `SELECT f.id, f.kind, f.request_id AS requestId, f.reference, f.detail,
    f.opened_at AS openedAt, f.last_seen_at AS lastSeenAt, f.occurrences,
    f.first_sent_at AS firstSentAt, f.closed_at AS closedAt, j.reason AS closeReason
  FROM findings f LEFT JOIN journal j ON j.id = f.closed_by`;

const JOURNAL = `SELECT j.id, j.at, j.kind, j.act, coalesce(j.subject, r.reference) AS subject, j.detail, r.reference, j.actor, j.reason,
    (SELECT json_group_array(json_object('account', a.number, 'amount', e.amount))
       FROM entries e JOIN accounts a ON a.id = e.account_id WHERE e.journal_id = j.id) AS entries
  FROM journal j LEFT JOIN requests r ON r.id = j.reservation_id`;

const ACCOUNT = `SELECT id, number, name, status, ledger_balance AS ledgerBalance, held, overdraft,
    pin_hash IS NOT NULL AS hasPin, pin_locked AS pinLocked, pin_failures AS pinFailures,
    created_at AS createdAt,
    (SELECT json_group_array(json_object('buyerId', b.buyer_id, 'blocked',
       EXISTS (SELECT 1 FROM blocked_buyers x WHERE x.buyer_id = b.buyer_id)))
       FROM buyers b WHERE b.account_id = accounts.id) AS buyers
  FROM accounts`;

type AccountRow = Omit<AccountView, "pin" | "buyers" | "available"> & {
  hasPin: number;
  pinLocked: number;
  buyers: string;
};

function accountView({ hasPin, pinLocked, buyers, ...row }: AccountRow): AccountView {
  type Buyer = { buyerId: string; blocked: number };
  return {
    ...row,
    ledgerBalance: minor(row.ledgerBalance),
    available: available(row),
    pin: hasPin === 0 ? "none" : pinLocked === 1 ? "locked" : "set",
    buyers: (JSON.parse(buyers) as Buyer[]).map(({ buyerId, blocked }) => ({
      buyerId,
      blocked: blocked === 1,
    })),
  };
}

type ReservationRow = Omit<ReservationView, "corrected" | "sumsDifference"> & {
  corrected: number;
  currency: string | null;
};

function reservationView({ corrected, currency, ...row }: ReservationRow): ReservationView {
  return {
    ...row,
    reserveAmount: minor(row.reserveAmount),
    corrected: corrected === 1,
    sumsDifference: sumsDifference({ ...row, currency }),
  };
}

type JournalRow = Omit<JournalView, "by" | "entries"> & { actor: string | null; entries: string };

function journalView({ actor, entries, ...row }: JournalRow): JournalView {
  const by =
    actor === null ? null : { ...(JSON.parse(actor) as Omit<By, "reason">), reason: row.reason };
  return { ...row, by, entries: JSON.parse(entries) as EntryView[] };
}

export function readsOn(db: Database, bank: BankIdentity) {
  const reservations = (where: string, ...values: (string | number)[]) =>
    (db.query(`${RESERVATION} ${where}`).all(...values) as ReservationRow[]).map(reservationView);
  const findings = (where: string, ...values: (string | number)[]) =>
    (db.query(`${FINDING} ${where}`).all(...values) as FindingView[]).sort(byUrgency);
  const journal = (where: string, ...values: number[]) =>
    (db.query(`${JOURNAL} ${where}`).all(...values) as JournalRow[]).map(journalView);

  return {
    buyer(text: string) {
      const buyerId = canonicalBuyerId(text, bank.country);
      const row = db
        .query(
          `SELECT (SELECT a.number FROM buyers b JOIN accounts a ON a.id = b.account_id
             WHERE b.buyer_id = $buyerId) AS account,
           EXISTS (SELECT 1 FROM blocked_buyers WHERE buyer_id = $buyerId) AS blocked`,
        )
        .get({ buyerId }) as { account: string | null; blocked: number };
      return { buyerId, account: row.account, blocked: row.blocked === 1 };
    },

    accounts(): AccountView[] {
      return (
        db.query(`${ACCOUNT} WHERE internal IS NULL ORDER BY number`).all() as AccountRow[]
      ).map(accountView);
    },

    account(number: string): AccountView | null {
      const row = db.query(`${ACCOUNT} WHERE number = ?`).get(number) as AccountRow | null;
      return row === null ? null : accountView(row);
    },

    limits(): LimitRow[] {
      return db
        .query(`SELECT ${LIMIT_COLUMNS} FROM limits ORDER BY scope, scope_key`)
        .all() as LimitRow[];
    },

    reservations(filter: ReservationFilter): ReservationView[] {
      const wanted: [string, string | number | undefined][] = [
        ["r.state = ?", filter.state],
        ["a.number = ?", filter.account],
        ["r.buyer_id = ?", filter.buyer && canonicalBuyerId(filter.buyer, bank.country)],
        ["r.reserved_at >= ?", filter.from],
        ["r.reserved_at < ?", filter.to],
      ];
      const given = wanted.filter(
        (pair): pair is [string, string | number] => pair[1] !== undefined,
      );
      const where = given.length === 0 ? "" : `WHERE ${given.map(([sql]) => sql).join(" AND ")}`;
      const values = given.map(([, value]) => value);
      return reservations(`${where} ORDER BY r.id DESC LIMIT ?`, ...values, filter.limit);
    },

    reservation(ref: string): ReservationView | null {
      const byReference = reservations("WHERE r.reference = ?", ref);
      return byReference[0] ?? reservations("WHERE r.request_id = ?", ref)[0] ?? null;
    },

    openReservationsAsOf(at: number): ReservationView[] {
      // Two reads, so that the open ones come by their own index.
      const open = reservations("WHERE r.state = 'reserved' AND r.reserved_at <= ?", at);
      const since = reservations("WHERE r.resolved_at > ? AND r.reserved_at <= ?", at, at);
      return [...open, ...since].sort((a, b) => a.reservedAt - b.reservedAt || a.id - b.id);
    },

    findings(openAt: number | null): FindingView[] {
      if (openAt === null) return findings("");
      return findings(
        "WHERE f.opened_at <= ? AND (f.closed_at IS NULL OR f.closed_at > ?)",
        openAt,
        openAt,
      );
    },

    finding(id: number): FindingView | null {
      return findings("WHERE f.id = ?", id)[0] ?? null;
    },

    findingsOf(requestId: string, reference: string): FindingView[] {
      const rows = findings("WHERE f.request_id = ? OR f.reference = ?", requestId, reference);
      return rows.sort((a, b) => a.id - b.id);
    },

    journal(filter: { from: number; to: number; after: number; limit: number }): JournalView[] {
      return journal(
        "WHERE j.id > ? AND j.at >= ? AND j.at < ? ORDER BY j.id LIMIT ?",
        filter.after,
        filter.from,
        filter.to,
        filter.limit,
      );
    },

    journalOf(reservationId: number): JournalView[] {
      return journal("WHERE j.reservation_id = ? ORDER BY j.id", reservationId);
    },

    settlementRows(from: number, to: number): SettlementRow[] {
      return settlementRows(db, bank, from, to);
    },

    settlementMovements(from: number, to: number): SettlementMovements {
      const row = db
        .query(
          `SELECT
             sum(e.amount) FILTER (WHERE j.at < $from AND a.internal = 'clickatell') AS owedBefore,
             sum(e.amount) FILTER (WHERE j.at >= $from AND a.internal = 'clickatell'
               AND j.kind = 'correction') AS corrected,
             sum(e.amount) FILTER (WHERE j.at >= $from AND a.internal = 'clickatell'
               AND j.kind IN ('credit', 'withdrawal')) AS adjusted,
             -sum(e.amount) FILTER (WHERE j.at >= $from AND a.internal = 'clickatell'
               AND j.kind = 'settlement') AS paid,
             sum(e.amount) FILTER (WHERE a.internal = 'suspense') AS inSuspense
           FROM journal j JOIN entries e ON e.journal_id = j.id
             JOIN accounts a ON a.id = e.account_id
           WHERE j.at < $to AND a.internal IN ('clickatell', 'suspense')`,
        )
        .get({ from, to }) as { [figure in keyof SettlementMovements]: number | null };
      return {
        owedBefore: minor(row.owedBefore ?? 0),
        corrected: minor(row.corrected ?? 0),
        adjusted: minor(row.adjusted ?? 0),
        paid: minor(row.paid ?? 0),
        inSuspense: minor(row.inSuspense ?? 0),
      };
    },

    balances() {
      return db
        .query(
          `SELECT number, name, internal, ledger_balance AS balance FROM accounts
           ORDER BY internal IS NULL, number`,
        )
        .all() as {
        number: string;
        name: string;
        internal: InternalAccount | null;
        balance: Minor;
      }[];
    },

    holidays(): Holiday[] {
      return db.query("SELECT day, name FROM holidays ORDER BY day").all() as Holiday[];
    },
  };
}

type DebitRow = {
  resolved_at: number;
  product_id: number | null;
  reserve_amount: number;
  purchase_amount: number | null;
  fee_amount: number;
  client_share_amount: number;
  settlement_amount: number | null;
};

/** By local day of the debit and product; the days are the bank's, so they are found here. */
function settlementRows(db: Database, bank: BankIdentity, from: number, to: number) {
  const dayOf = localDayFinder(bank.timeZone);
  const rows = new Map<string, { -readonly [key in keyof SettlementRow]: SettlementRow[key] }>();
  const debits = db
    .query(
      `SELECT r.resolved_at, r.product_id, r.reserve_amount, r.purchase_amount, r.fee_amount,
         r.client_share_amount, r.settlement_amount
       FROM requests r
       WHERE r.state = 'debited' AND r.resolved_at >= ? AND r.resolved_at < ?
       ORDER BY r.resolved_at`,
    )
    .iterate(from, to) as Iterable<DebitRow>;
  for (const debit of debits) {
    const day = dayOf(debit.resolved_at);
    const key = `${day} ${String(debit.product_id ?? "").padStart(12, "0")}`;
    const row = rows.get(key) ?? emptyRow(day, debit.product_id);
    rows.set(key, row);
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
  }
  return [...rows.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
}

function emptyRow(day: string, productId: number | null) {
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
