// Faults, races and hostile input come in two sizes: short within `npm test`, and in full under
// `npm run torture`, which makes a table of what was done how often and what held.
import { appendFileSync } from "node:fs";

const isFull = process.env["TORTURE"] === "full";
const rowsFile = process.env["TORTURE_ROWS"];

/** How often something is done: a few times in the short form, often in the full one. */
export const times = (short: number, full: number): number => (isFull ? full : short);

export type TortureRow = {
  /** What the product is put through, as a line of docs/reliability.md says it. */
  readonly injected: string;
  readonly times: number;
  /** What was seen to hold, with its figures. */
  readonly held: string;
};

/** Notes a row of the table, once all of it held; without `npm run torture` nobody reads it. */
export function noteTorture(row: TortureRow): void {
  if (rowsFile !== undefined) appendFileSync(rowsFile, `${JSON.stringify(row)}\n`);
}
