// Receipts, one row for each received request, as they are read, shown and pruned.

import { OUTCOMES, outcomeOfCode } from "../../domain/outcomes.ts";
import { parseTraceId, type Trace, traceIdOf } from "../../domain/trace-id.ts";
import { PAGE_SIZE, type Paging } from "../pages.ts";
import type { NewReceipt } from "../purchases.ts";
import type { OldReceipts, PruneSpan, ReceiptView } from "../store.ts";
import type { Sql } from "./sql.ts";

/** Refusals at the door are kept up to this many, the oldest go: some 10 MB, whatever floods us. */
export const MOST_REFUSALS = 50_000;

/** A receipt is written with its commit, which is seconds after the request at most, but for trouble. */
const TRACE_SLACK_MS = 60_000;

type Row = Omit<ReceiptView, "id" | "traceId" | "notes" | "method" | "suppressed"> & {
  id: number;
  trace: number | null;
  method: string | null;
  notes: string | null;
  suppressed: number | null;
};

const COLUMNS = `id, trace, received_at AS receivedAt, duration_us AS durationUs, peer, NULL AS method,
  path, body, body_length AS bodyLength, body_digest AS bodyDigest, signature, status,
  response_code AS responseCode, message, notes, NULL AS suppressed,
  coalesce(request_id, (SELECT request_id FROM requests q WHERE q.id = request)) AS requestId,
  coalesce(reference, (SELECT reference FROM requests q
     WHERE q.id = request AND coalesce(receipts.response_code, '0000') = '0000')) AS reference`;
const REFUSAL_COLUMNS = `id, trace, received_at AS receivedAt, NULL AS durationUs, peer, method, path,
  NULL AS body, NULL AS bodyLength, NULL AS bodyDigest, NULL AS signature, status,
  NULL AS responseCode, reason AS message, NULL AS requestId, NULL AS reference, NULL AS notes,
  suppressed`;

/** Refusals have their own numbers; "d" (door) keeps them apart from receipts. */
function viewOf(prefix: "" | "d", { trace, ...row }: Row): ReceiptView {
  const { receivedAt } = row;
  return {
    ...row,
    id: `${prefix}${row.id}`,
    traceId: trace === null ? null : traceIdOf({ receivedAt, number: trace }),
    method: row.method ?? "POST",
    message: row.message ?? answerText(row),
    notes: row.notes === null ? [] : (JSON.parse(row.notes) as string[]),
    suppressed: row.suppressed ?? 0,
  };
}

/** The text of an answer that follows from its code, and is not kept. */
function answerText({ status, responseCode }: Pick<Row, "status" | "responseCode">): string | null {
  if (status === 404) return "No matching reservation";
  return responseCode === null ? null : OUTCOMES[outcomeOfCode(responseCode)].message;
}

/** A receipt as its row is written, in the order of its columns but for the id. */
export const receiptValues = ({ draft, answered, durationUs }: NewReceipt) =>
  [
    answered.request ?? null,
    draft.receivedAt,
    durationUs,
    draft.peer,
    draft.path,
    draft.body,
    draft.bodyLength,
    draft.bodyDigest,
    draft.signature,
    answered.status,
    answered.responseCode ?? null,
    answered.message ?? null,
    answered.requestId ?? null,
    answered.reference ?? null,
    draft.notes.length === 0 ? null : JSON.stringify(draft.notes),
    draft.trace,
  ] as const;

