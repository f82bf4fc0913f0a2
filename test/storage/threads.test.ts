// The server's threads: batches, flushes and the copying of the WAL beside the thread that answers.
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { DATABASE_FILE, WAL_BYTES, WAL_FILE } from "../../src/storage/sqlite/open.ts";
import { startThreads, type Threads } from "../../src/storage/sqlite/threads.ts";
import { StoreBusy } from "../../src/storage/store.ts";
import { reserveOperation, resultOperation, type TemporaryBank, temporaryBank } from "./bank.ts";

let bank: TemporaryBank;
let threads: Threads;
const troubles: unknown[] = [];

function started(): Threads {
  const policy = { pinPolicy: "if-set", pinMaxTries: 3 } as const;
  return startThreads(
    { dataDir: bank.dataDir, policy, pinKey: null },
    {
      onTrouble: (_, error) => troubles.push(error),
      onFlushFailed: (error) => troubles.push(error),
    },
  );
}

beforeEach(() => {
  bank = temporaryBank();
  bank.store.beginServing(bank.clock.now());
  threads = started();
});
afterEach(async () => {
  await threads.stop();
  bank.close();
  expect(troubles).toEqual([]);
});

const apply = (...operations: Parameters<Threads["applyBatch"]>[0]) =>
  threads.applyBatch(operations, { now: bank.clock.now(), monotonicMs: 0, openSince: 0 });

const outcomeOf = (outcomes: Awaited<ReturnType<typeof apply>>) =>
  outcomes.map((outcome) => ("outcome" in outcome ? outcome.outcome : outcome.kind));

/** Another process writes: the write lock is taken by a connection of its own. */
function otherWriter(): () => void {
  const other = new Database(join(bank.dataDir, DATABASE_FILE));
  other.run("BEGIN IMMEDIATE");
  return () => {
    other.run("ROLLBACK");
    other.close();
  };
}

describe("batches", () => {
  test("are applied in the order of the calls, also before the one ahead is done", async () => {
    const [first, second] = await Promise.all([
      apply(reserveOperation("a"), reserveOperation("b")),
      apply(resultOperation("a", "0000"), reserveOperation("a")),
    ]);
    expect(outcomeOf(first)).toEqual(["success", "success"]);
    expect(outcomeOf(second)).toEqual(["result", "success"]);
    expect(bank.store.reservation("a")?.state).toBe("debited");
    expect(bank.store.account("1001")?.held as number).toBe(10_500);
  });

  test("that meet another writer leave nothing, and neither does the one behind", async () => {
    const release = otherWriter();
    const calls = [apply(reserveOperation("a")), apply(resultOperation("a", "0000"))];
    const settled = await Promise.allSettled(calls);
    expect(settled.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    for (const result of settled) {
      expect(result.status === "rejected" && result.reason).toBeInstanceOf(StoreBusy);
    }
    release();
    // Told of the failure, the next one is applied.
    expect(outcomeOf(await apply(reserveOperation("a")))).toEqual(["success"]);
  });

  test("behind a failed one stay unapplied though the other writer is gone", async () => {
    const release = otherWriter();
    const first = apply(reserveOperation("a")).catch(release);
    const second = apply(reserveOperation("b")).catch((error: unknown) => error);
    await first;
    expect(await second).toBeInstanceOf(StoreBusy);
    expect(bank.store.reservation("b")).toBeNull();
  });
});

describe("flush", () => {
  test("resolves at once where all is durable, and after each commit", async () => {
    await threads.flush();
    for (const requestId of ["a", "b", "c"]) {
      await apply(reserveOperation(requestId));
      await threads.flush();
    }
    expect(bank.store.account("1001")?.held as number).toBe(31_500);
  });
});

describe("the WAL", () => {
  const walSize = () => statSync(join(bank.dataDir, WAL_FILE)).size;

  test("has its full length from the start", () => {
    expect(walSize()).toBeGreaterThanOrEqual(WAL_BYTES);
  });

  test("is copied into the database and starts over while commits go on", async () => {
    const body = JSON.stringify("x".repeat(60_000));
    const operations = Array.from({ length: 250 }, (_, index) => {
      const operation = reserveOperation(`big-${index}`, { buyerId: "nobody" });
      return { ...operation, receipt: { ...operation.receipt, body } };
    });
    const databaseSize = () => statSync(join(bank.dataDir, DATABASE_FILE)).size;
    const before = databaseSize();
    // Some 15 MB each: four times what the WAL holds before it starts over.
    for (let round = 0; round < 26; round += 1) {
      const named = operations.map((operation) => ({
        ...operation,
        request: { ...operation.request, requestId: `${round} ${operation.request.requestId}` },
      }));
      await apply(...named);
      await threads.flush();
    }
    expect(databaseSize() - before).toBeGreaterThan(200_000_000);
    expect(walSize()).toBeLessThan(300_000_000);
  });

  test("is gone after a stop, and the database file is whole by itself", async () => {
    await apply(reserveOperation("a"));
    await threads.flush();
    await threads.stop();
    bank.store.endServing();
    bank.store.close();
    expect(existsSync(join(bank.dataDir, WAL_FILE))).toBe(false);
    const db = new Database(join(bank.dataDir, DATABASE_FILE), { readonly: true });
    expect(db.query("SELECT request_id FROM requests").all()).toEqual([{ request_id: "a" }]);
    db.close();
    bank = temporaryBank();
    bank.store.beginServing(bank.clock.now());
    threads = started();
  });
});
