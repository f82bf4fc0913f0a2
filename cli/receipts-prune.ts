// receipts prune: takes old receipts out, into an archive.
import { type Command, InvalidArgumentError } from "commander";
import { DAY_MS, isoTime, localTimeText } from "../src/domain/local-time.ts";
import { countOld, pruneReceipts } from "../src/prune.ts";
import { isoOrNull } from "../src/reports/views.ts";
import { bytesText } from "../src/units.ts";
import { fileOnDisk } from "./input.ts";
import { facts } from "./output.ts";
import { confirm } from "./prompt.ts";
import { command, unwrap, withBank } from "./session.ts";

/** What is younger may still be asked about: seven business days, and what Clickatell resends. */
const FEWEST_DAYS = 30;

function readAge(text: string): number {
  const days = Number(/^(\d{1,5})d$/.exec(text)?.[1] ?? Number.NaN);
  if (Number.isNaN(days)) throw new InvalidArgumentError("Write days, like 400d.");
  if (days < FEWEST_DAYS) throw new InvalidArgumentError(`At least ${FEWEST_DAYS}d.`);
  return days * DAY_MS;
}

export function registerPrune(receipts: Command): void {
  command(receipts, {
    form: "prune",
    summary: "Move old receipts into an archive; no answer and no reservation is forgotten",
    kind: "write",
    examples: [
      "receipts prune --older-than 400d --archive ./receipts-2025.jsonl.gz",
      "receipts prune --older-than 400d --archive ./receipts-2025.jsonl.gz --dry-run",
    ],
  })
    .requiredOption("--older-than <days>", "received longer ago, such as 400d", readAge)
    .requiredOption(
      "--archive <file>",
      "a new file, a line of JSON each; compressed if it ends .gz",
    )
    .action(
      withBank<[], { olderThan: number; archive: string }>(async (session, _, options) => {
        const { store, by, bank, dataDir, dryRun } = session;
        const before = Date.now() - options.olderThan;
        const file = fileOnDisk(options.archive, "--archive");
        const { receipts: count, refusals } = countOld(store, before);
        const what = `${count} receipts and ${refusals} refusals of before ${localTimeText(before, bank.timeZone)}`;
        const json = { before: isoTime(before), receipts: count, refusals };
        if (count + refusals === 0) {
          return { json, text: () => "Nothing is that old: no archive was written." };
        }
        if (dryRun) return { json, text: () => `Moved into ${file}: ${what}.` };
        await confirm(session, `${what} will be moved into ${file}. Go on?`);
        const { from, to, ...moved } = unwrap(
          await pruneReceipts(store, by, { dataDir, before, file }),
        );
        return {
          json: { ...json, ...moved, file, from: isoOrNull(from), to: isoOrNull(to) },
          text: () =>
            facts([
              ["Moved", `${moved.receipts} receipts and ${moved.refusals} refusals`],
              ["Archive", `${file}, ${bytesText(moved.sizeBytes)}`],
              ["SHA-256", moved.sha256],
            ]) +
            "\n\nTheir room in the database is used again by what comes; the file does not shrink.",
        };
      }),
    );
}
