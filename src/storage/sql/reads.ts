// What people look at, beside reservations, receipts and the settlement. No function here writes.

import { available } from "../../domain/account.ts";
import { FINDING_KINDS, type FindingKind } from "../../domain/finding.ts";
import { canonicalBuyerId } from "../../domain/identifiers.ts";
import type { LocalDay } from "../../domain/local-time.ts";
import { minor } from "../../domain/money.ts";
import { PAGE_SIZE, type Paging } from "../pages.ts";
import type {
  AccountView,
  BankIdentity,
  By,
  EntryView,
  FindingFilter,
  FindingView,
  Holiday,
  JournalView,
  LedgerAccount,
  LimitRow,
  Mark,
  Overview,
  Store,
} from "../store.ts";
import { activityOn } from "./activity.ts";
import { pastOn } from "./past.ts";
import { reservationsOn } from "./reservations.ts";
import { LIMIT_COLUMNS } from "./rows.ts";
import { settlementOn } from "./settlement.ts";
import type { Dialect, Sql } from "./sql.ts";
import { statementOn } from "./statement.ts";
import { idsInTime } from "./walk.ts";

const FINDING = `SELECT f.id, f.kind, f.request_id AS requestId, f.reference, f.detail,
    f.opened_at AS openedAt, f.last_seen_at AS lastSeenAt, f.occurrences,
    f.first_sent_at AS firstSentAt, f.closed_at AS closedAt, j.reason AS closeReason
  FROM findings f LEFT JOIN journal j ON j.id = f.closed_by`;

const JOURNAL = `SELECT j.id, j.at, j.kind, j.act, coalesce(j.subject, r.reference) AS subject,
    j.detail, r.reference, j.actor, j.reason,
    ${[1, 2, 3]
      .map(
        (n) => `j.account_${n}, j.amount_${n},
          (SELECT number FROM accounts WHERE id = j.account_${n}) AS number_${n}`,
      )
      .join(", ")}
  FROM journal j LEFT JOIN requests r ON r.id = j.reservation_id`;

function accountsWith({ jsonList }: Dialect): string {
  const blocked = `CASE WHEN EXISTS (SELECT 1 FROM blocked_buyers x WHERE x.buyer_id = b.buyer_id)
    THEN 1 ELSE 0 END`;
  const theirs = "buyers b WHERE b.account_id = accounts.id";
  return `SELECT id, number, name, status, ledger_balance AS ledgerBalance, held, overdraft,
      pin_hash IS NOT NULL AS hasPin, pin_locked AS pinLocked, pin_failures AS pinFailures,
      created_at AS createdAt, ${jsonList({ buyerId: "b.buyer_id", blocked }, theirs)} AS buyers
    FROM accounts`;
}

/**
 * Not "internal IS NULL": by the index of the internal names all customers would be found at once,
 * and sorted.
 */
const ANY_CUSTOMER = "coalesce(internal, '') = ''";

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
    buyers: (JSON.parse(buyers) as Buyer[])
      .sort((a, b) => (a.buyerId < b.buyerId ? -1 : 1))
      .map(({ buyerId, blocked }) => ({ buyerId, blocked: blocked === 1 })),
  };
}

type JournalRow = Omit<JournalView, "by" | "entries"> & {
  actor: string | null;
  account_1: number | null;
  amount_1: number | null;
  number_1: string | null;
  account_2: number | null;
  amount_2: number | null;
  number_2: string | null;
  account_3: number | null;
  amount_3: number | null;
  number_3: string | null;
};

/** What says where the acts about a purchase stand in the journal. */
type AboutPurchase = {
  id: number;
  reference: string | null;
  releasedAt: number | null;
  sentAt: number | null;
};

/** What `reports exceptions --mark-sent` says in its detail (admin.ts). */
type Sent = { readonly reservations: readonly number[] };

/** A posting's entries, the bank's own accounts first. */
function entriesOf(row: JournalRow): EntryView[] {
  return [
    { id: row.account_1, account: row.number_1, amount: row.amount_1 },
    { id: row.account_2, account: row.number_2, amount: row.amount_2 },
    { id: row.account_3, account: row.number_3, amount: row.amount_3 },
  ]
    .filter(({ id }) => id !== null)
    .sort((a, b) => Number(a.id) - Number(b.id))
    .map(({ account, amount }) => ({ account: account ?? "?", amount: minor(amount ?? 0) }));
}

function journalView(row: JournalRow): JournalView {
  const { id, at, kind, act, subject, detail, reference, reason } = row;
  const by =
    row.actor === null ? null : { ...(JSON.parse(row.actor) as Omit<By, "reason">), reason };
  return { id, at, kind, act, subject, detail, reference, by, reason, entries: entriesOf(row) };
}

