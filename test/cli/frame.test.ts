// What every command has in common: where the bank is, exits, help, examples.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Command } from "commander";
import { program } from "../../cli/program.ts";
import { newBank, run, type TestBank, words } from "./run.ts";

describe("misuse and help", () => {
  const rows: readonly [line: string, exit: number, out: string, err: string][] = [
    ["--help", 0, "Usage: transact-bank", ""],
    ["accounts --help", 0, "set-pin <number>", ""],
    ["accounts", 2, "", "set-pin <number>"],
    ["acounts list", 2, "", "Did you mean accounts?"],
    ["accounts lst", 2, "", "Did you mean list?"],
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

describe("every command", () => {
  const commands = leaves(program());

  for (const command of commands) {
    const path = pathOf(command);
    const help = helpOf(command);
    test(`${path} has the common options and examples`, () => {
      for (const flag of ["--data-dir", "--json", "--yes"]) expect(help).toContain(flag);
      expect(help).toContain(`Examples:\n  ${path}`);
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
