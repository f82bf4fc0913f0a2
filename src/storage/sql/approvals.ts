// Dual control: what was asked for, and its one decision. Called inside a write (store.ts).

import { Value } from "@sinclair/typebox/value";
import { approvalRefusal, NO_LOGIN } from "../../domain/dual-control.ts";
import { formatAmount, type Minor } from "../../domain/money.ts";
import { type ActName, actOf, digestOf, isActName, type Wording } from "../acts.ts";
import type {
  ApprovalFilter,
  ApprovalRequest,
  ApprovalView,
  Bank,
  By,
  Person,
  StoreOptions,
} from "../store.ts";
import type { Journal } from "./journal.ts";
import type { readsOn } from "./reads.ts";
import { notFound, refuse } from "./refused.ts";
import type { Sql } from "./sql.ts";

/** What the journal says when something is asked for. */
export type AskDetail = {
  readonly approval: number;
  readonly act: string;
  readonly what: string;
  /** Of what the act needs, which stands in the table. */
  readonly digest: string;
  readonly expiresAt: number;
};

type Row = {
  id: number;
  act: string;
  args: string;
  state: "open" | "approved" | "rejected";
  askedUid: number;
  askedAt: number;
  expiresAt: number;
  decidedAt: number | null;
  decidedIn: number | null;
  askedBy: string;
  reason: string | null;
  detail: string;
  decidedBy: string | null;
  decidedReason: string | null;
};

const APPROVAL = `SELECT p.id, p.act, p.args, p.state, p.asked_uid AS askedUid,
    j.at AS askedAt, p.expires_at AS expiresAt, d.at AS decidedAt,
    p.decided_in AS decidedIn, j.actor AS askedBy, j.reason, j.detail, d.actor AS decidedBy,
    d.reason AS decidedReason
  FROM approvals p JOIN journal j ON j.id = p.asked_in LEFT JOIN journal d ON d.id = p.decided_in`;

const personOf = (actor: string, reason: string | null): By => ({
  ...(JSON.parse(actor) as Omit<By, "reason">),
  reason,
});

/** Whoever approved stands beside whoever asked, in the record of the act. */
function deciderOf({ state, decidedBy, decidedReason }: Row): Person | null {
  if (decidedBy === null) return null;
  const by = personOf(decidedBy, decidedReason);
  return state === "approved" ? (by.approval ?? null) : by;
}

