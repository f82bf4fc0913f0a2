// accounts import: many new accounts from a CSV file, all of them or none: every row is checked
// before the first is written. They are written some hundred in a commit, because a purchase waits
// for each commit of a command.
import { progress } from "@clack/prompts";
import type { Command } from "commander";
import { CsvError, parse } from "csv-parse/sync";
import type { ControlledKind } from "../src/domain/dual-control.ts";
import { canonicalBuyerId } from "../src/domain/identifiers.ts";
import { LARGEST_BALANCE, type Minor, plus, ZERO } from "../src/domain/money.ts";
import type { Bank, NewAccount } from "../src/storage/store.ts";
import { type AccountFields, checkAccount } from "./accounts-new.ts";
import { ask } from "./control.ts";
import { Failure } from "./failure.ts";
import { inputName, readInput } from "./input.ts";
import { money, note } from "./output.ts";
import { canAsk, confirm } from "./prompt.ts";
import { type Answer, command, type Session, unwrap, withBank } from "./session.ts";

const REQUIRED = ["number", "name", "balance"] as const;
const OPTIONAL = ["status", "overdraft", "buyers"] as const;
const COLUMNS: readonly string[] = [...REQUIRED, ...OPTIONAL];

type Row = { readonly line: number; readonly cells: readonly string[] };
type BadRow = { readonly line: number; readonly reason: string };
type Numbered = { readonly line: number; readonly account: NewAccount };

function refuseFile(file: string, reason: string): never {
  throw new Failure("refused", `${file}: ${reason}. Nothing was imported.`);
}

function readText(path: string): string {
  const bytes = readInput(path, "FILE");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return refuseFile(inputName(path), "it is not UTF-8: save it as CSV UTF-8");
  }
}

/** The lines of the file as cells. `line` is where a row ends, for a quoted cell may hold breaks. */
function readRows(file: string, text: string): Row[] {
  try {
    const rows = parse(text, {
      bom: true,
      info: true,
      trim: true,
      relax_column_count: true,
      skip_empty_lines: true,
    }) as unknown as { record: string[]; info: { lines: number } }[];
    return rows.map(({ record, info }) => ({ line: info.lines, cells: record }));
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = typeof error["lines"] === "number" ? `line ${error["lines"]}: ` : "";
    return refuseFile(file, `${line}it is not well-formed CSV; look at the quotes (${error.code})`);
  }
}

/** A column's name, where it looks like one: another file's first line may be a key. */
function titleOf(name: string, index: number): string {
  return /^[\p{L} _-]{1,24}$/u.test(name) ? name : `number ${index + 1}`;
}

/** Refuses a header with a column that is unknown, double or missing. */
function checkHeader(file: string, header: Row | undefined): readonly string[] {
  const names = header?.cells ?? [];
  const unknown = names.filter((name) => !COLUMNS.includes(name));
  const double = names.filter((name, index) => names.indexOf(name) !== index);
  const missing = REQUIRED.filter((name) => !names.includes(name));
  const faults = [
    ...unknown.map((name) => `column ${titleOf(name, names.indexOf(name))} is unknown`),
    ...double.map((name) => `column ${name} is there twice`),
    ...missing.map((name) => `column ${name} is missing`),
  ];
  if (faults.length === 0) return names;
  const form = `The first line is ${REQUIRED.join(",")} and, if wanted, ${OPTIONAL.join(",")}`;
  return refuseFile(file, `${faults.join("; ")}. ${form}, parted by commas`);
}

function fieldsOf(header: readonly string[], { cells }: Row): AccountFields {
  const cell = (name: string) => cells[header.indexOf(name)] ?? "";
  const given = (name: "status" | "overdraft") => (cell(name) === "" ? {} : { [name]: cell(name) });
  const buyers = cell("buyers").split(";");
  return {
    number: cell("number"),
    name: cell("name"),
    balance: cell("balance"),
    ...given("status"),
    ...given("overdraft"),
    buyers: buyers.map((buyer) => buyer.trim()).filter((buyer) => buyer !== ""),
  };
}

