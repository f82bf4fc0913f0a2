// Nothing stays behind, however the tests end: a small shell waits for our end on a pipe, which the
// kernel closes even when we are killed, and then cleans up.

/** What it got from the terminal or from whoever ends us all must not end it before its work. */
const IGNORE_SIGNALS = "trap '' INT TERM HUP QUIT";

export type Keeper = {
  /** Cleans up now, and comes back when that is done. */
  cleanUp(): Promise<void>;
};

/** Starts a keeper: script is for sh and has the arguments as $1, $2 ... */
export function startKeeper(script: string, args: readonly string[]): Keeper {
  const lines = `${IGNORE_SIGNALS}\ncat >/dev/null\n${script}`;
  const child = Bun.spawn(["sh", "-c", lines, "keeper", ...args], {
    stdin: "pipe",
    stdout: "ignore",
    stderr: "ignore",
    cwd: "/",
  });
  // A run of tests ends without waiting for it.
  child.unref();
  return {
    async cleanUp() {
      await child.stdin.end();
      await child.exited;
    },
  };
}
