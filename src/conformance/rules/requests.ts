// Contract 1: what a reserveFunds may look like and must then be served, and what must be refused.
import { codeOf, type Fields, type Kit, must, mustRefuse, NotTried, said } from "../kit.ts";
import type { Rule } from "../rule.ts";

/** The request must be served as any other: its form is no reason to decline it. */
async function mustServe(kit: Kit, fields: Fields, what: string): Promise<void> {
  const answer = await kit.reserveOnly(fields);
  must(codeOf(answer) === "0000", `${what}: expected responseCode "0000", got ${said(answer)}`);
}

async function mustBeMalformed(kit: Kit, fields: Fields, what: string): Promise<void> {
  mustRefuse(await kit.reserveOnly(fields), 400, what);
}

const asText = (fields: Fields): Fields =>
  Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === "number" ? String(value) : value,
    ]),
  );

const NO_AMOUNTS: readonly (readonly [what: string, value: unknown])[] = [
  ["a sign", "-1000"],
  ["a blank", " 1000"],
  ["a decimal point", "10.00"],
  ["an exponent", "1e3"],
  ["a hexadecimal", "0x10"],
  ["13 digits", "1000000000000"],
  ["a broken number", 10.5],
  ["a negative number", -1_000],
  ["zero", 0],
  ["true", true],
  ["a list", [1_000]],
];

