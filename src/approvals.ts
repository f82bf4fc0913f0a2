// Dual control outside the database: what an approval needs and no table may hold, a new secret or
// a PIN's hash, waits in a key file of its own, keys/approval-ID.json, 0600 and in no backup.
//
// A secret takes effect in two steps: the approval and the act's record in one commit, then the
// key file. Whoever opens the bank next finishes what a process that was killed between them left.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { readConfig } from "./config.ts";
import { messageOf } from "./errors.ts";
import { syncFolder, writeFileDurably } from "./files.ts";
import {
  KEYS_DIR,
  KeyError,
  readSecret,
  SHARED_SECRETS,
  type SharedSecret,
  writeKeyTexts,
  writeSecret,
} from "./keys.ts";
import { retired, rotated, rotateRefusal } from "./secrets.ts";
import { digestOf, type Sealed } from "./storage/acts.ts";
import type { ApprovalView, By, Result, Store } from "./storage/store.ts";

/** With what a process left that was killed while it wrote one. */
const SEALED_FILE = /^approval-(\d{1,15})\.json(\.new)?$/;

const fileOf = (dataDir: string, id: number) => join(dataDir, KEYS_DIR, `approval-${id}.json`);

/** What an approval keeps sealed; the salt keeps its digest, which is no secret, from telling. */
export function sealed(content: Omit<Sealed, "salt">): Sealed {
  return { ...content, salt: crypto.getRandomValues(new Uint8Array(16)).toHex() };
}

export function writeSealed(dataDir: string, id: number, content: Sealed): void {
  // A restored bank has no keys/ yet, and asks for the import of its keys.
  mkdirSync(join(dataDir, KEYS_DIR), { recursive: true, mode: 0o700 });
  writeFileDurably(fileOf(dataDir, id), `${JSON.stringify(content)}\n`);
}

function readSealed(dataDir: string, id: number): Sealed | null {
  try {
    return JSON.parse(readFileSync(fileOf(dataDir, id), "utf8")) as Sealed;
  } catch {
    return null;
  }
}

/** The arguments of the acts on secrets (acts.ts), as far as they matter here. */
type SecretArgs = {
  readonly kind?: SharedSecret;
  readonly rotatedAt?: number | null;
  readonly seen?: string;
  readonly output?: string;
};

/** The shared secret that an approval is about, or null where it is about something else. */
function secretOf({ act, args }: ApprovalView): SharedSecret | null {
  if (!act.startsWith("secrets ")) return null;
  return SHARED_SECRETS.find((kind) => kind === (args as SecretArgs).kind) ?? null;
}

/** Names the shared secrets in force by when they were set. */
export function secretsSeen(dataDir: string): string {
  return SHARED_SECRETS.map((kind) => {
    const pair = readSecret(dataDir, kind);
    return `${kind} ${pair === null ? "none" : pair.rotatedAt}`;
  }).join(", ");
}

const CHANGED = "the secrets were changed since it was asked for: reject it and ask again";

/** Why the secrets that there are now are against an act on them, or null. */
function secretsRefusal(dataDir: string, { act, args }: ApprovalView, content: Sealed | null) {
  const { kind, rotatedAt, seen, output } = args as SecretArgs;
  if (seen !== undefined && seen !== secretsSeen(dataDir)) return CHANGED;
  if (output !== undefined && existsSync(output))
    return `${output} is there: move it, or reject it`;
  if (output !== undefined && !existsSync(dirname(output)))
    return `there is no folder ${dirname(output)}: make it, or reject it`;
  if (kind === undefined) return null;
  const pair = readSecret(dataDir, kind);
  if ((pair?.rotatedAt ?? null) !== rotatedAt) return CHANGED;
  if (act === "secrets rotate") return rotateRefusal(pair, content?.secret ?? "");
  return pair?.previous == null ? `no former ${kind} secret is in force: reject it` : null;
}

