// What a rule of the kit is: a sentence of the contract, what is needed to try it, and the trial.
import type { Kit } from "./kit.ts";
import type { Profile } from "./profile.ts";

/** What a trial cannot do without: a fact of the profile, credentials, or leave to debit. */
export type Need = Exclude<keyof Profile, "amount" | "product" | "channel"> | Ability;
export type Ability = "secret" | "basic" | "certificate" | "debit";

export type RuleOptions = {
  /** How long after its reserve a late result comes, in milliseconds. */
  readonly lateMs: number;
  /** Within how long every reserve and every result must be answered. */
  readonly reserveMs: number;
  readonly resultMs: number;
};

export type Rule = {
  readonly id: string;
  /** Of the contract. */
  readonly section: string;
  readonly words: string;
  readonly needs: readonly Need[];
  /** Throws Broken where the bank breaks the rule, NotTried where it could not be tried. */
  readonly run: (kit: Kit, options: RuleOptions) => Promise<void>;
};

/** A reserve: the guide's "preferably under 2 seconds". A result: four, and one for the way. */
export const IN_TIME = { reserveMs: 2_000, resultMs: 5_000 } as const;

/** What people call a need, for the line that says why a rule was not tried. */
export const NEEDS: Readonly<Record<Need, string>> = {
  active: "an active buyer with funds",
  spellings: "other spellings of the active buyer",
  unmapped: "a buyer without an account",
  inactive: "a buyer whose account is inactive",
  blacklisted: "a buyer whose account is blacklisted",
  blocked: "a buyer who is blacklisted himself",
  withoutFunds: "a buyer without funds",
  withPin: "a buyer with a PIN",
  pin: "that buyer's PIN",
  belowMinimum: "an amount below the minimum",
  aboveMaximum: "an amount above the maximum",
  currency: "the bank's currency",
  secret: "the signature secret",
  basic: "Basic credentials",
  certificate: "a client certificate",
  debit: "leave to debit (not --no-debit)",
};
