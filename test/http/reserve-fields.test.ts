// contract.md 1: what each field of reserveFunds may be, and what is refused.
import { describe, expect, test } from "bun:test";
import { BUYER, newRequestId, reserveBody } from "./bank.ts";
import { expectAnswer, refused, scenarios, sharedBank } from "./scenario.ts";

/** Enough for one purchase of twelve nines, many times over. */
const RICH = [{ balance: 999_999_999_999, overdraft: 999_999_999_999 }];

/** A body as JSON text, so that a row can spell a number as it likes; `null` leaves a field out. */
function bodyText(fields: Record<string, string | null>): string {
  const raw: Record<string, string | null> = {
    raasTxnRef: JSON.stringify(newRequestId()),
    sourceIdentifier: `"${BUYER}"`,
    reserveAmount: "100",
    ...fields,
  };
  const pairs = Object.entries(raw).filter(([, value]) => value !== null);
  return `{${pairs.map(([field, value]) => `"${field}":${value}`).join(",")}}`;
}

const WHOLE = "a whole number of at most 12 digits, or a string of 1 to 12 digits";

/** The wire's numeric fields, and where a reservation keeps each. */
const NUMERIC = {
  reserveAmount: "reserveAmount",
  purchaseAmount: "purchaseAmount",
  productId: "productId",
  feeAmount: "feeAmount",
  clientShareAmount: "clientShareAmount",
  settlementAmount: "settlementAmount",
  channelId: "channelId",
} as const;

const ACCEPTED: readonly [json: string, value: number][] = [
  ["10000", 10_000],
  ['"10000"', 10_000],
  ['"07"', 7],
  ['"000000000001"', 1],
  ["1", 1],
  ["1e3", 1_000],
  ["1E+3", 1_000],
  ["25.0", 25],
  ["0.5e1", 5],
  ["999999999999", 999_999_999_999],
  ['"999999999999"', 999_999_999_999],
];

/** Nothing of these may be taken for a number by any field. */
const MALFORMED = [
  "1000000000000",
  '"1000000000000"',
  '"0000000000001"',
  "1e12",
  "1e400",
  "1.5",
  "0.1",
  "-1",
  "-1e3",
  '"1e3"',
  '"1.5"',
  '"1.0"',
  '"-1"',
  '"+1"',
  '"0x10"',
  '" 5"',
  '"5 "',
  '"5\\n"',
  '" "',
  '"1,000"',
  '"1_000"',
  '"١٢"',
  '"５"',
  '"12n"',
  '"NaN"',
  '"Infinity"',
  "true",
  "false",
  "[5]",
  "[]",
  '{"value":5}',
  "{}",
];

describe("numbers come as integers and as digit strings", () => {
  const bank = sharedBank({ accounts: RICH });

  for (const [field, kept] of Object.entries(NUMERIC)) {
    for (const [json, value] of ACCEPTED) {
      test(`${field} ${json} is ${value}`, async () => {
        const requestId = newRequestId();
        const raasTxnRef = JSON.stringify(requestId);
        const body = bodyText({ raasTxnRef, [field]: json });
        expectAnswer(await bank().post("/reserveFunds", body), {
          status: 200,
          contains: ['"responseCode":"0000"'],
        });
        const reservation = bank().store.reservation(requestId)!;
        expect(reservation[kept as keyof typeof reservation]).toBe(value);
        const release = { raasTxnRef: requestId, responseCode: "2201" };
        expectAnswer(await bank().post("/transactResult", release), { status: 202, exact: "" });
      });
    }

    const rule = field === "reserveAmount" ? `more than 0: ${WHOLE}` : WHOLE;
    for (const json of MALFORMED) {
      test(`${field} ${json} is refused`, async () => {
        const answer = await bank().post("/reserveFunds", bodyText({ [field]: json }));
        expectAnswer(answer, { status: 400, exact: refused(`${field} must be ${rule}`) });
        expect(bank().held()).toBe(0 as never);
      });
    }

    if (field === "reserveAmount") continue;
    for (const json of ["0", "-0", '"0"', '"000000000000"', "0e5"]) {
      test(`${field} ${json} is zero`, async () => {
        const requestId = newRequestId();
        const raasTxnRef = JSON.stringify(requestId);
        const body = bodyText({ raasTxnRef, [field]: json });
        expectAnswer(await bank().post("/reserveFunds", body), { status: 200 });
        const reservation = bank().store.reservation(requestId)!;
        expect(reservation[kept as keyof typeof reservation]).toBe(0);
        await bank().post("/transactResult", { raasTxnRef: requestId, responseCode: "2201" });
      });
    }
  }

  scenarios(
    bank,
    ["0", "-0", '"0"', '"000"', "0.0", "1e-400"].map((json) => ({
      name: `reserveAmount ${json} reserves nothing and is refused`,
      path: "/reserveFunds",
      body: bodyText({ reserveAmount: json }),
      status: 400,
      exact: refused(`reserveAmount must be more than 0: ${WHOLE}`),
    })),
  );
});

