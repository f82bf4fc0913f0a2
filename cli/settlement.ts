// settlement: what the bank pays to Clickatell.
import type { Command } from "commander";
import { perform } from "./control.ts";
import { money, readPositiveAmount } from "./output.ts";
import { command, group, withBank } from "./session.ts";

export function register(program: Command): void {
  const settlement = group(program, "settlement", "What the bank pays to Clickatell");
  command(settlement, {
    form: "pay <amount>",
    summary: "Record a payment to Clickatell",
    kind: "reasoned",
    examples: ['settlement pay 12000.00 --reason "EFT 2026-03-02, invoice 881"'],
  }).action(
    withBank((session, [text]: [string]) => {
      const { bank } = session;
      const amount = readPositiveAmount(text, "the amount", bank);
      return perform(session, { act: "settlement pay", args: { amount } }, ({ owed }) => ({
        json: { paidMinor: amount, owedMinor: owed, currency: bank.currency },
        text: () => `Paid ${money(amount, bank)}; ${money(owed, bank)} is still owed.`,
      }));
    }),
  );
}
