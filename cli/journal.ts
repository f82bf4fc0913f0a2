// journal: every posting and every act of an admin, for the bank's own books.
import { type Command, Option } from "commander";
import { csvHeader, csvLines } from "../src/reports/csv.ts";
import { JOURNAL_COLUMNS, journalLines, journalRows } from "../src/reports/journal.ts";
import { journalJson } from "../src/reports/views.ts";
import type { Bank, JournalView, Store } from "../src/storage/store.ts";
import { formatOf } from "./deliver.ts";
import { clean, writePart } from "./output.ts";
import { type CommonOptions, command, group, readCount, withBank } from "./session.ts";
import { fromOption, readSpan, type SpanOptions, toOption } from "./times.ts";

/** Few enough that a journal of any length takes little memory, many enough to be quick. */
const PAGE_SIZE = 1000;

type Form = {
  readonly head: string;
  readonly page: (records: readonly JournalView[], isFirst: boolean) => string;
  readonly tail: string;
};

/** How each format begins, goes on and ends, page by page. */
function formOf(format: "table" | "csv" | "json", bank: Bank): Form {
  switch (format) {
    case "csv":
      return {
        head: csvHeader(JOURNAL_COLUMNS),
        page: (records) => csvLines(records.flatMap((record) => journalRows(record, bank))),
        tail: "",
      };
    case "json":
      return {
        head: "[",
        page: (records, isFirst) =>
          (isFirst ? "\n" : ",\n") +
          records.map((record) => JSON.stringify(journalJson(record))).join(",\n"),
        tail: "\n]\n",
      };
    case "table":
      return {
        head: "",
        page: (records) =>
          records
            .flatMap((record) => journalLines(record, bank))
            .map((line) => `${clean(line)}\n`)
            .join(""),
        tail: "",
      };
  }
}

type Wanted = { from: number; to: number; after: number; limit: number };

/** The records wanted, in pages; a record keeps its id, so none comes twice and none is missed. */
function* pagesOf(store: Store, wanted: Wanted): Generator<JournalView[]> {
  let { after, limit: left } = wanted;
  while (left > 0) {
    const asked = Math.min(left, PAGE_SIZE);
    const page = store.journal({ ...wanted, after, limit: asked });
    if (page.length > 0) yield page;
    if (page.length < asked) return;
    after = page.at(-1)?.id ?? after;
    left -= page.length;
  }
}

type ListOptions = CommonOptions &
  SpanOptions & {
    readonly after?: number;
    readonly limit?: number;
    readonly format?: "table" | "csv" | "json";
  };

function wantedBy(options: ListOptions, bank: Bank): Wanted {
  const { from = 0, to = Number.MAX_SAFE_INTEGER } = readSpan(options, bank);
  return {
    from,
    to,
    after: options.after ?? 0,
    limit: options.limit ?? Number.MAX_SAFE_INTEGER,
  };
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
CSV has one line an entry, so the lines of one id sum to zero; an act that moves no money is one
line without an account. Every record is one line and ends with LF; times are ISO 8601 UTC; a text
that a spreadsheet would run begins with an apostrophe.`,
    )
    .action(
      withBank(async ({ store, bank }, _: [], options: ListOptions) => {
        const form = formOf(formatOf(options), bank);
        await writePart(form.head);
        let isFirst = true;
        for (const page of pagesOf(store, wantedBy(options, bank))) {
          await writePart(form.page(page, isFirst));
          isFirst = false;
        }
        await writePart(form.tail);
        return { written: true };
      }),
    );
}
