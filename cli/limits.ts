// limits: what one purchase, one day and one month may come to, for each scope.
import type { Command } from "commander";
import { LIMIT_SCOPES, type LimitFigures, type LimitScope } from "../src/domain/limits.ts";
import { formatAmount, minor } from "../src/domain/money.ts";
import { limitJson } from "../src/reports/views.ts";
import type { Bank, LimitRow, LimitTarget } from "../src/storage/store.ts";
import { perform } from "./control.ts";
import { Failure } from "./failure.ts";
import { addTestOptions, type Proposed, type TestOptions, testLimits } from "./limits-test.ts";
import { readAmount, table } from "./output.ts";
import { command, group, readCount, type Session, withBank } from "./session.ts";

type Figure = keyof LimitFigures;

const FIGURES = [
  { figure: "min", flag: "--min", title: "Min", counts: false, what: "least of one purchase" },
  { figure: "max", flag: "--max", title: "Max", counts: false, what: "most of one purchase" },
  {
    figure: "dayAmount",
    flag: "--day-amount",
    title: "A day",
    counts: false,
    what: "most an account buys for in a local day",
  },
  {
    figure: "dayCount",
    flag: "--day-count",
    title: "Times",
    counts: true,
    what: "how often an account buys in a local day",
  },
  {
    figure: "monthAmount",
    flag: "--month-amount",
    title: "A month",
    counts: false,
    what: "most an account buys for in a local month",
  },
  {
    figure: "monthCount",
    flag: "--month-count",
    title: "Times",
    counts: true,
    what: "how often an account buys in a local month",
  },
] as const satisfies readonly { figure: Figure; [more: string]: unknown }[];

const TEST_HELP = `
The figures that are named stand on top of the limits in force; nothing is changed.
Every purchase that was reserved in these days is looked at again, in order, by the
rule that the server asks; those that were declined are not. One that would have
been refused does not count towards a day or a month, and one that was released
counts until then. With --format csv each refused purchase is a line.`;

const SCOPES = ["product", "channel", "account"] as const satisfies readonly LimitScope[];

type ScopeOptions = { readonly [scope in (typeof SCOPES)[number]]?: string };
type SetOptions = ScopeOptions & { readonly [figure in Figure]?: string | number };
type UnsetOptions = ScopeOptions & { readonly [figure in Figure]?: true };

function withScopes(target: Command): Command {
  return target
    .option("--product <n>", "for one product, by Clickatell's productId")
    .option("--channel <n>", "for one channel, by Clickatell's channelId")
    .option("--account <number>", "for one account");
}

/** The one scope that the flags name; none of them is the whole bank. */
function targetOf(options: ScopeOptions): LimitTarget {
  const named = SCOPES.filter((scope) => options[scope] !== undefined);
  const [scope, second] = named;
  if (scope === undefined) return { scope: "global", scopeKey: "*" };
  if (second !== undefined) {
    throw new Failure(
      "usage",
      `--${scope} and --${second}: a limit has one scope, set each by itself`,
    );
  }
  const key = options[scope] ?? "";
  if (scope === "account") return { scope, scopeKey: key };
  if (!/^\d{1,15}$/.test(key)) {
    throw new Failure("usage", `--${scope} ${key} is no ${scope}: write its number, like 12`);
  }
  return { scope, scopeKey: String(Number(key)) };
}

function namedFigures(options: SetOptions, bank: Bank): Partial<LimitFigures> {
  const given = FIGURES.flatMap(({ figure, flag }) => {
    const value = options[figure];
    if (value === undefined) return [];
    return [[figure, typeof value === "number" ? value : readAmount(value, flag, bank)] as const];
  });
  return Object.fromEntries(given);
}

function figuresOf(options: SetOptions, bank: Bank): Partial<LimitFigures> {
  const figures = namedFigures(options, bank);
  if (Object.keys(figures).length > 0) return figures;
  const flags = FIGURES.map(({ flag }) => flag).join(", ");
  throw new Failure("usage", `no figure is named: add one or more of ${flags}`);
}

function withFigures(target: Command): Command {
  for (const { flag, counts, what } of FIGURES) {
    // An amount is read once the bank, and with it the currency, is known.
    if (counts) target.option(`${flag} <n>`, what, readCount);
    else target.option(`${flag} <amount>`, what);
  }
  return target;
}

