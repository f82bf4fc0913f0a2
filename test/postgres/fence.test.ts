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

describe.skipIf(isSkipped)("an appliance that was silent for a minute", () => {
  test("is known again as one that serves once it writes, whoever took it for gone meanwhile", async () => {
    const open = ({ dataDir }: { dataDir: string }) => openBank(dataDir, { serving: true });
    const [silent, other] = [open(shared.appliance()), open(shared.appliance())];
    silent.store.beginServing(Date.now());
    await shared.sql("update appliances set seen_at = 0");
    expect(other.store.beginServing(Date.now())).not.toBeNull();
    // A request of its own is open, and then it is killed.
    const opened = { ...times(), openSince: Date.now() };
    await silent.store.applyBatch([{ kind: "idle" }], opened);
    expect(silent.store.beginServing(Date.now())).not.toBeNull();
    for (const { close } of [silent, other]) close();
  });
});
