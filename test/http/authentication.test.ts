// contract.md 5: the signature, HTTP Basic and the allow-list, each on its own.
import { describe, expect, test } from "bun:test";
import { minor } from "../../src/domain/money.ts";
import { signatureOf } from "../../src/http/authenticate.ts";
import { withoutTrailingNewline } from "../../src/keys.ts";
import { reserveBody } from "./bank.ts";
import { scenarios, sharedBank } from "./scenario.ts";

const SECRET = "bank-demo-secret";
/** The contract's test vector. */
const VECTOR =
  '{"clientTxnRef":"demo-client-0001","raasTxnRef":"demo-raas-0001","productId":110,' +
  '"productType":3,"purchaseAmount":10000,"feeAmount":0,"reserveAmount":10000,' +
  '"clientShareAmount":1000,"settlementAmount":9000,"channelId":7,"channelName":"USSD",' +
  '"channelSessionId":"144974973281","sourceIdentifier":"2348000000001",' +
  '"targetIdentifier":"2348000000001","timestamp":"2024-01-15T10:30:00.000+02:00"}';
const SIGNATURE = "ohwkEnWhQrgB/SV0hcs6aqx80wLLoa3yIDATrZKUJTk=";

const NOT_AUTHENTICATED = '{"responseCode":"2090","responseMessage":"Not authenticated"}';
const buyers = ["2348000000001"];
const bytesOf = (text: string) => new Uint8Array(Buffer.from(text));

/** One bit of a signature's 256 turned. */
function oneBitOff(signature: string, bit: number): string {
  const bytes = Buffer.from(signature, "base64");
  bytes[bit >> 3]! ^= 1 << (bit & 7);
  return bytes.toString("base64");
}

describe("Signature", () => {
  const bank = sharedBank({
    accounts: [{ buyers }],
    authentication: { signatureSecrets: () => [SECRET] },
  });

  test("the contract's test vector", () => {
    expect(signatureOf(SECRET, bytesOf(VECTOR))).toBe(SIGNATURE);
  });

  const reserve = (name: string, signature: string | null, body = VECTOR) => ({
    name: `refused: ${name}`,
    path: "/reserveFunds",
    headers: signature === null ? {} : { Signature: signature },
    body,
    status: 401,
    exact: NOT_AUTHENTICATED,
  });

  scenarios(bank, [
    reserve("missing", null),
    reserve("empty", ""),
    reserve("of another secret", signatureOf("bank-demo-secret2", bytesOf(VECTOR))),
    reserve("of the secret with its newline", signatureOf(`${SECRET}\n`, bytesOf(VECTOR))),
    ...[0, 1, 7, 127, 128, 255].map((bit) => reserve(`bit ${bit} off`, oneBitOff(SIGNATURE, bit))),
    reserve("doubled", `${SIGNATURE}, ${SIGNATURE}`),
    reserve("twice in a row", SIGNATURE + SIGNATURE),
    reserve("without padding", SIGNATURE.slice(0, -1)),
    reserve("URL-safe base64", SIGNATURE.replaceAll("+", "-").replaceAll("/", "_")),
    reserve("in hex", Buffer.from(SIGNATURE, "base64").toString("hex")),
    reserve("in another case", SIGNATURE.toLowerCase()),
    reserve("in quotes", `"${SIGNATURE}"`),
    reserve("with a prefix", `sha256=${SIGNATURE}`),
    reserve("not padded bits of zero", SIGNATURE.replace("k=", "l=")),
    reserve("the body serialised anew", SIGNATURE, JSON.stringify(JSON.parse(VECTOR), null, 1)),
    reserve("a newline after the body", SIGNATURE, `${VECTOR}\n`),
    reserve("a byte order mark before the body", SIGNATURE, `\ufeff${VECTOR}`),
    reserve("one digit of the body", SIGNATURE, VECTOR.replace('"feeAmount":0', '"feeAmount":1')),
    reserve("an unparsable body is 401, not 400", null, "{"),
    {
      ...reserve("a result", null, '{"raasTxnRef":"demo-raas-0001","responseCode":"0000"}'),
      path: "/transactResult",
    },
  ]);

  test("nothing changed, and nothing is remembered", () => {
    expect(bank().held()).toBe(minor(0));
    expect(bank().store.findings({ openAt: null, limit: 100 })).toEqual([]);
  });

  scenarios(bank, [
    {
      name: "valid",
      path: "/reserveFunds",
      headers: { Signature: SIGNATURE },
      body: VECTOR,
      status: 200,
      contains: ['"responseCode":"0000"'],
    },
    {
      name: "the header's name in another case, blanks around its value",
      path: "/reserveFunds",
      headers: { SIGNATURE: `  ${SIGNATURE} ` },
      body: VECTOR,
      status: 200,
      contains: ['"responseCode":"0000"'],
    },
    {
      name: "over the bytes as they came, odd spacing and all",
      path: "/reserveFunds",
      headers: { Signature: signatureOf(SECRET, bytesOf(`\n ${VECTOR}\t\n`)) },
      body: `\n ${VECTOR}\t\n`,
      status: 200,
      contains: ['"responseCode":"0000"'],
    },
    {
      name: "a signed body that does not parse is 400",
      path: "/reserveFunds",
      headers: { Signature: signatureOf(SECRET, bytesOf("{")) },
      body: "{",
      status: 400,
    },
    {
      name: "a body over the limit is 413, signed or not",
      path: "/reserveFunds",
      body: "x".repeat(65_537),
      status: 413,
    },
    { name: "health needs none", method: "GET", path: "/health/live", status: 200 },
  ]);

  test("the verdict stands in the receipt", () => {
    const statuses = bank()
      .store.receipts(100)
      .filter(({ signature }) => signature !== null);
    expect(new Set(statuses.map(({ signature }) => signature))).toEqual(new Set(["valid"]));
    const refusals = bank()
      .store.receipts(100)
      .filter(({ status }) => status === 401);
    const reasons = new Set(refusals.map(({ message }) => message));
    expect(reasons).toEqual(new Set(["signature missing", "signature wrong"]));
  });
});

