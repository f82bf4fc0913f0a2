// Tries every rule in order and says what came of it.
import { type BookRule, type Books, bookRules, isSameBank, UNSEEN } from "./books.ts";
import { Broken, type Kit, NotTried } from "./kit.ts";
import { type Ability, NEEDS, type Need, type Rule, type RuleOptions } from "./rule.ts";
import { answerRules, closingRules } from "./rules/answers.ts";
import { authenticationRules } from "./rules/authentication.ts";
import { repeatRules } from "./rules/repeats.ts";
import { requestRules } from "./rules/requests.ts";
import { resultRules } from "./rules/results.ts";

/** In the order in which they are tried: those about everything that was answered stand last. */
export const RULES: readonly Rule[] = [
  ...answerRules,
  ...requestRules,
  ...resultRules,
  ...repeatRules,
  ...authenticationRules,
  ...closingRules,
];

/** Every rule there is, for the documentation and for --only. */
export const ALL_RULES = [...RULES, ...bookRules, ...UNSEEN];

export type Verdict = {
  readonly id: string;
  readonly section: string;
  readonly words: string;
  readonly verdict: "passed" | "failed" | "not tried" | "not visible";
  /** Why it is not "passed". */
  readonly why: string | null;
  /** How many requests the trial made. */
  readonly requests: number;
};

export type RunOptions = RuleOptions & {
  /** What may be done beside what the profile knows. */
  readonly abilities: ReadonlySet<Ability>;
  /** Ids of the rules to try, or null for all. */
  readonly only: ReadonlySet<string> | null;
  readonly books: Books | null;
  /** Hears of each rule before it is tried. */
  readonly onRule: (id: string, index: number, of: number) => void;
  /** True once somebody wants it to end. */
  readonly isStopped: () => boolean;
};

const ABILITIES = new Set<Need>(["secret", "basic", "certificate", "debit"]);

function missing(kit: Kit, rule: Rule, abilities: ReadonlySet<Ability>): Need | undefined {
  return rule.needs.find((need) =>
    ABILITIES.has(need)
      ? !abilities.has(need as Ability)
      : kit.profile[need as Exclude<Need, Ability>] === null,
  );
}

type Named = Pick<Rule, "id" | "section" | "words">;

function verdictOf(rule: Named, verdict: Verdict["verdict"], why: string | null = null): Verdict {
  const { id, section, words } = rule;
  return { id, section, words, verdict, why, requests: 0 };
}

async function judged(rule: Named, trial: () => Promise<void> | void): Promise<Verdict> {
  try {
    await trial();
    return verdictOf(rule, "passed");
  } catch (error) {
    if (error instanceof Broken) return verdictOf(rule, "failed", error.message);
    if (error instanceof NotTried) return verdictOf(rule, "not tried", error.message);
    throw error;
  }
}

async function tryRule(kit: Kit, rule: Rule, options: RunOptions): Promise<Verdict> {
  const need = missing(kit, rule, options.abilities);
  if (need !== undefined) return verdictOf(rule, "not tried", `needs ${NEEDS[need]}`);
  if (options.isStopped()) return verdictOf(rule, "not tried", "stopped before it");
  const before = kit.exchanges.length;
  const verdict = await judged(rule, () => rule.run(kit, options));
  return { ...verdict, requests: kit.exchanges.length - before };
}

/** The rule that a plain reserve succeeds: where it does not, nothing can be told from others. */
const PLAIN_RESERVE = "answer.success";

/** Tries the rules that are visible from outside. */
export async function tryRules(kit: Kit, options: RunOptions): Promise<Verdict[]> {
  const rules = RULES.filter(({ id }) => options.only?.has(id) ?? true);
  const verdicts: Verdict[] = [];
  let noneSucceeds = false;
  for (const [index, rule] of rules.entries()) {
    options.onRule(rule.id, index, rules.length);
    const verdict: Verdict =
      noneSucceeds && rule.needs.includes("active")
        ? verdictOf(rule, "not tried", `no reserve succeeds: see ${PLAIN_RESERVE}`)
        : await tryRule(kit, rule, options);
    verdicts.push(verdict);
    if (rule.id === PLAIN_RESERVE) {
      noneSucceeds = verdict.verdict === "failed" && !kit.hasSucceeded();
    }
  }
  return verdicts;
}

/** Tries what the bank's own side shows; call it once everything is cleaned up. */
export async function tryBooks(kit: Kit, { books, only }: RunOptions): Promise<Verdict[]> {
  const wanted = ({ id }: Named) => only?.has(id) ?? true;
  const unseen = UNSEEN.filter(wanted).map((rule) => verdictOf(rule, "not visible", rule.why));
  const other = "only the bank's own side shows it";
  const invisible = (why: string) => (rule: BookRule) => verdictOf(rule, "not visible", why);
  const rules = bookRules.filter(wanted);
  if (books === null) return [...rules.map(invisible(other)), ...unseen];
  if (!isSameBank(books, kit)) {
    return [...rules.map(invisible("the data dir is not of the bank that was called")), ...unseen];
  }
  const verdicts: Verdict[] = [];
  for (const rule of rules) verdicts.push(await judged(rule, () => rule.run(books, kit)));
  return [...verdicts, ...unseen];
}
