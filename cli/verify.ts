// verify: recomputes the books from the journal.
import { type Command, InvalidArgumentError } from "commander";
import { headJson } from "../src/reports/head.ts";
import type { Check, Store } from "../src/storage/store.ts";
import { EXIT } from "./failure.ts";
import { clean, wrapped } from "./output.ts";
import { command, withBank } from "./session.ts";

type Kept = { readonly record: number; readonly hash: string };
type VerifyOptions = { readonly kept?: readonly Kept[] };

/** "1200:9f86..." as an earlier verify said it. */
function readKept(text: string, before: readonly Kept[] = []): Kept[] {
  const match = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text.trim().toLowerCase());
  if (match === null) {
    throw new InvalidArgumentError("Write a record and its hash as verify says them: 1200:9f86...");
  }
  return [...before, { record: Number(match[1]), hash: match[2] as string }];
}

/** Compares what was kept elsewhere with what the journal says now. */
function checkKept(store: Store, kept: readonly Kept[]): Check[] {
  if (kept.length === 0) return [];
  const problems = kept.flatMap(({ record, hash }) => {
    const now = store.journalHash(record);
    if (now !== null && Buffer.from(now).toString("hex") === hash) return [];
    return [
      `record ${record}: it ${now === null ? "is gone" : "has another hash than the kept one"}`,
    ];
  });
  return [
    { name: "the journal is the one whose hash was kept", ok: problems.length === 0, problems },
  ];
}

function checkText({ name, ok, problems }: Check): string {
  const lines = [`${ok ? "ok " : "OFF"}  ${name}`, ...problems.map((problem) => `     ${problem}`)];
  return lines.map((line) => wrapped(clean(line))).join("\n");
}

/** Whoever can write the file can write another chain: only a hash kept elsewhere shows that. */
const headText = ({ record, hash }: Kept): string =>
  `The journal's newest record and its hash, to keep off this machine:
  ${record}:${hash}
Given to a later verify as --kept, it shows that nobody rewrote the journal
up to there.`;

export function register(program: Command): void {
  command(program, {
    form: "verify",
    summary: "Recompute balances, holds and limits from the journal; exits 6 if a row is off",
    kind: "read",
    examples: ["verify", "verify --json", `verify --kept 1200:${"9f86d081".repeat(8)}`],
  })
    .option(
      "--kept <record:hash>",
      "check that the journal still has this record, as an earlier verify said it (repeatable)",
      readKept,
    )
    .action(
      withBank<[], VerifyOptions>(({ store }, _, { kept = [] }) => {
        // Read first: what is verified after it covers it.
        const head = headJson(store.journalHead());
        const checks = [...checkKept(store, kept), ...store.verify()];
        const ok = checks.every((check) => check.ok);
        const verdict = ok
          ? "All is well."
          : "Something is off: stop selling (transact-bank sales pause) and call for help.";
        return {
          json: { ok, head, checks },
          text: () => [...checks.map(checkText), "", headText(head), "", verdict].join("\n"),
          exitCode: ok ? EXIT.done : EXIT.findings,
        };
      }),
    );
}
