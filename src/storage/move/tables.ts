// What a bank is in its database, on either engine: the one list of its tables, with their columns and
// the key that pages follow. In the order in which they can be filled: a row after what it names.
// What stands in the row of `bank`, and the servers', goes last and apart (bank-row.ts).

/** Bytes pass as hexadecimal digits, so that a page is JSON. */
export type Kind = "text" | "whole" | "bytes";

export type Table = {
  readonly name: string;
  readonly columns: { readonly [name: string]: Kind };
  readonly key: readonly string[];
  /** PostgreSQL gives its ids from a sequence, which has to know the last one. */
  readonly sequence: boolean;
  /** A page is so many rows: few where a row may be long. */
  readonly pageRows: number;
  /**
   * What a row gets by a change after it was added, because no row may begin with it: those are all
   * as in a new row where `unless` has its value.
   */
  readonly later?: {
    readonly columns: readonly string[];
    readonly unless: { readonly column: string; readonly value: string };
  };
};

type Kinds = { readonly [name: string]: Kind };

const of = (kind: Kind, names: string): Kinds =>
  Object.fromEntries(names.split(" ").map((name) => [name, kind]));
const text = (names: string) => of("text", names);
const whole = (names: string) => of("whole", names);
const bytes = (names: string) => of("bytes", names);

type More = Partial<Omit<Table, "name" | "columns">>;

const table = (name: string, columns: Kinds, more: More = {}): Table => ({
  name,
  columns,
  key: ["id"],
  sequence: false,
  pageRows: 2_000,
  ...more,
});

const numbered = { sequence: true };

export const TABLES: readonly Table[] = [
  table(
    "accounts",
    {
      ...whole("id ledger_balance held overdraft pin_failures pin_locked created_at"),
      ...whole("last_reservation"),
      ...text("number name internal status usage"),
      ...bytes("pin_hash"),
    },
    numbered,
  ),
  table("buyers", { ...text("buyer_id"), ...whole("account_id") }, { key: ["buyer_id"] }),
  table("blocked_buyers", { ...text("buyer_id"), ...whole("blocked_at") }, { key: ["buyer_id"] }),
  table(
    "requests",
    {
      ...whole("id received_at reserve_amount purchase_amount fee_amount client_share_amount"),
      ...whole("settlement_amount product_id channel_id account_id reserved_at previous"),
      ...whole("resolved_at first_sent_at"),
      ...text("request_id response_code buyer_id target_id currency client_ref reference state"),
      ...text("local_day resolved_by result_code"),
    },
    numbered,
  ),
  table("tombstones", { ...text("request_id"), ...whole("at") }, { key: ["request_id"] }),
  table("journal", {
    ...whole("id at reservation_id account_1 amount_1 account_2 amount_2 account_3 amount_3"),
    ...text("kind act subject detail actor reason"),
    ...bytes("hash"),
  }),
  table(
    "findings",
    {
      ...whole("id opened_at last_seen_at occurrences first_sent_at closed_at closed_by"),
      ...text("kind key request_id reference detail"),
    },
    numbered,
  ),
  table(
    "limits",
    {
      ...text("scope scope_key"),
      ...whole("min max day_amount day_count month_amount month_count"),
    },
    { key: ["scope", "scope_key"] },
  ),
  table(
    "receipts",
    {
      ...whole("id request received_at duration_us body_length status trace"),
      ...text("peer path body body_digest signature response_code message request_id reference"),
      ...text("notes"),
    },
    { ...numbered, pageRows: 500 },
  ),
  table(
    "refusals",
    {
      ...whole("id received_at status suppressed trace"),
      ...text("peer method path reason"),
    },
    numbered,
  ),
  table("holidays", text("day name"), { key: ["day"] }),
  table(
    "restores",
    { ...whole("id from_at to_at record restored_by acknowledged_by"), ...text("hash") },
    numbered,
  ),
  table(
    "approvals",
    {
      ...whole("id asked_in asked_uid asked_at expires_at decided_in decided_uid decided_at"),
      ...text("act args state"),
    },
    {
      later: {
        columns: ["state", "decided_in", "decided_uid", "decided_at"],
        unless: { column: "state", value: "open" },
      },
    },
  ),
];

/** The columns of `bank` that say what it is; which servers write there is each engine's own. */
export const BANK_COLUMNS = Object.keys({
  ...whole("id minor_digits demo created_at sales_paused_at receipts_pruned_before"),
  ...text("code currency time_zone country pin_key_check sales_paused_reason dual_control"),
});

/** A free text in which a NUL may stand, which PostgreSQL's texts cannot hold. */
export const FREE_TEXTS: ReadonlySet<string> = new Set(["accounts.name"]);

export const REPLACES_NUL = "\ufffd";
