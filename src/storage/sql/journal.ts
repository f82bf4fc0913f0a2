// Writes postings, admin acts and findings. Nothing here decides; nothing is ever changed.

import type { InternalAccount } from "../../domain/account.ts";
import { type ControlledKind, controlledKinds } from "../../domain/dual-control.ts";
import { type Entry, type EntryAccount, sumOf } from "../../domain/entries.ts";
import type { FindingDraft } from "../../domain/finding.ts";
import { LARGEST_BALANCE } from "../../domain/money.ts";
import { type ChainedContent, type ChainHead, chainNext, chainStart } from "../chain.ts";
import type { Bank, By, JournalView } from "../store.ts";
import { Refused, refuse } from "./refused.ts";
import type { Sql } from "./sql.ts";

export type JournalRecord = {
  readonly at: number;
  readonly kind: JournalView["kind"];
  readonly act: string;
  readonly subject?: string | null;
  readonly detail?: string | null;
  readonly reservationId?: number | null;
  readonly by: By | null;
};

/**
 * SQL for what a posting, a row j of the journal, changes an account by, or NULL: its own columns,
 * for the view entries is slow to join with.
 */
export const amountOf = (account: string): string =>
  `CASE ${account} WHEN j.account_1 THEN j.amount_1 WHEN j.account_2 THEN j.amount_2
     WHEN j.account_3 THEN j.amount_3 END`;

/** What a record's hash covers, in its order. */
export const CHAINED_COLUMNS = `id, at, kind, act, subject, detail, reservation_id, actor, reason,
  account_1, amount_1, account_2, amount_2, account_3, amount_3`;

/** What a posting takes out of the held amount of the account that pays it. */
export type Hold = { readonly accountId: number; readonly amount: number };

/** Tells the id of the account that an entry names. */
export function accountIdsOn(db: Sql): (account: EntryAccount) => number {
  const rows = db.query("SELECT internal, id FROM accounts WHERE internal IS NOT NULL").all();
  const ids = new Map(
    (rows as { internal: InternalAccount; id: number }[]).map(({ internal, id }) => [internal, id]),
  );
  return (account) => {
    if (account.kind === "customer") return account.id;
    const id = ids.get(account.name);
    if (id === undefined) throw new Error(`the bank has no ${account.name} account`);
    return id;
  };
}

/** What is written and hashed of a record. */
export function contentOf(
  id: number,
  entry: JournalRecord,
  entries: readonly Entry[],
  accountId: (account: EntryAccount) => number,
): ChainedContent {
  const [first, second, third] = entries;
  return [
    id,
    entry.at,
    entry.kind,
    entry.act,
    entry.subject ?? null,
    entry.detail ?? null,
    entry.reservationId ?? null,
    entry.by === null ? null : JSON.stringify({ ...entry.by, reason: undefined }),
    entry.by?.reason ?? null,
    first === undefined ? null : accountId(first.account),
    first?.amount ?? null,
    second === undefined ? null : accountId(second.account),
    second?.amount ?? null,
    third === undefined ? null : accountId(third.account),
    third?.amount ?? null,
  ];
}

export type Journal = ReturnType<typeof journalOn>;

/**
 * The journal's writer on one connection; call its functions inside a write. What `readConfigured`
 * says is under dual control, or where that is null what was when the journal last said so, is written
 * of an operator only under an approval: every act comes by here.
 */
