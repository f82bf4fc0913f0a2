// restore: what a bank that was restored from a backup (backup restore) waits for.
import type { Command } from "commander";
import { isoTime, localTimeText } from "../src/domain/local-time.ts";
import type { NewRestore } from "../src/storage/store.ts";
import { Failure } from "./failure.ts";
import { command, group, unwrap, withBank } from "./session.ts";
import { readTime } from "./times.ts";

function restoreJson({ from, to, record, hash }: Omit<NewRestore, "file">) {
  return { forgottenFrom: isoTime(from), forgottenTo: isoTime(to), journalHead: { record, hash } };
}

type RecordOptions = { readonly from: string; readonly to?: string };

/** What a PostgreSQL that was restored by its own means does not know of itself. */
function registerRecord(restore: Command): void {
  command(restore, {
    form: "record",
    summary: "Note that the bank's PostgreSQL was restored to a time: reserves wait from now on",
    kind: "reasoned",
    examples: [
      'restore record --from "2026-03-12T10:30" --reason "db1 and db2 lost, restored by pgBackRest"',
    ],
  })
    .requiredOption("--from <time>", "the time that it was restored to: nothing later is known")
    .option("--to <time>", "when the last answer may have been given (default: now)")
    .action(
      withBank<[], RecordOptions>(({ store, by, bank }, _, options) => {
        const now = Date.now();
        const from = readTime(options.from, "--from", bank);
        const to = options.to === undefined ? now : readTime(options.to, "--to", bank);
        if (from >= to || to > now) {
          throw new Failure("usage", "--from must be before --to, and neither later than now");
        }
        const { id: record, hash } = store.journalHead();
        const restored = { from, to, record, hash: hash.toHex(), file: "PostgreSQL" };
        unwrap(store.recordRestore(by, restored));
        const time = (at: number) => localTimeText(at, bank.timeZone);
        return {
          json: { ...restoreJson(restored), reason: by.reason },
          text: () =>
            [
              `Forgotten: ${time(from)} to ${time(to)}. The journal ends with record ${record}.`,
              "Results are taken as always. Every reserve is answered 2090 until somebody has",
              "looked at what is forgotten: transact-bank restore acknowledge --reason TEXT",
            ].join("\n"),
        };
      }),
    );
}

export function register(program: Command): void {
  const restore = group(program, "restore", "After a backup was restored");
  registerRecord(restore);
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
