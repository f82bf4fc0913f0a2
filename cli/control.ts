// Dual control: an act is done at once or, where it needs another's approval, asked for.
import { sealed as seal, waitingFor, writeSealed } from "../src/approvals.ts";
import { DAY_MS, localTimeText } from "../src/domain/local-time.ts";
import { SHARED_SECRETS } from "../src/keys.ts";
import { quoted } from "../src/printable.ts";
import { approvalJson } from "../src/reports/views.ts";
import {
  ACTS,
  type ActName,
  type ArgsOf,
  actOf,
  type DoneOf,
  digestOf,
  type Sealed,
} from "../src/storage/acts.ts";
import type { Result } from "../src/storage/store.ts";
import { EXIT, Failure } from "./failure.ts";
import { type Answer, type Session, unwrap } from "./session.ts";

/** An act as a command has it: what is sealed is named apart, and never in the arguments. */
export type Asked<Name extends ActName> = {
  readonly act: Name;
  readonly args: Omit<ArgsOf<Name>, "digest">;
  readonly sealed?: Omit<Sealed, "salt">;
};

/** Does an act; what needs another's approval is asked for, and `answer` is not called. */
export function perform<Name extends ActName>(
  session: Session,
  asked: Asked<Name>,
  answer: (done: DoneOf<Name>) => Answer,
): Answer {
  const { store, by } = session;
  const content = seal(asked.sealed ?? {});
  const args = { ...asked.args, digest: digestOf(content) };
  const result = actOf(asked.act).perform(store, by, args as never, content);
  if (!result.ok && result.refusal.kind === "needs-approval") return ask(session, asked);
  return answer(unwrap(result as Result<DoneOf<Name>>));
}

/** Asks another to approve an act, of which nothing takes effect now. */
export function ask<Name extends ActName>(session: Session, asked: Asked<Name>): Answer {
  const { store, by, bank, config, dataDir, dryRun } = session;
  const { act } = asked;
  refuseWaiting(session, asked);
  const content = seal(asked.sealed ?? {});
  const hasDigest = "digest" in ACTS[act].args.properties;
  const args = { ...asked.args, ...(hasDigest ? { digest: digestOf(content) } : {}) };
  const expiresAt = Date.now() + config.approval_days * DAY_MS;
  const view = unwrap(store.askApproval(by, { act, args, expiresAt }));
  // Beside a secret's own file, so that whoever opens the bank next can finish what was approved.
  if (!dryRun && (hasDigest || act.startsWith("secrets "))) {
    writeSealed(dataDir, view.id, content);
  }
  const login = view.askedBy.loginName ?? `uid ${view.askedBy.loginUid}`;
  const until = localTimeText(view.expiresAt, bank.timeZone);
  return {
    json: { status: "awaiting-approval", approval: approvalJson(view) },
    text: () =>
      [
        "Nothing was changed: this is under dual control and needs another's approval.",
        "",
        `Approval ${view.id}: ${view.what}`,
        "",
        `Somebody with another login than ${login} types, before ${until}:`,
        `  transact-bank approvals approve ${view.id} --data-dir ${quoted(dataDir)}`,
      ].join("\n"),
    exitCode: EXIT.awaitingApproval,
  };
}

function refuseWaiting({ store }: Session, { act, args }: Asked<ActName>): void {
  if (!act.startsWith("secrets ")) return;
  const kind = SHARED_SECRETS.find((each) => "kind" in args && each === args.kind);
  const waiting = kind === undefined ? undefined : waitingFor(store, kind);
  if (waiting === undefined) return;
  throw new Failure(
    "refused",
    `approval ${waiting.id} for the ${kind} secret is open: approve or reject it first`,
  );
}
