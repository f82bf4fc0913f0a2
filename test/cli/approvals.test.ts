// Dual control at the command line: real processes under the logins of two people.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type OpenBank, openBank } from "../../src/bank.ts";
import { readPinKey, readSecret, SHARED_SECRETS } from "../../src/keys.ts";
import { ACTS } from "../../src/storage/acts.ts";
import { canLogIn, runAs, startAs } from "./logins.ts";
import { type Ran, run, type TestBank, words } from "./run.ts";
import { marchBank } from "./seeded.ts";

const [THANDI, SIPHO] = [1000, 1001];
const PASSPHRASE = "correct horse battery\n";
const CONTROL = 'dual_control = ["money", "limits", "pins", "secrets"]\n';

let made: TestBank;
let folder: string;
let dataDir: string;

beforeAll(async () => {
  made = await marchBank();
  await made.run(words("limits set --max 2000.00"));
  await made.run(words("accounts set-pin 62-0001"), { stdin: "4321\n" });
  await made.run(words("secrets rotate --kind basic"), { stdin: "first\n" });
  const exported = ["--output", join(made.dataDir, "../keys.age")];
  await made.run(["secrets", "export", ...exported], { stdin: PASSPHRASE });
  await made.run(words("secrets rotate --kind basic"), { stdin: "second\n" });
  appendFileSync(join(made.dataDir, "config.toml"), CONTROL);
}, 60_000);
afterAll(() => made.remove());

/** Each test has a copy of the bank. */
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "transact-bank-approvals-"));
  dataDir = join(folder, "bank");
  cpSync(made.dataDir, dataDir, { recursive: true });
  cpSync(join(made.dataDir, "../keys.age"), join(folder, "keys.age"));
  writeFileSync(join(folder, "new.csv"), "number,name,balance\n62-1,Lerato,5.00\n62-2,Johan,0\n");
});
afterEach(() => rmSync(folder, { recursive: true }));

const as = (uid: number, line: string, stdin = ""): Promise<Ran> =>
  runAs(uid, words(line.replaceAll("FOLDER", folder)), { dataDir, stdin });

/** Looks at the bank from within, which takes no process. */
function look<T>(at: (opened: OpenBank) => T): T {
  const opened = openBank(dataDir);
  try {
    return at(opened);
  } finally {
    opened.close();
  }
}

/** What people and scripts can see of the bank, but for its journal and its approvals. */
const state = () =>
  look(({ store }) => [
    store.accounts({ limit: 1000 }),
    store.limits(),
    store.reservations({ limit: 1000 }),
    store.balances({ limit: 1000, upTo: store.mark() }),
    SHARED_SECRETS.map((kind) => readSecret(dataDir, kind)),
    existsSync(join(folder, "new.age")),
  ]);

const problems = () => look(({ store }) => store.verify().filter(({ ok }) => !ok));

const sealedFiles = () => readdirSync(join(dataDir, "keys")).filter((it) => /^approval-/.test(it));

const lines: readonly (readonly [line: string, stdin?: string])[] = [
  ["accounts credit 62-0001 7.00 --yes --reason slip"],
  ["accounts debit 62-0001 7.00 --yes --reason slip"],
  ["accounts add 62-9 --name Lerato --balance 1"],
  ["accounts add 62-9 --name Lerato --overdraft 1"],
  ["accounts import FOLDER/new.csv --yes"],
  ["accounts overdraft 62-0001 9.00 --reason agreed"],
  ["accounts set-pin 62-0001 --yes", "5678\n"],
  ["accounts unlock-pin 62-0001"],
  ["accounts remove-pin 62-0001 --yes"],
  ["limits set --max 3000.00"],
  ["limits set --product 12 --max 3000.00"],
  ["limits unset --max"],
  ["reservations release raas-open --yes --reason ticket"],
  ["reservations debit raas-open --yes --reason ticket"],
  ["settlement pay 1.00 --reason EFT"],
  ["secrets rotate", "third\n"],
  ["secrets retire --kind basic"],
  ["secrets export --output FOLDER/new.age", PASSPHRASE],
  ["secrets import FOLDER/keys.age --yes", PASSPHRASE],
];

