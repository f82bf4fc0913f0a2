// Judges the machine, the running server and the bank at work.

import type { Listen } from "../config.ts";
import { localTimeText } from "../domain/local-time.ts";
import { RESTORED } from "../storage/sql/restores.ts";
import type { Facts } from "./facts.ts";
import {
  type Check,
  command,
  fail,
  ofDatabase,
  ok,
  unknown,
  type Verdict,
  warning,
} from "./verdict.ts";

/** Of two readings of one clock, in different processes. */
const CLOCK_SLACK_MS = 2_000;

export const clock: Check = ({ clock, database, now }) => {
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

export const timeZone = ofDatabase(({ bank }, { clock }) => {
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

export function port({ ports, config, serverPid }: Facts): Verdict {
  if (!config.ok) return unknown("configuration");
  if (serverPid !== null) return ok("this bank's server has its own");
  const place = (of: Listen) => `${of.host} port ${of.port}`;
  for (const tried of ports) {
    if (tried.refused === null) continue;
    const advice = PORT_ADVICE[tried.refused] ?? "Correct host and port in config.toml.";
    return fail(`${place(tried)} cannot be had (${tried.refused})`, advice);
  }
  return ok(`free: ${ports.map(place).join(", ")}`);
}

/** The server makes room at 5,000 connections, or at half of the files that it may open. */
const ENOUGH_FILES = 10_000;
const LEAST_FILES = 256;

export function openFiles({ mostOpenFiles, serverPid }: Facts): Verdict {
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

export function coreDumps({ dumpable }: Facts): Verdict {
  if (!dumpable) return ok("a crash leaves none");
  return warning("a crash may leave PINs in a core", "Run it with ulimit -c 0 (LimitCORE=0).");
}

export function server({ serverPid, live, version }: Facts): Verdict {
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

export const sales = ofDatabase(({ bank }, facts) => {
  if (bank.salesPaused === null) return ok("open");
  const { at, reason } = bank.salesPaused;
  const since = localTimeText(at, bank.timeZone);
  const next = reason === RESTORED ? "restore acknowledge" : "sales resume";
  return warning(`paused since ${since}: ${reason}`, command(facts, next));
});

export const limits = ofDatabase(({ hasLimits }, facts) =>
  hasLimits
    ? ok("set")
    : warning("none: any amount may be bought", command(facts, "limits set --max ...")),
);

export const findings = ofDatabase(({ openFindings }, facts) =>
  openFindings === 0
    ? ok("none is open")
    : warning(`${openFindings} open`, command(facts, "reports exceptions")),
);
