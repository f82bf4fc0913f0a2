// The unit: what systemd itself says of it, how exposed it leaves the service, what it refuses.
import { afterAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { placeProgram } from "../src/service.ts";
import { readUnit, type UnitOptions, unitText } from "../src/service-unit.ts";
import { tool } from "./tools.ts";

const folder = mkdtempSync(join(tmpdir(), "transact-bank-unit-"));
afterAll(() => rmSync(folder, { recursive: true }));

const STANDARD: UnitOptions = {
  program: "/bin/true",
  user: "transact-bank",
  dataDir: "/var/lib/transact-bank",
  writes: [],
  lowPort: false,
  credentials: "none",
};

/** From 0, all is locked away, to 10. What is left is the network, that it is for, and its JIT. */
const UNITS: readonly [what: string, options: Partial<UnitOptions>, exposure: number][] = [
  ["the standard", {}, 1.1],
  ["another data dir and a backup folder", { dataDir: "/srv/bank", writes: ["/srv/backup"] }, 1.1],
  ["a port below 1024", { lowPort: true }, 1.4],
  ["encrypted credentials", { credentials: "encrypted" }, 1.1],
  ["plain credentials", { credentials: "plain" }, 1.1],
];

const systemdAnalyze = tool("systemd-analyze", "the unit of the service");
const checked = test.if(systemdAnalyze !== null);

describe.each(UNITS)("%s", (_, options, exposure) => {
  const unit = join(folder, "transact-bank.service");
  const analyze = (...args: string[]) => {
    writeFileSync(unit, unitText({ ...STANDARD, ...options }));
    // Without it the unit is looked for beside those of this machine.
    const env = { PATH: process.env["PATH"] ?? "", SYSTEMD_LOG_LEVEL: "warning" };
    const { exitCode, stdout, stderr } = Bun.spawnSync(["systemd-analyze", ...args, unit], { env });
    return { exitCode, out: stdout.toString(), err: stderr.toString() };
  };

  checked("systemd finds nothing wrong with it", () => {
    const said = analyze("verify");
    // It warns of other units that this machine happens to have.
    const ours = said.err.split("\n").filter((line) => line.includes("transact-bank"));
    expect([said.exitCode, ours]).toEqual([0, []]);
  });

  checked(`its exposure is at most ${exposure}`, () => {
    const { exitCode, out } = analyze(
      "security",
      "--offline=true",
      "--no-pager",
      `--threshold=${exposure * 10}`,
    );
    expect([exitCode, out]).toEqual([0, expect.stringMatching(/exposure level .*: \d\.\d OK/)]);
  });
});

const lines = (options: Partial<UnitOptions>) => unitText({ ...STANDARD, ...options }).split("\n");

describe("what differs", () => {
  test("systemd makes the standard data dir, 0700; another one is only made writable", () => {
    expect(lines({})).toContain("StateDirectoryMode=0700");
    const other = lines({ dataDir: "/srv/bank", writes: ["/srv/backup"] });
    expect(other).toContain("ReadWritePaths=/srv/bank");
    expect(other).toContain("ReadWritePaths=-/srv/backup");
    expect(other.join("\n")).not.toContain("StateDirectory");
  });

  test("it has a capability only where its port needs one", () => {
    expect(lines({})).toContain("CapabilityBoundingSet=");
    expect(lines({ lowPort: true })).toContain("CapabilityBoundingSet=CAP_NET_BIND_SERVICE");
  });

  test("keys are credentials only where that is wanted", () => {
    expect(lines({}).join("\n")).not.toContain("LoadCredential");
    expect(lines({ credentials: "plain" })).toContain("LoadCredential=transact-bank.pin.key");
    expect(lines({ credentials: "encrypted" })).toContain(
      "LoadCredentialEncrypted=transact-bank.signature.json",
    );
  });
});

test.each([...UNITS])("%s is read back, so that a later install keeps it", (_, options) => {
  const { user, program, dataDir, credentials } = { ...STANDARD, ...options };
  expect(readUnit(unitText({ ...STANDARD, ...options }))).toEqual({
    user,
    program,
    dataDir,
    credentials,
  });
});

test("a unit that somebody else wrote is not read", () => {
  expect(readUnit("[Service]\nUser=ann\nExecStart=/bin/true\n")).toEqual({});
});

test.each([
  [{ dataDir: "/home/ann/bank" }, "does not see /home/ann/bank"],
  [{ dataDir: "/tmp/bank" }, "does not see /tmp/bank"],
  [{ writes: ["/root/backups"] }, "does not see /root/backups"],
  [{ dataDir: "/srv/the bank" }, "cannot stand in a unit"],
  [{ dataDir: "/srv/bank\nExecStartPre=/bin/sh" }, "cannot stand in a unit"],
  [{ program: "/home/ann/transact-bank" }, "does not see /home/ann/transact-bank"],
  [{ program: "/opt/50%/transact-bank" }, "cannot stand in a unit"],
  [{ user: "a b" }, "cannot stand in a unit"],
] as const)("refused: %p", (options, why) => {
  expect(() => unitText({ ...STANDARD, ...options })).toThrow(why);
});

test("the program is copied to its place whole, for all to run, and only where it differs", () => {
  const running = join(folder, "running");
  const program = join(folder, "program");
  writeFileSync(running, "new");
  chmodSync(running, 0o700);
  writeFileSync(program, "old");
  expect(placeProgram(running, program)).toBe(true);
  expect(readFileSync(program, "utf8")).toBe("new");
  expect(placeProgram(running, program)).toBe(false);
  expect(placeProgram(program, program)).toBe(false);
});

describe("the program is copied as root, so", () => {
  const running = join(folder, "compiled");
  writeFileSync(running, "new");

  test("what somebody put in the way is not written through", () => {
    const program = join(folder, "linked");
    const victim = join(folder, "victim");
    writeFileSync(victim, "untouched");
    symlinkSync(victim, `${program}.new`);
    expect(placeProgram(running, program)).toBe(true);
    expect(readFileSync(program, "utf8")).toBe("new");
    expect(readFileSync(victim, "utf8")).toBe("untouched");
  });

  test("a folder in which others could exchange it is refused", () => {
    const open = join(folder, "open");
    mkdirSync(open);
    chmodSync(open, 0o777);
    expect(() => placeProgram(running, join(open, "program"))).toThrow("who could exchange");
  });
});
