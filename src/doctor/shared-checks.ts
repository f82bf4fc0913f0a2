// Judges a database that several appliances share: whether what it committed is safe, and who may what.
import type { SharedFacts } from "../storage/postgres/inspect.ts";
import { NO_STANDBY, OLDEST_SERVER, sortsByBytes } from "../storage/postgres/reach.ts";
import type { Facts } from "./facts.ts";
import {
  type Check,
  fail,
  inDataDir,
  ok,
  several,
  unknown,
  type Verdict,
  warning,
} from "./verdict.ts";

const PAGE = "docs/cluster/README.md";

/** A check of the database elsewhere. */
const ofShared = (check: (shared: SharedFacts, facts: Facts) => Verdict): Check =>
  inDataDir((facts) => {
    const shared = facts.database.ok ? facts.database.value.shared : null;
    return shared === null ? unknown("database") : check(shared, facts);
  });

export const server = ofShared(({ serverVersion, serverNumber, encoding, collation }) => {
  if (serverNumber < OLDEST_SERVER) {
    return fail(`PostgreSQL ${serverVersion} is too old`, "Upgrade its servers to 15 or later.");
  }
  if (!sortsByBytes({ encoding, collation })) {
    return fail(
      `the database is in ${encoding} with collation ${collation}`,
      "Make one with ENCODING 'UTF8' LC_COLLATE 'C', and move the bank there: lists go by it.",
    );
  }
  return ok(`PostgreSQL ${serverVersion}, UTF8, sorted by bytes`);
});

/** What a server must do for a commit to be on its disk. */
export const commits = ofShared(({ settings }) => {
  const set = (name: string, value: string) =>
    `As a superuser: ALTER SYSTEM SET ${name} = ${value}; then reload (Patroni: edit-config).`;
  for (const name of ["fsync", "full_page_writes"] as const) {
    if (settings[name] !== "on") {
      return fail(`${name} is off: a power cut may lose or damage everything`, set(name, "on"));
    }
  }
  const { synchronous_commit: commit, default_transaction_isolation: isolation } = settings;
  if (commit === "off" || commit === "local") {
    return warning(
      `synchronous_commit is ${commit} by default; this program sets its own to on`,
      set("synchronous_commit", "'on'"),
    );
  }
  if (isolation !== "read committed") {
    return warning(
      `default_transaction_isolation is ${isolation}: batches may have to try again`,
      set("default_transaction_isolation", "'read committed'"),
    );
  }
  return ok("each commit is flushed; fsync and full_page_writes are on");
});

export const standby = ofShared(({ settings, seesStandbys, standbys, user }) => {
  const names = settings.synchronous_standby_names;
  if (names === "") {
    return warning(
      NO_STANDBY,
      `Set one up (${PAGE}): synchronous_mode of Patroni, or synchronous_standby_names.`,
    );
  }
  if (!seesStandbys) {
    return warning(
      `${names} must have each commit; whether one streams now this role cannot see`,
      `As a superuser: GRANT pg_read_all_stats TO "${user}"; or look: patronictl list.`,
    );
  }
  if (standbys.length === 0) {
    return fail(
      `no synchronous standby (${names}) streams now: commits wait for one, and nothing is sold`,
      `Bring one back, or fail over (${PAGE}).`,
    );
  }
  return ok(`each commit is on ${several(standbys)} as well`);
});

export const role = ofShared(({ user, powers }) => {
  if (powers.length === 0) return ok(`${user} may use the tables, and no more`);
  return warning(
    `${user} may more than serving needs: ${powers.join(", ")}`,
    "Serve as a role of its own that owns nothing (docs/scale.md).",
  );
});

export const connection = ofShared(({ overNetwork, encrypted }) => {
  if (encrypted) return ok("TLS, to a server whose name was checked");
  if (!overNetwork) return ok("within this machine");
  return warning(
    "purchases, names and PIN hashes cross the network in clear",
    "Take sslmode=disable out of database in config.toml, and name sslrootcert.",
  );
});

/** Of two machines that are kept by NTP, and the way to ask. */
const CLOCK_SLACK_MS = 1_000;

export const databaseClock = ofShared(({ clockAheadMs }) => {
  const off = Math.abs(clockAheadMs);
  const found = `it is ${(off / 1000).toFixed(1)} s ${clockAheadMs > 0 ? "ahead of" : "behind"} this machine's`;
  if (off <= CLOCK_SLACK_MS) return ok("it agrees with this machine's");
  return warning(
    found,
    "Keep the clocks of all machines by NTP (chrony): days and limits go by it.",
  );
});

export const appliances = ofShared(({ connected }, { version }) => {
  const other = connected.filter((name) => !name.startsWith(`${version} `));
  if (other.length > 0) {
    return warning(
      `of another version than ${version}: ${several(other)}`,
      "Bring every appliance to one version, one after the other.",
    );
  }
  return ok(`${connected.length} connections of version ${version}`);
});

export const dualControl = ofShared((shared, { config }) => {
  if (!config.ok) return unknown("configuration");
  const own = [...config.value.dual_control].sort().join(", ");
  const banks = [...shared.dualControl].sort().join(", ");
  if (own === banks) return ok(own === "" ? "off" : own);
  return warning(
    `here it is for ${own || "nothing"}, and the last act was done under ${banks || "none"}`,
    "Set dual_control alike in config.toml of every appliance: an act here goes by this one's.",
  );
});
