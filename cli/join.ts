// join: makes the data dir of a further appliance of a bank that is in a shared database.
import type { Command } from "commander";
import { INIT_RULES, readListen } from "../src/init.ts";
import { type Joined, joinBank } from "../src/join.ts";
import { readKeyExport } from "../src/key-export.ts";
import { quoted } from "../src/printable.ts";
import {
  addPasswordOption,
  addressOf,
  refuseTwoPipes,
  servingPassword,
} from "./database-options.ts";
import { Failure } from "./failure.ts";
import { readInput } from "./input.ts";
import { facts, note } from "./output.ts";
import { canAsk } from "./prompt.ts";
import { type PassphraseOption, passphraseOption, readPassphrase } from "./secrets-move.ts";
import { type CommonOptions, command, dataDirOf, printAnswer, typedAction } from "./session.ts";
import { whoIsIt } from "./who.ts";

type JoinOptions = CommonOptions &
  PassphraseOption & {
    readonly keys: string;
    readonly databasePasswordFile?: string;
    readonly listen?: string;
  };

function listenOf({ listen }: JoinOptions) {
  if (listen === undefined) return null;
  const wrong = INIT_RULES.listen(listen);
  if (wrong !== null) throw new Failure("usage", `--listen must be ${wrong}`);
  return readListen(listen);
}

function report({ bank, dualControl, requireSignature }: Joined, dataDir: string): string {
  return [
    facts([
      ["bank", bank.code],
      ["data dir", dataDir],
      ["signatures", requireSignature ? "required" : "not required"],
      ["dual control", dualControl.length === 0 ? "off" : dualControl.join(", ")],
    ]),
    "",
    "The keys are the export's. What else the first appliance's config.toml says, such as pin_policy,",
    "weekend, basic_user or approval_days, is set in this one's by hand: they must agree. Next:",
    `  transact-bank doctor --data-dir ${quoted(dataDir)}`,
    `  transact-bank serve --data-dir ${quoted(dataDir)}`,
  ].join("\n");
}

export function register(program: Command): void {
  const join = command(program, {
    form: "join <url>",
    summary: "Make a further appliance for a bank on PostgreSQL",
    kind: "write",
    examples: [
      "join postgres://transact_bank@db1,db2/bank --keys ./acme-keys.age " +
        "--database-password-file ./password --data-dir /var/lib/transact-bank",
    ],
  })
    .requiredOption("--keys <file>", "the first appliance's keys, of its secrets export")
    .addOption(passphraseOption());
  addPasswordOption(join)
    .option("--listen <address:port>", "where its server listens (default: 127.0.0.1:8080)")
    .addHelpText(
      "after",
      `
The keys are files of each appliance: a secret that is rotated on one of them comes to
the others by secrets export there and secrets import here.`,
    )
    .action(
      typedAction<[string], JoinOptions>(async ([url], options) => {
        const dataDir = dataDirOf(options);
        if (options.json !== true) note(`data dir: ${dataDir}`);
        const listen = listenOf(options);
        const address = addressOf(url, "the address");
        const asking = canAsk({ json: options.json === true });
        refuseTwoPipes({
          "--keys": options.keys,
          "--passphrase-file": options.passphraseFile ?? (asking ? undefined : "-"),
          "--database-password-file": options.databasePasswordFile,
        });
        const file = readInput(options.keys, "--keys");
        const exported = await readKeyExport(file, await readPassphrase(options, false));
        const password = await servingPassword(options, address, asking);
        const joining = { dataDir, database: url, password, exported, listen };
        const by = whoIsIt(options.reason ?? null);
        const joined = joinBank(joining, by, options.dryRun === true);
        const { bank, dualControl, requireSignature } = joined;
        printAnswer(
          {
            json: { dataDir, bank: bank.code, dualControl, signatureRequired: requireSignature },
            text: () => report(joined, dataDir),
          },
          options,
        );
      }),
    );
}
