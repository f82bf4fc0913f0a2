// contract.md 4.2: one raasTxnRef is one purchase, however often and in whatever form it comes.
import { describe, expect, test } from "bun:test";
import { minor } from "../../src/domain/money.ts";
import { BY, done, newRequestId, reserve, reserveBody } from "./bank.ts";
import { sharedBank } from "./scenario.ts";

const FULL = {
  targetIdentifier: "27821234567",
  feeAmount: 0,
  clientShareAmount: 500,
  channelName: "USSD",
  channelSessionId: "1449",
  timestamp: "2024-01-15T10:30:00.000+02:00",
};

/** What a repeat may have different and still be the same message. */
const SAME: readonly [name: string, fields: Record<string, unknown>][] = [
  ["the very same bytes", {}],
  ["strings for numbers", { reserveAmount: "10000", productId: "00110", settlementAmount: "9000" }],
  ["another spelling of the buyer", { sourceIdentifier: "+27 73 130 4702" }],
  ["a fee that is absent, null, empty or stated as 0", { feeAmount: undefined }],
  ["a fee null", { feeAmount: null }],
  ["a fee empty", { feeAmount: "" }],
  ["a fee 0 as text", { feeAmount: "000" }],
  ["the bank's own currency stated", { currencyCode: "zar" }],
  ["another currencyCode type", { currencyCode: 710 }],
  ["another timestamp", { timestamp: 5 }],
  ["another clientTxnRef", { clientTxnRef: "other" }],
  ["another channel", { channelId: "99", channelName: "x", channelSessionId: null }],
  ["another productType", { productType: "5" }],
  ["another accountIdentifier", { accountIdentifier: "3745******0762" }],
  ["an authCode", { authCode: "1234" }],
  ["unknown extras", { mno: "MTN", vendAmount: "x", additionalData: { a: 1 }, more: [] }],
];

/** What makes it another message; the name is what the finding says of it. */
const OTHER: readonly [field: string, fields: Record<string, unknown>, named: string][] = [
  ["sourceIdentifier", { sourceIdentifier: "27821234567" }, "buyerId"],
  ["reserveAmount", { reserveAmount: 10_001 }, "reserveAmount"],
  ["purchaseAmount", { purchaseAmount: "9999" }, "purchaseAmount"],
  ["purchaseAmount absent", { purchaseAmount: null }, "purchaseAmount"],
  ["feeAmount", { feeAmount: 1 }, "feeAmount"],
  ["clientShareAmount", { clientShareAmount: 501 }, "clientShareAmount"],
  ["clientShareAmount absent", { clientShareAmount: "" }, "clientShareAmount"],
  ["settlementAmount", { settlementAmount: 0 }, "settlementAmount"],
  ["settlementAmount absent", { settlementAmount: null }, "settlementAmount"],
  ["productId", { productId: 111 }, "productId"],
  ["targetIdentifier", { targetIdentifier: "27821234568" }, "targetId"],
  ["targetIdentifier absent", { targetIdentifier: undefined }, "targetId"],
  ["currencyCode", { currencyCode: "USD" }, "currency"],
];

describe("the same content is answered the same, byte for byte", () => {
  const bank = sharedBank();

  test.each(SAME)("%s", async (_, fields) => {
    const body = reserveBody({ ...FULL, raasTxnRef: newRequestId() });
    const before = bank().held();
    const first = await bank().post("/reserveFunds", body);
    const again = await bank().post("/reserveFunds", { ...body, ...fields });
    expect([again.status, again.body]).toEqual([200, first.body]);
    expect(bank().held()).toBe(minor(before + 10_000));
    expect(bank().store.findings({ openAt: null, limit: 100 })).toEqual([]);
  });
});

