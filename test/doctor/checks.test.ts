// What doctor says of each thing that can be wrong, and the remedy under it.
import { describe, expect, test } from "bun:test";
import { DEFAULT_CONFIG } from "../../src/config.ts";
import { CHECKS, judge } from "../../src/doctor/checks.ts";
import { mountOf } from "../../src/doctor/disk.ts";
import type { Facts } from "../../src/doctor/facts.ts";
import type { Live } from "../../src/live.ts";
import type { SharedFacts } from "../../src/storage/postgres/inspect.ts";

const NOW = Date.UTC(2026, 2, 2, 12);
const DAY = 86_400_000;
const MB = 1_000_000;
const known = <T>(value: T) => ({ ok: true, value }) as const;
const unknown = (why: string) => ({ ok: false, why }) as const;

const INSPECTION = {
  bank: {
    code: "ACME",
    currency: "ZAR",
    minorDigits: 2,
    timeZone: "Africa/Johannesburg",
    country: "ZA",
    demo: false,
    createdAt: NOW - 100 * DAY,
    salesPaused: null,
  },
  version: 1,
  newestVersion: 1,
  journalMode: "wal",
  shared: null,
  pinKeyCheck: "0123456789abcdef",
  hasLimits: true,
  openFindings: 0,
  newestAt: NOW - 1_000,
  tail: { checked: 10, newest: 10, broken: [] },
  tailError: null,
};
const CONFIG = { ...DEFAULT_CONFIG, require_signature: true };
const SECRET = { length: 43, rotatedAt: NOW - 40 * DAY, previousStillValid: false };
const DISK = {
  folder: "/bank",
  freeBytes: 50_000 * MB,
  totalBytes: 100_000 * MB,
  freeFiles: 1_000,
  fileSystem: "ext4",
  options: ["rw", "relatime"],
};
const TLS = {
  problems: [],
  validFrom: NOW - DAY,
  validTo: NOW + 90 * DAY,
  name: "bank.example",
  unknownIssuer: null,
  keyOpen: false,
};

const LIVE = {
  version: "1.2.3",
  pid: 4321,
  url: "http://127.0.0.1:8080",
  ready: true,
  notReady: null,
} as Live;

const WELL: Facts = {
  now: NOW,
  version: "1.2.3",
  dataDir: "/bank",
  user: { uid: 990, name: "transact-bank" },
  folder: { owner: "transact-bank", uid: 990, usable: true },
  files: [
    { path: "/bank", mode: 0o700, uid: 990 },
    { path: "keys/pin.key", mode: 0o600, uid: 990 },
  ],
  config: known(CONFIG),
  database: known(INSPECTION),
  sqliteVersion: "3.54.1",
  disk: known(DISK),
  flush: known({ medianUs: 800, worstUs: 9_000 }),
  clock: {
    synchronised: true,
    zone: { name: "Africa/Johannesburg", offset: "+02:00", differs: false },
  },
  tls: TLS,
  keys: {
    pin: known("0123456789abcdef"),
    receipt: known(true),
    secrets: [
      { kind: "signature", state: known({ kind: "signature", ...SECRET }) },
      { kind: "basic", state: known(null) },
    ],
    handover: false,
    credentials: [],
  },
  backup: known({ folder: "/backups", newestAt: NOW - 5 * 3_600_000, disk: DISK }),
  live: known(LIVE),
  serverPid: 4321,
  ports: [],
  mostOpenFiles: 65_536,
  dumpable: false,
};

