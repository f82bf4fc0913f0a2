// What the checks of a request looked at, taken back to its moment. Only the answer is recorded with
// a request; limits, status and funds are what they are now less what the journal and the account's
// reservations say came since. Nothing is guessed: where too much came since, nothing is given.

import type { AccountStatus } from "../../domain/account.ts";
import type { LimitFigures, LimitScope, Limits, Usage, UsageByScope } from "../../domain/limits.ts";
import { localDay, monthOf } from "../../domain/local-time.ts";
import { minor } from "../../domain/money.ts";
import type { BankIdentity, LimitRow, Past, PurchaseView } from "../store.ts";
import { amountOf } from "./journal.ts";
import { LIMIT_COLUMNS } from "./rows.ts";
import type { Sql } from "./sql.ts";
import { idsInTime } from "./walk.ts";

/** Acts are looked for among so many newer records of the journal, and no more. */
const MOST_RECORDS = 1_000_000;
const RECORDS_AT_ONCE = 20_000;
/** An account's reservations, all of which are looked at in one read. */
const MOST_RESERVATIONS = 20_000;

type Act = { act: string; subject: string | null; detail: string | null };

type Account = {
  id: number;
  number: string;
  status: AccountStatus;
  ledgerBalance: number;
  held: number;
  overdraft: number;
  createdAt: number;
  newest: number | null;
};

type Link = {
  id: number;
  previous: number | null;
  state: string;
  amount: number;
  channelId: number | null;
  productId: number | null;
  day: string;
  resolvedAt: number | null;
};

/** What of the present is taken back, step by step. */
type Standing = {
  salesPaused: boolean;
  buyerBlocked: boolean;
  limits: Map<string, LimitFigures>;
  status: AccountStatus;
  overdraft: number;
};

/** Undoes one act: what it changed is again what it was before. */
function undo(standing: Standing, { act, subject, detail }: Act, of: Subject): void {
  // Only the acts below have a detail in JSON, each of them.
  const said = (key: string) => (JSON.parse(detail ?? "{}") as { [key: string]: unknown })[key];
  switch (act) {
    case "sales pause":
      standing.salesPaused = false;
      break;
    case "sales resume":
      standing.salesPaused = true;
      break;
    case "limits set":
    case "limits unset": {
      const before = said("before") as LimitRow | null;
      if (before === null) standing.limits.delete(String(subject));
      else standing.limits.set(String(subject), before);
      break;
    }
    case "accounts block-buyer":
      if (subject === of.buyerId) standing.buyerBlocked = false;
      break;
    case "accounts unblock-buyer":
      if (subject === of.buyerId) standing.buyerBlocked = true;
      break;
    case "accounts status":
      if (subject === of.number) standing.status = said("before") as AccountStatus;
      break;
    case "accounts overdraft":
      if (subject === of.number) standing.overdraft = Number(said("beforeMinor"));
      break;
  }
}

type Subject = { readonly buyerId: string; readonly number: string | null };

/** What an account had reserved, not given back by then, in the day and month of a request. */
function usageOf(before: readonly Link[], of: { day: string; at: number } & PurchaseView) {
  const sums = (links: readonly Link[]): Usage => {
    const inMonth = links.filter(({ day }) => monthOf(day) === monthOf(of.day));
    const inDay = inMonth.filter(({ day }) => day === of.day);
    const sum = (of: readonly Link[]) => minor(of.reduce((all, { amount }) => all + amount, 0));
    return {
      dayAmount: sum(inDay),
      dayCount: inDay.length,
      monthAmount: sum(inMonth),
      monthCount: inMonth.length,
    };
  };
  const counted = before.filter(
    ({ state, resolvedAt }) => state !== "released" || (resolvedAt ?? 0) > of.at,
  );
  return {
    all: sums(counted),
    channel: sums(counted.filter(({ channelId }) => channelId === of.channelId)),
    product: sums(counted.filter(({ productId }) => productId === of.productId)),
  } satisfies UsageByScope;
}

/** The limits that a request met, of those that stood then. */
function limitsFor(
  { limits }: Standing,
  { channelId, productId }: PurchaseView,
  number: string | null,
): Limits {
  const keys: [LimitScope, string | number | null][] = [
    ["global", "*"],
    ["channel", channelId],
    ["product", productId],
    ["account", number],
  ];
  const found = keys.flatMap(([scope, key]) => {
    const figures = key === null ? undefined : limits.get(`${scope} ${key}`);
    return figures === undefined ? [] : [[scope, figures] as const];
  });
  return Object.fromEntries(found);
}

