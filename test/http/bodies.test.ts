// contract.md 1: the bytes of a body, whatever the headers say about them; and unusual JSON.
import { describe, expect, test } from "bun:test";
import { newRequestId, reserveBody } from "./bank.ts";
import { refused, scenarios, sharedBank } from "./scenario.ts";

const NO_JSON = refused("the body must be a JSON object in UTF-8");
const SUCCESS = ['"responseCode":"0000"'];
const LIMIT = 64 * 1024;

/** A reserve padded with blanks to so many bytes; the padding may hold other fields. */
function bodyOf(length: number, fields: Record<string, unknown> = {}): string {
  const json = JSON.stringify(reserveBody({ reserveAmount: 100, ...fields }));
  return json + " ".repeat(length - Buffer.byteLength(json));
}

const text = () => JSON.stringify(reserveBody({ reserveAmount: 100 }));
const bytes = (...parts: (string | number[])[]) =>
  new Uint8Array(Buffer.concat(parts.map((part) => Buffer.from(part as string))));

/** JSON with one field nested so deep, about 60 KB at 30,000. */
const nested = (depth: number, open = "[", close = "]") =>
  `${text().slice(0, -1)},"deep":${open.repeat(depth)}1${close.repeat(depth)}}`;

const bank = sharedBank({ accounts: [{ balance: 999_999_999 }] });

describe("the Content-Type does not matter", () => {
  scenarios(
    bank,
    [
      ...["application/json", "application/json; charset=utf-8", "application/json;charset=latin1"],
      ...["text/plain", "text/html", "application/x-www-form-urlencoded"],
      ...["multipart/form-data; boundary=x", "application/octet-stream", "application/xml"],
      ...["application/vnd.clickatell+json", "nonsense", "///", ";", "json"],
    ].map((type) => ({
      name: type,
      path: "/reserveFunds",
      headers: { "content-type": type },
      body: text(),
      status: 200,
      contains: SUCCESS,
    })),
  );

  scenarios(bank, [
    {
      name: "none at all",
      path: "/reserveFunds",
      body: bytes(text()),
      status: 200,
      contains: SUCCESS,
    },
    {
      name: "on a result",
      path: "/transactResult",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: `{"raasTxnRef":"${newRequestId()}","responseCode":"2201"}`,
      status: 404,
      exact: '{"responseMessage":"No matching reservation"}',
    },
    {
      name: "extra headers and query parameters are ignored",
      path: "/reserveFunds?raasTxnRef=x&responseCode=0000&reserveAmount=-1",
      headers: { "x-reserve-amount": "1", "x-http-method-override": "DELETE", expect: "" },
      body: text(),
      status: 200,
      contains: SUCCESS,
    },
  ]);
});

describe("UTF-8", () => {
  const withBytes = (...middle: number[]) => bytes(text().slice(0, -1), ',"extra":"', middle, '"}');

  scenarios(bank, [
    {
      name: "with a byte order mark",
      path: "/reserveFunds",
      body: bytes([0xef, 0xbb, 0xbf], text()),
      status: 200,
      contains: SUCCESS,
    },
    {
      name: "other scripts",
      path: "/reserveFunds",
      body: bytes(text().slice(0, -1), ',"extra":"日本😀"}'),
      status: 200,
      contains: SUCCESS,
    },
    ...Object.entries({
      "a stray byte": [0xff],
      "an overlong form": [0xc0, 0x80],
      "a surrogate": [0xed, 0xa0, 0x80],
      "a character cut off": [0xe6, 0x97],
      "Latin-1": [0x65, 0xe9, 0x65],
    }).map(([name, middle]) => ({
      name: `${name} is refused`,
      path: "/reserveFunds",
      body: withBytes(...middle),
      status: 400,
      exact: NO_JSON,
    })),
    {
      name: "UTF-16 is refused",
      path: "/reserveFunds",
      body: new Uint8Array(Buffer.from(`\ufeff${text()}`, "utf16le")),
      status: 400,
      exact: NO_JSON,
    },
  ]);
});

