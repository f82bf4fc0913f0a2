// contract.md 4.1 under overload: what there is no room for any more is answered at once all the
// same, and counted, so that no request is without a trace.
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { join } from "node:path";
import { createLog } from "../../src/log.ts";
import { manualClock } from "../engine/manual-clock.ts";
import { postgresEngine } from "../postgres/engine.ts";
import { noteTorture, times } from "../torture.ts";
import { BUYER, reserveBody, testBank } from "./bank.ts";

/** Requests that the engine lets wait. */
const MOST_WAITING = 5_000;

// Another process holds the write lock, which is SQLite's.
test.skipIf(postgresEngine() !== null)(
  "400s and results over the most that may wait are answered at once, and each is counted",
  async () => {
    const TURNED = times(50, 20_000);
    const manual = manualClock();
    const lines: string[] = [];
    const bank = testBank({
      clock: manual.clock,
      accounts: [{ balance: 999_999_999 }],
      log: createLog({ level: "warn", format: "json", now: Date.now, write: (l) => lines.push(l) }),
    });
    // Another process that writes: nothing is decided while it does.
    const other = new Database(join(bank.dataDir, "bank.db"));
    other.run("BEGIN IMMEDIATE");

    const waiting = Array.from({ length: MOST_WAITING }, () =>
      bank.post("/reserveFunds", reserveBody({ reserveAmount: 1, sourceIdentifier: BUYER })),
    );
    const over = await bank.post("/reserveFunds", reserveBody({ raasTxnRef: "over" }));
    const ready = await bank.request("/health/ready", { method: "GET" });
    expect([over.status, JSON.parse(over.body)["responseCode"]]).toEqual([200, "2060"]);
    expect([ready.status, ready.body]).toEqual([503, '{"status":"overloaded"}']);
    // Not as a result that was late.
    expect(JSON.parse(lines.at(-1) ?? "")).toMatchObject({ event: "not-ready", why: "overloaded" });
    for (let n = 0; n < TURNED; n += 1) {
      const malformed = await bank.post("/reserveFunds", reserveBody({ reserveAmount: -1 }));
      expect(malformed.status).toBe(400);
      const result = { raasTxnRef: "over", responseCode: "0000" };
      const late = await bank.post("/transactResult", result);
      expect([late.status, late.body, late.headers.get("retry-after")]).toEqual([503, "", "5"]);
      expect((await bank.post("/nowhere", "{}")).status).toBe(404);
    }

    other.run("ROLLBACK");
    other.close();
    await manual.advance(1_000);
    const answers = await Promise.all(waiting);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    await manual.advance(60_000);
    await bank.engine.drained();
    const counted = new Map<number, number>();
    for (const { status, signature, suppressed } of bank.store.receipts(100_000)) {
      if (signature !== null) continue;
      counted.set(status, (counted.get(status) ?? 0) + (suppressed === 0 ? 1 : suppressed));
    }
    expect(Object.fromEntries(counted)).toEqual({ 400: TURNED, 404: TURNED, 503: TURNED });
    expect(bank.store.receiptsOf("over", null).map(({ responseCode }) => responseCode)).toEqual([
      "2060",
    ]);
    await bank.close();
    noteTorture({
      injected: "requests over the 5,000 that may wait, while another process keeps the database",
      times: TURNED * 3,
      held: "400, 404 and 503 at once, each counted; who waited is served",
    });
  },
);
