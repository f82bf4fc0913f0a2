// sales: stop selling for a while, without stopping the server.
import type { Command } from "commander";
import { command, group, unwrap, withBank } from "./session.ts";

export function register(program: Command): void {
  const sales = group(program, "sales", "Pause and resume selling");
  command(sales, {
    form: "pause",
    summary: "Decline every reserve with 2090; results still take effect",
    kind: "reasoned",
    examples: ['sales pause --reason "core system maintenance until 22:00"'],
  }).action(
    withBank(({ store, by }) => {
      unwrap(store.pauseSales(by));
      return {
        json: { salesPaused: true, reason: by.reason },
        text: () => "Sales are paused: every reserve is answered 2090, results still take effect.",
      };
    }),
  );
  command(sales, {
    form: "resume",
    summary: "Sell again",
    kind: "write",
    examples: ["sales resume", 'sales resume --reason "maintenance done"'],
  }).action(
    withBank(({ store, by }) => {
      unwrap(store.resumeSales(by));
      return { json: { salesPaused: false }, text: () => "Sales are on." };
    }),
  );
}
