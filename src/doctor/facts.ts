// What doctor finds out before it judges: facts of the data dir, the machine and a running server.
// Nothing here fails: what cannot be told is a fact as well, with the reason.
import { accessSync, constants, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { version } from "../../package.json";
import { backupFolder, newestBackup } from "../backup/create.ts";
import { sharedDatabaseOf } from "../bank.ts";
import { type Config, DEFAULT_CONFIG, readConfig } from "../config.ts";
import { isDumpable } from "../core-dump.ts";
import { messageOf } from "../errors.ts";
import { isOwnFile } from "../files.ts";
import {
  HANDOVER_FILE,
  KEYS_DIR,
  readPinKey,
  readReceiptKey,
  readSecret,
  SHARED_SECRETS,
  type SharedSecret,
} from "../keys.ts";
import { type Live, readLive } from "../live.ts";
import { pinKeyCheck } from "../storage/pins.ts";
import { inspectShared, type SharedFacts } from "../storage/postgres/inspect.ts";
import { placeOf } from "../storage/postgres/reach.ts";
import { inspect, type Inspection as OwnInspection } from "../storage/sqlite/inspect.ts";
import { LOCK_FILE } from "../storage/sqlite/open.ts";
import { nameOfUser } from "../users.ts";
import { type DiskFacts, diskOf, type FlushFacts, measureFlush } from "./disk.ts";
import { type ClockFacts, clockFacts, type PortFacts, tryPort } from "./machine.ts";
import { type TlsFacts, tlsFacts } from "./tls.ts";

/** A value, or why there is none. */
export type Known<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly why: string };

export type FileFact = {
  readonly path: string;
  /** The permission bits. */
  readonly mode: number;
  readonly uid: number;
};

export type SecretFacts = {
  readonly kind: SharedSecret;
  readonly length: number;
  readonly rotatedAt: number;
  readonly previousStillValid: boolean;
};

/** How a key stands: there, missing, or there and of no use for the reason given. */
export type KeyFacts = {
  readonly pin: Known<string | null>;
  readonly receipt: Known<true>;
  readonly secrets: readonly {
    readonly kind: SharedSecret;
    readonly state: Known<SecretFacts | null>;
  }[];
  /** Whether the file that takes a generated secret to Clickatell is still there. */
  readonly handover: boolean;
  /** Names of keys that wait for the service in a credential store of systemd. */
  readonly credentials: readonly string[];
};

export type BackupFacts = {
  readonly folder: string;
  /** Null where there is no backup. */
  readonly newestAt: number | null;
  /** Null where there is no such folder yet. */
  readonly disk: DiskFacts | null;
};

/** `journalMode` is null, and `shared` is not, where the bank is in a database elsewhere. */
export type Inspection = Omit<OwnInspection, "journalMode"> & {
  readonly journalMode: string | null;
  readonly shared: SharedFacts | null;
};

export type Facts = {
  readonly now: number;
  /** Of this program. */
  readonly version: string;
  readonly dataDir: string;
  readonly user: { readonly uid: number; readonly name: string };
  /** Null where there is no such folder. */
  readonly folder: {
    readonly owner: string;
    readonly uid: number;
    readonly usable: boolean;
  } | null;
  readonly files: readonly FileFact[];
  readonly config: Known<Config>;
  readonly database: Known<Inspection>;
  readonly sqliteVersion: string;
  readonly disk: Known<DiskFacts>;
  readonly flush: Known<FlushFacts>;
  readonly clock: ClockFacts;
  /** Null where no TLS is configured. */
  readonly tls: TlsFacts | null;
  readonly keys: KeyFacts;
  readonly backup: Known<BackupFacts>;
  /** What a running server says of itself; null where none answers, and why one is stuck. */
  readonly live: Known<Live | null>;
  /** The process that holds the lock of a server; null where none does, or it cannot be told. */
  readonly serverPid: number | null;
  /** Where it listens, and where it tells its metrics; none where a server of this bank has them. */
  readonly ports: readonly PortFacts[];
  /** How many files the server, or this command, may have open. */
  readonly mostOpenFiles: number;
  /** Whether a crash of this program leaves a core. */
  readonly dumpable: boolean;
};

/** So many of the newest records of the journal are followed. */
const TAIL_LENGTH = 1_000;

export function attempt<T>(get: () => T): Known<T> {
  try {
    return { ok: true, value: get() };
  } catch (error) {
    return { ok: false, why: messageOf(error) };
  }
}

const userText = (uid: number): string => nameOfUser(uid) ?? String(uid);

const NO_DATA_DIR = "there is no data dir";

function folderOf(dataDir: string): Facts["folder"] {
  const stat = statSync(dataDir, { throwIfNoEntry: false });
  if (stat === undefined || !stat.isDirectory()) return null;
  const usable = attempt(() =>
    accessSync(dataDir, constants.R_OK | constants.W_OK | constants.X_OK),
  ).ok;
  return { owner: userText(stat.uid), uid: stat.uid, usable };
}

/** The data dir and what the program keeps in it; other files there are their owner's business. */
function filesOf(dataDir: string): FileFact[] {
  const list = (folder: string) => attempt(() => readdirSync(folder));
  const own = list(dataDir);
  const names = own.ok ? own.value.filter(isOwnFile) : [];
  const keys = list(join(dataDir, KEYS_DIR));
  const inKeys = keys.ok ? keys.value.map((name) => join(KEYS_DIR, name)) : [];
  return ["", ...names, ...inKeys].flatMap((name) => {
    const stat = attempt(() => statSync(join(dataDir, name)));
    if (!stat.ok) return [];
    return [{ path: name || dataDir, mode: stat.value.mode & 0o777, uid: stat.value.uid }];
  });
}

