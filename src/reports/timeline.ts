// All that happened about one purchase, in the order it happened, with who did it.
import { FINDINGS } from "../domain/finding.ts";
import { isoTime } from "../domain/local-time.ts";
import { formatAmount, type Minor } from "../domain/money.ts";
import { DISPENSED } from "../domain/outcomes.ts";
import type {
  ApprovalView,
  Bank,
  FindingView,
  JournalView,
  Past,
  PurchaseView,
  ReceiptView,
} from "../storage/store.ts";
import { channelText } from "./channels.ts";
import { type CheckLine, checksOf } from "./checks.ts";
import { purchasedAt, purchaseViewJson } from "./purchases.ts";
import {
  approvalJson,
  findingJson,
  journalJson,
  personText,
  receiptJson,
  whoText,
} from "./views.ts";

/** One purchase with all that is recorded about it, each list in time order. */
export type Dossier = {
  readonly bank: Bank;
  readonly purchase: PurchaseView;
  readonly receipts: readonly ReceiptView[];
  readonly findings: readonly FindingView[];
  readonly records: readonly JournalView[];
  /** What was asked for under dual control about it. */
  readonly approvals: readonly ApprovalView[];
  readonly past: Past | null;
};

export type Happened = {
  readonly at: number;
  readonly what: string;
  readonly detail: string;
  /** "Clickatell", "the bank", or the person. */
  readonly who: string;
};

const CLICKATELL = "Clickatell";
export const OURS = "the bank";

/** What it was answered, in few words: "200 2010 Insufficient funds". */
export function answerText({ status, responseCode, message }: ReceiptView): string {
  return [status, responseCode, message].filter((part) => part !== null).join(" ");
}

const money = (amount: Minor, { minorDigits, currency }: Bank) =>
  `${formatAmount(amount, minorDigits)} ${currency}`;

/** Only the answer to a reserve has a code. */
const isReserve = ({ responseCode }: ReceiptView) => responseCode !== null;

/** When the answer to a request was ready to leave. */
const answeredAt = ({ receivedAt, durationUs }: ReceiptView) =>
  receivedAt + Math.round((durationUs ?? 0) / 1000);

/** The code that a result carries. */
function resultCodeOf({ body }: ReceiptView): string {
  const code = body === null ? undefined : /"responseCode":"([^"]*)"/.exec(body)?.[1];
  return code ?? "?";
}

function checksIn({ purchase, past, receipts, bank }: Dossier): CheckLine[] {
  return checksOf(purchase, past, { receipt: receipts.find(isReserve) ?? null, bank });
}

// ---------------------------------------------------------------- what happened

function receivedEvents(dossier: Dossier): Happened[] {
  const { purchase, receipts, bank } = dossier;
  const first = receipts.find(isReserve);
  const product = purchase.productId === null ? "" : ` for product ${purchase.productId}`;
  const channel = purchase.channelId === null ? "" : ` over ${channelText(purchase.channelId)}`;
  const asked = `${money(purchase.reserveAmount, bank)}${product}${channel}`;
  const from =
    first === undefined
      ? "; its receipt is not kept any more"
      : `, from ${first.peer}, receipt ${first.id}`;
  const at = first?.receivedAt ?? purchasedAt(purchase);
  const checks = checksIn(dossier).map(({ name, verdict, figures }) => ({
    at,
    what: "check",
    detail: `${name}: ${verdict}${figures === "" ? "" : `, ${figures}`}`,
    who: OURS,
  }));
  const asking = { at, what: "received", detail: `${asked}${from}`, who: CLICKATELL };
  return [asking, ...shortened(checks), ...heldEvents(dossier), ...answeredEvents(first, purchase)];
}

const LEFT_OUT = [
  ["told", "which of these failed is not recorded"],
  ["reached", "not reached"],
] as const;

/** Checks of which nothing can be told, and those that were not reached, stand in one line each. */
function shortened(checks: readonly Happened[]): Happened[] {
  const told = checks.filter(({ detail }) => !/: not (told|reached)$/.test(detail));
  const [first] = checks;
  if (first === undefined) return [];
  const left = LEFT_OUT.flatMap(([end, why]) => {
    const of = checks.filter(({ detail }) => detail.endsWith(`: not ${end}`));
    if (of.length === 0) return [];
    const names = of.map(({ detail }) => detail.replace(/: not \w+$/, "")).join(", ");
    return [{ ...first, detail: `${why}: ${names}` }];
  });
  return [...told, ...left];
}

function heldEvents({ purchase, bank }: Dossier): Happened[] {
  if (purchase.state === "declined") return [];
  const { reservedAt, reserveAmount, account, reference } = purchase;
  const detail = `${money(reserveAmount, bank)} on account ${account} as ${reference}`;
  return [{ at: reservedAt, what: "held", detail, who: OURS }];
}

function answeredEvents(first: ReceiptView | undefined, purchase: PurchaseView): Happened[] {
  if (first === undefined) return [];
  const took = first.durationUs === null ? "" : ` after ${(first.durationUs / 1000).toFixed(1)} ms`;
  const detail = `${answerText(first)}${took}`;
  // Its duration was measured on another clock than its times.
  const at = Math.max(answeredAt(first), purchasedAt(purchase));
  return [{ at, what: "answered", detail, who: OURS }];
}

