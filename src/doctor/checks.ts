// doctor's judgement: pure functions from facts to lines, one for each thing that can be wrong. A
// line that is not ok says what to do.
import { join, resolve } from "node:path";
import { localTimeText } from "../domain/local-time.ts";
import { isLoopback } from "../http/listen.ts";
import { HANDOVER_FILE } from "../keys.ts";
import { authenticationSummary } from "../serve.ts";
import { credentialName } from "../service-unit.ts";
import type { Inspection } from "../storage/sqlite/inspect.ts";
import { OLDEST_SQLITE } from "../storage/sqlite/open.ts";
import { RESTORED } from "../storage/sqlite/restores.ts";
import type { DiskFacts } from "./disk.ts";
import type { Facts } from "./facts.ts";

export type State = "ok" | "warning" | "FAIL";

/** What is judged of one thing. The remedy is null where it is well, and where it is not checked. */
export type Verdict = {
  readonly state: State;
  readonly found: string;
  readonly remedy: string | null;
};

const ok = (found: string): Verdict => ({ state: "ok", found, remedy: null });
const warning = (found: string, remedy: string): Verdict => ({ state: "warning", found, remedy });
const fail = (found: string, remedy: string): Verdict => ({ state: "FAIL", found, remedy });

type Check = (facts: Facts) => Verdict;
type Folder = NonNullable<Facts["folder"]>;

/** What cannot be judged because something else is wrong, which has a line of its own. */
const unknown = (what: string): Verdict => ({
  state: "warning",
  found: `not checked: mend the ${what} first`,
  remedy: null,
});

/** A check of what stands in the data dir, where that can be used. */
const inDataDir =
  (check: (facts: Facts, folder: Folder) => Verdict): Check =>
  (facts) =>
    facts.folder?.usable === true ? check(facts, facts.folder) : unknown("data dir");

/** A check of what stands in the database. */
const ofDatabase = (check: (inspection: Inspection, facts: Facts) => Verdict): Check =>
  inDataDir((facts) =>
    facts.database.ok ? check(facts.database.value, facts) : unknown("database"),
  );

const MIB = 1024 * 1024;
const DAY_MS = 86_400_000;

/** An amount of bytes for people. */
export function bytesText(bytes: number): string {
  const gib = bytes / (1024 * MIB);
  return gib >= 1 ? `${gib.toFixed(1)} GiB` : `${Math.floor(bytes / MIB)} MiB`;
}

