// What init may take for likely on this machine, so that most answers are an Enter: a guess is
// shown and can be changed, and it is none where there are two of them.
import currencies from "currency-codes";
import { type CountryCode, getCountries, isSupportedCountry } from "libphonenumber-js/max";

/** What a machine says of itself: its time zone and its locale, such as "en_ZA.UTF-8". */
export type Machine = { readonly timeZone: string; readonly locale: string };

export const thisMachine = (): Machine => ({
  timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  locale: process.env["LC_ALL"] || process.env["LANG"] || "",
});

const zonesOf = (country: string): readonly string[] =>
  new Intl.Locale("und", { region: country }).getTimeZones() ?? [];

const only = (found: readonly string[]): string | null =>
  found.length === 1 ? (found[0] as string) : null;

/** A server's clock is often kept in UTC, which is no country's. */
const isPlace = (timeZone: string): boolean => /^(?!Etc\/)\w+\//.test(timeZone);

/** The country of the machine's time zone, else of its locale. */
export function guessCountry({ timeZone, locale }: Machine): string | null {
  const byZone = isPlace(timeZone)
    ? getCountries().filter((country) => zonesOf(country).includes(timeZone))
    : [];
  const region = /^[a-z]{2,3}[_-]([A-Z]{2})\b/.exec(locale)?.[1] ?? "";
  return only(byZone) ?? (isSupportedCountry(region) ? region : null);
}

/** The machine's time zone where it is the country's, else the country's only one. */
export function guessTimeZone(country: string, { timeZone }: Machine): string | null {
  const zones = isSupportedCountry(country) ? zonesOf(country) : [];
  return zones.includes(timeZone) ? timeZone : only(zones);
}

/** The country's own currency, by its name in ISO 4217 or by its code. */
export function guessCurrency(country: string): string | null {
  if (!isSupportedCountry(country)) return null;
  const isOwn = (code: string) => code.startsWith(country satisfies CountryCode);
  const name = new Intl.DisplayNames(["en"], { type: "region" }).of(country) ?? "";
  const used = currencies.country(name.toLowerCase()).map(({ code }) => code);
  return only(used.filter(isOwn)) ?? only(used) ?? only(currencies.codes().filter(isOwn));
}
