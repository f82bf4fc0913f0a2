// A scenario: a bank's own story as a file of steps, each a request and the answer that is expected.
import { type Static, type TSchema, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { type Answer, type Call, objectIn, type Sending } from "./client.ts";
import { Broken, type Kit, must, NotTried, said } from "./kit.ts";
import { FileError, parseFile } from "./profile.ts";

const strict = <T extends Record<string, TSchema>>(fields: T) =>
  Type.Object(fields, { additionalProperties: false, rule: "a table of known keys" });
const text = Type.String({ rule: "a text" });
const count = (maximum: number) =>
  Type.Integer({ minimum: 0, maximum, rule: `a whole number up to ${maximum}` });
const table = Type.Record(Type.String(), Type.Unknown(), { rule: "a table" });

const Step = strict({
  name: Type.Optional(text),
  call: Type.Union([Type.Literal("reserveFunds"), Type.Literal("transactResult")], {
    rule: '"reserveFunds" or "transactResult"',
  }),
  wait_ms: Type.Optional(count(600_000)),
  at_once: Type.Optional(count(100)),
  body: Type.Optional(table),
  raw: Type.Optional(text),
  headers: Type.Optional(Type.Record(Type.String(), Type.String(), { rule: "a table of texts" })),
  signature: Type.Optional(
    Type.Union([Type.Literal("right"), Type.Literal("wrong"), Type.Literal("none")], {
      rule: '"right", "wrong" or "none"',
    }),
  ),
  expect: Type.Optional(
    strict({
      status: Type.Optional(count(599)),
      body: Type.Optional(table),
      text: Type.Optional(text),
      absent: Type.Optional(Type.Array(text, { rule: "a list of texts" })),
      same_as: Type.Optional(text),
      within_ms: Type.Optional(count(600_000)),
    }),
  ),
  capture: Type.Optional(Type.Record(Type.String(), Type.String(), { rule: "a table of texts" })),
});

const Schema = strict({
  name: Type.Optional(text),
  variables: Type.Optional(table),
  steps: Type.Array(Step, { minItems: 1, rule: "a list of one or more steps" }),
});

type Step = Static<typeof Step>;
export type Scenario = { readonly file: string } & Static<typeof Schema>;

export type StepVerdict = {
  readonly name: string;
  readonly verdict: "passed" | "failed" | "not tried";
  readonly why: string | null;
  /** Of the last answer. */
  readonly status: number | null;
  readonly ms: number | null;
};

export type ScenarioVerdict = {
  readonly name: string;
  readonly file: string;
  readonly steps: readonly StepVerdict[];
  readonly ok: boolean;
};

/** Reads a scenario file; throws FileError with the key and the rule, never a value. */
export function readScenario(file: string, content: string): Scenario {
  const raw = parseFile(file, content);
  const first = Value.Errors(Schema, raw).First();
  if (first !== undefined) {
    const key = first.path.slice(1).replaceAll("/", ".") || "the file";
    throw new FileError(
      first.message === "Unexpected property"
        ? `${file}: there is no key "${key}"`
        : `${file}: "${key}" must be ${first.schema["rule"] ?? "there"}`,
    );
  }
  return { file, ...(raw as Static<typeof Schema>) };
}

type Variables = Map<string, unknown>;

/** What the profile knows, under the names of its file. */
function profileVariables({ profile, run }: Kit): Variables {
  const facts: Record<string, unknown> = {
    run,
    amount: profile.amount,
    below_minimum: profile.belowMinimum,
    above_maximum: profile.aboveMaximum,
    currency: profile.currency,
    product: profile.product,
    channel: profile.channel,
    active: profile.active,
    unmapped: profile.unmapped,
    inactive: profile.inactive,
    blacklisted: profile.blacklisted,
    blocked: profile.blocked,
    without_funds: profile.withoutFunds,
    with_pin: profile.withPin,
    pin: profile.pin,
  };
  return new Map(Object.entries(facts).filter(([, value]) => value !== null));
}

const VARIABLE = /\$\{([\w.]+)\}/g;

/** Fills in `${name}`: a text that is nothing else becomes the value itself, a number a number. */
function filled(value: unknown, look: (name: string) => unknown): unknown {
  if (typeof value === "string") {
    const alone = /^\$\{([\w.]+)\}$/.exec(value)?.[1];
    if (alone !== undefined) return look(alone);
    return value.replace(VARIABLE, (_, name: string) => String(look(name)));
  }
  if (Array.isArray(value)) return value.map((each) => filled(each, look));
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([name, each]) => [name, filled(each, look)]),
    );
  }
  return value;
}

