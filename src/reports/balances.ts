// Every ledger account with its balance; what double entry promises is that they sum to zero.
import { INTERNAL_ACCOUNTS } from "../domain/account.ts";
import { isoTime, localTimeText } from "../domain/local-time.ts";
import { formatAmount, type Minor, minor } from "../domain/money.ts";
import { mapped } from "../storage/pages.ts";
import type { Bank, LedgerAccount } from "../storage/store.ts";
import { type Csv, decimal } from "./csv.ts";
import { bankText, type Page } from "./page.ts";

export type BalancesReport = {
  readonly bank: Bank;
  readonly at: number;
  /** The bank's own first. */
  readonly accounts: Iterable<LedgerAccount>;
  readonly count: number;
  readonly sum: Minor;
};

/** The balances at one moment. The accounts are read here once, and again by what shows them. */
export function balancesReport(
  accounts: Iterable<LedgerAccount>,
  at: { readonly bank: Bank; readonly now: number },
): BalancesReport {
  let count = 0;
  let sum = 0;
  for (const { balance } of accounts) {
    count += 1;
    sum += balance;
  }
  return { bank: at.bank, at: at.now, accounts, count, sum: minor(sum) };
}

export function balancesJson({ bank, at, accounts, sum }: BalancesReport) {
  return {
    at: isoTime(at),
    currency: bank.currency,
    accounts: mapped(accounts, ({ balance, ...account }) => ({
      ...account,
      ledgerBalanceMinor: balance,
    })),
    sumMinor: sum,
  };
}

/** One of the bank's own five names, which no spreadsheet takes for a formula of somebody else's. */
export function accountCell(number: string) {
  const own = Object.values(INTERNAL_ACCOUNTS).some((account) => account.number === number);
  return own ? { exact: number } : number;
}

export function balancesCsv({ bank, accounts }: BalancesReport): Csv {
  return {
    columns: ["number", "name", "internal", "currency", "ledgerBalance", "ledgerBalanceMinor"],
    rows: mapped(accounts, ({ number, name, internal, balance }) => [
      accountCell(number),
      name,
      internal,
      bank.currency,
      decimal(balance, bank.minorDigits),
      balance,
    ]),
  };
}

export function balancesPage({ bank, at, accounts, count, sum }: BalancesReport): Page {
  const balanced = sum === 0 ? "as it must be" : "WRONG: it must be zero, run verify";
  return {
    title: "Balances",
    facts: [
      ["Bank", bankText(bank)],
      ["At", `${localTimeText(at, bank.timeZone)}, ${bank.timeZone}`],
      ["Accounts", String(count)],
      ["Sum", `${formatAmount(sum, bank.minorDigits)} ${bank.currency}, ${balanced}`],
    ],
    sections: [
      {
        title: `Ledger accounts, in ${bank.currency}`,
        intro: "The bank's own accounts first. What it owes stands as a positive balance.",
        columns: [
          { title: "Account" },
          { title: "Name" },
          { title: "Ledger balance", align: "right" },
        ],
        rows: mapped(accounts, ({ number, name, balance }) => [
          number,
          name,
          formatAmount(balance, bank.minorDigits),
        ]),
        total: ["Sum", "", formatAmount(sum, bank.minorDigits)],
        none: "None.",
      },
    ],
  };
}
