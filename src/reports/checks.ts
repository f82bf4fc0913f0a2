// The checks of a request in their order (contract.md 2), each with the figures that it looked at.
// The answer is recorded; the figures are told from what is recorded since (Past), and are left out
// where they do not agree with the answer: then something came between that nothing tells of.
import { available } from "../domain/account.ts";
import { LIMIT_SCOPES, type LimitFigures, type LimitScope, type Usage } from "../domain/limits.ts";
import { formatAmount, type Minor } from "../domain/money.ts";
import type { Outcome } from "../domain/outcomes.ts";
import type { Bank, Past, PurchaseView, ReceiptView } from "../storage/store.ts";

export type CheckLine = {
  readonly name: string;
  readonly verdict: "passed" | "failed" | "not reached" | "not told";
  /** What it looked at; "" where that cannot be told. */
  readonly figures: string;
};

type Known = {
  readonly purchase: PurchaseView;
  readonly past: Past;
  readonly receipt: ReceiptView | null;
  readonly bank: Bank;
};

type Found = { readonly passes: boolean | null; readonly figures: string };

type Check = {
  readonly name: string;
  /** What its failure is answered with. */
  readonly outcome: Outcome;
  readonly look: (known: Known) => Found;
};

const amountText = (amount: Minor, { minorDigits }: Bank) => formatAmount(amount, minorDigits);

/** The minimum or maximum of the most specific scope that has one. */
function bound(past: Past, figure: "min" | "max") {
  const scope = LIMIT_SCOPES.findLast((scope) => (past.limits[scope]?.[figure] ?? null) !== null);
  const value = scope === undefined ? null : (past.limits[scope]?.[figure] ?? null);
  return scope === undefined || value === null ? null : { scope, value };
}

function boundCheck(figure: "min" | "max") {
  return ({ purchase, past, bank }: Known): Found => {
    const found = bound(past, figure);
    const name = figure === "min" ? "minimum" : "maximum";
    if (found === null) return { passes: true, figures: `no ${name} was set` };
    const { scope, value } = found;
    const amount = purchase.reserveAmount;
    return {
      passes: figure === "min" ? amount >= value : amount <= value,
      figures:
        `${amountText(amount, bank)} asked, ${name} ${amountText(value, bank)}` +
        (scope === "global" ? "" : ` of the ${scope}`),
    };
  };
}

const WINDOWS = [
  ["dayAmount", "in the day", true],
  ["dayCount", "purchases in the day", false],
  ["monthAmount", "in the month", true],
  ["monthCount", "purchases in the month", false],
] as const satisfies readonly [keyof Usage & keyof LimitFigures, string, boolean][];

/** What a scope's windows had, would have with this purchase, and may have. */
function windowsOf(scope: LimitScope, { purchase, past, bank }: Known) {
  const limit = past.limits[scope];
  const usage = past.account?.usage;
  if (limit === undefined || usage === undefined) return [];
  const used =
    scope === "channel" ? usage.channel : scope === "product" ? usage.product : usage.all;
  return WINDOWS.flatMap(([figure, what, isAmount]) => {
    const most = limit[figure];
    if (most === null) return [];
    const more = isAmount ? purchase.reserveAmount : 1;
    const text = (value: number) => (isAmount ? amountText(value as Minor, bank) : String(value));
    const of = scope === "global" ? "" : ` of the ${scope}`;
    return {
      passes: used[figure] + more <= most,
      figures: `${text(used[figure])} + ${text(more)} of ${text(most)} ${what}${of}`,
    };
  });
}

function windowCheck(known: Known): Found {
  // None applies to a buyer without an account.
  if (known.past.account === null) return { passes: true, figures: "" };
  const windows = LIMIT_SCOPES.flatMap((scope) => windowsOf(scope, known));
  if (windows.length === 0) return { passes: true, figures: "none was set" };
  const over = windows.find(({ passes }) => !passes);
  return over ?? { passes: true, figures: windows.map(({ figures }) => figures).join("; ") };
}

/** Whether the masked body of the request had an authCode; nothing else of it is kept. */
function pinCheck({ receipt }: Known): Found {
  if (receipt?.body == null) return { passes: null, figures: "" };
  const had = /"authCode":/i.test(receipt.body);
  return { passes: null, figures: `the request had ${had ? "an" : "no"} authCode` };
}