/** Every expected field is there with its value; other fields may be there too. */
function differing(expected: unknown, got: unknown, path = ""): string | null {
  if (typeof expected !== "object" || expected === null || Array.isArray(expected)) {
    return Bun.deepEquals(expected, got) ? null : path;
  }
  for (const [name, value] of Object.entries(expected)) {
    const inside = (got as Record<string, unknown> | null | undefined)?.[name];
    const found = differing(value, inside, path === "" ? name : `${path}.${name}`);
    if (found !== null) return found;
  }
  return null;
}

type Story = { readonly variables: Variables; readonly answers: Map<string, Answer> };

function check(step: Step, answer: Answer, { answers }: Story, expectedBody: unknown): void {
  const { status, text: whole, absent = [], same_as, within_ms } = step.expect ?? {};
  must(answer.error === null, answer.error ?? "");
  must(
    status === undefined || answer.status === status,
    `expected HTTP ${status}, got ${said(answer)}`,
  );
  if (expectedBody !== undefined) {
    const field = differing(expectedBody, answer.json);
    must(field === null, `${field} of the answer is another one: got ${said(answer)}`);
  }
  must(whole === undefined || answer.body === whole, "the answer's body is another text");
  const there = absent.find((name) => answer.json?.[name] !== undefined);
  must(there === undefined, `the answer has the field ${there}`);
  if (same_as !== undefined) {
    const first = answers.get(same_as);
    if (first === undefined) throw new NotTried(`no step before it is named ${same_as}`);
    must(first.body === answer.body, `not the bytes that ${same_as} was answered`);
  }
  const inTime = within_ms === undefined || answer.ms <= within_ms;
  must(inTime, `answered after ${Math.round(answer.ms)} ms, not within ${within_ms}`);
}

async function playStep(kit: Kit, step: Step, name: string, story: Story): Promise<Answer> {
  const look = (variable: string): unknown => {
    if (variable === "new") return kit.newId();
    if (story.variables.has(variable)) return story.variables.get(variable);
    throw new NotTried(`nothing is known of \${${variable}}`);
  };
  const raw = step.raw === undefined ? null : String(filled(step.raw, look));
  const named = raw === null ? filled(step.body ?? {}, look) : (objectIn(raw) ?? {});
  const fields = named as Record<string, unknown>;
  const body = raw ?? JSON.stringify(fields);
  const expectedBody = filled(step.expect?.body, look);
  if (step.wait_ms !== undefined) await Bun.sleep(step.wait_ms);
  const sending: Sending = {
    body,
    ...(step.headers !== undefined && { headers: step.headers }),
    ...(step.signature !== undefined && { signature: step.signature }),
  };
  const call: Call = step.call;
  const times = Math.max(1, step.at_once ?? 1);
  const all = Array.from({ length: times }, () => kit.raw(call, sending, fields));
  const got = await Promise.all(all);
  for (const answer of got) check(step, answer, story, expectedBody);
  const answer = got.at(-1) as Answer;
  story.answers.set(name, answer);
  for (const [variable, field] of Object.entries(step.capture ?? {})) {
    const value = answer.json?.[field];
    must(value !== undefined, `the answer has no ${field} to capture`);
    story.variables.set(variable, value);
  }
  return answer;
}

/** Plays a scenario to its end or its first step that fails. */
export async function playScenario(kit: Kit, scenario: Scenario): Promise<ScenarioVerdict> {
  const story: Story = { variables: profileVariables(kit), answers: new Map() };
  for (const [name, value] of Object.entries(scenario.variables ?? {})) {
    const own = filled(value, (other) =>
      other === "new" ? kit.newId() : story.variables.get(other),
    );
    story.variables.set(name, own);
  }
  const steps: StepVerdict[] = [];
  for (const [index, step] of scenario.steps.entries()) {
    const name = step.name ?? `${index + 1}. ${step.call}`;
    const none = { name, status: null, ms: null };
    if (steps.some(({ verdict }) => verdict !== "passed")) {
      steps.push({ ...none, verdict: "not tried", why: "a step before it did not pass" });
      continue;
    }
    try {
      const { status, ms } = await playStep(kit, step, name, story);
      steps.push({ name, verdict: "passed", why: null, status, ms });
    } catch (error) {
      const isBroken = error instanceof Broken;
      if (!isBroken && !(error instanceof NotTried)) throw error;
      steps.push({ ...none, verdict: isBroken ? "failed" : "not tried", why: error.message });
    }
  }
  const ok = steps.every(({ verdict }) => verdict === "passed");
  return { name: scenario.name ?? scenario.file, file: scenario.file, steps, ok };
}
