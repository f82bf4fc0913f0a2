// transact-bank GROUP VERB: runs one command and sets the exit code.
import { CommanderError } from "commander";
import { leaveNoCore } from "../src/core-dump.ts";
import { NewerBank } from "../src/storage/sqlite/open.ts";
import { wayBack } from "../src/upgrade.ts";
import { describe, EXIT } from "./failure.ts";
import { complain, note } from "./output.ts";
import { program } from "./program.ts";

/** commander's own ends: help that was asked for is done, all else is a misuse. */
function exitCodeOf(error: CommanderError): number {
  return error.exitCode === 0 ? EXIT.done : EXIT.usage;
}

/** There is no going back but to a backup, and what came after that one is forgotten. */
async function tellWayBack(dataDir: string): Promise<void> {
  const file = (await wayBack(dataDir)) ?? "FILE   # a backup from before the upgrade";
  note(
    "To go back to this version, and forget what came after the backup:\n" +
      `  transact-bank backup restore --data-dir ${dataDir} ${file}`,
  );
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
    if (error instanceof NewerBank) await tellWayBack(error.dataDir);
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
