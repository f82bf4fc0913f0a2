// Prometheus metrics, on a listener of their own that only this machine can reach.
//
// They are read where `status` reads: the counters and the database. A metrics library would count
// a second time; all that is left is the text format, which is a few lines, and promtool judges it.
// Every label has few values, all of them ours: never a path, a number, a buyer or a peer.
import { newestBackup } from "./backup/create.ts";
import type { Config } from "./config.ts";
import type { Counters, Histogram } from "./counters.ts";
import { OUTCOMES } from "./domain/outcomes.ts";
import { roomOf } from "./files.ts";
import { mostFiles } from "./http/listen.ts";
import type { Live } from "./live.ts";
import type { Glance } from "./overview.ts";
import type { Overview } from "./storage/store.ts";

/** All that the metrics are read from, at one moment. */
type Facts = {
  readonly now: number;
  readonly live: Live;
  readonly counters: Counters;
  readonly overview: Overview;
  readonly salesPaused: boolean;
  readonly newestBackupAt: number | null;
  readonly diskFreeBytes: number;
  readonly mostFiles: number;
};

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [value: number, labels?: Labels];

type Metric = {
  readonly name: string;
  readonly help: string;
} & (
  | { readonly type: "counter" | "gauge"; readonly read: (facts: Facts) => readonly Sample[] }
  | {
      readonly type: "histogram";
      readonly read: (facts: Facts) => readonly (readonly [Histogram, Labels])[];
    }
);

const gauge = (name: string, help: string, read: (facts: Facts) => number | null): Metric => ({
  name,
  help,
  type: "gauge",
  read(facts) {
    const value = read(facts);
    return value === null ? [] : [[value]];
  },
});

const counter = (name: string, help: string, read: (facts: Facts) => number): Metric => ({
  name,
  help,
  type: "counter",
  read: (facts) => [[read(facts)]],
});

const NEVER_DECLINED = OUTCOMES.success.code;
/** "Insufficient funds" as a label: "insufficient_funds". */
const label = (message: string) => message.toLowerCase().replaceAll(/\W+/g, "_");
const seconds = (epochMs: number | null) => (epochMs === null ? null : epochMs / 1000);

/** In the order in which they are documented (docs/metrics.md). */
export const METRICS: readonly Metric[] = [
  {
    name: "transact_bank_build_info",
    help: "1; the version is in the label.",
    type: "gauge",
    read: ({ live }) => [[1, { version: live.version }]],
  },
  gauge("transact_bank_ready", "1 where purchases can be taken.", ({ live }) => Number(live.ready)),
  gauge("transact_bank_sales_paused", "1 while sales are paused.", ({ salesPaused }) =>
    Number(salesPaused),
  ),
  {
    name: "transact_bank_answers_total",
    help: "Requests by interface, HTTP status (0: closed without an answer) and responseCode.",
    type: "counter",
    read: ({ live }) =>
      live.answers.map(({ route, status, code, count }) => [
        count,
        { route, status: String(status), code },
      ]),
  },
  {
    name: "transact_bank_declines_total",
    help: "Declined reserves by reason, all of them from the start on.",
    type: "counter",
    read: ({ live }) =>
      Object.values(OUTCOMES)
        .filter(({ code }) => code !== NEVER_DECLINED)
        .map(({ code, message }) => [
          live.answers
            .filter((answer) => answer.status === 200 && answer.code === code)
            .reduce((sum, { count }) => sum + count, 0),
          { reason: label(message) },
        ]),
  },
  {
    name: "transact_bank_refusals_total",
    help: "Requests turned away before their content counted, by HTTP status and reason.",
    type: "counter",
    read: ({ live }) =>
      live.refusals.map(({ status, reason, count }) => [
        count,
        { status: String(status), reason: label(reason) },
      ]),
  },
  {
    name: "transact_bank_request_duration_seconds",
    help: "How long decided requests took, by interface.",
    type: "histogram",
    read: ({ counters: { latency } }) => [
      [latency.reserveFunds, { route: "reserveFunds" }],
      [latency.transactResult, { route: "transactResult" }],
    ],
  },
  gauge("transact_bank_requests_in_flight", "Requests under way.", ({ live }) => live.inFlight),
  gauge(
    "transact_bank_queued_operations",
    "Operations that are not with the database yet.",
    ({ live }) => live.queue.queued,
  ),
  gauge(
    "transact_bank_outstanding_operations",
    "Operations that are not on the disk yet.",
    ({ live }) => live.queue.outstanding,
  ),
  counter("transact_bank_batches_total", "Commits.", ({ live }) => live.batches.batches),
  counter(
    "transact_bank_batch_operations_total",
    "Operations in those commits.",
    ({ live }) => live.batches.operations,
  ),
  {
    name: "transact_bank_flush_duration_seconds",
    help: "How long commits waited for the disk.",
    type: "histogram",
    read: ({ counters }) => [[counters.flushes, {}]],
  },
  gauge("transact_bank_wal_bytes", "Size of the write-ahead log.", ({ live }) => live.walBytes),
  gauge(
    "transact_bank_disk_free_bytes",
    "Free on the disk of the data dir.",
    ({ diskFreeBytes }) => diskFreeBytes,
  ),
  gauge(
    "transact_bank_open_reservations",
    "Reservations without a result.",
    ({ overview }) => overview.open,
  ),
  gauge(
    "transact_bank_oldest_open_reservation_age_seconds",
    "Age of the oldest of them; 0 where there is none.",
    ({ overview: { oldestOpenAt }, now }) =>
      oldestOpenAt === null ? 0 : Math.max(0, now - oldestOpenAt) / 1000,
  ),
  gauge(
    "transact_bank_unconfirmed_reservations",
    "Those without a result for more than seven business days.",
    ({ overview }) => overview.unconfirmed,
  ),
  {
    name: "transact_bank_open_findings",
    help: "Findings that nobody closed, by kind.",
    type: "gauge",
    read: ({ overview }) => overview.findings.map(({ kind, open }) => [open, { kind }]),
  },
  gauge(
    "transact_bank_last_backup_timestamp_seconds",
    "When the newest backup was made; absent where there is none.",
    ({ newestBackupAt }) => seconds(newestBackupAt),
  ),
  gauge(
    "transact_bank_tls_certificate_expiry_timestamp_seconds",
    "When the certificate ends; absent where the program serves no TLS.",
    ({ live }) => (live.tls === null ? null : Date.parse(live.tls.expiresAt) / 1000),
  ),
  gauge(
    "process_start_time_seconds",
    "When the server started.",
    ({ live }) => Date.parse(live.startedAt) / 1000,
  ),
  counter("process_cpu_seconds_total", "CPU time that it used.", () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  }),
  gauge("process_resident_memory_bytes", "Memory that it has.", () => process.memoryUsage.rss()),
  gauge("process_open_fds", "Files and connections that are open.", ({ live }) => live.openFiles),
  gauge("process_max_fds", "How many it may have open.", (facts) =>
    Number.isFinite(facts.mostFiles) ? facts.mostFiles : null,
  ),
];

