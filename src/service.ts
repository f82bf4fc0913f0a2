// Puts the program under systemd and takes it away again. Nothing of a bank is moved, changed or
// deleted here: only the program, the unit, the user and an empty folder.
import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  lchownSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { isDataDir } from "./bank.ts";
import { strangersPart, syncFile, syncFolder } from "./files.ts";
import { readUnit, SERVICE, type UnitOptions, unitText } from "./service-unit.ts";

export const UNIT_FILE = `/etc/systemd/system/${SERVICE}.service`;
export const PROGRAM = `/usr/local/bin/${SERVICE}`;

/** The service cannot be installed or removed here; the message says what to do instead. */
export class ServiceRefused extends Error {}

function run(command: readonly string[]): void {
  const { exitCode, stderr } = Bun.spawnSync([...command], { stdout: "ignore" });
  if (exitCode === 0) return;
  const why = stderr.toString().trim().split("\n").at(-1) ?? "";
  throw new ServiceRefused(`${command.join(" ")} failed: ${why}`);
}

/** What the installed unit was made of; nothing where none is. */
export function installed(): Partial<UnitOptions> {
  try {
    return readUnit(readFileSync(UNIT_FILE, "utf8"));
  } catch {
    return {};
  }
}

/** Refuses where a unit could be neither written nor started. */
export function assertSystemd(): void {
  if (!existsSync("/run/systemd/system")) {
    throw new ServiceRefused(
      "systemd does not run this machine: give the command line of ExecStart in " +
        `"${SERVICE} service print" to what does, as a user of its own`,
    );
  }
  if (process.geteuid?.() !== 0) {
    throw new ServiceRefused("only root can do that: put sudo before the same command");
  }
}

/** True where a file holds exactly this. */
const holds = (file: string, content: Uint8Array | string): boolean =>
  existsSync(file) && readFileSync(file).equals(Buffer.from(content));

/** Puts a file in its place whole, for everybody to read; `write` makes a new one. */
function place(file: string, mode: number, write: (unfinished: string) => void): void {
  const unfinished = `${file}.new`;
  rmSync(unfinished, { force: true });
  write(unfinished);
  chmodSync(unfinished, mode);
  syncFile(unfinished);
  renameSync(unfinished, file);
  syncFolder(dirname(file));
}

/** Whoever can exchange the program has what the service has: the money. */
function assertNobodyElses(program: string): void {
  const theirs = strangersPart(dirname(program), process.geteuid?.() ?? 0);
  if (theirs === null) return;
  throw new ServiceRefused(
    `${theirs} is another user's or open to all, who could exchange the program in it: name ` +
      "another --program",
  );
}

/** Copies the running program to where services expect it; false where it is there. */
export function placeProgram(running: string, program: string): boolean {
  assertNobodyElses(program);
  if (running === program || holds(program, readFileSync(running))) return false;
  place(program, 0o755, (unfinished) => copyFileSync(running, unfinished, constants.COPYFILE_EXCL));
  return true;
}

/** A user for the service alone, who cannot log in; one that is there stays as it is. */
function makeUser({ user, dataDir }: UnitOptions): { uid: number; gid: number } {
  run(["systemd-sysusers", "--inline", `u ${user} - "${SERVICE}" ${dataDir}`]);
  const ask = (flag: string) => Number(Bun.spawnSync(["id", flag, user]).stdout.toString().trim());
  const [uid, gid] = [ask("-u"), ask("-g")];
  if (!uid) throw new ServiceRefused(`the user ${user} could not be made, or is root`);
  return { uid, gid };
}

/** Makes the data dir where there is none; gives whose it is. */
function makeDataDir(dataDir: string, { uid, gid }: { uid: number; gid: number }): number {
  if (!existsSync(dataDir)) {
    mkdirSync(dirname(dataDir), { recursive: true, mode: 0o755 });
    mkdirSync(dataDir, { mode: 0o700 });
    lchownSync(dataDir, uid, gid);
  }
  return statSync(dataDir).uid;
}

export type Installed = {
  readonly programCopied: boolean;
  readonly unitChanged: boolean;
  /** False where the data dir holds no bank yet. */
  readonly hasBank: boolean;
  /** Who the data dir belongs to, where that is not the service's user. */
  readonly foreignOwner: number | null;
  readonly running: boolean;
};

/** Installs, or brings what is installed up to date: a second time changes nothing. */
export function install(options: UnitOptions, running: string): Installed {
  const text = unitText(options);
  const programCopied = placeProgram(running, options.program);
  const user = makeUser(options);
  const { dataDir } = options;
  const owner = makeDataDir(dataDir, user);
  const unitChanged = !holds(UNIT_FILE, text);
  if (unitChanged)
    place(UNIT_FILE, 0o644, (unfinished) => writeFileSync(unfinished, text, { flag: "wx" }));
  run(["systemctl", "daemon-reload"]);
  run(["systemctl", "enable", SERVICE]);
  return {
    programCopied,
    unitChanged,
    hasBank: isDataDir(dataDir),
    foreignOwner: owner === user.uid ? null : owner,
    running: isRunning(),
  };
}

const isRunning = (): boolean =>
  Bun.spawnSync(["systemctl", "is-active", "--quiet", SERVICE]).exitCode === 0;

/** Stops it and takes the unit away. The program, the user and every bank stay. */
export function uninstall(): boolean {
  if (!existsSync(UNIT_FILE)) return false;
  run(["systemctl", "disable", "--now", SERVICE]);
  rmSync(UNIT_FILE);
  syncFolder(dirname(UNIT_FILE));
  run(["systemctl", "daemon-reload"]);
  return true;
}
