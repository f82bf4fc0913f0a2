// The acts that can be under dual control, as data: what each needs, how it reads in words and
// figures, and the one way it is done, at once or when another approved it.
import { type Static, type TObject, Type } from "@sinclair/typebox";
import { ACCOUNT_STATUSES, type AccountStatus } from "../domain/account.ts";
import {
  FIGURE_NAMES,
  LIMIT_SCOPES,
  type LimitFigures,
  type LimitScope,
} from "../domain/limits.ts";
import type { Minor } from "../domain/money.ts";
import { RESERVATION_STATES, type ReservationState } from "../domain/reservation.ts";
import type {
  AdminStore,
  By,
  LimitRow,
  LimitTarget,
  NewAccount,
  Refusal,
  ReservationView,
  Result,
} from "./store.ts";

/** What an act needs and no table may hold; it stands in a key file of its own meanwhile. */
export type Sealed = {
  /** The keyed hash of a PIN, in hex. */
  readonly pinHash?: string;
  /** SECRET. */
  readonly secret?: string;
  /** SECRET. The texts of key files that are imported, by name. */
  readonly keys?: { readonly [name: string]: string };
  /** A file of exported keys, encrypted, in base64. */
  readonly file?: string;
  /** Makes its digest say nothing. */
  readonly salt: string;
};

/** What a description is made with. */
export type Wording = {
  money(amount: Minor): string;
  /** "account 62-0001 (Thandi Mokoena)". */
  account(number: string): string;
  overdraft(number: string): Minor | null;
  limit(target: LimitTarget): LimitRow | null;
  reservation(ref: string): Pick<ReservationView, "account" | "reserveAmount"> | null;
};

const Amount = Type.Unsafe<Minor>(Type.Integer({ minimum: 0 }));
const PositiveAmount = Type.Unsafe<Minor>(Type.Integer({ minimum: 1 }));
const text = Type.String();
const oneOf = <T extends string>(values: readonly T[]) =>
  Type.Unsafe<T>(Type.Union(values.map((value) => Type.Literal(value))));

const OfAccount = Type.Object({ number: text });
const Money = Type.Object({ number: text, amount: PositiveAmount });
const Account = Type.Object({
  number: text,
  name: text,
  balance: Amount,
  overdraft: Amount,
  status: Type.Unsafe<AccountStatus>(oneOf(ACCOUNT_STATUSES)),
  buyers: Type.Array(text),
});
const Target = { scope: oneOf<LimitScope>(LIMIT_SCOPES), scopeKey: text };
const Settle = Type.Object({
  ref: text,
  bankBears: Type.Boolean(),
  /** The state it had when it was asked for: a release never becomes a correction on the way. */
  seen: oneOf<ReservationState>(RESERVATION_STATES),
});
/** `digest` is that of what is sealed; `rotatedAt` names the secret that was in force. */
const Rotate = Type.Object({
  kind: text,
  rotatedAt: Type.Union([Type.Integer(), Type.Null()]),
  digest: text,
});
const Retire = Type.Object({ kind: text, rotatedAt: Type.Integer() });
/** All of keys/; `seen` names the secrets that were in force. */
const Keys = { keys: Type.Array(text), seen: text, digest: text };
const SetPin = Type.Object({ number: text, digest: text });

type FigureName = keyof LimitFigures;
const FIGURES = Object.keys(FIGURE_NAMES) as FigureName[];
const SetLimits = Type.Object({
  ...Target,
  figures: Type.Unsafe<Partial<LimitFigures>>(
    Type.Partial(Type.Object(Object.fromEntries(FIGURES.map((name) => [name, Amount])))),
  ),
});
const UnsetLimits = Type.Object({
  ...Target,
  figures: Type.Array(oneOf<FigureName>(FIGURES)),
});

function targetText({ scope, scopeKey }: LimitTarget): string {
  return scope === "global" ? "everything" : `${scope} ${scopeKey}`;
}

function figureText(name: FigureName, value: number | null, { money }: Wording): string {
  if (value === null) return "none";
  return name.endsWith("Count") ? String(value) : money(value as Minor);
}

