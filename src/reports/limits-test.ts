// What limits would have refused among the purchases already seen: the purchases of a span once
// more, in their order, against the same rule that the server asks (src/domain/limits.ts).
import {
  applicableLimits,
  checkLimits,
  FIGURE_NAMES,
  type FindLimit,
  LIMIT_SCOPES,
  type LimitFigures,
  type LimitScope,
  type Limits,
  NO_FIGURES,
  type UsageByScope,
} from "../domain/limits.ts";
import { isoTime, localTimeText } from "../domain/local-time.ts";
import { formatAmount, type Minor, minor, plus, ZERO } from "../domain/money.ts";
import type { Bank, LimitRow, ReservedView } from "../storage/store.ts";
import { counted, givenBack, usageIn } from "../storage/usage.ts";
import { type Cell, type Csv, decimal } from "./csv.ts";
import { bankText, type Page, type Section } from "./page.ts";
import type { Period } from "./settlement.ts";
import { limitJson } from "./views.ts";

export type Figure = keyof LimitFigures;

/** The limit that refuses a purchase: the first one that it meets. */
export type Cause = {
  readonly scope: LimitScope;
  readonly scopeKey: string;
  readonly figure: Figure;
  readonly value: number;
};

export type Replayed = { readonly purchase: ReservedView; readonly refusedBy: Cause | null };

const WINDOWS = ["dayAmount", "dayCount", "monthAmount", "monthCount"] as const;

const keyIn = (scope: LimitScope, { channelId, productId, account }: ReservedView): string =>
  scope === "global"
    ? "*"
    : scope === "account"
      ? account
      : String(scope === "channel" ? channelId : productId);

/** Every figure that may be the cause, in the order in which the rule looks at them. */
function* candidates(limits: Limits): Iterable<readonly [LimitScope, Figure]> {
  for (const figure of ["min", "max"] as const) {
    const scope = LIMIT_SCOPES.findLast((each) => (limits[each]?.[figure] ?? null) !== null);
    if (scope !== undefined) yield [scope, figure];
  }
  for (const scope of LIMIT_SCOPES) for (const figure of WINDOWS) yield [scope, figure];
}

/** Which limit a refusal is due to: the first that refuses the purchase by itself. */
function causeOf(purchase: ReservedView, limits: Limits, usage: UsageByScope): Cause {
  for (const [scope, figure] of candidates(limits)) {
    const value = limits[scope]?.[figure] ?? null;
    if (value === null) continue;
    const alone: Limits = { [scope]: { ...NO_FIGURES, [figure]: value } };
    if (checkLimits(purchase.reserveAmount, alone, usage) === null) continue;
    return { scope, scopeKey: keyIn(scope, purchase), figure, value };
  }
  throw new Error("a purchase was refused by no limit");
}

/** What an account bought so far; what was released since is given back before it buys again. */
type Counters = { text: string; released: ReservedView[] };

function giveBack(counters: Counters, now: number): void {
  const due = ({ releasedAt }: ReservedView) => releasedAt !== null && releasedAt <= now;
  for (const released of counters.released.filter(due)) {
    counters.text = givenBack(counters.text, released, released.reserveAmount);
  }
  counters.released = counters.released.filter((each) => !due(each));
}

/**
 * The purchases of a span against limits, in their order. Those before `from` only count towards a
 * day's and a month's sums, and one that is refused does not, for it would not have been made. No
 * more is in memory than the counters of the accounts that bought.
 */
export function* replay(
  purchases: Iterable<ReservedView>,
  find: FindLimit,
  from: number,
): Iterable<Replayed> {
  const accounts = new Map<string, Counters>();
  for (const purchase of purchases) {
    const counters = accounts.get(purchase.account) ?? { text: "{}", released: [] };
    accounts.set(purchase.account, counters);
    giveBack(counters, purchase.reservedAt);
    if (purchase.reservedAt >= from) {
      const limits = applicableLimits(find, purchase, purchase.account);
      const usage = usageIn(counters.text, purchase);
      if (checkLimits(purchase.reserveAmount, limits, usage) !== null) {
        yield { purchase, refusedBy: causeOf(purchase, limits, usage) };
        continue;
      }
      yield { purchase, refusedBy: null };
    }
    counters.text = counted(counters.text, purchase, purchase.reserveAmount);
    if (purchase.releasedAt !== null) counters.released.push(purchase);
  }
}

type Tally = { count: number; amount: Minor };
export type Group = Tally & { readonly key: string };

