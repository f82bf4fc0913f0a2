// simulate: plays Clickatell against a bank's endpoints, ours or any other's, and says which rules
// of the contract they keep. (npm run simulate is something else: the developers' seeded banks.)
import { randomUUID } from "node:crypto";
import { type Command, InvalidArgumentError, Option } from "commander";
import { openBank } from "../src/bank.ts";
import { isPrivate } from "../src/conformance/address.ts";
import { openBooks } from "../src/conformance/books.ts";
import { type Client, createClient, type Target } from "../src/conformance/client.ts";
import demoProfile from "../src/conformance/demo-profile.toml" with { type: "text" };
import { judgeStorm, type StormVerdict } from "../src/conformance/history.ts";
import { createKit, type Kit, type Reservation } from "../src/conformance/kit.ts";
import { FileError, NOTHING_KNOWN, type Profile, readProfile } from "../src/conformance/profile.ts";
import { type Ability, IN_TIME } from "../src/conformance/rule.ts";
import {
  ALL_RULES,
  type RunOptions,
  tryBooks,
  tryRules,
  type Verdict,
} from "../src/conformance/run.ts";
import {
  playScenario,
  readScenario,
  type Scenario,
  type ScenarioVerdict,
} from "../src/conformance/scenario.ts";
import cancelScenario from "../src/conformance/scenarios/cancel.toml" with { type: "text" };
import purchaseScenario from "../src/conformance/scenarios/purchase.toml" with { type: "text" };
import releaseScenario from "../src/conformance/scenarios/release.toml" with { type: "text" };
import { runStorm, type Storm } from "../src/conformance/storm.ts";
import { EXIT, Failure } from "./failure.ts";
import { readInput, readSecretFile } from "./input.ts";
import { note } from "./output.ts";
import { confirmByName } from "./prompt.ts";
import {
  type Answer,
  type CommonOptions,
  command,
  dataDirOf,
  printAnswer,
  readCount,
  typedAction,
} from "./session.ts";
import { progressLine, rulesTable, simulationText } from "./simulation-view.ts";

/** Options that stand for a fact of the profile, with what they say. */
const FACTS = [
  ["--buyer <id>", "active", "an active buyer with funds and no PIN"],
  ["--unmapped <id>", "unmapped", "a buyer without an account"],
  ["--inactive <id>", "inactive", "a buyer whose account is inactive"],
  ["--blacklisted <id>", "blacklisted", "a buyer whose account is blacklisted"],
  ["--blocked <id>", "blocked", "a buyer who is blacklisted himself"],
  ["--without-funds <id>", "withoutFunds", "a buyer without funds"],
  ["--with-pin <id>", "withPin", "a buyer whose account needs a PIN; add --pin-file"],
  ["--currency <code>", "currency", "the bank's currency"],
] as const;

const AMOUNTS = [
  ["--amount <n>", "amount", "what a reserve asks for, in minor units (default: 1000)"],
  ["--below-minimum <n>", "belowMinimum", "an amount below the minimum, in minor units"],
  ["--above-maximum <n>", "aboveMaximum", "an amount above the maximum, in minor units"],
] as const;

/** What --print prints: files to start from. */
const PRINTED = {
  profile: demoProfile,
  purchase: purchaseScenario,
  cancel: cancelScenario,
  release: releaseScenario,
} as const;

type SimulateOptions = CommonOptions & {
  readonly demo?: true;
  readonly profile?: string;
  readonly buyer?: string;
  readonly pinFile?: string;
  readonly secretFile?: string;
  readonly basicUser?: string;
  readonly basicPasswordFile?: string;
  readonly caFile?: string;
  readonly clientCertificate?: string;
  readonly clientKey?: string;
  readonly insecure?: true;
  readonly reservePath: string;
  readonly resultPath: string;
  readonly only?: readonly string[];
  readonly rules: boolean;
  readonly debit: boolean;
  readonly late: number;
  readonly storm?: number;
  readonly for: number;
  readonly dispensed?: number;
  readonly scenario?: readonly string[];
  readonly print?: keyof typeof PRINTED | "rules";
} & { readonly [fact in keyof Profile]?: string | number };

/** What a simulation came to. */
export type Simulation = {
  readonly url: string;
  readonly run: string;
  readonly startedAt: string;
  readonly rules: readonly Verdict[];
  readonly scenarios: readonly ScenarioVerdict[];
  readonly storm: (Storm & StormVerdict) | null;
  readonly requests: number;
  readonly debited: readonly Reservation[];
  /** What may still be held there, because its cancel was not taken. */
  readonly left: readonly Reservation[];
  readonly stopped: boolean;
  readonly ok: boolean;
};

