// What an admin changes, each act one journalled commit. Called inside a write (store.ts).

import { type AccountStatus, available, type InternalAccount } from "../../domain/account.ts";
import { loosens } from "../../domain/dual-control.ts";
import { customer, type Entry, internal, transferEntries } from "../../domain/entries.ts";
import { canonicalBuyerId } from "../../domain/identifiers.ts";
import {
  LIMIT_SCOPES,
  type LimitFigures,
  type LimitScope,
  NO_FIGURES,
} from "../../domain/limits.ts";
import { formatAmount, type Minor, minor } from "../../domain/money.ts";
import type { ReservationState } from "../../domain/reservation.ts";
import { decideSettle, type SettleAction } from "../../domain/settle.ts";
import { pinHash } from "../pins.ts";
import {
  type EndingRows,
  endReservation,
  findReservation,
  type OpenReservation,
} from "../purchases.ts";
import type {
  Bank,
  By,
  Holiday,
  LimitRow,
  LimitTarget,
  NewAccount,
  RowRefusal,
  StoreOptions,
} from "../store.ts";
import type { Journal, JournalRecord } from "./journal.ts";
import { notFound, refuse } from "./refused.ts";
import { LIMIT_COLUMNS } from "./rows.ts";
import type { Sql } from "./sql.ts";

type AccountRow = {
  id: number;
  number: string;
  internal: InternalAccount | null;
  status: AccountStatus;
  ledgerBalance: Minor;
  held: Minor;
  overdraft: Minor;
  hasPin: number;
};

const FIGURES = {
  min: "min",
  max: "max",
  dayAmount: "day_amount",
  dayCount: "day_count",
  monthAmount: "month_amount",
  monthCount: "month_count",
} as const satisfies Record<keyof LimitFigures, string>;

const ACCOUNT = `SELECT id, number, internal, status, ledger_balance AS ledgerBalance, held,
    overdraft, pin_hash IS NOT NULL AS hasPin FROM accounts`;

const numberExists = (number: string) => `account ${number} exists`;
const buyerIsMapped = (buyer: string, number: string) =>
  `buyer ${buyer} is mapped to account ${number}`;

type Parts = { bank: Bank; journal: Journal; rows: EndingRows; options: StoreOptions };

