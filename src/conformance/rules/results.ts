// Contract 3 and 4: results, what they match, and what a repeat or a contradiction comes to.

import type { Answer } from "../client.ts";
import { CANCELLED, codeOf, isTaken, type Kit, must, mustRefuse, NotTried, said } from "../kit.ts";
import type { Rule } from "../rule.ts";

const NOT_DISPENSED = "2201";
const UNMATCHED = "No matching reservation";

/** A result must be taken; that it is a 202 without a body is a rule of its own. */
function mustTake(answer: Answer, what: string): void {
  must(isTaken(answer), `${what}: expected HTTP 202, got ${said(answer)}`);
}

function mustNotMatch(answer: Answer, what: string): void {
  must(answer.status === 404, `${what}: expected HTTP 404, got ${said(answer)}`);
}

async function takesSecond(kit: Kit, first: string, second: string): Promise<void> {
  const reservation = await kit.reserved();
  await kit.ended(reservation, first);
  if (first !== second) kit.expects("contradiction", reservation.requestId);
  const fields = { raasTxnRef: reservation.requestId, responseCode: second };
  mustTake(await kit.result(fields), `${second} after ${first}`);
}

export const resultRules: readonly Rule[] = [
  {
    id: "result.accepted",
    section: "3",
    words: "202, empty body: the outcome is recorded",
    needs: ["active"],
    async run(kit) {
      const answer = await kit.ended(await kit.reserved(), NOT_DISPENSED);
      must(answer.status === 202, `expected HTTP 202, got HTTP ${answer.status}`);
      must(answer.body === "", "the answer has a body");
    },
  },
  {
    id: "result.dispensed",
    section: "3",
    words: "0000: dispensed, debit the buyer",
    needs: ["active", "debit"],
    async run(kit) {
      const { requestId, reference } = await kit.reserved();
      const named = { raasTxnRef: requestId, reserveFundsTxnRef: reference };
      mustTake(await kit.result({ ...named, responseCode: "0000" }), "0000");
    },
  },
  {
    id: "result.one-reference",
    section: "3",
    words: "One of the two references is enough; the other absent, null or empty",
    needs: ["active"],
    async run(kit) {
      for (const absent of [undefined, null, ""]) {
        const { requestId } = await kit.reserved();
        const byId = { raasTxnRef: requestId, reserveFundsTxnRef: absent };
        const what = JSON.stringify(absent) ?? "absent";
        const answer = await kit.result({ ...byId, responseCode: CANCELLED });
        mustTake(answer, `raasTxnRef alone, the other ${what}`);
        const other = await kit.reserved();
        const byReference = { raasTxnRef: absent, reserveFundsTxnRef: other.reference };
        const second = await kit.result({ ...byReference, responseCode: CANCELLED });
        mustTake(second, `reserveFundsTxnRef alone, the other ${what}`);
      }
    },
  },
  {
    id: "result.codes",
    section: "3",
    words: "responseCode is an open set: anything but 0000 means not dispensed, release",
    needs: ["active"],
    async run(kit) {
      for (const responseCode of ["2201", "2608", "9999"]) {
        const { requestId } = await kit.reserved();
        mustTake(await kit.result({ raasTxnRef: requestId, responseCode }), responseCode);
      }
    },
  },
  {
    id: "result.supplier-unknown",
    section: "4.8",
    words: "2240, 2601, 2603 mean that the supplier's outcome is unknown: release",
    needs: ["active"],
    async run(kit) {
      for (const responseCode of ["2240", "2601", "2603"]) {
        const { requestId } = await kit.reserved();
        mustTake(await kit.result({ raasTxnRef: requestId, responseCode }), responseCode);
        kit.expects("supplier-unknown", requestId);
      }
    },
  },
  {
    id: "result.malformed",
    section: "3",
    words: "400: no reference, no responseCode, or one that is no string of four digits",
    needs: [],
    async run(kit) {
      const raasTxnRef = kit.newId();
      const refused = async (fields: Record<string, unknown>, what: string) =>
        mustRefuse(await kit.result(fields), 400, what);
      await refused({ responseCode: "2201" }, "no reference");
      await refused({ raasTxnRef }, "no responseCode");
      await refused({ raasTxnRef, responseCode: 2201 }, "a JSON number");
      await refused({ raasTxnRef, responseCode: "00000" }, "five digits");
      await refused({ raasTxnRef: 17, responseCode: "2201" }, "a reference that is no text");
    },
  },
  {
    id: "result.malformed-ignored",
    section: "3",
    words: "Any other field that is malformed is ignored: a refused result leaves money held",
    needs: ["active"],
    async run(kit) {
      const { requestId } = await kit.reserved();
      const odd = {
        reserveAmount: "ten",
        clientTxnRef: 5,
        token: {},
        timestamp: 3,
        vendAmount: [],
      };
      const answer = await kit.result({ raasTxnRef: requestId, responseCode: "2201", ...odd });
      mustTake(answer, "malformed amounts");
      kit.expects("malformed-field", requestId);
    },
  },
  {
    id: "result.unmatched",
    section: "3",
    words: `404 {"responseMessage":"${UNMATCHED}"}: no reservation matches`,
    needs: [],
    async run(kit) {
      const fields = { raasTxnRef: kit.newId(), responseCode: NOT_DISPENSED };
      const answer = await kit.result(fields);
      mustNotMatch(answer, "a raasTxnRef nobody has used");
      kit.expects("unmatched", fields.raasTxnRef);
      must(answer.json?.["responseMessage"] === UNMATCHED, "the body is another one");
      const reference = { reserveFundsTxnRef: `none-${kit.newId()}`, responseCode: NOT_DISPENSED };
      mustNotMatch(await kit.result(reference), "a reserveFundsTxnRef nobody was given");
    },
  },
  {
    id: "result.two-references",
    section: "3",
    words: "404: both references are given and do not name the same reservation",
    needs: ["active"],
    async run(kit) {
      const one = await kit.reserved();
      const other = await kit.reserved();
      if (one.reference === other.reference) throw new NotTried("two reserves have one reference");
      const crossed = { raasTxnRef: one.requestId, reserveFundsTxnRef: other.reference };
      const first = await kit.result({ ...crossed, responseCode: NOT_DISPENSED });
      mustNotMatch(first, "the references of two reservations");
      const none = { raasTxnRef: one.requestId, reserveFundsTxnRef: `none-${kit.newId()}` };
      const second = await kit.result({ ...none, responseCode: NOT_DISPENSED });
      mustNotMatch(second, "a reserveFundsTxnRef nobody was given");
    },
  },
  {
    id: "result.declined",
    section: "4.7",
    words: "A result for a declined reserve: 404, nothing moves",
    needs: ["unmapped"],
    async run(kit) {
      const raasTxnRef = kit.newId();
      await kit.reserve({ raasTxnRef, sourceIdentifier: kit.profile.unmapped });
      mustNotMatch(await kit.result({ raasTxnRef, responseCode: CANCELLED }), "its cancel");
    },
  },
  {
    id: "result.amounts-differ",
    section: "4.6",
    words: "The result's amounts differ from the reservation's: act on the reservation's",
    needs: ["active"],
    async run(kit) {
      const { requestId, amount } = await kit.reserved();
      const amounts = { reserveAmount: amount * 2, settlementAmount: 1 };
      const fields = { raasTxnRef: requestId, responseCode: NOT_DISPENSED, ...amounts };
      mustTake(await kit.result(fields), "another reserveAmount");
      kit.expects("amounts-differ", requestId);
    },
  },
  {
    id: "result.repeat",
    section: "4.5",
    words: "A repeat of an applied result: 202, no second effect",
    needs: ["active"],
    run: (kit) => takesSecond(kit, NOT_DISPENSED, NOT_DISPENSED),
  },
  {
    id: "result.repeat-debit",
    section: "4.5",
    words: "A repeat of an applied 0000: 202, the buyer is debited once",
    needs: ["active", "debit"],
    run: (kit) => takesSecond(kit, "0000", "0000"),
  },
  {
    id: "contradiction.dispensed",
    section: "4.5",
    words: "0000 after a release: 202, no money moves, a finding",
    needs: ["active", "debit"],
    run: (kit) => takesSecond(kit, NOT_DISPENSED, "0000"),
  },
  {
    id: "contradiction.failed",
    section: "4.5",
    words: "A failure after a debit: 202, no money moves, a finding",
    needs: ["active", "debit"],
    run: (kit) => takesSecond(kit, "0000", NOT_DISPENSED),
  },
  {
    id: "cancel.overtakes",
    section: "4.4",
    words: "A failed result for a raasTxnRef never seen: 404; its reserve then answers 2060",
    needs: ["active"],
    async run(kit) {
      const raasTxnRef = kit.newId();
      mustNotMatch(await kit.result({ raasTxnRef, responseCode: CANCELLED }), "the cancel");
      const answer = await kit.reserve({ raasTxnRef });
      must(codeOf(answer) === "2060", `expected responseCode "2060", got ${said(answer)}`);
      must(typeof answer.json?.["reserveFundsTxnRef"] !== "string", "it gives a reference");
    },
  },
  {
    id: "cancel.dispensed",
    section: "4.4",
    words: "An unmatched 0000: 404, and it does not block a later reserve",
    needs: ["active", "debit"],
    async run(kit) {
      const raasTxnRef = kit.newId();
      mustNotMatch(await kit.result({ raasTxnRef, responseCode: "0000" }), "the 0000");
      kit.expects("unmatched-success", raasTxnRef);
      const answer = await kit.reserve({ raasTxnRef });
      must(codeOf(answer) === "0000", `expected responseCode "0000", got ${said(answer)}`);
    },
  },
  {
    id: "result.late",
    section: "4.9",
    words: "A result is accepted at any age: nothing is released by time alone",
    needs: ["active"],
    async run(kit, { lateMs }) {
      const { requestId } = await kit.reserved();
      await Bun.sleep(lateMs);
      const fields = { raasTxnRef: requestId, responseCode: NOT_DISPENSED };
      mustTake(await kit.result(fields), `${lateMs / 1_000} s later`);
    },
  },
];
