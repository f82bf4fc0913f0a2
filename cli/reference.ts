// The whole command line as a document, read off commander's own tree: a manual page for man(1) and
// a page of the documentation.
import type { Command, Option } from "commander";
import { version } from "../package.json";
import {
  COMMON_OPTIONS,
  examplesOf,
  folded,
  notesOf,
  optionGroups,
  shown,
  taskOf,
  usageOf,
} from "./help.ts";

type Term = { readonly term: string; readonly meaning: string };

type Entry = {
  /** With the program's name. */
  readonly path: string;
  readonly meaning: string;
  readonly usage: string;
  readonly examples: readonly string[];
  readonly terms: readonly Term[];
  readonly notes: readonly string[];
  readonly entries: readonly Entry[];
  /** The heading of the program's help under which it stands. */
  readonly task: string;
};

const pathOf = (command: Command): string =>
  command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;

/** What an option means, with what it may be and what it is by default. */
function meaningOf(option: Option): string {
  const { description, defaultValue, defaultValueDescription, negate, argChoices } = option;
  const choices = argChoices === undefined ? [] : [`one of ${argChoices.join(", ")}`];
  const stated = defaultValue === undefined || negate || Array.isArray(defaultValue);
  const defaults = stated ? [] : [`default: ${defaultValueDescription ?? defaultValue}`];
  const more = [...choices, ...defaults].join("; ");
  return more === "" ? description : `${description} (${more})`;
}

const termOf = (option: Option): Term => ({ term: option.flags, meaning: meaningOf(option) });

function termsOf(command: Command): Term[] {
  const described = command.registeredArguments.filter(({ description }) => description !== "");
  const chosen = command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices);
  const own = [...optionGroups(command)].filter(([heading]) => heading !== COMMON_OPTIONS);
  return [
    ...described.map((argument) => ({ term: argument.name(), meaning: argument.description })),
    ...(chosen.length === 0 ? [] : [{ term: "the choice", meaning: chosen.join(", ") }]),
    ...own.flatMap(([, options]) => options.map(termOf)),
  ];
}

function entryOf(command: Command): Entry {
  return {
    path: pathOf(command),
    meaning: command.description(),
    usage: usageOf(command),
    examples: command.commands.length > 0 ? [] : examplesOf(command),
    terms: command.commands.length > 0 ? [] : termsOf(command),
    notes: notesOf(command),
    entries: shown(command).map(entryOf),
    task: taskOf(command),
  };
}

const commonTerms = (root: Command): Term[] =>
  (optionGroups(root).get(COMMON_OPTIONS) ?? []).map(termOf);

const EXITS: readonly Term[] = [
  { term: "0", meaning: "done" },
  { term: "1", meaning: "failed: the disk, the data dir, a person who said no" },
  { term: "2", meaning: "usage: an option or an argument is missing or wrong" },
  { term: "3", meaning: "not found" },
  { term: "4", meaning: "refused by a rule" },
  { term: "6", meaning: "findings: what was checked is not as it should be" },
  { term: "7", meaning: "nothing was changed yet: another person must approve it" },
  { term: "137", meaning: "serve alone: a flush failed, and it killed itself; start it again" },
];

const ENVIRONMENT: readonly Term[] = [
  {
    term: "TRANSACT_BANK_DATA_DIR",
    meaning: "where the bank is, where --data-dir does not say it",
  },
  { term: "NO_COLOR", meaning: "set to anything: no colours" },
];

// ---------------------------------------------------------------- man(1)

