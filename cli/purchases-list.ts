// reservations list: purchases found by what a person knows of them.
import { type Command, Option } from "commander";
import { DAY_MS, localTimeText } from "../src/domain/local-time.ts";
import { RESERVATION_STATES } from "../src/domain/reservation.ts";
import { becameText, purchasedAt, purchaseViewJson } from "../src/reports/purchases.ts";
import { type Paging, rowsOf } from "../src/storage/pages.ts";
import type { Bank, PurchaseFilter, PurchaseView } from "../src/storage/store.ts";
import { Failure } from "./failure.ts";
import { type List, limitOption, writeList } from "./list.ts";
import { money, note, readPositiveAmount, table } from "./output.ts";
import { command, type Session, withBank } from "./session.ts";
import { fromOption, readSpan, type SpanOptions, toOption } from "./times.ts";

type State = NonNullable<PurchaseFilter["state"]>;

const STATES: readonly State[] = [...RESERVATION_STATES, "declined", "all"];

/** How far back a search goes that no index helps, unless --from says it. */
const SEARCHED_DAYS = 31;
type Filter = Omit<PurchaseFilter, "limit" | "after">;

type ListOptions = SpanOptions & {
  readonly state?: State;
  readonly account?: string;
  readonly buyer?: string;
  readonly ref?: string;
  readonly clientRef?: string;
  readonly amount?: string;
  readonly limit?: number;
};

/** True where a search has to look at every purchase of its span. */
function isSearch({ state, account, buyer, amount, clientRef }: Filter): boolean {
  const hasDeclined = state === "declined" || state === "all";
  if (account !== undefined) return false;
  if (buyer !== undefined) return hasDeclined;
  return hasDeclined || amount !== undefined || clientRef !== undefined;
}

/** The filter with the beginning of its span, where it is a search and none was named. */
export function bounded(filter: Filter): Filter & { readonly searchedFrom: number | null } {
  if (filter.from !== undefined || !isSearch(filter)) return { ...filter, searchedFrom: null };
  const from = Math.min(filter.to ?? Date.now(), Date.now()) - SEARCHED_DAYS * DAY_MS;
  return { ...filter, from, searchedFrom: from };
}

function filterOf(options: ListOptions, bank: Bank): Filter {
  const { state, account, buyer, clientRef, amount } = options;
  if (account !== undefined && (state === "declined" || state === "all")) {
    throw new Failure(
      "usage",
      `--account and --state ${state} exclude each other: a declined request has no account, ` +
        "only a buyer (--buyer)",
    );
  }
  return {
    ...readSpan(options, bank),
    ...(state === undefined ? {} : { state }),
    ...(account === undefined ? {} : { account }),
    ...(buyer === undefined ? {} : { buyer }),
    ...(clientRef === undefined ? {} : { clientRef }),
    ...(amount === undefined ? {} : { amount: readPositiveAmount(amount, "--amount", bank) }),
  };
}

/** The one purchase of a reference, if all else that was asked for fits it too. */
function rowsOfRef({ store }: Session, ref: string, filter: Filter): readonly PurchaseView[] {
  const purchase = store.purchase(ref);
  if (purchase === null) return [];
  const { state = "all", from = 0, to = Number.MAX_SAFE_INTEGER } = filter;
  const at = purchasedAt(purchase);
  const fits =
    (state === "all" || state === purchase.state) &&
    (filter.buyer === undefined || store.buyer(filter.buyer).buyerId === purchase.buyerId) &&
    (filter.account === undefined ||
      (purchase.state !== "declined" && purchase.account === filter.account)) &&
    (filter.amount === undefined || filter.amount === purchase.reserveAmount) &&
    (filter.clientRef === undefined || filter.clientRef === purchase.clientRef) &&
    at >= from &&
    at < to;
  return fits ? [purchase] : [];
}

function listOf(session: Session, options: ListOptions): List<PurchaseView> {
  const { store, bank } = session;
  const asked = filterOf(options, bank);
  const shape = {
    json: purchaseViewJson,
    table: (purchases: readonly PurchaseView[]) => purchasesTable(purchases, bank),
    first: "newest",
  };
  const { ref } = options;
  if (ref !== undefined) {
    return { rows: (most) => rowsOfRef(session, ref, asked).slice(0, most), ...shape };
  }
  const { searchedFrom, ...filter } = bounded(asked);
  if (searchedFrom !== null && !session.json) {
    note(`searched from ${localTimeText(searchedFrom, bank.timeZone)} on; --from for more`);
  }
  return {
    rows: (most) =>
      rowsOf(
        (page: Paging<number>) => store.purchases({ ...filter, ...page }),
        ({ id }) => id,
        most,
      ),
    ...shape,
  };
}

/**
 * Purchases as people look for them: what became of each in words, its reference whole. Of one
 * buyer alone it need not say whose they are.
 */
export function purchasesTable(
  purchases: readonly PurchaseView[],
  bank: Bank,
  ofOneBuyer = false,
): string {
  if (purchases.length === 0) return "No purchases.";
  const buyer = <Cell>(cell: Cell) => (ofOneBuyer ? [] : [cell]);
  return table(
    [
      { title: "When" },
      ...buyer({ title: "Buyer" }),
      { title: "Amount", align: "right" },
      { title: "What became of it" },
      { title: "raasTxnRef", whole: true },
    ],
    purchases.map((purchase) => [
      localTimeText(purchasedAt(purchase), bank.timeZone),
      ...buyer(purchase.buyerId),
      money(purchase.reserveAmount, bank),
      becameText(purchase, bank),
      purchase.requestId,
    ]),
  );
}

const SEARCH_HELP = `
By buyer, account, reference and the state reserved they are found at once,
however many there are. By amount and by clientTxnRef, and the declined ones,
they are searched for one by one from --from (default: ${SEARCHED_DAYS} days back) to --to:
a second or so for each million purchases in that time. Without --state all
reservations are listed; "all" adds the declined requests.`;

export function registerList(reservations: Command): void {
  command(reservations, {
    form: "list",
    summary: "List reservations and declined requests, the newest first",
    kind: "read",
    examples: [
      "reservations list --buyer 0731304702 --from 2026-03-01 --to 2026-03-31",
      "reservations list --state reserved",
      "reservations list --state declined --from 2026-03-02",
      "reservations list --amount 105.00 --from 2026-03-02 --to 2026-03-02",
      "reservations list --account 62-0001 --limit 20 --json",
    ],
  })
    .addOption(new Option("--state <state>", "only in this state").choices(STATES))
    .option("--account <number>", "only of this account")
    .option("--buyer <buyer>", "only of this buyer, in any spelling")
    .option("--ref <ref>", "the one with this raasTxnRef or our reference")
    .option("--client-ref <ref>", "only with this clientTxnRef, which may be many")
    .option("--amount <amount>", "only of this reserveAmount, like 105.00")
    .addOption(fromOption())
    .addOption(toOption())
    .addOption(limitOption())
    .addHelpText("after", SEARCH_HELP)
    .action(
      withBank((session, _: [], options: ListOptions) =>
        writeList(session, listOf(session, options), options.limit),
      ),
    );
}
