// The tables of docs/performance.md, out of the results.
import { type Bar, barsOf, reached } from "./bars.ts";
import { contestant } from "./contestants.ts";
import type { Machine } from "./machine.ts";
import type { Measured } from "./measure.ts";
import type { ContestantName, Options } from "./options.ts";
import { COUNTS, closedGroup, diskGroup, GROWTH, HOT, MANY, manyOf, SIGNED } from "./plan.ts";
import type { Profile } from "./profile.ts";
import {
  type CaseResult,
  findCase,
  type GroupResult,
  ratio,
  type Spread,
  spread,
} from "./stats.ts";

export type Results = {
  readonly machine: Machine;
  readonly options: Omit<Options, "out" | "workDir">;
  readonly missing: readonly { readonly name: ContestantName; readonly why: string }[];
  readonly groups: readonly GroupResult[];
  /** Bytes of the data dir of each grown bank, before anything was measured on it. */
  readonly grownBytes: readonly { readonly reservations: number; readonly bytes: number }[];
  readonly profile: Profile | null;
};

const NOTHING = "–";
const MOST_FUNCTIONS = 25;
const LONGEST_SQL = 100;

// ---------------------------------------------------------------- the parts of a table

/** A number as people compare it: three digits, thousands apart. */
export function figure(value: number): string {
  if (value === 0) return "0";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  const [whole = "", decimals] = value.toFixed(Math.min(digits, 3)).split(".");
  const apart = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return decimals === undefined ? apart : `${apart}.${decimals}`;
}

/** The median, and the least and the most where rounds differed. */
function cell(value: Spread | null): string {
  if (value === null) return NOTHING;
  const { median, least, most } = value;
  return least === most ? figure(median) : `${figure(median)} (${figure(least)}–${figure(most)})`;
}

const bare = (value: Spread | null): string => (value === null ? NOTHING : figure(value.median));

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  // The first column is a name, the others are figures.
  const rule = heads.map((_, index) => (index === 0 ? "---" : "---:"));
  return [line(heads), line(rule), ...rows.map(line)].join("\n");
}

const section = (title: string, ...parts: readonly string[]): string =>
  [`## ${title}`, ...parts].join("\n\n");

const titleOf = ({ case: one }: CaseResult): string => contestant(one.contestant).title;
const casesOf = (groups: readonly GroupResult[], name: string): readonly CaseResult[] =>
  groups.find((group) => group.name === name)?.cases ?? [];

// ---------------------------------------------------------------- the sections

function machineSection({ machine, options, missing, groups }: Results): string {
  const { processor, cores, memoryBytes, kernel, fileSystem, versions } = machine;
  const samples = groups.flatMap(({ cases }) => cases.flatMap((one) => one.samples));
  const operations = samples.reduce((sum, { measured }) => sum + measured.operations, 0);
  const wrong = samples.reduce((sum, { measured }) => sum + measured.wrong.length, 0);
  const busiest = Math.max(0, ...samples.map(({ measured }) => measured.loadCores));
  const again = samples.reduce((sum, { tries }) => sum + tries - 1, 0);
  const programs = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const left = missing.map(({ name, why }) => `${name} (${why})`);
  return [
    `${machine.date}, commit ${machine.commit}: ${processor}, ${cores} cores, ` +
      `${figure(memoryBytes / 2 ** 30)} GiB, Linux ${kernel}, ${fileSystem}, a flush takes ` +
      `${machine.flushMs} ms (99 of 100 within ${machine.slowFlushMs} ms); ${programs.join(", ")}.`,
    `Rounds: ${options.rounds}, of ${options.seconds} s each after ${options.warmupSeconds} s ` +
      `of warm-up. Figures are medians, with the least and the most in brackets. ` +
      `Accounts: ${figure(options.accounts)}. ` +
      `Operations measured and checked: ${figure(operations)}; wrong: ${wrong}. ` +
      `The load generator was busy for at most ${busiest} of a core. ` +
      `Measured again because the machine stood still meanwhile: ${again}.`,
    ...(left.length === 0 ? [] : [`Left out: ${left.join(", ")}.`]),
  ].join("\n\n");
}

function barRow(bar: Bar): string[] {
  const { figure: name, better, unit, measured, elsewhere } = bar;
  const suffix = unit === "" ? "" : ` ${unit}`;
  const limit = (value: number) =>
    `${better === "less" && value > 0 ? "under " : ""}${value.toLocaleString("en")}${suffix}`;
  return [
    name,
    limit(bar.bar),
    limit(bar.moonshot),
    elsewhere ?? (measured === null ? NOTHING : `${cell(measured)}${suffix}`),
    reached(bar) ?? NOTHING,
  ];
}

