// contract.md 2: the answers to a reserve, their exact bytes, and the order of the checks.
import { describe, expect, test } from "bun:test";
import { minor } from "../../src/domain/money.ts";
import type { Store } from "../../src/storage/store.ts";
import { BY, done, newRequestId, reserve, reserveBody, type Wanted } from "./bank.ts";
import { sharedBank } from "./scenario.ts";

const LOCKED_PIN = "4321";

/** One buyer for each state an account can be in. */
const ACCOUNTS: readonly Wanted[] = [
  {},
  { number: "pin", buyers: ["pin"], pin: LOCKED_PIN },
  { number: "locked", buyers: ["locked"], pin: LOCKED_PIN },
  { number: "inactive", buyers: ["inactive"], status: "inactive" },
  { number: "blacklisted", buyers: ["blacklisted"], status: "blacklisted" },
  { number: "inactive-pin", buyers: ["inactive-pin"], status: "inactive", pin: LOCKED_PIN },
  { number: "poor", buyers: ["poor"], balance: 10_000, overdraft: 5_000 },
  { number: "poor-blocked", buyers: ["poor-blocked"], balance: 0 },
  { number: "poor-black", buyers: ["poor-black"], balance: 0, status: "blacklisted" },
  { number: "counted", buyers: ["counted"] },
];

async function prepare(store: Store): Promise<void> {
  done(store.blockBuyer(BY, "poor-blocked"));
  done(store.blockBuyer(BY, "nobody-blocked"));
  const global = { scope: "global", scopeKey: "*" } as const;
  done(store.setLimits(BY, global, { min: minor(500), max: minor(20_000) }));
  const account = { scope: "account", scopeKey: "counted" } as const;
  done(store.setLimits(BY, account, { dayAmount: minor(25_000), monthCount: 2 }));
}

type Row = {
  readonly name: string;
  readonly fields: Record<string, unknown>;
  /** The answer's text as far as the echo of raasTxnRef. */
  readonly answer: string;
};

const declined = (code: string, message: string) =>
  `{"responseCode":"${code}","responseMessage":"${message}","raasTxnRef":`;

const BELOW = declined("2050", "Below minimum amount");
const ABOVE = declined("2040", "Maximum amount exceeded");
const NOT_MAPPED = declined("2030", "Consumer Account not mapped");
const INVALID_CODE = declined("2020", "Invalid authentication code");
const INACTIVE = declined("2080", "Consumer Account inactive");
const BLACKLISTED = declined("2070", "Blacklisted Consumer Account");
const INSUFFICIENT = declined("2010", "Insufficient funds");
const UNKNOWN = declined("2090", "Unknown error");

/** Each row fails its own check and, where it can, every check after it. */
const DECLINES: readonly Row[] = [
  {
    name: "below the minimum goes before an unknown buyer",
    fields: { reserveAmount: 499, sourceIdentifier: "nobody-blocked" },
    answer: BELOW,
  },
  {
    name: "above the maximum goes before an unknown buyer",
    fields: { reserveAmount: 20_001, sourceIdentifier: "nobody-blocked" },
    answer: ABOVE,
  },
  {
    name: "no account goes before the blacklist",
    fields: { sourceIdentifier: "nobody-blocked" },
    answer: NOT_MAPPED,
  },
  {
    name: "a wrong PIN goes before an inactive account",
    fields: { sourceIdentifier: "inactive-pin", authCode: "9999" },
    answer: INVALID_CODE,
  },
  {
    name: "a missing PIN goes before an inactive account",
    fields: { sourceIdentifier: "inactive-pin" },
    answer: INVALID_CODE,
  },
  {
    name: "an inactive account after a right PIN",
    fields: { sourceIdentifier: "inactive-pin", authCode: LOCKED_PIN },
    answer: INACTIVE,
  },
  { name: "an inactive account", fields: { sourceIdentifier: "inactive" }, answer: INACTIVE },
  {
    name: "a blacklisted account",
    fields: { sourceIdentifier: "blacklisted" },
    answer: BLACKLISTED,
  },
  {
    name: "a blacklisted account goes before its funds",
    fields: { sourceIdentifier: "poor-black" },
    answer: BLACKLISTED,
  },
  {
    name: "a blocked buyer goes before the account's funds",
    fields: { sourceIdentifier: "poor-blocked" },
    answer: BLACKLISTED,
  },
  {
    name: "one more than available",
    fields: { sourceIdentifier: "poor", reserveAmount: 15_001 },
    answer: INSUFFICIENT,
  },
];