/** Text as roff reads it: no character of it is an instruction. */
const roff = (text: string): string =>
  text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll(/^(?=[.'])/gm, "\\&");

const roffTerms = (terms: readonly Term[]): string[] =>
  terms.flatMap(({ term, meaning }) => [".TP", `.B ${roff(term)}`, roff(meaning)]);

function roffEntry(entry: Entry): string[] {
  if (entry.entries.length > 0) return entry.entries.flatMap(roffEntry);
  return [
    `.SS ${roff(entry.path)}`,
    roff(`${entry.meaning}.`),
    ".PP",
    ".EX",
    ...entry.examples.map((example) => roff(folded(example))),
    ".EE",
    ".PP",
    `.B ${roff(entry.usage)}`,
    ...roffTerms(entry.terms),
    ...(entry.notes.length === 0 ? [] : [".PP", ...entry.notes.flatMap(roffNote)]),
  ];
}

/** An indented line, such as a row of a file, stands as it is. */
const roffNote = (line: string): string[] =>
  line.startsWith(" ") ? [".EX", roff(line), ".EE"] : [roff(line)];

/** The manual page, as man(1) reads it. */
export function manualPage(root: Command): string {
  const { meaning, entries, examples } = { ...entryOf(root), examples: examplesOf(root) };
  const lines = [
    `.TH TRANSACT\\-BANK 1 "" "transact\\-bank ${version}"`,
    ".SH NAME",
    `transact\\-bank \\- ${roff(meaning)}`,
    ".SH SYNOPSIS",
    `.B ${roff(usageOf(root))}`,
    ".SH EXAMPLES",
    ".EX",
    ...examples.map((example) => roff(folded(example))),
    ".EE",
    ".SH COMMANDS",
    ...entries.flatMap(roffEntry),
    ".SH OPTIONS OF EVERY COMMAND",
    ...roffTerms(commonTerms(root)),
    ".SH EXIT STATUS",
    ...roffTerms(EXITS),
    ".SH ENVIRONMENT",
    ...roffTerms(ENVIRONMENT),
  ];
  return `${lines.join("\n")}\n`;
}

// ---------------------------------------------------------------- Markdown

const cell = (text: string): string =>
  text.replaceAll("|", "\\|").replaceAll(/[<>]/g, (bracket) => (bracket === "<" ? "&lt;" : "&gt;"));

const code = (text: string): string => `\`${text.replaceAll("|", "\\|")}\``;

function termTable(title: string, terms: readonly Term[]): string[] {
  if (terms.length === 0) return [];
  const rows = terms.map(({ term, meaning }) => `| ${code(term)} | ${cell(meaning)} |`);
  return [`| ${title} | meaning |`, "|---|---|", ...rows, ""];
}

function consoleBlock(examples: readonly string[]): string[] {
  if (examples.length === 0) return [];
  const lines = examples.map((example) => `$ ${folded(example)}`);
  return ['```console not-run="its names stand for your own bank\'s"', ...lines, "```", ""];
}

function markdownEntry(entry: Entry): string[] {
  const notes = entry.notes.map((line) => (line.startsWith(" ") ? `    ${line}` : line));
  return [
    `### ${entry.path.replace(/^transact-bank /, "")}`,
    "",
    `${cell(entry.meaning)}.`,
    "",
    ...consoleBlock(entry.examples),
    ...(entry.entries.length > 0 ? [] : [`Usage: ${code(entry.usage)}`, ""]),
    ...termTable("option", entry.terms),
    ...(notes.length === 0 ? [] : [...notes, ""]),
    ...entry.entries.flatMap(markdownEntry),
  ];
}

/** The page docs/commands.md. */
export function referencePage(root: Command): string {
  const { entries } = entryOf(root);
  const tasks = [...new Set(entries.map(({ task }) => task))];
  const lines = [
    "# Every command",
    "",
    "Made from the program itself by `npm run reference`; `transact-bank man` prints the same as a",
    "manual page, and `--help` after any command shows its part. A shell completes commands, options,",
    "account numbers, buyers and references at Tab:",
    "",
    "```console",
    "$ transact-bank completion bash > transact-bank.bash",
    "$ source ./transact-bank.bash",
    "$ transact-bank man > transact-bank.1",
    "```",
    "",
    ...tasks.flatMap((task) => [
      `## ${task.replace(/:$/, "")}`,
      "",
      ...entries.filter((entry) => entry.task === task).flatMap(markdownEntry),
    ]),
    "## Options of every command",
    "",
    ...termTable("option", commonTerms(root)),
    "## Exit codes",
    "",
    ...termTable("code", EXITS),
    "## Environment",
    "",
    ...termTable("variable", ENVIRONMENT),
  ];
  return `${lines.join("\n").trimEnd()}\n`;
}