export const requestRules: readonly Rule[] = [
  {
    id: "fields.strings",
    section: "1",
    words: "Every numeric field arrives as an integer or as a digit string: accept both",
    needs: ["active"],
    async run(kit) {
      const fields = kit.reserveFields({ channelId: "07", productType: "3" });
      await mustServe(kit, asText(fields), "every number as a digit string");
      await mustServe(kit, kit.reserveFields({ productType: 3 }), "numbers");
    },
  },
  {
    id: "fields.absent",
    section: "1",
    words: "An expected field's absence is accepted; null and empty text mean absent",
    needs: ["active"],
    async run(kit) {
      const { sourceIdentifier, reserveAmount } = kit.reserveFields();
      const least = () => ({ raasTxnRef: kit.newId(), sourceIdentifier, reserveAmount });
      await mustServe(kit, least(), "the three required fields alone");
      const empty = { feeAmount: null, targetIdentifier: "", authCode: null, channelId: "" };
      await mustServe(kit, kit.reserveFields(empty), "null and empty optional fields");
    },
  },
  {
    id: "fields.extra",
    section: "1",
    words: "Unknown extra fields of any JSON type are accepted; any other channelId is accepted",
    needs: ["active"],
    async run(kit) {
      const extra = { additionalData: { fundingSourceId: "3" }, x1: [1, null], x2: true, x3: 1.5 };
      await mustServe(kit, kit.reserveFields(extra), "unknown fields");
      await mustServe(kit, kit.reserveFields({ channelId: 4711 }), "a channel nobody knows");
    },
  },
  {
    id: "fields.sums",
    section: "1",
    words: "Sums do not always add up: never refuse on arithmetic",
    needs: ["active"],
    run: (kit) => mustServe(kit, kit.reserveFields({ feeAmount: 7, clientShareAmount: 3 }), "sums"),
  },
  {
    id: "fields.timestamp",
    section: "1",
    words: "timestamp: any JSON value is kept, none is ever declined or refused",
    needs: ["active"],
    async run(kit) {
      for (const timestamp of ["2020-01-09T09:58:46.1+0200", "yesterday", 17, null, { at: 1 }]) {
        const what = `timestamp ${JSON.stringify(timestamp)}`;
        await mustServe(kit, kit.reserveFields({ timestamp }), what);
      }
    },
  },
  {
    id: "fields.envelope",
    section: "1",
    words: "Content-Type varies; extra headers and query parameters are ignored",
    needs: ["active"],
    async run(kit) {
      for (const type of ["application/json; charset=utf-8", "text/plain", "x/y"]) {
        const answer = await kit.reserve({}, { headers: { "content-type": type } });
        must(codeOf(answer) === "0000", `Content-Type ${type}: got ${said(answer)}`);
      }
      const answer = await kit.reserve(
        {},
        { query: "?from=simulate", headers: { "x-extra": "1" } },
      );
      must(codeOf(answer) === "0000", `a query and a header more: got ${said(answer)}`);
    },
  },
  {
    id: "fields.spellings",
    section: "1",
    words: "sourceIdentifier: the buyer in any usual spelling",
    needs: ["active", "spellings"],
    async run(kit) {
      for (const sourceIdentifier of kit.profile.spellings ?? []) {
        await mustServe(kit, kit.reserveFields({ sourceIdentifier }), `"${sourceIdentifier}"`);
      }
    },
  },
  {
    id: "malformed.body",
    section: "2",
    words: "400: not JSON",
    needs: [],
    async run(kit) {
      for (const body of ["", "{", "[]", '"text"', "raasTxnRef=1"]) {
        const what = body === "" ? "no body" : body;
        mustRefuse(await kit.raw("reserveFunds", { body }), 400, what);
        mustRefuse(await kit.raw("transactResult", { body }), 400, what);
      }
    },
  },
  {
    id: "malformed.missing",
    section: "2",
    words: "400: a required field missing",
    needs: [],
    async run(kit) {
      for (const field of ["raasTxnRef", "sourceIdentifier", "reserveAmount"]) {
        await mustBeMalformed(kit, kit.reserveFields({ [field]: undefined }), `no ${field}`);
        await mustBeMalformed(kit, kit.reserveFields({ [field]: null }), `${field} null`);
      }
    },
  },
  {
    id: "malformed.amount",
    section: "1",
    words: "A string counts only as 1 to 12 ASCII digits, a number by its whole value over 0",
    needs: [],
    async run(kit) {
      for (const [what, reserveAmount] of NO_AMOUNTS) {
        await mustBeMalformed(kit, kit.reserveFields({ reserveAmount }), `an amount with ${what}`);
      }
    },
  },
  {
    id: "malformed.reference",
    section: "1",
    words: "raasTxnRef and sourceIdentifier: 1-64 characters, without control characters",
    needs: [],
    async run(kit) {
      for (const field of ["raasTxnRef", "sourceIdentifier"]) {
        const long = kit.reserveFields({ [field]: "x".repeat(65) });
        await mustBeMalformed(kit, long, `${field} of 65 characters`);
        const control = kit.reserveFields({ [field]: "a\u0007b" });
        await mustBeMalformed(kit, control, `${field} with a control character`);
      }
    },
  },
  {
    id: "malformed.known",
    section: "2",
    words: "400: any known field malformed",
    needs: [],
    async run(kit) {
      const wrong = { feeAmount: "free", channelId: true, productId: "1.5", channelName: 5 };
      for (const [field, value] of Object.entries(wrong)) {
        await mustBeMalformed(kit, kit.reserveFields({ [field]: value }), `${field} malformed`);
      }
    },
  },
  {
    id: "malformed.message",
    section: "2",
    words: "400: responseCode 2090 and a message naming the field and the rule, never the value",
    needs: [],
    async run(kit) {
      const answer = await kit.reserve({ feeAmount: "canary-value" });
      if (answer.status !== 400) throw new NotTried(`a malformed feeAmount got ${said(answer)}`);
      must(codeOf(answer) === "2090", `expected responseCode "2090", got ${said(answer)}`);
      must(/feeAmount/.test(answer.body), "the message does not name the field");
      must(!/canary/.test(answer.body), "the message repeats the value");
    },
  },
  {
    id: "malformed.forgotten",
    section: "4.2",
    words: "400 is no outcome and is not remembered: the corrected request is served",
    needs: ["active"],
    async run(kit) {
      const raasTxnRef = kit.newId();
      const refused = await kit.reserve({ raasTxnRef, feeAmount: "free" });
      if (refused.status !== 400) throw new NotTried(`a malformed one got ${said(refused)}`);
      const answer = await kit.reserve({ raasTxnRef });
      must(codeOf(answer) === "0000", `expected responseCode "0000", got ${said(answer)}`);
    },
  },
  {
    id: "http.method",
    section: "2",
    words: "405: wrong method",
    needs: [],
    async run(kit) {
      for (const call of ["reserveFunds", "transactResult"] as const) {
        mustRefuse(await kit.raw(call, { method: "GET" }), 405, `GET ${call}`);
      }
    },
  },
  {
    id: "http.path",
    section: "2",
    words: "404: unknown path, with another text than the unmatched 404",
    needs: [],
    async run(kit) {
      const path = `/no-such-path-${kit.run}`;
      const answer = await kit.raw("reserveFunds", { body: "{}", path });
      mustRefuse(answer, 404, "a path that does not exist");
      must(
        !/No matching reservation/.test(answer.body),
        "it says what an unmatched result is told",
      );
    },
  },
  {
    id: "http.limit",
    section: "1",
    words: "Body limit 64 KiB: at it a body is served, over it 413",
    needs: ["active"],
    async run(kit) {
      const fields = kit.reserveFields();
      const bare = JSON.stringify({ ...fields, additionalData: "" }).length;
      const ofBytes = (bytes: number) => ({ ...fields, additionalData: "x".repeat(bytes - bare) });
      mustRefuse(await kit.reserveOnly(ofBytes(65_537)), 413, "65,537 bytes");
      await mustServe(kit, ofBytes(65_536), "65,536 bytes");
    },
  },
];