export function pastOn(db: Sql, bank: BankIdentity) {
  const recordsOfTime = idsInTime(db, "journal", "at");
  const newestRecord = db.query("SELECT coalesce(max(id), 0) AS id FROM journal");
  const actsSince = db.query(
    `SELECT act, subject, detail FROM journal
     WHERE id > ? AND id <= ? AND kind = 'act' AND at > ? ORDER BY id DESC`,
  );
  const standingNow = db.query(
    `SELECT sales_paused_at IS NOT NULL AS salesPaused,
       EXISTS (SELECT 1 FROM blocked_buyers WHERE buyer_id = ?) AS buyerBlocked FROM bank`,
  );
  const limitsNow = db.query(`SELECT ${LIMIT_COLUMNS} FROM limits`);
  const accountNow = db.query(
    `SELECT id, number, status, ledger_balance AS ledgerBalance, held, overdraft,
       created_at AS createdAt, last_reservation AS newest FROM accounts WHERE number = ?`,
  );
  const mappedNow = db.query(
    `SELECT a.number FROM buyers b JOIN accounts a ON a.id = b.account_id WHERE b.buyer_id = ?`,
  );
  const mappedSince = db.query(
    `SELECT act, subject, detail FROM journal
     WHERE act IN ('accounts map', 'accounts unmap') AND ${db.dialect.field("detail", "buyerId")} = ?
       AND at > ?
     ORDER BY id LIMIT 1`,
  );
  const link = db.query(
    `SELECT id, previous, state, reserve_amount AS amount, channel_id AS channelId,
       product_id AS productId, local_day AS day, resolved_at AS resolvedAt
     FROM requests WHERE id = ?`,
  );
  const byHandSince = db.query(
    `SELECT CAST(coalesce(sum(${amountOf("CAST(?1 AS BIGINT)")}), 0) AS BIGINT) AS amount
     FROM journal j
     WHERE j.kind <> 'debit' AND j.kind <> 'act' AND j.kind <> 'opening' AND j.at > ?2`,
  );
  const tombstone = db.query("SELECT 1 FROM tombstones WHERE request_id = ? AND at <= ?");

  /** The account that a buyer was mapped to at a moment. */
  function accountThen(buyerId: string, at: number): string | null {
    const change = mappedSince.get(buyerId, at) as Act | null;
    if (change === null)
      return (mappedNow.get(buyerId) as { number: string } | null)?.number ?? null;
    if (change.act === "accounts unmap") return change.subject;
    return (JSON.parse(change.detail ?? "{}") as { before: string | null }).before;
  }

  /** An account's reservations, the newest first; null where they are too many to look at. */
  function reservationsOf({ newest }: Account): Link[] | null {
    const links: Link[] = [];
    for (let id = newest; id !== null; ) {
      const next = link.get(id) as Link | null;
      // A chain that turns back is damaged: verify names it.
      if (next === null || links.length === MOST_RESERVATIONS) return null;
      links.push(next);
      if (next.previous !== null && next.previous >= id) return null;
      id = next.previous;
    }
    return links;
  }

  /** The balances of an account when a request met it, and what it had reserved until then. */
  function fundsThen(account: Account, purchase: PurchaseView, at: number) {
    const links = reservationsOf(account);
    if (links === null) return null;
    const before = links.filter(({ id }) => id < purchase.id);
    const openThen = before.filter(({ resolvedAt }) => resolvedAt === null || resolvedAt > at);
    const held = openThen.reduce((sum, { amount }) => sum + amount, 0);
    const debitedSince = links
      .filter(({ state, resolvedAt }) => state === "debited" && (resolvedAt ?? 0) > at)
      .reduce((sum, { amount }) => sum + amount, 0);
    const byHand = (byHandSince.get(account.id, at) as { amount: number }).amount;
    const day = localDay(at, bank.timeZone);
    return {
      ledgerBalance: minor(account.ledgerBalance + debitedSince - byHand),
      held: minor(held),
      usage: usageOf(before, { ...purchase, day, at }),
    };
  }

  /** Of one moment: all that is known now, and the newest record that it includes. */
  const present = db.transaction((purchase: PurchaseView, at: number) => {
    const { buyerId } = purchase;
    const number = purchase.state === "declined" ? accountThen(buyerId, at) : purchase.account;
    const found = number === null ? null : (accountNow.get(number) as Account | null);
    const account = found === null || found.createdAt > at ? null : found;
    const now = standingNow.get(buyerId) as { salesPaused: number; buyerBlocked: number };
    const limits = limitsNow.all() as LimitRow[];
    return {
      upTo: (newestRecord.get() as { id: number }).id,
      account,
      funds: account === null ? null : fundsThen(account, purchase, at),
      standing: {
        salesPaused: now.salesPaused === 1,
        buyerBlocked: now.buyerBlocked === 1,
        limits: new Map(limits.map((row) => [`${row.scope} ${row.scopeKey}`, row])),
        status: account?.status ?? "active",
        overdraft: account?.overdraft ?? 0,
      } satisfies Standing as Standing,
    };
  });

  return {
    past(purchase: PurchaseView): Past | null {
      const at = purchase.state === "declined" ? purchase.receivedAt : purchase.reservedAt;
      const { upTo, account, funds, standing } = present(purchase, at);
      const first = recordsOfTime(at, undefined).first - 1;
      if (upTo - first > MOST_RECORDS || (account !== null && funds === null)) return null;
      const of = { buyerId: purchase.buyerId, number: account?.number ?? null };
      for (let last = upTo; last > first; last -= RECORDS_AT_ONCE) {
        const acts = actsSince.all(Math.max(first, last - RECORDS_AT_ONCE), last, at) as Act[];
        for (const act of acts) undo(standing, act, of);
      }
      return {
        cancelled: tombstone.get(purchase.requestId, at) !== null,
        salesPaused: standing.salesPaused,
        limits: limitsFor(standing, purchase, of.number),
        buyerBlocked: standing.buyerBlocked,
        account:
          account === null || funds === null
            ? null
            : {
                number: account.number,
                status: standing.status,
                overdraft: minor(standing.overdraft),
                ...funds,
              },
      };
    },
  };
}
