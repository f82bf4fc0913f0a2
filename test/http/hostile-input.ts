// Bodies that nobody sane sends: the real ones (field-bodies.json) with fields spelled in every odd
// way, doubled, missing or strange, and then with their bytes damaged.
import fc from "fast-check";
import bodies from "./field-bodies.json";
import type { Call } from "./oracle.ts";

export type Hostile = {
  readonly call: Call;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly headers: Readonly<Record<string, string>>;
};

const REAL = (bodies as { call: string; body: Record<string, unknown> }[]).map(
  ({ call, body }) => ({ call: call as Call, body }),
);

/** Each as JSON text, so that a number keeps its spelling; some are no JSON at all. */
const NUMBERS = [
  ...["0", "-0", "0.0", "0e0", "1", "01", "1.0", "1.5", "1.", ".5", "-1", "+1", "--1", "1e", "1e2"],
  ...["1E+2", "10e-1", "1e12", "1e11", "1e21", "1e308", "1e400", "-1e400", "1e-400", "0x10", "0b1"],
  ...[
    "999999999999",
    "1000000000000",
    "999999999999.5",
    "9007199254740993",
    "18446744073709551616",
  ],
  ...["4294967296", "2147483648", "-2147483649", "1_000", "1,000", "NaN", "Infinity", "12n"],
  "9".repeat(400),
  `1${"0".repeat(5_000)}`,
  `0.${"0".repeat(5_000)}1`,
];
const QUOTED = [
  ...NUMBERS.map((number) => `"${number}"`),
  ...[
    '"000000000001"',
    '"0000000000001"',
    '"000000000000"',
    '" 5"',
    '"5 "',
    '"5\\n"',
    '"5\\u0000"',
  ],
  ...[
    '"٥"',
    '"５"',
    '"²"',
    '"1e2 "',
    '"\\u0035"',
    '"0000"',
    '"2201"',
    '"220"',
    '"22011"',
    '"２２０１"',
  ],
];
const TEXTS = [
  ...[
    '""',
    '" "',
    '"\\u0000"',
    '"a\\u0000b"',
    '"a\u007f"',
    '"\\u0085"',
    '"\\r\\nX: y"',
    '"\\ud800"',
  ],
  ...['"\\udc00\\ud800"', '"\\ud83d\\ude00"', '"\\"', '"\\x41"', '"\t"', '"\u202e"', '"\ufeff"'],
  ...[1, 63, 64, 65, 128, 129, 33_000].map((length) => `"${"x".repeat(length)}"`),
  ...[32, 33, 64, 65].flatMap((length) => [`"${"😀".repeat(length)}"`, `"${"é".repeat(length)}"`]),
  ...[
    "'; DROP TABLE receipts; --",
    "$" + "{jndi:ldap://x}",
    "<script>",
    "../../etc/passwd",
    "%s%n",
  ].map((text) => JSON.stringify(text)),
];
const OTHERS = [
  ...["null", "true", "false", "undefined", "[]", "[5]", '["5"]', "{}", '{"toString":1}'],
  ...[
    '{"length":3,"0":"a"}',
    '{"__proto__":null}',
    '{"valueOf":"5","toJSON":1}',
    "[[[[[[]]]]]]",
    "",
  ],
];
const WHAT = fc.oneof(
  fc.constantFrom(...NUMBERS),
  fc.constantFrom(...QUOTED),
  fc.constantFrom(...TEXTS),
  fc.constantFrom(...OTHERS),
  fc.json({ maxDepth: 3 }),
  fc.integer().map(String),
  fc.maxSafeNat().map((n) => `"${n}"`),
  fc.double().map(String),
  fc.string({ unit: "binary", maxLength: 70 }).map((text) => JSON.stringify(text)),
);
const FIELDS = [...new Set(REAL.flatMap(({ body }) => Object.keys(body)))];
const NAME = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(...FIELDS, "responseCode", "authCode", "currencyCode") },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      ...["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "toJSON", ""],
      ...["RAASTXNREF", "raasTxnRef ", "pin", "PassWord", "\u0000", "\ud800", "$where"],
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 12 }) },
);

type Edit = {
  readonly name: string;
  readonly what: string;
  readonly how: "set" | "drop" | "double";
};

const EDIT: fc.Arbitrary<Edit> = fc.record({
  name: NAME,
  what: WHAT,
  how: fc.constantFrom("set", "set", "set", "drop", "double"),
});

