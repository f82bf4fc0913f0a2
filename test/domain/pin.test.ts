// contract.md 2, code 2020: wrong (counted), missing where required (not counted), or locked.
import { describe, expect, test } from "bun:test";
import {
  decidePin,
  isPin,
  PIN_POLICIES,
  type PinAttempt,
  type PinPolicy,
} from "../../src/domain/pin.ts";

const NONE = { isSet: false, failures: 0, locked: false };
const SET = { isSet: true, failures: 0, locked: false };
const ONE_WRONG = { isSet: true, failures: 1, locked: false };
const TWO_WRONG = { isSet: true, failures: 2, locked: false };
const LOCKED = { isSet: true, failures: 3, locked: true };

test.each([
  // policy, PIN of the account, authCode -> declined?, what is written ("failures" or "locks")
  ["off", NONE, "absent", "passes", null],
  ["off", SET, "absent", "passes", null],
  ["off", SET, "wrong", "passes", null],
  ["off", LOCKED, "wrong", "passes", null],
  ["off", SET, "unverifiable", "passes", null],

  ["if-set", NONE, "absent", "passes", null],
  ["if-set", NONE, "wrong", "passes", null],
  ["if-set", SET, "right", "passes", null],
  ["if-set", SET, "absent", "declines", null],
  ["if-set", SET, "unverifiable", "declines", null],
  ["if-set", SET, "wrong", "declines", "1 failure"],
  ["if-set", ONE_WRONG, "wrong", "declines", "2 failures"],
  ["if-set", TWO_WRONG, "wrong", "declines", "3 failures, locks"],
  ["if-set", TWO_WRONG, "right", "passes", "0 failures"],
  ["if-set", TWO_WRONG, "absent", "declines", null],
  ["if-set", TWO_WRONG, "unverifiable", "declines", null],
  ["if-set", LOCKED, "right", "declines", null],
  ["if-set", LOCKED, "wrong", "declines", null],
  ["if-set", LOCKED, "absent", "declines", null],

  ["always", NONE, "absent", "declines", null],
  ["always", NONE, "wrong", "declines", null],
  ["always", SET, "right", "passes", null],
  ["always", SET, "absent", "declines", null],
  ["always", TWO_WRONG, "wrong", "declines", "3 failures, locks"],
  ["always", LOCKED, "right", "declines", null],
] as [PinPolicy, typeof SET, PinAttempt, string, string | null][])(
  "policy %s, %j, authCode %s: %s, writes %p",
  (pinPolicy, state, attempt, expected, written) => {
    const { declined, write } = decidePin(state, attempt, { pinPolicy, pinMaxTries: 3 });
    expect(declined ? "declines" : "passes").toBe(expected);
    const failures = `${write?.failures} failure${write?.failures === 1 ? "" : "s"}`;
    expect(write === null ? null : failures + (write.locked ? ", locks" : "")).toBe(written);
  },
);

test.each([
  // tries allowed, wrong ones before -> does another one lock it?
  [1, 0, true],
  [3, 1, false],
  [3, 2, true],
  [5, 3, false],
  // The allowance was lowered meanwhile: the next wrong one locks.
  [3, 7, true],
])("of %d tries, after %d wrong ones: locks %p", (pinMaxTries, failures, locks) => {
  const state = { isSet: true, failures, locked: false };
  const { write } = decidePin(state, "wrong", { pinPolicy: "if-set", pinMaxTries });
  expect(write?.locked).toBe(locks);
});

describe("a PIN is 4 to 12 digits", () => {
  test.each([
    ["1234", true],
    ["000000000000", true],
    ["123", false],
    ["1234567890123", false],
    ["12a4", false],
    ["1234\n", false],
    ["-1234", false],
    ["١٢٣٤", false],
    ["", false],
  ])("%j: %p", (text, expected) => {
    expect(isPin(text)).toBe(expected);
  });
});

test("the policies are off, if-set and always", () => {
  expect([...PIN_POLICIES]).toEqual(["off", "if-set", "always"]);
});