const database = (change: object) => ({ database: known({ ...INSPECTION, ...change }) });
const bank = (change: object) => database({ bank: { ...INSPECTION.bank, ...change } });
const config = (change: object) => ({ config: known({ ...CONFIG, ...change }) });
const keys = (change: object) => ({ keys: { ...WELL.keys, ...change } });
const disk = (change: object) => ({ disk: known({ ...DISK, ...change }) });
const tls = (change: object) => ({ tls: { ...TLS, ...change } });
const live = (change: object) => ({ live: known({ ...LIVE, ...change }) });
const noServer = { serverPid: null, live: known(null) };
const backup = (change: object) => ({
  backup: known({ folder: "/backups", newestAt: NOW, disk: DISK, ...change }),
});
const byHand = config({ backup: { ...DEFAULT_CONFIG.backup, at: [] } });
const HOUR = 3_600_000;
const taken = (refused: string) => ({
  ...noServer,
  ports: [{ host: "127.0.0.1", port: 8080, refused }],
});
const metricsTaken = {
  ...noServer,
  ports: [
    { host: "127.0.0.1", port: 8080, refused: null },
    { host: "127.0.0.1", port: 9464, refused: "EADDRINUSE" },
  ],
};
const signature = (change: object) =>
  keys({
    secrets: [{ kind: "signature", state: known({ kind: "signature", ...SECRET, ...change }) }],
  });

const SETTINGS = {
  fsync: "on",
  full_page_writes: "on",
  synchronous_commit: "on",
  synchronous_standby_names: "ANY 1 (db2)",
  default_transaction_isolation: "read committed",
};
const SHARED: SharedFacts = {
  user: "transact_bank",
  serverVersion: "15.18",
  serverNumber: 150_018,
  encoding: "UTF8",
  collation: "C",
  settings: SETTINGS,
  seesStandbys: true,
  standbys: ["db2"],
  clockAheadMs: 3,
  overNetwork: true,
  encrypted: true,
  powers: [],
  connected: ["1.2.3 a:/bank", "1.2.3 b:/bank"],
  dualControl: [],
};
const SHARED_CONFIG = config({ database: "postgres://transact_bank@db1,db2/bank" });
const shared = (change: Partial<SharedFacts>): Partial<Facts> => ({
  ...SHARED_CONFIG,
  ...database({ journalMode: null, shared: { ...SHARED, ...change } }),
});
const settings = (change: Partial<typeof SETTINGS>) =>
  shared({ settings: { ...SETTINGS, ...change } });

type Broken = readonly [
  what: string,
  check: string,
  broken: Partial<Facts>,
  state: "FAIL" | "warning",
  found: string,
  remedy: string,
];

const SHARED_BROKEN: readonly Broken[] = [
  [
    "tables of an earlier version",
    "database",
    { ...SHARED_CONFIG, ...database({ newestVersion: 2, shared: SHARED }) },
    "warning",
    "version is 1",
    "--database-owner",
  ],
  ["an old server", "PostgreSQL", shared({ serverNumber: 140_000 }), "FAIL", "too old", "15"],
  ["another encoding", "PostgreSQL", shared({ encoding: "LATIN1" }), "FAIL", "LATIN1", "UTF8"],
  ["another order", "PostgreSQL", shared({ collation: "de_DE" }), "FAIL", "de_DE", "LC_COLLATE"],
  ["no flush", "commits", settings({ fsync: "off" }), "FAIL", "power cut", "fsync = on"],
  ["torn pages", "commits", settings({ full_page_writes: "off" }), "FAIL", "power cut", "SET"],
  [
    "a loose default",
    "commits",
    settings({ synchronous_commit: "local" }),
    "warning",
    "local",
    "SET",
  ],
  [
    "another isolation",
    "commits",
    settings({ default_transaction_isolation: "serializable" }),
    "warning",
    "serializable",
    "read committed",
  ],
  [
    "no standby",
    "standby",
    settings({ synchronous_standby_names: "" }),
    "warning",
    "lost machine",
    "synchronous_mode",
  ],
  ["a standby away", "standby", shared({ standbys: [] }), "FAIL", "ANY 1 (db2)", "fail over"],
  [
    "standbys out of sight",
    "standby",
    shared({ seesStandbys: false, standbys: [] }),
    "warning",
    "cannot see",
    "GRANT pg_read_all_stats",
  ],
  ["a superuser", "role", shared({ powers: ["superuser"] }), "warning", "superuser", "of its own"],
  ["no TLS", "connection", shared({ encrypted: false }), "warning", "in clear", "sslmode"],
  [
    "a clock ahead",
    "database clock",
    shared({ clockAheadMs: 5_000 }),
    "warning",
    "5.0 s ahead",
    "NTP",
  ],
  [
    "a clock behind",
    "database clock",
    shared({ clockAheadMs: -5_000 }),
    "warning",
    "behind",
    "NTP",
  ],
  [
    "an older appliance",
    "appliances",
    shared({ connected: ["1.2.3 a:/bank", "1.1.0 b:/bank"] }),
    "warning",
    "1.1.0 b:/bank",
    "one version",
  ],
  [
    "another dual control",
    "dual control",
    shared({ dualControl: ["money"] }),
    "warning",
    "under money",
    "every appliance",
  ],
];

