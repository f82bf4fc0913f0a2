// The whole bank against the whole model: figures of every account after each restart, and at the
// end every reservation, request, finding, counter and receipt, and what verify says.
import type { Database } from "bun:sqlite";
import type { SqliteStore } from "../../src/storage/sqlite/store.ts";
import type { NaiveBank } from "../storage/naive-bank.ts";
import { type Message, numberOf, shortAnswer } from "./messages.ts";
import { demand } from "./trace.ts";

type AccountRow = {
  number: string;
  balance: number;
  held: number;
  overdraft: number;
  status: string;
  hasPin: number;
  wrong: number;
  locked: number;
};

const ACCOUNTS = `SELECT number, ledger_balance AS balance, held, overdraft, status,
    pin_hash IS NOT NULL AS hasPin, pin_failures AS wrong, pin_locked AS locked FROM accounts`;

function sameLists(what: string, real: readonly string[], model: readonly string[]): void {
  const left = [...real].sort();
  const right = [...model].sort();
  if (left.length === right.length && left.every((line, index) => line === right[index])) return;
  const only = (a: readonly string[], b: readonly string[]) => {
    const known = new Set(b);
    return a.filter((line) => !known.has(line)).slice(0, 5);
  };
  const bank = only(left, right).join(" | ");
  const expected = only(right, left).join(" | ");
  const about = (bank || expected).split(" ").find((word) => /^(R\d+|A-\d)$/.test(word));
  demand(false, () => `${what}: the bank has ${bank}; the model has ${expected}`, about ?? null);
}

/** Every account's figures, the bank's own too. */
export function compareAccounts(observer: Database, bank: NaiveBank): void {
  const rows = observer.query(ACCOUNTS).all() as AccountRow[];
  const real = rows.map((row) =>
    row.number.startsWith("@")
      ? `${row.number} ${row.balance}`
      : `${row.number} balance ${row.balance} held ${row.held} overdraft ${row.overdraft} ` +
        `${row.status} PIN ${row.hasPin} wrong ${row.wrong} locked ${row.locked}`,
  );
  const model = bank.accounts.map((account) => {
    const { number, balance, overdraft, status, pin, wrong, locked } = account;
    return (
      `${number} balance ${balance} held ${bank.held(account)} overdraft ${overdraft} ` +
      `${status} PIN ${pin === null ? 0 : 1} wrong ${wrong} locked ${locked ? 1 : 0}`
    );
  });
  const own = Object.entries(bank.own).map(([name, balance]) => `@${name} ${balance}`);
  sameLists("accounts", real, [...model, ...own]);
}

function comparePurchases(observer: Database, bank: NaiveBank): void {
  const lines = (sql: string) =>
    observer
      .query(sql)
      .values()
      .map((row) => row.join(" "));
  const made = [...bank.reservations.values()].map(
    (one) => `${one.requestId} ${one.reference} ${one.account.number} ${one.amount} ${one.state}`,
  );
  const reservations = lines(
    `SELECT request_id, reference, a.number, reserve_amount, state FROM requests r
       JOIN accounts a ON a.id = r.account_id`,
  );
  sameLists("reservations", reservations, made);
  const answered = [...bank.answered].map(([requestId, { code }]) => `${requestId} ${code}`);
  sameLists("answers", lines("SELECT request_id, response_code FROM requests"), answered);
  sameLists("tombstones", lines("SELECT request_id FROM tombstones"), [...bank.tombstones]);
  const findings = [...bank.findings.values()].map(
    (one) =>
      `${one.kind} ${one.requestId ?? ""} ${one.reference ?? ""} ${one.times} ` +
      `${one.open ? "open" : "closed"} ${one.later ?? ""}`,
  );
  const told = `iif(kind = 'unmatched-success' AND instr(detail, 'was answered '),
    substr(detail, instr(detail, 'was answered ') + 13, 4), '')`;
  const real = lines(
    `SELECT kind, coalesce(request_id, ''), coalesce(reference, ''), occurrences,
       iif(closed_at IS NULL, 'open', 'closed'), ${told} FROM findings`,
  );
  sameLists("findings", real, findings);
}

/** The limits' counters of the running day and month, counted anew from the reservations. */
function compareCounters(observer: Database, bank: NaiveBank, day: string): void {
  const counters = observer.query(
    `SELECT u.amount, u.count FROM usage u JOIN accounts a ON a.id = u.account_id
     WHERE a.number = ? AND u.period = ? AND u.scope = ? AND u.scope_key = ?`,
  );
  const scopes = [
    ["all", "global", "*"],
    ["channel", "channel", "7"],
    ["product", "product", "110"],
    ["product", "product", "917"],
  ] as const;
  for (const account of bank.accounts) {
    for (const [scope, ours, key] of scopes) {
      const used = bank.counted(account, day, ours, key);
      for (const [period, amount, count] of [
        [day, used.today, used.todayCount],
        [day.slice(0, 7), used.month, used.monthCount],
      ] as const) {
        const row = counters.values(account.number, period, scope, key)[0] ?? [0, 0];
        const { number } = account;
        const said = row.join(" in ");
        demand(
          said === [amount, count].join(" in "),
          () =>
            `${number} ${period} ${scope} ${key}: the counter is ${said}, not ${amount} in ${count}`,
          number,
        );
      }
    }
  }
}

/** Each message has one receipt, which says what was answered. */
function compareReceipts(
  observer: Database,
  messages: readonly Message[],
  clean: ReadonlySet<number>,
): void {
  const rows = observer
    .query("SELECT body, status, coalesce(response_code, '') FROM receipts WHERE body IS NOT NULL")
    .values() as [string, number, string][];
  const receipts = new Map<number, string>();
  for (const [body, status, code] of rows) {
    const number = numberOf(body) ?? -1;
    const { about = null } = messages[number] ?? {};
    demand(!receipts.has(number), () => `message ${number} has two receipts`, about);
    receipts.set(number, status === 200 ? code : String(status));
  }
  for (const message of messages) {
    const { number, about, commit, answer, life, toldLate } = message;
    const receipt = receipts.get(number);
    const isIn = commit !== -1;
    demand(isIn === (receipt !== undefined), () => `message ${number}: receipt ${receipt}`, about);
    // What a server told late, it had not written yet: if it died then, nobody wrote it.
    if (answer === null || (toldLate && !clean.has(life))) continue;
    if (message.meaning.kind === "malformed" && !message.body.endsWith("}")) continue;
    const said = shortAnswer(answer).split(" ")[0];
    demand(
      receipt === said,
      () => `message ${number} was told ${said}, its receipt ${receipt}`,
      about,
    );
  }
}

export type Whole = {
  readonly observer: Database;
  readonly store: SqliteStore;
  readonly bank: NaiveBank;
  readonly messages: readonly Message[];
  readonly day: string;
  /** The servers that ended cleanly. */
  readonly clean: ReadonlySet<number>;
};

export function compareWhole({ observer, store, bank, messages, day, clean }: Whole): void {
  compareAccounts(observer, bank);
  comparePurchases(observer, bank);
  compareCounters(observer, bank, day);
  compareReceipts(observer, messages, clean);
  const problems = store.verify().flatMap((check) => check.problems);
  demand(problems.length === 0, () => `verify: ${problems.join("; ")}`);
}
