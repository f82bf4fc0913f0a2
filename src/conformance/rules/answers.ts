// Contract 2: what a reserve is answered, code by code, and in which order the checks stand.

import { OUTCOMES, type Outcome } from "../../domain/outcomes.ts";
import type { Answer } from "../client.ts";
import { codeOf, type Kit, must, mustAnswer, NotTried, said } from "../kit.ts";
import { wrongPin } from "../profile.ts";
import type { Need, Rule } from "../rule.ts";

/** A decline that one buyer or amount leads to. */
function decline(
  id: string,
  outcome: Outcome,
  needs: readonly Need[],
  fieldsOf: (kit: Kit) => Readonly<Record<string, unknown>>,
): Rule {
  const { code, message } = OUTCOMES[outcome];
  return {
    id,
    section: "2",
    words: `${code} ${message}`,
    needs,
    async run(kit) {
      const fields = kit.reserveFields(fieldsOf(kit));
      mustAnswer(await kit.reserveOnly(fields), outcome, fields["raasTxnRef"]);
    },
  };
}

const SUCCESS_FIELDS = "raasTxnRef reserveFundsTxnRef responseCode responseMessage";
const DECLINE_FIELDS = "raasTxnRef responseCode responseMessage";
const fieldsIn = ({ json }: Answer) =>
  Object.keys(json ?? {})
    .sort()
    .join(" ");

/** A decline of any kind, by what is known of the bank. */
async function anyDecline(kit: Kit): Promise<Answer | null> {
  const { unmapped, inactive, withoutFunds, aboveMaximum } = kit.profile;
  const buyer = unmapped ?? inactive ?? withoutFunds;
  if (buyer !== null) return kit.reserve({ sourceIdentifier: buyer });
  return aboveMaximum === null ? null : kit.reserve({ reserveAmount: aboveMaximum });
}

const otherCurrency = ({ profile }: Kit) => (profile.currency === "USD" ? "EUR" : "USD");

