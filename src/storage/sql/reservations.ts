// Purchases as people look at them: reservations, and the requests that were declined. A list first
// finds the ids that it may consist of, the newest first and a page at a time, and then fetches those
// of them that pass its filter: by the chain of an account's reservations, by the index of the open
// ones, or by a search down from the newest request of the span.

import { canonicalBuyerId } from "../../domain/identifiers.ts";
import { minor } from "../../domain/money.ts";
import { type Decline, outcomeOfCode } from "../../domain/outcomes.ts";
import { sumsDifference } from "../../domain/reserve.ts";
import { PAGE_SIZE } from "../pages.ts";
import type {
  BankIdentity,
  DeclinedView,
  PurchaseFilter,
  PurchaseView,
  ReservationFilter,
  ReservationView,
  ReservedView,
  Store,
} from "../store.ts";
import type { Sql } from "./sql.ts";
import { type IdSpan, idsInTime, type Place, walkByTime } from "./walk.ts";

const PURCHASE = `SELECT r.id, r.reference, r.request_id AS requestId, r.client_ref AS clientRef,
    r.buyer_id AS buyerId, r.target_id AS targetId, a.number AS account, r.state,
    r.reserve_amount AS reserveAmount, r.purchase_amount AS purchaseAmount,
    r.fee_amount AS feeAmount, r.client_share_amount AS clientShareAmount,
    r.settlement_amount AS settlementAmount, r.product_id AS productId,
    r.channel_id AS channelId, r.reserved_at AS reservedAt, r.resolved_at AS resolvedAt,
    r.result_code AS resultCode, r.resolved_by AS resolvedBy, r.first_sent_at AS firstSentAt,
    EXISTS (SELECT 1 FROM journal j WHERE j.reservation_id = r.id AND j.kind = 'correction')
      AS corrected, r.currency, r.received_at AS receivedAt, r.response_code AS responseCode
  FROM requests r LEFT JOIN accounts a ON a.id = r.account_id`;

type ReservationRow = Omit<ReservationView, "corrected" | "sumsDifference"> & {
  corrected: number;
  currency: string | null;
  receivedAt: number;
  responseCode: string;
};

/** A declined request has nothing of what a reservation has. */
type PurchaseRow = ReservationRow | (Omit<ReservationRow, "state"> & { state: null });

function purchaseView({ receivedAt, responseCode, ...row }: PurchaseRow): PurchaseView {
  const reserveAmount = minor(row.reserveAmount);
  if (row.state !== null) {
    const { corrected, currency, ...reservation } = row;
    return {
      ...reservation,
      reserveAmount,
      corrected: corrected === 1,
      sumsDifference: sumsDifference(row),
    };
  }
  return {
    id: row.id,
    requestId: row.requestId,
    clientRef: row.clientRef,
    buyerId: row.buyerId,
    targetId: row.targetId,
    state: "declined",
    outcome: outcomeOfCode(responseCode) as Decline,
    reserveAmount,
    purchaseAmount: row.purchaseAmount,
    feeAmount: row.feeAmount,
    clientShareAmount: row.clientShareAmount,
    settlementAmount: row.settlementAmount,
    productId: row.productId,
    channelId: row.channelId,
    currency: row.currency,
    receivedAt,
    sumsDifference: sumsDifference(row),
  } satisfies DeclinedView;
}

function isReservation(purchase: PurchaseView): purchase is ReservationView {
  return purchase.state !== "declined";
}

type Condition = readonly [sql: string, ...values: (string | number)[]];

/** What a filter asks of a row of requests, beside the account. */
function conditionsOf(filter: PurchaseFilter): Condition[] {
  const { state, buyer, from, to, amount, clientRef, after } = filter;
  const at = "coalesce(r.reserved_at, r.received_at)";
  const all: (Condition | false)[] = [
    state === undefined && ["r.state IS NOT NULL"],
    state === "declined" && ["r.state IS NULL"],
    state !== undefined && state !== "declined" && state !== "all" && ["r.state = ?", state],
    after !== undefined && ["r.id < ?", after],
    buyer !== undefined && ["r.buyer_id = ?", buyer],
    from !== undefined && [`${at} >= ?`, from],
    to !== undefined && [`${at} < ?`, to],
    amount !== undefined && ["r.reserve_amount = ?", amount],
    clientRef !== undefined && ["r.client_ref = ?", clientRef],
  ];
  return all.filter((condition) => condition !== false);
}

const sqlOf = (conditions: readonly Condition[]) =>
  conditions.map(([sql]) => ` AND ${sql}`).join("");
const valuesOf = (conditions: readonly Condition[]) =>
  conditions.flatMap(([, ...values]) => values);

