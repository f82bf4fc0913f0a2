// Takes old receipts out of the bank: first all of them into an archive, which is flushed, checked and
// read again; then out of the database, in small commits, so that no purchase waits for long. What was
// asked, answered and reserved is not in receipts: it stays, for ever.
import { createHash } from "node:crypto";
import {
  closeSync,
  createReadStream,
  existsSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { createGunzip } from "node:zlib";
import { factsOf } from "./backup/format.ts";
import { lockPruning } from "./bank.ts";
import { syncFolder } from "./files.ts";
import { receiptJson } from "./reports/views.ts";
import { PAGE_SIZE } from "./storage/pages.ts";
import type { ArchiveFacts, By, OldReceipts, ReceiptView, Result, Store } from "./storage/store.ts";

/** So many are deleted in one commit: a few milliseconds. */
const ROWS_A_COMMIT = 500;
/** Between two commits, in which others write. */
const PAUSE_MS = 5;

/** The archive could not be written or is not what was written; nothing was deleted. */
export class ArchiveError extends Error {}

/** What there is to prune: receipts, and what was turned away at the door. */
type Old = { readonly door: boolean; count: number; last: number };
export type Pruned = ArchiveFacts & { readonly sizeBytes: number };

function* oldReceipts(store: Store, before: number, old: Old): Iterable<ReceiptView> {
  for (let after: number | null = 0; after !== null; ) {
    const limit = PAGE_SIZE;
    const page: OldReceipts = store.oldReceipts(old.door, before, { after, limit });
    for (const receipt of page.receipts) {
      old.count += 1;
      old.last = Number(receipt.id.replace("d", ""));
      yield receipt;
    }
    after = page.last;
  }
}

/** How many there are. */
export function countOld(store: Store, before: number): { receipts: number; refusals: number } {
  const [receipts, refusals] = [false, true].map((door) => {
    const old: Old = { door, count: 0, last: 0 };
    for (const _ of oldReceipts(store, before, old));
    return old.count;
  });
  return { receipts: receipts ?? 0, refusals: refusals ?? 0 };
}

export type Pruning = { readonly dataDir: string; readonly before: number; readonly file: string };

/**
 * Archives and prunes what was received before an instant. Throws ArchiveError, CannotOpen while
 * another does, and what the disk says, before anything is deleted; what is left of a pruning that
 * was killed is taken by the next.
 */
export async function pruneReceipts(
  store: Store,
  by: By,
  pruning: Pruning,
): Promise<Result<Pruned>> {
  // Of two at once one would archive what the other has half deleted, perhaps in the same file.
  const unlock = lockPruning(pruning.dataDir);
  try {
    return await pruneAlone(store, by, pruning);
  } finally {
    unlock();
  }
}

async function pruneAlone(
  store: Store,
  by: By,
  { before, file }: Pruning,
): Promise<Result<Pruned>> {
  const olds: Old[] = [false, true].map((door) => ({ door, count: 0, last: 0 }));
  const archived = await archive(store, before, { file, olds });
  const begun = store.beginPrune(by, before, archived);
  if (!begun.ok) return begun;
  for (const { door, last } of olds) {
    for (let after: number | null = 0; after !== null; await Bun.sleep(PAUSE_MS)) {
      const pruned = store.pruneReceipts(door, { before, last }, { after, limit: ROWS_A_COMMIT });
      if (!pruned.ok) return pruned;
      after = pruned.value;
    }
  }
  return { ok: true, value: archived };
}

/** Writes the archive, whole or not at all. */
async function archive(
  store: Store,
  before: number,
  { file, olds }: { file: string; olds: Old[] },
): Promise<Pruned> {
  if (existsSync(file)) throw new ArchiveError(`${file} is there: name another file`);
  const draft = join(dirname(file), `.${basename(file)}.tmp`);
  rmSync(draft, { force: true });
  try {
    const written = writeLines(store, before, { draft, olds, isZipped: file.endsWith(".gz") });
    const read = await linesOf(draft, file.endsWith(".gz"));
    if (read.count !== written.count || read.digest !== written.digest) {
      throw new ArchiveError("the archive reads otherwise than it was written: check its disk");
    }
    const { size, sha256 } = await factsOf(draft);
    renameSync(draft, file);
    syncFolder(dirname(file));
    const [receipts, refusals] = olds.map(({ count }) => count);
    const { from, to } = written;
    const counts = { receipts: receipts ?? 0, refusals: refusals ?? 0 };
    return { file: basename(file), sha256, ...counts, from, to, sizeBytes: size };
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

/** One line of JSON for each; compressed piece by piece, which gunzip reads as one file. */
function writeLines(
  store: Store,
  before: number,
  { draft, olds, isZipped }: { draft: string; olds: Old[]; isZipped: boolean },
) {
  const digest = createHash("sha256");
  const descriptor = openSync(draft, "wx", 0o600);
  let lines: string[] = [];
  let [count, from, to] = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const flush = () => {
    const bytes = Buffer.from(lines.join(""));
    digest.update(bytes);
    writeWhole(descriptor, isZipped ? Bun.gzipSync(bytes) : bytes);
    lines = [];
  };
  try {
    for (const old of olds) {
      for (const receipt of oldReceipts(store, before, old)) {
        lines.push(`${JSON.stringify(receiptJson(receipt))}\n`);
        count += 1;
        from = Math.min(from, receipt.receivedAt);
        to = Math.max(to, receipt.receivedAt);
        if (lines.length === PAGE_SIZE) flush();
      }
    }
    flush();
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  const span = count === 0 ? { from: null, to: null } : { from, to };
  return { count, digest: digest.digest("hex"), ...span };
}

function writeWhole(descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(descriptor, bytes, done, bytes.length - done);
  }
}

async function linesOf(file: string, isZipped: boolean) {
  const digest = createHash("sha256");
  let count = 0;
  const stream = createReadStream(file);
  for await (const chunk of isZipped ? stream.pipe(createGunzip()) : stream) {
    digest.update(chunk);
    for (const byte of chunk as Uint8Array) if (byte === 10) count += 1;
  }
  return { count, digest: digest.digest("hex") };
}
