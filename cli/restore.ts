// restore: what a bank that was restored from a backup (backup restore) waits for.
import type { Command } from "commander";
import { isoTime, localTimeText } from "../src/domain/local-time.ts";
import type { RestoreView } from "../src/storage/store.ts";
import { command, group, unwrap, withBank } from "./session.ts";

function restoreJson({ from, to, record, hash }: RestoreView) {
  return { forgottenFrom: isoTime(from), forgottenTo: isoTime(to), journalHead: { record, hash } };
}

export function register(program: Command): void {
  const restore = group(program, "restore", "After a backup was restored");
  command(restore, {
    form: "acknowledge",
    summary: "Accept reserves again, knowing what the restored bank has forgotten",
    kind: "reasoned",
    examples: [
      'restore acknowledge --reason "compared with Clickatell, two debits booked by hand"',
    ],
  }).action(
    withBank(({ store, by, bank }) => {
      const acknowledged = unwrap(store.acknowledgeRestore(by));
      const paused = store.bank().salesPaused;
      const time = (at: number) => localTimeText(at, bank.timeZone);
      return {
        json: { acknowledged: acknowledged.map(restoreJson), reason: by.reason },
        text: () =>
          [
            ...acknowledged.map(({ from, to }) => `Forgotten: ${time(from)} to ${time(to)}.`),
            paused === null
              ? "Reserves are decided again."
              : `Sales stay paused (${paused.reason}): transact-bank sales resume.`,
            "The finding stays at the head of the exception",
            "report until it is closed (transact-bank findings close).",
          ].join("\n"),
      };
    }),
  );
}
