// What the documentation promises by its form: every command can be run by a test, every link leads
// somewhere, and the index knows every page. test/binary/docs.test.ts runs the commands.
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import {
  anchorsOf,
  blocksOf,
  consoleBlocksOf,
  linksOf,
  PAGES,
  proseOf,
  ROOT,
  scriptOf,
  textOf,
} from "./pages.ts";

/** A line that a reader would type. */
const TYPED = /^\s*(\$ |(sudo )?([\w.~/-]*\/)?(transact-bank|npm|npx|curl|systemctl|journalctl) )/;
const INDENTED = /^( {4}|\t)/;

/** The lines of a page that show a command anywhere but in a block of commands. */
function strayCommands(text: string): string[] {
  const indented = proseOf(text).filter((line) => INDENTED.test(line));
  const others = blocksOf(text).filter(({ info }) => !info.startsWith("console"));
  return [...indented, ...others.flatMap(({ lines }) => lines)].filter((line) => TYPED.test(line));
}

/** The links of a page that lead nowhere. */
function brokenLinks(page: string): string[] {
  return linksOf(textOf(page)).filter((link) => {
    const [path = "", anchor] = link.split("#");
    const target = path === "" ? page : normalize(join(dirname(page), path));
    if (!existsSync(join(ROOT, target))) return true;
    return anchor !== undefined && !anchorsOf(textOf(target)).has(anchor);
  });
}

describe.each([...PAGES, "SECURITY.md", "CHANGELOG.md"])("%s", (page) => {
  test("shows commands in blocks of commands alone", () => {
    expect(strayCommands(textOf(page))).toEqual([]);
    expect(() => consoleBlocksOf(textOf(page))).not.toThrow();
  });

  test("has no link that leads nowhere", () => {
    expect(brokenLinks(page)).toEqual([]);
  });
});

test("docs/README.md lists every page of docs/", () => {
  const listed = linksOf(textOf("docs/README.md"));
  const pages = PAGES.filter((page) => page.startsWith("docs/") && page !== "docs/README.md");
  const missing = pages
    .map((page) => page.slice("docs/".length))
    .filter((p) => !listed.includes(p));
  expect(missing).toEqual([]);
});

describe("the reader of the pages", () => {
  const page = (...lines: string[]) => lines.join("\n");

  test.each([
    ["a command and its output", page("```console", "$ a", "out", "$ b", "```"), ["a", "b"]],
    ["a continued command", page("```console", "$ a \\", "  b", "out", "```"), ["a \\\n  b"]],
    [
      "a here-document",
      page("```console", "$ cat > f <<'END'", "x = 1", "END", "out", "```"),
      ["cat > f <<'END'\nx = 1\nEND"],
    ],
    ["a block that is run and not shown", page("<!--", "```console", "$ a", "```", "-->"), ["a"]],
    ["another kind of block", page("```toml", "$ a", "```"), undefined],
  ])("reads %s", (_, text, commands) => {
    expect(consoleBlocksOf(text)[0]?.commands as unknown).toEqual(commands);
  });

  test.each([
    ["output before a command", page("```console", "out", "$ a", "```")],
    ["a block without a command", page("```console", "out", "```")],
    ["an info string of another form", page("```console exit", "$ a", "```")],
    ["a block without an end", page("```console", "$ a")],
  ])("refuses %s", (_, text) => {
    expect(() => consoleBlocksOf(text)).toThrow();
  });

  test.each([
    ["    transact-bank version"],
    ["    sudo /usr/local/bin/transact-bank version"],
    ["```\ntransact-bank version\n```"],
    ["```sh\n$ ls\n```"],
    ["    curl -s http://127.0.0.1:8080/"],
  ])("finds the stray command in %j", (text) => {
    expect(strayCommands(text)).toHaveLength(1);
  });

  test.each([
    ["transact-bank lets a bank sell"],
    ["```ini\nExecStart=/usr/bin/transact-bank serve\n```"],
  ])("finds none in %j", (text) => {
    expect(strayCommands(text)).toEqual([]);
  });

  test("leaves out of the script what is not to be run", () => {
    expect(scriptOf(page('```console not-run="why"', "$ a", "```"))).toBe("");
  });

  test("finds headings with the same text apart", () => {
    expect([...anchorsOf("# A `b` c!\n## A b c")]).toEqual(["a-b-c", "a-b-c-1"]);
  });
});
