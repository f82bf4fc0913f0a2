// What init guesses from the machine, and where it does not.
import { describe, expect, test } from "bun:test";
import { guessCountry, guessCurrency, guessTimeZone } from "../src/guess.ts";

describe("the country", () => {
  test.each([
    ["Africa/Johannesburg", "C.UTF-8", "ZA"],
    ["Africa/Lagos", "en_US.UTF-8", "NG"],
    ["Africa/Nairobi", "", "KE"],
    // Servers are often kept in UTC: then the language's region tells.
    ["UTC", "en_ZA.UTF-8", "ZA"],
    ["Etc/UTC", "en-GH", "GH"],
    ["UTC", "C.UTF-8", null],
    ["Mars/Olympus", "en_XX.UTF-8", null],
  ])("%s and %p: %p", (timeZone, locale, country) => {
    expect(guessCountry({ timeZone, locale })).toBe(country);
  });
});

describe("the currency", () => {
  test.each([
    ["ZA", "ZAR"],
    ["NA", "NAD"],
    ["LS", "LSL"],
    ["KE", "KES"],
    ["DE", "EUR"],
    ["TZ", "TZS"],
    ["GB", "GBP"],
    // Three codes each: nothing is better than the wrong one.
    ["CH", null],
    ["nowhere", null],
  ])("%s: %p", (country, currency) => {
    expect(guessCurrency(country)).toBe(currency);
  });
});

describe("the time zone", () => {
  test.each([
    ["ZA", "UTC", "Africa/Johannesburg"],
    ["US", "America/Denver", "America/Denver"],
    ["US", "UTC", null],
    ["ZA", "Europe/Berlin", "Africa/Johannesburg"],
    ["nowhere", "UTC", null],
  ])("%s on a machine in %s: %p", (country, timeZone, zone) => {
    expect(guessTimeZone(country, { timeZone, locale: "" })).toBe(zone);
  });
});