const mayLogIn = canLogIn();

test("every act that can be asked for is in the table", () => {
  const tried = new Set(lines.map(([line]) => line.split(" ", 2).join(" ")));
  expect([...tried].sort()).toEqual(Object.keys(ACTS).sort());
});

describe.if(mayLogIn)(
  "asked, and nothing changes; approved by another, and it is done once",
  () => {
    for (const [line, stdin = ""] of lines) {
      test(line, async () => {
        const before = state();
        const dry = await as(THANDI, `${line} --dry-run --json`, stdin);
        expect([dry.exit, JSON.parse(dry.out)]).toMatchObject([7, { dryRun: true }]);
        expect(look(({ store }) => store.approval(1))).toBeNull();

        const asked = await as(THANDI, `${line} --json`, stdin);
        expect([asked.exit, JSON.parse(asked.out)]).toMatchObject([
          7,
          { status: "awaiting-approval", approval: { id: 1, state: "open" } },
        ]);
        expect(state()).toEqual(before);
        for (const name of sealedFiles()) {
          expect(statSync(join(dataDir, "keys", name)).mode & 0o777).toBe(0o600);
        }

        const theirs = await as(SIPHO, "approvals approve 1 --yes --reason seen");
        expect([theirs.exit, theirs.out]).toEqual([0, expect.stringContaining("approved")]);
        if (!/(set|unlock)-pin/.test(line)) expect(state()).not.toEqual(before);
        expect(sealedFiles()).toEqual([]);
        expect(problems()).toEqual([]);
      }, 30_000);
    }
  },
);

describe.if(mayLogIn)("who is who", () => {
  test("only the kernel says: what the environment says makes nobody another", async () => {
    const line = words("accounts credit 62-0001 7.00 --yes --reason slip");
    const claimed = { TRANSACT_BANK_DATA_DIR: dataDir, SUDO_UID: "1001", SUDO_USER: "sipho" };
    const nobody = await run(line, { env: { ...claimed, LOGNAME: "sipho", USER: "sipho" } });
    expect([nobody.exit, nobody.err]).toEqual([4, expect.stringContaining("nobody is logged in")]);
    expect((await as(THANDI, line.join(" "))).exit).toBe(7);
    const before = state();
    const still = await runAs(THANDI, words("approvals approve 1 --yes"), {
      dataDir,
      env: claimed,
    });
    expect([still.exit, still.err]).toEqual([4, expect.stringContaining("another login must")]);
    const neither = await run(words("approvals approve 1 --yes"), { env: claimed });
    expect([neither.exit, neither.err]).toEqual([4, expect.stringContaining("nobody is logged")]);
    expect(state()).toEqual(before);
  }, 30_000);
});