/** "maximum 3000.00 ZAR (now 2000.00 ZAR)". */
function changeText(name: FigureName, value: number | null, with_: Wording, now: LimitRow | null) {
  const before = now?.[name] ?? null;
  // A wider scope may have one, which holds for this one too.
  const own = before === null ? "none of its own" : figureText(name, before, with_);
  return `${FIGURE_NAMES[name]} ${figureText(name, value, with_)} (now ${own})`;
}

function accountsText(accounts: readonly NewAccount[], { money }: Wording): string {
  const sum = (figure: "balance" | "overdraft") =>
    money(accounts.reduce((total, account) => total + account[figure], 0) as Minor);
  return `balances of ${sum("balance")} and overdrafts of ${sum("overdraft")} in all`;
}

function settleText(verb: string, args: Static<typeof Settle>, wording: Wording): string {
  const { ref, bankBears, seen } = args;
  const settled = wording.reservation(ref);
  const what =
    settled === null
      ? ""
      : ` (${wording.money(settled.reserveAmount)} of ${wording.account(settled.account)})`;
  const payer = bankBears ? ", the bank bears it" : "";
  return `${verb} reservation ${ref}${what}, which was ${seen}${payer}`;
}

const refused = (message: string): { ok: false; refusal: Refusal } => ({
  ok: false,
  refusal: { kind: "refused", message },
});

/** Of rows that cannot be written none is, so that the first says why nothing was done. */
function allOrNone(result: ReturnType<AdminStore["addAccounts"]>): Result<null> {
  if (!result.ok) return result;
  const [first] = result.value;
  return first === undefined ? { ok: true, value: null } : refused(first.message);
}

/** One controlled act: `perform` calls the port's one function for it. */
type ActSpec<Args extends TObject, Done> = {
  readonly args: Args;
  readonly describe: (args: Static<Args>, wording: Wording) => string;
  readonly perform: (
    store: AdminStore,
    by: By,
    args: Static<Args>,
    sealed: Sealed | null,
  ) => Result<Done>;
};
const act = <Args extends TObject, Done>(spec: ActSpec<Args, Done>) => spec;

