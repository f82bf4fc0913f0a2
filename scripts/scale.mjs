// npm run scale: how far several appliances on one PostgreSQL get, beside one on SQLite and pgbench.

import { bun, ensureInstalled, helpWhenAsked, root, run } from "./launcher.mjs";

const HELP = `
npm run scale [-- --rounds N --seconds N --connections N --accounts N]

Installs, builds and measures, in turns: one appliance on SQLite; one, two and three on a PostgreSQL of
their own with a synchronous standby, and without one; and pgbench, which calls functions in that
database that do the same writes. All on this machine, whose cores they share. Prints a table.
`;

const args = process.argv.slice(2);
helpWhenAsked(args, HELP);
await ensureInstalled();
process.exitCode =
  // pgbench's tables are filled by the peers' own client.
  (await run("npm", ["ci", "--no-audit", "--no-fund"], {
    stdin: "ignore",
    cwd: `${root}/scripts/bench/peers`,
  })) ||
  (await run(process.execPath, [`${root}/scripts/build.mjs`], { stdin: "ignore" })) ||
  (await run(bun, [`${root}/scripts/bench/scale.ts`, ...args], { stdin: "ignore" }));
