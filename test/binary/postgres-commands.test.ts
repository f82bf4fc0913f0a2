// Every command on a bank in a PostgreSQL, from either of two appliances, with the rights of the role
// that serves and no other.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { canLogIn, runAs } from "../cli/logins.ts";
import { endPostgres } from "../postgres/cluster.ts";
import { type Appliances, startAppliances } from "../postgres/nodes.ts";
import { skipsPostgres } from "../postgres/programs.ts";
import { type BankServer, startBankServer } from "../postgres/roles.ts";
import { BUYER, reserve, type Server, startServer } from "./program.ts";

/** On which appliance, what, how it ends, and what it says on standard output or of its error. */
type Row = readonly [node: 0 | 1, line: string, exit: number, says: string, stdin?: string];

const BEFORE: readonly Row[] = [
  [0, "version", 0, "transact-bank"],
  [1, "config show", 0, "database"],
  [0, "limits show", 0, "No limits"],
  [1, "limits set --max 2000.00 --day-amount 9000.00", 0, "2000.00"],
  [0, "limits set --product 110 --max 1500.00", 0, "1500.00"],
  [1, "limits show", 0, "110"],
  [0, "accounts add 1001 --name Thandi~Mokoena --balance 5000.00", 0, "5000.00"],
  [1, "accounts import - --yes", 0, "2", "number,name,balance\n1002,Sipho,50.00\n1003,Anna,1.00\n"],
  [1, `accounts map ${BUYER} 1001`, 0, BUYER],
  [0, `accounts map 27820000001 1002`, 0, "27820000001"],
  [1, `accounts unmap 27820000001`, 0, "27820000001"],
  [0, `accounts block-buyer 27820000002`, 0, "27820000002"],
  [1, `accounts unblock-buyer 27820000002`, 0, "27820000002"],
  [0, "accounts set-pin 1002", 0, "1002", "1234\n"],
  [1, "accounts unlock-pin 1002", 0, "1002"],
  [1, "accounts remove-pin 1002", 0, "1002"],
  [0, "accounts credit 1002 10.00 --reason slip", 0, "60.00"],
  [1, "accounts debit 1002 20.00 --reason slip", 0, "40.00"],
  [1, "accounts debit 1002 2000.00 --reason slip", 4, "40.00"],
  [0, "accounts credit 1002 10.00 --reason slip --dry-run", 0, "dry run"],
  [0, "accounts overdraft 1002 5.00 --reason agreed", 0, "5.00"],
  [1, "accounts status 1003 inactive", 0, "inactive"],
  [0, "accounts list --json", 0, '"ledgerBalanceMinor": 4000'],
  [1, "accounts show 1001", 0, "Thandi Mokoena"],
  [1, "holidays add 2026-11-04 --name Election~day", 0, "2026-11-04"],
  [0, "holidays list", 0, "Election day"],
  [1, "holidays import --country ZA --year 2026", 0, "2026-12-25"],
  [0, "holidays remove 2026-12-25", 0, "2026-12-25"],
  [0, "sales pause --reason tests", 0, "paused"],
  [1, "sales resume", 0, "Sales are on"],
  [1, "__complete accounts show 100", 0, "1001\tThandi Mokoena"],
];