/** By the name that the journal has for each. */
export const ACTS = {
  "accounts credit": act({
    args: Money,
    describe: ({ number, amount }, { money, account }) =>
      `credit ${money(amount)} to ${account(number)}`,
    perform: (store, by, { number, amount }) => store.credit(by, number, amount),
  }),
  "accounts debit": act({
    args: Money,
    describe: ({ number, amount }, { money, account }) =>
      `debit ${money(amount)} from ${account(number)}`,
    perform: (store, by, { number, amount }) => store.debit(by, number, amount),
  }),
  "accounts add": act({
    args: Account,
    describe: (account, wording) =>
      `open account ${account.number} (${account.name}) with ${accountsText([account], wording)}`,
    perform: (store, by, account) => store.addAccount(by, account),
  }),
  "accounts import": act({
    args: Type.Object({ accounts: Type.Array(Account) }),
    describe: ({ accounts }, wording) =>
      `open ${accounts.length} accounts with ${accountsText(accounts, wording)}`,
    perform: (store, by, { accounts }) =>
      allOrNone(store.addAccounts(by, "accounts import", accounts, false)),
  }),
  "accounts overdraft": act({
    args: Type.Object({ number: text, overdraft: Amount }),
    describe: ({ number, overdraft }, { money, account, ...wording }) => {
      const now = wording.overdraft(number);
      const before = now === null ? "" : ` (now ${money(now)})`;
      return `overdraft of ${money(overdraft)} for ${account(number)}${before}`;
    },
    perform: (store, by, { number, overdraft }) => store.setOverdraft(by, number, overdraft),
  }),
  "accounts set-pin": act({
    args: SetPin,
    describe: ({ number }, { account }) => `another PIN for ${account(number)}`,
    perform: (store, by, { number }, sealed) =>
      sealed?.pinHash === undefined
        ? refused("the PIN that was asked for is no longer there")
        : store.setPinHash(by, number, Uint8Array.fromHex(sealed.pinHash)),
  }),
  "accounts unlock-pin": act({
    args: OfAccount,
    describe: ({ number }, { account }) => `unlock the PIN of ${account(number)}`,
    perform: (store, by, { number }) => store.unlockPin(by, number),
  }),
  "accounts remove-pin": act({
    args: OfAccount,
    describe: ({ number }, { account }) => `remove the PIN of ${account(number)}`,
    perform: (store, by, { number }) => store.removePin(by, number),
  }),
  "limits set": act({
    args: SetLimits,
    describe: ({ figures, ...target }, wording) => {
      const now = wording.limit(target);
      const changes = (Object.entries(figures) as [FigureName, number][]).map(([name, value]) =>
        changeText(name, value, wording, now),
      );
      return `limits of ${targetText(target)}: ${changes.join(", ")}`;
    },
    perform: (store, by, { figures, ...target }) => store.setLimits(by, target, figures),
  }),
  "limits unset": act({
    args: UnsetLimits,
    describe: ({ figures, ...target }, wording) => {
      const now = wording.limit(target);
      const named = figures.length > 0 ? figures : FIGURES;
      const changes = named
        .filter((name) => (now?.[name] ?? null) !== null)
        .map((name) => changeText(name, null, wording, now));
      return `limits of ${targetText(target)}: ${changes.join(", ")}`;
    },
    perform: (store, by, { figures, ...target }) => store.unsetLimits(by, target, figures),
  }),
  "reservations release": act({
    args: Settle,
    describe: (args, wording) => settleText("release", args, wording),
    perform: (store, by, { ref, bankBears, seen }) =>
      store.settle(by, ref, "release", bankBears, seen),
  }),
  "reservations debit": act({
    args: Settle,
    describe: (args, wording) => settleText("debit", args, wording),
    perform: (store, by, { ref, bankBears, seen }) =>
      store.settle(by, ref, "debit", bankBears, seen),
  }),
  "settlement pay": act({
    args: Type.Object({ amount: PositiveAmount }),
    describe: ({ amount }, { money }) => `record a payment of ${money(amount)} to Clickatell`,
    perform: (store, by, { amount }) => store.paySettlement(by, amount),
  }),
  "secrets rotate": act({
    args: Rotate,
    describe: ({ kind }) => `a new ${kind} secret; the one before stays valid beside it`,
    perform: (store, by, { kind }) => store.recordAct(by, "secrets rotate", kind),
  }),
  "secrets retire": act({
    args: Retire,
    describe: ({ kind }) => `take the former ${kind} secret out of force`,
    perform: (store, by, { kind }) => store.recordAct(by, "secrets retire", kind),
  }),
  "secrets export": act({
    args: Type.Object({ ...Keys, output: text }),
    describe: ({ keys, output }) => `write ${keys.join(", ")} under a passphrase to ${output}`,
    perform: (store, by, { keys }) => store.recordAct(by, "secrets export", keys.join(", ")),
  }),
  "secrets import": act({
    args: Type.Object(Keys),
    describe: ({ keys }) => `put ${keys.join(", ")} of an export into keys/`,
    perform: (store, by, { keys }) => store.recordAct(by, "secrets import", keys.join(", ")),
  }),
};

export type ActName = keyof typeof ACTS;
export type ArgsOf<Name extends ActName> = Static<(typeof ACTS)[Name]["args"]>;
export type DoneOf<Name extends ActName> =
  ReturnType<(typeof ACTS)[Name]["perform"]> extends Result<infer Done> ? Done : never;

export const isActName = (name: string): name is ActName => Object.hasOwn(ACTS, name);

/** The same without the types of its one act, for what handles any of them. */
export const actOf = (name: ActName) => ACTS[name] as unknown as ActSpec<TObject, unknown>;

/** What tells whether what is sealed is still what was asked for. */
export const digestOf = (content: object): string =>
  new Bun.CryptoHasher("sha256").update(JSON.stringify(content)).digest("hex");
