// reservations: what was bought, what is held, and settling by hand.
import type { Command } from "commander";
import { listedFrom } from "../src/domain/business-days.ts";
import { localTimeText } from "../src/domain/local-time.ts";
import { isEarlyRelease, type SettleAction } from "../src/domain/settle.ts";
import { reservationJson } from "../src/reports/views.ts";
import type { Bank, ReservationView } from "../src/storage/store.ts";
import { perform } from "./control.ts";
import { dossierAnswer, purchaseOf, purchaseText } from "./dossier.ts";
import { money, warn } from "./output.ts";
import { confirm } from "./prompt.ts";
import { registerList } from "./purchases-list.ts";
import { command, found, group, type Session, withBank } from "./session.ts";
import { calendarOf } from "./times.ts";

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
  if (warning !== null && !session.json) warn(warning);
  await confirm(session, questionOf(reservation, { action, bankBears, bank }));
  const { reference, state } = reservation;
  const args = { ref: reference, bankBears, seen: state };
  return perform(session, { act: `reservations ${action}`, args }, (settled) => ({
    json: { ...reservationJson(settled), warning },
    text: () => purchaseText(settled, bank),
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
  registerList(reservations);
  command(reservations, {
    form: "show <ref>",
    summary: "Show one purchase, declined ones too, and all that happened about it",
    kind: "read",
    examples: ["reservations show demo-raas-0001", "reservations show demo-raas-0001 --json"],
  })
    .addHelpText("after", "\nREF is our reference or the raasTxnRef.")
    .action(
      withBank((session, [ref]: [string]) => dossierAnswer(session, purchaseOf(session, ref))),
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