const BROKEN: readonly Broken[] = [
  ["no data dir", "data dir", { folder: null }, "FAIL", "is no folder", "init"],
  [
    "another user's data dir",
    "data dir",
    { folder: { owner: "transact-bank", uid: 990, usable: false }, user: { uid: 1, name: "ann" } },
    "FAIL",
    "ann cannot use /bank",
    "sudo -u transact-bank",
  ],
  [
    "asked as root",
    "data dir",
    { user: { uid: 0, name: "root" } },
    "warning",
    "runs as root",
    "sudo -u transact-bank",
  ],
  [
    "an open file",
    "permissions",
    { files: [{ path: "keys/pin.key", mode: 0o644, uid: 990 }] },
    "FAIL",
    "keys/pin.key (0644)",
    "chmod -R go= /bank",
  ],
  [
    "many open files",
    "permissions",
    { files: Array.from({ length: 5 }, (_, n) => ({ path: `f${n}`, mode: 0o640, uid: 990 })) },
    "FAIL",
    "f2 (0640); and 2 more",
    "chmod",
  ],
  [
    "root's file in it",
    "permissions",
    { files: [{ path: "bank.db-shm", mode: 0o600, uid: 0 }] },
    "FAIL",
    "not transact-bank's: bank.db-shm",
    "chown -R transact-bank: /bank",
  ],
  [
    "a wrong configuration",
    "configuration",
    { config: unknown('config.toml: "port" must be 0 to 65535') },
    "FAIL",
    '"port" must be',
    "config.toml",
  ],
  [
    "no database",
    "database",
    { database: unknown("/bank holds no bank: make the bank with transact-bank init") },
    "FAIL",
    "cannot be read",
    "transact-bank init",
  ],
  [
    "a newer database",
    "database",
    database({ version: 9 }),
    "FAIL",
    "version is 9",
    "newer program",
  ],
  ["an older database", "database", database({ version: 0 }), "warning", "is 0", "upgrade --check"],
  ["an old SQLite", "SQLite", { sqliteVersion: "3.51.2" }, "FAIL", "3.51.2", "3.51.3"],
  [
    "no write-ahead log",
    "durability",
    database({ journalMode: "delete" }),
    "FAIL",
    "journal_mode is delete",
    "serve",
  ],
  ...["tmpfs", "overlay", "fuse.fuse-overlayfs", "nfs4", "cifs"].map(
    (system): Broken => [
      `a data dir on ${system}`,
      "durability",
      disk({ fileSystem: system }),
      "warning",
      system.includes("overlay") ? "overlay" : system,
      system.includes("overlay") ? "volume" : "disk of this machine",
    ],
  ),
  [
    "a disk without barriers",
    "durability",
    disk({ options: ["rw", "nobarrier"] }),
    "warning",
    "nobarrier",
    "without that option",
  ],
  [
    "an unknown file system",
    "durability",
    disk({ fileSystem: null }),
    "warning",
    "cannot be told",
    "real disk",
  ],
  ["a disk that refuses", "flush", { flush: unknown("EIO") }, "FAIL", "EIO", "Check the disk"],
  [
    "a disk slower than a reserve may be",
    "flush",
    { flush: known({ medianUs: 9_000, worstUs: 1_900_000 }) },
    "FAIL",
    "worst 1900.0 ms",
    "2060",
  ],
  [
    "a slow disk",
    "flush",
    { flush: known({ medianUs: 60_000, worstUs: 90_000 }) },
    "warning",
    "median 60.0 ms",
    "SSD",
  ],
  [
    "a flush that is none",
    "flush",
    { flush: known({ medianUs: 1, worstUs: 3 }) },
    "warning",
    "faster than any disk",
    "power cut",
  ],
  ["a full disk", "disk space", disk({ freeBytes: 200 * MB }), "FAIL", "200 MB free", "Make room"],
  [
    "a fuller disk",
    "disk space",
    disk({ freeBytes: 1_500 * MB }),
    "warning",
    "1.5 GB",
    "Make room",
  ],
  ["no inode", "disk space", disk({ freeFiles: 0 }), "FAIL", "inodes", "Make room"],
  [
    "a changed record",
    "journal tail",
    database({
      tail: { checked: 9, newest: 9, broken: ["record 7 or the one before it was changed"] },
    }),
    "FAIL",
    "record 7",
    "verify",
  ],
  [
    "a damaged page in the journal",
    "journal tail",
    database({ tail: null, tailError: "database disk image is malformed" }),
    "FAIL",
    "malformed",
    "backup",
  ],
  [
    "no PIN key",
    "PIN key",
    keys({ pin: known(null) }),
    "FAIL",
    "pin.key is missing",
    "copy you keep",
  ],
  [
    "another bank's PIN key",
    "PIN key",
    keys({ pin: known("ff") }),
    "FAIL",
    "another bank's",
    "copy",
  ],
  [
    "a damaged PIN key",
    "PIN key",
    keys({ pin: unknown("keys/pin.key is damaged") }),
    "FAIL",
    "is damaged",
    "copy",
  ],
  [
    "no receipt key",
    "PIN key",
    keys({ receipt: unknown("keys/receipt.key is missing") }),
    "FAIL",
    "receipt.key is missing",
    "copy",
  ],
  [
    "no signature secret",
    "secrets",
    keys({ secrets: [{ kind: "signature", state: known(null) }] }),
    "FAIL",
    "signature secret is required and not set",
    "secrets rotate --kind signature",
  ],
  [
    "a damaged secret",
    "secrets",
    keys({ secrets: [{ kind: "basic", state: unknown("keys/basic.json is damaged") }] }),
    "FAIL",
    "basic.json is damaged",
    "secrets rotate --kind basic",
  ],
  ["a short secret", "secrets", signature({ length: 8 }), "warning", "shorter than 16", "rotate"],
  [
    "a rotation that nobody ended",
    "secrets",
    signature({ previousStillValid: true }),
    "warning",
    "after 30 days",
    "secrets retire",
  ],
  [
    "a secret that is left for Clickatell",
    "secrets",
    keys({ handover: true }),
    "warning",
    "keys/signature.handover is still there",
    "rm /bank/keys/signature.handover",
  ],
  [
    "nobody authenticated on loopback",
    "authentication",
    config({ require_signature: false }),
    "warning",
    "nobody who calls",
    "require_signature",
  ],
  [
    "nobody authenticated off loopback",
    "authentication",
    config({ require_signature: false, host: "0.0.0.0" }),
    "FAIL",
    "does not start",
    "require_signature",
  ],
  [
    "that on purpose",
    "authentication",
    config({ require_signature: false, host: "0.0.0.0", allow_unauthenticated: true }),
    "warning",
    "anybody may buy",
    "require_signature",
  ],
  [
    "a demo off loopback",
    "authentication",
    { ...config({ require_signature: false, host: "0.0.0.0" }), ...bank({ demo: true }) },
    "FAIL",
    "a demo does not serve",
    "127.0.0.1",
  ],
  [
    "TLS files that are off",
    "TLS",
    tls({ problems: ["the key in a.key is not the key of the certificate"] }),
    "FAIL",
    "a.key is not the key",
    "SIGHUP",
  ],
  [
    "a certificate that ended",
    "TLS",
    tls({ validTo: NOW - 2 * DAY }),
    "FAIL",
    "ended 2 days ago",
    "new",
  ],
  ["one not valid yet", "TLS", tls({ validFrom: NOW + DAY }), "FAIL", "not valid yet", "clock"],
  [
    "one that ends soon",
    "TLS",
    tls({ validTo: NOW + 20 * DAY }),
    "warning",
    "ends in 20 days",
    "new",
  ],
  [
    "a TLS key open to others",
    "TLS",
    tls({ keyOpen: true }),
    "FAIL",
    "may read the key",
    "chmod go=",
  ],
  [
    "an authority of one's own",
    "TLS",
    tls({ unknownIssuer: "Bank CA" }),
    "warning",
    "issued by Bank CA",
    "Clickatell",
  ],
  [
    "a clock behind its records",
    "clock",
    database({ newestAt: NOW + 60_000 }),
    "FAIL",
    "60 s behind",
    "Set the clock",
  ],
  [
    "a clock that nobody keeps",
    "clock",
    { clock: { ...WELL.clock, synchronised: false } },
    "warning",
    "no time service",
    "chrony",
  ],
  [
    "a clock that says nothing",
    "clock",
    { clock: { ...WELL.clock, synchronised: null } },
    "warning",
    "cannot be told",
    "NTP",
  ],
  [
    "an unknown time zone",
    "time zone",
    { clock: { synchronised: true, zone: null } },
    "FAIL",
    "knows no Africa/Johannesburg",
    "newer program",
  ],
  [
    "other rules of the time zone",
    "time zone",
    { clock: { synchronised: true, zone: { name: "X", offset: "+01:00", differs: true } } },
    "warning",
    "tzdata has other rules",
    "Update tzdata",
  ],
  [
    "a full disk of backups",
    "disk space",
    backup({ disk: { ...DISK, freeBytes: 100 * MB, folder: "/backups" } }),
    "FAIL",
    "100 MB free of 100 GB for the backups in /backups",
    "keep_days",
  ],
  ["an old backup", "backup", backup({ newestAt: NOW - 27 * HOUR }), "FAIL", "27 hours", "create"],
  ["no backup", "backup", backup({ newestAt: null }), "FAIL", "none in /backups", "backup create"],
  [
    "no backup of a bank to be upgraded",
    "backup",
    { ...backup({ newestAt: null }), ...database({ version: 0 }) },
    "FAIL",
    "none in /backups",
    "transact-bank upgrade",
  ],
  [
    "no backup of a new bank",
    "backup",
    { ...backup({ newestAt: null }), ...bank({ createdAt: NOW - HOUR }) },
    "warning",
    "none",
    "create",
  ],
  [
    "an old backup made by hand",
    "backup",
    { ...backup({ newestAt: NOW - 9 * DAY }), ...byHand },
    "warning",
    "216 hours",
    "create",
  ],
  [
    "a folder of backups that is none",
    "backup",
    { backup: unknown("ENOTDIR") },
    "FAIL",
    "ENOTDIR",
    "[b",
  ],
  [
    "a server that is not ready",
    "server",
    live({ ready: false, notReady: "the database cannot be written" }),
    "FAIL",
    "4321 is not ready: the database cannot",
    "log",
  ],
  [
    "a stuck server",
    "server",
    { live: unknown("it does not answer") },
    "FAIL",
    "answer",
    "journalctl",
  ],
  ["another version's", "server", live({ version: "1.2.2" }), "warning", "1.2.2", "restart"],
  [
    "one that tells nothing",
    "server",
    { live: known(null) },
    "warning",
    "tells nothing of itself",
    "restart",
  ],
  ["no server", "server", noServer, "warning", "none runs", "systemctl start"],
  ["a taken port for the metrics", "port", metricsTaken, "FAIL", "port 9464", "ss -ltnp"],
  ["a taken port", "port", taken("EADDRINUSE"), "FAIL", "port 8080", "ss -ltnp"],
  ["a port of the system's", "port", taken("EACCES"), "FAIL", "EACCES", "CAP_NET_BIND_SERVICE"],
  ["an address elsewhere", "port", taken("EADDRNOTAVAIL"), "FAIL", "EADDRNOTAVAIL", "host"],
  [
    "few files",
    "open files",
    { mostOpenFiles: 1_024 },
    "warning",
    "512 connections",
    "LimitNOFILE",
  ],
  ["no files", "open files", { mostOpenFiles: 64 }, "FAIL", "64 may be open", "LimitNOFILE"],
  ["a process that leaves cores", "core dumps", { dumpable: true }, "warning", "PINs", "LimitCORE"],
  [
    "paused sales",
    "sales",
    bank({ salesPaused: { at: NOW, reason: "stock-taking" } }),
    "warning",
    "2026-03-02 14:00:00: stock-taking",
    "sales resume",
  ],
  ["no limits", "limits", database({ hasLimits: false }), "warning", "any amount", "limits set"],
  ...SHARED_BROKEN,
  ["open findings", "findings", database({ openFindings: 3 }), "warning", "3 open", "exceptions"],
];

