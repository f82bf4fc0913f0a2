// Money is a whole number of minor units (25000 is 250.00 where the currency has two digits).

declare const minorBrand: unique symbol;

/** An exact amount in minor units. Only `minor` makes one. */
export type Minor = number & { readonly [minorBrand]: "Minor" };

/** The largest single figure anyone may name: twelve digits, as on the wire (contract.md 1). */
export const LARGEST_FIGURE = 999_999_999_999;

/** The largest balance an account may reach; far inside what a number holds exactly. */
export const LARGEST_BALANCE = 999_999_999_999_999;

/**
 * The one constructor of money.
 * Takes a number; gives it back as Minor; throws RangeError where it is not an exact integer,
 * because a sum that lost a digit must stop the operation and never reach the journal.
 */
export function minor(value: number): Minor {
  if (!Number.isSafeInteger(value)) throw new RangeError("an amount must be an exact integer");
  // Minus zero is zero; JSON and SQLite would keep the sign apart.
  return (value === 0 ? 0 : value) as Minor;
}

export const ZERO: Minor = minor(0);

/** a + b, exact or thrown. */
export function plus(a: Minor, b: Minor): Minor {
  return minor(a + b);
}

/** a - b, exact or thrown. */
export function minus(a: Minor, b: Minor): Minor {
  return minor(a - b);
}

/** -a. */
export function negated(a: Minor): Minor {
  return minor(-a);
}

/**
 * Reads what a person typed ("5000", "5000.5", "5000.00") as minor units.
 * Takes the text and the currency's count of minor digits; gives null where the text is no plain
 * decimal, has more fraction digits than the currency, or is longer than twelve digits in all.
 */
export function parseAmount(text: string, minorDigits: number): Minor | null {
  const match = /^(\d{1,15})(?:\.(\d+))?$/.exec(text);
  if (match === null) return null;
  const fraction = match[2] ?? "";
  if (fraction.length > minorDigits) return null;
  const value = Number(`${match[1]}${fraction.padEnd(minorDigits, "0")}`);
  return value <= LARGEST_FIGURE ? minor(value) : null;
}

/** Writes minor units as people read them: 500000 with two digits is "5000.00". */
export function formatAmount(amount: Minor, minorDigits: number): string {
  const digits = String(Math.abs(amount)).padStart(minorDigits + 1, "0");
  const sign = amount < 0 ? "-" : "";
  if (minorDigits === 0) return sign + digits;
  return `${sign}${digits.slice(0, -minorDigits)}.${digits.slice(-minorDigits)}`;
}