/** The JSON text of a real body after the edits; each edit may make it no JSON. */
function edited(body: Record<string, unknown>, edits: readonly Edit[]): string {
  const pairs = Object.entries(body).map(([name, value]) => [name, JSON.stringify(value)]);
  for (const { name, what, how } of edits) {
    const at = pairs.findIndex(([known]) => known === name);
    if (how === "drop" && at >= 0) pairs.splice(at, 1);
    else if (how === "set" && at >= 0) pairs[at] = [name, what];
    else if (how === "double") pairs.unshift([name, what]);
    else pairs.push([name, what]);
  }
  return `{${pairs.map(([name, what]) => `${JSON.stringify(name)}:${what}`).join(",")}}`;
}

const BODY = fc
  .record({
    real: fc.constantFrom(...REAL),
    // Few enough that repeats, conflicts and results of what is reserved come up.
    id: fc.nat(2_000).map((n) => `hostile-${n}`),
    edits: fc.array(EDIT, { maxLength: 3 }),
    // The other call's body is as hostile as any.
    isSwapped: fc.nat(19).map((n) => n === 0),
  })
  .map(({ real, id, edits, isSwapped }) => {
    const other: Call = real.call === "reserveFunds" ? "transactResult" : "reserveFunds";
    const text = edited({ ...real.body, raasTxnRef: id }, edits);
    return { call: isSwapped ? other : real.call, text };
  });

const LIMIT = 64 * 1024;
/** The bytes behind so many blanks that there are `length` in all. */
const padded = (bytes: Buffer, length: number): Buffer =>
  Buffer.concat([Buffer.alloc(Math.max(0, length - bytes.length), " "), bytes]);

/** What is done to the bytes at last. */
type Damage = (bytes: Buffer) => Buffer;

const PLACE = fc.nat(2_000);
const DAMAGE: fc.Arbitrary<Damage> = fc.oneof(
  { weight: 16, arbitrary: fc.constant<Damage>((bytes) => bytes) },
  PLACE.map<Damage>((at) => (bytes) => bytes.subarray(0, at % (bytes.length + 1))),
  fc.tuple(PLACE, fc.nat(7)).map<Damage>(([at, bit]) => (bytes) => {
    const turned = Buffer.from(bytes);
    if (turned.length > 0) turned[at % turned.length]! ^= 1 << bit;
    return turned;
  }),
  fc.tuple(PLACE, fc.uint8Array({ maxLength: 9 })).map<Damage>(([at, more]) => (bytes) => {
    const where = at % (bytes.length + 1);
    return Buffer.concat([bytes.subarray(0, where), more, bytes.subarray(where)]);
  }),
  fc.constantFrom<Damage>(
    (bytes) => Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes]),
    (bytes) => Buffer.from(`\ufeff${bytes.toString("utf8")}`, "utf16le"),
    (bytes) => Buffer.from(bytes.toString("utf8"), "utf16le"),
    (bytes) => Buffer.from(bytes.toString("utf8"), "latin1"),
    (bytes) => Buffer.concat([bytes, Buffer.from([0])]),
    (bytes) => Buffer.concat([bytes, bytes]),
    (bytes) => Buffer.from(Bun.gzipSync(new Uint8Array(bytes))),
    (bytes) => padded(bytes, LIMIT),
    (bytes) => padded(bytes, LIMIT + 1),
    () => Buffer.alloc(0),
  ),
);

const HEADERS = fc.record(
  {
    "content-type": fc.constantFrom(
      ...[
        "application/json",
        "application/json; charset=utf-16",
        "text/xml",
        "multipart/form-data",
      ],
    ),
    "content-encoding": fc.constantFrom("gzip", "br", "identity", "deflate, gzip"),
  },
  { requiredKeys: [] },
);

/** One hostile request, without its signature. */
export const HOSTILE: fc.Arbitrary<Hostile> = fc
  .tuple(BODY, DAMAGE, HEADERS)
  .map(([{ call, text }, damage, headers]) => ({
    call,
    bytes: new Uint8Array(damage(Buffer.from(text))),
    headers,
  }));

/** What a failure prints of one. */
export const shown = ({ call, bytes, headers }: Hostile): string =>
  `${call} ${JSON.stringify(headers)} ${JSON.stringify(Buffer.from(bytes).toString("latin1")).slice(0, 3_000)}`;
