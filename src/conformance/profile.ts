// What the kit needs to know of a bank's test accounts. What is not known is null, and the rules
// that need it are not tried.
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { isPin } from "../domain/pin.ts";

const amount = Type.Integer({
  minimum: 1,
  maximum: 999_999_999_999,
  rule: "a whole number of minor units, more than 0",
});
const buyer = Type.String({ minLength: 1, maxLength: 64, rule: "a text of 1 to 64 characters" });

const Schema = Type.Object(
  {
    amount: Type.Optional(amount),
    below_minimum: Type.Optional(amount),
    above_maximum: Type.Optional(amount),
    currency: Type.Optional(
      Type.String({ pattern: "^[A-Z]{3}$", rule: "an ISO 4217 code in capitals" }),
    ),
    product: Type.Optional(Type.Integer({ minimum: 0, rule: "a product's number" })),
    channel: Type.Optional(Type.Integer({ minimum: 0, rule: "a channel's number" })),
    buyers: Type.Optional(
      Type.Object(
        {
          active: Type.Optional(buyer),
          spellings: Type.Optional(Type.Array(buyer, { rule: "a list of texts" })),
          unmapped: Type.Optional(buyer),
          inactive: Type.Optional(buyer),
          blacklisted: Type.Optional(buyer),
          blocked: Type.Optional(buyer),
          without_funds: Type.Optional(buyer),
          with_pin: Type.Optional(buyer),
          pin: Type.Optional(Type.String({ pattern: "^[0-9]{4,12}$", rule: "4 to 12 digits" })),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);

type File = Static<typeof Schema>;

/** Minor units where an amount; null is "not known". */
export type Profile = {
  /** What every reserve asks for where nothing else is the point: all limits must allow it. */
  readonly amount: number;
  readonly belowMinimum: number | null;
  readonly aboveMaximum: number | null;
  readonly currency: string | null;
  readonly product: number;
  readonly channel: number;
  readonly active: string | null;
  /** Other ways to write the active buyer. */
  readonly spellings: readonly string[] | null;
  readonly unmapped: string | null;
  readonly inactive: string | null;
  readonly blacklisted: string | null;
  /** Blacklisted himself, whatever account he has. */
  readonly blocked: string | null;
  readonly withoutFunds: string | null;
  readonly withPin: string | null;
  /** SECRET, though of a test account. */
  readonly pin: string | null;
};

export const NOTHING_KNOWN: Profile = {
  amount: 1_000,
  belowMinimum: null,
  aboveMaximum: null,
  currency: null,
  product: 110,
  channel: 7,
  active: null,
  spellings: null,
  unmapped: null,
  inactive: null,
  blacklisted: null,
  blocked: null,
  withoutFunds: null,
  withPin: null,
  pin: null,
};

/** A file that the kit was given is not what it should be; the message names the key, no value. */
export class FileError extends Error {}

/** Reads the text of a TOML or JSON file, by its name's ending. */
export function parseFile(name: string, text: string): unknown {
  try {
    return name.endsWith(".json") ? JSON.parse(text) : Bun.TOML.parse(text);
  } catch {
    throw new FileError(`${name} is not valid ${name.endsWith(".json") ? "JSON" : "TOML"}`);
  }
}

/** Reads a profile file; throws FileError with the key and the rule. */
export function readProfile(name: string, text: string): Profile {
  const raw = parseFile(name, text);
  const first = Value.Errors(Schema, raw).First();
  if (first !== undefined) {
    const key = first.path.slice(1).replaceAll("/", ".") || "the file";
    throw new FileError(
      first.message === "Unexpected property"
        ? `${name}: there is no key "${key}"`
        : `${name}: "${key}" must be ${first.schema["rule"] ?? "a table"}`,
    );
  }
  const { buyers = {}, ...file } = raw as File;
  const known = {
    amount: file.amount ?? NOTHING_KNOWN.amount,
    belowMinimum: file.below_minimum ?? null,
    aboveMaximum: file.above_maximum ?? null,
    currency: file.currency ?? null,
    product: file.product ?? NOTHING_KNOWN.product,
    channel: file.channel ?? NOTHING_KNOWN.channel,
    active: buyers.active ?? null,
    spellings: buyers.spellings ?? null,
    unmapped: buyers.unmapped ?? null,
    inactive: buyers.inactive ?? null,
    blacklisted: buyers.blacklisted ?? null,
    blocked: buyers.blocked ?? null,
    withoutFunds: buyers.without_funds ?? null,
    withPin: buyers.with_pin ?? null,
    pin: buyers.pin ?? null,
  };
  return known;
}

/** A PIN that is another one, and as long. */
export function wrongPin(pin: string): string {
  const other = pin.replace(/^./, (digit) => String((Number(digit) + 1) % 10));
  return isPin(other) ? other : "0000";
}
