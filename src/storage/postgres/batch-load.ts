// What a batch of purchases looks at, locked and read in one round trip.
//
// Every lock is taken in one order, whoever takes it, so that batches of several appliances wait for
// one another and never in a circle: first that no admin writes, then this appliance's own row, the
// requests' names, the accounts by their ids, the journal's end. Each statement sees what was committed
// when it began (READ COMMITTED), and those that read begin when all locks are held: so what is read
// stays as it is until the commit.
import { canonicalBuyerId } from "../../domain/identifiers.ts";
import type { ChainHead } from "../chain.ts";
import type { AccountRow, OpenReservation, RequestRow } from "../purchases.ts";
import { ACCOUNT, LIMIT_COLUMNS, PAUSED, REQUEST } from "../sql/rows.ts";
import type { Value } from "../sql/sql.ts";
import type { BatchTimes, LimitRow, Operation } from "../store.ts";
import type { Query, Rows } from "./messages.ts";
import { BEGIN, JOURNAL_LOCK, translate, WRITE_LOCK } from "./sql.ts";

export type Appliance = { readonly name: string; readonly epoch: number };

/** All rows that the operations of a batch can touch, as they stand before it. */
export type Loaded = {
  /** Which batch of the appliance this is; null where another one goes by its name. */
  readonly batch: number | null;
  readonly now: number;
  readonly requests: readonly RequestRow[];
  readonly accounts: readonly AccountRow[];
  readonly buyers: readonly { readonly buyer_id: string; readonly account_id: number }[];
  readonly tombstones: readonly string[];
  readonly blocked: readonly string[];
  readonly unmatched: readonly string[];
  readonly salesPaused: boolean;
  readonly limits: readonly LimitRow[];
  readonly stillReserved: readonly OpenReservation[];
  readonly requestIds: readonly number[];
  readonly receiptIds: readonly number[];
  readonly refusalIds: readonly number[];
  readonly head: ChainHead | null;
};

/** What the operations name. */
type Named = {
  readonly requests: string[];
  readonly references: string[];
  readonly buyers: string[];
  readonly span: { readonly since: number; readonly until: number } | null;
  readonly counts: { reserves: number; receipts: number; refusals: number };
  /** True where an operation may write to the journal. */
  readonly posts: boolean;
};

export function namedIn(operations: readonly Operation[], country: string): Named {
  const requests = new Set<string>();
  const references = new Set<string>();
  const buyers = new Set<string>();
  const counts = { reserves: 0, receipts: 0, refusals: 0 };
  let span: Named["span"] = null;
  let posts = false;
  for (const operation of operations) {
    if ("receipt" in operation) counts.receipts += 1;
    if (operation.kind === "reserve") {
      const { requestId, buyerId } = operation.request;
      counts.reserves += 1;
      requests.add(requestId);
      buyers.add(buyerId).add(canonicalBuyerId(buyerId, country));
    } else if (operation.kind === "result") {
      const { requestId, reference } = operation.request;
      if (requestId !== null) requests.add(requestId);
      if (reference !== null) references.add(reference);
      posts = true;
    } else if (operation.kind === "expire") requests.add(operation.requestId);
    else if (operation.kind === "refusal") counts.refusals += 1;
    else if (operation.kind === "interrupted") span = operation;
  }
  const list = (names: Set<string>) => [...names].sort();
  const named = { requests: list(requests), references: list(references), buyers: list(buyers) };
  return { ...named, span, counts, posts };
}

/** A statement of every batch, put into its spelling once. */
const spelt = (sql: string): string => translate(sql).text;
const once = (sql: string): Query => ({ text: spelt(sql), values: [] });

/** The database's clock in epoch milliseconds: limits go by one clock, whichever appliance asks. */
export const NOW_MS = "CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT)";

/** An appliance that wrote within this, by that clock, is taken for alive. */
export const SEEN_WITHIN_MS = 60_000;

/** One of the texts of a JSON list at a parameter; as an array, so that an index finds them. */
const oneOf = (place: string) =>
  `= ANY (ARRAY(SELECT json_array_elements_text(CAST(CAST(${place} AS TEXT) AS JSON))))`;

const SHARE_WITH_BATCHES = once(`SELECT pg_advisory_xact_lock_shared(${WRITE_LOCK})`);
/** `open_since` by the same clock as what is reserved: so long ago. */
const OWN_ROW = spelt(`UPDATE appliances SET batch = batch + 1, seen_at = ${NOW_MS},
    open_since = coalesce(CAST($clock AS BIGINT), ${NOW_MS}) - CAST($age AS BIGINT)
  WHERE name = $name AND epoch = $epoch
  RETURNING batch, coalesce(CAST($clock AS BIGINT), ${NOW_MS}) AS now`);
/** Names that only share a hash wait for each other as well, which does no harm. */
const LOCK_NAMES = spelt(`SELECT pg_advisory_xact_lock(hashtextextended(value, 0))
  FROM (SELECT value FROM json_array_elements_text(CAST(CAST(? AS TEXT) AS JSON))
    ORDER BY hashtextextended(value, 0)) AS names`);
const ACCOUNT_IDS = `SELECT account_id FROM buyers WHERE buyer_id ${oneOf("?1")}
  UNION SELECT account_id FROM requests WHERE request_id ${oneOf("?2")}
  UNION SELECT account_id FROM requests WHERE reference ${oneOf("?3")}`;