const textOf = (file: string, option: string): string =>
  Buffer.from(readInput(file, option)).toString("utf8");

const secretOf = (file: string | undefined, option: string): string | null =>
  file === undefined ? null : readSecretFile(file, option);

function readUrl(text: string | undefined): URL {
  const url = URL.parse(text ?? "");
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new Failure(
      "usage",
      "name the bank's URL without the paths of the two calls, like http://127.0.0.1:8080",
    );
  }
  if (url.username !== "" || url.password !== "") {
    throw new Failure("usage", "credentials do not belong in the URL: use --basic-user");
  }
  return url;
}

function targetOf(url: URL, options: SimulateOptions): Target {
  const password = secretOf(options.basicPasswordFile, "--basic-password-file");
  if ((password === null) !== (options.basicUser === undefined)) {
    throw new Failure("usage", "--basic-user and --basic-password-file belong together");
  }
  const { clientCertificate, clientKey } = options;
  if ((clientCertificate === undefined) !== (clientKey === undefined)) {
    throw new Failure("usage", "--client-certificate and --client-key belong together");
  }
  return {
    url: url.origin + url.pathname,
    paths: { reserveFunds: options.reservePath, transactResult: options.resultPath },
    secret: secretOf(options.secretFile, "--secret-file"),
    basic: password === null ? null : { user: options.basicUser ?? "", password },
    tls: {
      ca: options.caFile === undefined ? null : textOf(options.caFile, "--ca-file"),
      client:
        clientCertificate === undefined || clientKey === undefined
          ? null
          : {
              certificate: textOf(clientCertificate, "--client-certificate"),
              key: textOf(clientKey, "--client-key"),
            },
      insecure: options.insecure === true,
    },
  };
}

function profileOf(options: SimulateOptions): Profile {
  if (options.demo === true && options.profile !== undefined) {
    throw new Failure("usage", "--demo is a profile of its own: leave it or --profile out");
  }
  const file = options.demo === true ? "the demo's profile.toml" : options.profile;
  const text =
    options.demo === true ? demoProfile : textOf(options.profile ?? "/dev/null", "--profile");
  const base = file === undefined ? NOTHING_KNOWN : understood(() => readProfile(file, text));
  const { buyer, ...facts } = options;
  const given = [...FACTS, ...AMOUNTS].flatMap(([, key]) => {
    const value = key === "active" ? buyer : facts[key];
    return value === undefined ? [] : [[key, value]];
  });
  const pin = secretOf(options.pinFile, "--pin-file");
  return { ...base, ...Object.fromEntries(given), ...(pin !== null && { pin }) };
}

function abilitiesOf({ secret, basic, tls }: Target, { debit }: SimulateOptions): Set<Ability> {
  const abilities: [Ability, boolean][] = [
    ["secret", secret !== null],
    ["basic", basic !== null],
    ["certificate", tls.client !== null],
    ["debit", debit],
  ];
  return new Set(abilities.flatMap(([ability, has]) => (has ? [ability] : [])));
}

function onlyOf({ only }: SimulateOptions): ReadonlySet<string> | null {
  if (only === undefined) return null;
  const unknown = only.find((id) => !ALL_RULES.some((rule) => rule.id === id));
  if (unknown !== undefined) {
    throw new Failure("usage", `there is no rule ${unknown}: see simulate --print rules`);
  }
  return new Set(only);
}

/** Nobody there is no verdict about a bank. */
async function assertSomebodyThere(client: Client): Promise<void> {
  const { error } = await client.send("reserveFunds", { method: "GET" });
  if (error === null) return;
  const isCertificate = /CERT|SELF_SIGNED|ISSUER|ALTNAME/.test(error);
  const advice = isCertificate
    ? "its certificate is not trusted here: name its CA with --ca-file, or add --insecure"
    : "see that it runs there, and that this machine may connect";
  throw new Failure("failed", `${client.target.url} does not answer (${error}): ${advice}`);
}

async function assertMeant(url: URL, options: SimulateOptions): Promise<void> {
  if (await isPrivate(url)) return;
  await confirmByName(
    { json: options.json === true, yes: options.yes === true },
    `${url.host} is neither this machine nor a private address. The simulation reserves real ` +
      "money there, debits some of it, and leaves findings for people to close.",
    url.hostname,
  );
}

