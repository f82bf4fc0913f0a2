// The names that a person may be about to type, for the completion of a shell. Each is a read of an
// index or of the newest rows, and gives a few: it is asked at each press of a key.
import type { Sql } from "./sql.ts";

export type Name = { readonly name: string; readonly about: string };

const MOST = 50;
/** So many of the newest are looked at where there is no index by their beginning. */
const NEWEST = 500;
/** Open ones are looked for among so many, for the closed ones may be millions. */
const LATEST_IDS = 20_000;
const LAST_CHARACTER = "\u{10ffff}";

const ACCOUNTS = `SELECT number AS name, accounts.name AS about FROM accounts
  WHERE number >= ?1 AND number < ?2 AND (internal IS NULL OR ?1 >= '@' AND ?1 < 'A')
  ORDER BY number LIMIT ?3`;

const BUYERS = `SELECT b.buyer_id AS name, a.name AS about FROM buyers b
  JOIN accounts a ON a.id = b.account_id
  WHERE b.buyer_id >= ?1 AND b.buyer_id < ?2 ORDER BY b.buyer_id LIMIT ?3`;

/** By one of a request's names: Clickatell's and, where something was reserved, ours. */
const requests = (column: "request_id" | "reference") =>
  `SELECT ${column} AS name, coalesce(state, 'declined') AS about FROM requests
   WHERE ${column} >= ?1 AND ${column} < ?2 LIMIT ?3`;

const NEWEST_REQUESTS = `SELECT request_id AS name, coalesce(state, 'declined') AS about
  FROM requests ORDER BY id DESC LIMIT ?1`;

/** Their index has the open ones alone, which are few however many purchases there were. */
const OPEN_RESERVATIONS = `SELECT request_id AS name, reference AS about FROM requests
  WHERE state = 'reserved' ORDER BY reserved_at DESC LIMIT ?1`;

const OPEN_FINDINGS = `SELECT CAST(id AS TEXT) AS name, kind AS about FROM findings
  WHERE closed_at IS NULL AND id > (SELECT max(id) FROM findings) - ${LATEST_IDS}
  ORDER BY id DESC LIMIT ?1`;

const OPEN_APPROVALS = `SELECT CAST(id AS TEXT) AS name, act AS about FROM approvals
  WHERE state = 'open' ORDER BY id DESC LIMIT ?1`;

const RECEIPTS = `SELECT CAST(id AS TEXT) AS name, path AS about FROM receipts
  ORDER BY id DESC LIMIT ?1`;

const limited = (scope: "product" | "channel") =>
  `SELECT scope_key AS name, '' AS about FROM limits WHERE scope = '${scope}' LIMIT ?1`;

type Look = (db: Sql, prefix: string) => Name[];

/** Those with the beginning, by an index. */
const indexed =
  (...queries: readonly string[]): Look =>
  (db, prefix) =>
    queries.flatMap(
      (sql) => db.query(sql).all(prefix, `${prefix}${LAST_CHARACTER}`, MOST) as Name[],
    );

/** Those with the beginning among the newest. */
const newest =
  (sql: string): Look =>
  (db, prefix) =>
    (db.query(sql).all(NEWEST) as Name[])
      .filter(({ name }) => name.startsWith(prefix))
      .slice(0, MOST);

/** By an index once something is typed; before that, the newest. */
const requestNames: Look = (db, prefix) => {
  const look =
    prefix === ""
      ? newest(NEWEST_REQUESTS)
      : indexed(requests("request_id"), requests("reference"));
  return look(db, prefix);
};

const LOOKS = {
  account: indexed(ACCOUNTS),
  buyer: indexed(BUYERS),
  request: requestNames,
  reservation: newest(OPEN_RESERVATIONS),
  finding: newest(OPEN_FINDINGS),
  approval: newest(OPEN_APPROVALS),
  receipt: newest(RECEIPTS),
  product: newest(limited("product")),
  channel: newest(limited("channel")),
} as const satisfies { readonly [what: string]: Look };

export type Named = keyof typeof LOOKS;

/** A few names of a bank that begin with a text. */
export const namesIn = (db: Sql, what: Named, prefix: string): Name[] => LOOKS[what](db, prefix);
