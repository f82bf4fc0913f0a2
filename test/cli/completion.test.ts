// Completion in the real shells: what each would offer at a Tab.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tool } from "../tools.ts";
import { installIn, run, words } from "./run.ts";
import { marchBank } from "./seeded.ts";

// zsh starts a second zsh, and the machine may be busy.
setDefaultTimeout(60_000);

let bank: Awaited<ReturnType<typeof marchBank>>;
let folder: string;
let env: Record<string, string>;
beforeAll(async () => {
  bank = await marchBank();
  folder = mkdtempSync(join(tmpdir(), "transact-bank-completion-"));
  mkdirSync(join(folder, "statements"));
  writeFileSync(join(folder, "some accounts.csv"), "");
  env = {
    PATH: `${installIn(join(folder, "bin"))}:${process.env["PATH"]}`,
    HOME: folder,
    TRANSACT_BANK_DATA_DIR: bank.dataDir,
  };
});
afterAll(() => {
  bank.remove();
  rmSync(folder, { recursive: true });
});

/** Runs a script in a shell; null where there is no such shell. */
async function inShell(shell: string, script: string): Promise<string | null> {
  const path = tool(shell, `completion in ${shell}`);
  if (path === null) return null;
  const child = Bun.spawn([path, ...(shell === "zsh" ? ["-f"] : []), "-c", script], {
    cwd: folder,
    env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    // A zsh that is waited for in vain.
    timeout: 20_000,
  });
  const [out, err] = [new Response(child.stdout).text(), new Response(child.stderr).text()];
  // Outside of a completion bash has no options for it, and says so.
  expect((await err).replaceAll(/.*compopt: not currently executing.*\n/g, "")).toBe("");
  return out;
}

/** What a shell offers for a line; the line has no quotes. */
const OFFERS: { readonly [shell: string]: (line: string) => Promise<string[] | null> } = {
  async bash(line) {
    const typed = line.split(" ").map((word) => `'${word}'`);
    const out = await inShell(
      "bash",
      `source <(transact-bank completion bash)
       COMP_WORDS=(${typed.join(" ")}); COMP_CWORD=${typed.length - 1}
       _transact_bank transact-bank; printf '%s\\n' "\${COMPREPLY[@]}"`,
    );
    return out === null ? null : out.trim().split("\n");
  },
  async fish(line) {
    const source = "transact-bank completion fish | source";
    const out = await inShell("fish", `${source}; complete -C '${line}'`);
    if (out === null) return null;
    return out
      .trim()
      .split("\n")
      .map((offer) => offer.replace(/\t.*/, ""));
  },
};

const LINES: readonly (readonly [line: string, offered: readonly string[]])[] = [
  ["transact-bank accou", ["accounts"]],
  ["transact-bank accounts statu", ["status"]],
  ["transact-bank accounts --quiet unb", ["unblock-buyer"]],
  ["transact-bank reports exceptions --fo", ["--format"]],
  ["transact-bank reports exceptions --format h", ["html"]],
  ["transact-bank accounts status 62-0001 b", ["blacklisted"]],
  ["transact-bank accounts show 62", ["62-0001"]],
  ["transact-bank reservations list --account 6", ["62-0001"]],
  ["transact-bank reservations show raas-o", ["raas-open"]],
  ["transact-bank reservations release ", ["raas-open"]],
  ["transact-bank accounts import st", ["statements"]],
];

describe.each(Object.keys(OFFERS))("%s", (shell) => {
  test.each(LINES)("%s<Tab>", async (line, offered) => {
    const offers = await OFFERS[shell]?.(line);
    if (offers == null) return;
    expect(offers.map((offer) => offer.replace(/\/$/, "")).sort()).toEqual([...offered]);
  });
});

/** What a zsh that someone types into shows after a Tab, where that is among it. */
const zshShows = (line: string, shown: string) =>
  inShell(
    "zsh",
    `zmodload zsh/zpty
     zpty shell zsh -f -i
     zpty -w shell 'PS1=; autoload -U compinit; compinit -u -D'
     zpty -w shell 'source <(transact-bank completion zsh); print "re""ady"'
     zpty -r shell line '*ready*'
     zpty -n -w shell $'${line}\\t'
     zpty -r shell line '*${shown}*'
     print -r -- $line`,
  );

test.each(LINES.filter(([, offered]) => offered.length === 1))(
  "zsh: %s<Tab>",
  async (line, [offer]) => {
    const [typed = ""] = / ?\S*$/.exec(line) ?? [];
    const shown = `${line.slice(0, line.length - typed.length)} ${offer}`.trim();
    const out = await zshShows(line, shown);
    if (out !== null) expect(out).toContain(shown);
  },
);

test("zsh: a name with characters that mean something to it is the same name", async () => {
  expect((await bank.run(["accounts", "map", "a:b\\c", "62-0001"])).exit).toBe(0);
  const out = await zshShows("transact-bank accounts unmap a", "a:b*c");
  if (out !== null) expect(out).toContain("a:b\\\\c");
});

describe("the program, when a shell asks", () => {
  const offered = async (line: string, how: Parameters<typeof run>[1] = { env }) => {
    const ran = await run(["__complete", "--", ...words(line)], how);
    expect([ran.exit, ran.err]).toEqual([0, ""]);
    return ran.out.split("\n").map((offer) => offer.replace(/\t.*/, ""));
  };

  test("knows the bank of --data-dir", async () => {
    const line = `accounts show --data-dir ${bank.dataDir} `;
    expect(await offered(line, {})).toContain("62-0001");
    expect(await offered(`--data-dir=${bank.dataDir} accounts show `, {})).toContain("62-0001");
  });

  test.each([
    "accounts show ",
    "accounts show --data-dir /nowhere ",
    "accounts show --data-dir /tmp ",
    "nonsense --with nothing ",
    "accounts show 62-0001 ",
  ])("says nothing where it knows nothing: %s", async (line) => {
    expect(await offered(line, {})).toEqual([""]);
  });

  test("offers no name that a command would take for an option", async () => {
    const mapped = await bank.run(["accounts", "map", "--", "--data-dir=/x", "62-0001"]);
    expect(mapped.exit).toBe(0);
    const buyers = await offered("accounts block-buyer ");
    expect(buyers.filter((offer) => offer.startsWith("-"))).toEqual([]);
    expect(buyers.length).toBeGreaterThan(1);
  });

  test("changes nothing, and takes what is typed for a beginning alone", async () => {
    expect(await offered("accounts show %")).toEqual([""]);
    expect(await offered("accounts show 6' OR 1--")).toEqual([""]);
    expect(await offered("accounts show ' OR 1 ")).toEqual([""]);
  });
});
