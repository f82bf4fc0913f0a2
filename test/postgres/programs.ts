// PostgreSQL's own programs as Debian packs them: where they are, and as whom they may run.
import { chownSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { notChecked } from "../tools.ts";

const DEBIANS = "/usr/lib/postgresql";
const OLDEST_MAJOR = 15;
/** PostgreSQL refuses to run as root; Debian's package makes this user. */
const SERVER_USER = "postgres";

const isRoot = process.getuid?.() === 0;

/** Why no PostgreSQL can be started here, or null when one can. */
export function postgresMissing(): string | null {
  if (newestFolder() === null) return `PostgreSQL ${OLDEST_MAJOR} or newer is not installed`;
  if (Bun.which("setpriv") === null) return "setpriv is not installed";
  if (isRoot && serverIds() === null) return `there is no user ${SERVER_USER} to run it as`;
  return null;
}

/**
 * True where PostgreSQL is missing, for describe.skipIf: said once a run, whatever number of test
 * files ask. Where the tests must find everything (.ci/run), it throws instead.
 */
export function skipsPostgres(): boolean {
  const why = postgresMissing();
  if (why !== null) notChecked("what needs a PostgreSQL server", why);
  return why !== null;
}

/** The path of a program of the newest PostgreSQL; throws where there is none. */
export function postgresProgram(name: string): string {
  const folder = newestFolder();
  if (folder === null) throw new Error(postgresMissing() ?? "");
  return join(folder, name);
}

function newestFolder(): string | null {
  if (!existsSync(DEBIANS)) return null;
  const majors = readdirSync(DEBIANS)
    .map(Number)
    .filter((major) => major >= OLDEST_MAJOR)
    .filter((major) => existsSync(join(DEBIANS, String(major), "bin", "postgres")))
    .sort((a, b) => b - a);
  return majors[0] === undefined ? null : join(DEBIANS, String(majors[0]), "bin");
}

/** Words to put before a command that must not run as root; none when we are not. */
export function asServerUser(): string[] {
  if (!isRoot) return ["setpriv"];
  return ["setpriv", `--reuid=${SERVER_USER}`, `--regid=${SERVER_USER}`, "--init-groups"];
}

/** Gives a folder to whom PostgreSQL runs as. */
export function giveToServerUser(folder: string): void {
  const ids = isRoot ? serverIds() : null;
  if (ids !== null) chownSync(folder, ids.uid, ids.gid);
}

/** As whom it runs, for names of what belongs to that user alone. */
export function serverUserId(): number {
  return (isRoot ? serverIds()?.uid : process.getuid?.()) ?? 0;
}

function serverIds(): { uid: number; gid: number } | null {
  const { exitCode, stdout } = Bun.spawnSync(["getent", "passwd", SERVER_USER]);
  if (exitCode !== 0) return null;
  const [, , uid, gid] = stdout.toString().split(":");
  return { uid: Number(uid), gid: Number(gid) };
}

/** A clean environment: settings of whoever runs the tests must not reach a server or psql. */
export const CLEAN_ENV = { PATH: process.env["PATH"] ?? "", LC_ALL: "C", PGCONNECT_TIMEOUT: "5" };

/** Runs a program and gives what it printed, without the last line end; throws when it fails. */
export async function output(command: readonly string[], cwd = "/"): Promise<string> {
  const child = Bun.spawn([...command], {
    env: CLEAN_ENV,
    cwd,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const read = [new Response(child.stdout).text(), new Response(child.stderr).text()] as const;
  const [out, err] = await Promise.all(read);
  if ((await child.exited) === 0) return out.replace(/\n$/, "");
  throw new Error(`${command.join(" ")} failed: ${err.trim() || `exit code ${child.exitCode}`}`);
}

/** The full version, "15.18". */
export async function postgresVersion(): Promise<string> {
  const said = await output([postgresProgram("postgres"), "--version"]);
  return /\d+(\.\d+)?/.exec(said)?.[0] ?? said;
}

/** Whether a process is there; one that is dead and only not yet waited for is not. */
export function isAlive(pid: number): boolean {
  try {
    // "12 (name) Z ...", where the name may hold anything.
    return !/^.*\) [ZX] /s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