/** Remembers on which line a number and a buyer stood, to name it when they come again. */
function clashFinder(bank: Bank): (numbered: Numbered) => string[] {
  const numbers = new Map<string, number>();
  const buyers = new Map<string, number>();
  const again = (seen: Map<string, number>, key: string, line: number) => {
    const first = seen.get(key);
    if (first === undefined) seen.set(key, line);
    return first;
  };
  return ({ line, account }) => {
    const reasons: string[] = [];
    const sameNumber = again(numbers, account.number, line);
    if (sameNumber !== undefined) {
      reasons.push(`number ${account.number} stands on line ${sameNumber} already`);
    }
    for (const buyer of account.buyers) {
      const sameBuyer = again(buyers, canonicalBuyerId(buyer, bank.country), line);
      if (sameBuyer !== undefined) {
        reasons.push(
          `buyer ${buyer} stands on line ${sameBuyer} already, perhaps spelled otherwise`,
        );
      }
    }
    return reasons;
  };
}

type Checked = { readonly good: readonly Numbered[]; readonly bad: readonly BadRow[] };

/** Checks every row by itself and against the rows before it; `step` is told how far it is. */
async function checkRows(
  header: readonly string[],
  rows: readonly Row[],
  { bank, step }: { bank: Bank; step: (done: number) => Promise<void> },
): Promise<Checked> {
  const good: Numbered[] = [];
  const bad: BadRow[] = [];
  const clashes = clashFinder(bank);
  for (const [index, row] of rows.entries()) {
    await step(index);
    const { line, cells } = row;
    if (cells.length !== header.length) {
      bad.push({ line, reason: `it has ${cells.length} cells, the header ${header.length}` });
      continue;
    }
    const { account, problems } = checkAccount(fieldsOf(header, row), bank);
    const reasons = account === null ? problems : clashes({ line, account });
    if (account !== null && reasons.length === 0) good.push({ line, account });
    else bad.push({ line, reason: reasons.join("; ") });
  }
  return { good, bad };
}

/** A bar on a terminal, nothing elsewhere. */
function progressBar(session: Session, rows: number) {
  const STEP = 1000;
  if (!canAsk(session)) return { step: async () => {}, stop: () => {} };
  const bar = progress({ max: Math.max(1, rows) });
  bar.start("Checking the rows");
  return {
    async step(done: number): Promise<void> {
      if (done === 0 || done % STEP !== 0) return;
      bar.advance(STEP, `Checking the rows: ${done} of ${rows}`);
      // The bar is drawn by a timer, which needs a turn.
      await Bun.sleep(0);
    },
    stop: (message: string) => bar.stop(message),
  };
}

function totalOf(good: readonly Numbered[]): Minor {
  return good.reduce((sum, { account }) => {
    if (sum > LARGEST_BALANCE) throw new Failure("refused", "the balances are too much in all");
    return plus(sum, account.balance);
  }, ZERO);
}

/** Rows in one commit: some 30 ms, during which nobody else can write. */
const ROWS_A_COMMIT = 400;

function add({ store, by }: Session, rows: readonly Numbered[], dryRun: boolean): BadRow[] {
  const accounts = rows.map(({ account }) => account);
  const refusals = unwrap(store.addAccounts(by, "accounts import", accounts, dryRun));
  return refusals.map(({ index, message }) => ({ line: rows[index]?.line ?? 0, reason: message }));
}

/** Writes what was checked; only what somebody else added meanwhile can stop it on the way. */
async function write(session: Session, file: string, good: readonly Numbered[]): Promise<void> {
  for (let done = 0; done < good.length; done += ROWS_A_COMMIT) {
    const rows = good.slice(done, done + ROWS_A_COMMIT);
    const bad = add(session, rows, false);
    if (bad.length > 0 && done === 0) refuseRows(file, bad);
    if (bad.length > 0) {
      const lines = bad.map(({ line, reason }) => `line ${line}: ${reason}`);
      throw new Failure(
        "refused",
        [
          `${file}: somebody else added accounts meanwhile. The rows before line ` +
            `${rows[0]?.line} are imported; import the others from a file of their own`,
          ...lines,
        ].join("\n"),
      );
    }
    // The next purchase comes first.
    await Bun.sleep(1);
  }
}

