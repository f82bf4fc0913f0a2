// Reservations as people look at them. A list first finds the ids that it may consist of, the newest
// first and a page at a time, and then fetches those of them that pass its filter: by the chain of
// an account's reservations, by the index of the open ones, or down from the newest request.
import type { Database } from "bun:sqlite";
import { canonicalBuyerId } from "../../domain/identifiers.ts";
import { minor } from "../../domain/money.ts";
import { sumsDifference } from "../../domain/reserve.ts";
import { PAGE_SIZE } from "../pages.ts";
import type { BankIdentity, ReservationFilter, ReservationView } from "../store.ts";
import { type Place, walkByTime } from "./walk.ts";

// Every request that made no reservation has no account, so that the join leaves it out.
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

/** Gives the next ids at each call, descending, and none at the list's end. */
type Ids = () => number[];

const NEWEST = Number.MAX_SAFE_INTEGER;

function requestIds(db: Database, after: number | undefined): Ids {
  let before = after ?? NEWEST;
  const select = db.query("SELECT id FROM requests WHERE id < ? ORDER BY id DESC LIMIT ?");
  return () => {
    const ids = select.values(before, PAGE_SIZE).flat() as number[];
    before = ids.at(-1) ?? before;
    return ids;
  };
}

function openIds(db: Database, { after, from, to }: ReservationFilter): Ids {
  let before = after ?? NEWEST;
  // Each page looks at the ids of all open ones, which its index gives without a row.
  const select = db.query(
    `SELECT id FROM requests INDEXED BY requests_open
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
function chainedIds(db: Database, numbers: readonly string[], after: number | undefined): Ids {
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

export function reservationsOn(db: Database, bank: BankIdentity) {
  const select = (where: string, ...values: (string | number)[]) =>
    (db.query(`${RESERVATION} ${where}`).all(...values) as ReservationRow[]).map(reservationView);
  // Whatever took a buyer from an account stands in the journal, with the account's number.
  const accountsOfBuyer = db.query(
    `SELECT a.number FROM buyers b JOIN accounts a ON a.id = b.account_id
       WHERE b.buyer_id = $buyerId
     UNION SELECT subject FROM journal
       WHERE act IN ('accounts map', 'accounts unmap') AND detail ->> '$.buyerId' = $buyerId
     UNION SELECT detail ->> '$.before' FROM journal
       WHERE act IN ('accounts map', 'accounts unmap') AND detail ->> '$.buyerId' = $buyerId
         AND detail ->> '$.before' IS NOT NULL`,
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

  function idsFor(filter: ReservationFilter): Ids {
    const { account, buyer, state, after } = filter;
    if (account !== undefined) return chainedIds(db, [account], after);
    if (buyer !== undefined) {
      const numbers = accountsOfBuyer.values({ buyerId: buyer }).flat() as string[];
      return chainedIds(db, numbers, after);
    }
    return state === "reserved" ? openIds(db, filter) : requestIds(db, after);
  }

  /** Of the reservations with these ids, which descend, those that a filter passes. */
  function passing(ids: readonly number[], filter: ReservationFilter): ReservationView[] {
    const wanted: [string, string | number | undefined][] = [
      ["r.id < ?", filter.after],
      ["r.state = ?", filter.state],
      ["a.number = ?", filter.account],
      ["r.buyer_id = ?", filter.buyer],
      ["r.reserved_at >= ?", filter.from],
      ["r.reserved_at < ?", filter.to],
    ];
    const given = wanted.filter((pair): pair is [string, string | number] => pair[1] !== undefined);
    return select(
      `WHERE r.id IN (SELECT value FROM json_each(?))
         ${given.map(([sql]) => `AND ${sql}`).join(" ")}
       ORDER BY r.id DESC LIMIT ?`,
      JSON.stringify(ids),
      ...given.map(([, value]) => value),
      filter.limit,
    );
  }

  return {
    reservations(asked: ReservationFilter): ReservationView[] {
      const { buyer } = asked;
      const filter =
        buyer === undefined ? asked : { ...asked, buyer: canonicalBuyerId(buyer, bank.country) };
      const nextIds = idsFor(filter);
      const found: ReservationView[] = [];
      while (found.length < filter.limit) {
        const ids = nextIds();
        if (ids.length === 0) break;
        found.push(...passing(ids, { ...filter, limit: filter.limit - found.length }));
      }
      return found;
    },

    reservation(ref: string): ReservationView | null {
      const byReference = select("WHERE r.reference = ?", ref);
      return byReference[0] ?? select("WHERE r.request_id = ?", ref)[0] ?? null;
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