function barSection({ groups }: Results): string[] {
  const bars = barsOf(groups);
  if (bars.every(({ measured }) => measured === null)) return [];
  return [
    section(
      "The bars",
      `At ${MANY} connections unless it says otherwise. Memory is the most that the server's ` +
        "process ever had resident.",
      table(["figure", "bar", "moonshot", "measured", "reached"], bars.map(barRow)),
    ),
  ];
}

function contestantSection({ groups, options }: Results): string[] {
  const many = manyOf(options);
  const cases = casesOf(groups, closedGroup(many));
  if (cases.length === 0) return [];
  const ours = findCase(groups, closedGroup(many), "ours");
  const rows = cases.map((one) => [
    titleOf(one),
    cell(spread(one, ({ perSecond }) => perSecond)),
    one === ours ? NOTHING : cell(ratio(ours, one, ({ perSecond }) => perSecond)),
    ...(["p50", "p99", "p999"] as const).map((name) => bare(spread(one, (of) => of[name]))),
    bare(spread(one, ({ cpuMicros }) => cpuMicros)),
    bare(spread(one, ({ loadCores }) => loadCores)),
    bare(spread(one, ({ diskBytes }) => diskBytes)),
  ]);
  const heads = ["", "operations/s", "ours / it", "p50 ms", "p99 ms", "p99.9 ms"];
  return [
    section(
      `All of them, ${many} connections, closed loop`,
      table([...heads, "CPU µs an operation", "load, cores", "bytes a purchase"], rows),
      "pgbench's latencies are those of a reserve and its result together.",
    ),
  ];
}

/** One row for each contestant, one column for each group; both figures in one cell. */
function across(
  groups: readonly GroupResult[],
  columns: readonly (readonly [head: string, group: string])[],
  text: (result: CaseResult | null) => string,
): string {
  const names = new Set(
    columns.flatMap(([, group]) => casesOf(groups, group).map((one) => one.case.contestant)),
  );
  const rows = [...names].map((name) => [
    contestant(name).title,
    ...columns.map(([, group]) => text(findCase(groups, group, name))),
  ]);
  return table(["", ...columns.map(([head]) => head)], rows);
}

const speedAndTail = (result: CaseResult | null): string =>
  result === null
    ? NOTHING
    : `${cell(spread(result, ({ perSecond }) => perSecond))}; p99 ${bare(spread(result, ({ p99 }) => p99))} ms`;

function measuredColumns(groups: readonly GroupResult[], columns: readonly [string, string][]) {
  return columns.filter(([, group]) => casesOf(groups, group).length > 0);
}

function connectionSection({ groups }: Results): string[] {
  const counts = groups.filter(({ part }) => part === "connections");
  if (counts.length < 2) return [];
  const columns = counts.map(({ name, cases }): [string, string] => [
    `${cases[0]?.case.connections}`,
    name,
  ]);
  return [
    section(
      "Connections, closed loop",
      "Operations/s and p99 at so many connections.",
      across(groups, columns, speedAndTail),
    ),
  ];
}

function variantSection({ groups, options }: Results): string[] {
  const columns = measuredColumns(groups, [
    ["uniform, unsigned", closedGroup(manyOf(options))],
    ["one hot account", HOT],
    ["signed", SIGNED],
  ]);
  if (!columns.some(([, group]) => group === HOT || group === SIGNED)) return [];
  return [section("One hot account, and signed bodies", across(groups, columns, speedAndTail))];
}

function arrivalSection({ groups }: Results): string[] {
  const cases = groups.filter(({ part }) => part === "arrivals").flatMap((group) => group.cases);
  if (cases.length === 0) return [];
  const rows = cases.map((one) => [
    titleOf(one),
    String(one.case.connections),
    figure(one.case.rate ?? 0),
    bare(spread(one, ({ perSecond }) => perSecond)),
    ...(["p50", "p99", "p999", "max"] as const).map((name) => cell(spread(one, (of) => of[name]))),
  ]);
  return [
    section(
      "A fixed arrival rate",
      "Half of what each one manages in closed loop at as many connections. A latency counts from " +
        "when the request was due, so waiting for a free connection is in it.",
      table(
        ["", "connections", "due/s", "answered/s", "p50 ms", "p99 ms", "p99.9 ms", "longest ms"],
        rows,
      ),
    ),
  ];
}

function diskSection({ groups, options }: Results): string[] {
  const slower = groups.filter(({ part }) => part === "disks");
  if (slower.length === 0) return [];
  const columns = measuredColumns(groups, [
    ["as it is", closedGroup(manyOf(options))],
    ...slower.map(({ name }): [string, string] => [name.replace("flushes slower by", "+"), name]),
  ]);
  const usual = diskGroup(1_000);
  const ours = findCase(groups, usual, "ours");
  const ratios = casesOf(groups, usual)
    .filter((one) => one !== ours)
    .map((one) => {
      const times = ratio(ours, one, ({ perSecond }) => perSecond);
      return `${titleOf(one)} ${cell(times)}`;
    });
  return [
    section(
      "Slower flushes",
      "Each flush of a file takes so much longer, in the server or its database.",
      across(groups, columns, speedAndTail),
      ...(ratios.length === 0 ? [] : [`Ours / it at + 1 ms: ${ratios.join("; ")}.`]),
    ),
  ];
}

