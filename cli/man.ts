// man: the manual page of the whole command line.
import { type Command, Option } from "commander";
import { manualPage, referencePage } from "./reference.ts";
import { command, typedAction } from "./session.ts";

export function register(program: Command): void {
  command(program, {
    form: "man",
    summary: "Print the manual page of every command",
    kind: "read",
    examples: ["man | man -l -", "man > /usr/local/share/man/man1/transact-bank.1"],
  })
    .addOption(
      new Option("--format <format>", "what it is written in")
        .choices(["roff", "markdown"])
        .default("roff"),
    )
    .action(
      typedAction<[], { format: "roff" | "markdown" }>(async (_, { format }) => {
        const page = format === "roff" ? manualPage : referencePage;
        process.stdout.write(page(program));
      }),
    );
}
