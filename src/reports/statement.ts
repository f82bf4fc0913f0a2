// An account's statement: what it had, each entry with the balance after it, what it has.
import { isoTime, localTimeText } from "../domain/local-time.ts";
import { formatAmount, type Minor } from "../domain/money.ts";
import { mapped } from "../storage/pages.ts";
import type { Bank, Statement, StatementEntry } from "../storage/store.ts";
import { accountCell } from "./balances.ts";
import { type Cell, type Csv, decimal } from "./csv.ts";
import { bankText, type Page } from "./page.ts";

/** Instants: from the first, up to and without the second; null where the statement is open there. */
export type StatementReport = {
  readonly bank: Bank;
  readonly statement: Statement;
  readonly from: number | null;
  readonly to: number | null;
};

/** The last four of a buyer's characters: enough to know one's own, too few to call. */
function maskedBuyer(buyerId: string): string {
  const characters = [...buyerId];
  return characters.length <= 4 ? "****" : `****${characters.slice(-4).join("")}`;
}

const KINDS: Readonly<Record<StatementEntry["record"]["kind"], string>> = {
  opening: "Opening balance placed",
  debit: "Purchase",
  correction: "Correction",
  credit: "Credit",
  withdrawal: "Debit by hand",
  settlement: "Payment to Clickatell",
  act: "",
};

/** What an entry was: "Purchase, product 110, buyer ****4702", or what was done by hand and why. */
function entryText({ record, purchase }: StatementEntry): string {
  const bought =
    purchase === null
      ? []
      : [
          ...(purchase.productId === null ? [] : [`product ${purchase.productId}`]),
          `buyer ${maskedBuyer(purchase.buyerId)}`,
        ];
  const what = [KINDS[record.kind], ...bought].join(", ");
  return record.reason === null ? what : `${what}: ${record.reason}`;
}

const timeOrNull = (at: number | null) => (at === null ? null : isoTime(at));

export function statementJson({ bank, statement, from, to }: StatementReport) {
  const { account, opening, credits, debits, closing, count } = statement;
  return {
    account: account.number,
    name: account.name,
    internal: account.internal,
    currency: bank.currency,
    from: timeOrNull(from),
    to: timeOrNull(to),
    openingBalanceMinor: opening,
    creditsMinor: credits,
    debitsMinor: debits,
    closingBalanceMinor: closing,
    count,
    entries: mapped(statement.entries, (entry) => ({
      journalId: entry.record.id,
      at: isoTime(entry.record.at),
      kind: entry.record.kind,
      text: entryText(entry),
      productId: entry.purchase?.productId ?? null,
      requestId: entry.purchase?.requestId ?? null,
      reference: entry.record.reference,
      amountMinor: entry.amount,
      balanceMinor: entry.balance,
    })),
  };
}

/** One file, told apart by `section`: "opening", "entry" and "closing". */
const CSV_COLUMNS = [
  "section",
  "account",
  "at",
  "journalId",
  "kind",
  "text",
  "productId",
  "raasTxnRef",
  "reserveFundsTxnRef",
  "currency",
  "amount",
  "balance",
  "detail",
] as const;

export function statementCsv({ bank, statement, from, to }: StatementReport): Csv {
  const amount = (figure: Minor | null) => decimal(figure, bank.minorDigits);
  const account = accountCell(statement.account.number);
  const edge = (section: string, at: number | null, balance: Minor): Cell[] => {
    const nothing = [null, null, null, null, null, null];
    const when = timeOrNull(at);
    return [section, account, when, ...nothing, bank.currency, null, amount(balance), null];
  };
  function* rows(): Iterable<Cell[]> {
    yield edge("opening", from, statement.opening);
    for (const entry of statement.entries) {
      const { record, purchase } = entry;
      yield [
        "entry",
        account,
        isoTime(record.at),
        record.id,
        record.kind,
        entryText(entry),
        purchase?.productId ?? null,
        purchase?.requestId ?? null,
        record.reference,
        bank.currency,
        amount(entry.amount),
        amount(entry.balance),
        null,
      ];
    }
    yield edge("closing", to, statement.closing);
  }
  return { columns: CSV_COLUMNS, rows: rows() };
}

export function statementPage({ bank, statement, from, to }: StatementReport): Page {
  const { account, opening, credits, debits, closing, count } = statement;
  const amount = (figure: Minor) => formatAmount(figure, bank.minorDigits);
  const time = (at: number | null, open: string) =>
    at === null ? open : localTimeText(at, bank.timeZone);
  const money = (figure: Minor) => `${amount(figure)} ${bank.currency}`;
  return {
    title: "Account statement",
    facts: [
      ["Bank", bankText(bank)],
      ["Account", `${account.number}, ${account.name}`],
      ["From", time(from, "the beginning")],
      ["To", `${time(to, "now")}, times in ${bank.timeZone}`],
      ["Opening balance", money(opening)],
      ["Added", money(credits)],
      ["Taken", money(debits)],
      ["Closing balance", money(closing)],
    ],
    sections: [
      {
        title: `Entries, in ${bank.currency}`,
        intro: `${count} in all, in the journal's order, each with the ledger balance after it.`,
        columns: [
          { title: "When" },
          { title: "What" },
          { title: "Amount", align: "right" },
          { title: "Balance", align: "right" },
          { title: "Journal", align: "right", only: "page" },
          { title: "raasTxnRef", whole: true, only: "page" },
        ],
        rows: mapped(statement.entries, (entry) => [
          localTimeText(entry.record.at, bank.timeZone),
          entryText(entry),
          amount(entry.amount),
          amount(entry.balance),
          String(entry.record.id),
          entry.purchase?.requestId ?? "",
        ]),
        total: ["Closing balance", "", "", amount(closing), "", ""],
        none: "None: nothing moved in this time.",
      },
    ],
  };
}
