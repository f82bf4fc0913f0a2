// find: a customer asks. Whatever they give, a phone number, a reference or an account number, the
// answer is one screen.
import type { Command } from "commander";
import { FINDINGS } from "../src/domain/finding.ts";
import { localTimeText } from "../src/domain/local-time.ts";
import { purchasedAt, purchaseViewJson } from "../src/reports/purchases.ts";
import { findingJson, journalJson, whoText } from "../src/reports/views.ts";
import type {
  AccountView,
  Bank,
  FindingView,
  JournalView,
  PurchaseView,
  Store,
} from "../src/storage/store.ts";
import { accountJson } from "./account-view.ts";
import { dossierAnswer } from "./dossier.ts";
import { Failure } from "./failure.ts";
import { facts, money, table } from "./output.ts";
import { bounded, purchasesTable } from "./purchases-list.ts";
import { type Answer, command, readCount, type Session, withBank } from "./session.ts";
import { fromOption, readTime } from "./times.ts";

const SHOWN = 10;

type Options = { readonly from?: string; readonly limit: number };

/** All that a customer's question may be about. */
type Known = {
  readonly account: AccountView | null;
  readonly buyer: {
    readonly buyerId: string;
    readonly blocked: boolean;
    readonly changes: readonly JournalView[];
  } | null;
  readonly purchases: readonly PurchaseView[];
  /** How far back declined requests were looked for; null where an account has none. */
  readonly declinedFrom: number | null;
  readonly findings: readonly FindingView[];
};

function openFindings({ store }: Session, purchases: readonly PurchaseView[]): FindingView[] {
  return purchases
    .flatMap((purchase) =>
      store.findingsOf(
        purchase.requestId,
        purchase.state === "declined" ? null : purchase.reference,
      ),
    )
    .filter(({ closedAt }) => closedAt === null);
}

function knownOfBuyer(session: Session, text: string, options: Options): Known {
  const { store, bank } = session;
  const { buyerId, account, blocked } = store.buyer(text);
  const { limit } = options;
  const from = options.from === undefined ? {} : { from: readTime(options.from, "--from", bank) };
  const { searchedFrom, ...declined } = bounded({ buyer: text, state: "declined", ...from });
  const purchases = [
    ...store.reservations({ buyer: text, limit, ...from }),
    ...store.purchases({ ...declined, limit }),
  ]
    .sort((a, b) => purchasedAt(b) - purchasedAt(a) || b.id - a.id)
    .slice(0, limit);
  return {
    account: account === null ? null : store.account(account),
    buyer: { buyerId, blocked, changes: store.buyerHistory(text) },
    purchases,
    declinedFrom: declined.from ?? searchedFrom,
    findings: openFindings(session, purchases),
  };
}

function knownOfAccount(session: Session, account: AccountView, options: Options): Known {
  const { store, bank } = session;
  const { limit } = options;
  const from = options.from === undefined ? {} : { from: readTime(options.from, "--from", bank) };
  const purchases = store.reservations({ account: account.number, limit, ...from });
  const findings = openFindings(session, purchases);
  return { account, buyer: null, purchases, declinedFrom: null, findings };
}

const isNothing = ({ account, buyer, purchases }: Known) =>
  account === null && purchases.length === 0 && !buyer?.blocked && buyer?.changes.length === 0;

// ---------------------------------------------------------------- for people

/** One change of a buyer's account: "from 62-0001 to 62-0002, 2026-03-02 10:00:00, by thandi". */
function changeText({ act, subject, detail, at, by }: JournalView, bank: Bank): string {
  const { before } = JSON.parse(detail ?? "{}") as { before?: string | null };
  const number = subject ?? "?";
  const from = act === "accounts unmap" ? number : (before ?? null);
  const ways = [from === null ? "" : `from ${from}`, act === "accounts map" ? `to ${number}` : ""];
  const way = ways.filter((part) => part !== "").join(" ");
  return `${way}, ${localTimeText(at, bank.timeZone)}, by ${whoText(by)}`;
}

