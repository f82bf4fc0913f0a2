// contract.md 4.1: one receipt for each request on the two paths, with secrets masked.
import { describe, expect, test } from "bun:test";
import { createHash, createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { answerOf } from "../../src/http/answered.ts";
import type { ReceiptView } from "../../src/storage/store.ts";
import { BY, bytesOutsideKeys, done, newRequestId, reserve, reserveBody } from "./bank.ts";
import { sharedBank } from "./scenario.ts";

const bank = sharedBank({ accounts: [{ pin: "4321" }, { number: "1002", buyers: ["free"] }] });
const newest = (): ReceiptView => bank().store.receipts(1)[0]!;
const free = (fields: Record<string, unknown> = {}) =>
  reserveBody({ sourceIdentifier: "free", reserveAmount: 100, ...fields });

describe("every request leaves one receipt, with what it was answered", () => {
  const raasTxnRef = newRequestId();
  const rows: readonly [
    name: string,
    path: string,
    body: unknown,
    answer: [status: number, responseCode: string | null, message: string | null],
  ][] = [
    ["a reserve", "/reserveFunds", free({ raasTxnRef }), [200, "0000", "Success"]],
    ["its repeat", "/reserveFunds", free({ raasTxnRef }), [200, "0000", "Success"]],
    [
      "a conflict",
      "/reserveFunds",
      free({ raasTxnRef, reserveAmount: 101 }),
      [200, "2090", "Unknown error"],
    ],
    [
      "a decline",
      "/reserveFunds",
      free({ sourceIdentifier: "nobody" }),
      [200, "2030", "Consumer Account not mapped"],
    ],
    [
      "a malformed field",
      "/reserveFunds",
      free({ feeAmount: "x" }),
      [400, "2090", expect.stringContaining("feeAmount must be")],
    ],
    ["a result", "/transactResult", { raasTxnRef, responseCode: "0000" }, [202, null, null]],
    ["its repeat", "/transactResult", { raasTxnRef, responseCode: "0000" }, [202, null, null]],
    ["a contradiction", "/transactResult", { raasTxnRef, responseCode: "2201" }, [202, null, null]],
    [
      "an unmatched result",
      "/transactResult",
      { raasTxnRef: newRequestId(), responseCode: "2201" },
      [404, null, "No matching reservation"],
    ],
    [
      "a malformed result",
      "/transactResult",
      { raasTxnRef, responseCode: 0 },
      [400, "2090", "responseCode must be a string of four digits"],
    ],
    [
      "no JSON",
      "/transactResult",
      "not JSON",
      [400, "2090", "the body must be a JSON object in UTF-8"],
    ],
  ];

  test.each(rows)("%s on %s", async (_, path, body, [status, responseCode, message]) => {
    const before = bank().store.receipts(1_000).length;
    const startedAt = Date.now();
    const answer = await bank().post(path, body);
    expect(answer.status).toBe(status);
    expect(bank().store.receipts(1_000).length).toBe(before + 1);
    const receipt = newest();
    // What `receipts show` gives as the answer is what went out, byte for byte.
    const told = answerOf(receipt);
    expect(told?.body ?? "").toBe(answer.body);
    for (const [name, value] of Object.entries(told?.headers ?? {})) {
      expect(answer.headers.get(name)).toBe(value);
    }
    expect(receipt).toMatchObject({ path, method: "POST", status, responseCode, message });
    expect(receipt.signature).toBe("not-required");
    expect(receipt.receivedAt).toBeWithin(startedAt, Date.now() + 1);
    expect(receipt.durationUs).toBeWithin(0, 1_800_000);
    const text = typeof body === "string" ? body : JSON.stringify(body);
    expect(receipt.bodyLength).toBe(Buffer.byteLength(text));
    if (typeof body !== "string") expect(receipt.body).toBe(text);
  });

  test("the receipts of one purchase are found by its reference", async () => {
    const reference = bank().store.reservation(raasTxnRef)!.reference;
    const statuses = bank()
      .store.receiptsOf(raasTxnRef, reference)
      .map(({ status }) => status);
    // The 400 changed nothing, so it is not the purchase's.
    expect(statuses).toEqual([200, 200, 200, 202, 202, 202]);
  });
});

describe("secrets are masked in any case, at any depth, of any type", () => {
  const SECRET = "s3cr3t-9f2b";
  const NAMES = [
    ...["authCode", "token", "pin", "otp", "password"],
    ...["AUTHCODE", "authcode", "AuthCode", "TOKEN", "Token", "PIN", "Pin", "oTp", "PassWord"],
  ];
  const VALUES: readonly [type: string, value: unknown][] = [
    ["a string", SECRET],
    ["a number", 80_085_123],
    ["a boolean", true],
    ["null", null],
    ["an object", { a: SECRET, b: { c: SECRET } }],
    ["an array", [SECRET, [SECRET]]],
  ];

  for (const name of NAMES) {
    test.each(VALUES)(`${name} as %s`, async (_, value) => {
      // On the top level, where the wire knows authCode and token as strings only, it may be a 400.
      for (const fields of [
        { [name]: value },
        { additionalData: { [name]: value } },
        { extra: [[{ deep: { er: [{ [name]: value }] } }]] },
      ]) {
        await bank().post("/reserveFunds", free(fields));
        const kept = newest().body!;
        expect(kept).toContain(`"${name}":"***"`);
        expect(kept).not.toContain(SECRET);
        expect(kept).not.toContain("80085123");
      }
    });
  }

  test("in a result as well", async () => {
    const raasTxnRef = newRequestId();
    const result = { raasTxnRef, responseCode: "2201", token: SECRET, more: { PIN: SECRET } };
    await bank().post("/transactResult", result);
    expect(newest().body).toBe(
      `{"raasTxnRef":"${raasTxnRef}","responseCode":"2201","token":"***","more":{"PIN":"***"}}`,
    );
  });

  test("of two fields with one name the first leaves nothing", async () => {
    const body = `{"raasTxnRef":"${newRequestId()}","sourceIdentifier":"free","reserveAmount":100,
      "authCode":"${SECRET}","authCode":"second"}`;
    expect((await bank().post("/reserveFunds", body)).body).toContain('"0000"');
    expect(newest().body).not.toContain(SECRET);
    expect(newest().body).not.toContain("second");
  });

  test("names that only look alike are kept", async () => {
    await bank().post("/reserveFunds", free({ pinCode: "kept-1", tokens: "kept-2", topic: "x" }));
    expect(newest().body).toContain('"pinCode":"kept-1","tokens":"kept-2"');
  });
});

describe("a body that does not parse leaves its length and a keyed digest only", () => {
  const BODIES: readonly [name: string, body: string | Uint8Array][] = [
    ["cut off", '{"authCode":"4321","raasTxnRef":'],
    ["an array", '[{"authCode":"4321"}]'],
    ["a string", '"4321"'],
    ["a number", "4321"],
    ["form data", "authCode=4321&reserveAmount=10000"],
    ["invalid UTF-8", new Uint8Array([...Buffer.from('{"authCode":"4321'), 0xff, 0x22, 0x7d])],
    ["nothing", ""],
  ];

  test.each(BODIES)("%s", async (_, body) => {
    const answer = await bank().post("/reserveFunds", body);
    expect([answer.status, answer.body]).toEqual([
      400,
      '{"responseCode":"2090","responseMessage":"the body must be a JSON object in UTF-8"}',
    ]);
    const bytes = Buffer.from(body as string);
    const { dataDir } = bank();
    const key = Buffer.from(readFileSync(join(dataDir, "keys/receipt.key"), "utf8").trim(), "hex");
    const receipt = newest();
    expect(receipt.body).toBeNull();
    expect(receipt.bodyLength).toBe(bytes.byteLength);
    expect(receipt.bodyDigest).toBe(createHmac("sha256", key).update(bytes).digest("hex"));
  });
});

test("a body nested too deeply to be written anew is served and leaves its digest only", async () => {
  for (const [depth, isKept] of [
    [90, true],
    [20_000, false],
  ] as const) {
    const extra = `${"[".repeat(depth)}{"pin":"4321"}${"]".repeat(depth)}`;
    const text = JSON.stringify(reserveBody({ additionalData: "HERE" })).replace('"HERE"', extra);
    const answer = await bank().post("/reserveFunds", text);
    expect(answer.status).toBe(200);
    const receipt = newest();
    expect([receipt.body !== null, receipt.bodyDigest === null]).toEqual([isKept, isKept]);
    expect(receipt.body ?? "").not.toContain("4321");
  }
});

describe("no secret reaches a file outside keys/", () => {
  const PIN = "918273645501";
  const WRONG_PIN = "736455019182";
  const TOKEN = "5501-9182-7364-7777";
  const PASSWORD = "hunter2-canary-6b1f";

  test("whatever is done with it", async () => {
    done(bank().store.setPin(BY, "1001", PIN));
    const secrets = { otp: PASSWORD, more: { password: PASSWORD, list: [{ Token: TOKEN }] } };
    const bought = await reserve(bank(), { authCode: PIN, ...secrets });
    expect(bought.responseCode).toBe("0000");
    expect((await reserve(bank(), { authCode: WRONG_PIN })).responseCode).toBe("2020");
    // A repeat, a conflict, a malformed field, an unparsable body, refusals at the door.
    await reserve(bank(), { raasTxnRef: bought.raasTxnRef, authCode: PIN });
    await reserve(bank(), { raasTxnRef: bought.raasTxnRef, authCode: PIN, reserveAmount: 5 });
    await bank().post("/reserveFunds", reserveBody({ authCode: PIN, feeAmount: "x" }));
    await bank().post("/reserveFunds", reserveBody({ authCode: Number(PIN) }));
    await bank().post("/reserveFunds", `{"authCode":"${PIN}"`);
    await bank().post("/transactResult", { responseCode: "0000", token: TOKEN });
    const { raasTxnRef } = bought;
    await bank().post("/transactResult", { raasTxnRef, responseCode: "0000", token: TOKEN });
    await bank().post("/transactResult", { raasTxnRef, responseCode: "0000", token: [TOKEN] });
    const init = { method: "PUT", body: PIN, headers: { authorization: `Basic ${PASSWORD}` } };
    await bank().request("/reserveFunds", init);
    await bank().post("/nowhere", { authCode: PIN });
    await bank().post("/reserveFunds", PIN.repeat(6_000));
    await bank().post("/reserveFunds?authCode=918273645501", reserveBody({ reserveAmount: 5 }));
    await bank().engine.drained();

    const bytes = bytesOutsideKeys(bank().dataDir);
    // It looks where things are kept.
    expect(bytes.includes(bought.reserveFundsTxnRef)).toBe(true);
    for (const secret of [PIN, WRONG_PIN, TOKEN, PASSWORD]) {
      const digest = createHash("sha256").update(secret).digest();
      const forms = {
        clear: secret,
        base64: Buffer.from(secret).toString("base64").slice(0, -4),
        "unkeyed digest": digest.toString("latin1"),
        "unkeyed digest in hex": digest.toString("hex"),
      };
      // Not `toContain`: a failure would print the whole database.
      const found = Object.entries(forms).filter(([, form]) => bytes.includes(form));
      expect(found).toEqual([]);
    }
  });
});
