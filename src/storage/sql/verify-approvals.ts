// What verify says of dual control: that what was under it was approved by another person, and that
// each approval was asked for, and used once, for what was asked.

import {
  CONTROLLED_KINDS,
  type ControlledKind,
  controlledKinds,
} from "../../domain/dual-control.ts";
import { digestOf } from "../acts.ts";
import type { By } from "../store.ts";
import type { AskDetail } from "./approvals.ts";
import type { Sql } from "./sql.ts";

/** As much of a record of the journal as is needed here. */
export type Followed = {
  readonly id: number;
  readonly kind: unknown;
  readonly act: unknown;
  readonly subject: unknown;
  readonly detail: unknown;
  readonly actor: unknown;
};

type Use = { readonly first: number; count: number; readonly act: string; readonly by: By };

type ApprovalRow = {
  readonly id: number;
  readonly act: string;
  readonly args: string;
  readonly asked_in: number;
  readonly asked_uid: number;
  readonly expires_at: number;
  readonly state: "open" | "approved" | "rejected";
  readonly decided_in: number | null;
  readonly decided_uid: number | null;
};

/** What an act came to in the journal, to be compared with what was asked for. */
type ActRecord = {
  readonly subject: string | null;
  readonly reference: string | null;
  readonly detail: string | null;
  readonly amount: number;
};

type Facts = { readonly [name: string]: unknown };

function parsed(text: unknown): Facts {
  try {
    return Object(JSON.parse(String(text ?? "{}"))) as Facts;
  } catch {
    return {};
  }
}

/** What is said of dual control, and is never under it. */
const DECIDING = new Set(["dual control", "approvals ask", "approvals reject"]);

/** Who did it and under which approval; most are under none, which is seen without parsing. */
function whoDid({ actor }: Followed): By {
  const by = String(actor).includes('"approval"') ? (parsed(actor) as unknown as By) : null;
  const approval = by?.approval;
  return typeof approval?.id === "number" ? (by as By) : ({ reason: null } as By);
}

/** The figures of limits that were set, or taken away, are those that were asked for. */
function hasFigures(asked: unknown, after: Facts): boolean {
  if (Array.isArray(asked)) {
    return asked.every((name) => after[String(name)] === null);
  }
  return Object.entries(Object(asked)).every(([name, figure]) => after[name] === figure);
}

/** Each argument that an act may have, and how its record shows it. */
const SHOWS: { [argument: string]: (asked: unknown, record: ActRecord, args: Facts) => boolean } = {
  number: (number, { subject }) => subject === number,
  ref: (ref, { reference }) => reference === ref,
  amount: (amount, record) => record.amount === amount,
  balance: (balance, record) => record.amount === balance,
  overdraft(overdraft, { detail }) {
    const { afterMinor, overdraftMinor } = parsed(detail);
    return (afterMinor ?? overdraftMinor) === overdraft;
  },
  scope: (scope, { subject }, { scopeKey }) => subject === `${scope} ${scopeKey}`,
  figures: (figures, { detail }) => hasFigures(figures, Object(parsed(detail)["after"]) as Facts),
  kind: (kind, { detail }) => detail === kind,
  keys: (keys, { detail }) => Array.isArray(keys) && detail === keys.join(", "),
};

const shows = (args: Facts, record: ActRecord | undefined): boolean =>
  record !== undefined &&
  Object.entries(args).every(([name, value]) => SHOWS[name]?.(value, record, args) ?? true);

