// Double entry: every movement of money is a posting whose entries sum to zero.
import type { InternalAccount } from "./account.ts";
import { type Minor, minor, minus, negated } from "./money.ts";

/** Whose balance an entry changes: a customer's account, or one of the bank's own. */
export type EntryAccount =
  | { readonly kind: "customer"; readonly id: number }
  | { readonly kind: "internal"; readonly name: InternalAccount };

export type Entry = { readonly account: EntryAccount; readonly amount: Minor };

/** What a debit splits: the held amount, and what of it is owed to Clickatell, where known. */
export type Split = { readonly reserveAmount: Minor; readonly settlementAmount: Minor | null };

export const customer = (id: number): EntryAccount => ({ kind: "customer", id });
export const internal = (name: InternalAccount): EntryAccount => ({ kind: "internal", name });

/**
 * The entries that move `amount` from one account to another, which is what credits, debits and
 * payments are.
 */
export function transferEntries(from: EntryAccount, to: EntryAccount, amount: Minor): Entry[] {
  return [
    { account: from, amount: negated(amount) },
    { account: to, amount },
  ];
}

/**
 * The entries of a debit: reserveAmount leaves the payer; settlementAmount is owed to Clickatell
 * and the rest, which may be negative, is the bank's income. Without a settlementAmount nobody
 * knows the split yet, and all of it waits in suspense.
 */
export function debitEntries(payer: EntryAccount, split: Split): Entry[] {
  if (split.settlementAmount === null) {
    return transferEntries(payer, internal("suspense"), split.reserveAmount);
  }
  const income = minus(split.reserveAmount, split.settlementAmount);
  return [
    { account: payer, amount: negated(split.reserveAmount) },
    { account: internal("clickatell"), amount: split.settlementAmount },
    { account: internal("income"), amount: income },
  ].filter((entry) => entry.amount !== 0);
}

/** The entries that undo a debit, to the same payer. */
export function refundEntries(payer: EntryAccount, split: Split): Entry[] {
  return debitEntries(payer, split).map(({ account, amount }) => ({
    account,
    amount: negated(amount),
  }));
}

/** The sum of entries; zero in every posting. */
export function sumOf(entries: readonly Entry[]): Minor {
  return minor(entries.reduce((sum, entry) => sum + entry.amount, 0));
}
