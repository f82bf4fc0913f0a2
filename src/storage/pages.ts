// Lists of any length: the port gives them page by page, and this reads on where a page ends.

/**
 * One page of a list: the rows that follow the one with the key `after`, or the first ones, and at
 * most `limit` of them. Fewer are the list's last ones.
 */
export type Paging<Key> = { readonly after?: Key | undefined; readonly limit: number };

/**
 * So many rows are read at once. Few enough that a read is over in milliseconds: one that stays
 * open keeps the WAL from being copied past it. Many enough that a long list is quick.
 */
export const PAGE_SIZE = 2_000;

/**
 * The rows of a list of the port, at most `most` of them, read when they are asked for. Nothing is
 * kept: whoever reads the list again reads it from the store again.
 */
export function rowsOf<Row, Key>(
  page: (paging: Paging<Key>) => readonly Row[],
  keyOf: (row: Row) => Key,
  most = Number.POSITIVE_INFINITY,
): Iterable<Row> {
  return {
    *[Symbol.iterator]() {
      let after: Key | undefined;
      let left = most;
      while (left > 0) {
        const limit = Math.min(left, PAGE_SIZE);
        const rows = page({ after, limit });
        yield* rows;
        const last = rows.at(-1);
        if (last === undefined || rows.length < limit) return;
        after = keyOf(last);
        left -= rows.length;
      }
    },
  };
}

/** The same rows as something else, each when it is asked for. */
export function mapped<Row, Other>(rows: Iterable<Row>, to: (row: Row) => Other): Iterable<Other> {
  return {
    *[Symbol.iterator]() {
      for (const row of rows) yield to(row);
    },
  };
}

/** The rows, and one more after them. */
export function followedBy<Row>(rows: Iterable<Row>, last: Row): Iterable<Row> {
  return {
    *[Symbol.iterator]() {
      yield* rows;
      yield last;
    },
  };
}

export function isEmpty(rows: Iterable<unknown>): boolean {
  for (const _ of rows) return false;
  return true;
}
