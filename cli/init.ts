// init: makes a new bank, asked step by step on a terminal or by flags alone.
import { resolve } from "node:path";
import * as clack from "@clack/prompts";
import type { Command } from "commander";
import { initDemo } from "../src/demo.ts";
import { formatAmount, minor } from "../src/domain/money.ts";
import { INIT_RULES, initBank, isoMinorDigits } from "../src/init.ts";
import { withoutTrailingNewline } from "../src/keys.ts";
import type { BankIdentity } from "../src/storage/store.ts";
import { Failure } from "./failure.ts";
import { inputName, readInput } from "./input.ts";
import { facts } from "./output.ts";
import { canAsk } from "./prompt.ts";
import { type CommonOptions, command, dataDirOf, withoutBank } from "./session.ts";
import { whoIsIt } from "./who.ts";

type InitOptions = CommonOptions & {
  readonly input: boolean;
  readonly demo?: true;
  readonly bankCode?: string;
  readonly currency?: string;
  readonly timeZone?: string;
  readonly country?: string;
  readonly minorDigits?: string;
  readonly signatureSecretFile?: string;
};

type Question = {
  readonly key: "dataDir" | "bankCode" | "currency" | "timeZone" | "country";
  readonly flag: string;
  readonly ask: string;
  readonly example: string;
  readonly rule: (text: string) => string | null;
};

const QUESTIONS: readonly Question[] = [
  {
    key: "dataDir",
    flag: "--data-dir",
    ask: "In which new folder shall the bank's data be?",
    example: "/var/lib/transact-bank",
    rule: (text) => (text === "" ? "the name of a folder" : null),
  },
  {
    key: "bankCode",
    flag: "--bank-code",
    ask: "The bank's code, the head of every reference?",
    example: "ACME",
    rule: INIT_RULES.bankCode,
  },
  {
    key: "currency",
    flag: "--currency",
    ask: "The bank's currency?",
    example: "ZAR",
    rule: INIT_RULES.currency,
  },
  {
    key: "timeZone",
    flag: "--time-zone",
    ask: "The bank's time zone?",
    example: "Africa/Johannesburg",
    rule: INIT_RULES.timeZone,
  },
  {
    key: "country",
    flag: "--country",
    ask: "The bank's country, for local phone numbers?",
    example: "ZA",
    rule: INIT_RULES.country,
  },
];

async function ask({ ask, example, rule }: Question): Promise<string> {
  const answer = await clack.text({
    message: ask,
    placeholder: example,
    validate: (text) => {
      const wrong = rule(text ?? "");
      return wrong === null ? undefined : `It must be ${wrong}`;
    },
  });
  if (clack.isCancel(answer)) throw new Failure("failed", "cancelled: nothing was made");
  return answer;
}

/** The answers of the flags and, on a terminal, of the person for the rest. */
async function answersOf(
  options: InitOptions,
  asking: boolean,
): Promise<Record<Question["key"], string>> {
  const answers: Partial<Record<Question["key"], string>> = {};
  for (const question of QUESTIONS) {
    const given = options[question.key];
    if (given === undefined && !asking) {
      throw new Failure(
        "usage",
        `${question.flag} is missing, like ${question.flag} ${question.example}`,
      );
    }
    const answer = given ?? (await ask(question));
    const wrong = question.rule(answer);
    if (wrong !== null) throw new Failure("usage", `${question.flag} must be ${wrong}`);
    answers[question.key] = answer;
  }
  return answers as Record<Question["key"], string>;
}

function minorDigitsOf(options: InitOptions, currency: string): number {
  if (options.minorDigits === undefined) return isoMinorDigits(currency) ?? 2;
  const wrong = INIT_RULES.minorDigits(options.minorDigits);
  if (wrong !== null) throw new Failure("usage", `--minor-digits must be ${wrong}`);
  return Number(options.minorDigits);
}

/** Reads the secret in the file that an option names; says nothing of what stands in it. */
export function readSecretFile(file: string, option: string): string {
  const secret = withoutTrailingNewline(Buffer.from(readInput(file, option)).toString("utf8"));
  if (secret === "") {
    throw new Failure("usage", `${option}: ${inputName(file)} is empty: it must hold the secret`);
  }
  return secret;
}