describe("other content is 2090 and a finding; the first outcome stands", () => {
  const bank = sharedBank();

  test.each(OTHER)("%s", async (_, fields, named) => {
    const body = reserveBody({ ...FULL, raasTxnRef: newRequestId() });
    const first = await bank().post("/reserveFunds", body);
    const before = bank().held();
    const other = await bank().post("/reserveFunds", { ...body, ...fields });
    expect([other.status, other.body]).toEqual([
      200,
      `{"responseCode":"2090","responseMessage":"Unknown error","raasTxnRef":"${body["raasTxnRef"]}"}`,
    ]);
    expect(bank().held()).toBe(before);
    const findings = bank().store.findingsOf(String(body["raasTxnRef"]), "");
    expect(findings.map(({ kind, detail }) => [kind, detail])).toEqual([
      ["conflict", `repeated with other ${named}`],
    ]);
    expect((await bank().post("/reserveFunds", body)).body).toBe(first.body);
  });
});

describe("what is remembered", () => {
  const bank = sharedBank({ accounts: [{ balance: 5_000 }] });

  test("a decline stays a decline even if funds have come since", async () => {
    const body = reserveBody();
    const first = await bank().post("/reserveFunds", body);
    expect(first.body).toContain('"2010"');
    done(bank().store.credit(BY, "1001", minor(100_000)));
    expect((await bank().post("/reserveFunds", body)).body).toBe(first.body);
    expect(bank().held()).toBe(minor(0));
  });

  test("a repeat after the debit says Success again, with the same reference", async () => {
    const body = reserveBody();
    const first = await bank().post("/reserveFunds", body);
    const result = { raasTxnRef: body["raasTxnRef"], responseCode: "0000" };
    expect((await bank().post("/transactResult", result)).status).toBe(202);
    expect((await bank().post("/reserveFunds", body)).body).toBe(first.body);
    expect(bank().held()).toBe(minor(0));
  });

  test.each(["result", "operator"])("after a release by %s a repeat is 2060", async (by) => {
    const body = reserveBody();
    const raasTxnRef = String(body["raasTxnRef"]);
    await bank().post("/reserveFunds", body);
    if (by === "result") {
      await bank().post("/transactResult", { raasTxnRef, responseCode: "2201" });
    } else {
      done(bank().store.settle(BY, raasTxnRef, "release", false));
    }
    const again = await bank().post("/reserveFunds", body);
    expect(again.body).toBe(
      `{"responseCode":"2060","responseMessage":"Time-out","raasTxnRef":"${raasTxnRef}"}`,
    );
    expect(bank().held()).toBe(minor(0));
  });

  test("a 400 is not remembered: the corrected request is decided", async () => {
    const body = reserveBody();
    expect((await bank().post("/reserveFunds", { ...body, feeAmount: true })).status).toBe(400);
    expect((await bank().post("/reserveFunds", body)).body).toContain('"0000"');
  });

  test("a malformed repeat is a 400, not the first answer", async () => {
    const body = reserveBody();
    await bank().post("/reserveFunds", body);
    expect((await bank().post("/reserveFunds", { ...body, feeAmount: -1 })).status).toBe(400);
  });

  test("clientTxnRef and channelSessionId are no keys", async () => {
    const fields = { clientTxnRef: "same", channelSessionId: "same", reserveAmount: 100 };
    expect((await reserve(bank(), fields)).responseCode).toBe("0000");
    expect((await reserve(bank(), fields)).responseCode).toBe("0000");
  });
});

describe("the same request many times at once", () => {
  const bank = sharedBank();

  test("one hold, and fifty equal answers", async () => {
    const body = reserveBody();
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => bank().post("/reserveFunds", body)),
    );
    expect(new Set(answers.map((answer) => answer.body)).size).toBe(1);
    expect(answers[0]!.body).toContain('"0000"');
    expect(bank().held()).toBe(minor(10_000));
  });

  test("a result that comes while its reserve is still running settles it", async () => {
    const body = reserveBody();
    const result = { raasTxnRef: body["raasTxnRef"], responseCode: "0000" };
    const [first, second] = await Promise.all([
      bank().post("/reserveFunds", body),
      bank().post("/transactResult", result),
    ]);
    expect([first.status, second.status]).toEqual([200, 202]);
    expect(bank().store.reservation(String(body["raasTxnRef"]))!.state).toBe("debited");
  });
});
