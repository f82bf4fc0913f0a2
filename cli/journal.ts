// journal: every posting and every act of an admin, for the bank's own books.
import { type Command, Option } from "commander";
import { csvParts } from "../src/reports/csv.ts";
import { JOURNAL_COLUMNS, journalLines, journalRows } from "../src/reports/journal.ts";
import { journalJson } from "../src/reports/views.ts";
import { type Paging, rowsOf } from "../src/storage/pages.ts";
import type { Bank, JournalView, Store } from "../src/storage/store.ts";
import { formatOf } from "./deliver.ts";
import { clean, wrapped, writeParts } from "./output.ts";
import { type CommonOptions, command, group, readCount, withBank } from "./session.ts";
import { fromOption, readSpan, type SpanOptions, toOption } from "./times.ts";

type Records = Iterable<JournalView>;
type Format = "table" | "csv" | "json";

function* csvRows(records: Records, bank: Bank) {
  for (const record of records) yield* journalRows(record, bank);
}

/** One record a line, so that a script may take them one by one. */
function* jsonLines(records: Records): Iterable<string> {
  let before = "[";
  for (const record of records) {
    yield `${before}\n${JSON.stringify(journalJson(record))}`;
    before = ",";
  }
  yield before === "[" ? "[\n]\n" : "\n]\n";
}

function* textLines(records: Records, bank: Bank): Iterable<string> {
  for (const record of records) {
    for (const line of journalLines(record, bank)) yield `${wrapped(clean(line))}\n`;
  }
}

function partsOf(records: Records, format: Format, bank: Bank): Iterable<string> {
  switch (format) {
    case "csv":
      return csvParts({ columns: JOURNAL_COLUMNS, rows: csvRows(records, bank) });
    case "json":
      return jsonLines(records);
    case "table":
      return textLines(records, bank);
  }
}

type ListOptions = CommonOptions &
  SpanOptions & {
    readonly after?: number;
    readonly limit?: number;
    readonly format?: Format;
  };

/** The records wanted; a record keeps its id, so none comes twice and none is missed. */
function recordsOf(store: Store, bank: Bank, options: ListOptions): Records {
  const { from = 0, to = Number.MAX_SAFE_INTEGER } = readSpan(options, bank);
  return rowsOf(
    ({ after = options.after, limit }: Paging<number>) => store.journal({ from, to, after, limit }),
    ({ id }) => id,
    options.limit,
  );
}

export function register(program: Command): void {
  const journal = group(program, "journal", "Every posting and every act, for the bank's books");
  command(journal, {
    form: "list",
    summary: "List the journal, oldest first; nothing in it is ever changed",
    kind: "read",
    examples: [
      "journal list --from 2026-03-01 --to 2026-03-31",
      "journal list --after 1200 --format csv > journal.csv",
      "journal list --after 1200 --limit 100 --json",
    ],
  })
    .addOption(fromOption())
    .addOption(toOption())
    .option(
      "--after <id>",
      "only what follows this record, such as the last one fetched",
      readCount,
    )
    .option("--limit <n>", "at most so many records", readCount)
    .addOption(
      new Option("--format <format>", "table for people (default)").choices([
        "table",
        "csv",
        "json",
      ]),
    )
    .addHelpText(
      "after",
      `
CSV has one line an entry, so the lines of one id sum to zero; an act that moves
no money is one line without an account. Every record is one line and ends with
LF; times are ISO 8601 UTC; a text that a spreadsheet would run begins with an
apostrophe.`,
    )
    .action(
      withBank(async ({ store, bank }, _: [], options: ListOptions) => {
        const records = recordsOf(store, bank, options);
        await writeParts(partsOf(records, formatOf(options), bank));
        return { written: true };
      }),
    );
}