/** An import under dual control is one act, in one commit: purchases wait for no more than this. */
const MOST_UNDER_CONTROL = 1_000;

/** True where one of the accounts brings money or an overdraft that another must approve. */
function isControlled({ config }: Session, good: readonly Numbered[]): boolean {
  const has = (kind: ControlledKind) => config.dual_control.includes(kind);
  return good.some(
    ({ account }) =>
      (has("money") && account.balance > 0) || (has("limits") && account.overdraft > 0),
  );
}

function askForImport(session: Session, file: string, good: readonly Numbered[]): Answer {
  if (good.length > MOST_UNDER_CONTROL) {
    const most = `at most ${MOST_UNDER_CONTROL} accounts at once: split the file`;
    refuseFile(file, `with balances or overdrafts under dual control it holds ${most}`);
  }
  const accounts = good.map(({ account }) => ({ ...account, buyers: [...account.buyers] }));
  return ask(session, { act: "accounts import", args: { accounts } });
}

function refuseRows(file: string, bad: readonly BadRow[]): void {
  if (bad.length === 0) return;
  const lines = [...bad]
    .sort((a, b) => a.line - b.line)
    .map(({ line, reason }) => `line ${line}: ${reason}`);
  const rows = bad.length === 1 ? "1 row is" : `${bad.length} rows are`;
  throw new Failure(
    "refused",
    [`${file}: ${rows} bad, and nothing was imported`, ...lines].join("\n"),
  );
}

async function importFile(session: Session, path: string): Promise<Answer> {
  const { bank, dryRun } = session;
  const file = inputName(path);
  const [first, ...rows] = readRows(file, readText(path));
  const header = checkHeader(file, first);
  if (rows.length === 0) refuseFile(file, "it holds no accounts, only the header");
  const bar = progressBar(session, rows.length);
  const { good, bad } = await checkRows(header, rows, { bank, step: bar.step });
  bar.stop(`${rows.length} rows checked`);
  // Rows that are bad by themselves do not hide what the store has against the others.
  refuseRows(file, [...bad, ...add(session, good, true)]);

  const total = totalOf(good);
  const accounts = good.length === 1 ? "1 account" : `${good.length} accounts`;
  const what = `${accounts} with ${money(total, bank)} in all`;
  const json = { accounts: good.length, balanceMinor: total, currency: bank.currency, dryRun };
  const controlled = isControlled(session, good);
  if (dryRun && !controlled) return { json, text: () => `Every row is good: imported ${what}.` };
  await confirm(session, `Import ${what}?`);
  if (controlled) return askForImport(session, file, good);
  if (canAsk(session)) note(`Writing ${good.length} accounts, which may take some seconds ...`);
  await write(session, file, good);
  return { json, text: () => `Imported ${what}.` };
}

export function registerImport(accounts: Command): void {
  command(accounts, {
    form: "import <file>",
    summary: "Open the accounts of a CSV file, all of them or none",
    kind: "write",
    examples: [
      "accounts import accounts.csv --dry-run",
      'accounts import accounts.csv --yes --reason "opening day"',
      "accounts import - --yes < accounts.csv",
    ],
  })
    .addHelpText(
      "after",
      `
The file (- is standard input): its first line is number,name,balance and, if
wanted, status,overdraft,buyers
  number,name,balance,status,overdraft,buyers
  62-0001,Thandi Mokoena,5000.00,active,0.00,27731304702;CIF0731304702`,
    )
    .action(withBank((session, [file]: [string]) => importFile(session, file)));
}
