// init by flags and as a wizard on a terminal: what it makes, and the commands that it ends with.
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { program, run } from "./run.ts";

const folder = mkdtempSync(join(tmpdir(), "transact-bank-init-"));
afterAll(() => rmSync(folder, { recursive: true }));

const FLAGS =
  "--no-input --bank-code ACME --currency ZAR --country ZA --time-zone Africa/Johannesburg";
const init = (name: string, ...more: string[]) =>
  run(["init", ...FLAGS.split(" "), "--data-dir", join(folder, name), ...more]);
const read = (name: string, file: string) => readFileSync(join(folder, name, file), "utf8");

test("it ends with three commands that a shell takes, whatever the folder is called", async () => {
  const { out } = await init("Ann's bank");
  const commands = out
    .slice(out.indexOf("Next:\n"))
    .split("\n")
    .filter((line) => line.startsWith("  "));
  expect(commands).toEqual([
    expect.stringContaining("limits set --max 2000.00"),
    expect.stringContaining("accounts add 62-0001"),
    expect.stringContaining("serve --data-dir"),
  ]);
  for (const command of commands.slice(0, 2)) {
    // A program that is on nobody's PATH names itself in full.
    const words = command.replace(/^ +\S+/, '"$@"');
    const shell = Bun.spawn(["sh", "-c", words, "sh", ...program], {
      stdout: "ignore",
      stderr: "pipe",
    });
    expect([command, await shell.exited]).toEqual([command, 0]);
  }
});

describe("--listen", () => {
  test.each([
    ["0.0.0.0:8443", ['host = "0.0.0.0"', "port = 8443"]],
    ["[::1]:8081", ['host = "::1"', "port = 8081"]],
    ["9000", ['# host = "127.0.0.1"', "port = 9000"]],
  ])("%s", async (listen, lines) => {
    const name = `listens-${listen.replaceAll(/\W/g, "")}`;
    expect((await init(name, "--listen", listen)).exit).toBe(0);
    expect(read(name, "config.toml").split("\n")).toEqual(expect.arrayContaining(lines));
  });

  test("off loopback without a secret it says what is still missing", async () => {
    const said = "only once requests are authenticated";
    expect((await init("open", "--listen", "0.0.0.0:8443")).out).toContain(said);
    const generate = "--generate-signature-secret";
    expect((await init("closed", "--listen", "0.0.0.0:8443", generate)).out).not.toContain(said);
  });

  test.each(["bank.example:80", "127.0.0.1", "1.2.3.4:99999", "[127.0.0.1]:80", ""])(
    "%p is a usage error, and nothing is made",
    async (listen) => {
      const { exit, err } = await init("refused", "--listen", listen);
      expect([exit, err]).toEqual([2, expect.stringContaining("127.0.0.1:8080")]);
      expect(existsSync(join(folder, "refused"))).toBe(false);
    },
  );
});

test("a generated secret is required, and stands in a file for Clickatell, never on the screen", async () => {
  const { out, err } = await init("generated", "--generate-signature-secret");
  const secret = read("generated", "keys/signature.handover").trim();
  expect(secret).toMatch(/^[\w-]{43}$/);
  expect(JSON.parse(read("generated", "keys/signature.json"))).toMatchObject({ current: secret });
  expect(read("generated", "config.toml")).toContain("\nrequire_signature = true\n");
  expect(out + err).not.toContain(secret);
  expect(out).toContain("keys/signature.handover");
});

test("a secret from a file and a generated one exclude each other", async () => {
  const more = ["--generate-signature-secret", "--signature-secret-file", "f"];
  expect((await init("both", ...more)).exit).toBe(2);
});

/** A terminal of 80 columns on which `init` runs, with what is on it so far. */
function wizard(cwd: string) {
  let screen = "";
  const child = Bun.spawn([...program, "init"], {
    cwd,
    env: { PATH: process.env["PATH"] ?? "", TZ: "Africa/Johannesburg", TERM: "xterm" },
    terminal: {
      cols: 80,
      rows: 40,
      data: (_, bytes) => {
        screen += stripVTControlCharacters(Buffer.from(bytes).toString("utf8"));
      },
    },
  });
  return {
    child,
    screen: () => screen,
    /** Waits for a question, then types. */
    async answer(question: string, keys: string): Promise<void> {
      const from = screen.length;
      while (!screen.includes(question) && child.exitCode === null) await Bun.sleep(10);
      expect(screen).toContain(question);
      child.terminal?.write(keys);
      while (screen.length === from && child.exitCode === null) await Bun.sleep(10);
    },
  };
}

describe("the wizard", () => {
  test("Enter takes what the machine suggests; killed half-way it begins again", async () => {
    const cwd = join(folder, "wizard");
    mkdirSync(cwd);
    const first = wizard(cwd);
    await first.answer("In which new folder", "\r");
    await first.answer("The bank's code", "acme\r");
    await first.answer("The bank's country", "\r");
    first.child.kill("SIGKILL");
    await first.child.exited;
    expect(readdirSync(cwd)).toEqual([]);

    const second = wizard(cwd);
    await second.answer("In which new folder", "\r");
    await second.answer("The bank's code", "acme\r");
    await second.answer("The bank's country", "\r");
    await second.answer("The bank's currency", "\r");
    await second.answer("The bank's time zone", "\r");
    await second.answer("Where shall the server listen", "\r");
    await second.answer("Clickatell signs its requests", "\r");
    await second.answer("Make this bank?", "\r");
    expect(await second.child.exited).toBe(0);
    const screen = second.screen();
    for (const shown of ["ACME", "ZAR", "Africa/Johannesburg", "Next:", "limits set --max"]) {
      expect(screen).toContain(shown);
    }
    expect(read("wizard/bank", "config.toml")).toContain("require_signature = true");
    expect(screen).not.toContain(read("wizard/bank", "keys/signature.handover").trim());
  }, 60_000);

  test("^C makes nothing", async () => {
    const cwd = join(folder, "cancelled");
    mkdirSync(cwd);
    const one = wizard(cwd);
    await one.answer("In which new folder", "\r");
    await one.answer("The bank's code", "\x03");
    expect(await one.child.exited).toBe(1);
    expect(one.screen()).toContain("cancelled: nothing was made");
    expect(readdirSync(cwd)).toEqual([]);
  }, 60_000);
});
