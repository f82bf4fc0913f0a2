// version: what this program was made of.
import type { Command } from "commander";
import { version } from "../package.json";
import { facts } from "./output.ts";
import { command, withoutBank } from "./session.ts";

export function register(program: Command): void {
  command(program, {
    form: "version",
    summary: "Show the versions of the program and of what it is made of",
    kind: "read",
    examples: ["version", "version --json"],
  }).action(
    withoutBank(() => {
      const commit = process.env.TRANSACT_BANK_COMMIT ?? "none, run from its sources";
      const json = {
        version,
        commit,
        bun: Bun.version,
        sqlite: process.versions["sqlite"] ?? null,
      };
      return {
        json,
        text: () =>
          facts([
            ["transact-bank", version],
            ["commit", commit],
            ["bun", Bun.version],
            ["SQLite", json.sqlite ?? "unknown"],
          ]),
      };
    }),
  );
}
