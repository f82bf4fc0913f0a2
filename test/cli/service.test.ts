// service, as far as a test may go: it prints; whoever may not install is told so, and nothing is.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { newBank, run, type TestBank } from "./run.ts";

const UNIT_FILE = "/etc/systemd/system/transact-bank.service";
let bank: TestBank;
beforeAll(async () => {
  bank = await newBank();
});
afterAll(() => bank.remove());

test("print: the unit on standard output, and with --json in a document", async () => {
  const { exit, out } = await run(["service", "print"]);
  expect([exit, out]).toEqual([0, expect.stringMatching(/^\[Service\]$/m)]);
  expect(out).toContain(
    "ExecStart=/usr/local/bin/transact-bank serve --data-dir /var/lib/transact-bank\n",
  );
  const asJson = await run(["service", "print", "--json"]);
  expect(JSON.parse(asJson.out)).toEqual({ unit: out });
});

test("print: a bank in a folder for temporary files is refused", async () => {
  const refused = await bank.run(["service", "print"]);
  expect([refused.exit, refused.err]).toEqual([4, expect.stringContaining("does not see")]);
});

describe("install and uninstall without a terminal, root or systemd change nothing", () => {
  test.each(["install", "uninstall"])("%s", async (verb) => {
    const before = existsSync(UNIT_FILE);
    // Without --yes, so that a machine where it could be installed only asks, and finds nobody.
    const { exit, err } = await run(["service", verb]);
    expect([2, 4]).toContain(exit);
    expect(err).toMatch(/^error: .*(systemd|root|sources|confirm)/s);
    expect(err).not.toMatch(/^\s+at /m);
    expect(existsSync(UNIT_FILE)).toBe(before);
  });
});

test("a source of credentials that there is not: a usage error", async () => {
  expect((await run(["service", "print", "--credentials", "vault"])).exit).toBe(2);
});