export type LimitsTest = {
  readonly bank: Bank;
  readonly period: Period;
  readonly limits: readonly LimitRow[];
  /** What was proposed on top of the limits in force, or null. */
  readonly proposed: LimitRow | null;
  readonly seen: Tally;
  readonly refused: Tally;
  readonly byLimit: readonly (Tally & Cause)[];
  readonly byProduct: readonly Group[];
  readonly byChannel: readonly Group[];
  readonly byAccount: readonly Group[];
  readonly examples: readonly Replayed[];
};

const EXAMPLES = 10;

function add(tally: Tally, amount: Minor): void {
  tally.count += 1;
  tally.amount = plus(tally.amount, amount);
}

function groups() {
  const tallies = new Map<string, Tally>();
  return {
    add(key: string, amount: Minor): void {
      const tally = tallies.get(key) ?? { count: 0, amount: ZERO };
      tallies.set(key, tally);
      add(tally, amount);
    },
    /** The largest amounts first. */
    all: (): Group[] =>
      [...tallies]
        .map(([key, tally]) => ({ key, ...tally }))
        .sort((a, b) => b.amount - a.amount || a.key.localeCompare(b.key)),
  };
}

type Tested = Pick<LimitsTest, "bank" | "period" | "limits" | "proposed">;

/** Sums up a replay. */
export function limitsTest(replayed: Iterable<Replayed>, tested: Tested): LimitsTest {
  const seen: Tally = { count: 0, amount: ZERO };
  const refused: Tally = { count: 0, amount: ZERO };
  const causes = new Map<string, Tally & Cause>();
  const [products, channels, accounts] = [groups(), groups(), groups()];
  const examples: Replayed[] = [];
  for (const one of replayed) {
    const { purchase, refusedBy } = one;
    const amount = purchase.reserveAmount;
    add(seen, amount);
    if (refusedBy === null) continue;
    add(refused, amount);
    const key = `${refusedBy.scope} ${refusedBy.scopeKey} ${refusedBy.figure}`;
    const cause = causes.get(key) ?? { ...refusedBy, count: 0, amount: ZERO };
    causes.set(key, cause);
    add(cause, amount);
    products.add(purchase.productId === null ? "none" : String(purchase.productId), amount);
    channels.add(purchase.channelId === null ? "none" : String(purchase.channelId), amount);
    accounts.add(purchase.account, amount);
    if (examples.length < EXAMPLES) examples.push(one);
  }
  return {
    ...tested,
    seen,
    refused,
    byLimit: [...causes.values()].sort((a, b) => b.amount - a.amount),
    byProduct: products.all(),
    byChannel: channels.all(),
    byAccount: accounts.all(),
    examples,
  };
}

const isCount = (figure: Figure) => figure === "dayCount" || figure === "monthCount";

function limitName({ scope, scopeKey, figure }: Omit<Cause, "value">): string {
  const whose = scope === "global" ? "everything" : `${scope} ${scopeKey}`;
  return `${whose}: ${FIGURE_NAMES[figure]}`;
}

function valueText({ figure, value }: Cause, bank: Bank): string {
  return isCount(figure) ? String(value) : formatAmount(minor(value), bank.minorDigits);
}

const tallyJson = ({ count, amount }: Tally) => ({ count, amountMinor: amount });
const groupJson = (name: string) => (group: Group) => ({ [name]: group.key, ...tallyJson(group) });

function causeJson({ scope, scopeKey, figure, value }: Cause) {
  const limit = isCount(figure) ? { limitCount: value } : { limitMinor: value };
  return { scope, scopeKey, figure, ...limit };
}

function purchaseJson({ purchase, refusedBy }: Replayed) {
  const { requestId, reference, account, productId, channelId, reserveAmount } = purchase;
  return {
    reference,
    requestId,
    account,
    productId,
    channelId,
    reserveAmountMinor: reserveAmount,
    reservedAt: isoTime(purchase.reservedAt),
    refusedBy: refusedBy === null ? null : causeJson(refusedBy),
  };
}

export function limitsTestJson(test: LimitsTest) {
  return {
    bank: test.bank.code,
    from: test.period.from,
    to: test.period.to,
    proposed: test.proposed === null ? null : limitJson(test.proposed),
    limits: test.limits.map(limitJson),
    seen: tallyJson(test.seen),
    refused: tallyJson(test.refused),
    byLimit: test.byLimit.map((cause) => ({ ...causeJson(cause), ...tallyJson(cause) })),
    byProduct: test.byProduct.map(groupJson("product")),
    byChannel: test.byChannel.map(groupJson("channel")),
    byAccount: test.byAccount.map(groupJson("account")),
    examples: test.examples.map(purchaseJson),
  };
}

