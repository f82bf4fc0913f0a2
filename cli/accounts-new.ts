// What a new account must be, whether it is typed or imported.
import { ACCOUNT_STATUSES, type AccountStatus } from "../src/domain/account.ts";
import { isAccountNumber, isIdentifier } from "../src/domain/identifiers.ts";
import { parseAmount, ZERO } from "../src/domain/money.ts";
import type { Bank, NewAccount } from "../src/storage/store.ts";
import { amountAdvice, clean } from "./output.ts";

/** As text, the way a flag or a CSV cell has it. What is missing has its usual value. */
export type AccountFields = {
  readonly number: string;
  readonly name: string;
  readonly balance: string;
  readonly overdraft?: string;
  readonly status?: string;
  readonly buyers?: readonly string[];
};

export type CheckedAccount =
  | { readonly account: NewAccount; readonly problems: readonly [] }
  | { readonly account: null; readonly problems: readonly string[] };

const LONGEST_NAME = 100;

function isStatus(text: string): text is AccountStatus {
  return ACCOUNT_STATUSES.some((status) => status === text);
}

/** A name stands on screens and in reports: one line, and nothing that is not seen. */
function isName(text: string): boolean {
  return text.trim() === text && text !== "" && text.length <= LONGEST_NAME && clean(text) === text;
}

/** Takes the fields of one account; gives the account, or everything that is wrong with it. */
export function checkAccount(fields: AccountFields, bank: Bank): CheckedAccount {
  const { number, name, status = "active", buyers = [] } = fields;
  const balance = parseAmount(fields.balance, bank.minorDigits);
  const overdraft = parseAmount(fields.overdraft ?? "0", bank.minorDigits);
  const problems: string[] = [];
  if (!isAccountNumber(number)) {
    problems.push(`number ${number} is no account number: 1-34 letters, digits and -`);
  }
  if (!isName(name)) {
    problems.push(
      `the name is not 1-${LONGEST_NAME} characters on one line, without blanks around`,
    );
  }
  if (balance === null) problems.push(amountAdvice(fields.balance, "balance", bank));
  if (overdraft === null) problems.push(amountAdvice(fields.overdraft ?? "", "overdraft", bank));
  if (!isStatus(status)) {
    problems.push(`status ${status} is none of ${ACCOUNT_STATUSES.join(", ")}`);
  }
  for (const buyer of buyers) {
    if (!isIdentifier(buyer)) problems.push(`buyer ${buyer} is not 1-64 characters on one line`);
  }
  if (problems.length > 0 || !isStatus(status)) return { account: null, problems };
  return {
    account: {
      number,
      name,
      balance: balance ?? ZERO,
      overdraft: overdraft ?? ZERO,
      status,
      buyers,
    },
    problems: [],
  };
}
