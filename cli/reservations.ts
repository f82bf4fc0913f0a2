// reservations: what was bought, what is held, and settling by hand.
import { type Command, Option } from "commander";
import { listedFrom } from "../src/domain/business-days.ts";
import { FINDINGS } from "../src/domain/finding.ts";
import { localTimeText } from "../src/domain/local-time.ts";
import { formatAmount, type Minor, minor } from "../src/domain/money.ts";
import { RESERVATION_STATES, type ReservationState } from "../src/domain/reservation.ts";
import { isEarlyRelease, type SettleAction } from "../src/domain/settle.ts";
import { channelText } from "../src/reports/channels.ts";
import {
  findingJson,
  journalJson,
  receiptJson,
  reservationJson,
  whoText,
} from "../src/reports/views.ts";
import { type Paging, rowsOf } from "../src/storage/pages.ts";
import type {
  Bank,
  FindingView,
  JournalView,
  ReceiptView,
  ReservationView,
} from "../src/storage/store.ts";
import { perform } from "./control.ts";
import { type List, limitOption, writeList } from "./list.ts";
import { facts, money, note, table } from "./output.ts";
import { confirm } from "./prompt.ts";
import { answerText } from "./receipts.ts";
import { command, found, group, type Session, withBank } from "./session.ts";
import { calendarOf, fromOption, readSpan, type SpanOptions, toOption } from "./times.ts";

// ---------------------------------------------------------------- list

type ListOptions = SpanOptions & {
  readonly state?: ReservationState;
  readonly account?: string;
  readonly buyer?: string;
  readonly limit?: number;
};

function reservationsList(
  { store, bank }: Session,
  { state, account, buyer, ...span }: ListOptions,
): List<ReservationView> {
  const filter = {
    ...readSpan(span, bank),
    ...(state === undefined ? {} : { state }),
    ...(account === undefined ? {} : { account }),
    ...(buyer === undefined ? {} : { buyer }),
  };
  return {
    rows: (most) =>
      rowsOf(
        (page: Paging<number>) => store.reservations({ ...filter, ...page }),
        ({ id }) => id,
        most,
      ),
    json: reservationJson,
    table: (reservations) => reservationsTable(reservations, bank),
    first: "newest",
  };
}

function reservationsTable(reservations: readonly ReservationView[], bank: Bank): string {
  if (reservations.length === 0) return "No reservations.";
  return table(
    [
      { title: "Reserved at" },
      { title: "State" },
      { title: "Account" },
      { title: "Buyer" },
      { title: "Amount", align: "right" },
      { title: "raasTxnRef", whole: true },
      { title: "Our reference", whole: true },
    ],
    reservations.map((reservation) => [
      localTimeText(reservation.reservedAt, bank.timeZone),
      stateText(reservation),
      reservation.account,
      reservation.buyerId,
      money(reservation.reserveAmount, bank),
      reservation.requestId,
      reservation.reference,
    ]),
  );
}

function stateText({ state, corrected }: ReservationView): string {
  return corrected ? `${state}, corrected` : state;
}

// ---------------------------------------------------------------- show

/** One reservation with all that ever happened about it, each list in time order. */
type Dossier = {
  readonly reservation: ReservationView;
  readonly receipts: readonly ReceiptView[];
  readonly findings: readonly FindingView[];
  readonly postings: readonly JournalView[];
};

function dossierOf({ store }: Session, ref: string): Dossier {
  const reservation = found(store.reservation(ref), `reservation ${ref}`);
  const { id, requestId, reference } = reservation;
  return {
    reservation,
    receipts: store.receiptsOf(requestId, reference),
    findings: store.findingsOf(requestId, reference),
    postings: store.journalOf(id),
  };
}

function dossierJson({ reservation, receipts, findings, postings }: Dossier) {
  return {
    ...reservationJson(reservation),
    receipts: receipts.map(receiptJson),
    findings: findings.map(findingJson),
    postings: postings.map(journalJson),
  };
}

