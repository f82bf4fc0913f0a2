// What --help shows: examples first, then how a command is written, then its arguments and options;
// those that every command has come last. The root's help is a map of the whole, by task.
import type { EventEmitter } from "node:events";
import { styleText } from "node:util";
import { type Command, Help, type Option } from "commander";

/** The heading of the options that every command has. */
export const COMMON_OPTIONS = "Options of every command:";

const examplesByCommand = new WeakMap<Command, readonly string[]>();

/** Keeps the examples of a command, without the program's name. */
export function setExamples(command: Command, examples: readonly string[]): void {
  examplesByCommand.set(command, examples);
}

const EXAMPLES_OF_A_GROUP = 3;

/** The examples of a command; of a group, the first one of each of its first verbs. */
export function examplesOf(command: Command): readonly string[] {
  const own = examplesByCommand.get(command);
  if (own !== undefined) return own;
  const first = command.commands.flatMap((verb) => examplesOf(verb)[0] ?? []);
  return first.slice(0, EXAMPLES_OF_A_GROUP);
}

const notesByCommand = new WeakMap<Command, string>();

/** Takes what a command added to its help, so that it is laid out with all else. */
export function gatherNotes(command: Command): void {
  let text = "";
  // That a command is an emitter is missing in its type.
  const emitter = command as Command & EventEmitter;
  emitter.emit("afterHelp", { error: false, command, write: (more: string) => (text += more) });
  emitter.removeAllListeners("afterHelp");
  notesByCommand.set(command, text.trim());
  for (const sub of command.commands) gatherNotes(sub);
}

/** The notes of a command, a line each paragraph; an indented line stands for itself. */
export function notesOf(command: Command): string[] {
  const text = notesByCommand.get(command) ?? "";
  return text === "" ? [] : text.replaceAll(/(?<=[^\n])\n(?=[^\s])/g, " ").split("\n");
}

const LONGEST_EXAMPLE = 76;

/** An example as it can be typed, in several lines where it is too long for one. */
export function folded(example: string): string {
  const lines = ["transact-bank"];
  // A blank inside quotes, or before the value of an option, is no place to break.
  for (const word of example.match(/(?:--[\w-]+ (?!-))?(?:"[^"]*"|\S)+/g) ?? []) {
    const last = lines.at(-1) ?? "";
    if (last.length + word.length < LONGEST_EXAMPLE) lines.push(`${lines.pop()} ${word}`);
    else lines.push(`  ${word}`);
  }
  return lines.join(" \\\n  ");
}

/** A command in the list of its group: its name and arguments, for all of them have options. */
function termOf(command: Command): string {
  const names = command.registeredArguments.map((argument) => {
    const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  return [command.name(), ...names].join(" ");
}

/** In a list a command has one thought: what follows a ";" stands in its own help. */
const shortOf = (command: Command): string => command.description().replace(/;.*$/s, "");

const groupingOf = (option: Option): string => option.helpGroupHeading ?? "Options:";

/** The options of a command by their headings, the common ones last. */
export function optionGroups(command: Command): Map<string, Option[]> {
  const help = new Help();
  const groups = help.groupItems([...command.options], help.visibleOptions(command), groupingOf);
  const common = groups.get(COMMON_OPTIONS);
  if (common === undefined) return groups;
  groups.delete(COMMON_OPTIONS);
  return groups.set(COMMON_OPTIONS, common);
}

export function usageOf(command: Command): string {
  const path = new Help().commandUsage(command).replace(/ \[options\].*$/s, "");
  if (command.commands.length > 0) return `${path} COMMAND ... [options]`;
  return [path, ...termOf(command).split(" ").slice(1), "[options]"].join(" ");
}

function optionSections(command: Command, helper: Help, width: number): string[] {
  return [...optionGroups(command)].flatMap(([heading, options]) => [
    helper.styleTitle(heading),
    ...options.map((option) =>
      helper.formatItem(
        helper.styleOptionTerm(helper.optionTerm(option)),
        width,
        helper.optionDescription(option),
        helper,
      ),
    ),
    "",
  ]);
}

function argumentSection(command: Command, helper: Help, width: number): string[] {
  const described = helper.visibleArguments(command);
  if (described.length === 0) return [];
  return helper.formatItemList(
    "Arguments:",
    described.map((argument) =>
      helper.formatItem(
        helper.argumentTerm(argument),
        width,
        helper.argumentDescription(argument),
        helper,
      ),
    ),
    helper,
  );
}

/** The heading of the commands that are named without saying what they do. */
export const ALSO = "Also:";

/** The commands of a group that people are told of. */
export const shown = (command: Command): Command[] =>
  command.commands.filter((sub) => !("_hidden" in sub && sub._hidden === true));

/** The heading under which a command stands in the list of its group. */
export const taskOf = (command: Command): string => command.helpGroup() || "Commands:";

/** The commands of a group, or of the program by task; there a blank line is a line too many. */
function commandSections(command: Command, helper: Help): string[] {
  const groups = helper.groupItems([...command.commands], helper.visibleCommands(command), taskOf);
  const width = Math.max(...command.commands.map((sub) => termOf(sub).length));
  return [...groups].flatMap(([heading, commands]) => {
    const title = helper.styleTitle(heading);
    if (heading === ALSO) return [`${title} ${commands.map((sub) => sub.name()).join(", ")}`];
    return [
      title,
      ...commands.map((sub) => helper.formatItem(termOf(sub), width, shortOf(sub), helper)),
    ];
  });
}

function formatHelp(command: Command, helper: Help): string {
  const isGroup = command.commands.length > 0;
  const width = helper.padWidth(command, helper);
  const examples = examplesOf(command).map((example) => `  ${folded(example)}`);
  const lines = [
    helper.boxWrap(command.description(), helper.helpWidth ?? 80),
    "",
    helper.styleTitle("Examples:"),
    ...examples,
    "",
    `${helper.styleTitle("Usage:")} ${usageOf(command)}${isGroup ? "  (COMMAND --help says more)" : ""}`,
    "",
    ...(isGroup
      ? commandSections(command, helper)
      : [
          ...argumentSection(command, helper, width),
          ...optionSections(command, helper, width),
          ...notesOf(command).map((line) => helper.boxWrap(line, helper.helpWidth ?? 80)),
        ]),
  ];
  return `${lines.join("\n").trimEnd()}\n`;
}

/** Gives a command, and whatever is added to it later, this help. */
export function configureHelp(root: Command): Command {
  return root.configureHelp({
    formatHelp,
    minWidthToWrap: 30,
    // commander takes the colours out where standard output shows none.
    styleTitle: (text) => styleText("bold", text, { validateStream: false }),
  });
}
