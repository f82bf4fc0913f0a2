// The bodies as they are seen in the field (field-bodies.json), each sent as it stands.
import { describe, expect, test } from "bun:test";
import { minor } from "../../src/domain/money.ts";
import { type ReserveAnswer, type Wanted, wireBody } from "./bank.ts";
import bodies from "./field-bodies.json";
import { sharedBank } from "./scenario.ts";

type FieldBody = { call: string; form: string; body: Record<string, unknown> };

const ACCOUNTS: readonly Wanted[] = [
  { number: "1001", buyers: ["2348031234567"] },
  { number: "1002", buyers: ["0821234567"] },
  { number: "1003", buyers: ["27731304799"] },
];

const reserves = (bodies as FieldBody[]).filter(({ call }) => call === "reserveFunds");
const results = (bodies as FieldBody[]).filter(({ call }) => call === "transactResult");

/** By the result's form: what becomes of the reservation. */
const ENDS = { "0000": "debited", "2201": "released", "2226": "released" } as const;

describe("bodies from the field", () => {
  const bank = sharedBank({ accounts: ACCOUNTS });
  const references = new Map<unknown, string>();

  test("there are three of each", () => {
    expect([reserves.length, results.length]).toEqual([3, 3]);
  });

  for (const { form, body } of reserves) {
    test(`reserveFunds, ${form}: reserved`, async () => {
      const answer = await bank().post("/reserveFunds", body);
      expect([answer.status, answer.body]).toEqual([200, expect.stringContaining('"0000"')]);
      const { reserveFundsTxnRef, raasTxnRef } = JSON.parse(answer.body) as ReserveAnswer;
      expect(raasTxnRef).toBe(String(body["raasTxnRef"]));
      references.set(raasTxnRef, reserveFundsTxnRef);
      const reservation = bank().store.reservation(reserveFundsTxnRef)!;
      expect(reservation.reserveAmount).toBe(minor(Number(body["reserveAmount"])));
    });
  }

  for (const { form, body } of results) {
    test(`transactResult, ${form}: 202 and settled`, async () => {
      const reference = references.get(body["raasTxnRef"]);
      const given = body["reserveFundsTxnRef"] === null ? null : reference;
      const result = { ...body, reserveFundsTxnRef: given };
      const answer = await bank().post("/transactResult", wireBody(result));
      expect([answer.status, answer.body]).toEqual([202, ""]);
      const { state, resultCode } = bank().store.reservation(reference!)!;
      expect([state, resultCode]).toEqual([ENDS[resultCode as keyof typeof ENDS], resultCode]);
      expect(resultCode).toBe(String(body["responseCode"]));
    });
  }

  test("nothing is held, and no secret of theirs is in a receipt", () => {
    for (const { number } of ACCOUNTS) expect(bank().held(number)).toBe(minor(0));
    const kept = bank()
      .store.receipts(10)
      .map((receipt) => receipt.body)
      .join("\n");
    expect(kept).not.toContain('"4321"');
    expect(kept).not.toContain("0123-4567-8901-2345");
    expect(kept).toContain('"authCode":"***"');
    expect(kept).toContain('"token":"***"');
  });

  test("no finding: differing sums are a note, and every amount agreed", () => {
    expect(bank().store.findings({ openAt: null, limit: 100 })).toEqual([]);
  });
});
