// Dual control outside the database: what an approval needs and no table may hold, a new secret or
// a PIN's hash, waits in a key file of its own, keys/approval-ID.json, 0600 and in no backup.
//
// A secret takes effect in two steps: the approval and the act's record in one commit, then the
// key file. Whoever opens the bank next finishes what a process that was killed between them left.
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { syncFolder, writeFileDurably } from "./files.ts";
import {
  KEYS_DIR,
  readSecret,
  type SecretPair,
  SHARED_SECRETS,
  type SharedSecret,
  writeSecret,
} from "./keys.ts";
import { retired, rotated, rotateRefusal } from "./secrets.ts";
import { digestOf, type Sealed } from "./storage/acts.ts";
import type { ApprovalView, By, Result, Store } from "./storage/store.ts";

const SEALED_FILE = /^approval-(\d{1,15})\.json$/;

const fileOf = (dataDir: string, id: number) => join(dataDir, KEYS_DIR, `approval-${id}.json`);

/** What an approval keeps sealed; the salt keeps its digest, which is no secret, from telling. */
export function sealed(content: Omit<Sealed, "salt">): Sealed {
  return { ...content, salt: crypto.getRandomValues(new Uint8Array(16)).toHex() };
}

export function writeSealed(dataDir: string, id: number, content: Sealed): void {
  writeFileDurably(fileOf(dataDir, id), `${JSON.stringify(content)}\n`);
}

function readSealed(dataDir: string, id: number): Sealed | null {
  try {
    return JSON.parse(readFileSync(fileOf(dataDir, id), "utf8")) as Sealed;
  } catch {
    return null;
  }
}

function removeSealed(dataDir: string, id: number): void {
  rmSync(fileOf(dataDir, id), { force: true });
  syncFolder(join(dataDir, KEYS_DIR));
}

type SecretArgs = { readonly kind?: unknown; readonly rotatedAt?: unknown };

/** The shared secret that an approval is about, or null where it is about something else. */
function secretOf({ act, args }: ApprovalView): SharedSecret | null {
  if (!act.startsWith("secrets ")) return null;
  return SHARED_SECRETS.find((kind) => kind === (args as SecretArgs).kind) ?? null;
}

/** Why what lies outside the database is against an act that was asked for, or null. */
function outsideRefusal(view: ApprovalView, content: Sealed | null, pair: SecretPair | null) {
  const { args } = view;
  const askAgain = "reject it and ask again";
  if ("digest" in args && (content === null || digestOf(content) !== args.digest)) {
    return `what was asked for under approval ${view.id} is no longer in keys/: ${askAgain}`;
  }
  const kind = secretOf(view);
  if (kind === null) return null;
  if ((pair?.rotatedAt ?? null) !== (args as SecretArgs).rotatedAt) {
    return `the ${kind} secret was changed since it was asked for: ${askAgain}`;
  }
  if (view.act === "secrets rotate") return rotateRefusal(pair, content?.secret ?? "");
  return pair?.previous == null ? `no former ${kind} secret is in force: reject it` : null;
}

/** Puts in force what was approved; a second time it changes nothing. */
function finish(dataDir: string, view: ApprovalView, content: Sealed | null): void {
  const kind = secretOf(view);
  const pair = kind === null ? null : readSecret(dataDir, kind);
  if (kind === null || outsideRefusal(view, content, pair) !== null) return;
  // Of the pair that was looked at: two processes that both finish it write the same.
  if (view.act === "secrets rotate" && content?.secret !== undefined) {
    writeSecret(dataDir, kind, rotated(pair, content.secret));
  } else if (view.act === "secrets retire" && pair !== null) {
    writeSecret(dataDir, kind, retired(pair));
  }
}

/** Removes what no approval needs any more, and finishes what was approved. */
export function settleSealed(dataDir: string, store: Pick<Store, "approval">): void {
  const folder = join(dataDir, KEYS_DIR);
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    const id = Number(SEALED_FILE.exec(name)?.[1] ?? 0);
    if (id === 0) continue;
    const view = store.approval(id);
    if (view?.state === "open") continue;
    if (view?.state === "approved") finish(dataDir, view, readSealed(dataDir, id));
    removeSealed(dataDir, id);
  }
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
  const kind = view === null ? null : secretOf(view);
  const pair = kind === null ? null : readSecret(dataDir, kind);
  const why = view?.state === "open" ? outsideRefusal(view, content, pair) : null;
  const result: Result<ApprovalView> =
    why === null
      ? store.approve(by, id, content)
      : { ok: false, refusal: { kind: "refused", message: why } };
  if (result.ok && !dryRun) settleSealed(dataDir, store);
  return result;
}

/** What waits already for the same secret: two of them would be in each other's way. */
export function waitingFor(store: Store, kind: SharedSecret): ApprovalView | undefined {
  return store.approvals({ all: false, limit: 1000 }).find((view) => secretOf(view) === kind);
}
