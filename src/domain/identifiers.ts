// Who buys: one stored spelling for each buyer, however the wire or a person spells it.
import { type CountryCode, parsePhoneNumberFromString } from "libphonenumber-js/max";

/** Only digits, spaces and +-() can be a phone number: "CIF0731304702" is none. */
const PHONE_LIKE = /^[\d +()-]+$/;

/** A control character, or half of a surrogate pair, makes an identifier malformed. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the purpose.
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/** True where the text is a well-formed reference or identifier of 1-64 characters. */
export function isIdentifier(text: string): boolean {
  if (text.length === 0 || text.length > 128 || CONTROL.test(text)) return false;
  return text.isWellFormed() && (text.length <= 64 || [...text].length <= 64);
}

/** An account number: 1-34 letters, digits and "-". */
export function isAccountNumber(text: string): boolean {
  return /^[A-Za-z0-9-]{1,34}$/.test(text);
}

/** A bank code, the head of every reference: 2-16 capital letters and digits. */
export function isBankCode(text: string): boolean {
  return /^[A-Z0-9]{2,16}$/.test(text);
}

function validNumber(text: string, country?: CountryCode): string | null {
  const options =
    country === undefined ? { extract: false } : { extract: false, defaultCountry: country };
  const parsed = parsePhoneNumberFromString(text, options);
  // An extension is not part of a buyer's number, so a text with one is not valid in full.
  if (parsed === undefined || parsed.ext !== undefined || !parsed.isValid()) return null;
  return parsed.number;
}

/** The E.164 number that a spelling means in this country, or null where it is no phone number. */
function phoneNumber(text: string, country: CountryCode): string | null {
  if (!PHONE_LIKE.test(text)) return null;
  const compact = text.replace(/[ ()-]/g, "");
  if (!/^\+?\d+$/.test(compact)) return null;
  if (compact.startsWith("+")) return validNumber(compact);
  if (compact.startsWith("00")) {
    const international = validNumber(`+${compact.slice(2)}`);
    if (international !== null) return international;
  }
  // Local spelling before foreign: the library also knows the bank's own number without its "+".
  return validNumber(compact, country) ?? validNumber(`+${compact}`);
}

/**
 * The one stored spelling of a buyer identifier.
 * Takes any spelling and the bank's ISO 3166 country; gives a phone number's international digits
 * ("27731304702"), with a "+" only where the bare digits would be read as another number here, and
 * every other identifier unchanged. Applying it twice changes nothing, so an exact match of a
 * stored spelling is always the right one and needs no parsing.
 */
export function canonicalBuyerId(text: string, country: string): string {
  const number = phoneNumber(text, country as CountryCode);
  if (number === null) return text;
  const digits = number.slice(1);
  if (digits === text) return text;
  return phoneNumber(digits, country as CountryCode) === number ? digits : number;
}