/** What a ledger account had when the journal was at a record: what it has now less what came since. */
const LEDGER_ACCOUNT = `SELECT a.number, a.name, a.internal,
    a.ledger_balance - coalesce(since.amount, 0) AS balance
  FROM accounts a LEFT JOIN (SELECT account_id, CAST(sum(amount) AS BIGINT) AS amount
      FROM entries WHERE journal_id > $journal GROUP BY account_id) since ON since.account_id = a.id
  WHERE a.id <= $account AND a.number > $after`;

export function readsOn(db: Sql, bank: BankIdentity) {
  const selectAccounts = accountsWith(db.dialect);
  const findings = (where: string, values: { [name: string]: string | number | null }) =>
    db.query(`${FINDING} ${where}`).all(values) as FindingView[];
  const journal = (where: string, ...values: (number | string)[]) =>
    (db.query(`${JOURNAL} ${where}`).all(...values) as JournalRow[]).map(journalView);

  const records = (ids: readonly number[]) =>
    journal(`WHERE j.id ${db.dialect.inIds("?")} ORDER BY j.id`, JSON.stringify(ids));
  const { withIds, ...purchases } = reservationsOn(db, bank);

  /** The findings of one kind in the order of their ids. */
  function findingsOfKind(kind: FindingKind, { openAt, after, limit }: FindingFilter) {
    const values = { kind, after: after ?? 0, by: openAt ?? Number.MAX_SAFE_INTEGER, limit };
    const where = "WHERE f.kind = $kind AND f.id > $after AND f.opened_at <= $by";
    const order = "ORDER BY f.id LIMIT $limit";
    const open = findings(`${where} AND f.closed_at IS NULL ${order}`, values);
    // Few are closed after any instant, each by a person, so that sorting them costs little.
    const closed = findings(`${where} AND f.closed_at > $since ${order}`, {
      ...values,
      since: openAt ?? -1,
    });
    return [...open, ...closed].sort((a, b) => a.id - b.id).slice(0, limit);
  }

  const holidays = db.query("SELECT day, name FROM holidays ORDER BY day");
  const openCount = db.query(
    `SELECT count(*) AS open, min(reserved_at) AS oldestOpenAt,
       count(CASE WHEN reserved_at < ? THEN 1 END) AS unconfirmed
     FROM requests WHERE state = 'reserved' AND reserved_at >= 0`,
  );
  const openFindings = db.query(
    "SELECT count(*) AS open FROM findings WHERE kind = ? AND closed_at IS NULL",
  );

  const kindOf = db.query("SELECT kind FROM findings WHERE id = ?");
  // In one read, so that one that is closed meanwhile is neither missed nor listed twice.
  const findingsPage = db.transaction((filter: FindingFilter) => {
    const { kinds = FINDING_KINDS, after = 0, limit } = filter;
    const last = (kindOf.get(after) as { kind: FindingKind } | null)?.kind;
    const found: FindingView[] = [];
    for (const kind of FINDING_KINDS.slice(last === undefined ? 0 : FINDING_KINDS.indexOf(last))) {
      if (!kinds.includes(kind) || found.length === limit) continue;
      const page = { after: kind === last ? after : 0, limit: limit - found.length };
      found.push(...findingsOfKind(kind, { ...filter, ...page }));
    }
    return found;
  });

  const pageAfter = db.query(
    `SELECT max(id) AS last, count(*) AS count
     FROM (SELECT id FROM journal WHERE id > ? ORDER BY id LIMIT ?) page`,
  );
  const recordsOfPurchase = db.query(
    `SELECT id FROM journal WHERE reservation_id = $id AND kind = 'debit'
     UNION SELECT id FROM journal WHERE reservation_id = $id AND kind = 'correction'
     UNION SELECT closed_by FROM findings WHERE request_id = $requestId AND closed_by IS NOT NULL`,
  );
  const aboutPurchase = db.query(
    `SELECT id, reference, CASE WHEN resolved_by = 'operator' AND state = 'released'
       THEN resolved_at END AS releasedAt, first_sent_at AS sentAt
     FROM requests WHERE request_id = ?`,
  );
  const recordsOfTime = idsInTime(db, "journal", "at");
  // Each is written in the commit of what it did, a moment after it.
  const releaseAct = db.query(
    `SELECT id FROM journal WHERE id BETWEEN $first AND $last AND kind = 'act'
       AND act = 'reservations release' AND subject = $reference`,
  );
  const sentActs = db.query(
    `SELECT id, detail FROM journal WHERE id BETWEEN $first AND $last AND kind = 'act'
       AND act = 'reports exceptions --mark-sent'`,
  );

  /** What an operator did about a purchase that moved no money, found by when it was done. */
  function actsAbout(about: AboutPurchase | null): number[] {
    if (about === null) return [];
    const { id, reference, releasedAt, sentAt } = about;
    const released =
      releasedAt === null
        ? []
        : releaseAct.values({ ...recordsOfTime(releasedAt, releasedAt), reference });
    const sent = sentAt === null ? [] : sentActs.values(recordsOfTime(sentAt, sentAt));
    return [
      ...(released.flat() as number[]),
      ...(sent as [number, string][])
        .filter(([, detail]) => (JSON.parse(detail) as Sent).reservations.includes(id))
        .map(([record]) => record),
    ];
  }

  const newest = db.query(
    `SELECT (SELECT coalesce(max(id), 0) FROM journal) AS journal,
       (SELECT max(id) FROM accounts) AS account`,
  );
  const byNumber = "ORDER BY a.number LIMIT $limit";
  const ownAccounts = db.query(`${LEDGER_ACCOUNT} AND a.internal IS NOT NULL ${byNumber}`);
  const customersAccounts = db.query(`${LEDGER_ACCOUNT} AND ${ANY_CUSTOMER} ${byNumber}`);

  return {
    ...purchases,
    ...statementOn(db, { records, reservations: withIds }),
    ...activityOn(db, bank),
    ...settlementOn(db, bank),
    ...pastOn(db, bank),

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

    accounts({ after = "", limit }: Paging<string>): AccountView[] {
      const rows = db
        .query(`${selectAccounts} WHERE number > ? AND ${ANY_CUSTOMER} ORDER BY number LIMIT ?`)
        .all(after, limit) as AccountRow[];
      return rows.map(accountView);
    },

    account(number: string): AccountView | null {
      const row = db.query(`${selectAccounts} WHERE number = ?`).get(number) as AccountRow | null;
      return row === null ? null : accountView(row);
    },

    limits(): LimitRow[] {
      return db
        .query(`SELECT ${LIMIT_COLUMNS} FROM limits ORDER BY scope, scope_key`)
        .all() as LimitRow[];
    },

    overview(listedBefore: (holidays: readonly LocalDay[]) => number): Overview {
      const days = (holidays.all() as Holiday[]).map(({ day }) => day);
      const open = openCount.get(listedBefore(days)) as Omit<Overview, "findings">;
      const findings = FINDING_KINDS.map((kind) => ({
        kind,
        open: (openFindings.get(kind) as { open: number }).open,
      }));
      return { ...open, findings };
    },

    findings: (filter: FindingFilter): FindingView[] => findingsPage(filter),

    finding(id: number): FindingView | null {
      return findings("WHERE f.id = $id", { id })[0] ?? null;
    },

    findingsOf(requestId: string, reference: string | null): FindingView[] {
      const where = "WHERE f.request_id = $requestId OR f.reference = $reference ORDER BY f.id";
      return findings(where, { requestId, reference });
    },

    journal({ from, to, after = 0, limit }: Parameters<Store["journal"]>[0]): JournalView[] {
      const found: JournalView[] = [];
      // A page of records at a time, however few of them are of the span.
      for (let begin = after; found.length < limit; ) {
        const { last, count } = pageAfter.get(begin, PAGE_SIZE) as { last: number; count: number };
        const where =
          "WHERE j.id > ? AND j.id <= ? AND j.at >= ? AND j.at < ? ORDER BY j.id LIMIT ?";
        if (count > 0) found.push(...journal(where, begin, last, from, to, limit - found.length));
        if (count < PAGE_SIZE) break;
        begin = last;
      }
      return found;
    },

    journalOf(requestId: string): JournalView[] {
      const about = aboutPurchase.get(requestId) as AboutPurchase | null;
      const ids = recordsOfPurchase.values({ requestId, id: about?.id ?? null }).flat();
      return records([...(ids as number[]), ...actsAbout(about)]);
    },

    buyerHistory(buyer: string): JournalView[] {
      // The index has the condition on the act, in these words.
      return (
        db
          .query(
            `${JOURNAL} WHERE j.act IN ('accounts map', 'accounts unmap')
               AND ${db.dialect.field("j.detail", "buyerId")} = ? ORDER BY j.id`,
          )
          .all(canonicalBuyerId(buyer, bank.country)) as JournalRow[]
      ).map(journalView);
    },

    mark: (): Mark => newest.get() as Mark,

    balances({ upTo, after = "", limit }: Parameters<Store["balances"]>[0]): LedgerAccount[] {
      const amongOwn = after.startsWith("@");
      const own =
        after === "" || amongOwn
          ? (ownAccounts.all({ ...upTo, after, limit }) as LedgerAccount[])
          : [];
      const page = { after: amongOwn ? "" : after, limit: limit - own.length };
      return [...own, ...(customersAccounts.all({ ...upTo, ...page }) as LedgerAccount[])];
    },

    holidays(): Holiday[] {
      return holidays.all() as Holiday[];
    },
  };
}
