// What a shell asks at each Tab: the words that may stand next. It never fails and never says
// anything else: without a bank it knows the commands and options all the same.
import { homedir } from "node:os";
import { resolve } from "node:path";
import { type Command, Help, type Option } from "commander";
import { namesOf } from "../src/bank.ts";
import type { Named } from "../src/storage/sql/names.ts";
import { shown } from "./help.ts";
import { clean } from "./output.ts";
import { DATA_DIR_VARIABLE } from "./session.ts";

export type Candidate = { readonly word: string; readonly about: string };

/** Either words, or "a file's name goes here", which the shell itself knows best. */
export type Completion = { readonly files: boolean; readonly candidates: readonly Candidate[] };

const NOTHING: Completion = { files: false, candidates: [] };
const FILES: Completion = { files: true, candidates: [] };

/** What the value of an argument or an option is, by the name that the help gives it. */
const NAMED: { readonly [value: string]: Named } = {
  number: "account",
  buyer: "buyer",
  ref: "request",
  what: "buyer",
  "findings id": "finding",
  "approvals id": "approval",
  "receipts id": "receipt",
  "release ref": "reservation",
  "debit ref": "reservation",
  "--product": "product",
  "--channel": "channel",
};
const FILE_NAMES = ["file", "folder", "dir"];

/** What stands before the word that is being typed. */
type Typed = {
  readonly command: Command;
  /** How many of its arguments are there. */
  readonly args: number;
  /** The option whose value comes next. */
  readonly pending: Option | null;
  readonly dataDir: string | undefined;
};

const takesValue = (option: Option): boolean => option.required || option.optional;

function optionOf(command: Command, word: string): Option | undefined {
  return command.options.find(({ long, short }) => word === long || word === short);
}

/** Reads the words as commander will. */
function readWords(root: Command, words: readonly string[]): Typed {
  let typed: Typed = {
    command: root,
    args: 0,
    pending: null,
    dataDir: process.env[DATA_DIR_VARIABLE],
  };
  for (const word of words) typed = withWord(typed, word);
  return typed;
}

function withWord(typed: Typed, word: string): Typed {
  const { command, pending, args } = typed;
  if (pending !== null) {
    const dataDir = pending.attributeName() === "dataDir" ? word : typed.dataDir;
    return { ...typed, dataDir, pending: null };
  }
  if (word.startsWith("-")) {
    const [flag = "", value] = word.split(/=(.*)/s);
    const option = optionOf(command, flag);
    if (option === undefined || !takesValue(option)) return typed;
    const known = { ...typed, pending: option };
    return value === undefined ? known : withWord(known, value);
  }
  const sub = shown(command).find((each) => each.name() === word);
  return sub === undefined ? { ...typed, args: args + 1 } : { ...typed, command: sub, args: 0 };
}

/** The folder that a shell hands over as it was typed. */
function folderOf(dataDir: string): string {
  return resolve(dataDir.replace(/^~(?=\/|$)/, homedir()));
}

function names({ command, dataDir }: Typed, value: string, prefix: string): Completion {
  if (FILE_NAMES.includes(value)) return FILES;
  const of = [command.name(), command.parent?.name()].map((name) => NAMED[`${name} ${value}`]);
  const what = of.find((each) => each !== undefined) ?? NAMED[value];
  if (what === undefined || dataDir === undefined) return NOTHING;
  // Names come from callers; one like "--yes" would be an option once it is completed.
  const found = namesOf(folderOf(dataDir), what, prefix).filter(({ name }) => !/^-/.test(name));
  return { files: false, candidates: found.map(({ name, about }) => ({ word: name, about })) };
}

const choices = (words: readonly string[]): Completion => ({
  files: false,
  candidates: words.map((word) => ({ word, about: "" })),
});

function optionValue(typed: Typed, option: Option, prefix: string): Completion {
  if (option.argChoices !== undefined) return choices(option.argChoices);
  const flag = NAMED[option.long ?? ""] === undefined ? null : (option.long ?? null);
  const name = /[<[]([^>\].]+)/.exec(option.flags)?.[1] ?? "";
  return names(typed, flag ?? name, prefix);
}

function optionsOf({ command }: Typed): Completion {
  const options = new Help().visibleOptions(command);
  return {
    files: false,
    candidates: options.map(({ long, short, description }) => ({
      word: long ?? short ?? "",
      about: description,
    })),
  };
}

function commandsOf({ command }: Typed): Completion {
  return {
    files: false,
    candidates: shown(command).map((sub) => ({ word: sub.name(), about: sub.description() })),
  };
}

function argumentOf(typed: Typed, prefix: string): Completion {
  const args = typed.command.registeredArguments;
  const last = args.at(-1);
  const argument = args[typed.args] ?? (last?.variadic ? last : undefined);
  if (argument === undefined) return NOTHING;
  if (argument.argChoices !== undefined) return choices(argument.argChoices);
  return names(typed, argument.name(), prefix);
}

function allOf(typed: Typed, prefix: string): Completion {
  if (typed.pending !== null) return optionValue(typed, typed.pending, prefix);
  if (prefix.startsWith("-")) return optionsOf(typed);
  if (typed.command.commands.length === 0) return argumentOf(typed, prefix);
  return typed.args === 0 ? commandsOf(typed) : NOTHING;
}

/** What may stand where the last of the words begins; the others stand before it. */
export function complete(root: Command, words: readonly string[]): Completion {
  const prefix = words.at(-1) ?? "";
  const { files, candidates } = allOf(readWords(root, words.slice(0, -1)), prefix);
  return { files, candidates: candidates.filter(({ word }) => word.startsWith(prefix)) };
}

/** What the shells' functions read: a candidate a line, with what it is after a tab. */
export function completionText({ files, candidates }: Completion): string {
  const lines = candidates.map(({ word, about }) => `${clean(word)}\t${clean(about)}`);
  return [...(files ? [":files"] : []), ...lines].map((line) => `${line}\n`).join("");
}