export function approvalsCheck(db: Sql) {
  const uses = new Map<number, Use>();
  const asked = new Map<number, { record: number; detail: AskDetail; uid: number | null }>();
  const rejected = new Map<number, { record: number; uid: number | null }>();
  const twice: string[] = [];
  let control: readonly ControlledKind[] = [];

  function use({ id, act }: Followed, by: By & { readonly approval: { readonly id: number } }) {
    const before = uses.get(by.approval.id);
    if (before === undefined) {
      uses.set(by.approval.id, { first: id, count: 1, act: String(act), by });
    } else if (before.first + before.count === id && before.act === act) {
      // The accounts of one import are a record each.
      before.count += 1;
    } else {
      twice.push(`record ${id}: approval ${by.approval.id} was used before, by ${before.first}`);
    }
  }

  /** Takes a record of dual control itself. */
  function decide({ id, act, subject, detail, actor }: Followed): void {
    const facts = parsed(detail);
    const uid = (parsed(actor) as unknown as By).loginUid;
    if (act === "approvals reject") rejected.set(Number(subject), { record: id, uid });
    else if (act === "approvals ask") {
      asked.set(Number(subject), { record: id, detail: facts as unknown as AskDetail, uid });
    } else {
      const after = Array.isArray(facts["after"]) ? facts["after"] : [];
      control = CONTROLLED_KINDS.filter((kind) => after.includes(kind));
    }
  }

  const rows = db.query("SELECT * FROM approvals ORDER BY id");
  const recordsOf = db.query(
    `SELECT j.subject, coalesce(r.reference, j.subject) AS reference, j.detail,
       abs(coalesce(j.amount_1, 0)) AS amount
     FROM journal j LEFT JOIN requests r ON r.id = j.reservation_id
     WHERE j.id >= ? ORDER BY j.id LIMIT ?`,
  );

  /** What is wrong with the use of an approval, or null. */
  function useProblem(row: ApprovalRow, use: Use | undefined): string | null {
    if (use === undefined) return row.state === "approved" ? "nothing was done under it" : null;
    if (row.state !== "approved")
      return `record ${use.first} was done under it, it is ${row.state}`;
    const { approval, loginUid } = use.by;
    const args = parsed(row.args);
    const accounts = "accounts" in args ? (args["accounts"] as Facts[]) : null;
    const expected = accounts?.length ?? 1;
    const records = recordsOf.all(use.first, expected) as ActRecord[];
    if (use.first !== row.decided_in || use.count !== expected || use.act !== row.act) {
      return `record ${use.first} is not the one act that was approved`;
    }
    if (loginUid !== row.asked_uid || approval?.loginUid !== row.decided_uid) {
      return `record ${use.first} names other people`;
    }
    if (loginUid === approval?.loginUid) return "whoever asked approved it";
    return (accounts ?? [args]).every((each, index) => shows(each, records[index]))
      ? null
      : `record ${use.first} is not what was asked for`;
  }

  function askProblem(row: ApprovalRow): string | null {
    const ask = asked.get(row.id);
    if (ask === undefined || ask.record !== row.asked_in) return "nobody asked for it";
    const { act, digest, expiresAt } = ask.detail;
    const isAsAsked =
      act === row.act &&
      digest === digestOf(parsed(row.args)) &&
      expiresAt === row.expires_at &&
      ask.uid === row.asked_uid;
    return isAsAsked ? null : "it is not what was asked for";
  }

  function rejectProblem(row: ApprovalRow): string | null {
    const rejection = rejected.get(row.id);
    if ((rejection !== undefined) !== (row.state === "rejected")) {
      return rejection === undefined
        ? "nobody rejected it"
        : `it was rejected, and is ${row.state}`;
    }
    if (rejection === undefined) return null;
    const isSame = rejection.record === row.decided_in && rejection.uid === row.decided_uid;
    return isSame ? null : "it was rejected otherwise";
  }

  return {
    /** Takes the next record; gives what is wrong with it under dual control, or null. */
    follow(record: Followed): string | null {
      // What Clickatell caused needs nobody.
      if (record.actor === null) return null;
      const { id, kind, act } = record;
      if (DECIDING.has(String(act))) {
        decide(record);
        return null;
      }
      const { approval, ...by } = whoDid(record);
      if (approval !== undefined) {
        use(record, { ...by, approval });
        return null;
      }
      // A bank may have imported a million accounts.
      if (control.length === 0) return null;
      const operator = { kind: String(kind), act: String(act), detail: record.detail as string };
      const needed = controlledKinds(operator).filter((each) => control.includes(each));
      if (needed.length === 0) return null;
      return `record ${id}: ${act} was under dual control (${needed.join(", ")}), nobody approved it`;
    },

    /** What of the approvals is not as the journal says. */
    problems(): string[] {
      const all = rows.all() as ApprovalRow[];
      const known = new Set(all.map(({ id }) => id));
      const { kinds } = db.query("SELECT dual_control AS kinds FROM bank").get() as {
        kinds: string;
      };
      const missing = [...asked.keys(), ...uses.keys()].filter((id) => !known.has(id));
      return [
        ...twice,
        ...[...new Set(missing)].map((id) => `approval ${id}: it is gone`),
        ...all.flatMap((row) => {
          const problem =
            askProblem(row) ?? rejectProblem(row) ?? useProblem(row, uses.get(row.id));
          return problem === null ? [] : [`approval ${row.id}: ${problem}`];
        }),
        ...(kinds === JSON.stringify(control)
          ? []
          : [
              `bank: dual control is noted as ${kinds}, the journal says ${JSON.stringify(control)}`,
            ]),
      ];
    },
  };
}
