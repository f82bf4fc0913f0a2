// contract.md 5: whatever is done to a signature or to the body that it signs is 401 and changes
// nothing, what was signed once changes nothing a second time, and the time of a 401 tells nothing.
import { afterAll, describe, expect, test } from "bun:test";
import { minor } from "../../src/domain/money.ts";
import { checkSignature, signatureOf } from "../../src/http/authenticate.ts";
import { noteTorture, times } from "../torture.ts";
import { BUYER, reserveBody, type TestBank } from "./bank.ts";
import { sharedBank } from "./scenario.ts";

const SECRET = "a-secret-of-theirs";
const bytesOf = (text: string) => new Uint8Array(Buffer.from(text));
const sign = (text: string, secret = SECRET) => signatureOf(secret, bytesOf(text));

/** What a bank is after its last commit: held money, and how often it did something. */
const stateOf = ({ store, held }: TestBank) => ({
  held: held(),
  balance: store.account("1001")?.ledgerBalance,
  reservations: store.reservations({ limit: 1_000 }).length,
  findings: store.findings({ openAt: null, limit: 1_000 }).length,
  journal: store.journal({ from: 0, to: Date.now() + 1, limit: 1_000 }).length,
});

describe("one bit", () => {
  const bank = sharedBank({ authentication: { signatureSecrets: () => [SECRET] } });
  const text = JSON.stringify(reserveBody());
  const right = sign(text);
  let refused = 0;

  /** Sends a body with a header and expects that it is turned away. */
  async function is401(header: string, body: string | Uint8Array = text): Promise<void> {
    const { status } = await bank().post("/reserveFunds", body, { Signature: header });
    expect([status, header]).toEqual([401, header]);
    refused += 1;
  }

  test("of any of the 44 characters, as far as it can stand in a header", async () => {
    for (let at = 0; at < right.length; at += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        const turned = Buffer.from(right, "latin1");
        turned[at]! ^= 1 << bit;
        const header = turned.toString("latin1");
        // Blanks around a value are none of it, and what is no header value cannot be sent.
        if (/^[\x21-\x7e\xa1-\xff]+$/.test(header)) await is401(header);
      }
    }
    expect(refused).toBeGreaterThan(44 * 6);
  });

  test("of the 256 that the characters stand for", async () => {
    for (let bit = 0; bit < 256; bit += 1) {
      const turned = Buffer.from(right, "base64");
      turned[bit >> 3]! ^= 1 << (bit & 7);
      await is401(turned.toString("base64"));
    }
  });

  test("of the body, anywhere", async () => {
    for (let at = 0; at < text.length; at += 1) {
      const turned = bytesOf(text);
      turned[at]! ^= 1 << (at & 7);
      await is401(right, turned);
    }
  });

  test("each character in its other case, one missing, one doubled, two changed places", async () => {
    for (let at = 0; at < right.length; at += 1) {
      const [head, sign, tail] = [right.slice(0, at), right[at]!, right.slice(at + 1)];
      const other = sign === sign.toLowerCase() ? sign.toUpperCase() : sign.toLowerCase();
      if (other !== sign) await is401(head + other + tail);
      await is401(head + tail);
      await is401(head + sign + sign + tail);
      const next = tail[0];
      if (next !== undefined && next !== sign) await is401(head + next + sign + tail.slice(1));
    }
  });

  test("the body serialised anew in every usual way", async () => {
    const value = JSON.parse(text) as Record<string, unknown>;
    const anew = [
      JSON.stringify(value, null, 2),
      JSON.stringify(value, null, "\t"),
      JSON.stringify(Object.fromEntries(Object.entries(value).reverse())),
      text.replaceAll(":", ": "),
      text.replaceAll(",", ", "),
      text.replaceAll('"', "'"),
      text.replace("10000", "10000.0"),
      text.replace("10000", "1e4"),
      text.replace("airtime", "\\u0061irtime"),
      `${text} `,
      `${text}\r\n`,
      `\ufeff${text}`,
    ];
    for (const body of anew) await is401(right, body);
  });

  test("nothing of it changed anything, and the true one is served", async () => {
    await bank().engine.drained();
    expect(stateOf(bank())).toMatchObject({ held: minor(0), reservations: 0, findings: 0 });
    expect((await bank().post("/reserveFunds", text, { Signature: right })).status).toBe(200);
  });

  afterAll(() => {
    noteTorture({
      injected: "a signature with one bit, one character or its body changed",
      times: refused,
      held: "each is 401, and nothing changes",
    });
  });
});

