// verify: recomputes the books from the journal.
import type { Command } from "commander";
import type { Check } from "../src/storage/store.ts";
import { EXIT } from "./failure.ts";
import { command, withBank } from "./session.ts";

function checkText({ name, ok, problems }: Check): string {
  return [`${ok ? "ok " : "OFF"}  ${name}`, ...problems.map((problem) => `     ${problem}`)].join(
    "\n",
  );
}

export function register(program: Command): void {
  command(program, {
    form: "verify",
    summary: "Recompute balances, holds and limits from the journal; exits 6 if a row is off",
    kind: "read",
    examples: ["verify", "verify --json"],
  }).action(
    withBank(({ store }) => {
      const checks = store.verify();
      const ok = checks.every((check) => check.ok);
      const verdict = ok
        ? "All is well."
        : "Something is off: stop selling (transact-bank sales pause) and call for help.";
      return {
        json: { ok, checks },
        text: () => [...checks.map(checkText), "", verdict].join("\n"),
        exitCode: ok ? EXIT.done : EXIT.findings,
      };
    }),
  );
}
