// openapi: the two interfaces as an OpenAPI document, for whoever builds or checks the other side.
import type { Command } from "commander";
import { assertDataDir } from "../src/bank.ts";
import { type Config, DEFAULT_CONFIG, readConfig } from "../src/config.ts";
import { openApiOf } from "../src/serve.ts";
import { deliver } from "./deliver.ts";
import { command, dataDirOf, typedAction } from "./session.ts";

function configOf(dataDir: string): Config {
  // A folder that holds no bank has no configuration either, and that must not pass for one.
  const config = readConfig(dataDir);
  assertDataDir(dataDir, config);
  return config;
}

export function register(program: Command): void {
  command(program, {
    form: "openapi",
    summary: "Print the OpenAPI 3.1 document of the two interfaces",
    kind: "read",
    examples: ["openapi > openapi.json", "openapi --data-dir ./bank --output openapi.json"],
  })
    .option("--output <file>", "write it here, mode 0600, whole or not at all")
    .addHelpText(
      "after",
      `
With a data dir it has that bank's paths and how its requests are authenticated;
without one, those of a new bank.`,
    )
    .action(
      typedAction<[], { output?: string }>(async (_, options) => {
        const named = options.dataDir !== undefined && options.dataDir !== "";
        const config = named ? configOf(dataDirOf(options)) : DEFAULT_CONFIG;
        const text = `${JSON.stringify(openApiOf(config), null, 2)}\n`;
        await deliver([text], options.output, false);
      }),
    );
}
