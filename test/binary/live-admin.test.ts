// An admin works while the server runs: each act takes effect on the very next request.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ACCOUNT, account, type Bank, newBank, reserve, type Server } from "./program.ts";

let bank: Bank;
let server: Server;
beforeAll(async () => {
  bank = await newBank();
  server = await bank.serve();
});
afterAll(async () => {
  await server.stop();
  bank.remove();
});

const buy = async (fields: Record<string, unknown> = {}) =>
  (await reserve(server, { reserveAmount: 1_000, ...fields })).responseCode;

/** Before, the act, after. */
const ACTS: readonly {
  readonly act: string;
  readonly stdin?: string;
  readonly buys?: Record<string, unknown>;
  readonly before: string;
  readonly after: string;
}[] = [
  {
    act: `accounts map new-buyer ${ACCOUNT}`,
    buys: { sourceIdentifier: "new-buyer" },
    before: "2030",
    after: "0000",
  },
  { act: "limits set --product 110 --max 5.00", before: "0000", after: "2040" },
  { act: "limits unset --product 110 --max", before: "2040", after: "0000" },
  { act: `limits set --account ${ACCOUNT} --min 10.01`, before: "0000", after: "2050" },
  { act: `limits unset --account ${ACCOUNT} --min`, before: "2050", after: "0000" },
  { act: "accounts block-buyer new-buyer", before: "0000", after: "0000" },
  {
    act: "accounts unblock-buyer new-buyer",
    buys: { sourceIdentifier: "new-buyer" },
    before: "2070",
    after: "0000",
  },
  {
    act: "accounts block-buyer new-buyer",
    buys: { sourceIdentifier: "new-buyer" },
    before: "0000",
    after: "2070",
  },
  { act: `accounts status ${ACCOUNT} inactive`, before: "0000", after: "2080" },
  { act: `accounts status ${ACCOUNT} active`, before: "2080", after: "0000" },
  { act: `accounts set-pin ${ACCOUNT}`, stdin: "4321\n", before: "0000", after: "2020" },
  {
    act: `accounts set-pin ${ACCOUNT} --yes`,
    stdin: "8765\n",
    buys: { authCode: "8765" },
    before: "2020",
    after: "0000",
  },
  { act: `accounts remove-pin ${ACCOUNT} --yes`, before: "2020", after: "0000" },
  { act: "sales pause --reason maintenance", before: "0000", after: "2090" },
  { act: "sales resume", before: "2090", after: "0000" },
  {
    act: `accounts credit ${ACCOUNT} 100000.00 --reason deposit --yes`,
    buys: { reserveAmount: 9_000_000 },
    before: "2010",
    after: "0000",
  },
  { act: "accounts unmap new-buyer --yes", buys: {}, before: "0000", after: "0000" },
];

describe("on the very next request", () => {
  for (const { act, stdin = "", buys = {}, before, after } of ACTS) {
    const what = Object.entries(buys).flat().join(" ");
    test(`${act}: ${what} ${before}, then ${after}`, async () => {
      expect(await buy(buys)).toBe(before);
      await bank.admin(act, { stdin });
      expect(await buy(buys)).toBe(after);
    });
  }

  test("a PIN locked by three wrong tries passes again once it is unlocked", async () => {
    await bank.admin(`accounts set-pin ${ACCOUNT}`, { stdin: "4321\n" });
    for (let times = 0; times < 3; times += 1) expect(await buy({ authCode: "0000" })).toBe("2020");
    expect(await buy({ authCode: "4321" })).toBe("2020");
    await bank.admin(`accounts unlock-pin ${ACCOUNT}`);
    expect(await buy({ authCode: "4321" })).toBe("0000");
    await bank.admin(`accounts remove-pin ${ACCOUNT} --yes`);
  });
});

describe("reservations by hand", () => {
  test("released: the money is free at once, the repeat is 2060, a late 0000 a finding", async () => {
    const { raasTxnRef, reserveFundsTxnRef } = await reserve(server);
    const before = await account(bank);
    await bank.admin(`reservations release ${reserveFundsTxnRef} --reason ticket_4711 --yes`);
    const after = await account(bank);
    expect(after.heldMinor).toBe(before.heldMinor - 10_000);
    expect(await reserve(server, { raasTxnRef })).toMatchObject({ responseCode: "2060" });
    const result = { raasTxnRef, responseCode: "0000" };
    expect((await server.post("/transactResult", result)).status).toBe(202);
    const findings = await bank.json<{ kind: string; requestId: string }[]>("findings list");
    expect(findings).toContainEqual(
      expect.objectContaining({ kind: "contradiction", requestId: raasTxnRef }),
    );
  });

  test("the exception report names what is open past seven business days, and the finding", async () => {
    const { raasTxnRef, reserveFundsTxnRef } = await reserve(server);
    type Report = { asOf: unknown; unconfirmed: { requestId: string }[]; findings: object[] };
    const today = await bank.json<Report>("reports exceptions");
    expect(today.unconfirmed).toEqual([]);
    expect(today.findings).toContainEqual(expect.objectContaining({ kind: "contradiction" }));
    const soon = new Date(Date.now() + 20 * 86_400_000).toISOString().slice(0, 10);
    const later = await bank.json<Report>(`reports exceptions --as-of ${soon}`);
    expect(later.unconfirmed).toContainEqual(
      expect.objectContaining({ requestId: raasTxnRef, reference: reserveFundsTxnRef }),
    );
  });

  test("the books agree, and a receipt is there of each request", async () => {
    expect((await bank.json<{ ok: boolean }>("verify")).ok).toBe(true);
    const receipts = await bank.json<object[]>("receipts list --limit 1000");
    expect(receipts.length).toBeGreaterThan(2 * ACTS.length);
  });
});

describe("a secret rotated and retired while the server runs", () => {
  test("both are valid until the old one is retired", async () => {
    const file = `${bank.folder}/first-secret`;
    await Bun.write(file, "first\n");
    const signed = await newBank({ init: ["--signature-secret-file", file] });
    const signedServer = await signed.serve();
    const status = async (secret: string) => {
      const body = JSON.stringify({ raasTxnRef: "none", responseCode: "2201" });
      const signature = new Bun.CryptoHasher("sha256", secret).update(body).digest("base64");
      return (await signedServer.post("/transactResult", body, { signature })).status;
    };
    expect([await status("first"), await status("second")]).toEqual([404, 401]);
    await signed.admin("secrets rotate", { stdin: "second\n" });
    expect([await status("first"), await status("second")]).toEqual([404, 404]);
    await signed.admin("secrets retire");
    expect([await status("first"), await status("second")]).toEqual([401, 404]);
    await signedServer.stop();
    signed.remove();
  });
});