/** The reserve that came again, and every result. */
function laterReceipts({ receipts }: Dossier): Happened[] {
  const first = receipts.find(isReserve);
  const seen = new Set<string>();
  return receipts
    .filter((receipt) => receipt !== first)
    .map((receipt) => {
      const { id, receivedAt: at } = receipt;
      const answered = `answered ${answerText(receipt)}, receipt ${id}`;
      if (isReserve(receipt)) {
        return { at, what: "resent", detail: `the request again: ${answered}`, who: CLICKATELL };
      }
      const code = resultCodeOf(receipt);
      const again = seen.has(code);
      seen.add(code);
      const said = code === DISPENSED ? "dispensed" : "not dispensed";
      return {
        at,
        what: again ? "resent" : "result",
        detail: `${code}, ${said}${again ? ", again" : ""}: ${answered}`,
        who: CLICKATELL,
      };
    });
}

/** Who ended a reservation, where no record of the journal tells. */
const ENDED_BY = { result: CLICKATELL, "time-out": OURS, operator: "an operator" } as const;

function releasedEvents({ purchase, records, bank }: Dossier): Happened[] {
  if (purchase.state !== "released" || purchase.resolvedAt === null) return [];
  const { resolvedAt: at, resolvedBy, reserveAmount, account } = purchase;
  const act = records.find(({ kind, act }) => kind === "act" && act === "reservations release");
  const free = `${money(reserveAmount, bank)} of account ${account} is free again`;
  const detail = act?.reason == null ? free : `${free}: ${act.reason}`;
  const who = act === undefined ? ENDED_BY[resolvedBy ?? "operator"] : whoText(act.by);
  return [{ at, what: "released", detail, who }];
}

function postingText({ entries, reason }: JournalView, bank: Bank): string {
  const moves = entries.map(
    ({ account, amount }) => `${account} ${formatAmount(amount, bank.minorDigits)}`,
  );
  return `${moves.join(", ")}${reason === null ? "" : `: ${reason}`}`;
}

function recordEvents({ records, bank }: Dossier): Happened[] {
  return records.flatMap((record): Happened[] => {
    const { at, kind, act, id } = record;
    const who = record.by === null ? CLICKATELL : whoText(record.by);
    if (kind !== "act") {
      const what = kind === "debit" ? "debited" : kind;
      return [{ at, what, detail: `${postingText(record, bank)} (journal ${id})`, who }];
    }
    if (act !== "reports exceptions --mark-sent") return [];
    return [{ at, what: "sent", detail: "in a report to Clickatell", who }];
  });
}

function findingEvents({ findings, records }: Dossier): Happened[] {
  return findings.flatMap((finding): Happened[] => {
    const { id, kind, detail, openedAt, closedAt, closeReason, occurrences } = finding;
    const times = occurrences > 1 ? ` (${occurrences} times)` : "";
    const opened: Happened = {
      at: openedAt,
      what: `finding ${id}`,
      detail: `${FINDINGS[kind].title}: ${detail}${times}`,
      who: OURS,
    };
    if (closedAt === null) return [opened];
    const closing = records.find(
      ({ act, subject }) => act === "findings close" && subject === String(id),
    );
    // Settling the reservation closes what it settles.
    const by = closing ?? records.find(({ act }) => act.startsWith("reservations "));
    const why = closeReason === null ? "" : `: ${closeReason}`;
    const text = `finding ${id} closed${why}`;
    return [opened, { at: closedAt, what: "closed", detail: text, who: whoText(by?.by ?? null) }];
  });
}

/** What needed another person: when it was asked for, and when and how it was decided. */
function approvalEvents({ approvals }: Dossier): Happened[] {
  return approvals.flatMap((approval): Happened[] => {
    const { id, what, state, askedAt, askedBy, decidedAt, decidedBy } = approval;
    const name = `approval ${id}`;
    const reason = askedBy.reason === null ? "" : `: ${askedBy.reason}`;
    const wait = state === "open" ? ", waits for another person" : "";
    const detail = `asked to ${what}${wait}${reason}`;
    const asked = { at: askedAt, what: name, detail, who: personText(askedBy) };
    if (decidedAt === null || decidedBy === null) return [asked];
    const why = decidedBy.reason === null ? "" : `: ${decidedBy.reason}`;
    const decided = { at: decidedAt, what: name, detail: `${state}${why}` };
    return [asked, { ...decided, who: personText(decidedBy) }];
  });
}

/** In time order; where the times are equal, cause before effect. */
export function timeline(dossier: Dossier): Happened[] {
  return [
    ...receivedEvents(dossier),
    ...laterReceipts(dossier),
    ...approvalEvents(dossier),
    ...releasedEvents(dossier),
    ...recordEvents(dossier),
    ...findingEvents(dossier),
  ].sort((a, b) => a.at - b.at);
}

// ---------------------------------------------------------------- for scripts

function pastJson({ account, ...past }: Past) {
  return {
    ...past,
    account:
      account === null
        ? null
        : {
            number: account.number,
            status: account.status,
            ledgerBalanceMinor: account.ledgerBalance,
            heldMinor: account.held,
            overdraftMinor: account.overdraft,
            usage: account.usage,
          },
  };
}

export function dossierJson(dossier: Dossier) {
  const { purchase, receipts, findings, records, approvals, past } = dossier;
  const events = timeline(dossier);
  const start = events[0]?.at ?? purchasedAt(purchase);
  return {
    ...purchaseViewJson(purchase),
    receipts: receipts.map(receiptJson),
    findings: findings.map(findingJson),
    postings: records.filter(({ kind }) => kind !== "act").map(journalJson),
    acts: records.filter(({ kind }) => kind === "act").map(journalJson),
    approvals: approvals.map(approvalJson),
    checks: checksIn(dossier),
    before: past === null ? null : pastJson(past),
    timeline: events.map(({ at, ...event }) => ({
      at: isoTime(at),
      sinceStartMs: at - start,
      ...event,
    })),
  };
}
