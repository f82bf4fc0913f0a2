// service: the program under systemd, as a user of its own, with everything locked away that a
// server of two endpoints and one folder does not need.
import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { backupFolder } from "../src/backup/create.ts";
import { readConfig } from "../src/config.ts";
import {
  assertSystemd,
  type Installed,
  install,
  installed,
  PROGRAM,
  ServiceRefused,
  UNIT_FILE,
  uninstall,
} from "../src/service.ts";
import {
  CREDENTIAL_SOURCES,
  type CredentialSource,
  SERVICE,
  SERVICE_DATA_DIR,
  type UnitOptions,
  UnitRefused,
  unitText,
} from "../src/service-unit.ts";
import { Failure } from "./failure.ts";
import { confirm } from "./prompt.ts";
import { type CommonOptions, command, group, withoutBank } from "./session.ts";

type ServiceOptions = CommonOptions & {
  readonly user?: string;
  readonly program?: string;
  readonly credentials?: CredentialSource;
};

/** The port and the backups' folder of a bank that can be read; else those of a new bank. */
function configured(dataDir: string): Pick<UnitOptions, "lowPort" | "writes"> {
  try {
    const config = readConfig(dataDir);
    const backups = backupFolder({ dataDir, config });
    return {
      lowPort: config.port > 0 && config.port < 1024,
      writes: backups.startsWith(`${dataDir}/`) ? [] : [backups],
    };
  } catch {
    return { lowPort: false, writes: [] };
  }
}

/** What the options say; what they do not is as it was installed, or as it is by default. */
function unitOptions(given: ServiceOptions, before: Partial<UnitOptions>): UnitOptions {
  const dataDir = resolve(given.dataDir ?? before.dataDir ?? SERVICE_DATA_DIR);
  return {
    user: given.user ?? before.user ?? SERVICE,
    program: resolve(given.program ?? before.program ?? PROGRAM),
    credentials: given.credentials ?? before.credentials ?? "none",
    dataDir,
    ...configured(dataDir),
  };
}

/** Turns what cannot be done here into an exit; all else is an error as ever. */
function orRefused<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    const refused = error instanceof ServiceRefused || error instanceof UnitRefused;
    throw refused ? new Failure("refused", error.message) : error;
  }
}

/** This program's own file; the sources have none that a service could run. */
function runningProgram(): string {
  if (process.env.TRANSACT_BANK_COMMIT === undefined) {
    throw new Failure("refused", "this runs from its sources: build the program (npm run build)");
  }
  return realpathSync(process.execPath);
}

function installedText(done: Installed, { dataDir, user, program }: UnitOptions): string {
  const as = `sudo -u ${user} ${SERVICE}`;
  const next = done.hasBank
    ? [
        `sudo systemctl ${done.running ? "restart" : "start"} ${SERVICE}`,
        `systemctl status ${SERVICE}`,
        `${as} doctor --data-dir ${dataDir}`,
      ]
    : [
        `${as} init --data-dir ${dataDir}`,
        `sudo systemctl start ${SERVICE}`,
        `${as} doctor --data-dir ${dataDir}`,
      ];
  if (done.foreignOwner !== null) {
    next.unshift(`sudo chown -R ${user}: ${dataDir}    # it is user ${done.foreignOwner}'s`);
  }
  return [
    `The unit is ${done.unitChanged ? "written" : "as it was"}; the service starts with the machine:`,
    `  ${UNIT_FILE}`,
    ...(done.programCopied
      ? ["The program is copied to where it is run from:", `  ${program}`]
      : []),
    "",
    "Next:",
    ...next.map((line) => `  ${line}`),
  ].join("\n");
}

function options(command: Command): Command {
  return command
    .option("--user <name>", `who the service runs as, made where missing (default: ${SERVICE})`)
    .option("--program <file>", `where the program stands (default: ${PROGRAM})`)
    .addOption(
      new Option(
        "--credentials <source>",
        "keys as systemd's credentials, of /etc/credstore.encrypted or /etc/credstore",
      ).choices(CREDENTIAL_SOURCES),
    );
}

function registerInstall(service: Command): void {
  const install_ = command(service, {
    form: "install",
    summary: "Install the service, its user and its empty data dir, or bring it up to date",
    kind: "make",
    examples: ["service install", "service install --yes --credentials encrypted"],
  });
  options(install_).action(
    withoutBank<ServiceOptions>(async (given) => {
      const wanted = unitOptions(given, installed());
      const running = runningProgram();
      // What cannot be installed is said before anybody is asked.
      orRefused(() => {
        unitText(wanted);
        assertSystemd();
      });
      const { yes = false, json = false } = given;
      const copied = running === wanted.program ? "" : `, copy ${running} to ${wanted.program}`;
      const { dataDir, user } = wanted;
      if (given.dryRun === true) {
        return {
          json: { unit: UNIT_FILE, user, dataDir },
          text: () => `Install ${UNIT_FILE} for ${dataDir}${copied}; service print shows the unit.`,
        };
      }
      await confirm({ yes, json }, `Install ${UNIT_FILE} for ${wanted.dataDir}${copied}?`);
      const done = orRefused(() => install(wanted, running));
      return {
        json: { unit: UNIT_FILE, user, dataDir, ...done },
        text: () => installedText(done, wanted),
      };
    }),
  );
}

function registerUninstall(service: Command): void {
  command(service, {
    form: "uninstall",
    summary: "Stop the service and remove its unit; every bank, user and program stays",
    kind: "make",
    examples: ["service uninstall", "service uninstall --yes"],
  }).action(
    withoutBank(async ({ yes = false, json = false, dryRun = false }) => {
      orRefused(assertSystemd);
      if (dryRun) {
        return {
          json: { unit: UNIT_FILE },
          text: () => `Stop ${SERVICE} and remove ${UNIT_FILE}.`,
        };
      }
      await confirm({ yes, json }, `Stop ${SERVICE}, sell nothing, and remove ${UNIT_FILE}?`);
      const removed = orRefused(uninstall);
      return {
        json: { unit: UNIT_FILE, removed },
        text: () =>
          removed
            ? `${UNIT_FILE} is removed. The data dir, its user and ${PROGRAM} are as they were.`
            : `There was no ${UNIT_FILE}.`,
      };
    }),
  );
}

function registerPrint(service: Command): void {
  const print = command(service, {
    form: "print",
    summary: "Print the unit that install writes",
    kind: "read",
    examples: ["service print", "service print --data-dir /srv/bank --user bank"],
  });
  options(print).action(
    withoutBank<ServiceOptions>((given) => {
      const unit = orRefused(() => unitText(unitOptions(given, {})));
      return { json: { unit }, text: () => unit.trimEnd() };
    }),
  );
}

export function register(program: Command): void {
  const service = group(program, "service", "Run the server as a service of systemd");
  registerInstall(service);
  registerUninstall(service);
  registerPrint(service);
}
