// Many requests at once: no money twice, no PIN guessed uncounted.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { account, type Bank, newBank, reserve, reserveBody, type Server } from "./program.ts";

let bank: Bank;
let server: Server;
beforeAll(async () => {
  bank = await newBank();
  await bank.admin("accounts add 100-units --name Hundred --balance 10000.00");
  await bank.admin("accounts map hundred 100-units");
  await bank.admin("accounts add shared --name Shared --balance 10000.00");
  await bank.admin("accounts map shared shared");
  await bank.admin("accounts add guessed --name Guessed --balance 1000.00");
  await bank.admin("accounts map guessed guessed");
  await bank.admin("accounts set-pin guessed", { stdin: "4321\n" });
  server = await bank.serve();
});
afterAll(async () => {
  await server.stop();
  bank.remove();
});

function count<T>(values: readonly T[]): Map<T, number> {
  const counts = new Map<T, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

const atOnce = <T>(times: number, call: (n: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: times }, (_, n) => call(n)));

describe("at once", () => {
  test("400 requests for the money of 100: exactly 100", async () => {
    const buy = () => reserve(server, { sourceIdentifier: "hundred" });
    const codes = (await atOnce(400, buy)).map(({ responseCode }) => responseCode);
    expect(Object.fromEntries(count(codes))).toEqual({ "0000": 100, "2010": 300 });
    expect(await account(bank, "100-units")).toMatchObject({
      heldMinor: 1_000_000,
      availableMinor: 0,
    });
  });

  test("the same while an admin debits the account: not a cent too many", async () => {
    const debit = async () => {
      const ran = await bank.run("accounts debit shared 2500.00 --reason fee --yes".split(" "));
      expect([0, 4]).toContain(ran.exit);
      return ran.exit === 0 ? 250_000 : 0;
    };
    const buy = async () => {
      const { responseCode } = await reserve(server, { sourceIdentifier: "shared" });
      return responseCode === "0000" ? 10_000 : 0;
    };
    const [bought, debited] = await Promise.all([atOnce(300, buy), atOnce(3, debit)]);
    const sum = (amounts: number[]) => amounts.reduce((a, b) => a + b, 0);
    const { heldMinor, ledgerBalanceMinor, availableMinor } = await account(bank, "shared");
    expect(heldMinor).toBe(sum(bought));
    expect(ledgerBalanceMinor).toBe(1_000_000 - sum(debited));
    expect(availableMinor).toBeGreaterThanOrEqual(0);
    expect(availableMinor).toBe(1_000_000 - sum(debited) - sum(bought));
  });

  test("one raasTxnRef 50 times: one hold, 50 equal answers", async () => {
    const body = reserveBody();
    const answers = await atOnce(50, () => server.post("/reserveFunds", body));
    expect(count(answers.map((answer) => answer.body)).size).toBe(1);
    expect(answers[0]!.body).toContain('"0000"');
    expect((await account(bank)).heldMinor).toBe(10_000);
  });

  test("its result 20 times, of both kinds: one effect", async () => {
    const { raasTxnRef } = await reserve(server);
    const before = await account(bank);
    const statuses = await atOnce(20, async (n) => {
      const responseCode = n % 2 === 0 ? "0000" : "2201";
      return (await server.post("/transactResult", { raasTxnRef, responseCode })).status;
    });
    expect(count(statuses)).toEqual(new Map([[202, 20]]));
    const after = await account(bank);
    expect(after.heldMinor).toBe(before.heldMinor - 10_000);
    const moved = before.ledgerBalanceMinor - after.ledgerBalanceMinor;
    expect([0, 10_000]).toContain(moved);
  });

  test("50 PIN guesses: three counted, then locked, for the right one too", async () => {
    const guess = (authCode: string) =>
      reserve(server, { sourceIdentifier: "guessed", reserveAmount: 100, authCode });
    const guesses = await atOnce(50, (n) => guess(String(1_000 + n)));
    expect(count(guesses.map(({ responseCode }) => responseCode))).toEqual(new Map([["2020", 50]]));
    const { pin, pinFailures } = (await account(bank, "guessed")) as {
      pin: string;
      pinFailures?: number;
    };
    expect([pin, pinFailures]).toEqual(["locked", 3]);
    expect((await guess("4321")).responseCode).toBe("2020");
  });

  test("the books agree", async () => {
    expect((await bank.json<{ ok: boolean }>("verify")).ok).toBe(true);
  });
});
