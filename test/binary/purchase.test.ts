// The main job, against the compiled program: a purchase, and each of the ten answers.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  ACCOUNT,
  account,
  type Bank,
  newBank,
  newRequestId,
  reserve,
  reserveBody,
  type Server,
} from "./program.ts";

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

describe("a purchase", () => {
  test("one line on standard error says where it listens", () => {
    expect(server.err()).toBe(
      `transact-bank ACME listens on ${server.url}, data dir: ${bank.dataDir}\n`,
    );
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  });

  test("reserved, confirmed, debited", async () => {
    const body = reserveBody();
    const { raasTxnRef } = body;
    const reserved = await server.post("/reserveFunds", body);
    expect(reserved.status).toBe(200);
    const { reserveFundsTxnRef } = JSON.parse(reserved.body) as { reserveFundsTxnRef: string };
    expect(reserved.body).toBe(
      `{"responseCode":"0000","responseMessage":"Success","raasTxnRef":"${raasTxnRef}",` +
        `"reserveFundsTxnRef":"${reserveFundsTxnRef}"}`,
    );
    expect(await account(bank)).toMatchObject({ ledgerBalanceMinor: 500_000, heldMinor: 10_000 });

    const result = { raasTxnRef, reserveFundsTxnRef, responseCode: "0000" };
    for (let times = 0; times < 2; times += 1) {
      const { status, body: empty } = await server.post("/transactResult", result);
      expect([status, empty]).toEqual([202, ""]);
    }
    expect(await account(bank)).toMatchObject({ ledgerBalanceMinor: 490_000, heldMinor: 0 });
    expect((await server.post("/reserveFunds", body)).body).toBe(reserved.body);
  });

  test("released where nothing was dispensed", async () => {
    const { raasTxnRef } = await reserve(server);
    const result = { raasTxnRef, responseCode: "2201" };
    expect((await server.post("/transactResult", result)).status).toBe(202);
    expect(await account(bank)).toMatchObject({ ledgerBalanceMinor: 490_000, heldMinor: 0 });
  });

  test("400, 404, 405 and 413", async () => {
    expect((await server.post("/reserveFunds", "{")).status).toBe(400);
    expect((await server.post("/transactResult", { raasTxnRef: "x" })).status).toBe(400);
    expect((await server.post("/nowhere", {})).status).toBe(404);
    expect((await fetch(`${server.url}/reserveFunds`)).status).toBe(405);
    expect((await server.post("/reserveFunds", "x".repeat(65_537))).status).toBe(413);
  });

  test("live and ready", async () => {
    for (const check of ["live", "ready"]) {
      const response = await fetch(`${server.url}/health/${check}`);
      expect([response.status, await response.json()]).toEqual([200, { status: check }]);
    }
  });
});

describe("each of the ten response codes", () => {
  test("accounts in every state", async () => {
    await bank.admin("limits set --min 5.00 --max 2000.00");
    const states = { inactive: "1002", blacklisted: "1003", poor: "1004", pin: "1005" };
    for (const [buyer, number] of Object.entries(states)) {
      const balance = buyer === "poor" ? "10.00" : "1000.00";
      await bank.admin(`accounts add ${number} --name ${buyer} --balance ${balance}`);
      await bank.admin(`accounts map ${buyer} ${number}`);
    }
    await bank.admin("accounts status 1002 inactive");
    await bank.admin("accounts status 1003 blacklisted");
    await bank.admin("accounts set-pin 1005", { stdin: "4321\n" });
    // A cancel that overtakes its reserve.
    const cancel = { raasTxnRef: "cancelled", responseCode: "2226" };
    expect((await server.post("/transactResult", cancel)).status).toBe(404);
  });

  test.each([
    ["0000", "Success", {}],
    ["2050", "Below minimum amount", { reserveAmount: 499 }],
    ["2040", "Maximum amount exceeded", { reserveAmount: 200_001 }],
    ["2030", "Consumer Account not mapped", { sourceIdentifier: "nobody" }],
    ["2020", "Invalid authentication code", { sourceIdentifier: "pin", authCode: "9999" }],
    ["2080", "Consumer Account inactive", { sourceIdentifier: "inactive" }],
    ["2070", "Blacklisted Consumer Account", { sourceIdentifier: "blacklisted" }],
    ["2010", "Insufficient funds", { sourceIdentifier: "poor" }],
    ["2060", "Time-out", { raasTxnRef: "cancelled" }],
    ["2090", "Unknown error", { currencyCode: "USD" }],
  ])("%s %s", async (responseCode, responseMessage, fields) => {
    expect(await reserve(server, fields)).toMatchObject({ responseCode, responseMessage });
  });
});

describe("after a restart", () => {
  test("what was open is open, what was answered is answered the same", async () => {
    const raasTxnRef = newRequestId();
    const body = reserveBody({ raasTxnRef });
    const first = await server.post("/reserveFunds", body);
    const declined = reserveBody({ sourceIdentifier: "nobody" });
    const decline = await server.post("/reserveFunds", declined);
    expect((await server.stop()).exit).toBe(0);
    server = await bank.serve();
    expect((await server.post("/reserveFunds", body)).body).toBe(first.body);
    expect((await server.post("/reserveFunds", declined)).body).toBe(decline.body);
    const result = { raasTxnRef, responseCode: "0000" };
    expect((await server.post("/transactResult", result)).status).toBe(202);
    const rows = await bank.json<{ requestId: string; state: string }[]>(
      `reservations list --account ${ACCOUNT} --limit 1`,
    );
    expect(rows).toEqual([expect.objectContaining({ requestId: raasTxnRef, state: "debited" })]);
    expect((await bank.json<{ ok: boolean }>("verify")).ok).toBe(true);
  });
});