export function adminOn(db: Sql, { bank, journal, rows, options }: Parts) {
  const selectAccount = db.query(`${ACCOUNT} WHERE number = ?`);
  const insertAccount = db.query(
    `INSERT INTO accounts (number, name, status, overdraft, created_at) VALUES (?, ?, ?, ?, ?)
     RETURNING id`,
  );
  const selectMapping = db.query(
    `SELECT a.number FROM buyers b JOIN accounts a ON a.id = b.account_id WHERE b.buyer_id = ?`,
  );
  const upsertBuyer = db.query(
    `INSERT INTO buyers (buyer_id, account_id) VALUES (?, ?)
     ON CONFLICT (buyer_id) DO UPDATE SET account_id = excluded.account_id`,
  );
  const selectLimit = db.query(
    `SELECT ${LIMIT_COLUMNS} FROM limits WHERE scope = ? AND scope_key = ?`,
  );
  const allLimits = db.query(`SELECT ${LIMIT_COLUMNS} FROM limits`);
  const deleteLimit = db.query("DELETE FROM limits WHERE scope = ? AND scope_key = ?");
  const replaceLimit = db.query(
    `INSERT INTO limits (scope, scope_key, ${Object.values(FIGURES).join(", ")})
     VALUES ($scope, $scopeKey, ${Object.keys(FIGURES)
       .map((figure) => `$${figure}`)
       .join(", ")})
     ON CONFLICT (scope, scope_key) DO UPDATE SET ${Object.values(FIGURES)
       .map((column) => `${column} = excluded.${column}`)
       .join(", ")}`,
  );
  const accountById = db.query(`${ACCOUNT} WHERE id = ?`);
  /** What an operator's act on the reservation settles. */
  const closeSettled = db.query(
    `UPDATE findings SET closed_at = ?, closed_by = ? WHERE request_id = ? AND closed_at IS NULL
       AND kind IN ('contradiction', 'supplier-unknown', 'interrupted')`,
  );
  const corrected = db.query(
    "SELECT 1 FROM journal WHERE reservation_id = ? AND kind = 'correction'",
  );

  const money = (amount: Minor) => `${formatAmount(amount, bank.minorDigits)} ${bank.currency}`;
  const canonical = (buyer: string) => canonicalBuyerId(buyer, bank.country);

  function found(number: string): AccountRow {
    const row = selectAccount.get(number) as AccountRow | null;
    return row ?? notFound(`there is no account ${number}`);
  }

  /** A customer's account; the bank's own have no status, PIN, overdraft or buyers. */
  function customerAccount(number: string): AccountRow {
    const row = found(number);
    if (row.internal !== null) refuse(`${number} is one of the bank's own accounts`);
    return row;
  }

  function act(by: By, name: string, subject: string | null, detail: string | null = null): number {
    return journal.record({ at: options.now(), kind: "act", act: name, subject, detail, by });
  }

  function addOne(by: By, name: string, account: NewAccount, buyers: readonly string[]): void {
    const at = options.now();
    const { id } = insertAccount.get(
      account.number,
      account.name,
      account.status,
      account.overdraft,
      at,
    ) as { id: number };
    for (const buyerId of buyers) upsertBuyer.run(buyerId, id);
    const record: JournalRecord = {
      at,
      kind: account.balance === 0 ? "act" : "opening",
      act: name,
      subject: account.number,
      detail: JSON.stringify({
        name: account.name,
        status: account.status,
        overdraftMinor: account.overdraft,
        buyers,
      }),
      by,
    };
    if (account.balance === 0) journal.record(record);
    else journal.post(record, transferEntries(internal("funding"), customer(id), account.balance));
  }

  /** Why one new account cannot be made beside what exists, or null. */
  function refusalOf(account: NewAccount, buyers: readonly string[]): string | null {
    if (selectAccount.get(account.number) !== null) return numberExists(account.number);
    for (const [index, buyerId] of buyers.entries()) {
      const mapped = selectMapping.get(buyerId) as { number: string } | null;
      if (mapped !== null) return buyerIsMapped(account.buyers[index] ?? "", mapped.number);
    }
    return null;
  }

  function entryAccount(row: AccountRow) {
    return row.internal === null ? customer(row.id) : internal(row.internal);
  }

  /** The limits of all scopes that one goes before. */
  function widerThan(scope: LimitScope): LimitRow[] {
    const wider = LIMIT_SCOPES.slice(0, LIMIT_SCOPES.indexOf(scope));
    return (allLimits.all() as LimitRow[]).filter((row) => wider.includes(row.scope));
  }

  function writeLimits(
    by: By,
    name: string,
    { scope, scopeKey }: LimitTarget,
    figures: Partial<LimitFigures>,
  ): LimitRow | null {
    const before = selectLimit.get(scope, scopeKey) as LimitRow | null;
    const after: LimitRow = { ...NO_FIGURES, ...before, ...figures, scope, scopeKey };
    if (after.min !== null && after.max !== null && after.min > after.max) {
      refuse(`the minimum ${money(after.min)} would be over the maximum ${money(after.max)}`);
    }
    const isEmpty = Object.keys(FIGURES).every((key) => after[key as keyof LimitFigures] === null);
    if (isEmpty) deleteLimit.run(scope, scopeKey);
    else replaceLimit.run({ ...after });
    const detail = { before, after: figures, loosens: loosens(before, figures, widerThan(scope)) };
    act(by, name, `${scope} ${scopeKey}`, JSON.stringify(detail));
    return isEmpty ? null : after;
  }

  /** Ends an open reservation as a result would; gives the journal's id of it. */
  function resolveOpen(by: By, reservation: OpenReservation, action: SettleAction): number {
    const how = { now: options.now(), cause: "operator", by } as const;
    const posted = endReservation({ rows, journal }, reservation, action, how);
    return posted ?? act(by, `reservations ${action}`, reservation.reference);
  }

  /** Writes the one correcting posting of an ended reservation; gives the journal's id of it. */
  function correct(
    by: By,
    reservation: OpenReservation,
    action: SettleAction,
    entries: readonly Entry[],
    bankBears: boolean,
  ): number {
    const row = accountById.get(reservation.accountId) as AccountRow;
    const taken = entries.find(({ account, amount }) => account.kind === "customer" && amount < 0);
    if (taken !== undefined && -taken.amount > available(row)) {
      refuse(
        `account ${row.number} has ${money(available(row))} available, less than ` +
          `${money(minor(-taken.amount))}: credit it first, or let the bank bear it (--bank-bears)`,
      );
    }
    const record: JournalRecord = {
      at: options.now(),
      kind: "correction",
      act: `reservations ${action}`,
      subject: reservation.reference,
      detail: bankBears ? "the bank bears it" : null,
      reservationId: reservation.id,
      by,
    };
    return journal.post(record, entries);
  }

  return {
    /** What `addAccounts` would refuse; a read, so that nobody's write waits for a long list. */
    refusedAccounts(accounts: readonly NewAccount[]): RowRefusal[] {
      const refusals: RowRefusal[] = [];
      const numbers = new Set<string>();
      const mapped = new Map<string, string>();
      for (const [index, account] of accounts.entries()) {
        const buyers = account.buyers.map(canonical);
        const again = buyers.findIndex((buyerId) => mapped.has(buyerId));
        const message = numbers.has(account.number)
          ? numberExists(account.number)
          : again === -1
            ? refusalOf(account, buyers)
            : buyerIsMapped(account.buyers[again] ?? "", mapped.get(buyers[again] ?? "") ?? "");
        if (message !== null) refusals.push({ index, message });
        else {
          numbers.add(account.number);
          for (const buyerId of buyers) mapped.set(buyerId, account.number);
        }
      }
      return refusals;
    },

    addAccounts(by: By, name: string, accounts: readonly NewAccount[]): RowRefusal[] {
      const refusals: RowRefusal[] = [];
      for (const [index, account] of accounts.entries()) {
        // Earlier rows are written already, so a number or buyer given twice is found here too.
        const buyers = account.buyers.map(canonical);
        const message = refusalOf(account, buyers);
        if (message === null) addOne(by, name, account, buyers);
        else refusals.push({ index, message });
      }
      return refusals;
    },

    mapBuyer(by: By, buyer: string, number: string): { buyerId: string } {
      const row = customerAccount(number);
      const buyerId = canonical(buyer);
      const before = selectMapping.get(buyerId) as { number: string } | null;
      upsertBuyer.run(buyerId, row.id);
      act(by, "accounts map", number, JSON.stringify({ buyerId, before: before?.number ?? null }));
      return { buyerId };
    },

    unmapBuyer(by: By, buyer: string): { buyerId: string; account: string } {
      const buyerId = canonical(buyer);
      const mapped = selectMapping.get(buyerId) as { number: string } | null;
      if (mapped === null) notFound(`buyer ${buyer} is not mapped`);
      db.query("DELETE FROM buyers WHERE buyer_id = ?").run(buyerId);
      act(by, "accounts unmap", mapped.number, JSON.stringify({ buyerId }));
      return { buyerId, account: mapped.number };
    },

    blockBuyer(by: By, buyer: string): { buyerId: string } {
      const buyerId = canonical(buyer);
      db.query(
        `INSERT INTO blocked_buyers (buyer_id, blocked_at) VALUES (?, ?)
         ON CONFLICT (buyer_id) DO NOTHING`,
      ).run(buyerId, options.now());
      act(by, "accounts block-buyer", buyerId);
      return { buyerId };
    },

    unblockBuyer(by: By, buyer: string): { buyerId: string } {
      const buyerId = canonical(buyer);
      const { changes } = db.query("DELETE FROM blocked_buyers WHERE buyer_id = ?").run(buyerId);
      if (changes === 0) notFound(`buyer ${buyer} is not blocked`);
      act(by, "accounts unblock-buyer", buyerId);
      return { buyerId };
    },

    setStatus(by: By, number: string, status: AccountStatus): void {
      const row = customerAccount(number);
      db.query("UPDATE accounts SET status = ? WHERE id = ?").run(status, row.id);
      act(by, "accounts status", number, JSON.stringify({ before: row.status, after: status }));
    },

    setOverdraft(by: By, number: string, overdraft: Minor): void {
      const row = customerAccount(number);
      const left = available({ ...row, overdraft });
      if (left < 0) {
        refuse(
          `with an overdraft of ${money(overdraft)} the account would be short ${money(left)}`,
        );
      }
      db.query("UPDATE accounts SET overdraft = ? WHERE id = ?").run(overdraft, row.id);
      const detail = { beforeMinor: row.overdraft, afterMinor: overdraft };
      act(by, "accounts overdraft", number, JSON.stringify(detail));
    },

    hashPin(number: string, pin: string): Uint8Array {
      customerAccount(number);
      if (options.pinKey === null) refuse("the PIN key is missing: no PIN can be set");
      return pinHash(options.pinKey, number, pin);
    },

    setPinHash(by: By, number: string, hash: Uint8Array): void {
      const row = customerAccount(number);
      db.query(
        "UPDATE accounts SET pin_hash = ?, pin_failures = 0, pin_locked = 0 WHERE id = ?",
      ).run(hash, row.id);
      const detail = row.hasPin === 0 ? null : JSON.stringify({ replaced: true });
      act(by, "accounts set-pin", number, detail);
    },

    unlockPin(by: By, number: string): void {
      const row = customerAccount(number);
      if (row.hasPin === 0) refuse(`account ${number} has no PIN`);
      db.query("UPDATE accounts SET pin_failures = 0, pin_locked = 0 WHERE id = ?").run(row.id);
      act(by, "accounts unlock-pin", number);
    },

    removePin(by: By, number: string): void {
      const row = customerAccount(number);
      if (row.hasPin === 0) refuse(`account ${number} has no PIN`);
      db.query(
        "UPDATE accounts SET pin_hash = NULL, pin_failures = 0, pin_locked = 0 WHERE id = ?",
      ).run(row.id);
      act(by, "accounts remove-pin", number);
    },

    credit(by: By, number: string, amount: Minor): void {
      const row = found(number);
      if (row.internal === "funding") refuse(`${number} is the other side of every credit`);
      journal.post(
        { at: options.now(), kind: "credit", act: "accounts credit", subject: number, by },
        transferEntries(internal("funding"), entryAccount(row), amount),
      );
    },

    debit(by: By, number: string, amount: Minor): void {
      const row = found(number);
      if (row.internal === "funding") refuse(`${number} is the other side of every debit`);
      const left = available(row);
      if (row.internal === null && amount > left) {
        refuse(`account ${number} has ${money(left)} available, less than ${money(amount)}`);
      }
      journal.post(
        { at: options.now(), kind: "withdrawal", act: "accounts debit", subject: number, by },
        transferEntries(entryAccount(row), internal("funding"), amount),
      );
    },

    setLimits(by: By, target: LimitTarget, figures: Partial<LimitFigures>): LimitRow {
      if (target.scope === "account") customerAccount(target.scopeKey);
      const row = writeLimits(by, "limits set", target, figures);
      return row ?? refuse("no figure is named");
    },

    /** Takes away the figures named, or the scope's whole limit where none is. */
    unsetLimits(
      by: By,
      target: LimitTarget,
      figures: readonly (keyof LimitFigures)[],
    ): LimitRow | null {
      const named = figures.length > 0 ? figures : (Object.keys(FIGURES) as (keyof LimitFigures)[]);
      if (selectLimit.get(target.scope, target.scopeKey) === null) {
        notFound(`there is no limit for ${target.scope} ${target.scopeKey}`);
      }
      const nothing = Object.fromEntries(named.map((figure) => [figure, null]));
      return writeLimits(by, "limits unset", target, nothing);
    },

    /** Gives our reference of the reservation that was settled. */
    settle(
      by: By,
      ref: string,
      action: SettleAction,
      bankBears: boolean,
      seen?: ReservationState,
    ): string {
      const reservation =
        findReservation(rows, ref) ?? notFound(`no reservation has the reference ${ref}`);
      const { state } = reservation;
      if (seen !== undefined && seen !== state) {
        refuse(
          `reservation ${reservation.reference}: it was ${seen} and is ${state} now: look again`,
        );
      }
      const isCorrected = corrected.get(reservation.id) !== null;
      const decision = decideSettle({ ...reservation, corrected: isCorrected }, action, bankBears);
      if (decision.kind === "refused") {
        refuse(`reservation ${reservation.reference}: ${decision.why}`);
      }
      const journalId =
        decision.kind === "resolve"
          ? resolveOpen(by, reservation, action)
          : correct(by, reservation, action, decision.entries, bankBears);
      const { requestId, reference } = reservation;
      for (const finding of decision.findings) {
        journal.finding(finding, { requestId, reference, at: options.now() });
      }
      closeSettled.run(options.now(), journalId, reservation.requestId);
      return reservation.reference;
    },

    closeFinding(by: By, id: number): void {
      const row = db.query("SELECT closed_at AS closedAt FROM findings WHERE id = ?").get(id) as {
        closedAt: number | null;
      } | null;
      if (row === null) notFound(`there is no finding ${id}`);
      if (row.closedAt !== null) refuse(`finding ${id} is closed already`);
      const journalId = act(by, "findings close", String(id));
      db.query("UPDATE findings SET closed_at = ?, closed_by = ? WHERE id = ?").run(
        options.now(),
        journalId,
        id,
      );
    },

    paySettlement(by: By, amount: Minor): { owed: Minor } {
      const row = found("@clickatell");
      if (amount > row.ledgerBalance) {
        refuse(`${money(row.ledgerBalance)} is owed to Clickatell, less than ${money(amount)}`);
      }
      journal.post(
        { at: options.now(), kind: "settlement", act: "settlement pay", subject: row.number, by },
        transferEntries(internal("clickatell"), internal("funding"), amount),
      );
      return { owed: minor(row.ledgerBalance - amount) };
    },

    addHolidays(by: By, holidays: readonly Holiday[]): { added: number } {
      const insert = db.query(
        "INSERT INTO holidays (day, name) VALUES (?, ?) ON CONFLICT (day) DO NOTHING",
      );
      const added = holidays.filter(({ day, name }) => insert.run(day, name).changes > 0);
      if (added.length > 0) act(by, "holidays add", null, JSON.stringify(added));
      return { added: added.length };
    },

    removeHoliday(by: By, day: string): Holiday {
      const row = db.query("DELETE FROM holidays WHERE day = ? RETURNING day, name").get(day);
      if (row === null) notFound(`${day} is no holiday`);
      act(by, "holidays remove", day, JSON.stringify(row));
      return row as Holiday;
    },

    pauseSales(by: By): null {
      db.query("UPDATE bank SET sales_paused_at = ?, sales_paused_reason = ?").run(
        options.now(),
        by.reason ?? "",
      );
      act(by, "sales pause", null);
      return null;
    },

    resumeSales(by: By): null {
      db.query("UPDATE bank SET sales_paused_at = NULL, sales_paused_reason = NULL").run();
      act(by, "sales resume", null);
      return null;
    },

    recordAct(by: By, name: string, detail: string): null {
      act(by, name, null, detail);
      return null;
    },

    markSent(by: By, sent: { reservations: readonly number[]; findings: readonly number[] }): null {
      const at = options.now();
      for (const [table, ids] of [
        ["requests", sent.reservations],
        ["findings", sent.findings],
      ] as const) {
        const mark = db.query(
          `UPDATE ${table} SET first_sent_at = ? WHERE id = ? AND first_sent_at IS NULL`,
        );
        for (const id of ids) mark.run(at, id);
      }
      act(by, "reports exceptions --mark-sent", null, JSON.stringify(sent));
      return null;
    },
  };
}
