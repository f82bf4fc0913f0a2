// Every command there is, put together.
import { Command, Help, type Option } from "commander";
import * as accounts from "./accounts.ts";
import * as backup from "./backup.ts";
import * as config from "./config.ts";
import * as doctor from "./doctor.ts";
import * as findings from "./findings.ts";
import * as holidays from "./holidays.ts";
import * as init from "./init.ts";
import * as journal from "./journal.ts";
import * as limits from "./limits.ts";
import { cleanLines } from "./output.ts";
import * as receipts from "./receipts.ts";
import * as reports from "./reports.ts";
import * as reservations from "./reservations.ts";
import * as restore from "./restore.ts";
import * as sales from "./sales.ts";
import * as secrets from "./secrets.ts";
import * as serve from "./serve.ts";
import { COMMON_OPTIONS } from "./session.ts";
import * as settlement from "./settlement.ts";
import * as status from "./status.ts";
import * as upgrade from "./upgrade.ts";
import * as verify from "./verify.ts";
import * as version from "./version.ts";

/** In the order of the help: from making a bank to looking after it. */
const GROUPS = [
  init,
  serve,
  status,
  accounts,
  limits,
  reservations,
  findings,
  reports,
  journal,
  receipts,
  settlement,
  holidays,
  sales,
  secrets,
  backup,
  restore,
  upgrade,
  verify,
  doctor,
  config,
  version,
];

/** What follows "=" in an option that does not exist may be a secret: it is not repeated. */
function withoutValues(message: string): string {
  return message.replace(/(unknown option '[^'=]*)=.*'$/ms, "$1'");
}

/** A command in its group's help: its name and arguments, for all of them have options. */
function termOf(command: Command): string {
  const names = command.registeredArguments.map((argument) =>
    argument.required ? `<${argument.name()}>` : `[${argument.name()}]`,
  );
  return [command.name(), ...names].join(" ");
}

/** A command's own options stand before those that every command has. */
function commonLast<T extends Command | Option>(
  all: T[],
  visible: T[],
  groupOf: (item: T) => string,
): Map<string, T[]> {
  const groups = new Help().groupItems(all, visible, groupOf);
  const common = groups.get(COMMON_OPTIONS);
  if (common === undefined) return groups;
  groups.delete(COMMON_OPTIONS);
  return groups.set(COMMON_OPTIONS, common);
}

/** The whole command line, ready to parse; a misuse throws commander's CommanderError. */
export function program(): Command {
  const root = new Command("transact-bank")
    .description(
      "A bank's ledger for purchases through Clickatell: its server and its admin's tools",
    )
    .exitOverride()
    .helpCommand(false)
    .showHelpAfterError("Add --help to see how it is used, with examples.")
    .configureHelp({ subcommandTerm: termOf, groupItems: commonLast, minWidthToWrap: 30 })
    .configureOutput({
      outputError: (text, write) => write(`${cleanLines(withoutValues(text.trimEnd()))}\n`),
    });
  for (const { register } of GROUPS) register(root);
  return root;
}
