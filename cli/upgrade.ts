// upgrade: brings a bank that an earlier version made to this one.
import type { Command } from "commander";
import { version } from "../package.json";
import { openBank, type SharedDatabase, sharedDatabaseOf } from "../src/bank.ts";
import { readConfig } from "../src/config.ts";
import { type Versions, versionsOf } from "../src/storage/postgres/migrate.ts";
import { onDatabase, placeOf } from "../src/storage/postgres/reach.ts";
import { upgradeShared as migrateShared } from "../src/storage/postgres/upgrade.ts";
import { bytesText } from "../src/units.ts";
import { planUpgrade, type UpgradePlan, upgrade } from "../src/upgrade.ts";
import {
  addOwnerOptions,
  type DatabaseOptions,
  OWNER_OPTIONS,
  ownerOf,
} from "./database-options.ts";
import { facts, note } from "./output.ts";
import { canAsk } from "./prompt.ts";
import {
  type Answer,
  type CommonOptions,
  command,
  dataDirOf,
  printAnswer,
  typedAction,
  unwrap,
} from "./session.ts";
import { whoIsIt } from "./who.ts";

type UpgradeOptions = CommonOptions &
  DatabaseOptions & {
    readonly check?: true;
    readonly folder?: string;
    readonly keyFile?: string;
  };

/** Null where PostgreSQL's own tools make the backup. */
type Figures = {
  readonly [Figure in keyof Omit<UpgradePlan, "from" | "to">]: UpgradePlan[Figure] | null;
};

/** What an upgrade would do; `figures` and `rows` are of what an engine needs for it. */
function planAnswer(
  { from, to }: Versions,
  figures: Figures,
  rows: readonly (readonly [string, string])[],
  advice: readonly string[],
): Answer {
  const due = from < to;
  const { databaseBytes, freeBytes, backupFolder } = figures;
  return {
    json: { due, fromSchema: from, toSchema: to, databaseBytes, freeBytes, backupFolder, version },
    text: () =>
      due
        ? [
            facts([
              ["The bank's tables", `version ${from}`],
              [`transact-bank ${version}`, `version ${to}`],
              ...rows,
            ]),
            "",
            ...advice,
          ].join("\n")
        : `Nothing to do: the bank's tables have version ${to}, this program's.`,
  };
}

function ownPlan(plan: UpgradePlan): Answer {
  const rows = [
    ["Database", bytesText(plan.databaseBytes)],
    ["Free on its disk", bytesText(plan.freeBytes)],
    ["Backup goes to", plan.backupFolder],
  ] as const;
  return planAnswer(plan, plan, rows, [
    "An upgrade makes a verified backup, then migrates the tables in one commit.",
    "Until it is done nothing is served; going back is restoring that backup, which",
    "forgets what came after it. It needs twice as much room as the database has.",
  ]);
}

function sharedPlan(versions: Versions): Answer {
  const none = { databaseBytes: null, freeBytes: null, backupFolder: null };
  return planAnswer(
    versions,
    none,
    [],
    [
      "Make a backup of the PostgreSQL (docs/cluster/README.md), stop the servers of every",
      "appliance, then migrate the tables in one commit, on one appliance:",
      "  transact-bank upgrade --database-owner URL",
    ],
  );
}

/** The tables of a shared database are changed as their owner, who is not known to any server. */
async function upgradeShared(dataDir: string, url: string, options: UpgradeOptions) {
  const serving = sharedDatabaseOf(dataDir, readConfig(dataDir)) as SharedDatabase;
  const { from, to } = onDatabase(placeOf(serving), (db) => versionsOf(db));
  if (options.check === true || from === to) return sharedPlan({ from, to });
  const { password } = serving.database;
  const asking = canAsk({ json: options.json === true });
  const owner = await ownerOf(options, { url, password }, asking);
  const place = { ...owner, name: "transact-bank upgrade", ...OWNER_OPTIONS };
  migrateShared(place, serving.database.address.user);
  const opened = openBank(dataDir);
  try {
    unwrap(opened.store.recordAct(whoIsIt(null), "upgrade", JSON.stringify({ from, to })));
  } finally {
    opened.close();
  }
  const answer: Answer = {
    json: { upgraded: true, fromSchema: from, toSchema: to, backup: null },
    text: () =>
      `Upgraded: the bank's tables were version ${from} and are version ${to} now.\n` +
      "Start the servers of this version again, one appliance after the other.",
  };
  return answer;
}

export function register(program: Command): void {
  const upgrading = command(program, {
    form: "upgrade",
    summary: "Bring an older bank to this version, after a backup",
    kind: "read",
    examples: [
      "upgrade --check",
      "upgrade",
      "upgrade --folder /mnt/usb   # for the backup",
      "upgrade --database-owner postgres://transact_bank_owner@db1,db2/bank " +
        "--database-owner-password-file ./owner-password   # a shared PostgreSQL",
    ],
  });
  addOwnerOptions(upgrading)
    .option("--check", "say what it would do, and change nothing")
    .option("--folder <folder>", "where the backup goes; config.toml's, or backups in the data dir")
    .option("--key-file <file>", "encrypt the backup to the age recipients in this file")
    .action(
      typedAction<[], UpgradeOptions>(async (_, options) => {
        const dataDir = dataDirOf(options);
        if (options.json !== true) note(`data dir: ${dataDir}`);
        const config = readConfig(dataDir);
        if (config.database !== undefined) {
          printAnswer(await upgradeShared(dataDir, config.database, options), options);
          return;
        }
        const { folder, keyFile } = options;
        const source = { dataDir, config, folder, keyFile };
        const plan = planUpgrade(source);
        if (options.check === true || plan.from === plan.to) {
          printAnswer(ownPlan(plan), options);
          return;
        }
        const backup = await upgrade(source, whoIsIt(null));
        const { from, to } = plan;
        const answer: Answer = {
          json: { upgraded: true, fromSchema: from, toSchema: to, backup: backup?.file ?? null },
          text: () =>
            [
              `Upgraded: the bank's tables were version ${from} and are version ${to} now.`,
              "The way back, which forgets what comes from now on, is to restore this backup",
              "with the earlier program (docs/upgrade.md):",
              `  ${backup?.file ?? ""}`,
            ].join("\n"),
        };
        printAnswer(answer, options);
      }),
    );
}
