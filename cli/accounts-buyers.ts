// accounts map, unmap, block-buyer, unblock-buyer: whose purchases an account pays.
import type { Command } from "commander";
import { isIdentifier } from "../src/domain/identifiers.ts";
import { Failure } from "./failure.ts";
import { confirm } from "./prompt.ts";
import { command, type Session, unwrap, withBank } from "./session.ts";

function readBuyer(text: string): string {
  if (isIdentifier(text)) return text;
  throw new Failure("usage", "a buyer is 1-64 characters on one line, as Clickatell names it");
}

async function map(session: Session, text: string, number: string) {
  const { store, by } = session;
  const { buyerId, account } = store.buyer(readBuyer(text));
  if (account !== null && account !== number) {
    await confirm(session, `Buyer ${buyerId} buys from account ${account}. Move it to ${number}?`);
  }
  const mapped = unwrap(store.mapBuyer(by, text, number));
  return {
    json: { buyerId: mapped.buyerId, account: number, before: account },
    text: () => `Buyer ${mapped.buyerId} buys from account ${number}.`,
  };
}

async function unmap(session: Session, text: string) {
  const { store, by } = session;
  const { buyerId, account } = store.buyer(readBuyer(text));
  if (account === null) throw new Failure("notFound", `buyer ${buyerId} is not mapped`);
  await confirm(session, `Buyer ${buyerId} buys from account ${account}. Unmap it?`);
  const unmapped = unwrap(store.unmapBuyer(by, text));
  return {
    json: unmapped,
    text: () => `Buyer ${unmapped.buyerId} no longer buys from account ${unmapped.account}.`,
  };
}

export function registerBuyers(accounts: Command): void {
  command(accounts, {
    form: "map <buyer> <number>",
    summary: "Let a buyer buy from an account; a phone number in any usual spelling",
    kind: "write",
    examples: [
      "accounts map 27731304702 62-0001",
      'accounts map "+27 73 130 4702" 62-0002 --yes --reason "the SIM card changed hands"',
    ],
  }).action(withBank((session, [buyer, number]: [string, string]) => map(session, buyer, number)));
  command(accounts, {
    form: "unmap <buyer>",
    summary: "Take a buyer from its account; what it reserved stays there",
    kind: "write",
    examples: ["accounts unmap 27731304702", "accounts unmap 27731304702 --yes"],
  }).action(withBank((session, [buyer]: [string]) => unmap(session, buyer)));
  command(accounts, {
    form: "block-buyer <buyer>",
    summary: "Decline a buyer's purchases from now on, whatever its account",
    kind: "write",
    examples: ['accounts block-buyer 27731304702 --reason "phone reported stolen"'],
  }).action(
    withBank(({ store, by }, [buyer]: [string]) => {
      const { buyerId } = unwrap(store.blockBuyer(by, readBuyer(buyer)));
      return { json: { buyerId, blocked: true }, text: () => `Buyer ${buyerId} is blocked.` };
    }),
  );
  command(accounts, {
    form: "unblock-buyer <buyer>",
    summary: "Let a blocked buyer buy again",
    kind: "write",
    examples: ['accounts unblock-buyer 27731304702 --reason "phone found"'],
  }).action(
    withBank(({ store, by }, [buyer]: [string]) => {
      const { buyerId } = unwrap(store.unblockBuyer(by, readBuyer(buyer)));
      return {
        json: { buyerId, blocked: false },
        text: () => `Buyer ${buyerId} is not blocked any more.`,
      };
    }),
  );
}
