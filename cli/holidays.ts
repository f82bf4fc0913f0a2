// holidays: the days that are no business days, by hand or from the date-holidays library.
import type { Command } from "commander";
import { addDays, type LocalDay } from "../src/domain/local-time.ts";
import type { Holiday } from "../src/storage/store.ts";
import { Failure } from "./failure.ts";
import { clean, table } from "./output.ts";
import { command, group, type Session, unwrap, withBank } from "./session.ts";

const HOUR_MS = 60 * 60 * 1000;

function readDay(text: string): LocalDay {
  try {
    if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) throw new RangeError("not ISO 8601");
    return Temporal.PlainDate.from(text, { overflow: "reject" }).toString();
  } catch {
    throw new Failure("usage", `${text} is no day: write it like 2026-12-26`);
  }
}

function readYear(text: string): number {
  if (/^(19|20|21)\d{2}$/.test(text)) return Number(text);
  throw new Failure("usage", `--year ${text} is no year: write it like 2026`);
}

function readName(text: string): string {
  const name = text.trim();
  if (name !== "" && name.length <= 100 && clean(name) === name) return name;
  throw new Failure("usage", "--name is what the holiday is called: 1-100 characters on one line");
}

/** Two holidays on one day are one day off under both names. */
function mergeByDay(holidays: readonly Holiday[]): Holiday[] {
  const days = new Map<LocalDay, string>();
  for (const { day, name } of holidays) {
    const known = days.get(day);
    days.set(day, known === undefined || known === name ? name : `${known} / ${name}`);
  }
  return [...days].map(([day, name]) => ({ day, name })).sort((a, b) => (a.day < b.day ? -1 : 1));
}

/**
 * The days that one holiday takes off: those whose noon falls inside it, so a holiday of several
 * days is each of them, and a free afternoon none. `date` is its local start.
 */
function daysOf(holiday: { date: string; start: Date; end: Date }): LocalDay[] {
  const from = Number(holiday.date.slice(11, 13));
  const until = from + (holiday.end.getTime() - holiday.start.getTime()) / HOUR_MS;
  const days: LocalDay[] = [];
  for (let noon = 12, index = 0; noon < until; noon += 24, index += 1) {
    if (noon > from) days.push(addDays(holiday.date.slice(0, 10), index));
  }
  return days;
}

/** The public holidays of a country's year, a holiday of several days as each of them. */
async function publicHolidays(country: string, year: number): Promise<Holiday[]> {
  // Loaded here, because its calendars are large and no other command needs them.
  const { default: Holidays } = await import("date-holidays");
  const known = Object.keys(new Holidays().getCountries());
  if (!known.includes(country)) {
    throw new Failure("usage", `--country ${country} is unknown. Known are ${known.join(", ")}`);
  }
  const calendar = new Holidays(country, { types: ["public"], languages: ["en"] });
  const days = calendar
    .getHolidays(year)
    .flatMap((holiday) => daysOf(holiday).map((day) => ({ day, name: holiday.name })));
  return mergeByDay(days);
}

async function importYear({ store, by }: Session, country: string, year: number) {
  const holidays = await publicHolidays(country.toUpperCase(), year);
  const { added } = unwrap(store.addHolidays(by, holidays));
  const already = holidays.length - added;
  return {
    json: { country: country.toUpperCase(), year, added, already, holidays },
    text: () => `${holidaysTable(holidays)}\n\n${added} added, ${already} were there already.`,
  };
}

function holidaysTable(holidays: readonly Holiday[]): string {
  return table(
    [{ title: "Day" }, { title: "Name" }],
    holidays.map(({ day, name }) => [day, name]),
  );
}

function add({ store, by }: Session, holiday: Holiday) {
  const { added } = unwrap(store.addHolidays(by, [holiday]));
  const { day, name } = holiday;
  const already = `${day} is a holiday already; remove it first to give it another name.`;
  return {
    json: { ...holiday, added },
    text: () => (added === 1 ? `${day} is ${name}.` : already),
  };
}

export function register(program: Command): void {
  const holidays = group(program, "holidays", "The days that are no business days");
  command(holidays, {
    form: "list",
    summary: "List the holidays by day",
    kind: "read",
    examples: ["holidays list", "holidays list --json"],
  }).action(
    withBank(({ store }) => {
      const listed = store.holidays();
      const none = "No holidays yet: transact-bank holidays import adds a country's";
      return { json: listed, text: () => (listed.length === 0 ? none : holidaysTable(listed)) };
    }),
  );
  command(holidays, {
    form: "add <day>",
    summary: "Add one holiday",
    kind: "write",
    examples: ['holidays add 2026-11-04 --name "Election day"'],
  })
    .requiredOption("--name <name>", "what it is called")
    .action(
      withBank((session, [day]: [string], { name }: { name: string }) =>
        add(session, { day: readDay(day), name: readName(name) }),
      ),
    );
  command(holidays, {
    form: "remove <day>",
    summary: "Make a holiday a business day again",
    kind: "write",
    examples: ["holidays remove 2026-11-04"],
  }).action(
    withBank(({ store, by }, [day]: [string]) => {
      const removed = unwrap(store.removeHoliday(by, readDay(day)));
      return { json: removed, text: () => `${removed.day} (${removed.name}) is no holiday now.` };
    }),
  );
  command(holidays, {
    form: "import",
    summary: "Add a country's public holidays of one year",
    kind: "write",
    examples: ["holidays import --country ZA --year 2026"],
  })
    .requiredOption("--country <code>", "ISO 3166 code, such as ZA")
    .requiredOption("--year <year>", "such as 2026")
    .action(
      withBank((session, _: [], options: { country: string; year: string }) =>
        importYear(session, options.country, readYear(options.year)),
      ),
    );
}
