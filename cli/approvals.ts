// approvals: what one person asked for under dual control, and another decides.
import type { Command } from "commander";
import { approve, settleSealed } from "../src/approvals.ts";
import { approvalRefusal } from "../src/domain/dual-control.ts";
import { localTimeText } from "../src/domain/local-time.ts";
import { formatAmount } from "../src/domain/money.ts";
import { approvalJson, personText } from "../src/reports/views.ts";
import { type Paging, rowsOf } from "../src/storage/pages.ts";
import type { ApprovalView, Bank, NewAccount } from "../src/storage/store.ts";
import { Failure } from "./failure.ts";
import { type List, limitOption, writeList } from "./list.ts";
import { facts, table } from "./output.ts";
import { confirm } from "./prompt.ts";
import { type Answer, command, found, group, type Session, unwrap, withBank } from "./session.ts";

function readId(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new Failure("usage", `${text} is no approval's ID: approvals list shows them, like 7`);
}

/** The accounts of an import, which its one line only sums up. */
function accountsTable(accounts: readonly NewAccount[], bank: Bank): string {
  const amount = (figure: NewAccount["balance"]) => formatAmount(figure, bank.minorDigits);
  return table(
    [
      { title: "Number" },
      { title: "Name" },
      { title: "Status" },
      { title: `Balance ${bank.currency}`, align: "right" },
      { title: "Overdraft", align: "right" },
      { title: "Buyers" },
    ],
    accounts.map(({ number, name, status, balance, overdraft, buyers }) => [
      number,
      name,
      status,
      amount(balance),
      amount(overdraft),
      buyers.join(" "),
    ]),
  );
}

function decisionFacts(view: ApprovalView, bank: Bank): (readonly [string, string])[] {
  const { decidedAt, decidedBy, record, state } = view;
  if (decidedAt === null || decidedBy === null) return [];
  const verb = state === "approved" ? "Approved" : "Rejected";
  return [
    [verb, `${localTimeText(decidedAt, bank.timeZone)}, by ${personText(decidedBy)}`],
    ["Why so", decidedBy.reason ?? "not said"],
    ["Journal", `#${record}`],
  ];
}

function approvalText(view: ApprovalView, bank: Bank): string {
  const time = (at: number) => localTimeText(at, bank.timeZone);
  const text = facts([
    ["Approval", String(view.id)],
    ["State", view.state],
    ["What", view.what],
    ["Command", view.act],
    ["Asked", `${time(view.askedAt)}, by ${personText(view.askedBy)}`],
    ["Why", view.askedBy.reason ?? "not said"],
    ["Expires", time(view.expiresAt)],
    ...decisionFacts(view, bank),
  ]);
  if (!("accounts" in view.args)) return text;
  return `${text}\n\n${accountsTable(view.args.accounts as NewAccount[], bank)}`;
}

function approvalAnswer(view: ApprovalView, bank: Bank): Answer {
  return { json: approvalJson(view), text: () => approvalText(view, bank) };
}

function approvalsTable(views: readonly ApprovalView[], bank: Bank): string {
  if (views.length === 0) return "Nothing waits for an approval.";
  return table(
    [
      { title: "ID", align: "right" },
      { title: "State" },
      { title: "Asked by" },
      { title: "Asked" },
      { title: "What" },
      { title: "Why" },
    ],
    views.map((view) => [
      String(view.id),
      view.state,
      personText(view.askedBy),
      localTimeText(view.askedAt, bank.timeZone),
      view.what,
      view.askedBy.reason ?? "",
    ]),
  );
}

function approvalsList({ store, bank }: Session, all: boolean): List<ApprovalView> {
  return {
    rows: (most) =>
      rowsOf(
        (page: Paging<number>) => store.approvals({ ...page, all }),
        ({ id }) => id,
        most,
      ),
    json: approvalJson,
    table: (views) => approvalsTable(views, bank),
    first: "newest",
  };
}

async function decideOn(
  session: Session,
  id: number,
  decision: "approve" | "reject",
): Promise<Answer> {
  const { store, bank, by, dataDir, dryRun } = session;
  const { what, askedBy, state } = found(store.approval(id), `approval ${id}`);
  if (state === "open") {
    // Before anybody is asked what they then may not do.
    const asker = decision === "approve" ? askedBy.loginUid : null;
    const why = asker === null ? null : approvalRefusal(asker, by.loginUid);
    if (why !== null) throw new Failure("refused", why);
    const asked = `Asked by ${personText(askedBy)} (${askedBy.reason ?? "no reason"}): ${what}.`;
    await confirm(session, `${asked} ${decision === "approve" ? "Approve it?" : "Reject it?"}`);
  }
  const decided = unwrap(
    decision === "approve" ? approve(session, by, id) : store.rejectApproval(by, id),
  );
  if (!dryRun) settleSealed(dataDir, store);
  return approvalAnswer(decided, bank);
}

export function register(program: Command): void {
  const approvals = group(
    program,
    "approvals",
    "What waits for another person, under dual control",
  );
  command(approvals, {
    form: "list",
    summary: "List what waits for an approval, the newest first",
    kind: "read",
    examples: ["approvals list", "approvals list --all --limit 20", "approvals list --json"],
  })
    .option("--all", "what was decided or has expired, too")
    .addOption(limitOption())
    .action(
      withBank((session, _: [], { all, limit }: { all?: true; limit?: number }) =>
        writeList(session, approvalsList(session, all === true), limit),
      ),
    );
  command(approvals, {
    form: "show <id>",
    summary: "Show what was asked for, by whom and why, and what became of it",
    kind: "read",
    examples: ["approvals show 7", "approvals show 7 --json"],
  }).action(
    withBank(({ store, bank }, [text]: [string]) => {
      const id = readId(text);
      return approvalAnswer(found(store.approval(id), `approval ${id}`), bank);
    }),
  );
  command(approvals, {
    form: "approve <id>",
    summary: "Do what another asked for, with all of its checks as of now",
    kind: "write",
    examples: ["approvals approve 7", 'approvals approve 7 --yes --reason "slip 4711 seen"'],
  }).action(withBank((session, [id]: [string]) => decideOn(session, readId(id), "approve")));
  command(approvals, {
    form: "reject <id>",
    summary: "Reject what was asked for, or take back what one asked for oneself",
    kind: "reasoned",
    examples: ['approvals reject 7 --reason "the slip says 10.00"'],
  }).action(withBank((session, [id]: [string]) => decideOn(session, readId(id), "reject")));
}