/** REF1 was debited, REF2 and REF3 are open. */
const AFTER: readonly Row[] = [
  [1, "status", 0, "reserved       2"],
  [1, "status --json", 0, '"reserved": 2'],
  [1, "find REF1", 0, "debited"],
  [0, `find ${BUYER}`, 0, "Thandi"],
  [1, "find 1001", 0, "Thandi"],
  [0, "reservations list", 0, "ID2"],
  [1, "reservations list --state debited --json", 0, "REF1"],
  [1, "reservations show REF2", 0, "reserved"],
  [0, "reservations release REF2 --reason asked", 0, "released"],
  [1, "reservations debit REF3 --reason asked --yes", 0, "debited"],
  [1, "reservations debit REF3 --reason asked --yes", 4, "debited"],
  [0, "accounts statement 1001", 0, "4800.00"],
  [1, "reports exceptions", 0, "Exception report"],
  [0, "reports settlement", 0, "Settlement"],
  [1, "reports activity", 0, "Activity"],
  [0, "reports balances --format csv", 0, "1001"],
  [1, "settlement pay 90.00 --reason paid", 0, "90.00"],
  [0, "journal list", 0, "settlement pay"],
  [1, "journal list --json", 0, '"act":"join"'],
  [0, "receipts list", 0, "/reserveFunds"],
  [1, "receipts show 1", 0, "/reserveFunds"],
  [0, "findings list", 0, "unmatched"],
  [1, "findings show 1", 0, "unmatched"],
  [1, "findings close 1 --reason seen", 0, "Closed"],
  [1, "findings list --json", 0, "[]"],
  [0, "secrets list", 0, "not set"],
  [0, "secrets rotate", 0, "in force", "a-new-secret-of-clickatell"],
  [
    0,
    "secrets export --output FOLDER/rotated.age --passphrase-file PASSPHRASE",
    0,
    "signature.json",
  ],
  [1, "secrets list --json", 0, '"set": false'],
  [1, "secrets import FOLDER/rotated.age --passphrase-file PASSPHRASE --yes", 0, "signature.json"],
  [1, "secrets list --json", 0, '"set": true'],
  [1, "secrets retire", 3, "no former"],
  [0, "approvals list", 0, "Nothing waits"],
  [1, "approvals show 1", 3, "there is no"],
  [1, "openapi", 0, '"openapi": "3.1.0"'],
  [0, "openapi --output SECOND/config.toml", 4, "is a bank's own"],
  [0, "reports balances --output SECOND/keys/pin.key", 4, "is a bank's own"],
  [
    0,
    "receipts prune --older-than 400d --archive FOLDER/old.jsonl.gz --yes",
    0,
    "Nothing is that old",
  ],
  [1, "backup create", 4, "pgBackRest"],
  [1, "backup list", 4, "pgBackRest"],
  [1, "backup restore FOLDER/none.tar.zst", 4, "pgBackRest"],
  [0, "upgrade --check", 0, "Nothing to do"],
  [0, "upgrade", 0, "Nothing to do"],
  [0, "restore acknowledge --reason none", 4, "no restore waits"],
  [1, "restore record --from 2026-11-24T10:00 --to 2026-11-24T09:00 --reason x", 2, "--from"],
  [1, "restore record --from 2020-01-01T10:00 --reason db~lost", 0, "2090"],
  [0, "status", 0, "PAUSED"],
  [0, "restore acknowledge --reason compared", 0, "decided again"],
  [1, "verify", 0, "ok   the journal has no gap"],
  [0, "service print --data-dir /var/lib/transact-bank", 0, "ExecStart"],
  [0, "limits test --max 50.00 --json", 0, '"count": 3'],
  [0, "__complete reservations show REF1", 0, "REF1\tdebited"],
];

