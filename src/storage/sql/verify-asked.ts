// What verify says of requests: that each stands as the body of its first receipt asked.

import type { Sql } from "./sql.ts";

type AskedRow = {
  readonly requestId: string;
  readonly receipt: number;
  readonly body: string;
  readonly reserveAmount: number;
  readonly purchaseAmount: number | null;
  readonly feeAmount: number;
  readonly clientShareAmount: number;
  readonly settlementAmount: number | null;
  readonly productId: number | null;
  readonly channelId: number | null;
};

type Body = { readonly [field: string]: unknown };

/** The fields of a body that must be what the request has, each 0 or absent where it is not there. */
const FIGURES = {
  reserveAmount: null,
  purchaseAmount: null,
  feeAmount: 0,
  clientShareAmount: 0,
  settlementAmount: null,
  productId: null,
  channelId: null,
} as const satisfies Partial<Record<keyof AskedRow, 0 | null>>;

/** A numeric field of a body, where it may be a number or digits (contract.md 1). */
const figureOf = (value: unknown): number | null =>
  value === undefined || value === null || value === "" ? null : Number(value);

/** A body is written as JSON or not at all, so that one which is none was changed. */
function parsed(text: string): Body {
  try {
    return Object(JSON.parse(text)) as Body;
  } catch {
    return {};
  }
}

function isAsAsked(row: AskedRow): boolean {
  const body = parsed(row.body);
  const requestId = body["raasTxnRef"] ?? row.requestId;
  return (
    requestId === row.requestId &&
    Object.entries(FIGURES).every(
      ([field, missing]) =>
        (figureOf(body[field]) ?? missing) === row[field as keyof typeof FIGURES],
    )
  );
}

/** Gives a line for each request after $after up to $last that is not as it was asked. */
export function askedCheck(db: Sql) {
  // Where the first receipt may be pruned, the oldest left may be a repeat's or a result's.
  const rows = db.query(
    `SELECT r.request_id AS requestId, c.id AS receipt, c.body,
       r.reserve_amount AS reserveAmount, r.purchase_amount AS purchaseAmount,
       r.fee_amount AS feeAmount, r.client_share_amount AS clientShareAmount,
       r.settlement_amount AS settlementAmount, r.product_id AS productId,
       r.channel_id AS channelId
     FROM requests r
     JOIN receipts c ON c.id = (SELECT min(id) FROM receipts WHERE request = r.id)
     WHERE r.id > $after AND r.id <= $last AND c.body IS NOT NULL
       AND (r.received_at >= coalesce((SELECT receipts_pruned_before FROM bank), r.received_at)
         OR (c.received_at = r.received_at AND c.response_code = r.response_code))
     ORDER BY r.id`,
  );
  return (page: { readonly after: number; readonly last: number }): string[] =>
    (rows.all(page) as AskedRow[])
      .filter((row) => !isAsAsked(row))
      .map(
        ({ requestId, receipt }) => `request ${requestId}: its receipt ${receipt} says otherwise`,
      );
}
