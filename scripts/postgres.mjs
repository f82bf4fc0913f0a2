// npm run postgres: a throw-away PostgreSQL to develop against.

import { join } from "node:path";
import { parseArgs } from "node:util";
import { bun, ensureInstalled, helpWhenAsked, root, run, stop } from "./launcher.mjs";

const HELP = `
npm run postgres [-- OPTIONS]

Starts a PostgreSQL server in a temporary folder on loopback, prints the URL of an empty database on
standard output, and runs until Ctrl-C or SIGTERM; then nothing of it is left. Nobody is asked for a
password. It needs Debian's package postgresql (15 or newer) and may be run as root.

  --standby         with a second server that every commit waits for; both are in the URL
  --database NAME   the name of the database (default: bank)
  --port N          the port of the first server (default: any free one)
`;

const args = process.argv.slice(2);
helpWhenAsked(args, HELP);
check(args);
await ensureInstalled();
const main = join(root, "test", "postgres", "main.ts");
process.exitCode = await run(bun, [main, ...args], { stdin: "ignore" });

function check(args) {
  try {
    const options = {
      database: { type: "string" },
      port: { type: "string" },
      standby: { type: "boolean" },
    };
    const { port, database } = parseArgs({ args, options, allowPositionals: false }).values;
    if (port !== undefined && !/^[1-9]\d{3,4}$/.test(port)) stop("--port takes 1000 to 65535.");
    if (database !== undefined && !/^[a-z][a-z0-9_]{0,62}$/.test(database)) {
      stop("--database takes small letters, digits and _, and starts with a letter.");
    }
  } catch (error) {
    stop(`${error.message}. See npm run postgres -- --help`);
  }
}