describe("JSON that is none, or no object", () => {
  scenarios(
    bank,
    [
      ...["", " ", "null", "true", "5", '"text"', "[]", "[{}]", "{", "{}{}", "{} x", "{'a':1}"],
      ...['{"a":1,}', '{"a":NaN}', '{"a":01}', '{"a":0x10}', '{"a":+1}', "{a:1}", '{"a":"\n"}'],
      ...["// comment\n{}", '{"a":"\\x"}', "\u0000{}", "undefined"],
    ].map((body) => ({
      name: JSON.stringify(body),
      path: "/reserveFunds",
      body,
      status: 400,
      exact: NO_JSON,
    })),
  );
});

describe("unusual JSON objects", () => {
  const base = () => text().slice(1, -1);

  scenarios(bank, [
    {
      name: "the last of two fields of one name counts",
      path: "/reserveFunds",
      body: `{"reserveAmount":-5,${base()}}`,
      status: 200,
      contains: SUCCESS,
    },
    {
      name: "the last of two fields of one name counts, malformed too",
      path: "/reserveFunds",
      body: `{${base()},"reserveAmount":-5}`,
      status: 400,
      contains: ["reserveAmount must be"],
    },
    {
      name: "__proto__ gives no field",
      path: "/reserveFunds",
      body: `{"__proto__":{"raasTxnRef":"inherited","sourceIdentifier":"x","reserveAmount":5}}`,
      status: 400,
      contains: ["raasTxnRef is required"],
    },
    {
      name: "__proto__, constructor and toJSON are extra fields",
      path: "/reserveFunds",
      body: `{${base()},"__proto__":{"a":1},"constructor":{"prototype":{"b":1}},"toJSON":"x"}`,
      status: 200,
      contains: SUCCESS,
    },
    {
      name: "a field's name with control characters and lone surrogates",
      path: "/reserveFunds",
      body: `{${base()},"\\u0000\\ud800":"\\u0001\\udc00"}`,
      status: 200,
      contains: SUCCESS,
    },
    {
      name: "names are case sensitive",
      path: "/reserveFunds",
      body: text().replace("reserveAmount", "ReserveAmount"),
      status: 400,
      contains: ["reserveAmount is required"],
    },
  ]);

  test("nothing was inherited by anything", () => {
    expect({} as Record<string, unknown>).not.toHaveProperty("b");
    const kept = bank()
      .store.receipts(4)
      .map(({ body }) => body ?? "");
    expect(kept.some((body) => body.includes('"__proto__":{"a":1}'))).toBe(true);
  });

  for (const [open, close, name] of [
    ["[", "]", "arrays"],
    ['{"a":', "}", "objects"],
    ['[{"pin":', "}]", "secrets"],
  ] as const) {
    test.each([100, 1_000, 5_000, 30_000])(`${name} nested %d deep: 200 or 400`, async (depth) => {
      const body = nested(depth, open, close);
      if (body.length > LIMIT) return;
      const answer = await bank().post("/reserveFunds", body);
      expect([200, 400]).toContain(answer.status);
      if (depth <= 1_000) expect(answer.body).toContain(SUCCESS[0]!);
      // It is logged, and a later request is served as ever.
      expect(bank().store.receipts(1)[0]!.bodyLength).toBe(Buffer.byteLength(body));
      expect((await bank().post("/reserveFunds", text())).body).toContain(SUCCESS[0]!);
    });
  }
});

describe("the body limit", () => {
  scenarios(bank, [
    {
      name: "64 KiB exactly is read",
      path: "/reserveFunds",
      body: bodyOf(LIMIT),
      status: 200,
      contains: SUCCESS,
    },
    {
      name: "64 KiB of field is read",
      path: "/reserveFunds",
      body: bodyOf(LIMIT, { extra: "x".repeat(65_000) }),
      status: 200,
      contains: SUCCESS,
    },
    {
      name: "one byte more is 413",
      path: "/reserveFunds",
      body: bodyOf(LIMIT + 1),
      status: 413,
      exact: "The body is over 64 KiB\n",
    },
    {
      name: "64 KiB counted in bytes, not characters",
      path: "/transactResult",
      body: `{"raasTxnRef":"${"é".repeat(LIMIT / 2)}"}`,
      status: 413,
    },
    {
      name: "a length that is declared is refused before it is read",
      path: "/reserveFunds",
      headers: { "content-length": String(LIMIT + 1) },
      body: "{}",
      status: 413,
    },
    {
      name: "64 KiB that is no JSON is 400",
      path: "/transactResult",
      body: "x".repeat(LIMIT),
      status: 400,
      exact: NO_JSON,
    },
  ]);
});
