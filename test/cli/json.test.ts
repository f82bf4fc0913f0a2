// docs/json.md: every field of every command's --json document. A field that is there stays there,
// under its name and with its types; a new one is added to the page (WRITE_JSON_DOCS=1 does it).
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { shown } from "../../cli/help.ts";
import { program } from "../../cli/program.ts";
import { ROOT } from "../docs/pages.ts";
import { type Fields, runSamples, SAMPLES, WITHOUT } from "./json-samples.ts";
import { canLogIn } from "./logins.ts";
import type { TestBank } from "./run.ts";
import { marchBank } from "./seeded.ts";

const PAGE = join(ROOT, "docs", "json.md");
const BEGINNING = "## The documents\n";
const ROW = /^\| `([^`]+)` \| ([a-z, ]+) \|$/;

/** Every command that people are told of, without the program's name. */
function commandsOf(command: Command, path: string): string[] {
  const subs = shown(command);
  if (subs.length === 0) return [path];
  return subs.flatMap((sub) => commandsOf(sub, path === "" ? sub.name() : `${path} ${sub.name()}`));
}
const COMMANDS = commandsOf(program(), "");

const commandOf = (line: string): string =>
  COMMANDS.filter((command) => line === command || line.startsWith(`${command} `)).sort(
    (a, b) => b.length - a.length,
  )[0] ?? line;

function documented(): Map<string, Map<string, Set<string>>> {
  const found = new Map<string, Map<string, Set<string>>>();
  let fields = new Map<string, Set<string>>();
  for (const line of readFileSync(PAGE, "utf8").split("\n")) {
    const command = /^### (.*)$/.exec(line)?.[1];
    if (command !== undefined) {
      fields = new Map();
      found.set(command, fields);
    }
    const [, path, types = ""] = ROW.exec(line) ?? [];
    if (path !== undefined) fields.set(path, new Set(types.split(", ")));
  }
  return found;
}

let bank: TestBank;
let found: ReadonlyMap<string, Fields>;
beforeAll(async () => {
  bank = await marchBank();
  found = await runSamples(bank, commandOf);
  if (process.env["WRITE_JSON_DOCS"] !== undefined) writePage(found);
}, 240_000);
afterAll(() => bank.remove());

/** What a field of who did it is on a system where people log in, or where nobody does. */
function elsewhere(path: string): string[] {
  if (/(?:^|\.)loginUid$/.test(path)) return ["null", "number"];
  return /(?:^|\.)(?:loginName|effectiveName)$/.test(path) ? ["null", "string"] : [];
}

/** Adds what is new to the page, and takes nothing away. */
function writePage(fresh: ReadonlyMap<string, Fields>): void {
  const page = documented();
  for (const [command, fields] of fresh) {
    const known = page.get(command) ?? new Map<string, Set<string>>();
    page.set(command, known);
    for (const [path, types] of fields) {
      known.set(path, new Set([...(known.get(path) ?? []), ...types, ...elsewhere(path)]));
    }
  }
  const sections = COMMANDS.filter((command) => page.has(command)).map((command) => {
    const rows = [...(page.get(command) ?? [])].map(
      ([path, types]) => `| \`${path}\` | ${[...types].sort().join(", ")} |`,
    );
    return [`### ${command}`, "", "| field | type |", "|---|---|", ...rows, ""].join("\n");
  });
  const text = readFileSync(PAGE, "utf8");
  const head = text.slice(0, text.indexOf(BEGINNING) + BEGINNING.length);
  writeFileSync(PAGE, `${[head, ...sections].join("\n").trimEnd()}\n`);
}

/** Without logins nothing can be asked for and approved. */
const isRun = (command: string) => canLogIn() || !command.startsWith("approvals ");

describe("the documents of --json", () => {
  test("are those of every command", () => {
    const sampled = SAMPLES.map(({ line }) => commandOf(line));
    const missing = COMMANDS.filter((name) => !sampled.includes(name) && !(name in WITHOUT));
    expect(missing).toEqual([]);
  });

  test("have every field that was ever documented", () => {
    const gone = [...documented()]
      .filter(([command]) => isRun(command))
      .flatMap(([command, fields]) =>
        [...fields.keys()]
          .filter((path) => found.get(command)?.has(path) !== true)
          .map((path) => `${command}: ${path}`),
      );
    expect(gone).toEqual([]);
  });

  test("have no other fields or types than those (WRITE_JSON_DOCS=1 adds them to the page)", () => {
    const page = documented();
    const fresh = [...found].flatMap(([command, fields]) =>
      [...fields].flatMap(([path, types]) =>
        [...types]
          .filter((type) => page.get(command)?.get(path)?.has(type) !== true)
          .map((type) => `${command}: ${path} ${type}`),
      ),
    );
    expect(fresh).toEqual([]);
  });
});
