// The data dir of every version that was released opens, migrates, verifies and forgets nothing.
import { describe, expect, test } from "bun:test";
import { chmodSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openBank } from "../../src/bank.ts";
import { migrateDatabase } from "../../src/storage/sqlite/open.ts";
import { done } from "../http/bank.ts";
import { BY, reserveOperation, resultOperation } from "../storage/bank.ts";
import { knownOf } from "./known.ts";

const versions = readdirSync(import.meta.dir).filter((name) => /^\d+\.\d+\.\d+$/.test(name));

test("there is one", () => {
  expect(versions.length).toBeGreaterThan(0);
});

describe.each(versions)("of version %s", (version) => {
  const kept = join(import.meta.dir, version);

  function withCopy(use: (opened: ReturnType<typeof openBank>) => void): void {
    const folder = mkdtempSync(join(tmpdir(), "transact-bank-released-"));
    const dataDir = join(folder, "bank");
    cpSync(kept, dataDir, { recursive: true });
    chmodSync(dataDir, 0o700);
    migrateDatabase(dataDir);
    const opened = openBank(dataDir);
    try {
      use(opened);
    } finally {
      opened.close();
      rmSync(folder, { recursive: true });
    }
  }

  test("knows all that it knew, and verifies", () => {
    const known = JSON.parse(readFileSync(`${kept}.json`, "utf8")) as unknown;
    withCopy(({ store }) => {
      expect(JSON.parse(JSON.stringify(knownOf(store)))).toEqual(known);
      expect(store.verify().filter(({ ok }) => !ok)).toEqual([]);
    });
  });

  test("answers a repeat as it did, keeps its tombstone, and goes on", () => {
    withCopy(({ store }) => {
      done(store.resumeSales(BY));
      const now = Date.parse("2026-03-05T08:00:00Z");
      const times = { now, monotonicMs: 1, openSince: now };
      const first = store.reservation("raas-open");
      const repeat = { buyerId: "27731304702" };
      const outcomes = store.applyNow(
        [
          reserveOperation("raas-open", repeat),
          reserveOperation("raas-overtaken", repeat),
          reserveOperation("raas-released", repeat),
          resultOperation("raas-open", "0000"),
          reserveOperation("raas-new", repeat),
        ],
        times,
      );
      expect(outcomes).toMatchObject([
        { outcome: "success", reference: first?.reference, fresh: false },
        { outcome: "timeOut", fresh: false },
        { outcome: "timeOut", fresh: false },
        { answer: "accepted" },
        { outcome: "success", fresh: true },
      ]);
      expect(store.verify().filter(({ ok }) => !ok)).toEqual([]);
    });
  });
});