describe.if(mayLogIn)("a sealed secret or PIN", () => {
  const SECRET = "the-new-secret-8731";

  function everyByte(): string {
    return readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => !/keys\/approval-/.test(name) && statSync(join(folder, name)).isFile())
      .map((name) => readFileSync(join(folder, name), "latin1"))
      .join("\n");
  }

  test("stands in its own file alone, and goes with a rejection", async () => {
    const asked = await as(THANDI, "secrets rotate", `${SECRET}\n`);
    expect(asked.exit).toBe(7);
    expect(sealedFiles()).toEqual(["approval-1.json"]);
    const shown = await as(SIPHO, "approvals show 1");
    const rejected = await as(SIPHO, "approvals reject 1 --yes --reason no");
    expect(rejected.exit).toBe(0);
    expect(everyByte() + asked.out + asked.err + shown.out + rejected.out).not.toContain(SECRET);
    expect(sealedFiles()).toEqual([]);
  }, 30_000);

  test("a PIN waits as its keyed hash only", async () => {
    await as(THANDI, "accounts set-pin 62-0001 --yes", "907856341290\n");
    const sealed = readFileSync(join(dataDir, "keys", "approval-1.json"), "utf8");
    expect(Object.keys(JSON.parse(sealed)).toSorted()).toEqual(["pinHash", "salt"]);
    expect(everyByte() + sealed).not.toContain("907856341290");
  }, 30_000);

  test("that was exchanged meanwhile is not put in force", async () => {
    await as(THANDI, "secrets rotate", `${SECRET}\n`);
    writeFileSync(join(dataDir, "keys/approval-1.json"), '{"secret":"mine","salt":"00"}');
    const { exit, err } = await as(SIPHO, "approvals approve 1 --yes");
    expect([exit, err]).toEqual([4, expect.stringContaining("no longer in keys/")]);
    expect(existsSync(join(dataDir, "keys/signature.json"))).toBe(false);
  }, 30_000);

  test("stays where it is in a dry run of its approval or its rejection", async () => {
    await as(THANDI, "secrets rotate", `${SECRET}\n`);
    const before = everyByte();
    for (const line of ["approve 1 --reason seen", "reject 1 --reason no"]) {
      const dry = await as(SIPHO, `approvals ${line} --dry-run`);
      expect([dry.exit, dry.out]).toEqual([0, expect.stringContaining("nothing was changed")]);
      expect(sealedFiles()).toEqual(["approval-1.json"]);
      expect(existsSync(join(dataDir, "keys/signature.json"))).toBe(false);
      expect(look(({ store }) => store.approval(1)?.state)).toBe("open");
    }
    expect(everyByte().length).toBe(before.length);
  }, 30_000);

  test("waits alone for its kind of secret", async () => {
    await as(THANDI, "secrets rotate", `${SECRET}\n`);
    const second = await as(SIPHO, "secrets rotate", "other\n");
    expect([second.exit, second.err]).toEqual([4, expect.stringContaining("approval 1")]);
  }, 30_000);

  test("is put in force by the next command where the approving one was killed", async () => {
    await as(THANDI, "secrets rotate", `${SECRET}\n`);
    const kept = readFileSync(join(dataDir, "keys/approval-1.json"));
    await as(SIPHO, "approvals approve 1 --yes");
    const inForce = readFileSync(join(dataDir, "keys/signature.json"), "utf8");
    // As a process leaves it that is killed after the commit.
    rmSync(join(dataDir, "keys/signature.json"));
    writeFileSync(join(dataDir, "keys/approval-1.json"), kept, { mode: 0o600 });
    expect((await as(SIPHO, "accounts list")).exit).toBe(0);
    const now = JSON.parse(readFileSync(join(dataDir, "keys/signature.json"), "utf8"));
    expect(now).toMatchObject({ current: SECRET, previous: null });
    expect(JSON.parse(inForce).current).toBe(SECRET);
    expect(sealedFiles()).toEqual([]);
  }, 30_000);
});

