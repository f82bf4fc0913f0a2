// Writes postings, admin acts and findings. Nothing here decides; nothing is ever changed.
import type { Database } from "bun:sqlite";
import type { InternalAccount } from "../../domain/account.ts";
import { type Entry, type EntryAccount, sumOf } from "../../domain/entries.ts";
import type { FindingDraft } from "../../domain/finding.ts";
import { LARGEST_BALANCE } from "../../domain/money.ts";
import type { By, JournalView } from "../store.ts";
import { refuse } from "./refused.ts";

export type JournalRecord = {
  readonly at: number;
  readonly kind: JournalView["kind"];
  readonly act: string;
  readonly subject?: string | null;
  readonly detail?: string | null;
  readonly reservationId?: number | null;
  readonly by: By | null;
};

/** What a posting takes out of the held amount of the account that pays it. */
export type Hold = { readonly accountId: number; readonly amount: number };

/** Runs one operation of a batch. */
export type Alone = <T>(operation: () => T) => T;

export type Journal = ReturnType<typeof journalOn>;

/** The journal's writer on one connection; call its functions inside a write. */
export function journalOn(db: Database) {
  const lastId = db.query("SELECT coalesce(max(id), 0) AS id FROM journal");
  const insertEntry = db.query(
    "INSERT INTO entries (journal_id, account_id, amount) VALUES (?, ?, ?)",
  );
  const insertRecord = db.query(
    `INSERT INTO journal (id, at, kind, act, subject, detail, reservation_id, actor, reason)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const addToBalance = db.query(
    `UPDATE accounts SET ledger_balance = ledger_balance + ?, held = held - ? WHERE id = ?
     RETURNING ledger_balance`,
  );
  const internalIds = new Map(
    (
      db.query("SELECT internal, id FROM accounts WHERE internal IS NOT NULL").all() as {
        internal: InternalAccount;
        id: number;
      }[]
    ).map(({ internal, id }) => [internal, id]),
  );
  const insertFinding = db.query(
    `INSERT INTO findings (kind, key, request_id, reference, detail, opened_at, last_seen_at)
     VALUES ($kind, $key, $requestId, $reference, $detail, $at, $at)
     ON CONFLICT (kind, key) DO UPDATE
       SET occurrences = occurrences + 1, last_seen_at = excluded.last_seen_at`,
  );

  function accountId(account: EntryAccount): number {
    if (account.kind === "customer") return account.id;
    const id = internalIds.get(account.name);
    if (id === undefined) throw new Error(`the bank has no ${account.name} account`);
    return id;
  }

  /**
   * What a batch keeps in memory until its end: the journal's last id, and what its postings add to
   * the bank's own accounts, of which each posting changes the same few. Null outside a batch.
   */
  let batch: { lastId: number; own: Map<number, number> } | null = null;

  function nextId(): number {
    if (batch === null) return (lastId.get() as { id: number }).id + 1;
    batch.lastId += 1;
    return batch.lastId;
  }

  function write(id: number, entry: JournalRecord): void {
    const actor = entry.by === null ? null : JSON.stringify({ ...entry.by, reason: undefined });
    insertRecord.run(
      id,
      entry.at,
      entry.kind,
      entry.act,
      entry.subject ?? null,
      entry.detail ?? null,
      entry.reservationId ?? null,
      actor,
      entry.by?.reason ?? null,
    );
  }

  function changeBalance(id: number, amount: number, unheld: number): number {
    const { ledger_balance } = addToBalance.get(amount, unheld, id) as { ledger_balance: number };
    return ledger_balance;
  }

  return {
    /** Writes one record; gives its id. */
    record(entry: JournalRecord): number {
      const id = nextId();
      write(id, entry);
      return id;
    },

    /**
     * Writes one posting and changes the balances by it; gives the journal id. `hold` is what the
     * posting takes out of an account's held amount.
     */
    post(entry: JournalRecord, entries: readonly Entry[], hold: Hold | null = null): number {
      if (sumOf(entries) !== 0) throw new Error("the entries of a posting must sum to zero");
      const id = nextId();
      for (const { account, amount } of entries) {
        const account_id = accountId(account);
        insertEntry.run(id, account_id, amount);
        if (batch !== null && account.kind === "internal") {
          batch.own.set(account_id, (batch.own.get(account_id) ?? 0) + amount);
          continue;
        }
        const unheld = hold?.accountId === account_id ? hold.amount : 0;
        const balance = changeBalance(account_id, amount, unheld);
        // Only an admin's figures are refused for size: a result must never fail over its sums.
        if (entry.by !== null && Math.abs(balance) > LARGEST_BALANCE) {
          refuse("the balance would have more than fifteen digits");
        }
      }
      write(id, entry);
      return id;
    },

    /**
     * Runs a batch of operations, whose postings write the balances of the bank's own accounts
     * once, at its end, in the same commit. `apply` gets what runs one operation, so that one which
     * throws takes its share back.
     */
    batch<T>(apply: (alone: Alone) => T): T {
      batch = { lastId: (lastId.get() as { id: number }).id, own: new Map() };
      const alone: Alone = (operation) => {
        const before = batch && { lastId: batch.lastId, own: new Map(batch.own) };
        try {
          return operation();
        } catch (error) {
          batch = before;
          throw error;
        }
      };
      try {
        const value = apply(alone);
        for (const [id, amount] of batch?.own ?? []) changeBalance(id, amount, 0);
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
