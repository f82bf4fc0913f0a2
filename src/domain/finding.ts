// What needs a person. The order of this list is the order in the exception report: after a restore,
// of which everything else may follow, an unmatched 0000 (dispensed, nothing held) stands first
// (contract.md 4.4).

export const FINDINGS = {
  restored: {
    title: "The bank was restored from a backup and has forgotten what came after it",
    advice:
      "Compare with Clickatell's list of the time that is named, and book by hand what is missing.",
  },
  "unmatched-success": {
    title: "Dispensed, but nothing is held for it",
    advice: "Ask Clickatell what was dispensed; debit the buyer by hand if it is owed.",
  },
  contradiction: {
    title: "The result contradicts an earlier one",
    advice: "Ask Clickatell which one is true; settle with reservations debit or release.",
  },
  "settlement-missing": {
    title: "No settlementAmount: the whole debit waits in suspense",
    advice: "Ask Clickatell for the split; move it from @suspense with a posting.",
  },
  "settlement-exceeds-reserve": {
    title: "settlementAmount is more than reserveAmount",
    advice: "Check the product's price with Clickatell; the difference is the bank's cost.",
  },
  "supplier-unknown": {
    title: "The supplier's outcome is unknown; the hold was released",
    advice: "Ask Clickatell whether it was dispensed; debit by hand if it was.",
  },
  "amounts-differ": {
    title: "The result's amounts differ from the reservation's",
    advice: "The reservation's amounts were used; agree the difference with Clickatell.",
  },
  conflict: {
    title: "A repeated raasTxnRef came with other content",
    advice: "The first request stands; ask Clickatell why the reference was used twice.",
  },
  interrupted: {
    title: "Reserved as the server ended; its answer may never have left",
    advice: "Ask Clickatell whether it knows the purchase; release by hand if it does not.",
  },
  unmatched: {
    title: "A failed result that matches no reservation",
    advice: "Nothing is held. Many of them: ask Clickatell whether they reach the right bank.",
  },
  "backup-failed": {
    title: "No backup could be made at its time",
    advice: "Do what it says, then transact-bank backup create: one that is made closes this.",
  },
  "malformed-field": {
    title: "A result carried a malformed field, which was ignored",
    advice: "The result took effect; tell Clickatell which field it was.",
  },
} as const;

export type FindingKind = keyof typeof FINDINGS;

/** A finding to be written. The same kind and key twice is one finding that occurred again. */
export type FindingDraft = {
  readonly kind: FindingKind;
  readonly key: string;
  readonly detail: string;
};

/** The most urgent first; of one kind, the oldest first. */
export const FINDING_KINDS = Object.keys(FINDINGS) as readonly FindingKind[];