/** Where systemd looks for credentials that are named without a path. */
const CREDENTIAL_STORES = ["/etc/credstore", "/etc/credstore.encrypted"];

function keysOf(dataDir: string): KeyFacts {
  const secrets = SHARED_SECRETS.map((kind) => ({
    kind,
    state: attempt((): SecretFacts | null => {
      const pair = readSecret(dataDir, kind);
      if (pair === null) return null;
      const { current, previous, rotatedAt } = pair;
      return { kind, length: current.length, rotatedAt, previousStillValid: previous !== null };
    }),
  }));
  const stored = CREDENTIAL_STORES.map((store) => attempt(() => readdirSync(store)));
  return {
    pin: attempt(() => {
      const key = readPinKey(dataDir);
      return key === null ? null : pinKeyCheck(key);
    }),
    receipt: attempt(() => {
      readReceiptKey(dataDir);
      return true as const;
    }),
    secrets,
    handover: existsSync(join(dataDir, HANDOVER_FILE)),
    credentials: stored.flatMap((names) => (names.ok ? names.value : [])),
  };
}

/**
 * Who holds the lock of a data dir's server, from the kernel's list: to try the lock would keep a
 * server from starting at that moment.
 */
function serverPidOf(dataDir: string): number | null {
  const stat = attempt(() => statSync(join(dataDir, LOCK_FILE)));
  const locks = attempt(() => readFileSync("/proc/locks", "utf8"));
  if (!stat.ok || !locks.ok) return null;
  const { dev, ino } = stat.value;
  // Linux's own device numbers, as glibc packs them.
  const major = (dev >> 8) & 0xfff;
  const minor = (dev & 0xff) | ((dev >> 12) & 0xfff00);
  const hex = (part: number) => part.toString(16).padStart(2, "0");
  const place = `${hex(major)}:${hex(minor)}:${ino}`;
  const holder = new RegExp(` WRITE +(\\d+) +${place} `).exec(locks.value)?.[1];
  return holder === undefined ? null : Number(holder);
}

function mostOpenFiles(pid: number | null): number {
  for (const process of [pid, "self"]) {
    const limits = attempt(() => readFileSync(`/proc/${process}/limits`, "utf8"));
    const most = limits.ok ? /^Max open files +(\d+)/m.exec(limits.value)?.[1] : undefined;
    if (most !== undefined) return Number(most);
  }
  return Infinity;
}

function backupOf(dataDir: string, config: Config, bankCode: string): BackupFacts {
  const folder = backupFolder({ dataDir, config });
  const disk = attempt(() => diskOf(folder));
  return {
    folder,
    newestAt: newestBackup(dataDir, config, bankCode)?.createdAt ?? null,
    disk: disk.ok ? disk.value : null,
  };
}

function tryPorts({ host, port, metrics_port: metrics }: Config): Promise<PortFacts[]> {
  const own = tryPort({ host, port });
  const loopback = DEFAULT_CONFIG.host;
  return Promise.all(
    metrics === undefined ? [own] : [own, tryPort({ host: loopback, port: metrics })],
  );
}

async function liveOf(dataDir: string): Promise<Known<Live | null>> {
  try {
    return { ok: true, value: await readLive(dataDir) };
  } catch (error) {
    return attempt(() => {
      throw error;
    });
  }
}

function inspected(dataDir: string, config: Known<Config>): Inspection {
  const shared = config.ok ? sharedDatabaseOf(dataDir, config.value) : null;
  return shared === null
    ? { shared: null, ...inspect(dataDir, TAIL_LENGTH) }
    : { journalMode: null, ...inspectShared(placeOf(shared), TAIL_LENGTH) };
}

/** Finds out all there is to judge. Beside a running server it changes and disturbs nothing. */
export async function gather(dataDir: string): Promise<Facts> {
  const uid = process.geteuid?.() ?? 0;
  const folder = folderOf(dataDir);
  const missing = { ok: false, why: NO_DATA_DIR } as const;
  const inFolder = <T>(get: () => T): Known<T> => (folder === null ? missing : attempt(get));
  const config = inFolder(() => readConfig(dataDir));
  const database = inFolder(() => inspected(dataDir, config));
  const live = await liveOf(dataDir);
  const serverPid = (live.ok ? live.value?.pid : undefined) ?? serverPidOf(dataDir);
  const bankCode = database.ok ? database.value.bank.code : null;
  const tls = config.ok ? config.value.tls : undefined;
  return {
    now: Date.now(),
    version,
    dataDir,
    user: { uid, name: userText(uid) },
    folder,
    files: filesOf(dataDir),
    config,
    database,
    sqliteVersion: process.versions["sqlite"] ?? "0.0.0",
    disk: inFolder(() => diskOf(dataDir)),
    flush: inFolder(() => measureFlush(dataDir)),
    clock: clockFacts(database.ok ? database.value.bank.timeZone : null),
    tls: tls === undefined ? null : tlsFacts(tls, (name) => resolve(dataDir, name)),
    keys: keysOf(dataDir),
    backup:
      config.ok && bankCode !== null
        ? attempt(() => backupOf(dataDir, config.value, bankCode))
        : missing,
    live,
    serverPid,
    ports: serverPid !== null || !config.ok ? [] : await tryPorts(config.value),
    mostOpenFiles: mostOpenFiles(serverPid),
    dumpable: isDumpable(),
  };
}