const IDENTIFIER = "a string of 1 to 64 characters without control characters";
const TEXT = "a string of at most 64 characters";
const CANARY = "canary8f3c";

/** Bodies that break one rule: the field, its JSON, and the rule that the answer names. */
const BROKEN: readonly [field: string, json: string, rule: string][] = [
  ...["raasTxnRef", "sourceIdentifier", "clientTxnRef", "targetIdentifier"].flatMap((field) =>
    brokenIdentifier(field),
  ),
  ...brokenIdentifier("channelSessionId"),
  ...brokenIdentifier("accountIdentifier"),
  ...["channelName", "authCode"].flatMap((field): [string, string, string][] => [
    [field, `"${"c".repeat(65)}"`, TEXT],
    [field, "4321", TEXT],
    [field, "true", TEXT],
    [field, `["${CANARY}"]`, TEXT],
    [field, `{"a":"${CANARY}"}`, TEXT],
  ]),
  ["productType", `"${"3".repeat(33)}"`, "at most 32 characters"],
  ["productType", "true", "at most 32 characters"],
  ["productType", `["${CANARY}"]`, "at most 32 characters"],
  ["productType", "{}", "at most 32 characters"],
];

function brokenIdentifier(field: string): [string, string, string][] {
  const forms = [
    `"${"x".repeat(65)}"`,
    "27731304702",
    "true",
    `["${CANARY}"]`,
    `{"a":"${CANARY}"}`,
    `"${CANARY}\\u0000"`,
    `"${CANARY}\\n"`,
    `"${CANARY}\\u001f"`,
    `"${CANARY}\\u007f"`,
    `"${CANARY}\\u009f"`,
    `"${CANARY}\\ud800"`,
    `"\\udc00${CANARY}"`,
  ];
  return forms.map((json) => [field, json, IDENTIFIER]);
}

describe("a known field that is present and malformed is refused by name", () => {
  const bank = sharedBank({ accounts: RICH });

  scenarios(
    bank,
    BROKEN.map(([field, json, rule]) => ({
      name: `${field} ${json.slice(0, 30)}`,
      path: "/reserveFunds",
      body: bodyText({ [field]: json }),
      status: 400,
      exact: refused(`${field} must be ${rule}`),
      absent: [CANARY, "4321", "27731304702"],
    })),
  );

  scenarios(
    bank,
    ["raasTxnRef", "sourceIdentifier", "reserveAmount"].flatMap((field) =>
      [null, "null", '""'].map((json) => ({
        name: `${field} ${json ?? "left out"} is missing`,
        path: "/reserveFunds",
        body: bodyText({ [field]: json }),
        status: 400,
        contains: [`${field} is required`],
      })),
    ),
  );

  test("none of them held anything or is remembered", () => {
    expect(bank().store.reservations({ limit: 10 })).toEqual([]);
  });
});

const OPTIONAL = [
  ...["purchaseAmount", "clientTxnRef", "productId", "feeAmount", "clientShareAmount"],
  ...["settlementAmount", "productType", "channelId", "channelName", "channelSessionId"],
  ...["targetIdentifier", "authCode", "accountIdentifier", "mno", "currencyCode", "vendAmount"],
  ...["vendorShareAmount", "additionalData", "timestamp"],
];

const WELL_FORMED: readonly [name: string, fields: Record<string, string>][] = [
  ...OPTIONAL.flatMap((field): [string, Record<string, string>][] => [
    [`${field} null is absent`, { [field]: "null" }],
    [`${field} "" is absent`, { [field]: '""' }],
  ]),
  ["the least that is needed", {}],
  ["raasTxnRef of 64 characters", { raasTxnRef: `"${"x".repeat(64)}"` }],
  ["raasTxnRef of 64 characters of two code units", { raasTxnRef: `"${"😀".repeat(64)}"` }],
  ["raasTxnRef of 1 character", { raasTxnRef: '"x"' }],
  ["productType a number", { productType: "3" }],
  ["productType of 32 characters", { productType: `"${"p".repeat(32)}"` }],
  ["channelName of 64 characters", { channelName: `"${"n".repeat(64)}"` }],
  ["authCode of 64 characters where no PIN is set", { authCode: `"${"9".repeat(64)}"` }],
  ["a channel nobody knows", { channelId: "999999999999", channelName: '"Carrier pigeon"' }],
  ["a masked accountIdentifier of no account", { accountIdentifier: '"3745******0762"' }],
  ["sums that do not add up", { purchaseAmount: "5900", feeAmount: "7" }],
  ["a settlementAmount over the reserveAmount", { settlementAmount: "999999999999" }],
  ["currencyCode is the bank's own", { currencyCode: '"ZAR"' }],
  ["currencyCode is the bank's own in small letters", { currencyCode: '"zar"' }],
  ["currencyCode of another type is ignored", { currencyCode: "710" }],
  ["currencyCode an object is ignored", { currencyCode: '{"code":"USD"}' }],
];

