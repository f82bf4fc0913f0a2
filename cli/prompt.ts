// Questions to a person. Only with a terminal on both sides: elsewhere the missing flag is named.
import * as clack from "@clack/prompts";
import { isPin } from "../src/domain/pin.ts";
import { Failure } from "./failure.ts";
import { clean } from "./output.ts";

export type Asking = { readonly json: boolean; readonly yes: boolean };

/** With --json nobody is asked, because questions would stand among the document. */
export function canAsk({ json }: Pick<Asking, "json">): boolean {
  return !json && process.stdin.isTTY === true && process.stdout.isTTY === true;
}

function answered<T>(answer: T | typeof clack.CANCEL_SYMBOL): T {
  if (clack.isCancel(answer)) throw new Failure("failed", "cancelled: nothing was changed");
  return answer as T;
}

/** Lets the command go on only if the person, or --yes, says so. */
export async function confirm(asking: Asking, question: string): Promise<void> {
  if (asking.yes) return;
  if (!canAsk(asking)) {
    throw new Failure("usage", `${question}\nNobody can be asked here: confirm it with --yes`);
  }
  const agreed = answered(await clack.confirm({ message: clean(question), initialValue: false }));
  if (!agreed) throw new Failure("failed", "not confirmed: nothing was changed");
}

/** The same for what nobody must do by mistake: the name itself has to be typed. */
export async function confirmByName(asking: Asking, what: string, name: string): Promise<void> {
  if (asking.yes) return;
  if (!canAsk(asking)) {
    throw new Failure("usage", `${what}\nNobody can be asked here: confirm it with --yes`);
  }
  const message = clean(`${what} Type ${name} to go on`);
  const typed = answered(await clack.text({ message, placeholder: name }));
  if (typed !== name) throw new Failure("failed", "not confirmed: nothing was done");
}

/** A passphrase from a hidden prompt; a new one is typed twice. */
export async function askPassphrase(isNew: boolean): Promise<string> {
  const passphrase = answered(await clack.password({ message: "The passphrase (not shown)" }));
  if (!isNew) return passphrase;
  const again = answered(await clack.password({ message: "The same passphrase again" }));
  if (passphrase === again) return passphrase;
  throw new Failure("failed", "the two passphrases differ: nothing was changed");
}

const WHAT_A_PIN_IS = "a PIN is 4 to 12 digits";

async function askPin(): Promise<string> {
  const pin = answered(
    await clack.password({
      message: "The new PIN (4 to 12 digits, not shown)",
      validate: (text) => (isPin(text ?? "") ? undefined : WHAT_A_PIN_IS),
    }),
  );
  const again = answered(await clack.password({ message: "The same PIN again" }));
  if (pin !== again) throw new Failure("failed", "the two PINs differ: nothing was changed");
  return pin;
}

/** A PIN from a hidden prompt, or from standard input with one newline at its end cut off. */
export async function readPin(asking: Asking): Promise<string> {
  if (canAsk(asking)) return askPin();
  if (process.stdin.isTTY === true) {
    throw new Failure("usage", "the PIN comes from standard input here: pipe it in");
  }
  const pin = (await Bun.stdin.text()).replace(/\r?\n$/, "");
  if (!isPin(pin)) {
    throw new Failure("usage", `standard input holds no PIN: ${WHAT_A_PIN_IS}, on one line`);
  }
  return pin;
}
