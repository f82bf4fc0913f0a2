// The answers to a reserve, in the order of the checks: the order of this list IS the precedence
// (contract.md 2). Codes and texts are the guide's and stand nowhere else.

export const OUTCOMES = {
  success: { code: "0000", message: "Success" },
  belowMinimum: { code: "2050", message: "Below minimum amount" },
  maximumExceeded: { code: "2040", message: "Maximum amount exceeded" },
  notMapped: { code: "2030", message: "Consumer Account not mapped" },
  invalidAuthCode: { code: "2020", message: "Invalid authentication code" },
  accountInactive: { code: "2080", message: "Consumer Account inactive" },
  blacklisted: { code: "2070", message: "Blacklisted Consumer Account" },
  insufficientFunds: { code: "2010", message: "Insufficient funds" },
  timeOut: { code: "2060", message: "Time-out" },
  unknownError: { code: "2090", message: "Unknown error" },
} as const;

/** What a reserve came to. */
export type Outcome = keyof typeof OUTCOMES;

/** Every reason for which a reserve is declined. */
export type Decline = Exclude<Outcome, "success">;

const BY_CODE = new Map<string, Outcome>(
  Object.entries(OUTCOMES).map(([name, { code }]) => [code, name as Outcome]),
);

/** The outcome that a stored response code stands for; throws on a code that is not ours. */
export function outcomeOfCode(code: string): Outcome {
  const outcome = BY_CODE.get(code);
  if (outcome === undefined) throw new RangeError("a response code that is not in the table");
  return outcome;
}

/** Clickatell's word for "dispensed"; every other result code means "not dispensed". */
export const DISPENSED = "0000";

/** Result codes after which nobody knows whether the supplier dispensed (contract.md 4.8). */
export const SUPPLIER_UNKNOWN: ReadonlySet<string> = new Set(["2240", "2601", "2603"]);