const quoted = (path: string): string =>
  /^[\w./@:-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;

/** A command of this program on this bank, as it is typed. */
const command = ({ dataDir }: Pick<Facts, "dataDir">, line: string): string =>
  `transact-bank ${line} --data-dir ${quoted(dataDir)}`;

const several = (lines: readonly string[], most = 3): string =>
  lines.slice(0, most).join("; ") +
  (lines.length > most ? `; and ${lines.length - most} more` : "");

// ---------------------------------------------------------------- the data dir

function dataDir({ dataDir, folder, user }: Facts): Verdict {
  if (folder === null) {
    return fail(`${dataDir} is no folder`, "Name the bank's folder, or make one: init.");
  }
  if (!folder.usable) {
    return fail(
      `${user.name} cannot use ${dataDir}, which is ${folder.owner}'s`,
      `Run this as the bank's own user: sudo -u ${folder.owner} ${command({ dataDir }, "doctor")}`,
    );
  }
  if (folder.uid === user.uid) return ok(`${dataDir}, of ${folder.owner}`);
  return warning(
    `${dataDir} is ${folder.owner}'s, and this runs as ${user.name}`,
    `To see what ${folder.owner} may do: sudo -u ${folder.owner} ${command({ dataDir }, "doctor")}`,
  );
}

const modeText = (mode: number): string => mode.toString(8).padStart(4, "0");

function permissions({ dataDir, files }: Facts, folder: Folder): Verdict {
  const open = files.filter(({ mode }) => (mode & 0o077) !== 0);
  const foreign = files.filter(({ uid }) => uid !== folder.uid);
  const place = quoted(dataDir);
  if (open.length > 0) {
    const which = open.map(({ path, mode }) => `${path} (${modeText(mode)})`);
    return fail(
      `open to other users: ${several(which)}`,
      `chmod -R go= ${place}; if others may have read it, replace its secrets.`,
    );
  }
  if (foreign.length > 0) {
    return fail(
      `not ${folder.owner}'s: ${several(foreign.map(({ path }) => path))}`,
      `chown -R ${folder.owner}: ${place}`,
    );
  }
  return ok(`nobody but ${folder.owner} may read it`);
}

function configuration({ config }: Facts): Verdict {
  if (!config.ok) return fail(config.why, "Correct config.toml; the README lists every key.");
  return ok("config.toml is right");
}

// ---------------------------------------------------------------- the database and its disk

function database({ database }: Facts): Verdict {
  if (!database.ok) return fail("it cannot be read", `${database.why}.`);
  const { bank, version, newestVersion } = database.value;
  if (version > newestVersion) {
    return fail(
      `its version is ${version}, this program knows ${newestVersion}`,
      "Use the newer program that wrote it.",
    );
  }
  if (version < newestVersion) {
    return warning(
      `its version is ${version}, this program's is ${newestVersion}`,
      "The next start of the server upgrades it, after a backup: transact-bank upgrade --check.",
    );
  }
  return ok(`bank ${bank.code}${bank.demo ? ", a demo" : ""}, version ${version}`);
}

function sqlite({ sqliteVersion }: Facts): Verdict {
  if (Bun.semver.order(sqliteVersion, OLDEST_SQLITE) >= 0) return ok(sqliteVersion);
  return fail(
    `${sqliteVersion} may lose a commit`,
    `Use a program with SQLite ${OLDEST_SQLITE} or later.`,
  );
}

const IN_MEMORY = /^(tmpfs|ramfs|zram)$/;
const OVER_NETWORK =
  /^(nfs4?|cifs|smb3?|9p|fuse\.sshfs|ceph|glusterfs|fuse\.glusterfs|afs|virtiofs)$/;
/** Options with which a flush does not wait for the disk, or the file system may lose order. */
const CARELESS = /^(nobarrier|barrier=0|data=writeback|nointegrity)$/;
const MOVE = "Put the data dir on a disk of this machine (ext4 or xfs), with the server stopped.";

const durability = ofDatabase(({ journalMode }, { disk }) => {
  if (journalMode !== "wal") {
    return fail(
      `journal_mode is ${journalMode}, not wal`,
      "Another program changed the database: start serve, which sets it, then run verify.",
    );
  }
  const system = disk.ok ? disk.value.fileSystem : null;
  if (!disk.ok || system === null) {
    return warning("the file system cannot be told", "See that the data dir is on a real disk.");
  }
  if (IN_MEMORY.test(system)) {
    return warning(`${system} is memory: nothing survives a power cut`, MOVE);
  }
  if (OVER_NETWORK.test(system)) {
    return warning(`${system} is on the network: locks and flushes are not sure`, MOVE);
  }
  if (system.includes("overlay")) {
    return warning(
      "overlay: a container's own layer, gone with the container",
      "Mount a volume of the host at the data dir.",
    );
  }
  const careless = disk.value.options.find((option) => CARELESS.test(option));
  if (careless !== undefined) {
    return warning(`${system} is mounted with ${careless}`, "Mount it without that option.");
  }
  return ok(`write-ahead log on ${system}, each answer after its flush`);
});

/** A reserve waits for one flush, or two, within its budget. */
const SLOW_FLUSH_US = 50_000;
/** No disk answers a flush as fast; what does only says so. */
const UNREAL_FLUSH_US = 5;
const msText = (us: number): string => (us < 1_000 ? `${us} us` : `${(us / 1_000).toFixed(1)} ms`);

function flush({ flush, config }: Facts): Verdict {
  if (!flush.ok) {
    return fail(`the data dir takes no flush: ${flush.why}`, "Check the disk and its rights.");
  }
  const { medianUs, worstUs } = flush.value;
  const found = `median ${msText(medianUs)}, worst ${msText(worstUs)}`;
  const budgetMs = config.ok ? config.value.reserve_budget_ms : 1_800;
  if (worstUs > budgetMs * 1_000) {
    return fail(
      `${found}: more than a reserve's ${budgetMs} ms`,
      "Purchases are answered 2060: find what keeps the disk busy, or use a faster one.",
    );
  }
  if (medianUs > SLOW_FLUSH_US) {
    return warning(found, "That is slow: find what keeps the disk busy, or use an SSD.");
  }
  if (medianUs < UNREAL_FLUSH_US) {
    return warning(
      `${found}: faster than any disk`,
      "Something answers for the disk: a power cut may lose what was answered.",
    );
  }
  return ok(found);
}

/** The write-ahead log has 96 MiB; below that a flood fills what is left in minutes. */
const LEAST_FREE_BYTES = 256 * MIB;
const LITTLE_FREE_BYTES = 2_048 * MIB;

function roomVerdict({ freeBytes, totalBytes, freeFiles }: DiskFacts, whose: string): Verdict {
  const found = `${bytesText(freeBytes)} free of ${bytesText(totalBytes)}${whose}`;
  const remedy = "Make room on that disk: without room every purchase is answered 2060.";
  if (freeFiles === 0) return fail(`no new file can be made (inodes)${whose}`, remedy);
  if (freeBytes < LEAST_FREE_BYTES) return fail(found, remedy);
  if (freeBytes < LITTLE_FREE_BYTES) return warning(found, remedy);
  return ok(found);
}

/** The data dir's disk, or the backups' where that one is worse off. */
function diskSpace({ disk, backup }: Facts): Verdict {
  if (!disk.ok) return warning("not told by the system", "Look at it with df.");
  const own = roomVerdict(disk.value, "");
  const other = backup.ok ? backup.value.disk : null;
  if (own.state !== "ok" || other === null) return own;
  const others = roomVerdict(other, ` for the backups in ${other.folder}`);
  const remedy = "Make room there, or keep fewer (keep_days and keep_weeks of [backup]).";
  return others.state === "ok" ? own : { ...others, remedy };
}

const HOUR_MS = 3_600_000;
/** A day, and time to make one. */
const BACKUP_DUE_MS = 26 * HOUR_MS;
/** Where backups are not made by themselves. */
const BACKUP_BY_HAND_DUE_MS = 8 * DAY_MS;

const backup = ofDatabase(({ bank }, facts) => {
  const { backup, config, now } = facts;
  if (!config.ok) return unknown("configuration");
  if (!backup.ok) return fail(backup.why, "Correct [backup] in config.toml.");
  const { newestAt, folder } = backup.value;
  const scheduled = config.value.backup.at.length > 0;
  const ageMs = now - (newestAt ?? bank.createdAt);
  const isDue = ageMs > (scheduled ? BACKUP_DUE_MS : BACKUP_BY_HAND_DUE_MS);
  const hours = Math.max(0, Math.floor(ageMs / HOUR_MS));
  const found =
    newestAt === null ? `there is none in ${folder}` : `the newest is ${hours} hours old`;
  if (newestAt !== null && !isDue) return ok(found);
  const make = command(facts, "backup create");
  if (!scheduled || bank.demo || !isDue) return warning(found, make);
  return fail(found, `${make}; the server's log says why it made none.`);
});

const journalTail = ofDatabase(({ tail, tailError }, facts) => {
  if (tail === null) {
    return fail(
      `it cannot be read: ${tailError}`,
      `${command(facts, "verify")}, then restore the newest good backup.`,
    );
  }
  if (tail.broken.length > 0) {
    return fail(
      several(tail.broken),
      `Stop selling (sales pause), ask ${command(facts, "verify")}, and call for help.`,
    );
  }
  const [count, newest] = [tail.checked, tail.newest];
  return ok(count === 0 ? "no record yet" : `the newest ${count} records follow, up to ${newest}`);
});

// ---------------------------------------------------------------- keys and secrets

/** What a credential of the service is called, for a file of keys/. */
const isCredential = ({ keys }: Facts, file: string): boolean =>
  keys.credentials.includes(credentialName(file));

function pinKey(facts: Facts): Verdict {
  const { pin, receipt } = facts.keys;
  const inspection = facts.database.ok ? facts.database.value : null;
  const putBack = "Put back the copy you keep of keys/.";
  if (!pin.ok) return fail(pin.why, putBack);
  if (pin.value === null) {
    if (isCredential(facts, "pin.key")) {
      return ok("keys/pin.key is a credential of the service, which checks it as it starts");
    }
    return fail("keys/pin.key is missing: the server does not start", putBack);
  }
  if (!receipt.ok && !isCredential(facts, "receipt.key")) return fail(receipt.why, putBack);
  if (inspection === null) return unknown("database");
  if (inspection.pinKeyCheck !== null && inspection.pinKeyCheck !== pin.value) {
    return fail("keys/pin.key is another bank's: no PIN fits it", putBack);
  }
  return ok("keys/pin.key is this bank's");
}

const SHORT_SECRET = 16;
/** Both secrets of a rotation are valid until the one before is retired. */
const LONG_ROTATION_MS = 30 * DAY_MS;

function secrets(facts: Facts): Verdict {
  const { keys, config, now } = facts;
  if (!config.ok) return unknown("configuration");
  const wanted = {
    signature: config.value.require_signature,
    basic: config.value.basic_user !== undefined,
  };
  const set: string[] = [];
  for (const { kind, state } of keys.secrets) {
    const rotate = command(facts, `secrets rotate --kind ${kind}`);
    if (!state.ok) return fail(state.why, rotate);
    if (state.value === null) {
      if (!wanted[kind]) continue;
      if (isCredential(facts, `${kind}.json`)) {
        set.push(`${kind} (a credential of the service)`);
        continue;
      }
      return fail(`the ${kind} secret is required and not set`, rotate);
    }
    set.push(wanted[kind] ? kind : `${kind} (not required)`);
    if (state.value.length < SHORT_SECRET) {
      return warning(`the ${kind} secret is shorter than ${SHORT_SECRET} characters`, rotate);
    }
    if (state.value.previousStillValid && now - state.value.rotatedAt > LONG_ROTATION_MS) {
      return warning(
        `the ${kind} secret before the last rotation is still valid after 30 days`,
        command(facts, `secrets retire --kind ${kind}`),
      );
    }
  }
  if (keys.handover) {
    return warning(
      `${HANDOVER_FILE} is still there`,
      `Once Clickatell has the secret: rm ${quoted(join(facts.dataDir, HANDOVER_FILE))}`,
    );
  }
  return ok(set.length === 0 ? "none is required" : `set: ${set.join(", ")}`);
}

function authentication({ config, database }: Facts): Verdict {
  if (!config.ok) return unknown("configuration");
  const { host, allow_unauthenticated } = config.value;
  const ways = authenticationSummary(config.value);
  const how =
    "Require signatures (require_signature = true), client certificates or Basic over TLS.";
  const isDemo = database.ok && database.value.bank.demo;
  if (ways.some((way) => way !== "Basic without TLS")) return ok(ways.join(", "));
  if (isLoopback(host)) {
    return isDemo ? ok("none, as a demo may") : warning("nobody who calls is authenticated", how);
  }
  if (isDemo) return fail(`a demo does not serve on ${host}`, 'Set host = "127.0.0.1".');
  if (allow_unauthenticated) return warning(`anybody may buy on ${host}`, how);
  return fail(`nobody is authenticated on ${host}: the server does not start`, how);
}

/** A certificate's authority needs days, and people are away for weeks. */
const RENEW_WITHIN_DAYS = 30;

function tls({ tls, now, config, dataDir }: Facts): Verdict {
  if (!config.ok) return unknown("configuration");
  if (tls === null) return ok("not used; a proxy may do it (docs/proxy.md)");
  const renew = "Put a new certificate there, then systemctl reload transact-bank (SIGHUP).";
  if (tls.problems.length > 0) return fail(several(tls.problems), `Correct it. ${renew}`);
  const { validFrom, validTo, name } = tls;
  if (validFrom === null || validTo === null) return fail("no certificate", renew);
  const days = Math.floor((validTo - now) / DAY_MS);
  if (validTo <= now) return fail(`${name}: ended ${-days} days ago`, renew);
  if (validFrom > now) return fail(`${name}: not valid yet`, "Check the clock, or wait.");
  if (tls.keyOpen) {
    const key = resolve(dataDir, config.value.tls?.key ?? "");
    return fail("other users may read the key", `chmod go= ${quoted(key)}`);
  }
  if (days < RENEW_WITHIN_DAYS) return warning(`${name}: ends in ${days} days`, renew);
  if (tls.unknownIssuer !== null) {
    return warning(
      `${name}: ${days} days left; issued by ${tls.unknownIssuer}, no public authority`,
      "Add its intermediate certificates to the file, or agree its CA with Clickatell.",
    );
  }
  return ok(`${name}: ${days} days left, the key fits, the chain is whole`);
}

// ---------------------------------------------------------------- the machine

/** Of two readings of one clock, in different processes. */
const CLOCK_SLACK_MS = 2_000;

const clock: Check = ({ clock, database, now }) => {
  const ahead = database.ok ? database.value.newestAt - now : 0;
  if (ahead > CLOCK_SLACK_MS) {
    return fail(
      `it is ${Math.ceil(ahead / 1_000)} s behind the newest record`,
      "Set the clock right (chrony or systemd-timesyncd) before anything is sold.",
    );
  }
  if (clock.synchronised === null) {
    return warning("whether it is kept cannot be told", "Keep it by NTP (chrony).");
  }
  if (clock.synchronised) return ok("kept by a time service");
  return warning(
    "no time service keeps it",
    "apt install chrony, or timedatectl set-ntp true: days and time-outs go by it.",
  );
};

const timeZone = ofDatabase(({ bank }, { clock }) => {
  const { zone } = clock;
  if (zone === null) {
    return fail(`this program knows no ${bank.timeZone}`, "Use a newer program.");
  }
  if (zone.differs) {
    return warning(
      `${zone.name}: this machine's tzdata has other rules`,
      "Update tzdata and this program: business days and limits go by the zone.",
    );
  }
  return ok(`${zone.name}, now ${zone.offset}`);
});

const PORT_ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: "Stop what listens there (ss -ltnp), or set another port in config.toml.",
  EACCES: "Below 1024 it needs CAP_NET_BIND_SERVICE: service install gives it, or use 8443.",
  EADDRNOTAVAIL: "This machine has no such address: correct host in config.toml.",
};

