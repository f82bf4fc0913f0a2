// What an admin changes and what people look at: all of the port but the served operations.
import type { ControlledKind } from "../../domain/dual-control.ts";
import { actOf } from "../acts.ts";
import type {
  AccountView,
  AdminStore,
  Bank,
  FindingView,
  ReservationView,
  Result,
  StoreOptions,
} from "../store.ts";
import { adminOn } from "./admin.ts";
import { approvalsOn } from "./approvals.ts";
import { backupsOn } from "./backups.ts";
import { journalOn } from "./journal.ts";
import { readsOn } from "./reads.ts";
import { receiptsOn } from "./receipts.ts";
import { Refused, refuse } from "./refused.ts";
import { restoresOn } from "./restores.ts";
import { endingRowsOn } from "./rows.ts";
import type { Sql } from "./sql.ts";
import { type EngineCheck, verify } from "./verify.ts";

/** Rolls a write back and gives its value all the same: why nothing was done, or would have been. */
class Undone extends Error {
  readonly value: unknown;
  constructor(value: unknown) {
    super("undone");
    this.value = value;
  }
}

/**
 * `dualControl`: reads what an operator does only under an approval, asked before each act; what was
 * noted, where it is missing. `dryRun`: each write of an admin is done, gives what it comes to, and is
 * rolled back.
 */
export type AdminOptions = StoreOptions & {
  readonly dryRun?: boolean;
  readonly dualControl?: () => readonly ControlledKind[];
};

/** What an engine does in its own way. */
export type AdminEngine = {
  readonly bank: () => Bank;
  /** Makes of a read one that shows only what is durable. */
  readonly durable: <A extends unknown[], R>(read: (...args: A) => R) => (...args: A) => R;
  /** Called when a write of an admin has ended. */
  readonly afterWrite: () => void;
  /** Runs all of verify: as one read, or as the many that it is made of. */
  readonly verifying: <T>(checks: () => T) => T;
  /** What verify asks of the engine itself. */
  readonly checks: readonly EngineCheck[];
};