function fundsCheck({ purchase, past: { account }, bank }: Known): Found {
  if (account === null) return { passes: null, figures: "" };
  const text = (amount: Minor) => amountText(amount, bank);
  return {
    passes: purchase.reserveAmount <= available(account),
    figures:
      `${text(purchase.reserveAmount)} of ${text(available(account))} available (ledger ` +
      `${text(account.ledgerBalance)}, held ${text(account.held)}, overdraft ${text(account.overdraft)})`,
  };
}

const currencyOf = (purchase: PurchaseView) =>
  purchase.state === "declined" ? purchase.currency : null;

/** In the order in which they are made. */
const CHECKS: readonly Check[] = [
  {
    name: "not cancelled before",
    outcome: "timeOut",
    look: ({ past }) => ({
      passes: !past.cancelled,
      figures: past.cancelled ? "a failed result for it had come before" : "",
    }),
  },
  {
    name: "sales open",
    outcome: "unknownError",
    look: ({ past }) => ({
      passes: !past.salesPaused,
      figures: past.salesPaused ? "sales were paused" : "",
    }),
  },
  {
    name: "currency",
    outcome: "unknownError",
    look: ({ purchase, bank }) => ({
      passes: currencyOf(purchase) === null,
      figures: currencyOf(purchase) ?? bank.currency,
    }),
  },
  { name: "minimum", outcome: "belowMinimum", look: boundCheck("min") },
  { name: "maximum", outcome: "maximumExceeded", look: boundCheck("max") },
  { name: "day and month limits", outcome: "maximumExceeded", look: windowCheck },
  {
    name: "buyer mapped",
    outcome: "notMapped",
    look: ({ past }) => ({
      passes: past.account !== null,
      figures: past.account === null ? "to no account" : `to account ${past.account.number}`,
    }),
  },
  { name: "PIN", outcome: "invalidAuthCode", look: pinCheck },
  {
    name: "account active",
    outcome: "accountInactive",
    look: ({ past: { account } }) => ({
      passes: account?.status !== "inactive",
      figures: account?.status ?? "",
    }),
  },
  {
    name: "not blacklisted",
    outcome: "blacklisted",
    look: ({ past: { account, buyerBlocked } }) => ({
      passes: account?.status !== "blacklisted" && !buyerBlocked,
      figures: buyerBlocked ? "the buyer was blocked" : (account?.status ?? ""),
    }),
  },
  { name: "funds", outcome: "insufficientFunds", look: fundsCheck },
];

const UNKNOWN: Found = { passes: null, figures: "" };

type Places = { readonly first: number; readonly last: number };

/**
 * The places of the checks of which one failed: of those with that answer the one whose figures say
 * so, or else all of them. Null where no check tells: a Time-out and an Unknown error have other
 * causes too.
 */
function failedAt(outcome: Outcome, found: readonly Found[]): Places | null {
  const end = CHECKS.length;
  if (outcome === "success") return { first: end, last: end };
  const own = CHECKS.flatMap((check, index) => (check.outcome === outcome ? [index] : []));
  const off = own.find((index) => found[index]?.passes === false);
  if (off !== undefined) return { first: off, last: off };
  if (outcome === "timeOut" || outcome === "unknownError") return null;
  return { first: own[0] ?? end, last: own.at(-1) ?? end };
}

function verdictOf(index: number, { first, last }: Places): CheckLine["verdict"] {
  if (index < first) return "passed";
  if (index > last) return "not reached";
  return first === last ? "failed" : "not told";
}

/** The checks of a request as they must have gone, for the answer says which one failed. */
export function checksOf(
  purchase: PurchaseView,
  past: Past | null,
  { receipt, bank }: { readonly receipt: ReceiptView | null; readonly bank: Bank },
): CheckLine[] {
  const known = past === null ? null : { purchase, past, receipt, bank };
  const found = CHECKS.map(({ look }) => (known === null ? UNKNOWN : look(known)));
  const failed = failedAt(purchase.state === "declined" ? purchase.outcome : "success", found);
  return CHECKS.map(({ name }, index) => {
    const { passes, figures } = found[index] ?? UNKNOWN;
    const verdict = failed === null ? "not told" : verdictOf(index, failed);
    const agrees =
      verdict === "passed" ? passes !== false : verdict === "failed" && passes !== true;
    return { name, verdict, figures: agrees ? figures : "" };
  });
}