const ACCOUNTS = spelt(`${ACCOUNT} WHERE id = ANY (ARRAY(${ACCOUNT_IDS}))`);
const LOCK_ACCOUNTS = spelt(`SELECT id FROM accounts WHERE id = ANY (ARRAY(${ACCOUNT_IDS}))
  ORDER BY id FOR NO KEY UPDATE`);
const LOCK_JOURNAL = once(`SELECT pg_advisory_xact_lock(${JOURNAL_LOCK})`);
const HEAD = once("SELECT id, hash FROM journal WHERE id = (SELECT max(id) FROM journal)");
const REQUESTS = spelt(`${REQUEST} WHERE request_id ${oneOf("?1")}
  UNION ${REQUEST} WHERE reference ${oneOf("?2")}`);
const BUYERS = spelt(`SELECT buyer_id, account_id FROM buyers WHERE buyer_id ${oneOf("?")}`);
const TOMBSTONES = spelt(`SELECT request_id FROM tombstones WHERE request_id ${oneOf("?")}`);
const BLOCKED = spelt(`SELECT buyer_id FROM blocked_buyers WHERE buyer_id ${oneOf("?")}`);
const UNMATCHED = spelt(`SELECT request_id FROM findings
  WHERE kind = 'unmatched-success' AND request_id ${oneOf("?")}`);
const IS_PAUSED = once(PAUSED);
const LIMITS = spelt(`SELECT ${LIMIT_COLUMNS} FROM limits
  WHERE scope <> 'account' OR scope_key IN (SELECT number FROM accounts WHERE id IN
    (SELECT account_id FROM buyers WHERE buyer_id ${oneOf("?")}))`);
const STILL_RESERVED = spelt(`${REQUEST} WHERE state = 'reserved' AND reserved_at BETWEEN ? AND ?`);
const nextIds = (table: string) =>
  spelt(`SELECT nextval('${table}_id_seq') AS id FROM generate_series(1, ?)`);
const NEXT_REQUESTS = nextIds("requests");
const NEXT_RECEIPTS = nextIds("receipts");
const NEXT_REFUSALS = nextIds("refusals");

/** The statements that begin a batch, and what their rows are. */
export function loading(
  operations: readonly Operation[],
  {
    times,
    appliance,
    country,
    clock,
  }: {
    times: BatchTimes;
    appliance: Appliance;
    country: string;
    /** Null: the database's. */
    clock: number | null;
  },
) {
  const named = namedIn(operations, country);
  const { counts, span, posts } = named;
  const requests = JSON.stringify(named.requests);
  const references = JSON.stringify(named.references);
  const buyers = JSON.stringify(named.buyers);
  const hasNames = named.requests.length + named.references.length + named.buyers.length > 0;
  const queries: Query[] = [];
  const ask = (wanted: boolean, text: string, ...values: Value[]): number =>
    wanted ? queries.push({ text, values }) - 1 : -1;

  queries.push(BEGIN, SHARE_WITH_BATCHES);
  const age = times.openSince === null ? null : times.now - times.openSince;
  const own = ask(true, OWN_ROW, clock, age, appliance.name, appliance.epoch);
  ask(named.requests.length > 0, LOCK_NAMES, requests);
  ask(hasNames, LOCK_ACCOUNTS, buyers, requests, references);
  if (posts) queries.push(LOCK_JOURNAL);
  const at = {
    requests: ask(hasNames, REQUESTS, requests, references),
    accounts: ask(hasNames, ACCOUNTS, buyers, requests, references),
    buyers: ask(named.buyers.length > 0, BUYERS, buyers),
    tombstones: ask(named.requests.length > 0, TOMBSTONES, requests),
    blocked: ask(named.buyers.length > 0, BLOCKED, buyers),
    unmatched: ask(named.requests.length > 0, UNMATCHED, requests),
    limits: ask(counts.reserves > 0, LIMITS, buyers),
    stillReserved: ask(span !== null, STILL_RESERVED, span?.since ?? 0, span?.until ?? 0),
    requestIds: ask(counts.reserves > 0, NEXT_REQUESTS, counts.reserves),
    receiptIds: ask(counts.receipts > 0, NEXT_RECEIPTS, counts.receipts),
    refusalIds: ask(counts.refusals > 0, NEXT_REFUSALS, counts.refusals),
  };
  const paused = queries.push(IS_PAUSED) - 1;
  const head = posts ? queries.push(HEAD) - 1 : -1;

  function loadedFrom(results: readonly Rows[]): Loaded {
    const rows = <T>(index: number) => (index === -1 ? [] : (results[index]?.rows as T[]));
    const names = (index: number, column: "request_id" | "buyer_id") =>
      rows<{ readonly [name: string]: string }>(index).map((row) => row[column] as string);
    const ids = (index: number) => rows<{ readonly id: number }>(index).map(({ id }) => id);
    const [mine] = rows<{ batch: number; now: number }>(own);
    return {
      batch: mine?.batch ?? null,
      now: mine?.now ?? 0,
      requests: rows(at.requests),
      accounts: rows(at.accounts),
      buyers: rows(at.buyers),
      tombstones: names(at.tombstones, "request_id"),
      blocked: names(at.blocked, "buyer_id"),
      unmatched: names(at.unmatched, "request_id"),
      salesPaused: rows<{ paused: number }>(paused)[0]?.paused === 1,
      limits: rows(at.limits),
      stillReserved: rows(at.stillReserved),
      requestIds: ids(at.requestIds),
      receiptIds: ids(at.receiptIds),
      refusalIds: ids(at.refusalIds),
      head: rows<ChainHead>(head)[0] ?? null,
    };
  }
  return { queries, loadedFrom };
}
