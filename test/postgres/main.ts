// What npm run postgres runs: a throw-away server, with a synchronous standby when asked for one.
import { parseArgs } from "node:util";
import { endPostgres, startPrimary, startStandby, untilSynchronous } from "./cluster.ts";
import { postgresMissing } from "./programs.ts";

const { values } = parseArgs({
  options: {
    database: { type: "string", default: "bank" },
    port: { type: "string" },
    standby: { type: "boolean", default: false },
  },
});

const why = postgresMissing();
if (why !== null) {
  console.error(`${why}. On Debian: apt-get install postgresql`);
  process.exit(1);
}
const asked = Promise.withResolvers<void>();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, asked.resolve);
try {
  console.log(await start());
  console.error("Running until Ctrl-C; then everything in it is gone.");
  await asked.promise;
} finally {
  await endPostgres();
}

async function start(): Promise<string> {
  const { database, port, standby } = values;
  const primary = await startPrimary(port === undefined ? {} : { port: Number(port) });
  const url = await primary.createDatabase(database);
  if (!standby) return url;
  const second = await startStandby(primary, { name: "standby1" });
  await primary.set("synchronous_standby_names", "standby1");
  await untilSynchronous(primary, "standby1");
  const at = (server: { address: string; port: number }) => `${server.address}:${server.port}`;
  return url.replace(at(primary), `${at(primary)},${at(second)}`);
}