export function receiptsOn(db: Sql) {
  const before = db.query(`SELECT ${COLUMNS} FROM receipts WHERE id < ? ORDER BY id DESC LIMIT ?`);
  const refusalsBefore = db.query(
    `SELECT ${REFUSAL_COLUMNS} FROM refusals WHERE id < ? ORDER BY id DESC LIMIT ?`,
  );
  const one = db.query(`SELECT ${COLUMNS} FROM receipts WHERE id = ?`);
  const oneRefusal = db.query(`SELECT ${REFUSAL_COLUMNS} FROM refusals WHERE id = ?`);
  // The newest of each stays, so that no number is ever given twice.
  const following = db.query(
    `SELECT ${COLUMNS} FROM receipts
     WHERE id > $after AND id < (SELECT max(id) FROM receipts) ORDER BY id LIMIT $limit`,
  );
  const followingRefusals = db.query(
    `SELECT ${REFUSAL_COLUMNS} FROM refusals
     WHERE id > $after AND id < (SELECT max(id) FROM refusals) ORDER BY id LIMIT $limit`,
  );
  const prune = db.query(
    `DELETE FROM receipts WHERE id IN (SELECT id FROM receipts
       WHERE id > $after AND id <= $last AND received_at < $before ORDER BY id LIMIT $limit)
     RETURNING id`,
  );
  const pruneRefusals = db.query(
    `DELETE FROM refusals WHERE id IN (SELECT id FROM refusals
       WHERE id > $after AND id <= $last AND received_at < $before ORDER BY id LIMIT $limit)
     RETURNING id`,
  );
  const traced = "received_at = $receivedAt AND trace = $number ORDER BY id LIMIT 1";
  const refusalTraced = db.query(
    `SELECT ${REFUSAL_COLUMNS} FROM refusals WHERE id > 0 AND ${traced}`,
  );
  const pageTraced = db.query(
    `SELECT ${COLUMNS} FROM receipts WHERE id >= $from AND id < $to AND ${traced}`,
  );
  const ends = db.query(
    "SELECT (SELECT min(id) FROM receipts) AS first, (SELECT max(id) FROM receipts) AS last",
  );
  const nextReceived = db.query(
    "SELECT received_at AS receivedAt FROM receipts WHERE id >= ? ORDER BY id LIMIT 1",
  );
  // Each of the three has its own index.
  const about = db.query(
    `SELECT ${COLUMNS} FROM receipts
     WHERE request IN (SELECT id FROM requests q WHERE q.request_id = $requestId)
       OR request_id = $requestId OR reference = $reference ORDER BY id`,
  );

  /** The newest rows, read a page at a time. */
  function newest(page: typeof before, limit: number): Row[] {
    const rows: Row[] = [];
    for (let last = Number.MAX_SAFE_INTEGER; rows.length < limit; ) {
      const more = page.all(last, Math.min(PAGE_SIZE, limit - rows.length)) as Row[];
      if (more.length === 0) break;
      rows.push(...more);
      last = more.at(-1)?.id ?? last;
    }
    return rows;
  }

  /** The first receipt of those that came from an instant on, as far as they came in order. */
  function firstFrom(instant: number, first: number, last: number): number {
    let [low, high] = [first, last];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const { receivedAt } = nextReceived.get(middle) as { receivedAt: number };
      if (receivedAt < instant) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * Without an index, which every purchase would pay for: receipts stand in the order they came, but
   * for a clock that jumped. So the search begins where it should be, and goes on through all others.
   */
  function byTrace(trace: Trace): ReceiptView | null {
    const refusal = refusalTraced.get(trace) as Row | null;
    if (refusal !== null) return viewOf("d", refusal);
    const { first, last } = ends.get() as { first: number | null; last: number | null };
    if (first === null || last === null) return null;
    const likely = firstFrom(trace.receivedAt - TRACE_SLACK_MS, first, last);
    const spans = [
      [likely, last + 1],
      [first, likely],
    ] as const;
    for (const [begin, end] of spans) {
      for (let from = begin; from < end; from += PAGE_SIZE) {
        const to = Math.min(from + PAGE_SIZE, end);
        const row = pageTraced.get({ ...trace, from, to }) as Row | null;
        if (row !== null) return viewOf("", row);
      }
    }
    return null;
  }

  return {
    list(limit: number): ReceiptView[] {
      const all = [
        ...newest(before, limit).map((row) => viewOf("", row)),
        ...newest(refusalsBefore, limit).map((row) => viewOf("d", row)),
      ];
      return all.sort((a, b) => b.receivedAt - a.receivedAt).slice(0, limit);
    },

    show(id: string): ReceiptView | null {
      const trace = parseTraceId(id);
      if (trace !== null) return byTrace(trace);
      const match = /^(d?)(\d{1,15})$/.exec(id);
      if (match === null) return null;
      const prefix = match[1] === "d" ? "d" : "";
      const row = (prefix === "d" ? oneRefusal : one).get(Number(match[2])) as Row | null;
      return row === null ? null : viewOf(prefix, row);
    },

    /**
     * One page of those received before an instant, never the newest, with the number to go on
     * after. It ends where a whole page is younger: numbers follow the time but for a wrong clock.
     */
    old(door: boolean, before: number, { after = 0, limit }: Paging<number>): OldReceipts {
      const page = (door ? followingRefusals : following).all({ after, limit }) as Row[];
      const rows = page.filter(({ receivedAt }) => receivedAt < before);
      const last = rows.length === 0 ? null : (page.at(-1)?.id ?? null);
      return { receipts: rows.map((row) => viewOf(door ? "d" : "", row)), last };
    },

    /** Deletes some of them; gives the last number deleted, or null where there are no more. */
    prune(door: boolean, span: PruneSpan, { after = 0, limit }: Paging<number>): number | null {
      const { before, last } = span;
      const query = door ? pruneRefusals : prune;
      const gone = query.values({ before, last, after, limit }).flat() as number[];
      return gone.length === 0 ? null : Math.max(...gone);
    },

    about(requestId: string, reference: string | null): ReceiptView[] {
      return (about.all({ requestId, reference }) as Row[]).map((row) => viewOf("", row));
    },
  };
}
