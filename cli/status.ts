// status: how the bank is at this moment, on one screen.
import { statSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { version } from "../package.json";
import { newestBackup } from "../src/backup/create.ts";
import type { Latency } from "../src/counters.ts";
import { isoTime, localTimeText } from "../src/domain/local-time.ts";
import { roomOf } from "../src/files.ts";
import { type Live, readLive } from "../src/live.ts";
import { overviewAt } from "../src/overview.ts";
import { WAL_FILE } from "../src/storage/sqlite/open.ts";
import type { Bank, Overview } from "../src/storage/store.ts";
import { bytesText } from "../src/units.ts";
import { facts } from "./output.ts";
import { command, type Session, withBank } from "./session.ts";
import { assertTerminal, watch } from "./watch.ts";

const MOST_WAITING = 1_000;

type Status = {
  readonly bank: Bank;
  readonly now: number;
  /** Null where no server runs. */
  readonly live: Live | null;
  /** Why a server that is there does not answer. */
  readonly stuck: string | null;
  /** How many approvals are open. */
  readonly waiting: number;
  readonly overview: Overview;
  readonly newestBackupAt: number | null;
  /** Whether the bank is in a database elsewhere. */
  readonly isShared: boolean;
  readonly disk: { readonly freeBytes: number; readonly totalBytes: number };
  readonly walBytes: number;
};

async function statusOf(session: Session): Promise<Status> {
  const { store, dataDir, config } = session;
  const now = Date.now();
  const asked = await readLive(dataDir).then(
    (live) => ({ live, stuck: null }),
    (error: unknown) => ({ live: null, stuck: error instanceof Error ? error.message : "" }),
  );
  return {
    ...asked,
    bank: store.bank(),
    now,
    waiting: store.approvals({ all: false, limit: MOST_WAITING }).length,
    overview: overviewAt(now, session.bank, session),
    isShared: config.database !== undefined,
    newestBackupAt: newestBackup(dataDir, config, session.bank.code)?.createdAt ?? null,
    disk: roomOf(dataDir),
    walBytes: statSync(join(dataDir, WAL_FILE), { throwIfNoEntry: false })?.size ?? 0,
  };
}

function statusJson(status: Status) {
  const { bank, now, live, stuck, waiting, overview, newestBackupAt, disk, walBytes } = status;
  const { open, oldestOpenAt, unconfirmed, findings } = overview;
  return {
    at: isoTime(now),
    version,
    bank: bank.code,
    demo: bank.demo,
    server: stuck !== null ? "stuck" : live === null ? "not running" : "running",
    live,
    salesPaused:
      bank.salesPaused === null
        ? null
        : { since: isoTime(bank.salesPaused.at), reason: bank.salesPaused.reason },
    reserved: open,
    oldestReservedAt: oldestOpenAt === null ? null : isoTime(oldestOpenAt),
    unconfirmed,
    openApprovals: waiting,
    openFindings: Object.fromEntries(findings.map(({ kind, open: count }) => [kind, count])),
    newestBackupAt: newestBackupAt === null ? null : isoTime(newestBackupAt),
    disk,
    walBytes,
  };
}

// ---------------------------------------------------------------- the screen

/** The two largest units of a span: "3 d 4 h". */
function spanText(seconds: number): string {
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [Math.floor(seconds) % 60, "s"],
  ] as const;
  const first = parts.findIndex(([amount]) => amount > 0);
  if (first === -1) return "0 s";
  const shown = parts.slice(first, first + 2).filter(([amount]) => amount > 0);
  return shown.map(([amount, unit]) => `${amount} ${unit}`).join(" ");
}

const msText = (ms: number | null): string => (ms === null ? "-" : `${ms} ms`);

function latencyText({ count, p50Ms, p99Ms }: Latency): string {
  return count === 0 ? "none" : `p50 ${msText(p50Ms)}, p99 ${msText(p99Ms)} (${count})`;
}

type Counted = { readonly what: string; readonly count: number };

/** "12: 0000 10, 2010 2", the most frequent first. */
function countsText(counted: readonly Counted[]): string {
  const sum = counted.reduce((total, { count }) => total + count, 0);
  const parts = [...counted]
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count)
    .map(({ what, count }) => `${what} ${count}`);
  return sum === 0 ? "none" : `${sum}: ${parts.join(", ")}`;
}