describe.if(mayLogIn)("whoever is killed between two steps", () => {
  test("asking for a retirement: it cannot be approved and then not take effect", async () => {
    expect((await as(THANDI, "secrets retire --kind basic")).exit).toBe(7);
    rmSync(join(dataDir, "keys/approval-1.json"));
    const { exit, err } = await as(SIPHO, "approvals approve 1 --yes");
    expect([exit, err]).toEqual([4, expect.stringContaining("no longer in keys/")]);
    expect(look(({ store }) => store.approval(1)?.state)).toBe("open");
  }, 30_000);

  test("sealing a secret: what is half written goes with the rejection", async () => {
    expect((await as(THANDI, "secrets rotate", "the-new-one\n")).exit).toBe(7);
    renameSync(join(dataDir, "keys/approval-1.json"), join(dataDir, "keys/approval-1.json.new"));
    expect((await as(SIPHO, "approvals approve 1 --yes")).exit).toBe(4);
    expect((await as(SIPHO, "approvals reject 1 --yes --reason gone")).exit).toBe(0);
    expect(sealedFiles()).toEqual([]);
  }, 30_000);

  test("importing keys: the next command puts in force all of them", async () => {
    const config = readFileSync(join(dataDir, "config.toml"), "utf8");
    const control = (on: boolean) =>
      writeFileSync(join(dataDir, "config.toml"), on ? config : config.replace(CONTROL, ""));
    control(false);
    await as(THANDI, "secrets rotate", "first\n");
    await as(THANDI, "secrets export --output FOLDER/both.age", PASSPHRASE);
    const exported = SHARED_SECRETS.map((kind) => readSecret(dataDir, kind));
    await as(THANDI, "secrets retire --kind basic");
    await as(THANDI, "secrets rotate --kind basic", "third\n");
    const basic = readFileSync(join(dataDir, "keys/basic.json"));
    await as(THANDI, "secrets rotate", "second\n");
    control(true);
    expect((await as(THANDI, "secrets import FOLDER/both.age --yes", PASSPHRASE)).exit).toBe(7);
    const kept = readFileSync(join(dataDir, "keys/approval-1.json"));
    expect((await as(SIPHO, "approvals approve 1 --yes")).exit).toBe(0);
    // As a process leaves it that is killed before the last of the files.
    writeFileSync(join(dataDir, "keys/basic.json"), basic);
    writeFileSync(join(dataDir, "keys/approval-1.json"), kept, { mode: 0o600 });
    expect((await as(SIPHO, "accounts list")).exit).toBe(0);
    expect(SHARED_SECRETS.map((kind) => readSecret(dataDir, kind))).toEqual(exported);
    expect(sealedFiles()).toEqual([]);
  }, 60_000);
});

describe.if(mayLogIn)("an export that cannot be written", () => {
  test("is not approved, and may be rejected", async () => {
    const output = join(folder, "nowhere/new.age");
    const asked = await as(THANDI, `secrets export --output ${output}`, PASSPHRASE);
    expect(asked.exit).toBe(7);
    const { exit, err } = await as(SIPHO, "approvals approve 1 --yes");
    expect([exit, err]).toEqual([4, expect.stringContaining("there is no folder")]);
    expect((await as(SIPHO, "approvals reject 1 --yes --reason nowhere")).exit).toBe(0);
  }, 30_000);

  test("though it was approved stops no other command, and is written once it can be", async () => {
    await as(THANDI, "secrets export --output FOLDER/new.age", PASSPHRASE);
    symlinkSync("elsewhere", join(folder, "new.age.new"));
    const { exit, err } = await as(SIPHO, "approvals approve 1 --yes");
    expect([exit, err]).toEqual([1, expect.stringContaining("new.age")]);
    expect((await as(SIPHO, "accounts list")).exit).toBe(0);
    expect(existsSync(join(folder, "new.age"))).toBe(false);
    rmSync(join(folder, "new.age.new"));
    expect((await as(SIPHO, "accounts list")).exit).toBe(0);
    expect(existsSync(join(folder, "new.age"))).toBe(true);
    expect([sealedFiles(), problems()]).toEqual([[], []]);
  }, 30_000);
});

test.if(mayLogIn)(
  "a restored bank, which has no keys/ yet, gets its keys by two people",
  async () => {
    expect((await as(THANDI, "backup create --folder FOLDER/backups")).exit).toBe(0);
    const file = join(folder, "backups", readdirSync(join(folder, "backups"))[0] ?? "");
    rmSync(dataDir, { recursive: true });
    expect((await as(THANDI, `backup restore ${file}`)).exit).toBe(0);
    expect((await as(THANDI, "secrets import FOLDER/keys.age --yes", PASSPHRASE)).exit).toBe(7);
    expect(readdirSync(join(dataDir, "keys"))).toEqual(["approval-1.json"]);
    expect((await as(SIPHO, "approvals approve 1 --yes")).exit).toBe(0);
    expect(readPinKey(dataDir)).toEqual(readPinKey(made.dataDir));
    expect(problems()).toEqual([]);
  },
  60_000,
);