export function adminStoreOn(db: Sql, engine: AdminEngine, options: AdminOptions) {
  const bank = engine.bank();
  const { durable } = engine;
  const journal = journalOn(db, bank, options.dualControl ?? (() => null));
  const receipts = receiptsOn(db);
  const admin = adminOn(db, { bank, journal, rows: endingRowsOn(db), options });
  const reads = readsOn(db, bank);
  const backups = backupsOn(db, { journal, now: options.now });
  const restores = restoresOn(db, { bank, journal, now: options.now });
  const approvals = approvalsOn(db, { bank, journal, reads, options });
  const prunedBefore = db.query(
    `UPDATE bank SET receipts_pruned_before = $before
     WHERE receipts_pruned_before IS NULL OR receipts_pruned_before < $before`,
  );

  /** Runs one admin act in one commit. A refusal rolls back and comes out as a value. */
  function write<T>(act: () => T): Result<T> {
    // An act under an approval is a write within a write: a savepoint of the one commit.
    const isOuter = !db.inTransaction;
    const undo = options.dryRun === true && isOuter;
    if (isOuter) journal.readControl();
    const inCommit = db.transaction(() => {
      const value = act();
      if (undo) throw new Undone(value);
      return value;
    });
    try {
      return { ok: true, value: inCommit.immediate() };
    } catch (error) {
      if (error instanceof Undone) return { ok: true, value: error.value as T };
      if (error instanceof Refused) return { ok: false, refusal: error.refusal };
      throw error;
    } finally {
      engine.afterWrite();
    }
  }

  /** An act on one account, which gives the account as it is then. */
  function onAccount(number: string, act: () => void): Result<AccountView> {
    return write(() => {
      act();
      return reads.account(number) as AccountView;
    });
  }

  const desk: AdminStore = {
    addAccount: (by, account) =>
      onAccount(account.number, () => {
        const [refusal] = admin.addAccounts(by, "accounts add", [account]);
        if (refusal !== undefined) refuse(refusal.message);
      }),
    addAccounts(by, act, accounts, dryRun) {
      if (dryRun) return { ok: true, value: admin.refusedAccounts(accounts) };
      return write(() => {
        const refusals = admin.addAccounts(by, act, accounts);
        if (refusals.length > 0) throw new Undone(refusals);
        return refusals;
      });
    },
    mapBuyer: (by, buyer, number) => write(() => admin.mapBuyer(by, buyer, number)),
    unmapBuyer: (by, buyer) => write(() => admin.unmapBuyer(by, buyer)),
    blockBuyer: (by, buyer) => write(() => admin.blockBuyer(by, buyer)),
    unblockBuyer: (by, buyer) => write(() => admin.unblockBuyer(by, buyer)),
    setStatus: (by, number, status) => onAccount(number, () => admin.setStatus(by, number, status)),
    setOverdraft: (by, number, overdraft) =>
      onAccount(number, () => admin.setOverdraft(by, number, overdraft)),
    setPin: (by, number, pin) =>
      onAccount(number, () => admin.setPinHash(by, number, admin.hashPin(number, pin))),
    hashPin: (number, pin) => write(() => admin.hashPin(number, pin)),
    setPinHash: (by, number, hash) => onAccount(number, () => admin.setPinHash(by, number, hash)),
    unlockPin: (by, number) => onAccount(number, () => admin.unlockPin(by, number)),
    removePin: (by, number) => onAccount(number, () => admin.removePin(by, number)),
    credit: (by, number, amount) => onAccount(number, () => admin.credit(by, number, amount)),
    debit: (by, number, amount) => onAccount(number, () => admin.debit(by, number, amount)),
    setLimits: (by, target, figures) => write(() => admin.setLimits(by, target, figures)),
    unsetLimits: (by, target, figures) => write(() => admin.unsetLimits(by, target, figures)),
    settle: (by, ref, action, bankBears, seen) =>
      write(() => {
        const reference = admin.settle(by, ref, action, bankBears, seen);
        return reads.reservation(reference) as ReservationView;
      }),
    closeFinding: (by, id) =>
      write(() => {
        admin.closeFinding(by, id);
        return reads.finding(id) as FindingView;
      }),
    paySettlement: (by, amount) => write(() => admin.paySettlement(by, amount)),
    addHolidays: (by, holidays) => write(() => admin.addHolidays(by, holidays)),
    removeHoliday: (by, day) => write(() => admin.removeHoliday(by, day)),
    pauseSales: (by) => write(() => admin.pauseSales(by)),
    resumeSales: (by) =>
      write(() => {
        restores.refuseOpen();
        return admin.resumeSales(by);
      }),
    beginPrune: (by, before, archived) =>
      write(() => {
        const detail = JSON.stringify({ before, ...archived });
        journal.record({ at: options.now(), kind: "act", act: "receipts prune", detail, by });
        prunedBefore.run({ before });
        return null;
      }),
    pruneReceipts: (door, span, page) => write(() => receipts.prune(door, span, page)),
    backupFailed: (why) => write(() => backups.failed(why)),
    backupMade: (by, file) => write(() => backups.made(by, file)),
    recordRestore: (by, restore) => write(() => restores.record(by, restore)),
    acknowledgeRestore: (by) => write(() => restores.acknowledge(by)),
    recordAct: (by, act, detail) => write(() => admin.recordAct(by, act, detail)),
    markSent: (by, sent) => write(() => admin.markSent(by, sent)),

    askApproval: (by, request) => write(() => approvals.view(approvals.ask(by, request))),
    approve: (by, id, sealed) =>
      write(() => {
        const asked = approvals.toApprove(by, id);
        const result = actOf(asked.act).perform(desk, asked.by, asked.args as never, sealed);
        if (!result.ok) throw new Refused(result.refusal);
        asked.done();
        return approvals.view(id);
      }),
    rejectApproval: (by, id) =>
      write(() => {
        approvals.reject(by, id);
        return approvals.view(id);
      }),

    buyer: durable(reads.buyer),
    accounts: durable(reads.accounts),
    account: durable(reads.account),
    limits: durable(reads.limits),
    reservations: durable(reads.reservations),
    reservation: durable(reads.reservation),
    purchases: durable(reads.purchases),
    purchase: durable(reads.purchase),
    past: durable(reads.past),
    buyerHistory: durable(reads.buyerHistory),
    openReservationsAsOf: durable(reads.openReservationsAsOf),
    reservedInOrder: durable(reads.reservedInOrder),
    overview: reads.overview,
    findings: durable(reads.findings),
    finding: durable(reads.finding),
    findingsOf: durable(reads.findingsOf),
    approvals: durable(approvals.list),
    approval: durable(approvals.find),
    journal: durable(reads.journal),
    journalOf: durable(reads.journalOf),
    journalHead: durable(journal.head),
    journalHash: durable(journal.hashOf),
    receipts: durable(receipts.list),
    receipt: durable(receipts.show),
    oldReceipts: durable(receipts.old),
    receiptsOf: durable(receipts.about),
    settlement: durable(reads.settlement),
    activity: durable(reads.activity),
    statement: durable(reads.statement),
    mark: durable(reads.mark),
    balances: durable(reads.balances),
    holidays: durable(reads.holidays),
    restores: durable(restores.list),
    verify: durable(() => engine.verifying(() => verify(db, engine.bank(), engine.checks))),
  };
  return { journal, desk };
}