/** Any JSON value is a timestamp; clocks and labels are off by hours in practice. */
const TIMESTAMPS = [
  '"2021-04-28T01:37:55.359+02:00"',
  '"2022-09-16T11:48:57Z"',
  '"2020-01-09T09:58:46.1+0200"',
  '"2020-01-09T09:58:46.123456789Z"',
  '"1970-01-01T00:00:00Z"',
  '"9999-12-31T23:59:59Z"',
  '"yesterday"',
  '"\\ud800\\u0000"',
  "1611111111",
  "-1.5e300",
  "true",
  "[]",
  '{"a":[1]}',
];

const EXTRAS = ["null", "true", "1.5e300", '"text"', "[1,[2]]", '{"deep":{"er":[{}]}}'];

describe("what is accepted", () => {
  const bank = sharedBank({ accounts: RICH });

  scenarios(bank, [
    ...WELL_FORMED.map(([name, fields]) => ({
      name,
      path: "/reserveFunds",
      body: bodyText(fields),
      status: 200,
      contains: ['"responseCode":"0000"'],
    })),
    ...TIMESTAMPS.map((json) => ({
      name: `timestamp ${json}`,
      path: "/reserveFunds",
      body: bodyText({ timestamp: json }),
      status: 200,
      contains: ['"responseCode":"0000"'],
    })),
  ]);

  for (const json of EXTRAS) {
    test(`an unknown field ${json} is accepted and kept in the receipt`, async () => {
      const answer = await bank().post("/reserveFunds", bodyText({ brandNewField: json }));
      expectAnswer(answer, { status: 200, contains: ['"responseCode":"0000"'] });
      const [receipt] = bank().store.receipts(1);
      expect(JSON.parse(receipt!.body!)["brandNewField"]).toEqual(JSON.parse(json));
    });
  }

  test("a timestamp of any type is kept in the receipt", async () => {
    await bank().post("/reserveFunds", bodyText({ timestamp: '{"a":[1]}' }));
    expect(JSON.parse(bank().store.receipts(1)[0]!.body!)["timestamp"]).toEqual({ a: [1] });
  });

  test.each([
    ["expected fields that are absent", {}, "purchaseAmount is absent"],
    ["clientTxnRef that is absent", {}, "clientTxnRef is absent"],
    ["productId that is absent", {}, "productId is absent"],
    [
      "sums that do not add up",
      { purchaseAmount: 9_000, feeAmount: 500 },
      "reserveAmount is not purchaseAmount + feeAmount: off by 500",
    ],
    ["a currencyCode of another type", { currencyCode: 710 }, "currencyCode is no string"],
  ])("%s stand in the receipt", async (_, fields, note) => {
    const absent = { purchaseAmount: undefined, clientTxnRef: undefined, productId: undefined };
    await bank().post("/reserveFunds", reserveBody({ ...absent, ...fields }));
    expect(bank().store.receipts(1)[0]!.notes).toContain(note);
  });
});

describe("currencyCode", () => {
  const bank = sharedBank({ accounts: [{ balance: 0 }] });
  const unknown = '"responseCode":"2090","responseMessage":"Unknown error"';

  scenarios(bank, [
    ...['"USD"', '"zarr"', '" ZAR"', '"710"', '"\\ud800"'].map((json) => ({
      name: `${json} is not the bank's: 2090 before any other check`,
      path: "/reserveFunds",
      body: bodyText({ currencyCode: json, sourceIdentifier: '"nobody"' }),
      status: 200,
      contains: [unknown],
      absent: ["reserveFundsTxnRef"],
    })),
    {
      name: "a malformed field goes before a foreign currency",
      path: "/reserveFunds",
      body: bodyText({ currencyCode: '"USD"', feeAmount: "true" }),
      status: 400,
      contains: ["feeAmount must be"],
    },
  ]);

  test("a repeat with the same foreign currency is a replay, whatever its characters", async () => {
    for (const currencyCode of ["USD", "\ud800", "a\u0000b", "ſ"]) {
      const body = reserveBody({ currencyCode });
      const first = await bank().post("/reserveFunds", body);
      expect((await bank().post("/reserveFunds", body)).body).toBe(first.body);
    }
    expect(bank().store.findings({ openAt: null, limit: 100 })).toEqual([]);
  });
});
