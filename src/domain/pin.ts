// The buyer's PIN: when it is needed, what a wrong one costs, when it locks.

export const PIN_POLICIES = ["off", "if-set", "always"] as const;
export type PinPolicy = (typeof PIN_POLICIES)[number];

/** A PIN is 4 to 12 digits. */
export function isPin(text: string): boolean {
  return /^[0-9]{4,12}$/.test(text);
}

export type PinState = {
  readonly isSet: boolean;
  readonly failures: number;
  readonly locked: boolean;
};

/**
 * What the request's authCode turned out to be. "unverifiable": the bank serves without its PIN
 * key, so nothing can be said of any code and nothing is counted.
 */
export type PinAttempt = "absent" | "right" | "wrong" | "unverifiable";

export type PinDecision = {
  readonly declined: boolean;
  /** The state to write in the same commit as the answer, or null where nothing changes. */
  readonly write: { readonly failures: number; readonly locked: boolean } | null;
};

const PASSED: PinDecision = { declined: false, write: null };
const DECLINED_UNCOUNTED: PinDecision = { declined: true, write: null };

/** Decides one attempt (contract.md 2, code 2020). `maxTries` wrong ones in a row lock the PIN. */
export function decidePin(
  state: PinState,
  attempt: PinAttempt,
  policy: { readonly pinPolicy: PinPolicy; readonly pinMaxTries: number },
): PinDecision {
  if (policy.pinPolicy === "off") return PASSED;
  if (!state.isSet) return policy.pinPolicy === "always" ? DECLINED_UNCOUNTED : PASSED;
  if (state.locked || attempt === "absent" || attempt === "unverifiable") return DECLINED_UNCOUNTED;
  if (attempt === "right") {
    return state.failures === 0
      ? PASSED
      : { declined: false, write: { failures: 0, locked: false } };
  }
  const failures = state.failures + 1;
  return { declined: true, write: { failures, locked: failures >= policy.pinMaxTries } };
}