describe.if(mayLogIn)("what another approves is what they were shown", () => {
  test("a figure that was changed since is said as it is now; the journal keeps both", async () => {
    expect((await as(THANDI, "limits set --max 3000.00")).exit).toBe(7);
    expect((await as(THANDI, "limits set --max 50.00")).exit).toBe(0);
    const now = "maximum 3000.00 ZAR (now 50.00 ZAR)";
    expect((await as(SIPHO, "approvals show 1")).out).toContain(now);
    expect((await as(SIPHO, "approvals approve 1")).err).toContain(now);
    expect((await as(SIPHO, "approvals approve 1 --yes")).exit).toBe(0);
    const { out } = await as(SIPHO, "journal list");
    expect(out).toContain("maximum 3000.00 ZAR (now 2000.00 ZAR)");
    expect(problems()).toEqual([]);
  }, 30_000);

  test("whoever asked is refused before they are asked whether to approve it", async () => {
    expect((await as(THANDI, "limits set --max 3000.00")).exit).toBe(7);
    const { exit, err } = await as(THANDI, "approvals approve 1");
    expect([exit, err]).toEqual([4, expect.stringContaining("another login must")]);
  }, 30_000);

  test("all limits are those that were set when it was asked for", async () => {
    expect((await as(THANDI, "limits unset")).exit).toBe(7);
    expect((await as(THANDI, "limits set --day-count 3")).exit).toBe(0);
    const shown = await as(SIPHO, "approvals show 1");
    expect(shown.out).not.toContain("times a day");
    expect((await as(SIPHO, "approvals approve 1 --yes")).exit).toBe(0);
    expect(look(({ store }) => store.limits())).toMatchObject([{ max: null, dayCount: 3 }]);
    expect(problems()).toEqual([]);
  }, 30_000);
});

describe.if(mayLogIn)("money moves once", () => {
  const balance = () => look(({ store }) => store.account("62-0001")?.ledgerBalance ?? 0);

  test("when six approve at once", async () => {
    await as(THANDI, "accounts credit 62-0001 7.00 --yes --reason slip");
    const before = balance() as number;
    const racers = [1001, 1002, 1003, 1004, 1005, 1006];
    const ends = await Promise.all(
      racers.map((uid) => as(uid, "approvals approve 1 --yes").then(({ exit }) => exit)),
    );
    expect(ends.toSorted()).toEqual([0, 4, 4, 4, 4, 4]);
    expect(balance() as number).toBe(before + 700);
    expect(problems()).toEqual([]);
  }, 60_000);

  test("when whoever approves is killed at any moment: all of it is there, or nothing", async () => {
    const rows = Array.from({ length: 400 }, (_, index) => `62-${index + 10},Name ${index},1.00`);
    writeFileSync(join(folder, "many.csv"), `number,name,balance\n${rows.join("\n")}\n`);
    expect((await as(THANDI, "accounts import FOLDER/many.csv --yes")).exit).toBe(7);
    const count = () => look(({ store }) => store.accounts({ limit: 1000 }).length);
    const before = count();
    for (let delayMs = 90; count() === before; delayMs += 25) {
      const child = startAs(SIPHO, words("approvals approve 1 --yes"), { dataDir });
      await Bun.sleep(delayMs);
      child.kill("SIGKILL");
      await child.exited;
      const now = look(({ store }) => store.approval(1)?.state);
      expect([now, count() - before]).toEqual(now === "open" ? ["open", 0] : ["approved", 400]);
    }
    expect((await as(SIPHO, "approvals approve 1 --yes")).exit).toBe(4);
    expect(problems()).toEqual([]);
  }, 120_000);
});

