// What simulate is given: URLs, profiles and scenarios, and what is said of those that are wrong.
import { describe, expect, test } from "bun:test";
import { isPrivate } from "../../src/conformance/address.ts";
import demoProfile from "../../src/conformance/demo-profile.toml" with { type: "text" };
import { NOTHING_KNOWN, readProfile, wrongPin } from "../../src/conformance/profile.ts";
import { readScenario } from "../../src/conformance/scenario.ts";

describe("an address that is asked about before anything is sent", () => {
  test.each([
    ["http://127.0.0.1:8080", true],
    ["http://localhost", true],
    ["http://[::1]:8080", true],
    ["https://10.1.2.3", true],
    ["https://172.31.255.255", true],
    ["https://172.32.0.0", false],
    ["https://192.168.0.1", true],
    ["https://192.0.2.1", false],
    ["https://[fd00::1]", true],
    ["https://[2001:db8::1]", false],
    ["https://no-such-host.invalid", false],
  ])("%s: private %p", async (url, expected) => {
    expect(await isPrivate(new URL(url))).toBe(expected);
  });
});

describe("a profile", () => {
  test("the demo's knows all that a rule may need", () => {
    const unknown = Object.entries(readProfile("demo.toml", demoProfile)).filter(
      ([, value]) => value === null,
    );
    expect(unknown).toEqual([]);
  });

  test("what it does not say is not known; JSON is as good", () => {
    const expected = { ...NOTHING_KNOWN, active: "27731304702", amount: 500 };
    const json = '{"amount":500,"buyers":{"active":"27731304702"}}';
    expect(readProfile("p.json", json)).toEqual(expected);
    expect(readProfile("p.toml", 'amount = 500\nbuyers.active = "27731304702"')).toEqual(expected);
  });

  test.each([
    ["no TOML", "amount = = 5", "p.toml is not valid TOML"],
    ["an unknown key", 'buyer = "secret-1"', 'there is no key "buyer"'],
    ["an unknown buyer", '[buyers]\nrich = "secret-1"', 'there is no key "buyers.rich"'],
    ["an amount that is none", 'amount = "secret-1"', '"amount" must be a whole number'],
    ["a PIN that is none", '[buyers]\npin = "secret-1"', '"buyers.pin" must be 4 to 12 digits'],
    ["a list that is none", '[buyers]\nspellings = "secret-1"', "a list of texts"],
  ])("%s is told by its key, without its value", (_, text, says) => {
    const read = () => readProfile("p.toml", text);
    expect(read).toThrow(says);
    expect(read).not.toThrow("secret-1");
  });

  test.each(["0000", "9999", "123456789012"])("a wrong PIN for %s is another PIN", (pin) => {
    expect(wrongPin(pin)).not.toBe(pin);
    expect(wrongPin(pin)).toMatch(/^\d{4,12}$/);
  });
});

describe("a scenario", () => {
  test.each([
    ["no steps", 'name = "x"', '"steps" must be'],
    ["an empty list of steps", "steps = []", "one or more steps"],
    ["another call", '[[steps]]\ncall = "vend"', '"reserveFunds" or "transactResult"'],
    ["an unknown key of a step", '[[steps]]\ncall = "reserveFunds"\nsleep = 1', "steps.0.sleep"],
    ["an unknown expectation", '[[steps]]\ncall = "reserveFunds"\nexpect.code = 1', "expect.code"],
  ])("%s is told", (_, text, says) => {
    expect(() => readScenario("s.toml", text)).toThrow(says);
  });
});