const lineOf = (facts: Facts, name: string) => judge(facts).find(({ check }) => check === name);

test("a bank that is well has a line ok for each check, and no remedy", () => {
  const lines = judge(WELL);
  expect(lines.filter(({ state }) => state !== "ok")).toEqual([]);
  expect(lines.every(({ remedy, found }) => remedy === null && found !== "")).toBe(true);
});

test("so has one in a shared database, with checks of its own", () => {
  const lines = judge({ ...WELL, ...shared({}) });
  expect(lines.filter(({ state }) => state !== "ok")).toEqual([]);
  const names = lines.map(({ check }) => check);
  expect(names).toContain("standby");
  expect(names).not.toContain("backup");
});

describe("what is wrong has its line, and the remedy under it", () => {
  test.each(BROKEN)("%s: %s", (_, check, broken, state, found, remedy) => {
    expect(lineOf({ ...WELL, ...broken }, check)).toEqual({
      check,
      state,
      found: expect.stringContaining(found),
      remedy: expect.stringContaining(remedy),
    });
  });

  test("the table breaks every check there is", () => {
    const broken = new Set(BROKEN.map(([, check]) => check));
    expect(CHECKS.map(([name]) => name).filter((name) => !broken.has(name))).toEqual([]);
  });
});

test.each([
  ["a PIN key", "PIN key", { pin: known(null), credentials: ["transact-bank.pin.key"] }],
  [
    "a shared secret",
    "secrets",
    {
      secrets: [{ kind: "signature", state: known(null) }],
      credentials: ["transact-bank.signature.json"],
    },
  ],
] as const)("%s that is a credential of the service is not missed", (_, check, change) => {
  expect(lineOf({ ...WELL, ...keys(change) }, check)?.state).toBe("ok");
});

