// How a list answers: as JSON it is written while it is read, however long it is; a table is laid
// out as a whole, so that without a limit it shows its first rows only, and says so.
import { Option } from "commander";
import { jsonParts } from "../src/reports/json.ts";
import { mapped } from "../src/storage/pages.ts";
import { note, printText, writeParts } from "./output.ts";
import { readCount, type Session, type Written } from "./session.ts";

const MOST_ROWS = 1_000;

export type List<Row> = {
  /** The first rows of all that are wanted, at most so many. */
  readonly rows: (most: number) => Iterable<Row>;
  readonly json: (row: Row) => unknown;
  readonly table: (rows: readonly Row[]) => string;
  /** What stands first, such as "newest". */
  readonly first: string;
};

export const limitOption = () =>
  new Option(
    "--limit <n>",
    `at most so many (default: all with --json, ${MOST_ROWS} in a table)`,
  ).argParser(readCount);

/** Writes a list as asked. */
export async function writeList<Row>(
  { json }: Session,
  list: List<Row>,
  limit: number | undefined,
): Promise<Written> {
  if (json) {
    await writeParts(jsonParts(mapped(list.rows(limit ?? Number.POSITIVE_INFINITY), list.json)));
    await writeParts(["\n"]);
    return { written: true };
  }
  // One more than is shown, to know whether there are more.
  const rows = [...list.rows(limit ?? MOST_ROWS + 1)];
  const shown = rows.slice(0, limit ?? MOST_ROWS);
  printText(list.table(shown));
  if (shown.length < rows.length) {
    note(`showing the ${list.first} ${MOST_ROWS}; --limit for more`);
  }
  return { written: true };
}