/** What the flags propose, or null where they name no figure. */
function proposedBy(options: SetOptions, bank: Bank): Proposed | null {
  const figures = namedFigures(options, bank);
  const target = targetOf(options);
  if (Object.keys(figures).length > 0) return { target, figures };
  if (target.scope === "global") return null;
  throw new Failure("usage", `--${target.scope} alone proposes nothing: add a figure to it`);
}

/** From the least to the most specific scope, each by its number. */
function bySpecificity(a: LimitRow, b: LimitRow): number {
  const order = LIMIT_SCOPES.indexOf(a.scope) - LIMIT_SCOPES.indexOf(b.scope);
  return order || a.scopeKey.localeCompare(b.scopeKey, "en", { numeric: true });
}

function limitsTable(rows: readonly LimitRow[], bank: Bank): string {
  if (rows.length === 0) return "No limits.";
  const columns = FIGURES.map(({ title }) => ({ title, align: "right" }) as const);
  const body = rows.map((row) => [
    row.scope === "global" ? "everything" : `${row.scope} ${row.scopeKey}`,
    ...FIGURES.map(({ figure, counts }) => {
      const value = row[figure];
      if (value === null) return "";
      return counts ? String(value) : formatAmount(minor(value), bank.minorDigits);
    }),
  ]);
  return table([{ title: `Limits in ${bank.currency}` }, ...columns], body);
}

function unset(session: Session, options: UnsetOptions) {
  const { bank, store } = session;
  const target = targetOf(options);
  const { scope, scopeKey } = target;
  const now = store.limits().find((row) => row.scope === scope && row.scopeKey === scopeKey);
  const all = FIGURES.map(({ figure }) => figure);
  const named = all.filter((figure) => options[figure] === true);
  // Where none is named, those that are set now: another approves no more than they were shown.
  const figures = named.length > 0 ? named : all.filter((figure) => now?.[figure] != null);
  return perform(session, { act: "limits unset", args: { ...target, figures } }, (row) => {
    const left = row === null ? [] : [row];
    return { json: left.map(limitJson), text: () => limitsTable(left, bank) };
  });
}

export function register(program: Command): void {
  const limits = group(program, "limits", "What one purchase, a day and a month may come to");
  command(limits, {
    form: "show",
    summary: "Show the limits of every scope",
    kind: "read",
    examples: ["limits show", "limits show --json"],
  }).action(
    withBank(({ store, bank }) => {
      const rows = store.limits().sort(bySpecificity);
      return { json: rows.map(limitJson), text: () => limitsTable(rows, bank) };
    }),
  );

  const set = withScopes(
    command(limits, {
      form: "set",
      summary: "Set figures of one scope, of everything where none is named; the others stay",
      kind: "write",
      examples: [
        "limits set --min 5.00 --max 2000.00",
        "limits set --product 12 --max 500.00",
        "limits set --account 62-0001 --day-amount 1000.00 --day-count 10",
      ],
    }),
  );
  withFigures(set).action(
    withBank((session, _: [], options: SetOptions) => {
      const { bank } = session;
      const args = { ...targetOf(options), figures: figuresOf(options, bank) };
      return perform(session, { act: "limits set", args }, (row) => ({
        json: limitJson(row),
        text: () => limitsTable([row], bank),
      }));
    }),
  );

  const test = withFigures(
    withScopes(
      command(limits, {
        form: "test",
        summary: "What the limits, or proposed ones, would have refused of what was bought",
        kind: "read",
        examples: [
          "limits test --from 2026-03-01 --to 2026-03-31",
          "limits test --from 2026-03-01 --to 2026-03-31 --max 500.00 --day-count 10",
          "limits test --from 2026-03-01 --to 2026-03-31 --product 12 --max 100.00 --format csv",
        ],
      }),
    ),
  );
  addTestOptions(test)
    .addHelpText("after", TEST_HELP)
    .action(
      withBank((session, _: [], options: SetOptions & TestOptions) =>
        testLimits(session, options, proposedBy(options, session.bank)),
      ),
    );

  const unsets = withScopes(
    command(limits, {
      form: "unset",
      summary: "Take figures of one scope away, all of them where none is named",
      kind: "write",
      examples: ["limits unset --product 12", "limits unset --account 62-0001 --day-count"],
    }),
  );
  for (const { flag, what } of FIGURES) unsets.option(flag, what);
  unsets.action(withBank((session, _: [], options: UnsetOptions) => unset(session, options)));
}
