// One PostgreSQL server: its process, and what a test does to it.
import { appendFileSync, closeSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { asServerUser, CLEAN_ENV, isAlive, output, postgresProgram } from "./programs.ts";
import { until } from "./wait.ts";

export const SUPERUSER = "postgres";

/** A fast shutdown waits for what a test may just have cut off. */
const STOP_MS = 10_000;

/**
 * fsync stays on, as PostgreSQL has it by itself: what makes a commit durable, what waits for it
 * and what shares that wait is the very thing under test, and it costs a few seconds in all.
 * The rest makes a small server that is quick to start and whose standbys are quick to return.
 */
const SETTINGS = {
  fsync: "on",
  shared_buffers: "16MB",
  max_connections: "60",
  unix_socket_directories: "",
  // Segments in files of the data folder: those of POSIX would outlive a killed server.
  dynamic_shared_memory_type: "mmap",
  wal_keep_size: "128MB",
  wal_retrieve_retry_interval: "100ms",
  wal_receiver_status_interval: "1s",
  log_line_prefix: "%m [%p] %a ",
};

/** Where a server listens, and words to put before a command that is to run there. */
export type Place = { readonly address: string; readonly inside: readonly string[] };

export const LOOPBACK: Place = { address: "127.0.0.1", inside: [] };

export type ServerOptions = {
  /** More settings for postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Loopback when not given, or a host of namespaces.ts. */
  readonly place?: Place;
  /** Any free one when not given. */
  readonly port?: number;
};

export type Server = {
  /** Of the superuser, to the database `postgres`; nobody is asked for a password. */
  readonly url: string;
  readonly address: string;
  readonly port: number;
  /** Runs statements with psql as the superuser; gives the rows, columns parted by "|". */
  sql(statements: string, database?: string): Promise<string>;
  /** Changes a setting by ALTER SYSTEM and waits until it is in force. */
  set(name: string, value: string): Promise<void>;
  /** Makes a database and gives its URL. */
  createDatabase(name: string): Promise<string>;
  /** Makes a standby a primary; when this returns, it takes writes. */
  promote(): Promise<void>;
  /** Ends it in order: it ends its connections and hands the last of its log to its standbys. */
  stop(): Promise<void>;
  /** Starts it on the same port and folder, after stop() or kill(). */
  start(): Promise<void>;
  restart(): Promise<void>;
  /**
   * SIGKILL to all its processes at once, as if the machine were lost; but this kernel lives, so
   * its clients see their connections end. For silence: freeze(), or namespaces.ts.
   */
  kill(): Promise<void>;
  /** Halts all its processes: connections stay, and nothing answers. */
  freeze(): void;
  thaw(): void;
  /** What it logged so far. */
  log(): string;
};

type Settings = {
  readonly folder: string;
  readonly place: Place;
  readonly port: number;
};

/** Starts a server on the data folder that is below this folder. */
export async function startServer(folder: string, options: ServerOptions): Promise<Server> {
  const { settings = {}, place = LOOPBACK, port = await freePort() } = options;
  configure(folder, { ...SETTINGS, ...settings });
  admit(folder, place);
  const server = serverOf({ folder, place, port });
  await server.start();
  return server;
}

function configure(folder: string, settings: Readonly<Record<string, string>>): void {
  const lines = Object.entries(settings).map(
    ([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`,
  );
  appendFileSync(join(folder, "data", "postgresql.conf"), lines.join(""));
}

/** initdb lets in who comes from loopback; on a host of ours, its neighbours are to come in too. */
function admit(folder: string, place: Place): void {
  if (place === LOOPBACK) return;
  const lines = ["all", "replication"].map((what) => `host ${what} all samenet trust\n`);
  appendFileSync(join(folder, "data", "pg_hba.conf"), lines.join(""));
}

function serverOf({ folder, place, port }: Settings): Server {
  const { address } = place;
  const urlOf = (database: string) => `postgres://${SUPERUSER}@${address}:${port}/${database}`;
  let postmaster: Postmaster | null = null;
  const there = (): Postmaster => {
    if (postmaster === null) throw new Error(`The server on port ${port} does not run`);
    return postmaster;
  };
  const sql = (statements: string, database = SUPERUSER): Promise<string> =>
    output([
      ...[...place.inside, postgresProgram("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1"],
      ...["-h", address, "-p", String(port), "-U", SUPERUSER, "-d", database, "-c", statements],
    ]);
  const server: Server = {
    url: urlOf(SUPERUSER),
    address,
    port,
    sql,
    async set(name, value) {
      await sql(`alter system set ${name} = '${value.replaceAll("'", "''")}'`);
      await reload(sql);
    },
    async createDatabase(name) {
      await sql(`create database "${name}"`);
      return urlOf(name);
    },
    async promote() {
      const done = await sql("select pg_promote(wait_seconds => 20)");
      if (done !== "t") throw new Error(`The server on port ${port} was not promoted`);
    },
    async start() {
      if (postmaster !== null) throw new Error(`The server on port ${port} runs already`);
      postmaster = await startPostmaster({ folder, place, port });
    },
    async stop() {
      const ending = there();
      postmaster = null;
      await ending.stop();
    },
    async restart() {
      await server.stop();
      await server.start();
    },
    async kill() {
      const ending = postmaster;
      postmaster = null;
      await ending?.kill();
    },
    freeze: () => there().signal("SIGSTOP"),
    thaw: () => there().signal("SIGCONT"),
    log: () => logOf(folder),
  };
  return server;
}

/** A reload reaches the processes one after the other; only one begun later surely has it. */
async function reload(sql: Server["sql"]): Promise<void> {
  const loadedAt = () => sql("select pg_conf_load_time()");
  const before = await loadedAt();
  await sql("select pg_reload_conf()");
  await until("the settings are loaded", async () => (await loadedAt()) !== before);
}

type Postmaster = {
  signal(name: "SIGSTOP" | "SIGCONT" | "SIGKILL"): number[];
  stop(): Promise<void>;
  kill(): Promise<void>;
};

async function startPostmaster({ folder, place, port }: Settings): Promise<Postmaster> {
  const log = openSync(join(folder, "log"), "a");
  const child = Bun.spawn(
    [
      ...[...place.inside, ...asServerUser(), "--pdeathsig=QUIT"],
      ...[postgresProgram("postgres"), "-D", join(folder, "data"), "-p", String(port)],
      ...["-h", place.address],
    ],
    { env: CLEAN_ENV, cwd: folder, stdin: "ignore", stdout: log, stderr: log },
  );
  closeSync(log);
  await until(`PostgreSQL on port ${port} starts`, () => {
    if (child.exitCode === null) return isReady(folder, child.pid);
    throw new Error(`PostgreSQL did not start:\n${logOf(folder)}`);
  });
  return postmasterOf(folder, child);
}

function postmasterOf(folder: string, child: Bun.Subprocess): Postmaster {
  const signal: Postmaster["signal"] = (name) => {
    // The postmaster halts first: it would answer the loss of a process with new ones.
    child.kill("SIGSTOP");
    const all = [...childrenOf(child.pid), child.pid];
    for (const pid of all) sendTo(pid, name);
    return all;
  };
  return {
    signal,
    async stop() {
      signal("SIGCONT");
      child.kill("SIGINT");
      const hasEnded = await Promise.race([child.exited, Bun.sleep(STOP_MS)]);
      if (hasEnded === undefined) child.kill("SIGQUIT");
      await child.exited;
    },
    async kill() {
      const pidFile = pidLines(folder);
      const killed = signal("SIGKILL");
      await child.exited;
      await until("the killed processes are gone", () => !killed.some(isAlive));
      // A machine that is lost loses its memory; and its file's process id may be another's soon.
      const segment = pidFile[6]?.trim().split(/\s+/)[1];
      if (segment !== undefined) await output(["ipcrm", "-m", segment]);
      rmSync(join(folder, "data", "postmaster.pid"), { force: true });
    },
  };
}

function childrenOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  return children.trim().split(" ").filter(Boolean).map(Number);
}

function sendTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // It ended by itself meanwhile.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** What the server says of itself: its process id first, the shared memory 7th, its state 8th. */
function pidLines(folder: string): string[] {
  try {
    return readFileSync(join(folder, "data", "postmaster.pid"), "utf8").split("\n");
  } catch {
    return [];
  }
}

function isReady(folder: string, pid: number): boolean {
  const lines = pidLines(folder);
  return lines[0] === String(pid) && lines[7]?.trim() === "ready";
}

function logOf(folder: string): string {
  return readFileSync(join(folder, "log"), "utf8");
}

/** Below the ports that the kernel gives to outgoing connections: a restart must find it free. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
