// Looks at all rows from an instant on, in the order of an index on a time, a page at a time: each
// page is one short read, so that the WAL is copied in between.
import { PAGE_SIZE } from "../pages.ts";

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