function endText({ resolvedAt, resolvedBy, resultCode }: ReservationView, bank: Bank): string {
  if (resolvedAt === null) return "no result yet";
  const code = resultCode === null ? "" : ` ${resultCode}`;
  return `${localTimeText(resolvedAt, bank.timeZone)}, by ${resolvedBy ?? "nobody"}${code}`;
}

function figures(reservation: ReservationView, bank: Bank): string {
  const amount = (figure: Minor | null) => (figure === null ? "not sent" : money(figure, bank));
  const { sumsDifference } = reservation;
  return facts([
    ["Our reference", reservation.reference],
    ["raasTxnRef", reservation.requestId],
    ["clientTxnRef", reservation.clientRef ?? "not sent"],
    ["State", stateText(reservation)],
    ["Account", reservation.account],
    ["Buyer", reservation.buyerId],
    ["Recipient", reservation.targetId ?? "not sent"],
    ["Product", String(reservation.productId ?? "not sent")],
    ["Channel", reservation.channelId === null ? "not sent" : channelText(reservation.channelId)],
    ["Reserve amount", money(reservation.reserveAmount, bank)],
    ["Purchase amount", amount(reservation.purchaseAmount)],
    ["Fee", money(reservation.feeAmount, bank)],
    ["Client share", money(reservation.clientShareAmount, bank)],
    ["Settlement amount", amount(reservation.settlementAmount)],
    ...(sumsDifference === 0
      ? []
      : [["Sums differ by", money(minor(sumsDifference), bank)] as const]),
    ["Reserved at", localTimeText(reservation.reservedAt, bank.timeZone)],
    ["Ended", endText(reservation, bank)],
  ]);
}

type Event = { readonly at: number; readonly what: string; readonly detail: string };

function postingDetail({ entries, by, reason }: JournalView, bank: Bank): string {
  const moves = entries.map(
    ({ account, amount }) => `${account} ${formatAmount(amount, bank.minorDigits)}`,
  );
  const why = reason === null ? "" : `; ${whoText(by)}: ${reason}`;
  return `${moves.join(", ")}${why}`;
}

/** What happened, in time order; where the times are equal, cause before effect. */
function history({ receipts, findings, postings }: Dossier, bank: Bank): Event[] {
  const events: Event[] = [
    ...receipts.map((receipt) => ({
      at: receipt.receivedAt,
      what: `receipt ${receipt.id}`,
      detail: `${receipt.path}: ${answerText(receipt)}`,
    })),
    ...postings.map((posting) => ({
      at: posting.at,
      what: `${posting.kind} #${posting.id}`,
      detail: postingDetail(posting, bank),
    })),
    ...findings.map((finding) => ({
      at: finding.openedAt,
      what: `finding ${finding.id}${finding.closedAt === null ? "" : ", closed"}`,
      detail: `${FINDINGS[finding.kind].title}: ${finding.detail}`,
    })),
  ];
  return events.sort((a, b) => a.at - b.at);
}

function dossierText(dossier: Dossier, bank: Bank): string {
  const events = history(dossier, bank);
  if (events.length === 0) return figures(dossier.reservation, bank);
  const rows = events.map(({ at, what, detail }) => [
    localTimeText(at, bank.timeZone),
    what,
    detail,
  ]);
  const columns = [{ title: "Time" }, { title: "What" }, { title: "Detail" }];
  return `${figures(dossier.reservation, bank)}\n\n${table(columns, rows)}`;
}

// ---------------------------------------------------------------- settling by hand

/** Why a release now may cost the bank money, or null where it may not. */
function earlyWarning(session: Session, reservation: ReservationView): string | null {
  const calendar = calendarOf(session);
  const { reservedAt, state } = reservation;
  if (state !== "reserved" || !isEarlyRelease(reservedAt, Date.now(), calendar)) return null;
  const due = localTimeText(listedFrom(reservedAt, calendar), session.bank.timeZone);
  return (
    `Clickatell may still report success: business day 7 ends at ${due}. ` +
    "After a release, a late success is the bank's loss."
  );
}

