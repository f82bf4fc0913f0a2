// accounts statement: what moved on one account, customers' and the bank's own.
import type { Command } from "commander";
import { localDay, startOfLocalDay } from "../src/domain/local-time.ts";
import { statementCsv, statementJson, statementPage } from "../src/reports/statement.ts";
import { CSV_HELP, publish, type ReportOptions, reportOptions } from "./publish.ts";
import { command, found, type Session, withBank } from "./session.ts";
import { fromOption, readSpan, type SpanOptions, toOption } from "./times.ts";

type Options = ReportOptions & SpanOptions;

/** From the first of the local month on, unless a time is named. */
function spanOf(options: Options, { bank }: Session): { from: number; to: number | null } {
  const { from, to } = readSpan(options, bank);
  const last = localDay(
    Math.min(to === undefined ? Date.now() : to - 1, Date.now()),
    bank.timeZone,
  );
  const first = startOfLocalDay(`${last.slice(0, 7)}-01`, bank.timeZone);
  return { from: from ?? first, to: to ?? null };
}

function statementOf(session: Session, number: string, options: Options) {
  const { store, bank } = session;
  const { from, to } = spanOf(options, session);
  const span = { from, to: to ?? Number.MAX_SAFE_INTEGER };
  const statement = found(store.statement(number, span), `account ${number}`);
  const report = { bank, statement, from, to };
  return {
    json: () => statementJson(report),
    csv: () => statementCsv(report),
    page: () => statementPage(report),
    findings: 0,
  };
}

export function registerStatement(accounts: Command): void {
  const statement = command(accounts, {
    form: "statement <number>",
    summary: "An account's balance before a time, every entry, and its balance after",
    kind: "read",
    examples: [
      "accounts statement 62-0001 --from 2026-03-01 --to 2026-03-31",
      "accounts statement 62-0001 --format html --output statement.html",
      "accounts statement @clickatell --from 2026-03-01 --to 2026-03-31 --format csv",
    ],
  })
    .addOption(fromOption().default(undefined, "the first of the month"))
    .addOption(toOption());
  reportOptions(statement)
    .addHelpText(
      "after",
      `${CSV_HELP}
The column section is opening, entry or closing. A buyer is shown by the last
four characters. A customer's entries are found at once; for one of the bank's
own accounts (@clickatell, @income, @suspense, @loss, @funding) the journal is
searched from --from on.`,
    )
    .action(
      withBank((session, [number]: [string], options: Options) =>
        publish(session, statementOf(session, number, options), options),
      ),
    );
}