describe("the codes in the order of the checks", () => {
  const bank = sharedBank({ accounts: ACCOUNTS });
  test("the bank is prepared", () => prepare(bank().store));

  for (const { name, fields, answer } of DECLINES) {
    test(`${name}: ${answer.slice(17, 21)}`, async () => {
      const raasTxnRef = newRequestId();
      const body = reserveBody({ ...fields, raasTxnRef });
      const first = await bank().post("/reserveFunds", body);
      expect(first.status).toBe(200);
      expect(first.headers.get("content-type")).toBe("application/json");
      expect(first.body).toBe(`${answer}"${raasTxnRef}"}`);
      // A decline is an outcome: the same message again has the same answer, byte for byte.
      expect((await bank().post("/reserveFunds", body)).body).toBe(first.body);
      expect(bank().store.reservation(raasTxnRef)).toBeNull();
    });
  }

  test("all that is available can be reserved, the overdraft included", async () => {
    const answer = await reserve(bank(), { sourceIdentifier: "poor", reserveAmount: 15_000 });
    expect(answer.responseCode).toBe("0000");
    const next = await reserve(bank(), { sourceIdentifier: "poor", reserveAmount: 500 });
    expect(next.responseCode).toBe("2010");
  });

  test("the minimum and the maximum themselves pass", async () => {
    expect((await reserve(bank(), { reserveAmount: 500 })).responseCode).toBe("0000");
    expect((await reserve(bank(), { reserveAmount: 20_000 })).responseCode).toBe("0000");
  });

  test("a day's amount and a month's count answer 2040, after the minimum, before the PIN", async () => {
    const buy = (reserveAmount: number) =>
      reserve(bank(), { sourceIdentifier: "counted", reserveAmount });
    expect((await buy(20_000)).responseCode).toBe("0000");
    expect((await buy(5_001)).responseCode).toBe("2040");
    expect((await buy(5_000)).responseCode).toBe("0000");
    // The day's amount and the month's count are both used up.
    expect((await buy(500)).responseCode).toBe("2040");
    expect((await buy(499)).responseCode).toBe("2050");
  });
});

describe("0000", () => {
  const bank = sharedBank();

  test("its bytes, its reference, and the hold behind it", async () => {
    const raasTxnRef = newRequestId();
    const answer = await bank().post("/reserveFunds", reserveBody({ raasTxnRef }));
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("application/json");
    const { reserveFundsTxnRef } = JSON.parse(answer.body) as Record<string, string>;
    // The bank's code and a UUIDv7: unique among all banks for ever.
    expect(reserveFundsTxnRef).toMatch(
      /^ACME-[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
    expect(reserveFundsTxnRef!.length).toBeLessThanOrEqual(64);
    expect(answer.body).toBe(
      `{"responseCode":"0000","responseMessage":"Success","raasTxnRef":"${raasTxnRef}",` +
        `"reserveFundsTxnRef":"${reserveFundsTxnRef}"}`,
    );
    expect(bank().held()).toBe(minor(10_000));
    expect(bank().store.reservation(reserveFundsTxnRef!)!.requestId).toBe(raasTxnRef);
  });

  test("every reserve has a reference of its own", async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => reserve(bank())));
    expect(new Set(answers.map((answer) => answer.reserveFundsTxnRef)).size).toBe(20);
  });

  test.each([
    ["quotes and backslashes", 'a"b\\c</script>'],
    ["other scripts", "référence-日本-😀"],
    ["blanks", "  two  blanks "],
  ])("a raasTxnRef with %s is echoed as it came", async (_, raasTxnRef) => {
    expect((await reserve(bank(), { raasTxnRef })).raasTxnRef).toBe(raasTxnRef);
  });

  test.each(["27731304702", "+27 73 130 4702", "0027731304702", "0731304702", "(073) 130-4702"])(
    "the buyer spelled %s is the same buyer",
    async (sourceIdentifier) => {
      expect((await reserve(bank(), { sourceIdentifier })).responseCode).toBe("0000");
    },
  );

  test.each(["CIF0731304702", "27731304702x", "2773130470"])(
    "the buyer %s is another one",
    async (sourceIdentifier) => {
      expect((await reserve(bank(), { sourceIdentifier })).responseCode).toBe("2030");
    },
  );
});