test("of a data dir that cannot be used nothing is made up, whatever else was found", () => {
  for (const folder of [null, { owner: "ann", uid: 1, usable: false }]) {
    const lines = judge({ ...WELL, folder, keys: { ...WELL.keys, pin: known(null) } });
    const checked = lines.filter(({ found }) => found !== "not checked: mend the data dir first");
    expect(checked.map(({ check }) => check)).toEqual([
      "data dir",
      "SQLite",
      "clock",
      "open files",
      "core dumps",
    ]);
  }
});

test("without a database what stands in it is not checked, and nothing is made up", () => {
  const lines = judge({ ...WELL, database: unknown("gone") });
  const unchecked = lines.filter(({ found }) => found === "not checked: mend the database first");
  expect(unchecked.map(({ check }) => check)).toEqual([
    "durability",
    "journal tail",
    "backup",
    "PIN key",
    "time zone",
    "sales",
    "limits",
    "findings",
  ]);
});

test("a folder is on the mount with the longest name above it, the latest of two", () => {
  const mounts = [
    "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,errors=remount-ro",
    "23 22 0:30 / /var rw - xfs /dev/vdb rw",
    "24 22 0:31 / /var rw,noatime - btrfs /dev/vdc rw,ssd",
    "25 22 0:32 / /with\\040blank rw - tmpfs tmpfs rw",
  ].join("\n");
  expect(mountOf("/var/lib/bank", mounts)).toEqual({
    fileSystem: "btrfs",
    options: ["rw", "noatime", "rw", "ssd"],
  });
  expect(mountOf("/variable", mounts).fileSystem).toBe("ext4");
  expect(mountOf("/with blank/x", mounts).fileSystem).toBe("tmpfs");
  expect(mountOf("/var", "").fileSystem).toBe(null);
});