function progressTo(options: SimulateOptions) {
  const isSeen = process.stderr.isTTY === true && options.json !== true && options.quiet !== true;
  return {
    show: (text: string) => {
      if (isSeen) process.stderr.write(progressLine(text));
    },
    end: () => {
      if (isSeen) process.stderr.write(progressLine(""));
    },
  };
}

/** True from the first Ctrl-C on: what is open is still cancelled. The second one ends at once. */
function stopOnSignal(): () => boolean {
  let stopped = false;
  const stop = () => {
    if (stopped) process.exit(EXIT.failed);
    stopped = true;
    note("stopping: what was reserved is cancelled first; Ctrl-C again ends at once");
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  return () => stopped;
}

/** A file that is not what it should be is a misuse. */
function understood<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof FileError ? new Failure("usage", error.message) : error;
  }
}

/** What is played beside the rules: the scenarios, each read before the first request of any. */
type Play = RunOptions & { readonly scenarios: readonly Scenario[] };

async function play(kit: Kit, options: SimulateOptions, run: Play): Promise<Simulation> {
  const startedAt = new Date().toISOString();
  const progress = progressTo(options);
  const scenarios: ScenarioVerdict[] = [];
  for (const scenario of run.scenarios) {
    progress.show(`scenario ${scenario.name ?? scenario.file}`);
    scenarios.push(await playScenario(kit, scenario));
  }
  const triesRules = options.rules && options.scenario === undefined;
  const outside = triesRules
    ? await tryRules(kit, {
        ...run,
        onRule: (id, index, of) => progress.show(`rule ${index + 1} of ${of}: ${id}`),
      })
    : [];
  const stormed =
    options.storm === undefined || run.isStopped()
      ? null
      : await runStorm(kit, {
          rate: options.storm,
          seconds: options.for,
          dispensedEvery: options.debit ? (options.dispensed ?? null) : null,
          isStopped: run.isStopped,
          onProgress: ({ seconds, sent, answered, p99Ms }) =>
            progress.show(
              `storm ${seconds.toFixed(0)} of ${options.for} s: ${sent} sent, ` +
                `${answered} answered, p99 ${p99Ms.toFixed(1)} ms`,
            ),
        });
  const left = await kit.cleanUp();
  const inside = triesRules ? await tryBooks(kit, run) : [];
  const storm = stormed === null ? null : { ...stormed, ...judgeStorm(kit, run.books) };
  progress.end();
  const rules = [...outside, ...inside];
  const isKept =
    rules.every(({ verdict }) => verdict !== "failed") &&
    scenarios.every(({ ok }) => ok) &&
    left.length === 0;
  return {
    url: kit.client.target.url,
    run: kit.run,
    startedAt,
    rules,
    scenarios,
    storm,
    requests: kit.exchanges.length,
    debited: kit.debited,
    left,
    stopped: run.isStopped(),
    ok: isKept && (storm === null || isStormKept(storm)),
  };
}

const isStormKept = ({ calls, history, books }: Storm & StormVerdict): boolean =>
  calls.reserveFunds.within2s === 1 && history.length === 0 && (books ?? []).length === 0;

async function simulate(urlText: string | undefined, options: SimulateOptions): Promise<Answer> {
  if (options.print === "rules") {
    return { json: ALL_RULES.map(ruleJson), text: () => rulesTable(ALL_RULES) };
  }
  if (options.print !== undefined) {
    const text = PRINTED[options.print];
    return { json: Bun.TOML.parse(text), text: () => text.trimEnd() };
  }
  const url = readUrl(urlText);
  const target = targetOf(url, options);
  const profile = profileOf(options);
  const { scenario: files = [] } = options;
  const scenarios = understood(() =>
    files.map((name) => readScenario(name, textOf(name, "--scenario"))),
  );
  const client = createClient(target);
  const only = onlyOf(options);
  await assertMeant(url, options);
  await assertSomebodyThere(client);
  const kit = createKit(client, profile, randomUUID().slice(0, 8));
  const opened = options.dataDir === undefined ? null : openBank(dataDirOf(options));
  try {
    const simulation = await play(kit, options, {
      scenarios,
      abilities: abilitiesOf(target, options),
      only,
      lateMs: options.late * 1_000,
      ...IN_TIME,
      books: opened === null ? null : openBooks(opened.store, kit),
      onRule: () => {},
      isStopped: stopOnSignal(),
    });
    return {
      json: simulationJson(simulation),
      text: () => simulationText(simulation),
      ...exitOf(simulation),
    };
  } finally {
    opened?.close();
  }
}