export function approvalsOn(
  db: Sql,
  parts: {
    readonly bank: Bank;
    readonly journal: Journal;
    readonly reads: ReturnType<typeof readsOn>;
    readonly options: StoreOptions;
  },
) {
  const { bank, journal, reads, options } = parts;
  const byId = db.query(`${APPROVAL} WHERE p.id = ?`);
  const newestFirst = db.query(`${APPROVAL} WHERE p.id < ? ORDER BY p.id DESC LIMIT ?`);
  const openOnes = db.query(
    `${APPROVAL} WHERE p.state = 'open' AND p.expires_at > ? AND p.id < ?
     ORDER BY p.id DESC LIMIT ?`,
  );
  const nextId = db.query("SELECT coalesce(max(id), 0) + 1 AS id FROM approvals");
  const insert = db.query(
    `INSERT INTO approvals (id, act, args, asked_in, asked_uid, asked_at, expires_at)
     VALUES (?, ?, ?, ?, ?, ?, ?)`,
  );
  const decide = db.query(
    `UPDATE approvals SET state = ?, decided_in = ?, decided_uid = ?, decided_at = ?
     WHERE id = ? AND state = 'open'`,
  );

  const wording: Wording = {
    money: (amount: Minor) => `${formatAmount(amount, bank.minorDigits)} ${bank.currency}`,
    account(number) {
      const account = reads.account(number);
      return account === null ? `account ${number}` : `account ${number} (${account.name})`;
    },
    overdraft: (number) => reads.account(number)?.overdraft ?? null,
    reservation: (ref) => reads.reservation(ref),
    limit: ({ scope, scopeKey }) =>
      reads.limits().find((row) => row.scope === scope && row.scopeKey === scopeKey) ?? null,
  };

  /** In today's words until it is decided: the figures beside it may have changed since. */
  function whatOf({ act, args: text, detail, state }: Row): string {
    const args = JSON.parse(text) as object;
    return state === "open" && isActName(act) && Value.Check(actOf(act).args, args)
      ? actOf(act).describe(args as never, wording)
      : (JSON.parse(detail) as AskDetail).what;
  }

  function viewOf(row: Row): ApprovalView {
    const { id, act, args, askedAt, expiresAt, decidedAt, reason } = row;
    const isExpired = row.state === "open" && options.now() >= expiresAt;
    return {
      id,
      act,
      what: whatOf(row),
      args: JSON.parse(args) as object,
      state: isExpired ? "expired" : row.state,
      askedAt,
      askedBy: personOf(row.askedBy, reason),
      expiresAt,
      decidedAt,
      decidedBy: deciderOf(row),
      record: row.decidedIn,
    };
  }

  const rowOf = (id: number): Row =>
    (byId.get(id) as Row | null) ?? notFound(`there is no approval ${id}`);

  /** The row of what is still open, or a refusal that says what became of it. */
  function openRow(id: number): Row {
    const row = rowOf(id);
    const { state } = viewOf(row);
    if (state === "expired") refuse(`approval ${id} has expired: ask for it again`);
    if (state !== "open") refuse(`approval ${id} is ${state} already`);
    return row;
  }

  function decided(row: Row, state: "approved" | "rejected", record: number, uid: number): void {
    const { changes } = decide.run(state, record, uid, options.now(), row.id);
    if (changes !== 1) throw new Error("an approval must be decided exactly once");
  }

  return {
    /** Records what is asked for; gives its id. */
    ask(by: By, { act, args, expiresAt }: ApprovalRequest): number {
      if (by.loginUid === null) refuse(NO_LOGIN);
      const { id } = nextId.get() as { id: number };
      const at = options.now();
      const text = JSON.stringify(args);
      const detail: AskDetail = {
        approval: id,
        act,
        what: actOf(act).describe(args as never, wording),
        digest: digestOf(JSON.parse(text) as object),
        expiresAt,
      };
      const askedIn = journal.record({
        at,
        kind: "act",
        act: "approvals ask",
        subject: String(id),
        detail: JSON.stringify(detail),
        by,
      });
      insert.run(id, act, text, askedIn, by.loginUid, at, expiresAt);
      return id;
    },

    /**
     * What is done under an approval and by whom, for whoever may approve it; `done` notes it, once
     * the act is done in the same commit.
     */
    toApprove(approver: By, id: number) {
      const row = openRow(id);
      const why = approvalRefusal(row.askedUid, approver.loginUid);
      if (why !== null) refuse(why);
      const { act } = row;
      const args = JSON.parse(row.args) as object;
      const { digest } = JSON.parse(row.detail) as AskDetail;
      if (!isActName(act) || !Value.Check(actOf(act).args, args) || digestOf(args) !== digest) {
        refuse(`approval ${id} is not what the journal says was asked for: run verify`);
      }
      const name: ActName = act;
      const by: By = { ...personOf(row.askedBy, row.reason), approval: { id, ...approver } };
      // Whatever is noted beside the act stands before it.
      journal.noteControl(approver, options.now());
      const first = journal.head().id + 1;
      return {
        act: name,
        args,
        by,
        done: () => decided(row, "approved", first, approver.loginUid ?? 0),
      };
    },

    reject(by: By, id: number): void {
      const row = openRow(id);
      if (by.loginUid === null) refuse(NO_LOGIN);
      const detail = JSON.stringify({ act: row.act, what: viewOf(row).what });
      const at = options.now();
      const record = { at, kind: "act", act: "approvals reject", subject: String(id) } as const;
      decided(row, "rejected", journal.record({ ...record, detail, by }), by.loginUid);
    },

    view: (id: number): ApprovalView => viewOf(rowOf(id)),

    find(id: number): ApprovalView | null {
      const row = byId.get(id) as Row | null;
      return row === null ? null : viewOf(row);
    },

    list({ all, after = Number.MAX_SAFE_INTEGER, limit }: ApprovalFilter): ApprovalView[] {
      const rows = all ? newestFirst.all(after, limit) : openOnes.all(options.now(), after, limit);
      return (rows as Row[]).map(viewOf);
    },
  };
}