function port({ port, config, serverPid }: Facts): Verdict {
  if (!config.ok) return unknown("configuration");
  const place = `${config.value.host} port ${config.value.port}`;
  if (serverPid !== null) return ok("this bank's server has its own");
  if (port === null || port.free) return ok(`${place} is free`);
  const advice = PORT_ADVICE[port.code] ?? "Correct host and port in config.toml.";
  return fail(`${place} cannot be had (${port.code})`, advice);
}

/** The server makes room at 5,000 connections, or at half of the files that it may open. */
const ENOUGH_FILES = 10_000;
const LEAST_FILES = 256;

function openFiles({ mostOpenFiles, serverPid }: Facts): Verdict {
  const whose = serverPid === null ? "here" : "by the server";
  const found = `${mostOpenFiles} may be open ${whose}`;
  const remedy =
    "Raise it: LimitNOFILE=65536 in the unit (service install), or ulimit -n 65536 before serve.";
  if (mostOpenFiles < LEAST_FILES) return fail(found, remedy);
  if (mostOpenFiles < ENOUGH_FILES) {
    return warning(`${found}: ${Math.floor(mostOpenFiles / 2)} connections at once`, remedy);
  }
  return ok(found);
}

function coreDumps({ dumpable }: Facts): Verdict {
  if (!dumpable) return ok("a crash leaves none");
  return warning("a crash may leave PINs in a core", "Run it with ulimit -c 0 (LimitCORE=0).");
}

