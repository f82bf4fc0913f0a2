// upgrade: brings a bank that an earlier version made to this one.
import type { Command } from "commander";
import { version } from "../package.json";
import { readConfig } from "../src/config.ts";
import { bytesText } from "../src/units.ts";
import { planUpgrade, type UpgradePlan, upgrade } from "../src/upgrade.ts";
import { facts, note } from "./output.ts";
import {
  type Answer,
  type CommonOptions,
  command,
  dataDirOf,
  printAnswer,
  typedAction,
} from "./session.ts";
import { whoIsIt } from "./who.ts";

type UpgradeOptions = CommonOptions & {
  readonly check?: true;
  readonly folder?: string;
  readonly keyFile?: string;
};

function planAnswer(plan: UpgradePlan): Answer {
  const { from, to, databaseBytes, freeBytes, backupFolder } = plan;
  const due = from < to;
  return {
    json: { due, fromSchema: from, toSchema: to, databaseBytes, freeBytes, backupFolder, version },
    text: () =>
      due
        ? [
            facts([
              ["The bank's tables", `version ${from}`],
              [`transact-bank ${version}`, `version ${to}`],
              ["Database", bytesText(databaseBytes)],
              ["Free on its disk", bytesText(freeBytes)],
              ["Backup goes to", backupFolder],
            ]),
            "",
            "An upgrade makes a verified backup, then migrates the tables in one commit.",
            "Until it is done nothing is served; going back is restoring that backup, which",
            "forgets what came after it. It needs twice as much room as the database has.",
          ].join("\n")
        : `Nothing to do: the bank's tables have version ${to}, this program's.`,
  };
}

export function register(program: Command): void {
  command(program, {
    form: "upgrade",
    summary: "Bring an older bank to this version, after a backup",
    kind: "read",
    examples: ["upgrade --check", "upgrade", "upgrade --folder /mnt/usb   # for the backup"],
  })
    .option("--check", "say what it would do, and change nothing")
    .option("--folder <folder>", "where the backup goes; config.toml's, or backups in the data dir")
    .option("--key-file <file>", "encrypt the backup to the age recipients in this file")
    .action(
      typedAction<[], UpgradeOptions>(async (_, options) => {
        const dataDir = dataDirOf(options);
        if (options.json !== true) note(`data dir: ${dataDir}`);
        const { folder, keyFile } = options;
        const source = { dataDir, config: readConfig(dataDir), folder, keyFile };
        const plan = planUpgrade(source);
        if (options.check === true || plan.from === plan.to) {
          printAnswer(planAnswer(plan), options);
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
