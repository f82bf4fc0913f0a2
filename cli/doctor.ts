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

function verdictOf(failures: number, warnings: number): string {
  const count = (n: number, what: string) => `${n} ${what}${n === 1 ? "" : "s"}`;
  if (failures + warnings === 0) return "All is well.";
  return `${count(failures, "failure")}, ${count(warnings, "warning")}.`;
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
          text: () => [facts(lines.flatMap(rowsOf)), "", verdictOf(failures, warnings)].join("\n"),
          exitCode: bad === 0 ? EXIT.done : EXIT.findings,
        };
      }),
    );
}