/** Every purchase that would have been refused, read anew as it is written. */
export function limitsTestCsv(replayed: Iterable<Replayed>, bank: Bank): Csv {
  return {
    columns: [
      "reserved_at",
      "reference",
      "request_id",
      "account",
      "product_id",
      "channel_id",
      "reserve_amount",
      "refused_by",
      "limit",
    ],
    rows: {
      *[Symbol.iterator](): Generator<readonly Cell[]> {
        for (const { purchase, refusedBy } of replayed) {
          if (refusedBy === null) continue;
          yield [
            isoTime(purchase.reservedAt),
            purchase.reference,
            purchase.requestId,
            purchase.account,
            purchase.productId,
            purchase.channelId,
            decimal(purchase.reserveAmount, bank.minorDigits),
            limitName(refusedBy),
            { exact: valueText(refusedBy, bank) },
          ];
        }
      },
    },
  };
}

const MOST_GROUPS = 20;

function groupSection(title: string, column: string, all: readonly Group[], bank: Bank): Section {
  const isCut = all.length > MOST_GROUPS;
  return {
    title: isCut ? `${title}, the ${MOST_GROUPS} largest` : title,
    intro: "",
    columns: [{ title: column }, ...tallyColumns(bank)],
    rows: all.slice(0, MOST_GROUPS).map((group) => [group.key, ...tallyCells(group, bank)]),
    none: "None.",
  };
}

const tallyColumns = (bank: Bank) =>
  [
    { title: "Refused", align: "right" },
    { title: bank.currency, align: "right" },
  ] as const;

const tallyCells = ({ count, amount }: Tally, bank: Bank) => [
  String(count),
  formatAmount(amount, bank.minorDigits),
];

function tallyText(tally: Tally, bank: Bank): string {
  const [count, amount] = tallyCells(tally, bank);
  return `${count} purchases, ${amount} ${bank.currency}`;
}

/** The figures of one scope as people read them. */
function rowText(row: LimitRow, bank: Bank): string {
  const figures = Object.keys(FIGURE_NAMES) as Figure[];
  const set = figures.flatMap((figure) => {
    const value = row[figure];
    if (value === null) return [];
    return `${limitName({ ...row, figure })} ${valueText({ ...row, figure, value }, bank)}`;
  });
  return set.join(", ");
}

function share({ seen, refused }: LimitsTest): string {
  if (seen.count === 0) return "";
  return ` (${((refused.count / seen.count) * 100).toFixed(2)} %)`;
}

function exampleRow({ purchase, refusedBy }: Replayed, bank: Bank): string[] {
  return [
    localTimeText(purchase.reservedAt, bank.timeZone),
    purchase.account,
    purchase.requestId,
    formatAmount(purchase.reserveAmount, bank.minorDigits),
    refusedBy === null ? "" : limitName(refusedBy),
  ];
}

export function limitsTestPage(test: LimitsTest): Page {
  const { bank, period, proposed } = test;
  const inForce = test.limits.length === 0 ? "none" : "those in force";
  return {
    title: "What limits would have refused",
    facts: [
      ["bank", bankText(bank)],
      ["days", `${period.from} to ${period.to}`],
      ["limits", proposed === null ? inForce : `${inForce}, with ${rowText(proposed, bank)}`],
      ["seen", tallyText(test.seen, bank)],
      ["refused", `${tallyText(test.refused, bank)}${share(test)}`],
    ],
    sections: [
      {
        title: "By limit",
        intro: "Each purchase counts for the first limit that it meets.",
        columns: [{ title: "Limit" }, { title: "Figure", align: "right" }, ...tallyColumns(bank)],
        rows: test.byLimit.map((cause) => [
          limitName(cause),
          valueText(cause, bank),
          ...tallyCells(cause, bank),
        ]),
        none: "These limits would have refused none of them.",
      },
      groupSection("By product", "Product", test.byProduct, bank),
      groupSection("By channel", "Channel", test.byChannel, bank),
      groupSection("By account", "Account", test.byAccount, bank),
      {
        title: `The first ${EXAMPLES}`,
        intro: "",
        columns: [
          { title: "Reserved" },
          { title: "Account" },
          { title: "Request", whole: true },
          { title: bank.currency, align: "right" },
          { title: "Limit" },
        ],
        rows: test.examples.map((example) => exampleRow(example, bank)),
        none: "None.",
      },
    ],
  };
}