function growthSection({ groups, grownBytes, options }: Results): string[] {
  const cases = casesOf(groups, GROWTH);
  if (cases.length === 0) return [];
  const smallest = grownBytes.toSorted((a, b) => a.reservations - b.reservations)[0];
  const rows = cases.map((one) => {
    const { reservations } = one.case;
    const bytes = grownBytes.find((size) => size.reservations === reservations)?.bytes ?? 0;
    const more = (reservations ?? 0) - (smallest?.reservations ?? 0);
    return [
      figure(reservations ?? 0),
      cell(spread(one, ({ perSecond }) => perSecond)),
      cell(spread(one, ({ p99 }) => p99)),
      cell(spread(one, ({ peakMemory }) => peakMemory / 1e6)),
      cell(spread(one, ({ readyMs }) => readyMs)),
      figure(bytes / 1e6),
      more > 0 ? figure((bytes - (smallest?.bytes ?? 0)) / more) : NOTHING,
    ];
  });
  const heads = ["reservations", "operations/s", "p99 ms", "peak memory MB", "start to ready ms"];
  return [
    section(
      "Growth",
      `With ${figure(options.growthAccounts)} accounts. The last column is by how much the file ` +
        "grew for each reservation more than in the first row.",
      table([...heads, "data dir MB", "bytes a reservation"], rows),
    ),
  ];
}

function countSection({ groups }: Results): string[] {
  const cases = casesOf(groups, COUNTS);
  if (cases.length === 0) return [];
  const each = (one: CaseResult, of: (measured: Measured) => number | null) =>
    bare(spread(one, of));
  const rows = cases.map((one) => [
    titleOf(one),
    each(one, ({ flushes }) => flushes),
    each(one, ({ flushes }) => (flushes === null || flushes === 0 ? null : 1 / flushes)),
    each(one, ({ writtenBytes }) => writtenBytes),
    each(one, ({ cpuMicros }) => cpuMicros),
  ]);
  const heads = ["", "flushes", "operations a flush", "bytes written", "CPU µs"];
  return [
    section(
      "Flushes and bytes an operation",
      "Counted in a run of their own. The bytes are whole pages, as the kernel hands them to the " +
        "disk; processor time is that of the server and its database.",
      table(heads, rows),
    ),
  ];
}

function shortened(text: string): string {
  const safe = text.replaceAll("|", "\\|");
  return safe.length > LONGEST_SQL ? `${safe.slice(0, LONGEST_SQL)}…` : safe;
}

function profileSection({ profile }: Results): string[] {
  if (profile === null) return [];
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
  const threads = profile.threads.map(({ name, cores }) => [name, cores.toFixed(2)]);
  const functions = Map.groupBy(profile.functions, ({ thread }) => thread);
  const statements = profile.statements.filter(({ calls }) => calls >= 0.0005);
  const calls = statements.reduce((sum, one) => sum + one.calls, 0);
  return [
    section(
      "Where the time goes",
      "transact-bank in a build with instruments, which make it slower; only the shares count.",
      table(["thread", "cores"], threads),
      ...[...functions].map(([thread, of]) =>
        [
          `CPU by function, thread ${thread}, without what it called:`,
          table(
            ["function", "share", "where"],
            of
              .slice(0, MOST_FUNCTIONS)
              .map(({ name, place, share }) => [`\`${name}\``, percent(share), place]),
          ),
        ].join("\n\n"),
      ),
      `${figure(calls)} statements an operation:`,
      table(
        ["statement", "an operation", "µs an operation"],
        statements.map(({ sql, calls, micros }) => [
          `\`${shortened(sql)}\``,
          figure(calls),
          figure(micros),
        ]),
      ),
    ),
  ];
}

/** All tables that the results fill. */
export function markdownOf(results: Results): string {
  return [
    machineSection(results),
    ...barSection(results),
    ...contestantSection(results),
    ...connectionSection(results),
    ...variantSection(results),
    ...arrivalSection(results),
    ...diskSection(results),
    ...growthSection(results),
    ...countSection(results),
    ...profileSection(results),
  ].join("\n\n");
}

const FROM = "<!-- results -->";
const TO = "<!-- /results -->";

/** Puts the tables between the markers of a document, or gives null where it has none. */
export function withResults(document: string, tables: string): string | null {
  const from = document.indexOf(FROM);
  const to = document.indexOf(TO);
  if (from === -1 || to < from) return null;
  return `${document.slice(0, from + FROM.length)}\n\n${tables}\n\n${document.slice(to)}`;
}
