// What the journal's acts set, followed from its beginning and compared with what the tables say:
// overdrafts and statuses, which buyer is whose, who is blocked, and the limits.

import type { NewRestore } from "../store.ts";
import { perAccount } from "./recount.ts";
import { LIMIT_COLUMNS } from "./rows.ts";
import type { Sql } from "./sql.ts";

/** As much of a record of the journal as is needed here. */
export type Act = { readonly act: unknown; readonly subject: unknown; readonly detail: unknown };

export type AccountSettings = {
  readonly id: number;
  readonly number: string;
  readonly overdraft: number;
  readonly status: string;
};

type Figures = { readonly [figure: string]: unknown };
type Setting = Pick<AccountSettings, "overdraft" | "status">;
type Made = { overdraftMinor: number; status: string; buyers: string[] };

const USUAL: Setting = { overdraft: 0, status: "active" };

/** Made by `accounts new`, by an import or with a demo bank. */
const isMade = (detail: object): detail is Made => "buyers" in detail;

type Gap = Pick<NewRestore, "from" | "to" | "record" | "hash">;
const gapText = ({ from, to, record, hash }: Gap): string =>
  `from ${from} to ${to}, after record ${record} with the hash ${hash}`;

/** One sum stands for all buyers of an account, in whatever order they came and went. */
const buyerFigure = (buyerId: string): number => Bun.hash.xxHash32(buyerId);

/** Limits in a form that two of them are compared in: the figures that are set, in their order. */
const figuresText = (figures: Figures): string =>
  Object.entries(figures)
    .filter(([, figure]) => figure !== null)
    .map(([name, figure]) => `${name} ${figure}`)
    .sort()
    .join(", ") || "none";

