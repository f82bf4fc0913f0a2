// accounts set-pin, unlock-pin, remove-pin. No PIN is ever a flag, an output or an error.
import type { Command } from "commander";
import { accountAnswer } from "./account-view.ts";
import { perform } from "./control.ts";
import { Failure } from "./failure.ts";
import { confirm, readPin } from "./prompt.ts";
import { command, found, type Session, unwrap, withBank } from "./session.ts";

async function setPin(session: Session, number: string) {
  const { store, bank } = session;
  const account = found(store.account(number), `account ${number}`);
  if (account.pin !== "none") {
    await confirm(session, `Account ${number} has a PIN. Set another one in its place?`);
  }
  const pinHash = unwrap(store.hashPin(number, await readPin(session))).toHex();
  const asked = { act: "accounts set-pin", args: { number }, sealed: { pinHash } } as const;
  return perform(session, asked, (after) => accountAnswer(after, bank));
}

async function removePin(session: Session, number: string) {
  const { store, bank } = session;
  const account = found(store.account(number), `account ${number}`);
  if (account.pin === "none") throw new Failure("refused", `account ${number} has no PIN`);
  await confirm(session, `Remove the PIN of account ${number} (${account.name})?`);
  return perform(session, { act: "accounts remove-pin", args: { number } }, (after) =>
    accountAnswer(after, bank),
  );
}

export function registerPins(accounts: Command): void {
  command(accounts, {
    form: "set-pin <number>",
    summary: "Set an account's PIN, from a hidden prompt or standard input; lifts a lock",
    kind: "write",
    examples: ["accounts set-pin 62-0001", "accounts set-pin 62-0001 --yes < pin.txt"],
  }).action(withBank((session, [number]: [string]) => setPin(session, number)));
  command(accounts, {
    form: "unlock-pin <number>",
    summary: "Let the PIN be tried again after too many wrong ones",
    kind: "write",
    examples: ['accounts unlock-pin 62-0001 --reason "identified at the branch"'],
  }).action(
    withBank((session, [number]: [string]) =>
      perform(session, { act: "accounts unlock-pin", args: { number } }, (after) =>
        accountAnswer(after, session.bank),
      ),
    ),
  );
  command(accounts, {
    form: "remove-pin <number>",
    summary: "Take an account's PIN away",
    kind: "write",
    examples: ["accounts remove-pin 62-0001", "accounts remove-pin 62-0001 --yes"],
  }).action(withBank((session, [number]: [string]) => removePin(session, number)));
}
