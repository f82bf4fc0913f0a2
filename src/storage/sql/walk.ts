// Looks at all rows from an instant on, in the order of an index on a time, a page at a time: each
// page is one short read, so that the WAL is copied in between.

import { DAY_MS } from "../../domain/local-time.ts";
import { PAGE_SIZE } from "../pages.ts";
import type { Sql } from "./sql.ts";

/** Where a page begins: behind the row with this time and this id. */
export type Place = { readonly at: number; readonly id: number };

/** `page` gives the rows that follow a place, at most PAGE_SIZE of them, by time and id. */
export function walkByTime<Row extends Place>(
  from: number,
  page: (after: Place, limit: number) => readonly Row[],
  visit: (row: Row) => void,
): void {
  let after: Place = { at: from, id: 0 };
  for (;;) {
    const rows = page(after, PAGE_SIZE);
    rows.forEach(visit);
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE_SIZE) return;
    after = last;
  }
}

/**
 * How far a time may stand from its place among its neighbours, because a clock was wrong and was
 * set right: rows up to half of it off are found all the same.
 */
const CLOCK_SLACK_MS = 2 * DAY_MS;

export type IdSpan = { readonly first: number; readonly last: number };

/**
 * The ids among which the rows of a span of time are, for a table whose rows are appended in the
 * order of their times: found by halving, so that no index on the time is needed. What is found
 * holds them all, and some before and after them.
 */
export function idsInTime(db: Sql, table: "requests" | "journal", column: string) {
  const newest = db.query(`SELECT coalesce(max(id), 0) AS id FROM ${table}`);
  const timeFrom = db.query(
    `SELECT ${column} AS at FROM ${table} WHERE id >= ? ORDER BY id LIMIT 1`,
  );
  /** The first id whose row is of this time or later; beyond the newest where none is. */
  function firstFrom(time: number, last: number): number {
    let [low, high] = [1, last + 1];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const { at } = timeFrom.get(middle) as { at: number };
      if (at >= time) high = middle;
      else low = middle + 1;
    }
    return low;
  }
  return (from: number | undefined, to: number | undefined): IdSpan => {
    const { id } = newest.get() as { id: number };
    return {
      first: from === undefined ? 1 : firstFrom(from - CLOCK_SLACK_MS, id),
      last: to === undefined ? id : firstFrom(to + CLOCK_SLACK_MS, id) - 1,
    };
  };
}
