// Real PostgreSQL servers for the tests, on loopback or in a network namespace, in a temporary
// folder: primaries, and standbys that stream from them. They end with the process that started
// them, even when that is killed, and so does their folder.
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Keeper, startKeeper } from "./keeper.ts";
import {
  asServerUser,
  giveToServerUser,
  output,
  postgresProgram,
  postgresVersion,
  serverUserId,
} from "./programs.ts";
import { LOOPBACK, type Server, type ServerOptions, SUPERUSER, startServer } from "./server.ts";
import { until } from "./wait.ts";

const CACHE = join(import.meta.dir, "../../node_modules/.cache");

type Home = { readonly folder: string; readonly keeper: Keeper; servers: number };
let home: Home | null = null;
const servers = new Set<Server>();

/** Starts a server of its own. */
export async function startPrimary(options: ServerOptions = {}): Promise<Server> {
  const folder = newFolder();
  // cp keeps whose the files are, and shares their blocks where the disk can.
  await output(["cp", "-a", "--reflink=auto", await template(), join(folder, "data")]);
  return start(folder, options);
}

/** Starts a standby that streams from a server, under a name for synchronous_standby_names. */
export async function startStandby(
  primary: Server,
  { name, ...options }: ServerOptions & { readonly name: string },
): Promise<Server> {
  const folder = newFolder();
  const { inside } = options.place ?? LOOPBACK;
  const source = `host=${primary.address} port=${primary.port} user=${SUPERUSER}`;
  await output([
    ...[...inside, ...asServerUser(), postgresProgram("pg_basebackup")],
    ...["-D", join(folder, "data"), "-R", "-X", "stream", "--checkpoint=fast", "--no-sync"],
    ...["-d", `${source} application_name=${name}`],
  ]);
  const standby = await start(folder, options);
  await until(`${name} streams`, () => streams(primary, name));
  return standby;
}

/** Waits until a standby streams and commits of the server wait for it. */
export async function untilSynchronous(primary: Server, name: string): Promise<void> {
  const how = "sync_state in ('sync', 'quorum')";
  await until(`${name} is synchronous`, () => streams(primary, name, how));
}

/** Ends every server and removes their folder: for afterAll. */
export async function endPostgres(): Promise<void> {
  await Promise.all([...servers].map((server) => server.kill()));
  servers.clear();
  await home?.keeper.cleanUp();
  home = null;
}

async function streams(primary: Server, name: string, how = "true"): Promise<boolean> {
  const rows = `application_name = '${name}' and state = 'streaming' and ${how}`;
  return (await primary.sql(`select count(*) from pg_stat_replication where ${rows}`)) === "1";
}

async function start(folder: string, options: ServerOptions): Promise<Server> {
  const server = await startServer(folder, options);
  servers.add(server);
  return server;
}

/** A new folder for a server, below the one of this process. */
function newFolder(): string {
  home ??= newHome();
  home.servers += 1;
  const folder = join(home.folder, String(home.servers));
  mkdirSync(folder);
  giveToServerUser(folder);
  return folder;
}

function newHome(): Home {
  const folder = mkdtempSync(join(tmpdir(), "transact-bank-postgres-"));
  giveToServerUser(folder);
  // Servers that ended a moment before us may still be writing.
  const script = 'while [ -e "$1" ]; do rm -rf -- "$1" || sleep 0.1; done';
  return { folder, keeper: startKeeper(script, [folder]), servers: 0 };
}

/** A data folder as initdb leaves it, which takes a second: made once a version, then copied. */
async function template(): Promise<string> {
  const made = join(CACHE, `postgres-${await postgresVersion()}-${serverUserId()}`);
  if (existsSync(made)) return made;
  const fresh = join(newFolder(), "data");
  await output([
    ...[...asServerUser(), postgresProgram("initdb"), "-D", fresh, "-U", SUPERUSER, "--no-sync"],
    ...["--auth=trust", "--encoding=UTF8", "--locale=C", "--data-checksums"],
  ]);
  // It must be there whole or not at all, for other tests may start at this moment.
  mkdirSync(dirname(made), { recursive: true });
  const copy = `${made}.${process.pid}`;
  await output(["cp", "-a", fresh, copy]);
  try {
    renameSync(copy, made);
  } catch (error) {
    rmSync(copy, { recursive: true });
    if (!existsSync(made)) throw error;
  }
  return made;
}