describe("two secrets while one is rotated", () => {
  let secrets = ["old"];
  const bank = sharedBank({
    accounts: [{ buyers }],
    authentication: { signatureSecrets: () => secrets },
  });
  const statusWith = async (secret: string) => {
    const headers = { Signature: signatureOf(secret, bytesOf(VECTOR)) };
    return (await bank().post("/reserveFunds", VECTOR, headers)).status;
  };

  test("old alone, both, new alone, none", async () => {
    expect([await statusWith("old"), await statusWith("new")]).toEqual([200, 401]);
    secrets = ["new", "old"];
    expect([await statusWith("old"), await statusWith("new")]).toEqual([200, 200]);
    secrets = ["new"];
    expect([await statusWith("old"), await statusWith("new")]).toEqual([401, 200]);
    secrets = [];
    expect([await statusWith("old"), await statusWith("")]).toEqual([401, 401]);
  });

  test("a secret read from a file loses one trailing newline, nothing else", () => {
    expect(withoutTrailingNewline("a\n")).toBe("a");
    expect(withoutTrailingNewline("a\n\n")).toBe("a\n");
    expect(withoutTrailingNewline(" a \t\n")).toBe(" a \t");
    expect(withoutTrailingNewline("a")).toBe("a");
  });

  test("a secret is its UTF-8 bytes", () => {
    const expected = new Bun.CryptoHasher("sha256", bytesOf("gehëim-日本"))
      .update(VECTOR)
      .digest("base64");
    expect(signatureOf("gehëim-日本", bytesOf(VECTOR))).toBe(expected);
  });
});

describe("HTTP Basic", () => {
  const bank = sharedBank({
    accounts: [{ buyers }],
    authentication: { basic: { user: "clickatell", passwords: () => ["a:b ë", "older"] } },
  });
  const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;
  const withHeader = (name: string, authorization: string | null, status: number) => ({
    name,
    path: "/reserveFunds",
    headers: authorization === null ? {} : { authorization },
    body: VECTOR,
    status,
    ...(status === 401 ? { exact: NOT_AUTHENTICATED } : { contains: ['"0000"'] }),
  });

  scenarios(bank, [
    withHeader("missing", null, 401),
    withHeader("empty", "", 401),
    withHeader("another password", basic("clickatell:a:b e"), 401),
    withHeader("another user", basic("Clickatell:a:b ë"), 401),
    withHeader("no password", basic("clickatell:"), 401),
    withHeader("no colon", basic("clickatell"), 401),
    withHeader("a prefix of the password", basic("clickatell:a:b "), 401),
    withHeader("another scheme", basic("clickatell:a:b ë").replace("Basic", "Bearer"), 401),
    withHeader("not encoded", "Basic clickatell:older", 401),
    withHeader("right", basic("clickatell:a:b ë"), 200),
    withHeader("the one before", basic("clickatell:older"), 200),
    withHeader("the scheme in small letters", basic("clickatell:older").replace("B", "b"), 200),
  ]);

  test("a 401 says what to send", async () => {
    const { headers, status } = await bank().post("/transactResult", {});
    expect([status, headers.get("www-authenticate")]).toEqual([401, 'Basic realm="bank"']);
    expect(headers.get("content-type")).toBe("application/json");
  });

  test("without Basic a 401 does not ask for it", async () => {
    const signed = sharedSigned();
    const { headers, status } = await signed.post("/reserveFunds", reserveBody());
    expect([status, headers.get("www-authenticate")]).toEqual([401, null]);
  });
  const sharedSigned = sharedBank({ authentication: { signatureSecrets: () => [SECRET] } });
});

describe("each on its own, and all together", () => {
  const both = sharedBank({
    accounts: [{ buyers }],
    authentication: {
      signatureSecrets: () => [SECRET],
      basic: { user: "u", passwords: () => ["p"] },
    },
  });
  const authorization = `Basic ${btoa("u:p")}`;

  scenarios(both, [
    {
      name: "Basic alone is not enough where both are required",
      path: "/reserveFunds",
      headers: { authorization },
      body: VECTOR,
      status: 401,
    },
    {
      name: "a signature alone is not enough where both are required",
      path: "/reserveFunds",
      headers: { Signature: SIGNATURE },
      body: VECTOR,
      status: 401,
    },
    {
      name: "both",
      path: "/reserveFunds",
      headers: { authorization, Signature: SIGNATURE },
      body: VECTOR,
      status: 200,
    },
  ]);
});
