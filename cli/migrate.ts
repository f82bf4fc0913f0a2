// migrate-to and migrate-from: the whole bank to a PostgreSQL database, and back.
import type { Command } from "commander";
import { readConfig } from "../src/config.ts";
import { readDatabasePassword } from "../src/keys.ts";
import { type Done, migrateFrom, migrateTo } from "../src/migrate/migrate.ts";
import { quoted } from "../src/printable.ts";
import type { Progress } from "../src/storage/move/copy.ts";
import { MoveRefused } from "../src/storage/move/sides.ts";
import {
  addOwnerOptions,
  addPasswordOption,
  type DatabaseOptions,
  ownerOf,
  sharedPlaceOf,
} from "./database-options.ts";
import { Failure } from "./failure.ts";
import { note } from "./output.ts";
import { canAsk } from "./prompt.ts";
import {
  type Answer,
  type CommonOptions,
  command,
  dataDirOf,
  printAnswer,
  typedAction,
} from "./session.ts";
import { whoIsIt } from "./who.ts";

type MoveOptions = CommonOptions & { readonly anew?: true };

const TELL_MS = 2_000;
const WORDS = { copy: "copied", compare: "compared", verify: "verifying" } as const;

/** Says how far it is, now and then, and where a table ends. */
function teller(json: boolean): (progress: Progress) => void {
  let toldAtMs = Number.NEGATIVE_INFINITY;
  return ({ step, table, done, total }) => {
    const now = performance.now();
    if (json || (done < total && step !== "verify" && now - toldAtMs < TELL_MS)) return;
    toldAtMs = now;
    note(step === "verify" ? `verifying ${table}` : `${WORDS[step]} ${table}: ${done} of ${total}`);
  };
}

/** What all moves take; a refusal of theirs is one of ours. */
function moved(
  options: MoveOptions,
  move: (dataDir: string, how: Parameters<typeof migrateTo>[2]) => Done | null,
): Done | null {
  const dataDir = dataDirOf(options);
  const json = options.json === true;
  if (!json) note(`data dir: ${dataDir}`);
  try {
    return move(dataDir, {
      by: whoIsIt(options.reason ?? null),
      tell: teller(json),
      anew: options.anew === true,
      dryRun: options.dryRun === true,
    });
  } catch (error) {
    if (error instanceof MoveRefused) throw new Failure("refused", error.message);
    throw error;
  }
}

function answerOf(done: Done | null, rest: readonly string[]): Answer {
  if (done === null) return { json: { moved: false }, text: () => "It can be done." };
  const { rows, record, leftBehind } = done;
  return {
    json: { moved: true, rows, record, leftBehind },
    text: () => rest.join("\n"),
  };
}

function toAnswer(done: Done | null, dataDir: string): Answer {
  return answerOf(done, [
    "Moved: the bank is in the PostgreSQL database now, compared row by row and verified.",
    `config.toml names it, and ${done?.leftBehind ?? ""} is what was bank.db: keep it until you have`,
    "a backup of the new database; nothing is ever served from it again. Next:",
    `  transact-bank doctor --data-dir ${quoted(dataDir)}`,
    `  transact-bank serve --data-dir ${quoted(dataDir)}`,
    "From now on PostgreSQL's own tools make the backups (docs/migrate.md).",
  ]);
}

function fromAnswer(done: Done | null, dataDir: string): Answer {
  return answerOf(done, [
    "Moved: the bank is in bank.db in the data dir now, compared row by row and verified.",
    "No appliance can use the PostgreSQL database any more: what it held is in its schema",
    `${done?.leftBehind ?? ""}, which can be dropped once you have a backup. Next:`,
    `  transact-bank doctor --data-dir ${quoted(dataDir)}`,
    `  transact-bank serve --data-dir ${quoted(dataDir)}`,
  ]);
}

const anew = "copy all again, whatever an earlier move left there";

export function register(program: Command): void {
  const to = command(program, {
    form: "migrate-to <address>",
    summary: "Move the whole bank to an empty PostgreSQL database; goes on where it was ended",
    kind: "write",
    examples: [
      "migrate-to postgres://transact_bank@db1,db2/bank --database-password-file ./password " +
        "--database-owner postgres://transact_bank_owner@db1,db2/bank " +
        "--database-owner-password-file ./owner-password",
    ],
  });
  addOwnerOptions(addPasswordOption(to))
    .option("--anew", anew)
    .action(
      typedAction<[string], MoveOptions & DatabaseOptions>(async ([address], options) => {
        const asking = canAsk({ json: options.json === true });
        const place = await sharedPlaceOf({ ...options, database: address }, asking);
        if (place === null) throw new Failure("usage", "the address of the database is missing");
        const done = moved(options, (dataDir, how) => migrateTo(dataDir, place, how));
        printAnswer(toAnswer(done, dataDirOf(options)), options);
      }),
    );
  const from = command(program, {
    form: "migrate-from",
    summary: "Move the whole bank from its PostgreSQL database into the data dir",
    kind: "write",
    examples: [
      "migrate-from --database-owner postgres://transact_bank_owner@db1,db2/bank " +
        "--database-owner-password-file ./owner-password",
    ],
  });
  addOwnerOptions(from)
    .option("--anew", anew)
    .action(
      typedAction<[], MoveOptions & DatabaseOptions>(async (_, options) => {
        const dataDir = dataDirOf(options);
        const { database: url } = readConfig(dataDir);
        const asking = canAsk({ json: options.json === true });
        const serving = { url: url ?? "", password: readDatabasePassword(dataDir) };
        const owner = url === undefined ? null : await ownerOf(options, serving, asking);
        const done = moved(options, (_, how) => migrateFrom(dataDir, owner, how));
        printAnswer(fromAnswer(done, dataDir), options);
      }),
    );
}