type Fact = readonly [label: string, value: string];

/** A reserve's answers by their code, all others by their HTTP status. */
function answersOf(live: Live, route: "reserveFunds" | "transactResult"): string {
  const counted = live.answers
    .filter((answer) => answer.route === route)
    .map(({ status, code, count }) => ({
      what: status === 200 ? code : status === 0 ? "closed unanswered" : `HTTP ${status}`,
      count,
    }));
  return countsText(counted);
}

function serverFacts(live: Live, { now }: Status): Fact[] {
  const { queue, latency, flush, openFiles, tls } = live;
  const refused = live.refusals.map(({ reason, count }) => ({ what: reason, count }));
  const expires = tls === null ? null : Date.parse(tls.expiresAt);
  return [
    ["server", `running for ${spanText(live.uptimeS)}, process ${live.pid}, ${live.url}`],
    ["ready", live.ready ? "yes" : `NO: ${live.notReady}`],
    ["reserves", answersOf(live, "reserveFunds")],
    ["results", answersOf(live, "transactResult")],
    ["turned away", countsText(refused)],
    ["reserve took", `${latencyText(latency.reserveFunds.lately)} in the last minutes`],
    ["", `${latencyText(latency.reserveFunds.sinceStart)} since the start`],
    ["result took", `${latencyText(latency.transactResult.lately)} in the last minutes`],
    ["flush took", `${latencyText(flush.lately)} in the last minutes`],
    [
      "under way",
      `${live.inFlight} requests, ${queue.outstanding} writes, ${openFiles} files, log ${live.logLevel}`,
    ],
    [
      "TLS",
      expires === null
        ? "none in this program"
        : expires < now
          ? `EXPIRED on ${tls?.expiresAt}`
          : `the certificate ends in ${spanText((expires - now) / 1000)} (${tls?.expiresAt})`,
    ],
  ];
}

function screenOf(status: Status): string {
  const { bank, now, live, stuck, waiting, overview, newestBackupAt, disk, walBytes } = status;
  const { open, oldestOpenAt, unconfirmed, findings } = overview;
  const oldest =
    oldestOpenAt === null ? "" : `, the oldest for ${spanText((now - oldestOpenAt) / 1000)}`;
  const found = findings.map(({ kind, open: count }) => ({ what: kind, count }));
  const [free, total] = [bytesText(disk.freeBytes), bytesText(disk.totalBytes)];
  const made = newestBackupAt === null ? "NONE" : `${spanText((now - newestBackupAt) / 1000)} old`;
  const server: Fact[] =
    live !== null ? serverFacts(live, status) : [["server", stuck ?? "not running"]];
  return facts([
    ["transact-bank", `${version}, ${bank.demo ? `${bank.code} (a demo)` : bank.code}`],
    ["at", `${localTimeText(now, bank.timeZone)} ${bank.timeZone}`],
    ...server,
    ["sales", bank.salesPaused === null ? "open" : `PAUSED: ${bank.salesPaused.reason}`],
    ["reserved", `${open}${oldest}`],
    ["unconfirmed", `${unconfirmed} for more than seven business days`],
    ["findings", countsText(found)],
    ...(waiting === 0 ? [] : [["approvals", `${waiting} wait for another person`] as const]),
    ...(status.isShared
      ? ([
          ["backup", "the PostgreSQL's own; doctor says how its standby is"],
          ["disk", `${free} free of ${total} here`],
        ] as const)
      : ([
          ["backup", made],
          ["disk", `${free} free of ${total}, the WAL has ${bytesText(walBytes)}`],
        ] as const)),
    ...(live?.warnings ?? []).map((warning) => ["warning", warning] as const),
  ]);
}

export function register(program: Command): void {
  command(program, {
    form: "status",
    summary: "Show on one screen how the server and the bank are",
    kind: "read",
    examples: ["status", "status --watch", "status --json"],
  })
    .option("--watch", "draw it anew every two seconds, until q or ^C")
    .action(
      withBank<[], { watch?: true }>(async (session, _, options) => {
        if (options.watch === true) {
          assertTerminal("--watch");
          await watch(async () => screenOf(await statusOf(session)));
          return { written: true };
        }
        const status = await statusOf(session);
        return { json: statusJson(status), text: () => screenOf(status) };
      }),
    );
}
