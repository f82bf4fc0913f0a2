// The baseline: the same bank and HTTP layer, and one commit with a flush of its own for each
// request, one after another. What batching and one flush for many are worth is measured on it.
//
//   one-by-one DATA_DIR
import { openBank } from "../../src/bank.ts";
import { systemClock } from "../../src/clock.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { createApp } from "../../src/http/app.ts";
import { listen } from "../../src/http/listen.ts";
import { readReceiptKey, secretReader } from "../../src/keys.ts";
import type { Operation, OperationOutcome } from "../../src/storage/store.ts";

const dataDir = process.argv[2] ?? "";
// Opened as a command opens it, each commit flushes the write-ahead log before it returns.
const { store, config, close } = openBank(dataDir);

/** Ends when the request before has its answer; no two are ever in one commit. */
let last: Promise<unknown> = Promise.resolve();

function applyAlone(operation: Operation): Promise<OperationOutcome | undefined> {
  const applied = last.then(async () => {
    const now = systemClock.now();
    const times = { now, monotonicMs: systemClock.monotonicMs(), openSince: now };
    // The store may apply a batch on another thread and give a promise.
    const outcomes: readonly OperationOutcome[] = await store.applyBatch([operation], times);
    return outcomes[0];
  });
  // One that failed fails for its caller alone; the next one goes on.
  last = applied.catch(() => {});
  return applied;
}

const engine: Pick<Engine, "reserve" | "result" | "malformed" | "refused" | "notReady"> = {
  async reserve(request, authCode, receipt) {
    const outcome = await applyAlone({ kind: "reserve", request, authCode, receipt, told: null });
    return outcome?.kind === "reserve" ? outcome : { outcome: "unknownError", reference: null };
  },
  async result(request, receipt) {
    const outcome = await applyAlone({ kind: "result", request, receipt, toldLate: false });
    return outcome?.kind === "result" ? outcome.answer : "late";
  },
  async malformed(receipt, message) {
    await applyAlone({ kind: "malformed", receipt, message });
    return true;
  },
  refused(refusal) {
    void applyAlone(refusal);
    return true;
  },
  notReady: () => null,
};

const app = createApp({
  engine: engine as Engine,
  clock: systemClock,
  currency: store.bank().currency,
  receiptKey: readReceiptKey(dataDir),
  authentication: {
    signatureSecrets: config.require_signature ? secretReader(dataDir, "signature") : null,
    basic: null,
    allowAddresses: [],
  },
  paths: { reserveFunds: config.reserve_funds_path, transactResult: config.transact_result_path },
  https: false,
});
const listener = listen(app, { host: "127.0.0.1", port: 0, tls: null });
console.log(`listening ${new URL(listener.url).port}`);

process.on("SIGTERM", async () => {
  await listener.close();
  await last;
  close();
  process.exit(0);
});
