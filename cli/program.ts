// Every command there is, put together.
import { Command } from "commander";
import { version } from "../package.json";
import * as accounts from "./accounts.ts";
import * as approvals from "./approvals.ts";
import * as backup from "./backup.ts";
import * as completion from "./completion.ts";
import * as config from "./config.ts";
import * as doctor from "./doctor.ts";
import * as find from "./find.ts";
import * as findings from "./findings.ts";
import { ALSO, configureHelp, gatherNotes, setExamples } from "./help.ts";
import * as holidays from "./holidays.ts";
import * as init from "./init.ts";
import * as join from "./join.ts";
import * as journal from "./journal.ts";
import * as limits from "./limits.ts";
import * as man from "./man.ts";
import * as migrate from "./migrate.ts";
import * as openapi from "./openapi.ts";
import { beQuiet, errorText } from "./output.ts";
import * as receipts from "./receipts.ts";
import * as reports from "./reports.ts";
import * as reservations from "./reservations.ts";
import * as restore from "./restore.ts";
import * as sales from "./sales.ts";
import * as secrets from "./secrets.ts";
import * as serve from "./serve.ts";
import * as service from "./service.ts";
import { type CommonOptions, commonOptions, inheritCommonOptions } from "./session.ts";
import * as settlement from "./settlement.ts";
import * as simulate from "./simulate.ts";
import * as status from "./status.ts";
import * as upgrade from "./upgrade.ts";
import * as verify from "./verify.ts";
import * as versions from "./version.ts";

/** By task, in the order of the help; a heading of the root's help each. */
const TASKS: readonly (readonly [task: string, commands: readonly CommandFile[]])[] = [
  [
    "Make a bank and run it:",
    [init, join, serve, service, simulate, status, doctor, config, upgrade],
  ],
  ["Daily work:", [find, accounts, reservations, findings, limits, holidays, sales]],
  ["Reports and books:", [reports, settlement, journal, receipts, verify]],
  ["Secrets, approvals and backups:", [secrets, approvals, backup, restore]],
  [ALSO, [versions, man, completion, openapi, migrate]],
];

type CommandFile = { readonly register: (program: Command) => void };

const EXAMPLES = [
  "init --demo --data-dir demo",
  "serve --data-dir demo",
  "accounts show 1001 --data-dir demo",
];

/** What follows "=" in an option that does not exist may be a secret: it is not repeated. */
function withoutValues(message: string): string {
  return message.replace(/(unknown option '[^'=]*)=.*'$/ms, "$1'");
}

const ADVICE = "Add --help to see how it is used, with examples.";

/** The whole command line, ready to parse; a misuse throws commander's CommanderError. */
export function program(): Command {
  const root = configureHelp(new Command("transact-bank"))
    .description("A bank's ledger for purchases through Clickatell: its server and its tools")
    .version(version, "-V, --version", "show the version")
    .exitOverride()
    .addHelpCommand(
      new Command("help")
        .argument("[command]")
        .description("Show how a command is used")
        .helpGroup(ALSO),
    )
    .showHelpAfterError(ADVICE)
    .enablePositionalOptions()
    .configureOutput({
      outputError: (text, write) => write(`${errorText(withoutValues(text.trimEnd()))}\n`),
    })
    .hook("preAction", (_, command) => {
      inheritCommonOptions(command);
      if (command.opts<CommonOptions>().quiet === true) beQuiet();
    });
  setExamples(root, EXAMPLES);
  commonOptions(root);
  for (const [task, commands] of TASKS) {
    root.commandsGroup(task);
    for (const { register } of commands) register(root);
  }
  gatherNotes(root);
  return root;
}
