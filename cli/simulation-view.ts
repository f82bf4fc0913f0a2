// How a simulation looks to people.
import type { Verdict } from "../src/conformance/run.ts";
import type { ScenarioVerdict } from "../src/conformance/scenario.ts";
import type { Latencies } from "../src/conformance/storm.ts";
import { clean, facts, table } from "./output.ts";
import type { Simulation } from "./simulate.ts";

type Named = Pick<Verdict, "id" | "section" | "words">;

const NARROWEST_TERMINAL = 80;

/** One line over the one before it, never broken. */
export function progressLine(text: string): string {
  const width = (process.stderr.columns ?? NARROWEST_TERMINAL) - 1;
  return `\r\u001b[K${clean(text).slice(0, width)}`;
}

/** Every rule, without a verdict. */
export function rulesTable(rules: readonly Named[]): string {
  return table(
    [{ title: "Rule", whole: true }, { title: "\u00a7" }, { title: "Words" }],
    rules.map(({ id, section, words }) => [id, section, words]),
  );
}

function verdictsTable(rules: readonly Verdict[]): string {
  const columns = [
    { title: "Verdict", whole: true },
    { title: "Rule", whole: true },
    { title: "\u00a7" },
    { title: "Words" },
  ] as const;
  return table(
    columns,
    rules.map(({ verdict, id, section, words }) => [
      verdict === "failed" ? "FAILED" : verdict,
      id,
      section,
      words,
    ]),
  );
}

type Line = readonly [label: string, value: string];

function failures(rules: readonly Verdict[]): Line[] {
  return rules.flatMap(({ verdict, id, section, words, why }): Line[] =>
    verdict === "failed"
      ? [
          ["FAILED", `${id}, contract ${section}: ${words}`],
          ["", why ?? ""],
        ]
      : [],
  );
}

/** Why rules have no verdict, each reason once. */
function reasons(rules: readonly Verdict[], verdict: Verdict["verdict"]): Line[] {
  const byReason = Map.groupBy(
    rules.filter((rule) => rule.verdict === verdict),
    ({ why }) => why ?? "",
  );
  return [...byReason].map(([why, alike]) => [
    verdict,
    `${why}: ${alike.map(({ id }) => id).join(", ")}`,
  ]);
}

function scenarioTable(scenarios: readonly ScenarioVerdict[]): string {
  const columns = [
    { title: "Verdict", whole: true },
    { title: "Scenario" },
    { title: "Step" },
    { title: "HTTP", align: "right" },
    { title: "Took", align: "right" },
  ] as const;
  const rows = scenarios.flatMap(({ name, steps }) =>
    steps.map((step) => [
      step.verdict === "failed" ? "FAILED" : step.verdict,
      name,
      step.name,
      step.status === null ? "" : String(step.status),
      step.ms === null ? "" : ms(step.ms),
    ]),
  );
  return table(columns, rows);
}

/** Why steps have not passed; what comes after such a step needs no reason of its own. */
function scenarioFailures(scenarios: readonly ScenarioVerdict[]): Line[] {
  return scenarios.flatMap(({ name, steps }): Line[] => {
    const step = steps.find(({ verdict }) => verdict !== "passed");
    if (step === undefined) return [];
    return [
      ["FAILED", `${name}: ${step.name}`],
      ["", step.why ?? ""],
    ];
  });
}

const ms = (value: number) => `${value.toFixed(value < 100 ? 1 : 0)} ms`;

function latencyRow(call: string, { count, within2s, ...latencies }: Latencies): string[] {
  const { p50Ms, p90Ms, p99Ms, p999Ms, maxMs } = latencies;
  const figures = [p50Ms, p90Ms, p99Ms, p999Ms, maxMs].map(ms);
  return [call, String(count), ...figures, `${(within2s * 100).toFixed(2)} %`];
}

const SHOWN_PROBLEMS = 5;

