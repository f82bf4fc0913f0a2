// The documentation as the tests read it. A command that a reader types stands in a fenced block
// with the info string `console`, on a line that begins with "$ "; what it prints stands below it.
// `console exit=N` is a block whose last command ends with N, `console not-run="WHY"` one that
// needs what a test has not. A block inside an HTML comment is run and not shown: it stands for
// what a reader does elsewhere, such as starting a server in another terminal.
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

export const ROOT = resolve(import.meta.dir, "../..");

/** The pages, by their paths in the project. */
export const PAGES: readonly string[] = [
  "README.md",
  ...readdirSync(join(ROOT, "docs"), { encoding: "utf8", recursive: true })
    .filter((name) => name.endsWith(".md"))
    .sort()
    .map((name) => `docs/${name}`),
];

export const textOf = (page: string): string => readFileSync(join(ROOT, page), "utf8");

type Block = { readonly line: number; readonly info: string; readonly lines: readonly string[] };

const FENCE = /^(`{3,})(.*)$/;

/** The fenced blocks of a page, each with the number of the line that opens it. */
export function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  let open: { line: number; fence: string; info: string; lines: string[] } | null = null;
  for (const [index, line] of text.split("\n").entries()) {
    const [, fence = "", info = ""] = FENCE.exec(line) ?? [];
    if (open === null) {
      if (fence !== "") open = { line: index + 1, fence, info: info.trim(), lines: [] };
    } else if (fence === open.fence && info === "") {
      blocks.push(open);
      open = null;
    } else open.lines.push(line);
  }
  if (open !== null) throw new Error(`the block that line ${open.line} opens has no end`);
  return blocks;
}

/** The page without its fenced blocks; its lines keep their numbers. */
export function proseOf(text: string): string[] {
  const lines = text.split("\n");
  for (const block of blocksOf(text))
    lines.fill("", block.line - 1, block.line + block.lines.length + 1);
  return lines;
}

const INFO = /^console(?: exit=(?<exit>\d+)| not-run="(?<why>[^"]+)")?$/;

export type ConsoleBlock = {
  readonly line: number;
  readonly commands: readonly string[];
  readonly exit: number;
  /** Why it is not run; null where it is. */
  readonly notRun: string | null;
};

/** Reads the commands of a block: continued lines and here-documents belong to theirs. */
function commandsOf({ line, lines }: Block): string[] {
  const commands: string[] = [];
  let goesOn = (_: string) => false;
  for (const text of lines) {
    if (goesOn(text)) {
      commands.push(`${commands.pop()}\n${text}`);
      continue;
    }
    if (!text.startsWith("$ ")) {
      if (commands.length === 0) throw new Error(`line ${line + 1} is output before a command`);
      continue;
    }
    commands.push(text.slice(2));
    goesOn = continuationOf(text);
  }
  if (commands.length === 0) throw new Error(`the block of line ${line} has no "$ " line`);
  return commands;
}

/** Tells of each following line, in order, whether it still belongs to the command. */
function continuationOf(first: string): (text: string) => boolean {
  const [, end] = /<<-?\s*['"]?(\w+)/.exec(first) ?? [];
  let more = end === undefined ? first.endsWith("\\") : true;
  return (text) => {
    const belongs = more;
    more &&= end === undefined ? text.endsWith("\\") : text.trim() !== end;
    return belongs;
  };
}

/** The blocks of commands of a page. */
export function consoleBlocksOf(text: string): ConsoleBlock[] {
  const blocks = blocksOf(text).filter(({ info }) => info.startsWith("console"));
  return blocks.map((block) => {
    const groups = INFO.exec(block.info)?.groups;
    if (groups === undefined)
      throw new Error(`line ${block.line}: "${block.info}" is no info string`);
    return {
      line: block.line,
      commands: commandsOf(block),
      exit: Number(groups["exit"] ?? 0),
      notRun: groups["why"] ?? null,
    };
  });
}

/** The script that runs a page: it stops at the first command that ends otherwise than it should. */
export function scriptOf(text: string): string {
  const blocks = consoleBlocksOf(text).filter(({ notRun }) => notRun === null);
  const parts = blocks.map(({ line, commands, exit }) => {
    const begin = `echo '${blockMark(line)}' >&2`;
    if (exit === 0) return [begin, ...commands].join("\n");
    const last = commands.at(-1);
    const ended = `[ $? = ${exit} ] || { echo 'it should have ended with ${exit}' >&2; exit 1; }`;
    return [begin, ...commands.slice(0, -1), "set +e", last, ended, "set -e"].join("\n");
  });
  return parts.join("\n");
}

export const blockMark = (line: number): string => `==== the block of line ${line}`;

/** A heading's anchor, as the sites that show such pages make it. */
const slug = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_\- ]/gu, "")
    .replaceAll(" ", "-");

/** The anchors of a page: of two headings with the same text, the second one ends with -1. */
export function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const line of proseOf(text)) {
    const heading = /^#{1,6} +(.*)$/.exec(line)?.[1];
    if (heading === undefined) continue;
    const base = slug(heading);
    let anchor = base;
    for (let again = 1; anchors.has(anchor); again += 1) anchor = `${base}-${again}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** Where the links of a page lead, without those to other sites. */
export function linksOf(text: string): string[] {
  const prose = proseOf(text)
    .join("\n")
    .replaceAll(/`[^`]*`/g, "");
  const targets = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
  return targets.filter((target) => !/^[a-z]+:/.test(target));
}
