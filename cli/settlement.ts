// settlement: what the bank pays to Clickatell.
import type { Command } from "commander";
import { money, readPositiveAmount } from "./output.ts";
import { command, group, unwrap, withBank } from "./session.ts";

export function register(program: Command): void {
  const settlement = group(program, "settlement", "What the bank pays to Clickatell");
  command(settlement, {
    form: "pay <amount>",
    summary: "Record a payment to Clickatell",
    kind: "reasoned",
    examples: ['settlement pay 12000.00 --reason "EFT 2026-03-02, invoice 881"'],
  }).action(
    withBank(({ store, bank, by }, [text]: [string]) => {
      const amount = readPositiveAmount(text, "the amount", bank);
      const { owed } = unwrap(store.paySettlement(by, amount));
      return {
        json: { paidMinor: amount, owedMinor: owed, currency: bank.currency },
        text: () => `Paid ${money(amount, bank)}; ${money(owed, bank)} is still owed.`,
      };
    }),
  );
}
