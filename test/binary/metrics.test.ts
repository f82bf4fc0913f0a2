// docs/metrics.md and what stands beside it, against what the server really serves.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readLive } from "../../src/live.ts";
import { METRICS, serveMetrics } from "../../src/metrics.ts";
import { ROOT, textOf } from "../docs/pages.ts";
import { tool } from "../tools.ts";
import { type Bank, configure, newBank, reserve, type Server } from "./program.ts";

const MONITORING = join(ROOT, "docs/monitoring");
const fileOf = (name: string) => readFileSync(join(MONITORING, name), "utf8");

type Row = { name: string; type: string; labels: string[]; help: string };

const ROW = /^\| `(\w+)` \| (\w+) \| (.*?) ?\| (.*) \|$/;

/** The metrics as the page documents them. */
const documented: Row[] = textOf("docs/metrics.md")
  .split("\n")
  .flatMap((line) => {
    const [, name, type, labels = "", help] = ROW.exec(line) ?? [];
    if (name === undefined || type === undefined || help === undefined) return [];
    return [{ name, type, help, labels: labels.match(/\w+/g) ?? [] }];
  });

/** The metrics as the exposition has them; a histogram's `le` is Prometheus' own label. */
function exposed(text: string): Row[] {
  const helps = [...text.matchAll(/^# HELP (\w+) (.*)\n# TYPE \w+ (\w+)$/gm)];
  return helps.map(([, name = "", help = "", type = ""]) => {
    const suffix = type === "histogram" ? "(?:_bucket|_sum|_count)" : "";
    const samples = [...text.matchAll(new RegExp(`^${name}${suffix}(?:\\{(.*)\\})? `, "gm"))];
    const labels = samples.flatMap(([, pairs = ""]) => pairs.match(/\w+(?==)/g) ?? []);
    return { name, type, help, labels: [...new Set(labels)].filter((label) => label !== "le") };
  });
}

/** All names of metrics that PromQL may use. */
const NAMES = new Set(
  METRICS.flatMap(({ name, type }) =>
    type === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  ),
);

const unknownIn = (promql: string): string[] =>
  (promql.match(/\b(?:transact_bank|process)_\w+/g) ?? []).filter((name) => !NAMES.has(name));

type Dashboard = { panels: { title: string; targets: { expr: string }[] }[] };
const queries = (JSON.parse(fileOf("dashboard.json")) as Dashboard).panels.flatMap(
  ({ title, targets }) => targets.map(({ expr }) => [title, expr] as const),
);

let bank: Bank;
let server: Server;
let text: string;
beforeAll(async () => {
  bank = await newBank();
  configure(bank, "metrics_port = 0");
  server = await bank.serve();
  await reserve(server);
  await reserve(server, { sourceIdentifier: "nobody" });
  await server.post("/transactResult", { raasTxnRef: "raas-of-somebody", responseCode: "0000" });
  await server.post("/nowhere/27731304702", {});
  await bank.admin("backup create");
  const url = (await readLive(bank.dataDir))?.metricsUrl ?? "";
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
  text = await (await fetch(url)).text();
}, 60_000);
afterAll(async () => {
  await server.stop();
  bank.remove();
});

describe("the metrics", () => {
  test("are what the page documents, all of them, and nothing else", () => {
    // Where the program serves no TLS there is no certificate.
    const told = exposed(text);
    const inOrder = (rows: Row[]) =>
      rows.map((row) => ({ ...row, labels: [...row.labels].sort() }));
    expect(inOrder(told)).toEqual(inOrder(documented));
  });

  test.each([
    ['transact_bank_answers_total{route="reserveFunds",status="200",code="0000"}', "1"],
    ['transact_bank_answers_total{route="transactResult",status="404",code=""}', "1"],
    ['transact_bank_declines_total{reason="consumer_account_not_mapped"}', "1"],
    ['transact_bank_declines_total{reason="insufficient_funds"}', "0"],
    ['transact_bank_refusals_total{status="404",reason="unknown_path"}', "1"],
    ['transact_bank_request_duration_seconds_count{route="reserveFunds"}', "2"],
    ['transact_bank_request_duration_seconds_bucket{route="reserveFunds",le="+Inf"}', "2"],
    ["transact_bank_open_reservations", "1"],
    ["transact_bank_unconfirmed_reservations", "0"],
    ['transact_bank_open_findings{kind="unmatched-success"}', "1"],
    ["transact_bank_ready", "1"],
    ["transact_bank_sales_paused", "0"],
  ])("say %s %s", (name, value) => {
    expect(text).toContain(`\n${name} ${value}\n`);
  });

  test("name no caller, no buyer, no path and no reference", () => {
    for (const secret of ["27731304702", "127.0.0.1", "nowhere", "somebody", "ACME"]) {
      expect(text).not.toContain(secret);
    }
  });

  test("are served to GET /metrics alone, on loopback", async () => {
    const url = (await readLive(bank.dataDir))?.metricsUrl ?? "";
    expect((await fetch(url, { method: "POST" })).status).toBe(404);
    expect((await fetch(url.replace("/metrics", "/"))).status).toBe(404);
  });

  test("what keeps them from being read is told to who asks, not among the lines of the log", async () => {
    const nowhere = join(bank.folder, "nowhere");
    const metrics = serveMetrics(0, { dataDir: nowhere } as Parameters<typeof serveMetrics>[1]);
    try {
      const answer = await fetch(metrics.url);
      expect([answer.status, await answer.text()]).toEqual([500, expect.stringContaining(nowhere)]);
    } finally {
      metrics.close();
    }
  });

  test("a port that is taken stops no sale", async () => {
    const taken = Number(new URL((await readLive(bank.dataDir))?.metricsUrl ?? "").port);
    const other = await newBank();
    configure(other, `metrics_port = ${taken}`);
    const second = await other.serve();
    try {
      expect(second.out()).toContain(`metrics are not served on port ${taken}`);
      expect((await reserve(second)).responseCode).toBe("0000");
    } finally {
      await second.stop();
      other.remove();
    }
  }, 30_000);
});

describe("what stands beside the page", () => {
  test("alerts and their tests use metrics that there are", () => {
    expect(unknownIn(fileOf("alerts.yml"))).toEqual([]);
    expect(unknownIn(fileOf("alerts-test.yml"))).toEqual([]);
  });

  test.each(queries)("the panel %s uses metrics that there are: %s", (_, expr) => {
    expect(unknownIn(expr)).toEqual([]);
    expect(expr).toMatch(/(transact_bank|process)_/);
  });

  test("every metric is in a panel, but those that say who it is", () => {
    const shown = queries.map(([, expr]) => expr).join("\n");
    const missing = METRICS.map(({ name }) => name).filter((name) => !shown.includes(name));
    expect(missing).toEqual([
      "transact_bank_build_info",
      "transact_bank_sales_paused",
      "process_start_time_seconds",
    ]);
  });
});

describe("promtool", () => {
  async function promtool(args: string[], stdin = ""): Promise<void> {
    if (tool("promtool", `promtool ${args.slice(0, 2).join(" ")}`) === null) return;
    const child = Bun.spawn(["promtool", ...args], {
      stdin: new Blob([stdin]),
      stdout: "pipe",
      stderr: "pipe",
    });
    const said = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    if ((await child.exited) !== 0) throw new Error(said.join("\n"));
  }

  test("finds no fault in the metrics", () => promtool(["check", "metrics"], text));

  test("finds no fault in the alert rules, and they alert when they should", async () => {
    await promtool(["check", "rules", join(MONITORING, "alerts.yml")]);
    await promtool(["test", "rules", join(MONITORING, "alerts-test.yml")]);
  }, 60_000);

  test("can read every query of the dashboard", async () => {
    const folder = mkdtempSync(join(tmpdir(), "transact-bank-queries-"));
    try {
      const rules = queries.map(([, expr], index) => ({ record: `query:${index}`, expr }));
      const file = join(folder, "queries.yml");
      // JSON is YAML.
      writeFileSync(file, JSON.stringify({ groups: [{ name: "queries", rules }] }));
      await promtool(["check", "rules", file]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