export function journalOn(
  db: Sql,
  bank: Bank,
  readConfigured: () => readonly ControlledKind[] | null,
) {
  const newest = db.query("SELECT id, hash FROM journal WHERE id = (SELECT max(id) FROM journal)");
  const hashOfRecord = db.query("SELECT hash FROM journal WHERE id = ?");
  const start = chainStart(bank);
  const insertRecord = db.query(
    `INSERT INTO journal (${CHAINED_COLUMNS}, hash)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const addToBalance = db.query(
    "UPDATE accounts SET ledger_balance = ledger_balance + ?, held = held - ? WHERE id = ?",
  );
  const balanceOf = db.query("SELECT ledger_balance AS balance FROM accounts WHERE id = ?");
  const accountId = accountIdsOn(db);
  const insertFinding = db.query(
    `INSERT INTO findings (kind, key, request_id, reference, detail, opened_at, last_seen_at)
     VALUES ($kind, $key, $requestId, $reference, $detail, $at, $at)
     ON CONFLICT (kind, key) DO UPDATE
       SET occurrences = findings.occurrences + 1, last_seen_at = excluded.last_seen_at`,
  );

  /**
   * What a batch keeps in memory until its end: the journal's head, and what its postings add to
   * the bank's own accounts, of which each posting changes the same few. Null outside a batch.
   */
  let batch: { head: ChainHead; own: Map<number, number> } | null = null;

  const head = (): ChainHead => (newest.get() as ChainHead | null) ?? start;

  let configured = readConfigured();
  const controlNow = db.query("SELECT dual_control AS kinds FROM bank");
  const setControl = db.query("UPDATE bank SET dual_control = ?");

  /**
   * Gives what is under dual control. Where that was changed it is said first, before the first act
   * since.
   */
  function noteControl({ approval: _, ...by }: By, at: number): readonly ControlledKind[] {
    const { kinds } = controlNow.get() as { kinds: string };
    const control = configured === null ? kinds : JSON.stringify(configured);
    if (kinds !== control) {
      setControl.run(control);
      const detail = `{"before":${kinds},"after":${control}}`;
      write({ at, kind: "act", act: "dual control", detail, by: { ...by, reason: null } }, []);
    }
    return JSON.parse(control) as ControlledKind[];
  }

  /** Refuses an operator's act that is under dual control, unless another approved it. */
  function checkControl(entry: JournalRecord, by: By): void {
    const controlled = noteControl(by, entry.at);
    if (by.approval !== undefined) return;
    const kinds = controlledKinds(entry).filter((kind) => controlled.includes(kind));
    if (kinds.length === 0) return;
    const message = `${entry.act} is under dual control (${kinds.join(", ")}): another must approve`;
    throw new Refused({ kind: "needs-approval", message });
  }

  /** Writes one row; gives its id. */
  function write(entry: JournalRecord, entries: readonly Entry[]): number {
    if (entry.by !== null) checkControl(entry, entry.by);
    const last = batch?.head ?? head();
    const id = last.id + 1;
    const content = contentOf(id, entry, entries, accountId);
    const hash = chainNext(last.hash, content);
    insertRecord.run(...content, hash);
    if (batch !== null) batch.head = { id, hash };
    return id;
  }

  /** Only an admin's figures are refused for size: a result must never fail over its sums. */
  function refuseTooLarge(id: number): void {
    const { balance } = balanceOf.get(id) as { balance: number };
    if (Math.abs(balance) > LARGEST_BALANCE) {
      refuse("the balance would have more than fifteen digits");
    }
  }

  return {
    head,
    noteControl,

    /** Looks again at what is configured: whoever opened the bank may have waited for long. */
    readControl(): void {
      configured = readConfigured();
    },

    hashOf: (record: number): Uint8Array | null =>
      (hashOfRecord.get(record) as { hash: Uint8Array } | null)?.hash ?? null,

    /** Writes one record that moves no money; gives its id. */
    record: (entry: JournalRecord): number => write(entry, []),

    /**
     * Writes one posting and changes the balances by it; gives the journal id. `hold` is what the
     * posting takes out of an account's held amount.
     */
    post(entry: JournalRecord, entries: readonly Entry[], hold: Hold | null = null): number {
      if (sumOf(entries) !== 0) throw new Error("the entries of a posting must sum to zero");
      const id = write(entry, entries);
      for (const { account, amount } of entries) {
        const account_id = accountId(account);
        if (batch !== null && account.kind === "internal") {
          batch.own.set(account_id, (batch.own.get(account_id) ?? 0) + amount);
          continue;
        }
        const unheld = hold?.accountId === account_id ? hold.amount : 0;
        addToBalance.run(amount, unheld, account_id);
        if (entry.by !== null) refuseTooLarge(account_id);
      }
      return id;
    },

    /**
     * Runs a batch of operations, whose postings write the balances of the bank's own accounts
     * once, at its end, in the same commit. What throws leaves nothing in memory.
     */
    batch<T>(apply: () => T): T {
      batch = { head: head(), own: new Map() };
      try {
        const value = apply();
        for (const [id, amount] of batch.own) addToBalance.run(amount, 0, id);
        return value;
      } finally {
        batch = null;
      }
    },

    finding(
      draft: FindingDraft,
      about: { requestId: string | null; reference: string | null; at: number },
    ): void {
      insertFinding.run({ ...draft, ...about });
    },
  };
}