const reservationJson = ({ requestId, reference, amount }: Reservation) => ({
  requestId,
  reference,
  amountMinor: amount,
});

function simulationJson(simulation: Simulation) {
  const [debited, left] = [simulation.debited, simulation.left].map((all) =>
    all.map(reservationJson),
  );
  return { ...simulation, debited, left };
}

function exitOf({ ok, stopped }: Simulation) {
  if (!ok) return { exitCode: EXIT.findings };
  return stopped ? { exitCode: EXIT.failed } : {};
}

function ruleJson({ id, section, words }: (typeof ALL_RULES)[number]) {
  return { id, section, words };
}

const collect = (value: string, before: readonly string[] = []): string[] => [...before, value];

function readRate(text: string): number {
  const rate = readCount(text);
  if (rate < 1 || rate > 20_000) throw new InvalidArgumentError("Write 1 to 20000.");
  return rate;
}

function addConnection(added: Command): Command {
  return added
    .option("--secret-file <file>", "sign every body with the secret in this file")
    .option("--basic-user <name>", "HTTP Basic: the user; add --basic-password-file")
    .option("--basic-password-file <file>", "HTTP Basic: holds the password")
    .option("--ca-file <file>", "PEM of the CA that signed the bank's certificate")
    .option("--client-certificate <file>", "PEM of Clickatell's certificate; add --client-key")
    .option("--client-key <file>", "PEM of its key")
    .option("--insecure", "take any certificate of the bank")
    .option("--reserve-path <path>", "path of Reserve Funds", "/reserveFunds")
    .option("--result-path <path>", "path of Transact Result", "/transactResult");
}

const HELP = `
It ends with a verdict for each rule of the contract: passed, FAILED, not tried
(what it needs of the bank's test accounts or credentials was not named) or not
visible from outside; with --data-dir of our own bank, on its own machine, most of
those are tried as well. Exit 6 when a rule, a scenario or the storm failed.

What it reserves it cancels or lets be debited: nothing stays held. What was debited
stays so, and conflicts and contradictions are findings, as they must be.

"npm run simulate" of the sources is something else: whole banks under seeds, for
developers.`;

export function register(program: Command): void {
  const added = command(program, {
    form: "simulate [url]",
    summary: "Play Clickatell against a bank: does it keep the rules?",
    kind: "read",
    examples: [
      "simulate http://127.0.0.1:8080 --demo",
      "simulate http://127.0.0.1:8080 --demo --data-dir demo --storm 200 --for 30",
      "simulate https://bank.example --profile test-accounts.toml --secret-file secret --yes",
      "simulate http://127.0.0.1:8080 --demo --scenario purchase.toml",
      "simulate --print profile > test-accounts.toml",
    ],
  });
  added
    .option("--demo", "the demo bank's buyers (init --demo)")
    .option("--profile <file>", "TOML or JSON: the bank's test accounts; see --print profile");
  for (const [flag, , what] of FACTS) added.option(flag, what);
  for (const [flag, , what] of AMOUNTS) added.option(flag, what, readCount);
  added.option("--pin-file <file>", "holds that buyer's PIN");
  addConnection(added)
    .option("--only <rule>", "try this rule alone; may be repeated; see --print rules", collect)
    .option("--scenario <file>", "play this story instead of the rules; may be repeated", collect)
    .option("--no-rules", "try no rules, only the storm")
    .option("--no-debit", "say of no purchase that it was dispensed; such rules are not tried")
    .option("--late <seconds>", "how late a late result comes", readCount, 3)
    .option("--storm <rate>", "then so many purchases a second, each cancelled", readRate)
    .option("--for <seconds>", "how long the storm lasts", readCount, 10)
    .option("--dispensed <n>", "of the storm, every n-th is dispensed and not cancelled", readRate)
    .addOption(
      new Option("--print <what>", "print a file to start from, or every rule, and end").choices([
        "rules",
        ...Object.keys(PRINTED),
      ]),
    )
    .addHelpText("after", HELP)
    .action(
      typedAction<[string | undefined], SimulateOptions>(async ([url], options) =>
        printAnswer(await simulate(url, options), options),
      ),
    );
}
