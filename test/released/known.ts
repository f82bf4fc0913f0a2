// What a bank must still know after its data dir was migrated.
import { PAGE_SIZE, rowsOf } from "../../src/storage/pages.ts";
import type { Store } from "../../src/storage/store.ts";

export const PIN = "4821";

const all = { limit: PAGE_SIZE };

/** What it answered and how each purchase stands, its balances, findings, limits and journal's head. */
export function knownOf(store: Store) {
  const { id, hash } = store.journalHead();
  return {
    reservations: [...rowsOf(store.reservations, ({ id }) => id)].map(
      ({ requestId, reference, state, account, reserveAmount }) =>
        `${requestId} ${reference} ${state} ${account} ${reserveAmount}`,
    ),
    balances: store
      .balances({ ...all, upTo: store.mark() })
      .map(({ number, balance }) => `${number} ${balance}`),
    accounts: store
      .accounts(all)
      .map(({ number, held, overdraft, status, pin }) =>
        [number, held, overdraft, status, pin].join(" "),
      ),
    findings: store
      .findings({ ...all, openAt: null })
      .map(({ kind, requestId, closeReason }) => `${kind} ${requestId} ${closeReason}`),
    limits: store.limits(),
    holidays: store.holidays(),
    receipts: store
      .receipts(1_000)
      .map(({ requestId, status, responseCode }) => `${requestId} ${status} ${responseCode}`),
    salesPaused: store.bank().salesPaused?.reason ?? null,
    journal: `${id}:${Buffer.from(hash).toString("hex")}`,
  };
}