export function settingsOf(db: Sql) {
  const selectId = db.query("SELECT id FROM accounts WHERE number = ?");
  const selectBuyers = db.query("SELECT buyer_id FROM buyers WHERE account_id = ?");
  // A bank may have a million accounts, most of them as usual: only the others are remembered.
  const unusual = new Map<string, Setting>();
  const buyers = perAccount(0);
  const blocked = new Set<string>();
  const limits = new Map<string, Figures>();
  const gaps: string[] = [];
  let unacknowledged = 0;
  let prunedBefore: number | null = null;

  const idOf = (number: string) => (selectId.get(number) as { id: number } | null)?.id ?? 0;

  function set(number: string, setting: Partial<Setting>): void {
    const after = { ...(unusual.get(number) ?? USUAL), ...setting };
    if (after.overdraft === 0 && after.status === "active") unusual.delete(number);
    else unusual.set(number, after);
  }

  function made(number: string, { overdraftMinor, status, buyers: theirs }: Made): void {
    set(number, { overdraft: overdraftMinor, status });
    for (const buyerId of theirs) buyers.add(idOf(number), buyerFigure(buyerId));
  }

  function setLimits(target: string, { after }: { after: Figures }): void {
    limits.set(target, { ...limits.get(target), ...after });
  }

  /** By the act that set something; `detail` is as admin.ts writes it. */
  const FOLLOW: { [act: string]: (subject: string, detail: never) => void } = {
    "accounts overdraft": (number, { afterMinor }: { afterMinor: number }) =>
      set(number, { overdraft: afterMinor }),
    "accounts status": (number, { after }: { after: string }) => set(number, { status: after }),
    "accounts map"(number, { buyerId, before }: { buyerId: string; before: string | null }) {
      if (before !== null) buyers.add(idOf(before), -buyerFigure(buyerId));
      buyers.add(idOf(number), buyerFigure(buyerId));
    },
    "accounts unmap": (number, { buyerId }: { buyerId: string }) =>
      buyers.add(idOf(number), -buyerFigure(buyerId)),
    "accounts block-buyer": (buyerId) => void blocked.add(buyerId),
    "accounts unblock-buyer": (buyerId) => void blocked.delete(buyerId),
    "backup restore"(_, gap: Gap) {
      gaps.push(gapText(gap));
      unacknowledged += 1;
    },
    "restore acknowledge"() {
      unacknowledged = 0;
    },
    "receipts prune"(_, { before }: { before: number }) {
      prunedBefore = Math.max(prunedBefore ?? before, before);
    },
    "limits set": setLimits,
    "limits unset": setLimits,
  };

  function* differences<T>(
    known: ReadonlyMap<string, T>,
    seen: ReadonlyMap<string, T>,
    say: (key: string, was: T | undefined, is: T | undefined) => string | null,
  ): Iterable<string> {
    for (const key of new Set([...known.keys(), ...seen.keys()])) {
      const line = say(key, known.get(key), seen.get(key));
      if (line !== null) yield line;
    }
  }

  return {
    /** Takes the next record. A detail that is damaged is for the chain to find. */
    follow({ act, subject, detail }: Act): void {
      let given: object;
      try {
        given = detail === null ? {} : (JSON.parse(String(detail)) as object);
      } catch {
        return;
      }
      if (isMade(given)) made(String(subject), given);
      else FOLLOW[String(act)]?.(String(subject), given as never);
    },

    /** What of one account is not as it was set. */
    problemsOf({ id, number, overdraft, status }: AccountSettings): string[] {
      const set = unusual.get(number) ?? USUAL;
      const theirs = (selectBuyers.values(id).flat() as string[]).map(buyerFigure);
      const name = `account ${number}`;
      const problems: string[] = [];
      if (overdraft !== set.overdraft) {
        problems.push(`${name}: its overdraft is ${overdraft}, ${set.overdraft} was set`);
      }
      if (status !== set.status) {
        problems.push(`${name}: its status is ${status}, ${set.status} was set`);
      }
      if (theirs.reduce((sum, figure) => sum + figure, 0) !== buyers.get(id)) {
        problems.push(`${name}: its buyers are not those that were mapped to it`);
      }
      return problems;
    },

    /** What of the limits and the blocked buyers is not as it was set. */
    otherProblems(): string[] {
      const rows = db.query(`SELECT ${LIMIT_COLUMNS} FROM limits`).all() as Figures[];
      const seen = new Map(
        rows.map(({ scope, scopeKey, ...figures }) => [`${scope} ${scopeKey}`, figures]),
      );
      const marks = (buyerIds: Iterable<string>) => new Map([...buyerIds].map((id) => [id, true]));
      const now = db.query("SELECT buyer_id FROM blocked_buyers").values().flat() as string[];
      const restores = db
        .query(
          `SELECT from_at AS "from", to_at AS "to", record, hash, acknowledged_by IS NULL AS open
           FROM restores ORDER BY id`,
        )
        .all() as (Gap & { open: number })[];
      const open = restores.filter((restore) => restore.open === 1).length;
      const pruned = db.query("SELECT receipts_pruned_before FROM bank").values().flat()[0];
      const isAsJournalled = restores.length === gaps.length && open === unacknowledged;
      return [
        ...(pruned === prunedBefore
          ? []
          : [`receipts: pruned before ${pruned}, the journal says ${prunedBefore}`]),
        ...(isAsJournalled
          ? []
          : [
              `restores: ${restores.length}, ${open} of them not acknowledged; the journal says ` +
                `${gaps.length} and ${unacknowledged}`,
            ]),
        ...restores.map(gapText).flatMap((gap, at) => {
          const noted = gaps[at];
          return noted === undefined || noted === gap
            ? []
            : [`restore: forgotten is ${gap}; the journal says ${noted}`];
        }),
        ...differences<Figures>(limits, seen, (target, was = {}, is = {}) => {
          const [before, after] = [figuresText(was), figuresText(is)];
          return before === after ? null : `limits of ${target}: ${after}, set was ${before}`;
        }),
        ...differences(marks(blocked), marks(now), (buyerId, was, is) => {
          if (was === is) return null;
          return `buyer ${buyerId}: ${is ? "blocked, which nobody did" : "not blocked any more"}`;
        }),
      ];
    },
  };
}
