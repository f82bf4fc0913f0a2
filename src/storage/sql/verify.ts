// Recomputes from the journal and the reservations what the tables say, and names what is off.
//
// Purchases go on meanwhile, and no read may stay open for long, so all is read page by page, each
// page in one short read:
// - A row is judged in the read of its page, together with what belongs to it.
// - Journal, entries and what a request asked are only ever added to. What they come to is summed
//   up in memory, a figure an account, and brought up to date in the read that compares it.
// - What is held changes wherever a reservation ends. Accounts that seem off are looked at again,
//   all in one read that takes as long as there are open reservations.
// - What only the engine can say of its tables comes last (EngineCheck).

import { type ChainedContent, chainNext, chainStart } from "../chain.ts";
import { PAGE_SIZE } from "../pages.ts";
import type { Bank, Check } from "../store.ts";
import { amountOf, CHAINED_COLUMNS } from "./journal.ts";
import { type Counted, counterProblems, type PerAccount, perAccount } from "./recount.ts";
import { settingsOf } from "./settings.ts";
import type { Sql } from "./sql.ts";
import { approvalsCheck } from "./verify-approvals.ts";
import { askedCheck } from "./verify-asked.ts";
import { type Place, walkByTime } from "./walk.ts";

const MOST_PROBLEMS = 20;
/** Few, because all reservations of each are counted anew in one read. */
const ACCOUNTS_A_PAGE = 100;

/** In the order of the answer. */
const NAMES = {
  balances: "each balance is the sum of its entries",
  held: "each held amount is the sum of the account's open reservations",
  available: "no customer's available amount is below zero",
  sums: "the entries of each posting sum to zero",
  postings: "each posting has entries",
  gaps: "the journal has no gap",
  chain: "each record of the journal follows from the one before it, by its hash",
  settings: "overdrafts, statuses, buyers and limits are what the journal says was set",
  controlled: "what was under dual control was approved by another person",
  approvals: "each approval was asked for, and used once for what was asked",
  debits: "each debited reservation has its one debit, of its own amount, and no other has one",
  settlement: "each debit gave Clickatell the reservation's settlementAmount",
  asked: "each request stands as its receipt says that it came",
  answers: "each Success has its reservation, and no decline has one",
  counters: "the limits' counters are what the reservations add up to",
  chains: "each account's reservations are chained, newest first",
  once: "no reference and no request stands twice",
  ledger: "the ledger sums to zero",
} as const;
type Name = keyof typeof NAMES;

type PageCheck = { readonly name: Name; readonly sql: string };

const CLICKATELL = "(SELECT id FROM accounts WHERE internal = 'clickatell')";

/** Each gives a line for a row that is off, of those with ids after $after up to $last. */
const OF_POSTINGS: readonly PageCheck[] = [
  {
    name: "sums",
    sql: `SELECT 'posting ' || id || ': its entries sum to '
        || (amount_1 + amount_2 + coalesce(amount_3, 0))
      FROM journal WHERE id > $after AND id <= $last
        AND amount_1 + amount_2 + coalesce(amount_3, 0) <> 0 ORDER BY id`,
  },
  {
    name: "postings",
    sql: `SELECT 'posting ' || id || ' has no entries' FROM journal
      WHERE id > $after AND id <= $last
        AND kind <> 'act' AND (amount_1 IS NULL OR amount_2 IS NULL) ORDER BY id`,
  },
  {
    name: "settlement",
    sql: `SELECT 'reservation ' || r.reference || ': its debit gave Clickatell '
        || coalesce(${amountOf(CLICKATELL)}, 0) || ', its settlementAmount is '
        || coalesce(CAST(r.settlement_amount AS TEXT), 'none')
      FROM journal j JOIN requests r ON r.id = j.reservation_id
      WHERE j.id > $after AND j.id <= $last AND j.kind = 'debit'
        AND coalesce(${amountOf(CLICKATELL)}, 0) <> coalesce(r.settlement_amount, 0)
      ORDER BY j.id`,
  },
];

const OF_REQUESTS: readonly PageCheck[] = [
  {
    name: "debits",
    sql: `SELECT 'reservation ' || coalesce(r.reference, r.request_id) || ': it is '
        || coalesce(r.state, 'missing') || ' with ' || count(j.id) || ' debits of '
        || coalesce(-sum(${amountOf("r.account_id")}), 0)
      FROM requests r
      LEFT JOIN journal j ON j.reservation_id = r.id AND j.kind = 'debit'
      WHERE r.id > $after AND r.id <= $last
      GROUP BY r.id
      HAVING count(j.id) <> CASE WHEN r.state = 'debited' THEN 1 ELSE 0 END
        OR (r.state = 'debited'
          AND coalesce(-sum(${amountOf("r.account_id")}), 0) <> r.reserve_amount)
      ORDER BY r.id`,
  },
  {
    name: "answers",
    sql: `SELECT 'request ' || request_id || ': answered ' || response_code || ', reservation '
        || coalesce(state, 'missing')
      FROM requests
      WHERE id > $after AND id <= $last AND ((response_code = '0000' AND state IS NULL)
        OR (response_code NOT IN ('0000', '2060') AND state IS NOT NULL)
        OR (response_code = '2060' AND state = 'reserved')) ORDER BY id`,
  },
];

