// completion: what makes a shell complete the words of a command line. The shells' functions know
// nothing: they ask the program, with the hidden command `__complete`.
import { Argument, type Command } from "commander";
import { complete, completionText } from "./complete.ts";
import bash from "./completion/bash.txt" with { type: "text" };
import fish from "./completion/fish.txt" with { type: "text" };
import zsh from "./completion/zsh.txt" with { type: "text" };
import { command, typedAction } from "./session.ts";

const SHELLS = { bash, zsh, fish } as const;

export function register(program: Command): void {
  command(program, {
    form: "completion",
    summary: "Print what makes a shell complete commands, account numbers and references",
    kind: "read",
    examples: [
      "completion bash > /etc/bash_completion.d/transact-bank",
      "completion zsh > /usr/local/share/zsh/site-functions/_transact-bank",
      "completion fish > ~/.config/fish/completions/transact-bank.fish",
    ],
  })
    .addArgument(new Argument("<shell>").choices(Object.keys(SHELLS)))
    .action(
      typedAction<[keyof typeof SHELLS], unknown>(async ([shell]) => {
        process.stdout.write(SHELLS[shell]);
      }),
    );
  program
    .command("__complete", { hidden: true })
    .argument("[words...]")
    .allowUnknownOption()
    .helpOption(false)
    .action((words: string[]) => {
      try {
        process.stdout.write(completionText(complete(program, words)));
      } catch {
        // Whoever is typing must not be disturbed: without a bank there are no names.
      }
    });
}
