// init on a PostgreSQL: what it makes, and what it says where it cannot.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../cli/run.ts";
import { endPostgres } from "../postgres/cluster.ts";
import { skipsPostgres } from "../postgres/programs.ts";
import { type BankServer, OWNER, SERVING, startBankServer } from "../postgres/roles.ts";

const FLAGS =
  "--no-input --bank-code ACME --currency ZAR --country ZA --time-zone Africa/Johannesburg";

describe.skipIf(skipsPostgres())("init --database", () => {
  const folder = mkdtempSync(join(tmpdir(), "transact-bank-pginit-"));
  let bank: BankServer;
  let database: string;
  let used: string;

  beforeAll(async () => {
    bank = await startBankServer();
    database = await bank.newDatabase();
    used = await bank.newDatabase();
    writeFileSync(join(folder, "serving"), `${SERVING.password}\n`);
    writeFileSync(join(folder, "owner"), `${OWNER.password}\n`);
    expect((await init("used", shared(used))).err).toBe("");
  }, 60_000);
  afterAll(async () => {
    await endPostgres();
    rmSync(folder, { recursive: true });
  });

  const init = (name: string, more: readonly string[], stdin = "") =>
    run(["init", ...FLAGS.split(" "), "--data-dir", join(folder, name), ...more], { stdin });
  const serving = (name: string, role = SERVING.role) => [
    ...["--database", bank.url(role, name)],
    ...["--database-password-file", join(folder, "serving")],
  ];
  const owner = (name: string) => [
    ...["--database-owner", bank.url(OWNER.role, name)],
    ...["--database-owner-password-file", join(folder, "owner")],
  ];
  const shared = (name: string) => [...serving(name), ...owner(name)];

  type Refusal = readonly [what: string, more: () => Promise<string[]>, exit: number, says: string];
  const refusals: readonly Refusal[] = [
    [
      "nobody there",
      async () => ["--database", "postgres://transact_bank@127.0.0.1:9/bank"],
      1,
      "check --database, and that its servers run",
    ],
    [
      "no password",
      async () => ["--database", bank.url(SERVING.role, database)],
      1,
      "correct the password of the role transact_bank (--database-password-file)",
    ],
    [
      "another role's password",
      async () => [...serving(database), ...owner(database).slice(0, 2)],
      1,
      "(--database-owner-password-file)",
    ],
    [
      "no database",
      async () => serving("nowhere"),
      1,
      "CREATE DATABASE \"nowhere\" OWNER ... TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C'",
    ],
    ["no right to make tables", async () => serving(database), 1, "--database-owner"],
    [
      "two databases",
      async () => [...serving(database), ...owner(await bank.newDatabase())],
      1,
      "lead to two databases",
    ],
    [
      "another encoding",
      async () => shared(await bank.newDatabase(OWNER.role, "LATIN1")),
      1,
      "is in LATIN1 with collation C",
    ],
    ["a bank", async () => shared(used), 1, "holds a bank already"],
    [
      "a password in the address",
      async () => ["--database", `postgres://a:secret@127.0.0.1:${bank.server.port}/bank`],
      2,
      "without a password",
    ],
    [
      "two passwords on one pipe",
      async () => [
        ...["--database", bank.url(SERVING.role, database), "--database-password-file", "-"],
        ...["--database-owner-password-file", "-"],
      ],
      2,
      "cannot both read standard input",
    ],
    ["an owner alone", async () => owner(database), 2, "belongs to --database"],
    ["a demo", async () => ["--demo", ...shared(database)], 2, "leave --database out"],
  ];
  test.each(refusals)(
    "%s is refused, and nothing is made",
    async (_, more, exit, says) => {
      const ran = await init("refused", await more());
      expect([ran.exit, ran.err]).toEqual([exit, expect.stringContaining(says)]);
      for (const secret of [SERVING.password, OWNER.password, ":secret"]) {
        expect(ran.err).not.toContain(secret);
      }
      expect(existsSync(join(folder, "refused"))).toBe(false);
    },
    30_000,
  );

  test("a dry run makes nothing; then the bank is made, and commands open it", async () => {
    expect((await init("made", [...shared(database), "--dry-run"])).exit).toBe(0);
    expect(existsSync(join(folder, "made"))).toBe(false);
    const piped = [...serving(database).slice(0, 3), "-", ...owner(database)];
    const { exit, err } = await init("made", piped, `${SERVING.password}\n`);
    expect([exit, err]).toEqual([0, ""]);
    const dataDir = join(folder, "made");
    expect(readdirSync(dataDir).sort()).toEqual(["config.toml", "keys"]);
    const kept = readFileSync(join(dataDir, "keys", "database.password"), "utf8");
    expect(kept).toBe(`${SERVING.password}\n`);
    const status = await run(["status", "--json", "--data-dir", dataDir]);
    expect([status.exit, JSON.parse(status.out).bank]).toEqual([0, "ACME"]);
  }, 30_000);

  test("its folder takes no other bank", async () => {
    const other = await bank.newDatabase();
    for (const more of [[], shared(other)]) {
      const ran = await init("used", more);
      expect([ran.exit, ran.err]).toEqual([1, expect.stringContaining("is of a bank already")]);
    }
  }, 30_000);
});