/** Keeps the first lines of each check. */
function problemList() {
  const lines = new Map<Name, string[]>();
  const of = (name: Name) => lines.get(name) ?? [];
  return {
    add(name: Name, ...more: readonly string[]): void {
      if (more.length === 0) return;
      lines.set(name, [...of(name), ...more].slice(0, MOST_PROBLEMS));
    },
    checks: (): Check[] =>
      Object.entries(NAMES).map(([key, name]) => {
        const problems = of(key as Name);
        return { name, ok: problems.length === 0, problems };
      }),
  };
}
type Problems = ReturnType<typeof problemList>;

type Bounds = { readonly after: number; readonly last: number };

/** Reads on where rows are only ever added. `ids` gives those that follow $after, in order. */
function reading(db: Sql, ids: string, take: (page: Bounds) => void) {
  const ahead = db.query(
    `SELECT max(id) AS last, count(*) AS count FROM (${ids} LIMIT $size) page`,
  );
  let after = Number.MIN_SAFE_INTEGER;
  function next(): number {
    const { last, count } = ahead.get({ after, size: PAGE_SIZE }) as {
      last: number | null;
      count: number;
    };
    if (last === null) return 0;
    take({ after, last });
    after = last;
    return count;
  }
  const nextPage = db.transaction(next);
  return {
    /** Takes all there is, each page in a read of its own; what is added meanwhile, later. */
    takeAll(): void {
      while (nextPage() === PAGE_SIZE);
    },
    /** Takes what was added since, within a read. */
    catchUp(): void {
      while (next() > 0);
    },
  };
}

function runOn(db: Sql, checks: readonly PageCheck[], problems: Problems) {
  const prepared = checks.map(({ name, sql }) => ({
    name,
    query: db.query(`${sql} LIMIT ${MOST_PROBLEMS}`),
  }));
  return (page: Bounds) => {
    for (const { name, query } of prepared) {
      problems.add(name, ...(query.values(page).flat() as string[]));
    }
  };
}

/** A record of the journal as it is hashed, by name where this file looks at it. */
function columnsOf(content: ChainedContent) {
  const [id, , kind, act, subject, detail, , actor, , ...entries] = content;
  const record = { id: id as number, kind, act, subject, detail, actor };
  return { ...record, entries: entries as (number | null)[] };
}

/** Follows the journal's hashes; one that is off names its record and not all that follow. */
function chainCheck(bank: Bank, problems: Problems) {
  let previous = chainStart(bank).hash;
  return (id: number, content: ChainedContent, hash: Uint8Array): void => {
    if (Buffer.compare(chainNext(previous, content), hash) !== 0) {
      problems.add("chain", `record ${id}: its hash does not follow from it and the one before it`);
    }
    previous = hash;
  };
}

/** The journal: its chain, its postings and what they sum up to, and what its acts set. */
function journalOf(db: Sql, bank: Bank, problems: Problems) {
  const sums = perAccount(0);
  const check = runOn(db, OF_POSTINGS, problems);
  const checkChain = chainCheck(bank, problems);
  const settings = settingsOf(db);
  const approvals = approvalsCheck(db);
  const records = db.query(
    `SELECT ${CHAINED_COLUMNS}, hash FROM journal WHERE id > $after AND id <= $last ORDER BY id`,
  );
  let count = 0;
  let last = 0;
  const pages = reading(db, "SELECT id FROM journal WHERE id > $after ORDER BY id", (page) => {
    check(page);
    for (const row of records.values(page) as (string | number | null)[][]) {
      const hash = row.pop() as unknown as Uint8Array;
      const record = columnsOf(row);
      checkChain(record.id, row, hash);
      settings.follow(record);
      const unapproved = approvals.follow(record);
      if (unapproved !== null) problems.add("controlled", unapproved);
      const { entries } = record;
      for (let at = 0; at < entries.length; at += 2) {
        const [account, amount] = [entries[at], entries[at + 1]];
        if (account != null && amount != null) sums.add(account, amount);
      }
      count += 1;
      last = record.id;
    }
  });
  return {
    ...pages,
    sums,
    settings,
    approvals,
    checkGaps(): void {
      if (count !== last) problems.add("gaps", `journal: ${count} rows, the last one is ${last}`);
    },
  };
}