describe.if(mayLogIn)("to people", () => {
  test("what was asked for, by whom, and what the other types", async () => {
    const { out } = await as(THANDI, "accounts credit 62-0001 7.00 --yes --reason slip");
    expect(out).toContain("Nothing was changed");
    expect(out).toContain("Approval 1: credit 7.00 ZAR to account 62-0001 (Thandi)");
    expect(out).toContain(`transact-bank approvals approve 1 --data-dir ${dataDir}`);
    const listed = await as(SIPHO, "approvals list");
    expect((await as(SIPHO, "status")).out).toContain("1 wait for another person");
    expect(listed.out).toContain("credit 7.00 ZAR to account 62-0001 (Thandi)");
    const unsure = await as(SIPHO, "approvals approve 1");
    expect([unsure.exit, unsure.err]).toEqual([2, expect.stringContaining("Approve it?")]);
    const rejected = await as(THANDI, "approvals reject 1 --yes --reason mistyped");
    expect(rejected.out).toContain("mistyped");
    expect((await as(SIPHO, "approvals list")).out).toContain("Nothing waits for an approval.");
    expect((await as(SIPHO, "approvals list --all")).out).toContain("rejected");
    expect((await as(SIPHO, "approvals show seven")).exit).toBe(2);
    expect((await as(SIPHO, "approvals show 7")).exit).toBe(3);
  }, 30_000);

  test("the accounts of an import are shown to whoever approves it", async () => {
    await as(THANDI, "accounts import FOLDER/new.csv --yes");
    const { out } = await as(SIPHO, "approvals show 1");
    expect(out).toContain("open 2 accounts with balances of 5.00 ZAR");
    expect(out).toMatch(/62-1 +Lerato +active +5\.00/);
    const document = await as(SIPHO, "approvals show 1 --json");
    expect(JSON.parse(document.out)).toMatchObject({
      args: { accounts: [{ number: "62-1", balanceMinor: 500 }, { number: "62-2" }] },
    });
  }, 30_000);

  test("an import that brings nothing needs nobody, a very long one is split", async () => {
    writeFileSync(join(folder, "new.csv"), "number,name,balance\n62-1,Lerato,0\n");
    expect((await as(THANDI, "accounts import FOLDER/new.csv --yes")).exit).toBe(0);
    const rows = Array.from({ length: 1001 }, (_, index) => `63-${index},Name,1`);
    writeFileSync(join(folder, "new.csv"), `number,name,balance\n${rows.join("\n")}\n`);
    const { exit, err } = await as(THANDI, "accounts import FOLDER/new.csv --yes");
    expect([exit, err]).toEqual([4, expect.stringContaining("split the file")]);
  }, 30_000);

  test("the journal has both names, and says when dual control was changed", async () => {
    await as(THANDI, "accounts credit 62-0001 7.00 --yes --reason slip");
    await as(SIPHO, "approvals approve 1 --yes");
    writeFileSync(join(dataDir, "config.toml"), "dual_control = []\n");
    await as(THANDI, "accounts credit 62-0001 7.00 --yes --reason slip");
    const { out } = await as(SIPHO, "journal list");
    expect(out).toContain("approved by uid 1001");
    expect(out).toContain('{"before":["money","limits","pins","secrets"],"after":[]}');
    expect(problems()).toEqual([]);
  }, 30_000);
});

describe.if(mayLogIn)("a reservation's timeline", () => {
  test("says who asked to settle it, who approved, and that it waits", async () => {
    const release = "reservations release raas-open --yes --reason ticket";
    expect((await as(THANDI, release)).exit).toBe(7);
    const show = async () => {
      const ran = await as(THANDI, "reservations show raas-open");
      expect([ran.exit, ran.err]).toEqual([0, expect.any(String)]);
      return ran.out;
    };
    expect(await show()).toMatch(/approval 1 .*asked to release reservation/);
    expect(await show()).toContain("waits for another person");
    expect((await as(SIPHO, "approvals approve 1 --yes --reason seen")).exit).toBe(0);
    const json = (await as(THANDI, "reservations show raas-open --json")).out;
    const { timeline } = JSON.parse(json) as { timeline: { what: string; who: string }[] };
    const last = timeline.slice(-3);
    expect(last.map(({ what }) => what).sort()).toEqual(["approval 1", "approval 1", "released"]);
    const [asked, decided] = last.filter(({ what }) => what === "approval 1");
    expect(asked?.who).not.toBe(decided?.who);
    const released = last.find(({ what }) => what === "released");
    expect(released?.who).toContain("(approval 1)");
  }, 30_000);
});
