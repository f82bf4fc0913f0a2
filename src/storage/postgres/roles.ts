// What the serving role may do in the tables, which another role owns: what the program does, and
// nothing else. It may read all, and write what and where it writes; it can change no table, trigger
// or constraint, and so nothing that they refuse.
import { quotedName } from "./sql.ts";

/** Of a table: whether rows are added, which columns of them change, whether they are deleted. */
type Writes = {
  readonly insert?: true;
  readonly update?: readonly string[];
  readonly delete?: true;
};

const LIMIT_FIGURES = ["min", "max", "day_amount", "day_count", "month_amount", "month_count"];

/** The bank and its own accounts are made with the tables, by their owner. */
const WRITES: { readonly [table: string]: Writes } = {
  bank: {
    update: ["sales_paused_at", "sales_paused_reason", "receipts_pruned_before", "dual_control"],
  },
  appliances: {
    insert: true,
    update: ["epoch", "batch", "serving", "open_since", "interrupted_since", "seen_at"],
  },
  accounts: {
    insert: true,
    update: [
      "status",
      "ledger_balance",
      "held",
      "overdraft",
      "pin_hash",
      "pin_failures",
      "pin_locked",
      "usage",
      "last_reservation",
    ],
  },
  buyers: { insert: true, update: ["account_id"], delete: true },
  blocked_buyers: { insert: true, delete: true },
  requests: {
    insert: true,
    update: [
      "response_code",
      "state",
      "resolved_at",
      "resolved_by",
      "result_code",
      "first_sent_at",
    ],
  },
  tombstones: { insert: true },
  journal: { insert: true },
  findings: {
    insert: true,
    update: ["detail", "last_seen_at", "occurrences", "first_sent_at", "closed_at", "closed_by"],
  },
  limits: { insert: true, update: LIMIT_FIGURES, delete: true },
  receipts: { insert: true, update: ["status", "response_code"], delete: true },
  refusals: { insert: true, delete: true },
  holidays: { insert: true, delete: true },
  restores: { insert: true, update: ["acknowledged_by"] },
  approvals: { insert: true, update: ["state", "decided_in", "decided_uid", "decided_at"] },
};

function privilegesOf({ insert, update, delete: deletes }: Writes): string {
  const all = [
    insert === true && "INSERT",
    update !== undefined && `UPDATE (${update.join(", ")})`,
    deletes === true && "DELETE",
  ];
  return all.filter((privilege) => privilege !== false).join(", ");
}

/**
 * The statements, for the owner of the tables to run, that give a role all that serving and
 * administering the bank takes.
 */
export function grantsTo(role: string): string[] {
  const to = quotedName(role);
  return [
    `GRANT USAGE ON SCHEMA transact_bank TO ${to}`,
    `GRANT SELECT ON ALL TABLES IN SCHEMA transact_bank TO ${to}`,
    `GRANT USAGE ON ALL SEQUENCES IN SCHEMA transact_bank TO ${to}`,
    ...Object.entries(WRITES).map(
      ([table, writes]) => `GRANT ${privilegesOf(writes)} ON transact_bank.${table} TO ${to}`,
    ),
  ];
}