/** Requests with their debits; follows each account's chain of reservations. */
function requestsOf(db: Sql, problems: Problems) {
  const newest = perAccount(0);
  const unchained = new Set<number>();
  const check = runOn(db, OF_REQUESTS, problems);
  const notAsAsked = askedCheck(db);
  const reservations = db.query(
    `SELECT id, account_id, previous FROM requests
     WHERE id > $after AND id <= $last AND account_id IS NOT NULL ORDER BY id`,
  );
  const reference = db.query("SELECT reference FROM requests WHERE id = ?");
  const pages = reading(db, "SELECT id FROM requests WHERE id > $after ORDER BY id", (page) => {
    check(page);
    problems.add("asked", ...notAsAsked(page));
    for (const link of reservations.values(page) as [number, number, number | null][]) {
      follow(...link);
    }
  });

  function follow(id: number, account: number, previous: number | null): void {
    const before = newest.get(account);
    newest.set(account, id);
    if ((previous ?? 0) === before) return;
    unchained.add(account);
    problems.add(
      "chains",
      `reservation ${reference.values(id).flat()[0]}: it names ${previous ?? "none"} as the one ` +
        `before it, that is ${before === 0 ? "none" : before}`,
    );
  }

  return { ...pages, newest, unchained };
}

/** What each account has open, which changes while it is read. */
function openSums(db: Sql): PerAccount {
  const sums = perAccount(0);
  const page = db.query(
    `SELECT id, reserved_at AS at, account_id AS account, reserve_amount AS amount FROM requests
     WHERE state = 'reserved' AND (reserved_at, id) > (?, ?)
     ORDER BY reserved_at, id LIMIT ?`,
  );
  walkByTime<Place & { account: number; amount: number }>(
    0,
    ({ at, id }, limit) => page.all(at, id, limit) as never,
    ({ account, amount }) => sums.add(account, amount),
  );
  return sums;
}

type AccountRow = {
  readonly id: number;
  readonly number: string;
  readonly internal: string | null;
  readonly balance: number;
  readonly held: number;
  readonly overdraft: number;
  readonly status: string;
  readonly usage: string;
  readonly newest: number | null;
};

/** What was read before, to compare the accounts with. */
type Known = {
  readonly journal: ReturnType<typeof journalOf>;
  readonly requests: ReturnType<typeof requestsOf>;
  readonly open: PerAccount;
};

/** What stands in one account's row against itself, what was summed up and what was set. */
function checkFigures(row: AccountRow, { journal, requests }: Known, problems: Problems): void {
  const name = `account ${row.number}`;
  const sum = journal.sums.get(row.id);
  if (row.balance !== sum) {
    const line = `${name}: ledgerBalance is ${row.balance}, its entries sum to ${sum}`;
    problems.add("balances", line);
  }
  const available = row.balance - row.held + row.overdraft;
  if (row.internal === null && available < 0) {
    problems.add("available", `${name}: available is ${available}`);
  }
  problems.add("settings", ...journal.settings.problemsOf(row));
  const newest = requests.newest.get(row.id);
  if ((row.newest ?? 0) !== newest) {
    const last = `its last reservation is ${row.newest ?? "none"}`;
    problems.add("chains", `${name}: ${last}, the newest one is ${newest || "none"}`);
  }
}

/** Counts an account's reservations anew, the newest first; gives how many it looked at. */
function counterCheck(db: Sql, { requests }: Known, problems: Problems) {
  const reservation = db.query(
    `SELECT previous, state, local_day, channel_id, product_id, reserve_amount
     FROM requests WHERE id = ?`,
  );
  type Link = Counted & { readonly previous: number | null; readonly state: string };
  let looked = 0;

  function* counting(newest: number): Iterable<Counted> {
    for (let id: number | null = newest || null; id !== null; looked += 1) {
      const link = reservation.get(id) as Link;
      if (link.state !== "released") yield link;
      id = link.previous;
    }
  }

  return (account: AccountRow): number => {
    looked = 0;
    if (requests.unchained.has(account.id)) {
      const line = `account ${account.number}: no recount, its reservations are not chained`;
      problems.add("counters", line);
    } else {
      const newest = requests.newest.get(account.id);
      problems.add("counters", ...counterProblems(account, counting(newest)));
    }
    return looked;
  };
}