// ---------------------------------------------------------------- the text format

const escaped = (text: string) =>
  text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");

function sampleLine(name: string, value: number, labels: Labels = {}): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escaped(text)}"`);
  return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}`;
}

function histogramLines(name: string, histogram: Histogram, labels: Labels): string[] {
  const { upTo, count, sumMs } = histogram.buckets();
  const bucket = (le: string, below: number) =>
    sampleLine(`${name}_bucket`, below, { ...labels, le });
  return [
    ...upTo.map(({ edgeMs, count: below }) => bucket(String(edgeMs / 1000), below)),
    bucket("+Inf", count),
    sampleLine(`${name}_sum`, sumMs / 1000, labels),
    sampleLine(`${name}_count`, count, labels),
  ];
}

function linesOf(metric: Metric, facts: Facts): string[] {
  const { name, help, type } = metric;
  const samples =
    metric.type === "histogram"
      ? metric.read(facts).flatMap(([histogram, labels]) => histogramLines(name, histogram, labels))
      : metric.read(facts).map(([value, labels]) => sampleLine(name, value, labels));
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...samples];
}

const metricsText = (facts: Facts): string =>
  `${METRICS.flatMap((metric) => linesOf(metric, facts)).join("\n")}\n`;

// ---------------------------------------------------------------- the listener

const TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8";
/** Whoever asks more often has the same answer: what the database tells costs some time. */
const FRESH_MS = 1_000;

export type MetricsSource = {
  readonly dataDir: string;
  /** What the database tells; it may take its time. */
  readonly glance: () => Promise<Glance>;
  readonly config: Config;
  readonly counters: Counters;
  readonly live: () => Live;
};

async function factsOf({ dataDir, glance, config, counters, live }: MetricsSource): Promise<Facts> {
  const now = Date.now();
  const { freeBytes } = roomOf(dataDir);
  const { bank, overview } = await glance();
  const { code, salesPaused } = bank;
  return {
    now,
    live: live(),
    counters,
    overview,
    salesPaused: salesPaused !== null,
    newestBackupAt: newestBackup(dataDir, config, code)?.createdAt ?? null,
    diskFreeBytes: freeBytes,
    mostFiles: mostFiles(),
  };
}

/** Answers GET /metrics on loopback; throws where the port is taken. */
export function serveMetrics(port: number, source: MetricsSource) {
  let text = "";
  let madeAtMs = -Infinity;
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port,
    reusePort: false,
    development: false,
    async fetch(request) {
      if (request.method !== "GET" || URL.parse(request.url)?.pathname !== "/metrics") {
        return new Response("Metrics are at GET /metrics\n", { status: 404 });
      }
      const nowMs = performance.now();
      if (nowMs - madeAtMs >= FRESH_MS) {
        text = metricsText(await factsOf(source));
        madeAtMs = nowMs;
      }
      return new Response(text, { headers: { "content-type": TEXT_FORMAT } });
    },
    // Without this the runtime prints where it happened, among the lines of the log.
    error: ({ message }) => new Response(`They cannot be read: ${message}\n`, { status: 500 }),
  });
  return {
    url: `http://127.0.0.1:${server.port}/metrics`,
    close: () => void server.stop(true),
  };
}