function buyerFacts({ buyer, account }: Known, bank: Bank): [string, string][] {
  if (buyer === null) return [];
  const { buyerId, blocked, changes } = buyer;
  return [
    ["Buyer", buyerId],
    ["Blocked", blocked ? "YES: every purchase is declined" : "no"],
    ...(account === null
      ? [["Account", "none is mapped: every purchase is declined"] satisfies [string, string]]
      : []),
    ...changes.map((change, index): [string, string] => [
      index === 0 ? "Mapped" : "",
      changeText(change, bank),
    ]),
  ];
}

function accountFacts(account: AccountView | null, bank: Bank): [string, string][] {
  if (account === null) return [];
  const { ledgerBalance, held, overdraft, available, pin } = account;
  return [
    ["Account", `${account.number}, ${account.name}`],
    ["Status", account.status === "active" ? "active" : `${account.status.toUpperCase()}`],
    ["Ledger balance", money(ledgerBalance, bank)],
    ["Held", money(held, bank)],
    ...(overdraft === 0 ? [] : [["Overdraft", money(overdraft, bank)] satisfies [string, string]]),
    ["Available", money(available, bank)],
    ["PIN", pin === "locked" ? "LOCKED: accounts unlock-pin" : pin],
  ];
}

function findingsText(findings: readonly FindingView[]): string {
  if (findings.length === 0) return "No open findings about these.";
  return table(
    [{ title: "Open finding", align: "right" }, { title: "What" }, { title: "raasTxnRef" }],
    findings.map(({ id, kind, detail, requestId }) => [
      String(id),
      `${FINDINGS[kind].title}: ${detail}`,
      requestId ?? "",
    ]),
  );
}

function knownText(known: Known, bank: Bank): string {
  const { account, purchases, declinedFrom, findings } = known;
  const declined =
    declinedFrom === null
      ? "Declined requests have no account: find them by the buyer."
      : `Declined requests were looked for from ${localTimeText(declinedFrom, bank.timeZone)} on.`;
  return [
    facts([...buyerFacts(known, bank), ...accountFacts(account, bank)]),
    purchasesTable(purchases, bank, known.buyer !== null),
    findingsText(findings),
    `${declined}\nAll about one purchase: transact-bank reservations show REF`,
  ].join("\n\n");
}

function knownJson({ account, buyer, purchases, findings }: Known, bank: Bank) {
  return {
    buyer:
      buyer === null ? null : { ...buyer, changes: buyer.changes.map((act) => journalJson(act)) },
    account: account === null ? null : accountJson(account, bank),
    purchases: purchases.map(purchaseViewJson),
    findings: findings.map(findingJson),
  };
}

// ---------------------------------------------------------------- the command

/** A reference names one purchase, an account number one account; all else is a buyer. */
function find(session: Session, what: string, options: Options): Answer {
  const { store, bank } = session;
  const purchase = store.purchase(what);
  if (purchase !== null) return dossierAnswer(session, purchase);
  const account = accountOf(store, what);
  const known =
    account === null
      ? knownOfBuyer(session, what, options)
      : knownOfAccount(session, account, options);
  if (isNothing(known)) {
    throw new Failure(
      "notFound",
      `nothing is known of ${what}: no buyer, account, raasTxnRef or reference of ours has that ` +
        "name. By clientTxnRef, amount or day: transact-bank reservations list --help",
    );
  }
  return { json: knownJson(known, bank), text: () => knownText(known, bank) };
}

/** A customer's account with this number, unless a buyer has the same name. */
function accountOf(store: Store, what: string): AccountView | null {
  return store.buyer(what).account === null ? store.account(what) : null;
}

export function register(program: Command): void {
  command(program, {
    form: "find <what>",
    summary: "All about a phone number, a reference or an account",
    kind: "read",
    examples: [
      "find 0731304702",
      'find "+27 73 130 4702" --limit 50',
      "find 62-0001",
      "find demo-raas-0001",
    ],
  })
    .addOption(fromOption())
    .option("--limit <n>", "at most so many purchases", readCount, SHOWN)
    .addHelpText(
      "after",
      `
WHAT is a buyer in any spelling, a raasTxnRef or our reference, or an account's
number. Purchases are found at once; declined requests are looked for from
--from on (default: 31 days back).`,
    )
    .action(
      withBank((session, [what]: [string], options: Options) => find(session, what, options)),
    );
}
