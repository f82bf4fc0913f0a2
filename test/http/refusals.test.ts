// contract.md 2 and 4.1: what is turned away at the door, how it is answered, and how little of it
// is written; and the health checks beside the two paths.
import { describe, expect, test } from "bun:test";
import { manualClock } from "../engine/manual-clock.ts";
import { reserveBody, type TestBank } from "./bank.ts";
import { scenarios, sharedBank } from "./scenario.ts";

const refusals = (bank: TestBank) =>
  bank.store.receipts(1_000).filter(({ signature }) => signature === null);

describe("other methods and other paths", () => {
  const bank = sharedBank();

  scenarios(bank, [
    ...["/reserveFunds", "/transactResult"].flatMap((path) =>
      ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"].map((method) => ({
        name: `${method} ${path}`,
        method,
        path,
        status: 405,
        exact: "Method not allowed\n",
      })),
    ),
    ...["/", "/reservefunds", "/reserveFunds/x", "/v1/reserveFunds", "/health", "/nowhere"].map(
      (path) => ({ name: `POST ${path}`, path, body: "{}", status: 404, exact: "No such path\n" }),
    ),
    { name: "GET /nowhere", method: "GET", path: "/nowhere", status: 404, exact: "No such path\n" },
    { name: "POST /health/live", path: "/health/live", body: "{}", status: 404 },
    { name: "a path of odd bytes", path: "/%00%ff/..%2f", body: "{}", status: 404 },
  ]);

  test("HEAD is 405 without a body", async () => {
    const { status, body } = await bank().request("/reserveFunds", { method: "HEAD" });
    expect([status, body]).toEqual([405, ""]);
  });

  test("405 names the method that is allowed", async () => {
    const { headers } = await bank().request("/transactResult", { method: "GET" });
    expect(headers.get("allow")).toBe("POST");
  });

  test("the unknown path's 404 is not the unmatched result's", async () => {
    const unmatched = await bank().post("/transactResult", {
      raasTxnRef: "none",
      responseCode: "2201",
    });
    const unknown = await bank().post("/transactResults", {});
    expect([unmatched.status, unknown.status]).toEqual([404, 404]);
    expect(unmatched.body).not.toBe(unknown.body);
  });

  test("each leaves a receipt with no body: time, peer, method, path, status, reason", async () => {
    await bank().engine.drained();
    const kept = refusals(bank());
    expect(kept.length).toBeGreaterThan(10);
    for (const receipt of kept) {
      expect([receipt.body, receipt.bodyLength, receipt.bodyDigest]).toEqual([null, null, null]);
      expect(receipt.receivedAt).toBeWithin(Date.now() - 60_000, Date.now() + 1);
    }
    expect(kept).toContainEqual(
      expect.objectContaining({
        method: "GET",
        path: "/reserveFunds",
        status: 405,
        message: "wrong method",
      }),
    );
    expect(kept).toContainEqual(
      expect.objectContaining({ path: "/reservefunds", status: 404, message: "unknown path" }),
    );
  });
});

describe("at most ten a minute of a peer and reason are written, the rest counted", () => {
  const manual = manualClock();
  const bank = sharedBank({
    clock: manual.clock,
    authentication: { signatureSecrets: () => ["s"] },
  });

  test("a flood of three reasons, then a quiet minute, then another one", async () => {
    const flood = async (times: number) => {
      for (let n = 0; n < times; n += 1) {
        await bank().post("/reserveFunds", reserveBody());
        await bank().post("/nowhere", "{}");
        if (n < 5) await bank().request("/reserveFunds", { method: "GET" });
      }
      await bank().engine.drained();
    };
    const counted = () =>
      refusals(bank()).map(({ message, suppressed }) => [message, suppressed] as const);
    const written = (reason: string) => counted().filter(([message]) => message === reason);

    await flood(25);
    expect(written("signature missing").length).toBe(10);
    expect(written("unknown path").length).toBe(10);
    expect(written("wrong method").length).toBe(5);

    await manual.advance(60_000);
    await bank().engine.drained();
    expect(written("signature missing").filter(([, suppressed]) => suppressed > 0)).toEqual([
      ["signature missing", 15],
    ]);
    expect(written("unknown path").filter(([, suppressed]) => suppressed > 0)).toEqual([
      ["unknown path", 15],
    ]);
    expect(written("wrong method").length).toBe(5);

    await flood(3);
    expect(written("signature missing").length).toBe(10 + 1 + 3);
  });
});

describe("the health checks", () => {
  const bank = sharedBank();

  scenarios(bank, [
    {
      name: "live",
      method: "GET",
      path: "/health/live",
      status: 200,
      exact: '{"status":"live"}',
    },
    {
      name: "ready",
      method: "GET",
      path: "/health/ready",
      status: 200,
      exact: '{"status":"ready"}',
    },
  ]);

  test("they leave no receipt", async () => {
    await bank().engine.drained();
    expect(bank().store.receipts(10)).toEqual([]);
  });
});

describe("each path is configurable", () => {
  const bank = sharedBank({
    paths: { reserveFunds: "/clickatell/v2/reserve", transactResult: "/clickatell/v2/result" },
  });

  scenarios(bank, [
    {
      name: "the reserve's own path",
      path: "/clickatell/v2/reserve",
      body: reserveBody({ raasTxnRef: "configured" }),
      status: 200,
      contains: ['"0000"'],
    },
    {
      name: "the result's own path",
      path: "/clickatell/v2/result",
      body: { raasTxnRef: "configured", responseCode: "0000" },
      status: 202,
    },
    { name: "the standard one is gone", path: "/reserveFunds", body: {}, status: 404 },
  ]);
});
