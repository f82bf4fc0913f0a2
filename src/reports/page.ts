// What a report shows to people, the same on a terminal and on paper: a title, facts, tables.

import type { Bank } from "../storage/store.ts";
import type { Chart } from "./chart.ts";

export type Column = {
  readonly title: string;
  readonly align?: "right";
  /** "page": left out on a terminal, which has no room for every figure. */
  readonly only?: "page";
  /** Never broken, so that it can be copied; on paper it stands above its row, for its length. */
  readonly whole?: true;
};

export type Section = {
  readonly title: string;
  /** What the reader needs to know before the rows; "" where the title says it all. */
  readonly intro: string;
  readonly columns: readonly Column[];
  /** Read once or twice, so that a long table needs no more memory than a short one. */
  readonly rows: Iterable<readonly string[]>;
  /** A last row that sums up the others. */
  readonly total?: readonly string[];
  /** What is better looked at than read; a terminal shows the rows alone. */
  readonly chart?: Chart;
  /** What stands in the place of rows where there are none. */
  readonly none: string;
  /** Begins a sheet of its own, because it has another reader. */
  readonly newSheet?: true;
};

export type Page = {
  readonly title: string;
  readonly facts: readonly (readonly [label: string, value: string])[];
  readonly sections: readonly Section[];
  /** Stands below all: a label, what it is, and what it is for. */
  readonly foot?: { readonly label: string; readonly value: string; readonly advice: string };
};

/** Whose report it is; a demo's must not be taken for a real one. */
export function bankText(bank: Bank): string {
  return bank.demo ? `${bank.code} (a demo, not a real bank)` : bank.code;
}
