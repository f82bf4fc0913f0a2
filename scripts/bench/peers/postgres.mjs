// Starts a private PostgreSQL from Debian's package, with the durability that a bank needs.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { delimiter, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const DEBIAN = "/usr/lib/postgresql";
const USER = "postgres";
const LONGEST_SOCKET_PATH = 107;
const START_MS = 60_000;

const SETTINGS = {
  fsync: "on",
  synchronous_commit: "on",
  full_page_writes: "on",
  shared_buffers: "1GB",
  max_wal_size: "8GB",
  checkpoint_timeout: "15min",
  max_connections: "200",
};

/** The folder of PostgreSQL's programs: Debian's newest, or the one on the PATH. */
export function findPostgres() {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN) : [];
  const newestFirst = versions.sort((a, b) => Number(b) - Number(a));
  const folders = [
    ...newestFirst.map((version) => join(DEBIAN, version, "bin")),
    ...(process.env.PATH ?? "").split(delimiter),
  ];
  const found = folders.find((folder) => existsSync(join(folder, "initdb")));
  if (found === undefined) throw new Error("PostgreSQL is missing: apt-get install postgresql");
  return found;
}

/** PostgreSQL refuses to run as root. setpriv becomes the program, so its pid is the server's. */
function unprivileged(command, args) {
  if (process.getuid() !== 0) return [command, args];
  return ["setpriv", [`--reuid=${USER}`, `--regid=${USER}`, "--init-groups", command, ...args]];
}

function run(command, args) {
  const [program, all] = unprivileged(command, args);
  // Nothing of ours, such as PGPORT, may reach it; and it must find its own messages in English.
  const env = { PATH: process.env.PATH, LC_ALL: "C" };
  return spawnSync(program, all, { encoding: "utf8", env });
}

function idOfUser(flag) {
  const { status, stdout } = spawnSync("id", [flag, USER], { encoding: "utf8" });
  if (status !== 0) throw new Error(`the user ${USER} is missing; Debian's package makes it`);
  return Number(stdout);
}

function makeCluster(bin, dir) {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  if (process.getuid() === 0) chownSync(dir, idOfUser("-u"), idOfUser("-g"));
  if (existsSync(join(dir, "PG_VERSION"))) return;
  const flags = ["--auth=trust", `--username=${USER}`, "--encoding=UTF8", "--locale=C"];
  const { status, stderr } = run(join(bin, "initdb"), ["-D", dir, ...flags]);
  if (status !== 0) throw new Error(`initdb failed (may ${USER} enter the folder?): ${stderr}`);
}

/** PostgreSQL takes no port 0, so the system is asked for a free one first. */
async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** The dynamic linker only warns of a library that it cannot load, and the run would be wrong. */
function assertPreloaded(pid, library) {
  if (library === undefined) return;
  const maps = readFileSync(`/proc/${pid}/maps`, "utf8");
  const missing = library.split(/[ :]/).filter((name) => name !== "" && !maps.includes(name));
  if (missing.length > 0) throw new Error(`PostgreSQL could not load ${missing.join(", ")}`);
}

async function untilReady(bin, { host, port, child, log }) {
  const until = Date.now() + START_MS;
  while (run(join(bin, "pg_isready"), ["-q", "-h", host, "-p", String(port)]).status !== 0) {
    if (child.exitCode !== null || child.signalCode !== null || Date.now() > until) {
      throw new Error(`PostgreSQL did not start:\n${readFileSync(log, "utf8").slice(-2_000)}`);
    }
    await sleep(100);
  }
}

/**
 * Starts a server on a data dir, which is made where it is missing.
 * Takes an absolute or relative `dir` that the user postgres can reach, and `env`, such as an
 * LD_PRELOAD (a file which that user can read) that slows the flushes down. Gives a `url` for
 * node-postgres and libpq, `host` (the socket's folder, or an address where the path is too long
 * for a socket) and `port` for pgbench, the `pid`, and `stop`, which ends it in order.
 */
export async function startPostgres(dir, { env = {} } = {}) {
  const bin = findPostgres();
  const dataDir = resolve(dir);
  makeCluster(bin, dataDir);
  const port = await freePort();
  const fits = join(dataDir, `.s.PGSQL.${port}`).length <= LONGEST_SOCKET_PATH;
  const host = fits ? dataDir : "127.0.0.1";

  const settings = Object.entries({
    ...SETTINGS,
    port,
    listen_addresses: "127.0.0.1",
    unix_socket_directories: fits ? dataDir : "",
  }).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const log = join(dataDir, "server.log");
  const output = openSync(log, "a");
  const child = spawn(...unprivileged(join(bin, "postgres"), ["-D", dataDir, ...settings]), {
    env: { PATH: process.env.PATH, LC_ALL: "C", ...env },
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  const ended = once(child, "exit");

  // SIGINT is PostgreSQL's fast shutdown: clients are cut off, what is committed is kept.
  const interrupt = () => child.kill("SIGINT");
  process.once("exit", interrupt);
  const stop = async () => {
    process.off("exit", interrupt);
    interrupt();
    await ended;
  };
  try {
    await untilReady(bin, { host, port, child, log });
    assertPreloaded(child.pid, env.LD_PRELOAD);
  } catch (error) {
    await stop();
    throw error;
  }
  const query = fits ? `?host=${encodeURIComponent(dataDir)}` : "";
  const url = `postgres://${USER}@127.0.0.1:${port}/postgres${query}`;
  return { url, host, port, pid: child.pid, stop };
}