describe("a captured request, sent again", () => {
  const bank = sharedBank({ authentication: { signatureSecrets: () => [SECRET] } });
  const REPLAYS = times(200, 20_000);

  test(`${REPLAYS} times, before and after its result: one hold, one debit`, async () => {
    const raasTxnRef = "captured";
    const messages = [
      ["/reserveFunds", JSON.stringify(reserveBody({ raasTxnRef }))],
      ["/transactResult", JSON.stringify({ raasTxnRef, responseCode: "0000" })],
    ] as const;
    for (const [path, body] of messages) {
      const send = () => bank().post(path, body, { Signature: sign(body) });
      const first = await send();
      const after = stateOf(bank());
      for (let done = 0; done < REPLAYS; done += 50) {
        const answers = await Promise.all(Array.from({ length: 50 }, send));
        for (const { status, body: said } of answers) {
          expect([status, said]).toEqual([first.status, first.body]);
        }
      }
      expect(stateOf(bank())).toEqual(after);
    }
    // A reserve's repeat after the debit is still its first answer.
    const [[path, body]] = messages;
    const late = await bank().post(path, body, { Signature: sign(body) });
    expect(late.body).toContain('"responseCode":"0000"');
    expect(stateOf(bank())).toMatchObject({ held: minor(0), balance: minor(490_000) });
    noteTorture({
      injected: "a captured signed request, sent again before and after its result",
      times: REPLAYS * 2,
      held: "one hold, one debit, the same answer",
    });
  });

  test("its signature opens no other path and no other body", async () => {
    const raasTxnRef = "another";
    const reserve = JSON.stringify(reserveBody({ raasTxnRef }));
    const result = JSON.stringify({ raasTxnRef, responseCode: "0000" });
    const before = stateOf(bank());
    // The body alone is signed: on the other path it is well signed, and no message of that path.
    const crossed = await bank().post("/transactResult", reserve, { Signature: sign(reserve) });
    expect(crossed.status).toBe(400);
    expect((await bank().post("/reserveFunds", result, { Signature: sign(reserve) })).status).toBe(
      401,
    );
    expect(stateOf(bank())).toEqual(before);
  });
});

describe("the old secret", () => {
  let secrets: readonly string[] = ["old"];
  const bank = sharedBank({ authentication: { signatureSecrets: () => secrets } });

  test("is right before and within the overlap of a rotation, and captured requests die with it", async () => {
    const captured = JSON.stringify(reserveBody({ sourceIdentifier: BUYER }));
    const send = (secret: string) =>
      bank().post("/reserveFunds", captured, { Signature: sign(captured, secret) });
    const table: readonly [secrets: readonly string[], old: number, fresh: number][] = [
      [["old"], 200, 401],
      [["new", "old"], 200, 200],
      [["new"], 401, 200],
      [["newer", "new"], 401, 200],
      [["newer"], 401, 401],
    ];
    for (const [valid, old, fresh] of table) {
      secrets = valid;
      expect([valid, (await send("old")).status, (await send("new")).status]).toEqual([
        valid,
        old,
        fresh,
      ]);
    }
    expect(stateOf(bank()).reservations).toBe(1);
  });
});

describe("the comparison", () => {
  const body = bytesOf(JSON.stringify(reserveBody()));
  const right = signatureOf(SECRET, body);
  const wrongAt = (at: number) =>
    right.slice(0, at) + (right[at] === "A" ? "B" : "A") + right.slice(at + 1);

  test("of a signature and of Basic goes through timingSafeEqual, over equal lengths", async () => {
    // By its text: nothing that a test could see, time apart, tells one comparison from another.
    const file = new URL("../../src/http/authenticate.ts", import.meta.url);
    const source = await Bun.file(file).text();
    expect(source).toMatch(
      /function equalTexts[^}]+ \w+\.length === \w+\.length && timingSafeEqual\(/,
    );
    expect(source).toContain("equalTexts(header, signatureOf(secret, body))");
    expect(source).toContain("equalTexts(given, pair)");
  });

  test("its time tells nothing of where the first difference is", () => {
    const ROUNDS = times(2_000, 400_000);
    const headers = [wrongAt(0), wrongAt(21), wrongAt(42)];
    const took: number[][] = headers.map(() => []);
    for (let round = 0; round < ROUNDS; round += 1) {
      // In turns, so that whatever slows the machine slows all alike.
      for (const [index, header] of headers.entries()) {
        const from = Bun.nanoseconds();
        checkSignature(header, body, () => [SECRET]);
        took[index]!.push(Bun.nanoseconds() - from);
      }
    }
    const medians = took.map((all) => all.sort((a, b) => a - b)[all.length >> 1]!);
    const apart = Math.max(...medians) - Math.min(...medians);
    noteTorture({
      injected: "signatures wrong in the first, a middle and the last character, timed in turns",
      times: ROUNDS * headers.length,
      held: `the medians (${medians.map((ns) => `${ns} ns`).join(", ")}) are ${apart} ns apart`,
    });
    // A comparison that stops at the first difference of 44 characters would be some ten ns apart.
    if (times(0, 1) === 1) expect(apart).toBeLessThan(Math.max(40, medians[0]! * 0.02));
  });
});