function problemLines(title: string, problems: readonly string[]): Line[] {
  if (problems.length === 0) return [];
  const shown = problems.slice(0, SHOWN_PROBLEMS).map((problem): Line => ["", problem]);
  const more = problems.length - shown.length;
  return [["FAILED", title], ...shown, ...(more > 0 ? [["", `and ${more} more`] as const] : [])];
}

/** What a storm can fail for. */
function stormFailure(storm: Simulation["storm"]): Line[] {
  if (storm === null) return [];
  const { within2s, count } = storm.calls.reserveFunds;
  const late = Math.round((1 - within2s) * count);
  return [
    ...problemLines(
      "storm, contract 4.3: a reserve is answered within 2 s, with 2060 if need be",
      late === 0 ? [] : [`${late} of ${count} were not`],
    ),
    ...problemLines("storm: no Success is lost, none is given twice", storm.history),
    ...problemLines("storm: the books say what was answered, once", storm.books ?? []),
  ];
}

/** What the storm knows beside its figures. */
function stormFacts(storm: Simulation["storm"]): Line[] {
  if (storm === null) return [];
  return storm.gaps.map(([from, to]) => [
    "no Success",
    `for ${(to - from).toFixed(1)} s, from second ${from.toFixed(1)} on`,
  ]);
}

function stormText({ rate, seconds, calls }: NonNullable<Simulation["storm"]>): string[] {
  const right = (title: string) => ({ title, align: "right" }) as const;
  const titles = ["Sent", "p50", "p90", "p99", "p99.9", "max", "in 2 s"].map(right);
  const rows = Object.entries(calls).map(([call, latencies]) => latencyRow(call, latencies));
  const answers = Object.entries(calls).flatMap(([call, latencies]) =>
    Object.entries(latencies.answers).map(([code, count]) => [call, code, String(count)]),
  );
  return [
    `Storm: ${rate} purchases a second for ${seconds} s, each from the moment it was due`,
    table([{ title: "Call" }, ...titles], rows),
    "",
    table([{ title: "Call" }, { title: "Answer" }, right("Times")], answers),
    "",
  ];
}

function counts({ rules }: Simulation): Line[] {
  if (rules.length === 0) return [];
  const count = (verdict: Verdict["verdict"]) =>
    rules.filter((rule) => rule.verdict === verdict).length;
  const value =
    `${count("passed")} passed, ${count("failed")} failed, ${count("not tried")} not tried, ` +
    `${count("not visible")} not visible from outside`;
  return [["rules", value]];
}

function leftBehind({ debited, left, requests, run }: Simulation): Line[] {
  const held =
    left.length === 0
      ? "nothing is held because of it"
      : `HELD, for the cancel was not taken: ${left.map(({ requestId }) => requestId).join(", ")}`;
  const sum = debited.reduce((total, { amount }) => total + amount, 0);
  const moved =
    debited.length === 0
      ? "no money moved"
      : `${debited.length} debited, ${sum} minor units in all`;
  return [
    ["requests", `${requests} beside a storm's; each raasTxnRef begins with sim-${run}-`],
    ["left behind", `${moved}; ${held}`],
  ];
}

export function simulationText(simulation: Simulation): string {
  const { rules, scenarios, storm, stopped } = simulation;
  const lines: Line[] = [
    ...reasons(rules, "not tried"),
    ...reasons(rules, "not visible"),
    ...failures(rules),
    ...scenarioFailures(scenarios),
    ...stormFacts(storm),
    ...stormFailure(storm),
    ...counts(simulation),
    ...leftBehind(simulation),
    ...(stopped ? [["stopped", "before its end"] as const] : []),
  ];
  const parts = [
    ...(scenarios.length > 0 ? [scenarioTable(scenarios), ""] : []),
    ...(rules.length > 0 ? [verdictsTable(rules), ""] : []),
    ...(storm === null ? [] : stormText(storm)),
    facts(lines),
    "",
    simulation.ok ? "PASS" : "FAIL",
  ];
  return parts.join("\n");
}
