// Every command of the documentation, run as a reader would: one page, one fresh folder, one bash,
// block by block in order, with the compiled program in the PATH.
import { describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installIn } from "../cli/run.ts";
import { PAGES, scriptOf, textOf } from "../docs/pages.ts";

const LONGEST_MS = 120_000;

/** A network of its own, where the system allows it: nobody else has a page's ports. */
const ALONE = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"];
const canBeAlone = Bun.which("unshare") !== null && Bun.spawnSync([...ALONE, "true"]).success;

/** Runs a script as a page's; gives its exit code and what it printed since its last block began. */
async function runPage(script: string): Promise<{ exit: number; said: string }> {
  const folder = mkdtempSync(join(tmpdir(), "transact-bank-docs-"));
  const line = ["bash", "-euo", "pipefail", "-c", `exec >.printed 2>&1\n${script}`];
  const child = Bun.spawn(canBeAlone ? [...ALONE, ...line] : line, {
    cwd: folder,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
    env: {
      PATH: `${installIn(join(folder, "dist"))}:${process.env["PATH"]}`,
      HOME: folder,
      LANG: "C.UTF-8",
    },
    // A group of its own, so that what it leaves behind can be ended with it.
    detached: true,
  });
  try {
    const exit = await Promise.race([child.exited, Bun.sleep(LONGEST_MS).then(() => -1)]);
    return {
      exit,
      said:
        readFileSync(join(folder, ".printed"), "utf8")
          .split(/^(?===== the block)/m)
          .at(-1) ?? "",
    };
  } finally {
    endGroup(child.pid);
    await child.exited;
    rmSync(folder, { recursive: true });
  }
}

function endGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL");
  } catch {
    // Nothing of it is left.
  }
}

const scripts = PAGES.map((page) => [page, scriptOf(textOf(page))] as const);

describe("every command of", () => {
  test.each(scripts.filter(([, script]) => script !== ""))(
    "%s ends as the page says",
    async (_, script) => {
      const { exit, said } = await runPage(script);
      if (exit !== 0) throw new Error(`it ended with ${exit}\n${said}`);
    },
    LONGEST_MS + 10_000,
  );
});

describe("a page that says what is not so", () => {
  const block = (info: string, ...lines: string[]) =>
    scriptOf(["", `\`\`\`${info}`, ...lines, "```"].join("\n"));

  test.each([
    ["a command that fails", block("console", "$ transact-bank version", "$ false", "$ true")],
    ["one that fails in a pipe", block("console", "$ false | true")],
    ["one that does not exist", block("console", "$ transact-bank vresion")],
    ["another exit code", block("console exit=3", "$ transact-bank vresion")],
    ["a success that should fail", block("console exit=1", "$ true")],
    ["a failure before the last command", block("console exit=1", "$ false", "$ false")],
  ])("%s fails, and its block is named", async (_, script) => {
    const { exit, said } = await runPage(script);
    expect(exit).not.toBe(0);
    expect(said).toStartWith("==== the block of line 2\n");
  });

  test("a process that it leaves behind is ended, and does not hold up the test", async () => {
    const script = block("console", "$ sleep 1000 & echo left $!");
    const { exit, said } = await runPage(script);
    expect(exit).toBe(0);
    const left = Number(/left (\d+)/.exec(said)?.[1]);
    while (existsSync(`/proc/${left}/exe`)) await Bun.sleep(10);
  });
});