describe.skipIf(skipsPostgres())("on PostgreSQL", () => {
  let server: BankServer;
  let bank: Appliances;
  let serving: Server;
  const refs = new Map<string, string>();

  beforeAll(async () => {
    server = await startBankServer();
    bank = await startAppliances(server);
  }, 60_000);
  afterAll(async () => {
    await serving?.stop();
    await endPostgres();
    bank.remove();
  });

  const filled = (text: string): string =>
    [
      ...refs,
      ["FOLDER", bank.folder] as const,
      ["SECOND", bank.dataDirs[1]] as const,
      ["PASSPHRASE", bank.files.passphrase] as const,
    ].reduce((line, [name, value]) => line.replaceAll(name, value), text);

  async function check([node, line, exit, says, stdin = ""]: Row): Promise<void> {
    const ran = await bank.run(node, filled(line) + (line.startsWith("__") ? "" : " --yes"), stdin);
    expect([ran.exit, ran.exit === 0 ? "" : ran.err]).toEqual([
      exit,
      exit === 0 ? "" : expect.any(String),
    ]);
    expect(exit === 0 ? ran.out : ran.err).toContain(filled(says));
  }

  const each = (rows: readonly Row[]) =>
    test.each(rows.map((row) => [`${row[0]}: ${row[1]} -> ${row[2]}`, row] as const))(
      "%s",
      (_, row) => check(row),
      30_000,
    );

  describe("before anything is sold", () => {
    each(BEFORE);
  });

  test("the first appliance serves, with its checks beside the second one's", async () => {
    serving = await startServer(bank.dataDirs[0], {});
    for (const name of ["REF1", "REF2", "REF3"]) {
      const { raasTxnRef, reserveFundsTxnRef } = await reserve(serving);
      refs.set(name, reserveFundsTxnRef);
      refs.set(name.replace("REF", "ID"), raasTxnRef);
      if (name !== "REF1") continue;
      const result = { raasTxnRef, reserveFundsTxnRef, responseCode: "0000" };
      expect((await serving.post("/transactResult", result)).status).toBe(202);
    }
    const unknown = { raasTxnRef: "nobody-asked", responseCode: "0000" };
    expect((await serving.post("/transactResult", unknown)).status).toBe(404);
  }, 60_000);

  describe("beside a server", () => {
    each(AFTER);
  });

  test("what one asks for on one appliance another approves on the other", async () => {
    if (!canLogIn()) return;
    for (const dataDir of bank.dataDirs) {
      const file = join(dataDir, "config.toml");
      writeFileSync(file, `dual_control = ["money", "pins"]\n${readFileSync(file, "utf8")}`);
    }
    const [first, second] = bank.dataDirs;
    const words = "accounts credit 1001 1.00 --reason slip --yes".split(" ");
    const asked = await runAs(3001, words, { dataDir: first });
    expect([asked.exit, asked.out]).toEqual([7, expect.stringContaining("Approval 1")]);
    const own = await runAs(3001, ["approvals", "approve", "1", "--yes"], { dataDir: second });
    expect([own.exit, own.out]).toEqual([4, ""]);
    const approved = await runAs(3002, ["approvals", "approve", "1", "--yes"], { dataDir: second });
    expect([approved.exit, approved.err]).toEqual([0, expect.any(String)]);
    const { out } = await bank.run(0, "accounts show 1001 --json");
    expect(JSON.parse(out).ledgerBalanceMinor).toBe(480_100);
    await bank.run(0, "accounts set-pin 1001", "1234\n");
    const pin = { dataDir: first, stdin: "4321\n" };
    expect((await runAs(3001, ["accounts", "set-pin", "1001", "--yes"], pin)).exit).toBe(7);
    // A PIN that waits is in no table: only where it was asked for can it be approved.
    const elsewhere = await runAs(3002, ["approvals", "approve", "2", "--yes"], {
      dataDir: second,
    });
    expect([elsewhere.exit, elsewhere.err]).toEqual([4, expect.stringContaining("appliance")]);
    const here = await runAs(3002, ["approvals", "approve", "2", "--yes"], { dataDir: first });
    expect([here.exit, here.err]).toEqual([0, expect.any(String)]);
    expect((await bank.run(1, "verify")).exit).toBe(0);
  }, 60_000);

  test("join --dry-run checks everything and makes nothing", async () => {
    const third = join(bank.folder, "third");
    const journal = async () => (await bank.run(0, "journal list --json")).out;
    const before = await journal();
    const files = `--database-password-file ${bank.files.serving} --passphrase-file ${bank.files.passphrase}`;
    const line = `join ${bank.urls.serving} --keys ${join(bank.folder, "keys.age")} ${files}`;
    const tried = await bank.run(0, `${line} --data-dir ${third} --dry-run`);
    expect([tried.exit, tried.out]).toEqual([0, expect.stringContaining("dry run")]);
    expect([existsSync(third), await journal()]).toEqual([false, before]);
    const taken = await bank.run(0, `${line} --data-dir ${bank.dataDirs[1]} --dry-run`);
    expect([taken.exit, taken.err]).toEqual([1, expect.stringContaining("of a bank already")]);
  }, 60_000);

  test("a server that was stopped is started again by the other appliance", async () => {
    await serving.stop();
    serving = await startServer(bank.dataDirs[1], {});
    // The PIN that the other appliance was given asks for it here.
    expect(await reserve(serving)).toMatchObject({ responseCode: "2020" });
    expect(await reserve(serving, { authCode: "4321" })).toMatchObject({ responseCode: "0000" });
  }, 60_000);
});
