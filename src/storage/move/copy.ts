// Copies what is missing on the other side, and compares both sides row by row.
import { type Cell, countOf, keyOf, lastKey, type Pages, type Row, type Rows } from "./pages.ts";
import type { Side } from "./sides.ts";
import { TABLES, type Table } from "./tables.ts";

/** How far it is: `done` of `total` rows of a table are copied or compared. */
export type Progress = {
  readonly step: "copy" | "compare" | "verify";
  readonly table: string;
  readonly done: number;
  readonly total: number;
};
export type Tell = (progress: Progress) => void;

const MOST_DIFFERENCES = 20;

/** The pages of a table after a key. */
function* pagesAfter(pages: Pages, table: Table, after: readonly Cell[] | null): Iterable<Rows> {
  for (let last = after; ; ) {
    const rows = pages.read(table, last);
    const newest = rows.at(-1);
    if (newest === undefined) return;
    yield rows;
    last = keyOf(table, newest);
  }
}

/**
 * Copies every row that follows the last one on the other side. Each page is a commit of its own, so
 * that whoever was killed goes on where it was; that what is there is right is for `compare` to say.
 */
export function copy(from: Side, to: Side, tell: Tell): void {
  for (const table of TABLES) {
    const total = countOf(from.sql, table);
    let done = countOf(to.sql, table);
    for (const rows of pagesAfter(from.pages, table, lastKey(to.sql, table))) {
      to.pages.write(table, rows);
      done += rows.length;
      tell({ step: "copy", table: table.name, done, total });
    }
  }
}

/** The rows of a table on each side with the same key, a page of the one beside a page of the other. */
function* pairs(table: Table, from: Pages, to: Pages): Iterable<readonly [Rows, Rows]> {
  for (let after: Cell[] | null = null; ; ) {
    const one = from.read(table, after);
    const other = to.read(table, after);
    const newest = one.at(-1) ?? other.at(-1);
    if (newest === undefined) return;
    yield [one, other];
    // Where the pages end differently there is a difference already, and the rest is not looked at.
    after = keyOf(table, newest);
  }
}

function differenceOf(table: Table, one: Row, other: Row): string {
  const columns = Object.keys(table.columns).filter((_, at) => one[at] !== other[at]);
  return `${table.name} ${keyOf(table, one).join(" ")}: ${columns.join(", ")}`;
}

/** Names the rows that are not the same in two pages; no cell, for it may be a secret. */
function differencesOf(table: Table, one: Rows, other: Rows): string[] {
  const key = (row: Row) => JSON.stringify(keyOf(table, row));
  const others = new Map(other.map((row) => [key(row), row]));
  const missing = one.flatMap((row) => {
    const there = others.get(key(row));
    others.delete(key(row));
    if (there === undefined) return [`${table.name} ${keyOf(table, row).join(" ")}: is missing`];
    return JSON.stringify(row) === JSON.stringify(there) ? [] : [differenceOf(table, row, there)];
  });
  const tooMany = [...others.values()].map(
    (row) => `${table.name} ${keyOf(table, row).join(" ")}: is too many`,
  );
  return [...missing, ...tooMany];
}

/** Gives a line for each row that is not the same on both sides, of the first that are found. */
export function compare(from: Side, to: Side, tell: Tell): string[] {
  const differences: string[] = [];
  for (const table of TABLES) {
    const total = countOf(from.sql, table);
    let done = 0;
    for (const [one, other] of pairs(table, from.pages, to.pages)) {
      done += one.length;
      tell({ step: "compare", table: table.name, done, total });
      if (JSON.stringify(one) === JSON.stringify(other)) continue;
      differences.push(...differencesOf(table, one, other));
      if (differences.length >= MOST_DIFFERENCES) return differences.slice(0, MOST_DIFFERENCES);
      if (key(table, one) !== key(table, other)) break;
    }
  }
  return differences;
}

/** Where a page ends. */
function key(table: Table, rows: Rows): string {
  const newest = rows.at(-1);
  return newest === undefined ? "" : JSON.stringify(keyOf(table, newest));
}
