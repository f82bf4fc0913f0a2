// transact-bank GROUP VERB: runs one command and sets the exit code.
import { CommanderError } from "commander";
import { leaveNoCore } from "../src/core-dump.ts";
import { describe, EXIT } from "./failure.ts";
import { complain } from "./output.ts";
import { program } from "./program.ts";

/** commander's own ends: help that was asked for is done, all else is a misuse. */
function exitCodeOf(error: CommanderError): number {
  return error.exitCode === 0 ? EXIT.done : EXIT.usage;
}

async function main(): Promise<void> {
  try {
    await program().parseAsync(process.argv);
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = exitCodeOf(error);
      return;
    }
    const { message, exitCode } = describe(error);
    complain(message);
    process.exitCode = exitCode;
  }
}

// A reader that has seen enough, such as head, is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit();
  complain(`the answer could not be written: ${error.message}`);
  process.exit(EXIT.failed);
});

// Whatever this program writes is its user's alone, and what it knows is not written at all.
process.umask(0o077);
leaveNoCore();
if (process.argv.includes("--no-color")) {
  process.env["NO_COLOR"] = "1";
  delete process.env["FORCE_COLOR"];
}
await main();