type InOrder = Parameters<Store["reservedInOrder"]>[0];

/** Gives the next ids at each call, descending, and none at the list's end. */
type Ids = () => number[];

const NEWEST = Number.MAX_SAFE_INTEGER;

/** So many rows are looked at by one read of a search: it is over in milliseconds. */
const SEARCHED_AT_ONCE = 20_000;

/** Searches the requests with these ids for those that a filter passes. */
function searchedIds(db: Sql, { first, last }: IdSpan, filter: PurchaseFilter): Ids {
  const conditions = conditionsOf({ ...filter, after: undefined } as PurchaseFilter);
  const select = db.query(
    `SELECT r.id FROM requests r WHERE r.id < ? AND r.id >= ?${sqlOf(conditions)}
     ORDER BY r.id DESC LIMIT ?`,
  );
  let before = Math.min(filter.after ?? NEWEST, last + 1);
  return () => {
    while (before > first) {
      const least = Math.max(first, before - SEARCHED_AT_ONCE);
      const found = select.values(before, least, ...valuesOf(conditions), PAGE_SIZE);
      const ids = found.flat() as number[];
      before = ids.length === PAGE_SIZE ? (ids.at(-1) as number) : least;
      if (ids.length > 0) return ids;
    }
    return [];
  };
}

function openIds(db: Sql, { after, from, to }: PurchaseFilter): Ids {
  let before = after ?? NEWEST;
  // Each page looks at the ids of all open ones, which its index gives without a row.
  const select = db.query(
    `SELECT id FROM requests ${db.dialect.by("requests_open")}
     WHERE state = 'reserved' AND reserved_at >= ? AND reserved_at < ? AND id < ?
     ORDER BY id DESC LIMIT ?`,
  );
  return () => {
    const ids = select.values(from ?? 0, to ?? NEWEST, before, PAGE_SIZE).flat() as number[];
    before = ids.at(-1) ?? before;
    return ids;
  };
}

/** The reservations of some accounts, each of which names the one before it of its account. */
function chainedIds(db: Sql, numbers: readonly string[], after: number | undefined): Ids {
  const newestOf = db.query("SELECT last_reservation AS id FROM accounts WHERE number = ?");
  const before = db.query("SELECT previous AS id FROM requests WHERE id = ?");
  type Head = { id: number | null } | null;
  // A page of one account goes on where the last one ended; those of several begin anew.
  const heads =
    numbers.length === 1 && after !== undefined
      ? [before.get(after) as Head]
      : numbers.map((number) => newestOf.get(number) as Head);
  let left = heads.flatMap((head) => head?.id ?? []);
  const page = db.transaction(() => {
    const ids: number[] = [];
    while (left.length > 0 && ids.length < PAGE_SIZE) {
      const newest = Math.max(...left);
      ids.push(newest);
      const previous = (before.get(newest) as Head)?.id ?? null;
      // A chain that turns back is damaged, and would never end: verify names it.
      const follows = previous !== null && previous < newest ? [previous] : [];
      left = left.flatMap((id) => (id === newest ? follows : id));
    }
    return ids;
  });
  return () => page();
}

