// limits test: what the limits in force, or proposed ones, would have refused of what was bought.
import type { Command } from "commander";
import { type FindLimit, type LimitFigures, NO_FIGURES } from "../src/domain/limits.ts";
import { type LocalDay, monthOf, startOfLocalDay } from "../src/domain/local-time.ts";
import {
  limitsTest,
  limitsTestCsv,
  limitsTestJson,
  limitsTestPage,
  type Replayed,
  replay,
} from "../src/reports/limits-test.ts";
import { type Period, spanOf } from "../src/reports/settlement.ts";
import { type Paging, rowsOf } from "../src/storage/pages.ts";
import type { LimitRow, LimitTarget } from "../src/storage/store.ts";
import { publish, type ReportOptions, readPeriod, reportOptions } from "./publish.ts";
import type { Session, Written } from "./session.ts";
import type { SpanOptions } from "./times.ts";

export type TestOptions = ReportOptions & SpanOptions;

/** Figures of one scope that are tried on top of what is in force there. */
export type Proposed = { readonly target: LimitTarget; readonly figures: Partial<LimitFigures> };

export function addTestOptions(added: Command): Command {
  return reportOptions(added)
    .option("--from <day>", "from this local day on (default: the first of the month)")
    .option("--to <day>", "through this local day (default: today)");
}

const keyOf = ({ scope, scopeKey }: LimitTarget) => `${scope} ${scopeKey}`;

/** The limits in force with what is proposed on top of them. */
function testedLimits({ store }: Session, proposed: Proposed | null): Map<string, LimitRow> {
  const limits = new Map(store.limits().map((row) => [keyOf(row), row]));
  if (proposed !== null) {
    const key = keyOf(proposed.target);
    const row = limits.get(key) ?? { ...proposed.target, ...NO_FIGURES };
    limits.set(key, { ...row, ...proposed.figures });
  }
  return limits;
}

/** The purchases from the month's first day on: what came before the span fills its counters. */
function replayed(session: Session, period: Period, find: FindLimit): Iterable<Replayed> {
  const { store, bank } = session;
  const firstOfMonth: LocalDay = `${monthOf(period.from)}-01`;
  const { from, to } = spanOf(period, bank.timeZone);
  const since = startOfLocalDay(firstOfMonth, bank.timeZone);
  return {
    [Symbol.iterator]: () => {
      const purchases = rowsOf(
        (page: Paging<number>) => store.reservedInOrder({ ...page, from: since, to }),
        ({ id }) => id,
      );
      return replay(purchases, find, from)[Symbol.iterator]();
    },
  };
}

export function testLimits(
  session: Session,
  options: TestOptions,
  proposed: Proposed | null,
): Promise<Written> {
  const { bank } = session;
  const period = readPeriod(options, session);
  const limits = testedLimits(session, proposed);
  const find: FindLimit = (scope, scopeKey) => limits.get(keyOf({ scope, scopeKey }));
  const all = replayed(session, period, find);
  const tested = {
    bank,
    period,
    limits: [...limits.values()],
    proposed: proposed === null ? null : { ...proposed.target, ...NO_FIGURES, ...proposed.figures },
  };
  const summary = () => limitsTest(all, tested);
  return publish(
    session,
    {
      json: () => limitsTestJson(summary()),
      csv: () => limitsTestCsv(all, bank),
      page: () => limitsTestPage(summary()),
      findings: 0,
    },
    options,
  );
}
