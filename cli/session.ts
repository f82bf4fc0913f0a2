// The frame of every command. A group is one file that exports `register(program)`:
//
//   const limits = group(program, "limits", "What one purchase, day and month may come to");
//   command(limits, {
//     form: "show <number>",                  // commander's notation: verb and arguments
//     summary: "Show one account",
//     kind: "read",                           // "write" takes --reason, "reasoned" requires it;
//                                             // both take --dry-run, and so does "make", which
//                                             // writes no journal: it makes files
//     examples: ["accounts show 62-0001"],    // without the program's name; shown by --help
//   })
//     .option("--limit <n>", "...")           // more options; common ones are there already
//     .action(withBank(({ store, bank }, [number]: [string], options: { limit?: string }) => {
//       const account = found(store.account(number), `account ${number}`);  // or exit 3
//       return { json: view(account), text: () => facts([...]) };           // and exitCode, if any
//     }));
//
// `unwrap(store.credit(...))` turns the port's refusals into exits 3 and 4; `throw new Failure(kind,
// message)` ends in any other way; `await confirm(session, question)` asks, or needs --yes.
// In a dry run the store undoes each write by itself; what a command changes elsewhere, such as a
// file, it changes only `if (!session.dryRun)`.
import { resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { openBank } from "../src/bank.ts";
import type { Config } from "../src/config.ts";
import type { Bank, By, Result, Store } from "../src/storage/store.ts";
import { type ExitCode, Failure } from "./failure.ts";
import { COMMON_OPTIONS, setExamples } from "./help.ts";
import { note, printJson, printText } from "./output.ts";
import { whoIsIt } from "./who.ts";

export type CommonOptions = {
  readonly dataDir?: string;
  readonly json?: true;
  readonly yes?: true;
  readonly quiet?: true;
  readonly reason?: string;
  readonly dryRun?: true;
};

/** What a command has while it runs. */
export type Session = {
  readonly store: Store;
  readonly bank: Bank;
  readonly config: Config;
  readonly dataDir: string;
  readonly by: By;
  readonly json: boolean;
  /** True in a dry run too: what changes nothing needs no confirmation. */
  readonly yes: boolean;
  readonly dryRun: boolean;
};

/** What a command says: the document for scripts, the text for people; one of them is printed. */
export type Answer = {
  readonly json: unknown;
  readonly text: () => string;
  readonly exitCode?: ExitCode;
};

/** The end of a command that wrote its answer itself, because it is long or goes to a file. */
export type Written = { readonly written: true; readonly exitCode?: ExitCode };

export type CommandSpec = {
  readonly form: string;
  readonly summary: string;
  readonly kind: "read" | "make" | "write" | "reasoned";
  readonly examples: readonly string[];
};

export const DATA_DIR_VARIABLE = "TRANSACT_BANK_DATA_DIR";
const LONGEST_REASON = 500;

export function group(program: Command, name: string, summary: string): Command {
  return commonOptions(program.command(name).description(summary).helpCommand(false));
}

function readReason(text: string): string {
  const reason = text.trim();
  if (reason === "") throw new InvalidArgumentError("Say why, in a few words.");
  if (reason.length > LONGEST_REASON) {
    throw new InvalidArgumentError(`At most ${LONGEST_REASON} characters.`);
  }
  return reason;
}

/** The options of every command. A group and the program take them too, for the command below. */
export function commonOptions(command: Command): Command {
  const options = [
    new Option("--data-dir <dir>", "where the bank is").env(DATA_DIR_VARIABLE),
    new Option("--json", "print one JSON document, amounts in minor units"),
    new Option("--yes", "confirm whatever would be asked"),
    new Option("--quiet", "say nothing beside the answer but warnings and errors"),
    // main.ts heeds it before anything is parsed, because errors of parsing have colours too.
    new Option("--no-color", "no colours, as NO_COLOR in the environment does"),
  ];
  for (const option of options) command.addOption(option.helpGroup(COMMON_OPTIONS));
  return command.addHelpOption(new Option("-h, --help", "show this").helpGroup(COMMON_OPTIONS));
}

/** Adds a command to a group, with the options and the examples that every command has. */
export function command(group: Command, spec: CommandSpec): Command {
  const added = commonOptions(group.command(spec.form).description(spec.summary));
  if (spec.kind === "write" || spec.kind === "reasoned") {
    const reason = new Option("--reason <text>", "why; it stands in the journal");
    added.addOption(reason.argParser(readReason).makeOptionMandatory(spec.kind === "reasoned"));
  }
  if (spec.kind !== "read") added.option("--dry-run", "say what would be done, and change nothing");
  setExamples(added, spec.examples);
  return added;
}

/** Hands a command the common options that were typed before its name. */
export function inheritCommonOptions(command: Command): void {
  for (let above = command.parent; above !== null; above = above.parent) {
    for (const [key, value] of Object.entries(above.opts())) {
      const typed = above.getOptionValueSource(key) === "cli";
      if (!typed || command.getOptionValueSource(key) === "cli") continue;
      command.setOptionValueWithSource(key, value, "cli");
    }
  }
}

/** The data dir that was named, or a usage error that names both ways to do it. */
export function dataDirOf(options: CommonOptions): string {
  if (options.dataDir === undefined || options.dataDir === "") {
    throw new Failure(
      "usage",
      `no data dir is named: add --data-dir DIR, or set ${DATA_DIR_VARIABLE}`,
    );
  }
  return resolve(options.dataDir);
}

/** Ends a command that is of a database in the data dir alone; `instead` is what to do. */
export function assertOwnDatabase({ database }: Config, instead: string): void {
  if (database === undefined) return;
  throw new Failure("refused", `the bank is in a PostgreSQL, not in its data dir: ${instead}`);
}

const DRY_RUN = "dry run: nothing was changed";

/** The same answer, marked as what would have been said. */
function asDryRun(answer: Answer | Written): Answer | Written {
  if ("written" in answer) return answer;
  const { json, text } = answer;
  const marked = Array.isArray(json)
    ? { dryRun: true, result: json }
    : { ...(json as object), dryRun: true };
  return { ...answer, json: marked, text: () => `${DRY_RUN}; without --dry-run:\n\n${text()}` };
}

/** Prints what a command says, as its options ask for, and sets the exit code. */
export function printAnswer(said: Answer | Written, { json, dryRun }: CommonOptions): void {
  const answer = dryRun === true ? asDryRun(said) : said;
  if (!("written" in answer)) {
    if (json === true) printJson(answer.json);
    else printText(answer.text());
  }
  if (answer.exitCode !== undefined) process.exitCode = answer.exitCode;
}

/** commander hands an action its arguments, its options and itself, in one untyped row. */
type CommanderAction = (...row: unknown[]) => Promise<void>;

/** An action that does its own work and prints for itself. */
export function typedAction<Args extends unknown[], Options>(
  action: (args: Args, options: Options & CommonOptions) => Promise<void>,
): CommanderAction {
  return (...row) => action(row.slice(0, -2) as Args, row.at(-2) as Options & CommonOptions);
}

/**
 * Makes a commander action out of a command that works on the bank.
 * Opens the bank, names it to people, prints the answer, closes the bank, whatever happens.
 */
export function withBank<Args extends unknown[] = [], Options = unknown>(
  run: (
    session: Session,
    args: Args,
    options: Options & CommonOptions,
  ) => Answer | Written | Promise<Answer | Written>,
): CommanderAction {
  return typedAction<Args, Options>(async (args, options) => {
    const dataDir = dataDirOf(options);
    const json = options.json === true;
    const dryRun = options.dryRun === true;
    if (!json) note(`data dir: ${dataDir}`);
    const opened = openBank(dataDir, { dryRun });
    try {
      const { store, config } = opened;
      const by = whoIsIt(options.reason ?? null);
      const yes = options.yes === true || dryRun;
      const session = { store, config, bank: store.bank(), dataDir, by, json, yes, dryRun };
      printAnswer(await run(session, args, options), options);
    } finally {
      opened.close();
    }
  });
}

/** The same for a command that needs no bank. */
export function withoutBank<Options = unknown>(
  run: (options: Options & CommonOptions) => Answer | Promise<Answer>,
): CommanderAction {
  return typedAction<[], Options>(async (_, options) => {
    printAnswer(await run(options), options);
  });
}

/** The value of a result of the port, or the exit that its refusal means. */
export function unwrap<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  const { kind, message } = result.refusal;
  throw new Failure(kind === "not-found" ? "notFound" : "refused", message);
}

/** What was looked for, or exit 3. */
export function found<T>(value: T | null, what: string): T {
  if (value === null) throw new Failure("notFound", `there is no ${what}`);
  return value;
}

/** Reads a count that a person typed: a whole number in plain digits. */
export function readCount(text: string): number {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(count)) throw new InvalidArgumentError("Write a whole number, like 20.");
  return count;
}