export function reservationsOn(db: Sql, bank: BankIdentity) {
  const { field, inIds } = db.dialect;
  const idsOfSpan = idsInTime(db, "requests", "received_at");
  const select = (where: string, ...values: (string | number)[]) =>
    (db.query(`${PURCHASE} ${where}`).all(...values) as PurchaseRow[]).map(purchaseView);
  // Whatever took a buyer from an account stands in the journal, with the account's number.
  const accountsOfBuyer = db.query(
    `SELECT a.number FROM buyers b JOIN accounts a ON a.id = b.account_id
       WHERE b.buyer_id = $buyerId
     UNION SELECT subject FROM journal
       WHERE act IN ('accounts map', 'accounts unmap') AND ${field("detail", "buyerId")} = $buyerId
     UNION SELECT ${field("detail", "before")} FROM journal
       WHERE act IN ('accounts map', 'accounts unmap') AND ${field("detail", "buyerId")} = $buyerId
         AND ${field("detail", "before")} IS NOT NULL`,
  );

  const openBy = db.query(
    `SELECT id, reserved_at AS at FROM requests
     WHERE state = 'reserved' AND reserved_at <= ? AND (reserved_at, id) > (?, ?)
     ORDER BY reserved_at, id LIMIT ?`,
  );
  const endedFrom = db.query(
    `SELECT id, resolved_at AS at, reserved_at <= ? AS wasOpen FROM requests
     WHERE resolved_at IS NOT NULL AND (resolved_at, id) > (?, ?)
     ORDER BY resolved_at, id LIMIT ?`,
  );

  const newestId = db.query("SELECT max(id) AS last FROM requests");
  const reservedBetween = db.query(
    `SELECT r.id, r.request_id AS requestId, r.reference, a.number AS account,
       r.product_id AS productId, r.channel_id AS channelId, r.reserve_amount AS reserveAmount,
       r.reserved_at AS reservedAt, r.local_day AS day,
       CASE r.state WHEN 'released' THEN r.resolved_at END AS releasedAt
     FROM requests r JOIN accounts a ON a.id = r.account_id
     WHERE r.id > ? AND r.id <= ? AND r.reserved_at >= ? AND r.reserved_at < ?
     ORDER BY r.id LIMIT ?`,
  );

  function idsFor(filter: PurchaseFilter): Ids {
    const { account, buyer, state, after } = filter;
    if (account !== undefined) return chainedIds(db, [account], after);
    // No account has a declined request in its chain.
    const reservationsOnly = state !== "declined" && state !== "all";
    if (buyer !== undefined && reservationsOnly) {
      const numbers = accountsOfBuyer.values({ buyerId: buyer }).flat() as string[];
      return chainedIds(db, numbers, after);
    }
    if (state === "reserved") return openIds(db, filter);
    return searchedIds(db, idsOfSpan(filter.from, filter.to), filter);
  }

  /** Of the purchases with these ids, which descend, those that a filter passes. */
  function passing(ids: readonly number[], filter: PurchaseFilter): PurchaseView[] {
    const { account, limit } = filter;
    const conditions = conditionsOf(filter);
    if (account !== undefined) conditions.push(["a.number = ?", account]);
    return select(
      `WHERE r.id ${inIds("?")}${sqlOf(conditions)}
       ORDER BY r.id DESC LIMIT ?`,
      JSON.stringify(ids),
      ...valuesOf(conditions),
      limit,
    );
  }

  function purchases(asked: PurchaseFilter): PurchaseView[] {
    const { buyer } = asked;
    const filter =
      buyer === undefined ? asked : { ...asked, buyer: canonicalBuyerId(buyer, bank.country) };
    const nextIds = idsFor(filter);
    const found: PurchaseView[] = [];
    while (found.length < filter.limit) {
      const ids = nextIds();
      if (ids.length === 0) break;
      found.push(...passing(ids, { ...filter, limit: filter.limit - found.length }));
    }
    return found;
  }

  function purchase(ref: string): PurchaseView | null {
    const byReference = select("WHERE r.reference = ?", ref);
    return byReference[0] ?? select("WHERE r.request_id = ?", ref)[0] ?? null;
  }

  return {
    purchases,

    reservations: (filter: ReservationFilter): ReservationView[] =>
      purchases(filter).filter(isReservation),

    purchase,

    /** The reservations with these ids, at most a page of them. */
    withIds: (ids: readonly number[]): ReservationView[] =>
      passing(ids, { limit: ids.length }).filter(isReservation),

    reservation(ref: string): ReservationView | null {
      const found = purchase(ref);
      return found !== null && isReservation(found) ? found : null;
    },

    /** Each window of ids is one short read; the clock may have been set back, so all are looked at. */
    reservedInOrder({ after = 0, limit, from, to }: InOrder): ReservedView[] {
      const { last } = newestId.get() as { last: number | null };
      const rows: ReservedView[] = [];
      for (let id = after; id < (last ?? 0) && rows.length < limit; id += PAGE_SIZE) {
        const left = limit - rows.length;
        rows.push(...(reservedBetween.all(id, id + PAGE_SIZE, from, to, left) as ReservedView[]));
      }
      return rows;
    },

    openReservationsAsOf(at: number): ReservationView[] {
      const ids = new Set<number>();
      walkByTime<Place>(
        0,
        (after, limit) => openBy.all(at, after.at, after.id, limit) as Place[],
        ({ id }) => ids.add(id),
      );
      // After them, so that one that ends in between is not missed.
      walkByTime<Place & { wasOpen: number }>(
        at + 1,
        (after, limit) => endedFrom.all(at, after.at, after.id, limit) as never,
        ({ id, wasOpen }) => wasOpen === 1 && ids.add(id),
      );
      return inPages([...ids])
        .flatMap((page) => passing(page, { limit: page.length }))
        .filter(isReservation)
        .sort((a, b) => a.reservedAt - b.reservedAt || a.id - b.id);
    },
  };
}

function inPages(ids: readonly number[]): number[][] {
  const pages: number[][] = [];
  for (let from = 0; from < ids.length; from += PAGE_SIZE) {
    pages.push(ids.slice(from, from + PAGE_SIZE));
  }
  return pages;
}
