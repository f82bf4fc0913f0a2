// Judges the data dir, its files, the database and the disk below it.
import { DAY_MS } from "../domain/local-time.ts";
import { quoted } from "../printable.ts";
import { OLDEST_SQLITE } from "../storage/sqlite/open.ts";
import { bytesText } from "../units.ts";
import type { DiskFacts } from "./disk.ts";
import type { Facts } from "./facts.ts";
import {
  command,
  type Folder,
  fail,
  ofDatabase,
  ok,
  several,
  unknown,
  type Verdict,
  warning,
} from "./verdict.ts";

export function dataDir({ dataDir, folder, user }: Facts): Verdict {
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

export function permissions({ dataDir, files }: Facts, folder: Folder): Verdict {
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

export function configuration({ config }: Facts): Verdict {
  if (!config.ok) {
    return fail(config.why, "Correct config.toml; docs/configuration.md lists every key.");
  }
  return ok("config.toml is right");
}

export function database({ database }: Facts): Verdict {
  if (!database.ok) return fail("it cannot be read", `${database.why}.`);
  const { bank, version, newestVersion, shared } = database.value;
  if (version > newestVersion) {
    return fail(
      `its version is ${version}, this program knows ${newestVersion}`,
      "Use the newer program that wrote it.",
    );
  }
  if (version < newestVersion) {
    return warning(
      `its version is ${version}, this program's is ${newestVersion}`,
      shared === null
        ? "The next start of the server upgrades it, after a backup: transact-bank upgrade --check."
        : "Stop every appliance, then: transact-bank upgrade --database-owner URL.",
    );
  }
  return ok(`bank ${bank.code}${bank.demo ? ", a demo" : ""}, version ${version}`);
}

export function sqlite({ sqliteVersion }: Facts): Verdict {
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

export const durability = ofDatabase(({ journalMode }, { disk }) => {
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

export function flush({ flush, config }: Facts): Verdict {
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

const MB = 1_000_000;
/** The write-ahead log has 100 MB; below that a flood fills what is left in minutes. */
const LEAST_FREE_BYTES = 250 * MB;
const LITTLE_FREE_BYTES = 2_000 * MB;

function roomVerdict({ freeBytes, totalBytes, freeFiles }: DiskFacts, whose: string): Verdict {
  const found = `${bytesText(freeBytes)} free of ${bytesText(totalBytes)}${whose}`;
  const remedy = "Make room on that disk: without room every purchase is answered 2060.";
  if (freeFiles === 0) return fail(`no new file can be made (inodes)${whose}`, remedy);
  if (freeBytes < LEAST_FREE_BYTES) return fail(found, remedy);
  if (freeBytes < LITTLE_FREE_BYTES) return warning(found, remedy);
  return ok(found);
}

/** The data dir's disk, or the backups' where that one is worse off. */
export function diskSpace({ disk, backup }: Facts): Verdict {
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

export const backup = ofDatabase(({ bank, version, newestVersion }, facts) => {
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
  // Of an older bank only upgrade makes a backup.
  const make = command(facts, version < newestVersion ? "upgrade" : "backup create");
  if (!scheduled || bank.demo || !isDue) return warning(found, make);
  return fail(found, `${make}; the server's log says why it made none.`);
});

export const journalTail = ofDatabase(({ tail, tailError }, facts) => {
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
  const { checked, newest } = tail;
  if (checked === 0) return ok("no record yet");
  return ok(`the chain holds from record ${newest - checked + 1} to ${newest}, the newest`);
});
