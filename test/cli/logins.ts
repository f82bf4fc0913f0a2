// Commands under the login uids of several people, as the kernel keeps them: a process that has none
// yet may set its own, which is what a login does; one that has one may only as root.
import { program, type Ran } from "./run.ts";

const SET = 'echo "$0" > /proc/self/loginuid && exec "$@"';

/** False where this system lets no test log in, which is said and must end the test. */
export function canLogIn(): boolean {
  const tried = Bun.spawnSync(["sh", "-c", SET, "1000", "true"], { stderr: "ignore" });
  if (tried.exitCode === 0) return true;
  if (process.env["CI"] === "true") throw new Error("no test can set /proc/self/loginuid here");
  console.error("NOT CHECKED: dual control between logins, for /proc/self/loginuid cannot be set");
  return false;
}

type Start = {
  readonly dataDir: string;
  readonly stdin?: string;
  readonly env?: Record<string, string>;
};

/** Starts the program as whoever logged in with a uid. */
export function startAs(
  uid: number,
  args: readonly string[],
  { dataDir, stdin = "", env = {} }: Start,
) {
  return Bun.spawn(["sh", "-c", SET, String(uid), ...program, ...args], {
    stdin: new Blob([stdin]),
    stdout: "pipe",
    stderr: "pipe",
    env: { PATH: process.env["PATH"] ?? "", TRANSACT_BANK_DATA_DIR: dataDir, ...env },
  });
}

/** Runs it to its end. */
export async function runAs(...start: Parameters<typeof startAs>): Promise<Ran> {
  const child = startAs(...start);
  const [out, err, exit] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { exit, out, err };
}
