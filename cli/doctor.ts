// doctor: looks at the bank and its machine and says what is wrong, with the remedy under it.
import type { Command } from "commander";
import { judge, type Line } from "../src/doctor/checks.ts";
import { gather } from "../src/doctor/facts.ts";
import { EXIT } from "./failure.ts";
import { facts } from "./output.ts";
import { command, dataDirOf, withoutBank } from "./session.ts";

/** A row a line, and below what is not well its remedy. */
const rowsOf = ({ check, state, found, remedy }: Line): [string, string, string][] => [
  [check, state, found],
  ...(remedy === null ? [] : [["", "remedy", remedy] as [string, string, string]]),
];

/** Without a remedy a warning is of what could not be checked. */
function verdictOf(lines: readonly Line[]): string {
  const count = (is: (line: Line) => boolean) => lines.filter(is).length;
  const failures = count(({ state }) => state === "FAIL");
  const warnings = count(({ state, remedy }) => state === "warning" && remedy !== null);
  const unchecked = count(({ state, remedy }) => state === "warning" && remedy === null);
  if (failures + warnings + unchecked === 0) return "All is well.";
  const text = (n: number, what: string) => `${n} ${what}${n === 1 ? "" : "s"}`;
  const rest = unchecked === 0 ? "" : `, ${unchecked} not checked`;
  return `${text(failures, "failure")}, ${text(warnings, "warning")}${rest}.`;
}

export function register(program: Command): void {
  command(program, {
    form: "doctor",
    summary: "Check the bank and its machine; exits 6 if something fails",
    kind: "read",
    examples: [
      "doctor --data-dir /var/lib/transact-bank",
      "doctor --strict --json    # for a timer: a warning counts as well",
    ],
  })
    .option("--strict", "exit 6 on a warning as well")
    .action(
      withoutBank<{ strict?: true }>(async (options) => {
        const dataDir = dataDirOf(options);
        const seen = await gather(dataDir);
        const lines = judge(seen);
        const count = (state: Line["state"]) => lines.filter((line) => line.state === state).length;
        const [failures, warnings] = [count("FAIL"), count("warning")];
        const bad = failures + (options.strict === true ? warnings : 0);
        return {
          json: {
            ok: failures === 0,
            dataDir,
            checkedAt: new Date(seen.now).toISOString(),
            failures,
            warnings,
            checks: lines,
          },
          text: () => [facts(lines.flatMap(rowsOf)), "", verdictOf(lines)].join("\n"),
          exitCode: bad === 0 ? EXIT.done : EXIT.findings,
        };
      }),
    );
}
