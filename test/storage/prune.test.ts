// Pruning receipts: what goes is in the archive, and nothing that was answered is forgotten.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { minor } from "../../src/domain/money.ts";
import { pruneReceipts } from "../../src/prune.ts";
import { receiptJson } from "../../src/reports/views.ts";
import {
  BY,
  MONDAY_MORNING,
  receiptDraft,
  reserveOperation,
  resultOperation,
  type TemporaryBank,
  temporaryBank,
} from "./bank.ts";
import { onPostgres } from "./spelling.ts";

const DAY_MS = 86_400_000;
const before = MONDAY_MORNING + DAY_MS;
let bank: TemporaryBank;
let file: string;

/** Applies operations whose receipts are as old as the day says. */
function on(day: number, ...operations: Parameters<TemporaryBank["apply"]>) {
  const receivedAt = MONDAY_MORNING + day * DAY_MS;
  bank.clock.set(receivedAt);
  return bank.apply(
    ...operations.map((operation) =>
      "receipt" in operation
        ? { ...operation, receipt: { ...operation.receipt, receivedAt } }
        : operation,
    ),
  );
}
const prune = () => pruneReceipts(bank.store, BY, { dataDir: bank.dataDir, before, file });
const off = () => bank.store.verify().filter(({ ok }) => !ok);
const linesOf = (text: string) =>
  text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as object);
const refusal = (receivedAt: number) =>
  ({
    kind: "refusal",
    receivedAt,
    peer: "10.0.0.9",
    method: "GET",
    path: "/",
    status: 404,
    reason: "unknown path",
    trace: null,
    suppressed: 0,
  }) as const;

beforeEach(() => {
  bank = temporaryBank();
  file = join(dirname(bank.dataDir), "receipts.jsonl.gz");
  on(
    0,
    reserveOperation("debited"),
    resultOperation("debited", "0000"),
    reserveOperation("open"),
    reserveOperation("declined", { buyerId: "27000000000" }),
    resultOperation("overtaken", "2226"),
    { kind: "malformed", receipt: receiptDraft(), message: "wrong" },
    refusal(MONDAY_MORNING),
  );
  // A repeat with other content, whose receipt stays when the first one's goes.
  on(2, reserveOperation("debited", { reserveAmount: minor(1) }), reserveOperation("late"));
  on(2, refusal(MONDAY_MORNING + 2 * DAY_MS));
});
afterEach(() => bank.close());

test("what is old is in the archive, as it was, and gone from the bank", async () => {
  const all = bank.store.receipts(100);
  const old = all.filter(({ receivedAt }) => receivedAt < before);
  const pruned = await prune();
  expect(pruned).toMatchObject({ ok: true, value: { receipts: 6, refusals: 1 } });
  const archived = linesOf(Buffer.from(Bun.gunzipSync(readFileSync(file))).toString());
  const byId = (a: object, b: object) => JSON.stringify(a).localeCompare(JSON.stringify(b));
  expect(archived.sort(byId)).toEqual(
    (JSON.parse(JSON.stringify(old.map(receiptJson))) as object[]).sort(byId),
  );
  expect(bank.store.receipts(100)).toEqual(all.filter(({ receivedAt }) => receivedAt >= before));
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test("no answer, tombstone or reservation is forgotten, and the bank verifies", async () => {
  const answers = () =>
    on(
      3,
      reserveOperation("debited"),
      reserveOperation("open"),
      reserveOperation("declined", { buyerId: "27000000000" }),
      reserveOperation("overtaken"),
      resultOperation("debited", "0000"),
    ).map((outcome) => ({ ...outcome, receiptId: 0, fresh: false }));
  const first = answers();
  await prune();
  expect(answers()).toEqual(first);
  expect(off()).toEqual([]);
});

test("the journal says what was archived, and the archive's SHA-256", async () => {
  await prune();
  const acts = bank.store.journal({ limit: 100, from: 0, to: Number.MAX_SAFE_INTEGER });
  const act = acts.find((record) => record.act === "receipts prune");
  const sha256 = new Bun.CryptoHasher("sha256").update(readFileSync(file)).digest("hex");
  expect(JSON.parse(act?.detail ?? "")).toMatchObject({ before, receipts: 6, refusals: 1, sha256 });
});

test("a pruning that was killed on its way is finished by the next, each with its archive", async () => {
  const [oldest] = bank.store.oldReceipts(false, before, { limit: 1 }).receipts;
  const facts = { file: "a", sha256: "", receipts: 6, refusals: 1, from: 0, to: 0 };
  bank.store.beginPrune(BY, before, facts);
  bank.store.pruneReceipts(false, { before, last: 6 }, { limit: 1 });
  expect(bank.store.receipt(oldest?.id ?? "")).toBeNull();
  expect(off()).toEqual([]);
  expect(await prune()).toMatchObject({ ok: true, value: { receipts: 5 } });
  expect(off()).toEqual([]);
});

test("of two at once one is refused, and the archive of the other has all", async () => {
  const [first, second] = await Promise.allSettled([prune(), prune()]);
  expect(first).toMatchObject({ status: "fulfilled", value: { ok: true, value: { receipts: 6 } } });
  expect(String((second as PromiseRejectedResult).reason)).toContain(
    onPostgres ? "by another appliance: wait" : "are being pruned: wait",
  );
  expect(linesOf(Buffer.from(Bun.gunzipSync(readFileSync(file))).toString())).toHaveLength(7);
});

test("where the archive cannot be written nothing is deleted", async () => {
  const all = bank.store.receipts(100);
  writeFileSync(file, "somebody's");
  expect(prune()).rejects.toThrow("is there: name another file");
  file = join(bank.dataDir, "no", "folder.jsonl");
  expect(prune()).rejects.toThrow();
  expect(bank.store.receipts(100)).toEqual(all);
  expect(existsSync(file)).toBe(false);
});

test("the newest receipt stays, however old, so that no number is given twice", async () => {
  const { value } = (await pruneReceipts(bank.store, BY, {
    dataDir: bank.dataDir,
    before: MONDAY_MORNING + 30 * DAY_MS,
    file,
  })) as { value: { receipts: number } };
  expect(value.receipts).toBe(7);
  expect(bank.store.receipts(100).map(({ id }) => id)).toEqual(["8", "d2"]);
});

test("the database lets no receipt go that was not archived", async () => {
  expect(() => bank.sql("DELETE FROM receipts WHERE id = 8")).toThrow("only when it is archived");
  await prune();
  expect(() => bank.sql("DELETE FROM receipts WHERE id = 8")).toThrow("only when it is archived");
});

test("a span that the journal knows nothing of does not verify", () => {
  bank.sql("UPDATE bank SET receipts_pruned_before = 5");
  expect(off().flatMap(({ problems }) => problems)).toEqual([
    "receipts: pruned before 5, the journal says null",
  ]);
});
