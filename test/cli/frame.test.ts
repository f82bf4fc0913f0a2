// What every command has in common: where the bank is, exits, help, examples.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Command } from "commander";
import { program } from "../../cli/program.ts";
import { version } from "../../package.json";
import { newBank, run, type TestBank, words } from "./run.ts";

describe("misuse and help", () => {
  const rows: readonly [line: string, exit: number, out: string, err: string][] = [
    ["--help", 0, "Usage: transact-bank", ""],
    ["help", 0, "Usage: transact-bank", ""],
    ["--version", 0, `${version}\n`, ""],
    ["accounts --help", 0, "set-pin <number>", ""],
    ["help accounts", 0, "set-pin <number>", ""],
    ["accounts", 2, "", "set-pin <number>"],
    ["acounts list", 2, "", "Did you mean accounts?"],
    ["resrvations", 2, "", "Did you mean reservations?"],
    ["accounts lst", 2, "", "Did you mean list?"],
    ["--dta-dir x accounts list", 2, "", "Did you mean --data-dir?"],
    ["accounts --dta-dir x list", 2, "", "Did you mean --data-dir?"],
    ["accounts list --jsn", 2, "", "Did you mean --json?"],
    ["accounts list more", 2, "", "too many arguments"],
    ["accounts show", 2, "", "missing required argument 'number'"],
    ["accounts list", 2, "", "--data-dir DIR, or set TRANSACT_BANK_DATA_DIR"],
    ["accounts list --data-dir /nowhere/bank", 1, "", "/nowhere/bank does not exist"],
    ["accounts list --data-dir /tmp", 1, "", "holds no bank"],
    ["accounts list --data-dir /nowhere --json", 1, "", "error: "],
  ];
  for (const [line, exit, out, err] of rows) {
    test(`${line} -> ${exit}`, async () => {
      const ran = await run(words(line));
      expect(ran).toEqual({
        exit,
        out: out === "" ? "" : expect.stringContaining(out),
        err: err === "" ? "" : expect.stringContaining(err),
      });
    });
  }
});

describe("the data dir", () => {
  let bank: TestBank;
  beforeAll(async () => {
    bank = await newBank();
  });
  afterAll(() => bank.remove());

  test("is named to people on standard error, not with --json", async () => {
    const ran = await bank.run(words("accounts list"));
    expect(ran.err).toBe(`data dir: ${bank.dataDir}\n`);
    expect(await bank.json(words("accounts list"))).toEqual([]);
  });

  test.each(["--quiet accounts list", "accounts --quiet list", "accounts list --quiet"])(
    "is not named to people who want it quiet: %s",
    async (line) => {
      const ran = await bank.run(words(line));
      expect(ran).toEqual({ exit: 0, out: expect.stringContaining("No accounts yet"), err: "" });
    },
  );

  test.each([
    "--data-dir /nowhere accounts list",
    "accounts --data-dir /nowhere list",
    "--data-dir /elsewhere accounts list --data-dir /nowhere",
  ])("may be named before the command, the nearest name wins: %s", async (line) => {
    const ran = await bank.run(words(line));
    expect([ran.exit, ran.err]).toEqual([1, expect.stringContaining("error: /nowhere does not")]);
  });

  test("of the flag goes before that of the environment", async () => {
    const ran = await bank.run(words("accounts list --data-dir /nowhere"));
    expect([ran.exit, ran.err]).toEqual([1, expect.stringContaining("/nowhere does not exist")]);
  });

  test("with --json an error leaves standard output empty", async () => {
    const ran = await bank.run(words("accounts show NONE --json"));
    expect(ran).toEqual({ exit: 3, out: "", err: "error: there is no account NONE\n" });
  });
});

// ---------------------------------------------------------------- every command's help

function leaves(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({ writeOut: (more) => (text += more) });
  command.outputHelp();
  return text;
}

/** A shell's reading of an example: words and quotes, without redirections and remarks. */
function argumentsOf(example: string): string[] {
  const [line = ""] = example.split(/ +[<>|#] /);
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? "");
}

const COLOURED = "\u001b[31merror:";

test.each([
  ["", {}, false],
  ["", { FORCE_COLOR: "1" }, true],
  [" --no-color", { FORCE_COLOR: "1" }, false],
] as const)("vresion%s in a pipe with %j has colours: %p", async (option, env, coloured) => {
  for (const line of [`vresion${option}`, `verify --data-dir /nowhere${option}`]) {
    const { err } = await run(words(line), { env });
    expect([line, err.includes(COLOURED), err.includes("error:")]).toEqual([line, coloured, true]);
  }
});

test("the root's help fits a terminal of 80 by 40", () => {
  const lines = helpOf(program()).trimEnd().split("\n");
  expect(lines.length).toBeLessThanOrEqual(39);
  for (const line of lines) expect([line, line.length <= 80]).toEqual([line, true]);
});

describe("every command", () => {
  // What a shell asks is for nobody to type.
  const commands = leaves(program()).filter((command) => command.name() !== "__complete");

  for (const command of commands) {
    const path = pathOf(command);
    const help = helpOf(command);
    test(`${path} has the common options and examples`, () => {
      for (const flag of ["--data-dir", "--json", "--yes"]) expect(help).toContain(flag);
      expect(help).toContain(`Examples:\n  ${path}`);
      expect(help.indexOf("Examples:")).toBeLessThan(help.indexOf("Usage:"));
      expect(
        help
          .trimEnd()
          .split("\n")
          .filter((line) => line.length > 80),
      ).toEqual([]);
    });

    for (const [, example = ""] of help
      .replaceAll(/ \\\n */g, " ")
      .matchAll(/^ {2}(transact-bank .*)$/gm)) {
      test(`its example is accepted: ${example}`, async () => {
        const fresh = program();
        for (const leaf of leaves(fresh)) leaf.action(() => {});
        await fresh.parseAsync(argumentsOf(example).slice(1), { from: "user" });
      });
    }
  }
});
