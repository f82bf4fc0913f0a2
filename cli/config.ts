// config show: what the bank is, what is configured, which keys are there; never a secret.
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { CONFIG_FILE } from "../src/config.ts";
import { readPinKey, readSecret, SHARED_SECRETS } from "../src/keys.ts";
import { authenticationSummary } from "../src/serve.ts";
import { facts } from "./output.ts";
import { command, group, withBank } from "./session.ts";

export function register(program: Command): void {
  const config = group(program, "config", "How the bank is configured");
  command(config, {
    form: "show",
    summary: "Show the bank, its configuration and which keys are there; no secret is printed",
    kind: "read",
    examples: ["config show", "config show --json"],
  }).action(
    withBank(({ bank, config, dataDir }) => {
      const authentication = authenticationSummary(config);
      const keys = {
        pin: readPinKey(dataDir) !== null,
        ...Object.fromEntries(
          SHARED_SECRETS.map((kind) => [kind, readSecret(dataDir, kind) !== null]),
        ),
      };
      const json = { dataDir, bank, config, authentication, keys };
      const value = (setting: unknown) =>
        typeof setting === "string" ? setting : JSON.stringify(setting);
      return {
        json,
        text: () =>
          [
            facts([
              ["bank", bank.demo ? `${bank.code} (a demo)` : bank.code],
              ["currency", `${bank.currency}, ${bank.minorDigits} decimals`],
              ["time zone", bank.timeZone],
              ["country", bank.country],
              ["sales", bank.salesPaused === null ? "open" : `paused: ${bank.salesPaused.reason}`],
              [
                "authentication",
                authentication.join(", ") || "NONE: whoever reaches it can reserve",
              ],
              ...Object.entries(keys).map(
                ([name, there]) => [`${name} key`, there ? "there" : "not set"] as [string, string],
              ),
              [
                "configuration",
                existsSync(join(dataDir, CONFIG_FILE)) ? CONFIG_FILE : "all defaults",
              ],
            ]),
            "",
            facts(Object.entries(config).map(([key, setting]) => [key, value(setting)])),
          ].join("\n"),
      };
    }),
  );
}
