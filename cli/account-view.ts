// One account as scripts and as people see it.
import { isoTime, localTimeText } from "../src/domain/local-time.ts";
import type { AccountView, Bank } from "../src/storage/store.ts";
import { facts, money } from "./output.ts";
import type { Answer } from "./session.ts";

/** An account as scripts read it. */
export function accountJson(account: AccountView, bank: Bank) {
  const blocked = account.buyers.filter((buyer) => buyer.blocked);
  return {
    number: account.number,
    name: account.name,
    status: account.status,
    currency: bank.currency,
    ledgerBalanceMinor: account.ledgerBalance,
    heldMinor: account.held,
    availableMinor: account.available,
    overdraftMinor: account.overdraft,
    pin: account.pin,
    pinFailures: account.pinFailures,
    buyers: account.buyers.map(({ buyerId }) => buyerId),
    blockedBuyers: blocked.map(({ buyerId }) => buyerId),
    createdAt: isoTime(account.createdAt),
  };
}

function pinText({ pin, pinFailures }: AccountView): string {
  return pinFailures === 0 ? pin : `${pin}, ${pinFailures} wrong in a row`;
}

function buyersText({ buyers }: AccountView): string {
  if (buyers.length === 0) return "none";
  return buyers
    .map(({ buyerId, blocked }) => (blocked ? `${buyerId} (blocked)` : buyerId))
    .join(", ");
}

function accountText(account: AccountView, bank: Bank): string {
  return facts([
    ["Account", account.number],
    ["Name", account.name],
    ["Status", account.status],
    ["Ledger balance", money(account.ledgerBalance, bank)],
    ["Held", money(account.held, bank)],
    ["Overdraft", money(account.overdraft, bank)],
    ["Available", money(account.available, bank)],
    ["PIN", pinText(account)],
    ["Buyers", buyersText(account)],
    ["Opened", localTimeText(account.createdAt, bank.timeZone)],
  ]);
}

/** What every command answers that shows or changes one account. */
export function accountAnswer(account: AccountView, bank: Bank): Answer {
  return { json: accountJson(account, bank), text: () => accountText(account, bank) };
}