/** The secret of the flag's file or, on a terminal, of the person; null where there is none yet. */
async function signatureSecretOf(options: InitOptions, asking: boolean): Promise<string | null> {
  if (options.signatureSecretFile !== undefined) {
    return readSecretFile(options.signatureSecretFile, "--signature-secret-file");
  }
  if (!asking) return null;
  const answer = await clack.password({
    message: "The secret that Clickatell signs with? (not shown; Enter if you have none yet)",
  });
  if (clack.isCancel(answer)) throw new Failure("failed", "cancelled: nothing was made");
  return answer === undefined || answer === "" ? null : answer;
}

/** A folder's name as it can be pasted into a shell. */
function pasted(dataDir: string): string {
  return /^[\w./-]+$/.test(dataDir) ? dataDir : `'${dataDir.replaceAll("'", "'\\''")}'`;
}

/** Makes the bank to try things on: all that is asked for it is where. */
function demo(options: InitOptions) {
  const dataDir = dataDirOf(options);
  const bank = initDemo(dataDir, whoIsIt("the demo bank"));
  const { code, currency, minorDigits, timeZone, country } = bank;
  const identity = { code, currency, minorDigits, timeZone, country, demo: true };
  return {
    json: { dataDir, ...identity, signatureRequired: false },
    text: () =>
      [
        `A demo bank is in ${dataDir}: its money is not real, and it serves on loopback only. Next:`,
        `  transact-bank serve --data-dir ${pasted(dataDir)}`,
        "and in another terminal, as if Clickatell were there:",
        "  transact-bank simulate http://127.0.0.1:8080 --demo",
      ].join("\n"),
  };
}

async function init(options: InitOptions) {
  if (options.demo === true) return demo(options);
  const asking = options.input && canAsk({ json: options.json === true });
  const answers = await answersOf(options, asking);
  const secret = await signatureSecretOf(options, asking);
  const dataDir = resolve(answers.dataDir);
  const bank: BankIdentity = {
    code: answers.bankCode,
    currency: answers.currency,
    minorDigits: minorDigitsOf(options, answers.currency),
    timeZone: answers.timeZone,
    country: answers.country,
    demo: false,
  };
  initBank(dataDir, bank, secret);
  return { json: { dataDir, ...bank, signatureRequired: secret !== null }, text: () => report() };

  function report(): string {
    const where = pasted(dataDir);
    const amount = (units: number) =>
      formatAmount(minor(units * 10 ** bank.minorDigits), bank.minorDigits);
    const example = `25000 on the wire is ${formatAmount(minor(25_000), bank.minorDigits)} ${bank.currency}`;
    return [
      facts([
        ["bank", bank.code],
        ["data dir", dataDir],
        ["amounts", example],
        ["time zone", bank.timeZone],
        ["country", bank.country],
        ["signatures", secret === null ? "not required" : "required"],
        ["limits", "none are set: any amount may be reserved until you set some"],
      ]),
      "",
      "Keep a copy of its keys/ folder apart from every backup. Next:",
      `  transact-bank limits set --max ${amount(2_000)} --data-dir ${where}`,
      `  transact-bank accounts add 62-0001 --name "A Buyer" --balance ${amount(500)} --data-dir ${where}`,
      `  transact-bank serve --data-dir ${where}`,
    ].join("\n");
  }
}

export function register(program: Command): void {
  command(program, {
    form: "init",
    summary: "Make a new bank in an empty folder; asks what the flags do not say",
    kind: "read",
    examples: [
      "init",
      "init --no-input --data-dir ./bank --bank-code ACME --currency ZAR " +
        "--time-zone Africa/Johannesburg --country ZA --signature-secret-file ./secret",
      "init --demo --data-dir demo",
    ],
  })
    .option("--no-input", "ask nothing: every answer is a flag")
    .option("--demo", "make a bank to try things on, with accounts in every state; asks nothing")
    .option("--bank-code <code>", "the head of every reference: 2-16 capital letters and digits")
    .option("--currency <code>", "the one currency of the bank, ISO 4217")
    .option("--time-zone <name>", "the bank's IANA time zone: its days, months and business days")
    .option("--country <code>", "ISO 3166, for phone numbers in local spelling")
    .option("--minor-digits <n>", "decimals of the currency, where they are not ISO 4217's")
    .option("--signature-secret-file <file>", "holds the secret; signatures are then required")
    .action(withoutBank<InitOptions>(init));
}
