// init: makes a new bank, asked step by step on a terminal or by flags alone.
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import * as clack from "@clack/prompts";
import type { Command } from "commander";
import { DEFAULT_CONFIG } from "../src/config.ts";
import { assertNoDemo, DEMO_IDENTITY, initDemo } from "../src/demo.ts";
import { formatAmount, minor } from "../src/domain/money.ts";
import { isLoopback } from "../src/http/listen.ts";
import {
  assertSharedVacant,
  assertVacant,
  INIT_RULES,
  initBank,
  isoMinorDigits,
  type NewBank,
  readListen,
} from "../src/init.ts";
import { HANDOVER_FILE } from "../src/keys.ts";
import { quoted } from "../src/printable.ts";
import { UNIT_FILE } from "../src/service.ts";
import { SERVICE, SERVICE_DATA_DIR } from "../src/service-unit.ts";
import { nameOfUser } from "../src/users.ts";
import {
  addOwnerOptions,
  addPasswordOption,
  type DatabaseOptions,
  refuseTwoPipes,
  sharedPlaceOf,
} from "./database-options.ts";
import { Failure } from "./failure.ts";
import {
  type AgreedSecret,
  type Answers,
  ask,
  askSecret,
  askToMake,
  generated,
  QUESTIONS,
} from "./init-questions.ts";
import { readSecretFile } from "./input.ts";
import { facts } from "./output.ts";
import { canAsk } from "./prompt.ts";
import { type CommonOptions, command, dataDirOf, withoutBank } from "./session.ts";
import { whoIsIt } from "./who.ts";

type InitOptions = CommonOptions &
  DatabaseOptions & {
    readonly input: boolean;
    readonly demo?: true;
    readonly bankCode?: string;
    readonly currency?: string;
    readonly timeZone?: string;
    readonly country?: string;
    readonly minorDigits?: string;
    readonly signatureSecretFile?: string;
    readonly generateSignatureSecret?: true;
    readonly listen?: string;
  };

/** The answers of the flags and, on a terminal, of the person for the rest. */
async function answersOf(options: InitOptions, asking: boolean): Promise<Partial<Answers>> {
  const answers: Partial<Answers> = {};
  for (const question of QUESTIONS) {
    const { key, flag, example } = question;
    const given = options[key];
    if (given === undefined && !asking) {
      if (question.optional === true) continue;
      throw new Failure("usage", `${flag} is missing, like ${flag} ${example}`);
    }
    const answer = given ?? (await ask(question, answers));
    // A folder in use is for initBank to refuse, which knows it for certain.
    const wrong = key === "dataDir" && answer !== "" ? null : question.rule(answer);
    if (wrong !== null) throw new Failure("usage", `${flag} must be ${wrong}`);
    answers[key] = answer;
  }
  return answers;
}

function minorDigitsOf(options: InitOptions, currency: string): number {
  if (options.minorDigits === undefined) return isoMinorDigits(currency) ?? 2;
  const wrong = INIT_RULES.minorDigits(options.minorDigits);
  if (wrong !== null) throw new Failure("usage", `--minor-digits must be ${wrong}`);
  return Number(options.minorDigits);
}

/** The secret of the flags or, on a terminal, of the person; null where there is none yet. */
async function secretOf(options: InitOptions, asking: boolean): Promise<AgreedSecret | null> {
  const { signatureSecretFile: file, generateSignatureSecret: generate } = options;
  if (file !== undefined && generate === true) {
    throw new Failure("usage", "a secret is in a file or generated: leave one of the two out");
  }
  if (file !== undefined) {
    return { secret: readSecretFile(file, "--signature-secret-file"), handOver: false };
  }
  if (generate === true) return generated();
  return asking ? askSecret() : null;
}

/** Makes the bank to try things on: all that is asked for it is where. */
function demo(options: InitOptions) {
  const dataDir = dataDirOf(options);
  if (options.database !== undefined) {
    throw new Failure("usage", "a demo has its database in its folder: leave --database out");
  }
  if (options.dryRun === true) assertNoDemo(dataDir);
  else initDemo(dataDir, whoIsIt("the demo bank"));
  const { code, currency, minorDigits, timeZone, country } = DEMO_IDENTITY;
  const identity = { code, currency, minorDigits, timeZone, country, demo: true };
  return {
    json: { dataDir, ...identity, signatureRequired: false },
    text: () =>
      [
        `A demo bank is in ${dataDir}: its money is not real, and it serves on loopback only. Next:`,
        `  ${self()} serve --data-dir ${quoted(dataDir)}`,
        "and in another terminal, as if Clickatell were there:",
        `  ${self()} simulate http://127.0.0.1:8080 --demo`,
      ].join("\n"),
  };
}

/** How this program is started: by its name where that finds it, and as the same user. */
function self(): string {
  const compiled = process.env.TRANSACT_BANK_COMMIT !== undefined;
  const onPath = Bun.which("transact-bank");
  const name = compiled && onPath === null ? quoted(process.execPath) : "transact-bank";
  const uid = process.geteuid?.() ?? 0;
  const bySudo = process.env["SUDO_USER"] !== undefined && uid !== 0;
  return bySudo ? `sudo -u ${nameOfUser(uid) ?? `#${uid}`} ${name}` : name;
}

/** What is typed to start the server: the service's command where it is installed for this bank. */
const startOf = (dataDir: string): string =>
  dataDir === SERVICE_DATA_DIR && existsSync(UNIT_FILE)
    ? `sudo systemctl start ${SERVICE}`
    : `${self()} serve --data-dir ${quoted(dataDir)}`;

