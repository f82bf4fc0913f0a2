// The few rows that every reserve looks at, kept in memory: the limits and whether sales are
// paused. They are read anew when another connection has changed anything, so that an admin's
// change is in force for the very next batch.

import type { Database } from "bun:sqlite";
import {
  applicableLimits,
  type FindLimit,
  type LimitFigures,
  type Limits,
} from "../../domain/limits.ts";
import { LIMIT_COLUMNS, PAUSED } from "../sql/rows.ts";
import type { LimitRow } from "../store.ts";

const LIMIT = `SELECT ${LIMIT_COLUMNS} FROM limits`;

type Known = {
  readonly salesPaused: boolean;
  /** All but those of single accounts, of which there may be many. */
  readonly limits: ReadonlyMap<string, LimitFigures>;
  readonly hasAccountLimits: boolean;
};

export function rulesOn(db: Database) {
  const dataVersion = db.query("PRAGMA data_version");
  const selectPaused = db.query(PAUSED);
  const selectLimits = db.query(`${LIMIT} WHERE scope <> 'account'`);
  const selectAccountLimit = db.query(`${LIMIT} WHERE scope = 'account' AND scope_key = ?`);
  const anyAccountLimit = db.query("SELECT 1 FROM limits WHERE scope = 'account' LIMIT 1");
  let version = -1;
  let known: Known | null = null;

  function rules(): Known {
    known ??= {
      salesPaused: (selectPaused.get() as { paused: number }).paused === 1,
      limits: new Map(
        (selectLimits.all() as LimitRow[]).map((row) => [`${row.scope} ${row.scopeKey}`, row]),
      ),
      hasAccountLimits: anyAccountLimit.get() !== null,
    };
    return known;
  }

  const find: FindLimit = (scope, key) => {
    const { limits, hasAccountLimits } = rules();
    if (scope !== "account") return limits.get(`${scope} ${key}`);
    return hasAccountLimits ? (selectAccountLimit.get(key) as LimitRow | null) : null;
  };

  return {
    /** Call inside a write, before its first question: forgets what others have changed. */
    refresh(): void {
      const { data_version } = dataVersion.get() as { data_version: number };
      if (data_version !== version) known = null;
      version = data_version;
    },

    /** Call after a write of this connection that may have changed a rule. */
    forget(): void {
      known = null;
    },

    salesPaused: (): boolean => rules().salesPaused,

    /** The limits that apply to a request; `account` is the number of the buyer's, if mapped. */
    limitsFor(
      request: { readonly channelId: number | null; readonly productId: number | null },
      account: string | null,
    ): Limits {
      return applicableLimits(find, request, account);
    },
  };
}
