// Two processes that go by one appliance's name, as those of a copied machine would: the one that
// came first must write nothing more, for what is asked by the number of a batch is no longer its own.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { openBank } from "../../src/bank.ts";
import { TakenOver } from "../../src/storage/postgres/batch.ts";
import { newSharedBank, type SharedBank } from "./appliances.ts";
import { endPostgres, startPrimary } from "./cluster.ts";
import { skipsPostgres } from "./programs.ts";

const isSkipped = skipsPostgres();

let shared: SharedBank;
beforeAll(async () => {
  if (!isSkipped) shared = await newSharedBank(await startPrimary());
});
afterAll(async () => {
  shared?.remove();
  await endPostgres();
});

const times = () => ({ now: Date.now(), monotonicMs: performance.now(), openSince: null });

describe.skipIf(isSkipped)("two processes of one name", () => {
  test("the first one is told so at its next batch, and writes nothing", async () => {
    const open = () => openBank(shared.first.dataDir, { serving: true });
    const [first, second] = [open(), open()];
    const batches = () => shared.sql("select batch from appliances");
    await first.store.applyBatch([{ kind: "idle" }], times());
    await second.store.applyBatch([{ kind: "idle" }], times());
    expect(await batches()).toBe("2");
    await expect(first.store.applyBatch([{ kind: "idle" }], times())).rejects.toThrow(TakenOver);
    expect(await batches()).toBe("2");
    await second.store.applyBatch([{ kind: "idle" }], times());
    expect(await batches()).toBe("3");
    for (const { close } of [first, second]) close();
  });
});