function factsOf(bank: NewBank, dataDir: string): [string, string][] {
  const wire = `25000 on the wire is ${formatAmount(minor(25_000), bank.minorDigits)} ${bank.currency}`;
  return [
    ["bank", bank.code],
    ["data dir", dataDir],
    ["amounts", wire],
    ["time zone", bank.timeZone],
    ["country", bank.country],
  ];
}

function report(bank: NewBank, dataDir: string, secret: AgreedSecret | null): string {
  const where = quoted(dataDir);
  const amount = (units: number) =>
    formatAmount(minor(units * 10 ** bank.minorDigits), bank.minorDigits);
  const { host, port } = bank.listen ?? DEFAULT_CONFIG;
  // It would not start: who calls from elsewhere has to be authenticated (serve.ts).
  const open = [
    "It starts on that address only once requests are authenticated: set a secret",
    `(${self()} secrets rotate) and require_signature = true in config.toml.`,
    "",
  ];
  const handOver = [
    "The secret for Clickatell stands in",
    `  ${join(dataDir, HANDOVER_FILE)}`,
    "give it to them by a safe way, then delete that file.",
    "",
  ];
  return [
    facts([
      ...factsOf(bank, dataDir),
      ["listens on", `${host} port ${port}`],
      ["signatures", secret === null ? "not required" : "required"],
      ["limits", "none are set: any amount may be reserved until you set some"],
    ]),
    "",
    ...(secret === null && !isLoopback(host) ? open : []),
    ...(secret?.handOver === true ? handOver : []),
    "Keep a copy of its keys/ folder apart from every backup. Next:",
    `  ${self()} limits set --max ${amount(2_000)} --data-dir ${where}`,
    `  ${self()} accounts add 62-0001 --name "A Buyer" --balance ${amount(500)} --data-dir ${where}`,
    `  ${startOf(dataDir)}`,
  ].join("\n");
}

async function makeBank(options: InitOptions) {
  if (options.demo === true) return demo(options);
  refuseTwoPipes({
    "--signature-secret-file": options.signatureSecretFile,
    "--database-password-file": options.databasePasswordFile,
    "--database-owner-password-file": options.databaseOwnerPasswordFile,
  });
  const asking = options.input && canAsk({ json: options.json === true });
  if (asking)
    clack.intro("A new bank: Enter takes what is shown, and nothing is made before the end");
  const answers = await answersOf(options, asking);
  const shared = await sharedPlaceOf(options, asking);
  const secret = await secretOf(options, asking);
  const { dataDir: folder = "", bankCode: code = "", currency = "", country = "" } = answers;
  const dataDir = resolve(folder);
  const listen = answers.listen === undefined ? null : readListen(answers.listen);
  const identity = {
    code,
    currency,
    minorDigits: minorDigitsOf(options, currency),
    timeZone: answers.timeZone ?? "",
    country,
    demo: false,
  };
  const bank: NewBank = {
    ...identity,
    handOver: secret?.handOver === true,
    ...(listen === null ? {} : { listen }),
  };
  if (options.dryRun === true) {
    assertVacant(dataDir);
    if (shared !== null) assertSharedVacant(shared);
  } else {
    if (asking && options.yes !== true) await askToMake(facts(factsOf(bank, dataDir)));
    initBank(dataDir, bank, secret?.secret ?? null, shared);
  }
  return {
    json: { dataDir, ...identity, signatureRequired: secret !== null },
    text: () => report(bank, dataDir, secret),
  };
}

const databaseOptions = (command: Command): Command =>
  addOwnerOptions(
    addPasswordOption(
      command.option(
        "--database <url>",
        "a PostgreSQL that several appliances share, for the role that serves; not a file here",
      ),
    ),
  );

export function register(program: Command): void {
  const init = command(program, {
    form: "init",
    summary: "Make a new bank in an empty folder; asks what the flags do not say",
    kind: "make",
    examples: [
      "init",
      "init --no-input --data-dir ./bank --bank-code ACME --currency ZAR " +
        "--time-zone Africa/Johannesburg --country ZA --signature-secret-file ./secret",
      "init --demo --data-dir demo",
      "init --database postgres://transact_bank@db1,db2/bank --database-password-file ./password " +
        "--database-owner postgres://transact_bank_owner@db1,db2/bank " +
        "--database-owner-password-file ./owner-password   # asks the rest",
    ],
  });
  databaseOptions(init)
    .option("--no-input", "ask nothing: every answer is a flag")
    .option("--demo", "make a bank to try things on, with accounts in every state; asks nothing")
    .option("--bank-code <code>", "the head of every reference: 2-16 capital letters and digits")
    .option("--currency <code>", "the one currency of the bank, ISO 4217")
    .option("--time-zone <name>", "the bank's IANA time zone: its days, months and business days")
    .option("--country <code>", "ISO 3166, for phone numbers in local spelling")
    .option("--minor-digits <n>", "decimals of the currency, where they are not ISO 4217's")
    .option("--listen <address:port>", "where the server listens (default: 127.0.0.1:8080)")
    .option("--signature-secret-file <file>", "holds the secret; signatures are then required")
    .option("--generate-signature-secret", "make one, and a file of it for Clickatell in keys/")
    .action(withoutBank<InitOptions>(makeBank));
}