function questionOf(
  reservation: ReservationView,
  how: { readonly action: SettleAction; readonly bankBears: boolean; readonly bank: Bank },
): string {
  const amount = money(reservation.reserveAmount, how.bank);
  const about = `reservation ${reservation.reference} of buyer ${reservation.buyerId}`;
  if (reservation.state === "reserved") {
    return how.action === "release"
      ? `Release the ${amount} held on account ${reservation.account} for ${about}?`
      : `Debit the ${amount} held on account ${reservation.account} for ${about}?`;
  }
  const payer = how.bankBears ? "the bank's loss account" : `account ${reservation.account}`;
  return how.action === "release"
    ? `Correct ${about}, which is ${reservation.state}: give ${amount} back to account ` +
        `${reservation.account}${how.bankBears ? ", out of the bank's loss account" : ""}?`
    : `Correct ${about}, which is ${reservation.state}: take ${amount} from ${payer}?`;
}

async function settle(session: Session, ref: string, action: SettleAction, bankBears: boolean) {
  const { store, bank } = session;
  const reservation = found(store.reservation(ref), `reservation ${ref}`);
  const warning = action === "release" ? earlyWarning(session, reservation) : null;
  if (warning !== null && !session.json) note(`warning: ${warning}`);
  await confirm(session, questionOf(reservation, { action, bankBears, bank }));
  const { reference, state } = reservation;
  const args = { ref: reference, bankBears, seen: state };
  return perform(session, { act: `reservations ${action}`, args }, (settled) => ({
    json: { ...reservationJson(settled), warning },
    text: () => figures(settled, bank),
  }));
}

function addSettling(
  reservations: Command,
  action: SettleAction,
  texts: { summary: string; why: string },
) {
  command(reservations, {
    form: `${action} <ref>`,
    summary: texts.summary,
    kind: "reasoned",
    examples: [
      `reservations ${action} demo-raas-0001 --reason "${texts.why}"`,
      `reservations ${action} demo-raas-0001 --bank-bears --yes --reason "${texts.why}"`,
    ],
  })
    .option("--bank-bears", "in a correction: the bank's loss account pays, not the buyer's")
    .addHelpText("after", "\nREF is our reference or the raasTxnRef.")
    .action(
      withBank((session, [ref]: [string], { bankBears }: { bankBears?: true }) =>
        settle(session, ref, action, bankBears === true),
      ),
    );
}

// ---------------------------------------------------------------- the group

export function register(program: Command): void {
  const reservations = group(program, "reservations", "What was bought and what is held for it");
  command(reservations, {
    form: "list",
    summary: "List reservations, the newest first",
    kind: "read",
    examples: [
      "reservations list --state reserved",
      "reservations list --buyer 0731304702 --from 2026-03-01 --to 2026-03-31",
      "reservations list --account 62-0001 --limit 20 --json",
    ],
  })
    .addOption(new Option("--state <state>", "only in this state").choices(RESERVATION_STATES))
    .option("--account <number>", "only of this account")
    .option("--buyer <buyer>", "only of this buyer, in any spelling")
    .addOption(fromOption())
    .addOption(toOption())
    .addOption(limitOption())
    .action(
      withBank((session, _: [], options: ListOptions) =>
        writeList(session, reservationsList(session, options), options.limit),
      ),
    );
  command(reservations, {
    form: "show <ref>",
    summary: "Show one reservation and all that happened about it",
    kind: "read",
    examples: ["reservations show demo-raas-0001", "reservations show demo-raas-0001 --json"],
  })
    .addHelpText("after", "\nREF is our reference or the raasTxnRef.")
    .action(
      withBank((session, [ref]: [string]) => {
        const dossier = dossierOf(session, ref);
        return { json: dossierJson(dossier), text: () => dossierText(dossier, session.bank) };
      }),
    );
  addSettling(reservations, "release", {
    summary: "Release what is held; after a debit, give it back by a correction",
    why: "Clickatell confirmed: nothing was dispensed, ticket 4711",
  });
  addSettling(reservations, "debit", {
    summary: "Debit what is held; after a release, take it by a correction",
    why: "Clickatell confirmed: it was dispensed, ticket 4711",
  });
}
