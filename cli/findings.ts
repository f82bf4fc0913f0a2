// findings: what needs a person.
import type { Command } from "commander";
import { FINDINGS } from "../src/domain/finding.ts";
import { localTimeText } from "../src/domain/local-time.ts";
import { findingJson } from "../src/reports/views.ts";
import { type Paging, rowsOf } from "../src/storage/pages.ts";
import type { Bank, FindingView } from "../src/storage/store.ts";
import { Failure } from "./failure.ts";
import { type List, limitOption, writeList } from "./list.ts";
import { facts, table } from "./output.ts";
import { type Answer, command, found, group, type Session, unwrap, withBank } from "./session.ts";
import { OPEN_NOW } from "./times.ts";

function findingText(finding: FindingView, bank: Bank): string {
  const time = (at: number | null) => (at === null ? "no" : localTimeText(at, bank.timeZone));
  const { title, advice } = FINDINGS[finding.kind];
  return facts([
    ["Finding", String(finding.id)],
    ["Kind", finding.kind],
    ["What", title],
    ["Detail", finding.detail],
    ["What to do", advice],
    ["raasTxnRef", finding.requestId ?? "none"],
    ["Our reference", finding.reference ?? "none"],
    ["Opened", time(finding.openedAt)],
    ["Last seen", `${time(finding.lastSeenAt)}, ${finding.occurrences} in all`],
    ["Sent", time(finding.firstSentAt)],
    ["Closed", time(finding.closedAt)],
    ...(finding.closedAt === null ? [] : [["Why", finding.closeReason ?? ""] as const]),
  ]);
}

function findingAnswer(finding: FindingView, bank: Bank): Answer {
  return { json: findingJson(finding), text: () => findingText(finding, bank) };
}

function findingsTable(findings: readonly FindingView[], bank: Bank): string {
  if (findings.length === 0) return "No findings.";
  return table(
    [
      { title: "ID", align: "right" },
      { title: "Kind" },
      { title: "Opened" },
      { title: "raasTxnRef" },
      { title: "Detail" },
      { title: "State" },
    ],
    findings.map((finding) => [
      String(finding.id),
      finding.kind,
      localTimeText(finding.openedAt, bank.timeZone),
      finding.requestId ?? "",
      finding.detail,
      finding.closedAt === null ? "open" : "closed",
    ]),
  );
}

function findingsList({ store, bank }: Session, openAt: number | null): List<FindingView> {
  return {
    rows: (most) =>
      rowsOf(
        (page: Paging<number>) => store.findings({ ...page, openAt }),
        ({ id }) => id,
        most,
      ),
    json: findingJson,
    table: (findings) => findingsTable(findings, bank),
    first: "most urgent",
  };
}

function readId(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new Failure("usage", `${text} is no finding's ID: findings list shows them, like 7`);
}

export function register(program: Command): void {
  const findings = group(program, "findings", "What needs a person");
  command(findings, {
    form: "list",
    summary: "List the open findings, most urgent first",
    kind: "read",
    examples: ["findings list", "findings list --all --limit 20", "findings list --json"],
  })
    .option("--all", "the closed ones too")
    .addOption(limitOption())
    .action(
      withBank((session, _: [], { all, limit }: { all?: true; limit?: number }) =>
        writeList(session, findingsList(session, all === true ? null : OPEN_NOW), limit),
      ),
    );
  command(findings, {
    form: "show <id>",
    summary: "Show one finding and what to do about it",
    kind: "read",
    examples: ["findings show 7", "findings show 7 --json"],
  }).action(
    withBank(({ store, bank }, [id]: [string]) =>
      findingAnswer(found(store.finding(readId(id)), `finding ${id}`), bank),
    ),
  );
  command(findings, {
    form: "close <id>",
    summary: "Close a finding that needs nobody any more",
    kind: "reasoned",
    examples: ['findings close 7 --reason "Clickatell confirmed: nothing was dispensed"'],
  }).action(
    withBank(({ store, bank, by }, [id]: [string]) =>
      findingAnswer(unwrap(store.closeFinding(by, readId(id))), bank),
    ),
  );
}