// ---------------------------------------------------------------- the bank at work

function server({ serverPid, live, version }: Facts): Verdict {
  const restart = "sudo systemctl restart transact-bank";
  if (!live.ok) return fail(live.why, `See its log (journalctl -u transact-bank), then ${restart}`);
  if (live.value === null) {
    if (serverPid === null) {
      return warning("none runs", "Start it: sudo systemctl start transact-bank, or serve.");
    }
    return warning(
      `process ${serverPid} serves and tells nothing of itself`,
      `Where it is an older version: ${restart}`,
    );
  }
  const { pid, url, ready, notReady } = live.value;
  if (!ready) {
    return fail(`process ${pid} is not ready: ${notReady}`, "Purchases fail: see its log.");
  }
  if (live.value.version !== version) {
    return warning(`process ${pid} is version ${live.value.version}, this is ${version}`, restart);
  }
  return ok(`process ${pid} is ready at ${url}`);
}

const sales = ofDatabase(({ bank }, facts) => {
  if (bank.salesPaused === null) return ok("open");
  const { at, reason } = bank.salesPaused;
  const since = localTimeText(at, bank.timeZone);
  const next = reason === RESTORED ? "restore acknowledge" : "sales resume";
  return warning(`paused since ${since}: ${reason}`, command(facts, next));
});

