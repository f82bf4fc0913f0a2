// What init asks on a terminal: one question a line, most answered by Enter.
import { accessSync, constants, existsSync, readdirSync, statSync } from "node:fs";
import { resolve } from "node:path";
import * as clack from "@clack/prompts";
import { guessCountry, guessCurrency, guessTimeZone, thisMachine } from "../src/guess.ts";
import { holdsForeignFiles, INIT_RULES, isBankThere } from "../src/init.ts";
import { newSharedSecret } from "../src/keys.ts";
import { SERVICE_DATA_DIR } from "../src/service-unit.ts";
import { Failure } from "./failure.ts";
import { cleanLines } from "./output.ts";

export type Key = "dataDir" | "bankCode" | "country" | "currency" | "timeZone" | "listen";
export type Answers = Record<Key, string>;

export type Question = {
  readonly key: Key;
  readonly flag: string;
  readonly ask: string;
  readonly example: string;
  /** What is likely, from the answers before it; null where nothing is. */
  readonly guess: (answers: Partial<Answers>) => string | null;
  /** What is wrong with an answer, or null. */
  readonly rule: (text: string) => string | null;
  /** Without it the answer stands as it is by default. */
  readonly optional?: true;
};

/** The service's data dir, if this user may fill it, else a folder here. */
function guessDataDir(): string {
  try {
    accessSync(SERVICE_DATA_DIR, constants.W_OK);
    if (readdirSync(SERVICE_DATA_DIR).length === 0) return SERVICE_DATA_DIR;
  } catch {
    // There is none, or it is another user's.
  }
  return "./bank";
}

/** Found out before the other questions, not after them. */
function dataDirRule(text: string): string | null {
  if (text === "") return "the name of a folder";
  const folder = resolve(text);
  if (!existsSync(folder)) return null;
  if (!statSync(folder).isDirectory()) return "a folder, and that is a file";
  try {
    if (holdsForeignFiles(folder)) return "an empty folder, and that one is not";
  } catch {
    return "a folder that you can read";
  }
  return isBankThere(folder) ? "a new folder: a bank is in that one" : null;
}

export const QUESTIONS: readonly Question[] = [
  {
    key: "dataDir",
    flag: "--data-dir",
    ask: "In which new folder shall the bank's data be?",
    example: SERVICE_DATA_DIR,
    guess: guessDataDir,
    rule: dataDirRule,
  },
  {
    key: "bankCode",
    flag: "--bank-code",
    ask: "The bank's code, the head of every reference?",
    example: "ACME",
    guess: () => null,
    rule: INIT_RULES.bankCode,
  },
  {
    key: "country",
    flag: "--country",
    ask: "The bank's country, for local phone numbers?",
    example: "ZA",
    guess: () => guessCountry(thisMachine()),
    rule: INIT_RULES.country,
  },
  {
    key: "currency",
    flag: "--currency",
    ask: "The bank's currency?",
    example: "ZAR",
    guess: ({ country = "" }) => guessCurrency(country),
    rule: INIT_RULES.currency,
  },
  {
    key: "timeZone",
    flag: "--time-zone",
    ask: "The bank's time zone?",
    example: "Africa/Johannesburg",
    guess: ({ country = "" }) => guessTimeZone(country, thisMachine()),
    rule: INIT_RULES.timeZone,
  },
  {
    key: "listen",
    flag: "--listen",
    ask: "Where shall the server listen? (Enter where a proxy is in front of it)",
    example: "127.0.0.1:8080",
    guess: () => "127.0.0.1:8080",
    rule: INIT_RULES.listen,
    optional: true,
  },
];

/** Codes are written in capitals, however they are typed. */
const CAPITALS: readonly Key[] = ["bankCode", "country", "currency"];

export function cancelled(): never {
  throw new Failure("failed", "cancelled: nothing was made");
}

function answered<T>(answer: T | typeof clack.CANCEL_SYMBOL): T {
  return clack.isCancel(answer) ? cancelled() : (answer as T);
}

export async function ask(question: Question, before: Partial<Answers>): Promise<string> {
  const { key, rule } = question;
  const meant = (text = "") => (CAPITALS.includes(key) ? text.trim().toUpperCase() : text.trim());
  const answer = await clack.text({
    message: question.ask,
    placeholder: question.example,
    initialValue: question.guess(before) ?? "",
    validate: (text) => {
      const wrong = rule(meant(text));
      return wrong === null ? undefined : `It must be ${wrong}`;
    },
  });
  return meant(answered(answer));
}

/** A secret that both sides have, and whether Clickatell has yet to get it. */
export type AgreedSecret = { readonly secret: string; readonly handOver: boolean };

export const generated = (): AgreedSecret => ({ secret: newSharedSecret(), handOver: true });

/** The secret that Clickatell signs with; null where there is none yet. */
export async function askSecret(): Promise<AgreedSecret | null> {
  const way = answered(
    await clack.select({
      message: "Clickatell signs its requests with a secret that both of you have:",
      options: [
        { value: "generate", label: "make one now, for Clickatell" },
        { value: "type", label: "type the one that was agreed" },
        { value: "none", label: "none yet: requests are not authenticated" },
      ],
    }),
  );
  if (way === "none") return null;
  if (way === "generate") return generated();
  const secret = answered(
    await clack.password({
      message: "The secret (not shown)",
      validate: (text) => (text ? undefined : "It must not be empty"),
    }),
  );
  return { secret, handOver: false };
}

/** What is fixed for ever is said once more. */
export async function askToMake(summary: string): Promise<void> {
  clack.note(cleanLines(summary), "For ever, once it is made");
  if (!answered(await clack.confirm({ message: "Make this bank?" }))) cancelled();
}