describe("2020: wrong is counted, missing and locked are not", () => {
  const bank = sharedBank({ accounts: ACCOUNTS });
  const tries = () => bank().store.account("locked")!.pinFailures;
  const buy = async (authCode: unknown) =>
    (await reserve(bank(), { sourceIdentifier: "locked", authCode })).responseCode;

  test("a right one, missing ones, and three wrong ones that lock", async () => {
    expect([await buy("4321"), tries()]).toEqual(["0000", 0]);
    for (const missing of [undefined, null, ""]) {
      expect([await buy(missing), tries()]).toEqual(["2020", 0]);
    }
    expect([await buy("9999"), tries()]).toEqual(["2020", 1]);
    expect([await buy("4321"), tries()]).toEqual(["0000", 0]);
    for (const count of [1, 2, 3]) expect([await buy("9999"), tries()]).toEqual(["2020", count]);
    expect(bank().store.account("locked")!.pin).toBe("locked");
    expect([await buy("4321"), tries()]).toEqual(["2020", 3]);
    expect([await buy("9999"), tries()]).toEqual(["2020", 3]);
  });

  test("an admin's unlock lets the right one pass again", async () => {
    done(bank().store.unlockPin(BY, "locked"));
    expect(await buy("4321")).toBe("0000");
  });

  test("a repeat evaluates no PIN and counts nothing", async () => {
    const right = reserveBody({ sourceIdentifier: "pin", authCode: "4321" });
    const first = await bank().post("/reserveFunds", right);
    const repeat = { ...right, authCode: "9999" };
    expect((await bank().post("/reserveFunds", repeat)).body).toBe(first.body);

    const wrong = reserveBody({ sourceIdentifier: "pin", authCode: "9999" });
    const second = await bank().post("/reserveFunds", wrong);
    for (const authCode of ["9999", "4321", undefined]) {
      const again = await bank().post("/reserveFunds", { ...wrong, authCode });
      expect(again.body).toBe(second.body);
    }
    expect(bank().store.account("pin")!.pinFailures).toBe(1);
  });

  test("a conflict evaluates no PIN either", async () => {
    const body = reserveBody({ sourceIdentifier: "pin", authCode: "4321" });
    await bank().post("/reserveFunds", body);
    const before = bank().store.account("pin")!.pinFailures;
    const other = { ...body, reserveAmount: 1, authCode: "9999" };
    expect((await bank().post("/reserveFunds", other)).body).toContain('"2090"');
    expect(bank().store.account("pin")!.pinFailures).toBe(before);
  });

  test("an account without a PIN ignores the code", async () => {
    expect((await reserve(bank(), { authCode: "9999" })).responseCode).toBe("0000");
  });
});

describe("2090", () => {
  const bank = sharedBank();

  test("while sales are paused, before all checks; results go on", async () => {
    const open = await reserve(bank());
    done(bank().store.pauseSales(BY));
    const raasTxnRef = newRequestId();
    const body = reserveBody({ raasTxnRef, sourceIdentifier: "nobody" });
    expect((await bank().post("/reserveFunds", body)).body).toBe(`${UNKNOWN}"${raasTxnRef}"}`);
    const result = { raasTxnRef: open.raasTxnRef, responseCode: "0000" };
    expect((await bank().post("/transactResult", result)).status).toBe(202);
    done(bank().store.resumeSales(BY));
    expect((await bank().post("/reserveFunds", body)).body).toBe(`${UNKNOWN}"${raasTxnRef}"}`);
    expect((await reserve(bank())).responseCode).toBe("0000");
  });
});
