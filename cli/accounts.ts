// accounts: the customers' accounts, their balances and their standing. Buyers, PINs and the import
// stand in files of their own beside this one.
import { Argument, type Command } from "commander";
import { ACCOUNT_STATUSES, type AccountStatus } from "../src/domain/account.ts";
import { formatAmount } from "../src/domain/money.ts";
import { rowsOf } from "../src/storage/pages.ts";
import type { AccountView, Bank } from "../src/storage/store.ts";
import { accountAnswer, accountJson } from "./account-view.ts";
import { registerBuyers } from "./accounts-buyers.ts";
import { registerImport } from "./accounts-import.ts";
import { type AccountFields, checkAccount } from "./accounts-new.ts";
import { registerPins } from "./accounts-pins.ts";
import { perform } from "./control.ts";
import { Failure } from "./failure.ts";
import { type List, limitOption, writeList } from "./list.ts";
import { money, readAmount, readPositiveAmount, table } from "./output.ts";
import { confirm } from "./prompt.ts";
import { command, found, group, type Session, unwrap, withBank } from "./session.ts";
import { registerStatement } from "./statement.ts";

function accountsTable(accounts: readonly AccountView[], bank: Bank): string {
  if (accounts.length === 0) return "No accounts yet: open one with transact-bank accounts add";
  const amount = (value: AccountView["held"]) => formatAmount(value, bank.minorDigits);
  return table(
    [
      { title: "Number" },
      { title: "Name" },
      { title: "Status" },
      { title: `Ledger ${bank.currency}`, align: "right" },
      { title: "Held", align: "right" },
      { title: "Available", align: "right" },
      { title: "PIN" },
    ],
    accounts.map((account) => [
      account.number,
      account.name,
      account.status,
      amount(account.ledgerBalance),
      amount(account.held),
      amount(account.available),
      account.pin,
    ]),
  );
}

function accountsList({ store, bank }: Session): List<AccountView> {
  return {
    rows: (most) => rowsOf(store.accounts, ({ number }) => number, most),
    json: (account) => accountJson(account, bank),
    table: (accounts) => accountsTable(accounts, bank),
    first: "first",
  };
}

/** A problem of a new account names a column of the import; here it is an option. */
const asOption = (problem: string) => problem.replace(/^(?=(?:name|balance|overdraft) )/, "--");

function add(session: Session, number: string, options: Omit<AccountFields, "number">) {
  const { bank } = session;
  const { account, problems } = checkAccount({ ...options, number }, bank);
  if (account === null) throw new Failure("usage", problems.map(asOption).join("\n"));
  return perform(session, { act: "accounts add", args: { ...account, buyers: [] } }, (added) =>
    accountAnswer(added, bank),
  );
}

function registerLooks(accounts: Command): void {
  command(accounts, {
    form: "list",
    summary: "List the customers' accounts by number",
    kind: "read",
    examples: ["accounts list", "accounts list --limit 20", "accounts list --json"],
  })
    .addOption(limitOption())
    .action(
      withBank((session, _: [], { limit }: { limit?: number }) =>
        writeList(session, accountsList(session), limit),
      ),
    );
  command(accounts, {
    form: "show <number>",
    summary: "Show one account: its balances, its buyers, its PIN's state",
    kind: "read",
    examples: ["accounts show 62-0001", "accounts show 62-0001 --json"],
  }).action(
    withBank(({ store, bank }, [number]: [string]) =>
      accountAnswer(found(store.account(number), `account ${number}`), bank),
    ),
  );
}

function registerStanding(accounts: Command): void {
  command(accounts, {
    form: "add <number>",
    summary: "Open an account; its number is 1-34 letters, digits and -",
    kind: "write",
    examples: [
      'accounts add 62-0001 --name "Thandi Mokoena" --balance 5000.00',
      'accounts add 62-0002 --name "Sipho Dube" --overdraft 500.00',
    ],
  })
    .requiredOption("--name <name>", "the customer's name")
    .option("--balance <amount>", "the funds placed in it", "0")
    .option("--overdraft <amount>", "how far below zero it may go", "0")
    .action(
      withBank((session, [number]: [string], options: Omit<AccountFields, "number">) =>
        add(session, number, options),
      ),
    );
  command(accounts, {
    form: "status",
    summary: "Set whether an account may buy: active, inactive or blacklisted",
    kind: "write",
    examples: [
      "accounts status 62-0001 inactive",
      'accounts status 62-0001 blacklisted --reason "fraud case 118"',
    ],
  })
    .argument("<number>")
    .addArgument(new Argument("<status>").choices(ACCOUNT_STATUSES))
    .action(
      withBank(({ store, bank, by }, [number, status]: [string, AccountStatus]) =>
        accountAnswer(unwrap(store.setStatus(by, number, status)), bank),
      ),
    );
  command(accounts, {
    form: "overdraft <number> <amount>",
    summary: "Set how far below zero an account may go",
    kind: "reasoned",
    examples: ['accounts overdraft 62-0001 500.00 --reason "agreed on 2 March"'],
  }).action(
    withBank((session, [number, text]: [string, string]) => {
      const overdraft = readAmount(text, "the overdraft", session.bank);
      const asked = { act: "accounts overdraft", args: { number, overdraft } } as const;
      return perform(session, asked, (account) => accountAnswer(account, session.bank));
    }),
  );
}

function registerMoney(accounts: Command): void {
  const acts = [
    { verb: "credit", summary: "Place funds in an account", preposition: "to" },
    { verb: "debit", summary: "Take funds out of an account", preposition: "from" },
  ] as const;
  for (const { verb, summary, preposition } of acts) {
    command(accounts, {
      form: `${verb} <number> <amount>`,
      summary,
      kind: "reasoned",
      examples: [
        `accounts ${verb} 62-0001 100.00 --reason "teller slip 4711"`,
        `accounts ${verb} 62-0001 100.00 --reason "teller slip 4711" --yes --json`,
      ],
    }).action(
      withBank(async (session, [number, text]: [string, string]) => {
        const { store, bank } = session;
        const amount = readPositiveAmount(text, "the amount", bank);
        const { name } = found(store.account(number), `account ${number}`);
        const what = `${money(amount, bank)} ${preposition} account ${number} (${name})`;
        await confirm(session, `${verb === "credit" ? "Credit" : "Debit"} ${what}?`);
        return perform(session, { act: `accounts ${verb}`, args: { number, amount } }, (account) =>
          accountAnswer(account, bank),
        );
      }),
    );
  }
}

export function register(program: Command): void {
  const accounts = group(program, "accounts", "Customers' accounts, their buyers and PINs");
  registerLooks(accounts);
  registerStatement(accounts);
  registerStanding(accounts);
  registerMoney(accounts);
  registerBuyers(accounts);
  registerPins(accounts);
  registerImport(accounts);
}
