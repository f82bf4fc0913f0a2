// limits test: what the limits in force, or proposed ones, would have refused of what was bought.
import { type Command, Option } from "commander";
import type { FindLimit, LimitFigures } from "../src/domain/limits.ts";
import { type LocalDay, monthOf, startOfLocalDay } from "../src/domain/local-time.ts";
import {
  limitsTest,
  limitsTestCsv,
  limitsTestJson,
  limitsTestPage,
  type Replayed,
  replay,
} from "../src/reports/limits-test.ts";
import { FORMATS, type Format } from "../src/reports/render.ts";
import { type Period, spanOf } from "../src/reports/settlement.ts";
import { type Paging, rowsOf } from "../src/storage/pages.ts";
import type { LimitRow, LimitTarget } from "../src/storage/store.ts";
import { Failure } from "./failure.ts";
import { publish } from "./publish.ts";
import type { CommonOptions, Session, Written } from "./session.ts";
import { readDay } from "./times.ts";

export type TestOptions = CommonOptions & {
  readonly from: string;
  readonly to: string;
  readonly format?: Format;
  readonly output?: string;
};

/** Figures of one scope that are tried on top of what is in force there. */
export type Proposed = { readonly target: LimitTarget; readonly figures: Partial<LimitFigures> };

export function addTestOptions(added: Command): Command {
  return added
    .addOption(new Option("--from <day>", "from this local day on").makeOptionMandatory())
    .addOption(new Option("--to <day>", "through this local day").makeOptionMandatory())
    .addOption(new Option("--format <format>", "table for people (default)").choices(FORMATS))
    .option("--output <file>", "write it here, mode 0600, whole or not at all");
}

function readPeriod({ from, to }: TestOptions, { bank }: Session): Period {
  const period = { from: readDay(from, "--from", bank), to: readDay(to, "--to", bank) };
  if (period.from > period.to) throw new Failure("usage", `--from ${from} is after --to ${to}`);
  return period;
}

const keyOf = ({ scope, scopeKey }: LimitTarget) => `${scope} ${scopeKey}`;

const NOTHING_SET: LimitFigures = {
  min: null,
  max: null,
  dayAmount: null,
  dayCount: null,
  monthAmount: null,
  monthCount: null,
};

/** The limits in force with what is proposed on top of them. */
function testedLimits({ store }: Session, proposed: Proposed | null): Map<string, LimitRow> {
  const limits = new Map(store.limits().map((row) => [keyOf(row), row]));
  if (proposed !== null) {
    const key = keyOf(proposed.target);
    const row = limits.get(key) ?? { ...proposed.target, ...NOTHING_SET };
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
    proposed:
      proposed === null ? null : { ...proposed.target, ...NOTHING_SET, ...proposed.figures },
  };
  const summary = () => limitsTest(all, tested);
  return publish(
    {
      json: () => limitsTestJson(summary()),
      csv: () => limitsTestCsv(all, bank),
      page: () => limitsTestPage(summary()),
      findings: 0,
    },
    options,
  );
}
