// An account: what the bank's customer has with us, or one of the bank's own ledger accounts.
import { type Minor, minor } from "./money.ts";

export const ACCOUNT_STATUSES = ["active", "inactive", "blacklisted"] as const;
export type AccountStatus = (typeof ACCOUNT_STATUSES)[number];

/** The bank's own accounts. "@" keeps them apart from every customer's number. */
export const INTERNAL_ACCOUNTS = {
  clickatell: { number: "@clickatell", name: "Owed to Clickatell" },
  income: { number: "@income", name: "Income" },
  suspense: { number: "@suspense", name: "Suspense" },
  loss: { number: "@loss", name: "Losses borne by the bank" },
  funding: { number: "@funding", name: "Funds placed by the bank" },
} as const;
export type InternalAccount = keyof typeof INTERNAL_ACCOUNTS;

export type Balances = {
  readonly ledgerBalance: Minor;
  readonly held: Minor;
  readonly overdraft: Minor;
};

/** What may still be reserved or debited: derived, never stored. */
export function available(balances: Balances): Minor {
  return minor(balances.ledgerBalance - balances.held + balances.overdraft);
}
