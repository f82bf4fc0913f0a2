// The counters that limits look at: what an account reserved in a local day and month.
import type { Database } from "bun:sqlite";
import type { Usage, UsageByScope } from "../../domain/limits.ts";
import { type LocalDay, monthOf } from "../../domain/local-time.ts";
import { minor, ZERO } from "../../domain/money.ts";

export type UsageKey = {
  readonly accountId: number;
  readonly day: LocalDay;
  readonly channelId: number | null;
  readonly productId: number | null;
};

const NOTHING: Usage = { dayAmount: ZERO, dayCount: 0, monthAmount: ZERO, monthCount: 0 };

type Row = { period: string; scope: keyof UsageByScope; amount: number; count: number };

/** The scopes in which one purchase counts, with their keys. */
function scopesOf(key: UsageKey): [string, string][] {
  const scopes: [string, string][] = [["all", "*"]];
  if (key.channelId !== null) scopes.push(["channel", String(key.channelId)]);
  if (key.productId !== null) scopes.push(["product", String(key.productId)]);
  return scopes;
}

export function usageOn(db: Database) {
  const select = db.query(
    `SELECT period, scope, amount, count FROM usage
     WHERE account_id = $accountId AND period IN ($day, $month)
       AND (scope = 'all' OR scope = 'channel' AND scope_key = $channel
         OR scope = 'product' AND scope_key = $product)`,
  );
  const add = db.query(
    `INSERT INTO usage (account_id, period, scope, scope_key, amount, count)
     VALUES (?, ?, ?, ?, ?, 1)
     ON CONFLICT DO UPDATE SET amount = amount + excluded.amount, count = count + 1`,
  );
  const takeBack = db.query(
    `UPDATE usage SET amount = amount - ?, count = count - 1
     WHERE account_id = ? AND period = ? AND scope = ? AND scope_key = ?`,
  );

  return {
    load(key: UsageKey): UsageByScope {
      const rows = select.all({
        accountId: key.accountId,
        day: key.day,
        month: monthOf(key.day),
        channel: String(key.channelId),
        product: String(key.productId),
      }) as Row[];
      const usage = { all: NOTHING, channel: NOTHING, product: NOTHING };
      for (const { period, scope, amount, count } of rows) {
        const window =
          period === key.day
            ? { dayAmount: minor(amount), dayCount: count }
            : { monthAmount: minor(amount), monthCount: count };
        usage[scope] = { ...usage[scope], ...window };
      }
      return usage;
    },

    count(key: UsageKey, amount: number): void {
      for (const [scope, scopeKey] of scopesOf(key)) {
        add.run(key.accountId, key.day, scope, scopeKey, amount);
        add.run(key.accountId, monthOf(key.day), scope, scopeKey, amount);
      }
    },

    giveBack(key: UsageKey, amount: number): void {
      for (const [scope, scopeKey] of scopesOf(key)) {
        takeBack.run(amount, key.accountId, key.day, scope, scopeKey);
        takeBack.run(amount, key.accountId, monthOf(key.day), scope, scopeKey);
      }
    },
  };
}