const limits = ofDatabase(({ hasLimits }, facts) =>
  hasLimits
    ? ok("set")
    : warning("none: any amount may be bought", command(facts, "limits set --max ...")),
);

const findings = ofDatabase(({ openFindings }, facts) =>
  openFindings === 0
    ? ok("none is open")
    : warning(`${openFindings} open`, command(facts, "reports exceptions")),
);

/** In the order they are printed: first what the rest stands on. */
export const CHECKS: readonly (readonly [name: string, check: Check])[] = [
  ["data dir", dataDir],
  ["permissions", inDataDir(permissions)],
  ["configuration", inDataDir(configuration)],
  ["database", inDataDir(database)],
  ["SQLite", sqlite],
  ["durability", durability],
  ["flush", inDataDir(flush)],
  ["disk space", inDataDir(diskSpace)],
  ["journal tail", journalTail],
  ["backup", backup],
  ["PIN key", inDataDir(pinKey)],
  ["secrets", inDataDir(secrets)],
  ["authentication", inDataDir(authentication)],
  ["TLS", inDataDir(tls)],
  ["clock", clock],
  ["time zone", timeZone],
  ["server", inDataDir(server)],
  ["port", inDataDir(port)],
  ["open files", openFiles],
  ["core dumps", coreDumps],
  ["sales", sales],
  ["limits", limits],
  ["findings", findings],
];

export type Line = Verdict & { readonly check: string };

export const judge = (facts: Facts): Line[] =>
  CHECKS.map(([check, judged]) => ({ check, ...judged(facts) }));