/** Checks every account; gives those whose held amount seems off. */
function checkAccounts(db: Sql, known: Known, problems: Problems): number[] {
  const rows = db.query(
    `SELECT id, number, internal, ledger_balance AS balance, held, overdraft, status, usage,
       last_reservation AS newest
     FROM accounts WHERE id > ? ORDER BY id LIMIT ${ACCOUNTS_A_PAGE}`,
  );
  const checkCounters = counterCheck(db, known, problems);
  const { sums } = known.journal;
  const suspects: number[] = [];
  // How far each balance is from its entries, which no posting changes.
  const differences = perAccount(Number.NaN);
  let after = Number.MIN_SAFE_INTEGER;

  const nextPage = db.transaction(() => {
    // What came since is added first, so that accounts and sums are of one moment.
    known.journal.catchUp();
    known.requests.catchUp();
    const page = rows.all(after) as AccountRow[];
    let looked = 0;
    for (const row of page) {
      checkFigures(row, known, problems);
      differences.set(row.id, row.balance - sums.get(row.id));
      if (row.held !== known.open.get(row.id)) suspects.push(row.id);
      looked += checkCounters(row);
      after = row.id;
      if (looked > PAGE_SIZE) return true;
    }
    return page.length === ACCOUNTS_A_PAGE;
  });
  while (nextPage());
  db.transaction(() => {
    known.journal.catchUp();
    problems.add("settings", ...known.journal.settings.otherProblems());
    problems.add("approvals", ...known.journal.approvals.problems());
  })();

  let total = 0;
  differences.each((id, difference) => {
    if (!Number.isNaN(difference)) total += difference + sums.get(id);
  });
  if (total !== 0) problems.add("ledger", `all balances together are ${total}`);
  return suspects;
}

/** Looks at accounts again, in one read with all that is open. */
function checkHeld(db: Sql, suspects: readonly number[], problems: Problems): void {
  const { by, inIds } = db.dialect;
  const off = db.query(
    `SELECT 'account ' || a.number || ': held is ' || a.held
        || ', its open reservations sum to ' || coalesce(o.total, 0)
      FROM accounts a
      LEFT JOIN (SELECT account_id, CAST(sum(reserve_amount) AS BIGINT) AS total
        FROM requests ${by("requests_open")}
        WHERE state = 'reserved' AND reserved_at >= 0
          AND account_id ${inIds("$suspects")}
        GROUP BY account_id) o ON o.account_id = a.id
      WHERE a.id ${inIds("$suspects")} AND a.held <> coalesce(o.total, 0)
      ORDER BY a.id LIMIT ${MOST_PROBLEMS}`,
  );
  const lines = off.values({ suspects: JSON.stringify(suspects) });
  problems.add("held", ...(lines.flat() as string[]));
}

/**
 * Reads a unique index in its own order. That it holds every row, and none twice, is for the
 * engine's own checks to say.
 */
function checkOnce(db: Sql, what: string, column: string, problems: Problems): void {
  const lastOfPage = db.query(
    `SELECT max(${column}) AS last, count(*) AS count FROM (SELECT ${column} FROM requests
       WHERE ${column} > $after ORDER BY ${column} LIMIT ${PAGE_SIZE}) page`,
  );
  const twice = db.query(
    `SELECT '${what} ' || ${column} || ' stands ' || count(*) || ' times' FROM requests
     WHERE ${column} > $after AND ${column} <= $last
     GROUP BY ${column} HAVING count(*) > 1 ORDER BY ${column} LIMIT ${MOST_PROBLEMS}`,
  );
  for (let after: string | null = ""; after !== null; ) {
    const page = lastOfPage.get({ after }) as { last: string; count: number };
    const { last, count } = page;
    if (count > 0) problems.add("once", ...(twice.values({ after, last }).flat() as string[]));
    after = count === PAGE_SIZE ? last : null;
  }
}

/**
 * A check that an engine has of its own, under the name that the answer gives it: lines of what is
 * off, not many more than so many.
 */
export type EngineCheck = {
  readonly name: string;
  readonly problems: (most: number) => readonly string[];
};

/** `own` come last: they cannot be read page by page. */
export function verify(db: Sql, bank: Bank, own: readonly EngineCheck[]): Check[] {
  const problems = problemList();
  const journal = journalOf(db, bank, problems);
  const requests = requestsOf(db, problems);
  journal.takeAll();
  requests.takeAll();
  const open = openSums(db);
  // Again, so that the first read of accounts has little left to catch up with.
  journal.takeAll();
  const suspects = checkAccounts(db, { journal, requests, open }, problems);
  journal.checkGaps();
  if (suspects.length > 0) checkHeld(db, suspects, problems);
  checkOnce(db, "reference", "reference", problems);
  checkOnce(db, "request", "request_id", problems);
  return [...problems.checks(), ...own.map(checked)];
}

function checked({ name, problems }: EngineCheck): Check {
  const lines = problems(MOST_PROBLEMS).slice(0, MOST_PROBLEMS);
  return { name, ok: lines.length === 0, problems: lines };
}