/** Why what is sealed for an approval is not what was asked for, or null. */
function sealedRefusal(
  { id, act, args }: ApprovalView,
  content: Sealed | null,
  isShared = false,
): string | null {
  const isNeeded = act.startsWith("secrets ") || "digest" in args;
  if (!isNeeded) return null;
  // A retirement has nothing to seal, but by the file it is known to be unfinished.
  const isAsAsked = !("digest" in args) || digestOf(content ?? {}) === args.digest;
  if (content !== null && isAsAsked) return null;
  return isShared
    ? `what was asked for under approval ${id} is not in keys/ here: approve it on the appliance where it was asked`
    : `what was asked for under approval ${id} is no longer in keys/: reject it and ask again`;
}

/** Why what lies outside the database is against an act that was asked for, or null. */
function outsideRefusal(dataDir: string, view: ApprovalView, content: Sealed | null) {
  const isShared = readConfig(dataDir).database !== undefined;
  const why = sealedRefusal(view, content, isShared);
  if (why !== null || !view.act.startsWith("secrets ")) return why;
  return secretsRefusal(dataDir, view, content);
}

/** Puts in force what was approved; a second time it changes nothing. */
function finish(dataDir: string, view: ApprovalView, content: Sealed | null): void {
  const { output } = view.args as SecretArgs;
  const kind = secretOf(view);
  // Read before it is looked at: two processes that both finish it write the same.
  const pair = kind === null ? null : readSecret(dataDir, kind);
  if (sealedRefusal(view, content) !== null) return;
  if (view.act === "secrets import") {
    // Several files: whoever was killed among them has changed the secrets that were seen.
    if (content?.keys !== undefined) writeKeyTexts(dataDir, content.keys);
    return;
  }
  if (outsideRefusal(dataDir, view, content) !== null) return;
  if (view.act === "secrets rotate" && kind !== null && content?.secret !== undefined) {
    writeSecret(dataDir, kind, rotated(pair, content.secret));
  } else if (view.act === "secrets retire" && kind !== null && pair !== null) {
    writeSecret(dataDir, kind, retired(pair));
  } else if (view.act === "secrets export" && content?.file && output !== undefined) {
    writeFileDurably(output, Uint8Array.fromBase64(content.file));
  }
}

/**
 * Removes what no approval needs any more, and finishes what was approved. Gives what was in the way
 * of that: it is tried again by whoever opens the bank next, whom it must not keep from anything else.
 */
export function settleSealed(dataDir: string, store: Pick<Store, "approval">): unknown[] {
  const folder = join(dataDir, KEYS_DIR);
  const failures: unknown[] = [];
  if (!existsSync(folder)) return failures;
  for (const name of readdirSync(folder)) {
    const id = Number(SEALED_FILE.exec(name)?.[1] ?? 0);
    if (id === 0) continue;
    const view = store.approval(id);
    if (view?.state === "open") continue;
    try {
      if (view?.state === "approved") finish(dataDir, view, readSealed(dataDir, id));
      rmSync(join(folder, name), { force: true });
      syncFolder(folder);
    } catch (error) {
      failures.push(error);
    }
  }
  return failures;
}

export type Approving = {
  readonly dataDir: string;
  readonly store: Store;
  readonly dryRun: boolean;
};

/** Does what was asked for, in the name of both. The act is refused by whatever is against it now. */
export function approve({ dataDir, store, dryRun }: Approving, by: By, id: number) {
  const view = store.approval(id);
  const content = readSealed(dataDir, id);
  const why = view?.state === "open" ? outsideRefusal(dataDir, view, content) : null;
  const result: Result<ApprovalView> =
    why === null
      ? store.approve(by, id, content)
      : { ok: false, refusal: { kind: "refused", message: why } };
  const [failure] = result.ok && !dryRun ? settleSealed(dataDir, store) : [];
  if (failure !== undefined) {
    const why = messageOf(failure);
    throw new KeyError(
      `approval ${id} is approved, but what it sets could not be written (${why}): once it can be, ` +
        "the next command does it",
    );
  }
  return result;
}

/** What waits already for the same secret: two of them would be in each other's way. */
export function waitingFor(store: Store, kind: SharedSecret): ApprovalView | undefined {
  return store.approvals({ all: false, limit: 1000 }).find((view) => secretOf(view) === kind);
}
