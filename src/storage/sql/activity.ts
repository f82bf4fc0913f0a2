// What was asked in a span and what became of it, by local day, answer, product and channel. Each
// request is counted once, however often it was sent, on the day it came first; it is read a page at
// a time, of the span alone.

import { localDayFinder } from "../../domain/local-time.ts";
import { minor } from "../../domain/money.ts";
import { outcomeOfCode } from "../../domain/outcomes.ts";
import type { ReservationState } from "../../domain/reservation.ts";
import type { Activity, ActivityFigures, BankIdentity } from "../store.ts";
import type { Sql } from "./sql.ts";
import { idsInTime } from "./walk.ts";

const READ_AT_ONCE = 5_000;

type Row = [
  receivedAt: number,
  code: string,
  state: ReservationState | null,
  amount: number,
  productId: number | null,
  channelId: number | null,
];

type Sums = { -readonly [figure in keyof ActivityFigures]: number };

const nothing = (): Sums => ({
  count: 0,
  debited: 0,
  released: 0,
  reserved: 0,
  declined: 0,
  askedAmount: 0,
  debitedAmount: 0,
});

function add(sums: Sums, state: ReservationState | null, amount: number): void {
  sums.count += 1;
  sums[state ?? "declined"] += 1;
  sums.askedAmount += amount;
  if (state === "debited") sums.debitedAmount += amount;
}

/** The sums as money, or thrown where a digit was lost. */
const figuresOf = ({ askedAmount, debitedAmount, ...counts }: Sums): ActivityFigures => ({
  ...counts,
  askedAmount: minor(askedAmount),
  debitedAmount: minor(debitedAmount),
});

/** Sums by a key, in the order of the keys. */
function sumsBy<Key extends string | number | null>() {
  const sums = new Map<Key, Sums>();
  return {
    of(key: Key): Sums {
      const known = sums.get(key);
      if (known !== undefined) return known;
      const fresh = nothing();
      sums.set(key, fresh);
      return fresh;
    },
    rows: (compare: (a: [Key, Sums], b: [Key, Sums]) => number) =>
      [...sums.entries()].sort(compare).map(([key, sum]) => [key, figuresOf(sum)] as const),
  };
}

const byKey = <Key extends string | number | null>([a]: [Key, Sums], [b]: [Key, Sums]) =>
  (a ?? "") < (b ?? "") ? -1 : 1;

/** What was debited most stands first. */
const byAmount = <Key>([, a]: [Key, Sums], [, b]: [Key, Sums]) =>
  b.debitedAmount - a.debitedAmount || b.count - a.count;

export function activityOn(db: Sql, bank: BankIdentity) {
  const idsOfSpan = idsInTime(db, "requests", "received_at");
  const page = db.query(
    `SELECT received_at, response_code, state, reserve_amount, product_id, channel_id
     FROM requests WHERE id BETWEEN ? AND ? AND received_at >= ? AND received_at < ? ORDER BY id`,
  );
  return {
    activity(from: number, to: number): Activity {
      const dayOf = localDayFinder(bank.timeZone);
      const total = nothing();
      const days = sumsBy<string>();
      const answers = sumsBy<string>();
      const products = sumsBy<number | null>();
      const channels = sumsBy<number | null>();
      const { first, last } = idsOfSpan(from, to);
      for (let id = first; id <= last; id += READ_AT_ONCE) {
        const until = Math.min(last, id + READ_AT_ONCE - 1);
        for (const row of page.values(id, until, from, to) as Row[]) {
          const [receivedAt, code, state, amount, productId, channelId] = row;
          add(total, state, amount);
          add(days.of(dayOf(receivedAt)), state, amount);
          add(answers.of(code), state, amount);
          add(products.of(productId), state, amount);
          add(channels.of(channelId), state, amount);
        }
      }
      return {
        total: figuresOf(total),
        days: days.rows(byKey).map(([day, figures]) => ({ day, ...figures })),
        answers: answers
          .rows((a, b) => b[1].count - a[1].count || byKey(a, b))
          .map(([code, figures]) => ({ outcome: outcomeOfCode(code), ...figures })),
        products: products
          .rows(byAmount)
          .map(([productId, figures]) => ({ productId, ...figures })),
        channels: channels
          .rows(byAmount)
          .map(([channelId, figures]) => ({ channelId, ...figures })),
      };
    },
  };
}
