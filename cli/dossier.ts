// reservations show: one purchase, its figures, and the timeline of all that happened about it.
import { localTimeText } from "../src/domain/local-time.ts";
import { type Minor, minor } from "../src/domain/money.ts";
import { channelText } from "../src/reports/channels.ts";
import { becameText, purchasedAt } from "../src/reports/purchases.ts";
import {
  type Dossier,
  dossierJson,
  type Happened,
  OURS,
  timeline,
} from "../src/reports/timeline.ts";
import type { ApprovalView, Bank, PurchaseView, Store } from "../src/storage/store.ts";
import { facts, money, table } from "./output.ts";
import { type Answer, found, type Session } from "./session.ts";

/** People ask for approvals, so that there are few; the newest of them are looked through. */
const MOST_APPROVALS = 1_000;

/** What was asked for about a purchase under dual control, by either of its references. */
function approvalsAbout(store: Store, refs: readonly (string | null)[]): ApprovalView[] {
  return store
    .approvals({ all: true, limit: MOST_APPROVALS })
    .filter(({ args }) => "ref" in args && refs.includes(args.ref as string))
    .reverse();
}

function dossierOf({ store, bank }: Session, purchase: PurchaseView): Dossier {
  const { requestId } = purchase;
  const reference = purchase.state === "declined" ? null : purchase.reference;
  return {
    bank,
    purchase,
    receipts: store.receiptsOf(requestId, reference),
    findings: store.findingsOf(requestId, reference),
    records: store.journalOf(requestId),
    approvals: approvalsAbout(store, [requestId, reference]),
    past: store.past(purchase),
  };
}

/** What a purchase is and what became of it. */
export function purchaseText(purchase: PurchaseView, bank: Bank): string {
  const amount = (figure: Minor | null) => (figure === null ? "not sent" : money(figure, bank));
  const { sumsDifference } = purchase;
  const declined = purchase.state === "declined";
  return facts([
    ["What became of it", becameText(purchase, bank)],
    ["State", !declined && purchase.corrected ? `${purchase.state}, corrected` : purchase.state],
    ["raasTxnRef", purchase.requestId],
    ["Our reference", declined ? "none: it was declined" : purchase.reference],
    ["clientTxnRef", purchase.clientRef ?? "not sent"],
    ["Account", declined ? "none" : purchase.account],
    ["Buyer", purchase.buyerId],
    ["Recipient", purchase.targetId ?? "not sent"],
    ["Product", String(purchase.productId ?? "not sent")],
    ["Channel", purchase.channelId === null ? "not sent" : channelText(purchase.channelId)],
    ["Reserve amount", money(purchase.reserveAmount, bank)],
    ["Purchase amount", amount(purchase.purchaseAmount)],
    ["Fee", money(purchase.feeAmount, bank)],
    ["Client share", money(purchase.clientShareAmount, bank)],
    ["Settlement amount", amount(purchase.settlementAmount)],
    ...(sumsDifference === 0
      ? []
      : [["Sums differ by", money(minor(sumsDifference), bank)] as const]),
    [declined ? "Received at" : "Reserved at", localTimeText(purchasedAt(purchase), bank.timeZone)],
  ]);
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How long after the start, in three figures or so: "+0.012 s", "+1 min 05 s", "+3 d 02 h". */
function sinceText(ms: number): string {
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0");
  if (ms < MINUTE) return `+${(ms / SECOND).toFixed(3)} s`;
  if (ms < HOUR) return `+${Math.floor(ms / MINUTE)} min ${two((ms % MINUTE) / SECOND)} s`;
  if (ms < DAY) return `+${Math.floor(ms / HOUR)} h ${two((ms % HOUR) / MINUTE)} min`;
  return `+${Math.floor(ms / DAY)} d ${two((ms % DAY) / HOUR)} h`;
}

/** The day stands once, before what happened on it: a screen has no room for it in every line. */
function timelineRows(events: readonly Happened[], bank: Bank): string[][] {
  const start = events[0]?.at ?? 0;
  let day = "";
  return events.flatMap(({ at, what, detail, who }) => {
    const [date = "", time = ""] = localTimeText(at, bank.timeZone).split(" ");
    const row = [time, sinceText(at - start), what, who === OURS ? detail : `${detail} [${who}]`];
    if (date === day) return [row];
    day = date;
    return [[date, "", "", ""], row];
  });
}

function dossierText(dossier: Dossier): string {
  const { purchase, past, bank } = dossier;
  const columns = [{ title: "Time" }, { title: "After" }, { title: "What" }, { title: "Detail" }];
  const told =
    past === null
      ? "The figures of the checks cannot be told: too much was recorded since."
      : "The answer is recorded; the checks' figures are told from what came since.";
  return [
    purchaseText(purchase, bank),
    "",
    table(columns, timelineRows(timeline(dossier), bank)),
    "",
    told,
  ].join("\n");
}

export function dossierAnswer(session: Session, purchase: PurchaseView): Answer {
  const dossier = dossierOf(session, purchase);
  return { json: dossierJson(dossier), text: () => dossierText(dossier) };
}

/** The purchase of a reference, or exit 3. */
export function purchaseOf({ store }: Session, ref: string): PurchaseView {
  return found(store.purchase(ref), `reservation or declined request ${ref}`);
}