export const answerRules: readonly Rule[] = [
  {
    id: "answer.success",
    section: "2",
    words: "0000 Success with reserveFundsTxnRef, a text of at most 64 characters",
    needs: ["active"],
    async run(kit) {
      const fields = kit.reserveFields();
      const answer = await kit.reserveOnly(fields);
      mustAnswer(answer, "success", fields["raasTxnRef"]);
      const reference = answer.json?.["reserveFundsTxnRef"];
      must(
        typeof reference === "string" && reference.length >= 1 && reference.length <= 64,
        "reserveFundsTxnRef is no text of 1 to 64 characters",
      );
    },
  },
  {
    id: "answer.fields",
    section: "2",
    words: "The answer has these fields and no others; reserveFundsTxnRef only with 0000",
    needs: ["active"],
    async run(kit) {
      const { answer } = await kit.reserved();
      must(fieldsIn(answer) === SUCCESS_FIELDS, `Success has the fields ${fieldsIn(answer)}`);
      const declined = await anyDecline(kit);
      if (declined === null || declined.status !== 200) return;
      must(fieldsIn(declined) === DECLINE_FIELDS, `a decline has the fields ${fieldsIn(declined)}`);
    },
  },
  {
    id: "answer.unique",
    section: "2",
    words: "reserveFundsTxnRef is unique for ever",
    needs: ["active"],
    async run(kit) {
      const references = new Set<string | null>();
      for (let times = 0; times < 5; times += 1) references.add((await kit.reserved()).reference);
      must(references.size === 5, "two purchases were given the same reserveFundsTxnRef");
    },
  },
  decline("decline.2050", "belowMinimum", ["active", "belowMinimum"], ({ profile }) => ({
    reserveAmount: profile.belowMinimum,
  })),
  decline("decline.2040", "maximumExceeded", ["active", "aboveMaximum"], ({ profile }) => ({
    reserveAmount: profile.aboveMaximum,
  })),
  decline("decline.2030", "notMapped", ["unmapped"], ({ profile }) => ({
    sourceIdentifier: profile.unmapped,
  })),
  decline("decline.2020-absent", "invalidAuthCode", ["withPin"], ({ profile }) => ({
    sourceIdentifier: profile.withPin,
  })),
  {
    id: "decline.2020-wrong",
    section: "2",
    words: "2020 Invalid authentication code: wrong, while the right one is served",
    needs: ["withPin", "pin"],
    async run(kit) {
      const { withPin: sourceIdentifier, pin } = kit.profile;
      const wrong = kit.reserveFields({ sourceIdentifier, authCode: wrongPin(pin ?? "") });
      mustAnswer(await kit.reserveOnly(wrong), "invalidAuthCode", wrong["raasTxnRef"]);
      const right = await kit.reserve({ sourceIdentifier, authCode: pin });
      must(codeOf(right) === "0000", `the right one: got ${said(right)}`);
    },
  },
  decline("decline.2080", "accountInactive", ["inactive"], ({ profile }) => ({
    sourceIdentifier: profile.inactive,
  })),
  decline("decline.2070-account", "blacklisted", ["blacklisted"], ({ profile }) => ({
    sourceIdentifier: profile.blacklisted,
  })),
  decline("decline.2070-buyer", "blacklisted", ["blocked"], ({ profile }) => ({
    sourceIdentifier: profile.blocked,
  })),
  decline("decline.2010", "insufficientFunds", ["withoutFunds"], ({ profile }) => ({
    sourceIdentifier: profile.withoutFunds,
  })),
  decline("decline.2090", "unknownError", ["active", "currency"], (kit) => ({
    currencyCode: otherCurrency(kit),
  })),
  {
    id: "currency.own",
    section: "1",
    words: "The bank's own currencyCode, case aside, and one of another type are served",
    needs: ["active", "currency"],
    async run(kit) {
      const { currency } = kit.profile;
      for (const currencyCode of [currency, currency?.toLowerCase(), 710, ""]) {
        const answer = await kit.reserve({ currencyCode });
        const what = `currencyCode ${JSON.stringify(currencyCode)}`;
        must(codeOf(answer) === "0000", `${what}: got ${said(answer)}`);
      }
    },
  },
  {
    id: "order.currency",
    section: "1",
    words: "Another currencyCode answers 2090 before the other checks",
    needs: ["unmapped", "currency"],
    async run(kit) {
      const fields = { sourceIdentifier: kit.profile.unmapped, currencyCode: otherCurrency(kit) };
      const answer = await kit.reserve(fields);
      must(codeOf(answer) === "2090", `expected responseCode "2090", got ${said(answer)}`);
    },
  },
  {
    id: "order.limits",
    section: "2",
    words: "The limits are checked before the account: 2050 and 2040 come before 2030",
    needs: ["unmapped", "belowMinimum", "aboveMaximum"],
    async run(kit) {
      const { unmapped: sourceIdentifier, belowMinimum, aboveMaximum } = kit.profile;
      const below = await kit.reserve({ sourceIdentifier, reserveAmount: belowMinimum });
      must(codeOf(below) === "2050", `below the minimum: got ${said(below)}`);
      const above = await kit.reserve({ sourceIdentifier, reserveAmount: aboveMaximum });
      must(codeOf(above) === "2040", `above the maximum: got ${said(above)}`);
    },
  },
  {
    id: "answer.parallel",
    section: "4.11",
    words: "Several requests in flight for one account at once are normal",
    needs: ["active"],
    async run(kit) {
      const answers = await Promise.all(Array.from({ length: 5 }, () => kit.reserve()));
      const other = answers.find((answer) => codeOf(answer) !== "0000");
      must(other === undefined, `one of five at once: got ${other && said(other)}`);
    },
  },
];

const KNOWN_CODES = new Set<unknown>(Object.values(OUTCOMES).map(({ code }) => code));

/** About all that was answered: they are tried last. */
export const closingRules: readonly Rule[] = [
  {
    id: "answer.codes",
    section: "2",
    words: "Only these codes are ever sent",
    needs: [],
    async run(kit) {
      const answered = kit.exchanges.filter(
        ({ call, answer }) => call === "reserveFunds" && answer.status === 200,
      );
      if (answered.length === 0) throw new NotTried("no reserve was answered with HTTP 200");
      const other = answered.find(({ answer }) => !KNOWN_CODES.has(codeOf(answer)));
      must(other === undefined, `an answer has ${other && said(other.answer)}`);
    },
  },
  {
    id: "time.reserve",
    section: "4.3",
    words: "A reserve is answered inside the bank's budget: within 2 s, with 2060 if need be",
    needs: [],
    async run(kit, { reserveMs }) {
      const reserves = kit.exchanges.filter(({ call }) => call === "reserveFunds");
      const late = reserves.filter(({ answer }) => answer.ms > reserveMs);
      const slowest = Math.max(...reserves.map(({ answer }) => answer.ms));
      const figures = `${late.length} of ${reserves.length}, the slowest ${Math.round(slowest)} ms`;
      must(late.length === 0, `not answered within ${reserveMs / 1_000} s: ${figures}`);
    },
  },
  {
    id: "time.result",
    section: "3",
    words: "A result is answered within 4 s, with 503 if need be",
    needs: [],
    async run(kit, { resultMs }) {
      const results = kit.exchanges.filter(({ call }) => call === "transactResult");
      const late = results.filter(({ answer }) => answer.ms > resultMs || answer.status === 0);
      const last = late.at(-1)?.answer;
      must(late.length === 0, `${late.length} of ${results.length}: ${last && said(last)}`);
    },
  },
];
