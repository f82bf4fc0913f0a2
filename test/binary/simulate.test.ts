// simulate as a bank uses it: the program against its own server, behind every door there is, and
// against a bank with a fault.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { UNSEEN } from "../../src/conformance/books.ts";
import { program, run } from "../cli/run.ts";
import { BASIC, type FaultyBank, PROFILE, SECRET, startBank } from "../conformance/faulty-bank.ts";
import { type AccountJson, type Bank, newBank, type Server } from "./program.ts";

const TLS = resolve(import.meta.dir, "../http/tls");
const PIN = "4321";

let beside: Bank;
const file = (name: string, text: string): string => {
  const path = join(beside.folder, name);
  writeFileSync(path, text);
  return path;
};

beforeAll(async () => {
  beside = await newBank({ account: false });
  file("secret", `${SECRET}\n`);
  file("password", `${BASIC.password}\n`);
  file("profile.toml", PROFILE);
});
afterAll(() => beside.remove());

const at = (name: string) => join(beside.folder, name);
const simulate = (...args: string[]) => run(["simulate", ...args]);

type Simulation = {
  readonly ok: boolean;
  readonly rules: readonly { id: string; verdict: string; why: string | null }[];
  readonly scenarios: readonly { ok: boolean; steps: readonly unknown[] }[];
  readonly storm: {
    calls: Record<string, { count: number; answers: Record<string, number>; maxMs: number }>;
  } | null;
  readonly left: readonly unknown[];
  readonly debited: readonly { amountMinor: number }[];
};

async function demo(name: string): Promise<string> {
  const dataDir = at(name);
  const made = await run(["init", "--demo", "--data-dir", dataDir]);
  expect(made.exit).toBe(0);
  return dataDir;
}

describe("our own server", () => {
  let server: Server | undefined;
  afterEach(() => server?.stop());

  test("passes every rule there is, behind TLS, client certificates, Basic and signatures", async () => {
    const dataDir = await demo("guarded");
    for (const [kind, secret] of [
      ["signature", "secret"],
      ["basic", "password"],
    ] as const) {
      const args = ["secrets", "rotate", "--kind", kind, "--secret-file", at(secret), "--yes"];
      const { exit, err } = await run([...args, "--data-dir", dataDir]);
      expect([exit, err]).toEqual([0, expect.any(String)]);
    }
    const config = `require_signature = true
basic_user = "${BASIC.user}"
[tls]
certificate = "${TLS}/server.pem"
key = "${TLS}/server.key"
client_ca = "${TLS}/ca.pem"
`;
    writeFileSync(join(dataDir, "config.toml"), config);
    server = await beside.serve({ args: ["--data-dir", dataDir] });
    const tls = ["--ca-file", `${TLS}/ca.pem`, "--client-certificate", `${TLS}/client.pem`];
    const basic = ["--basic-user", BASIC.user, "--basic-password-file", at("password")];
    const ran = await simulate(
      ...[server.url, "--demo", "--json", "--late", "0", "--data-dir", dataDir],
      ...["--secret-file", at("secret"), "--client-key", `${TLS}/client.key`, ...tls, ...basic],
    );
    const { rules, left, debited, ok } = JSON.parse(ran.out) as Simulation;
    const others = rules.filter(({ verdict }) => verdict !== "passed").map(({ id }) => id);
    expect(others).toEqual(UNSEEN.map(({ id }) => id));
    expect([ran.exit, ran.err, left, ok]).toEqual([0, "", [], true]);
    const account = await run(["accounts", "show", "1001", "--json", "--data-dir", dataDir]);
    const { ledgerBalanceMinor, heldMinor } = JSON.parse(account.out) as AccountJson;
    const sum = debited.reduce((total, { amountMinor }) => total + amountMinor, 0);
    expect([ledgerBalanceMinor, heldMinor]).toEqual([500_000 - sum, 0]);
    for (const secret of [SECRET, BASIC.password, PIN]) expect(ran.out).not.toContain(secret);
  });

  test("a storm arrives at its rate, and leaves nothing held when it is stopped", async () => {
    const dataDir = await demo("stormy");
    server = await beside.serve({ args: ["--data-dir", dataDir] });
    const base = [server.url, "--demo", "--json", "--no-rules"];
    const { exit, out } = await simulate(...base, "--storm", "50", "--for", "1");
    const { storm } = JSON.parse(out) as Simulation;
    expect(exit).toBe(0);
    expect(storm?.calls["reserveFunds"]).toMatchObject({ count: 50, answers: { "0000": 50 } });
    expect(storm?.calls["transactResult"]).toMatchObject({
      count: 50,
      answers: { "HTTP 202": 50 },
    });

    const child = Bun.spawn([...program, "simulate", ...base, "--storm", "50", "--for", "60"], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      env: { PATH: process.env["PATH"] ?? "" },
    });
    const account = async () => {
      const shown = await run(["accounts", "show", "1001", "--json", "--data-dir", dataDir]);
      return JSON.parse(shown.out) as AccountJson;
    };
    const receipts = async () => {
      const listed = await run([
        "receipts",
        "list",
        "--json",
        "--limit",
        "200",
        "--data-dir",
        dataDir,
      ]);
      return (JSON.parse(listed.out) as unknown[]).length;
    };
    const before = await receipts();
    while ((await receipts()) < before + 20) await Bun.sleep(50);
    child.kill("SIGINT");
    const stopped = JSON.parse(await new Response(child.stdout).text()) as Simulation;
    expect([await child.exited, stopped.left]).toEqual([1, []]);
    expect(await account()).toMatchObject({ ledgerBalanceMinor: 500_000, heldMinor: 0 });
  });

  test("scenarios are printed, played, and fail where the bank answers something else", async () => {
    const dataDir = await demo("told");
    server = await beside.serve({ args: ["--data-dir", dataDir] });
    const files: string[] = [];
    for (const name of ["purchase", "cancel", "release"]) {
      files.push(file(`${name}.toml`, (await simulate("--print", name)).out));
    }
    const named = files.flatMap((name) => ["--scenario", name]);
    const good = await simulate(server.url, "--demo", ...named);
    expect([good.exit, good.out]).toEqual([0, expect.stringContaining("PASS")]);

    const other = readFileSync(at("cancel.toml"), "utf8").replace('"2060"', '"0000"');
    const bad = await simulate(server.url, "--demo", "--scenario", file("other.toml", other));
    expect([bad.exit, bad.out]).toEqual([6, expect.stringContaining("responseCode")]);

    const wrong = file("wrong.toml", other.replace("steps", "stages"));
    const refused = await simulate(server.url, "--demo", "--scenario", wrong);
    expect([refused.exit, refused.err]).toEqual([2, expect.stringContaining("stages")]);
  });
});

describe("another bank", () => {
  let other: FaultyBank | undefined;
  afterEach(() => other?.stop());

  const credentials = () => [
    ...["--secret-file", at("secret"), "--basic-user", BASIC.user],
    ...["--basic-password-file", at("password"), "--late", "0"],
  ];

  test("the rule that it breaks is named with its section and words: exit 6", async () => {
    other = startBank("200 instead of 202");
    const profile = ["--profile", at("profile.toml")];
    const { exit, out, err } = await simulate(other.url, ...profile, ...credentials());
    expect([exit, err]).toEqual([6, ""]);
    expect(out).toContain("result.accepted, contract 3: 202, empty body");
    expect(out).toContain("expected HTTP 202, got HTTP 200");
    expect(out).toMatch(/^FAILED /m);
    expect(out).toMatch(/\d+ passed, 1 failed, 1 not tried, 13 not visible from outside/);
    expect(out).toEndWith("FAIL\n");
  });

  test("a storm fails where a reserve is answered late, and says how many were", async () => {
    other = startBank("2.2 s for one answer");
    const args = [other.url, ...credentials(), "--buyer", "27000000003", "--no-rules"];
    const { exit, out } = await simulate(...args, "--storm", "3", "--for", "1");
    expect([exit, out]).toEqual([6, expect.stringMatching(/^FAILED +storm, contract 4\.3/m)]);
    expect(out).toContain("3 of 3 were not");
  });

  test("what is not known of its accounts is not tried, and never passed", async () => {
    other = startBank(null);
    const args = [other.url, ...credentials(), "--buyer", "27731304702", "--no-debit", "--json"];
    const { exit, out } = await simulate(...args);
    const { rules, debited } = JSON.parse(out) as Simulation;
    const verdictOf = (id: string) => rules.find((rule) => rule.id === id)?.verdict;
    expect(verdictOf("answer.success")).toBe("passed");
    for (const id of ["decline.2030", "decline.2020-wrong", "result.dispensed", "order.limits"]) {
      expect([id, verdictOf(id)]).toEqual([id, "not tried"]);
    }
    expect([exit, debited]).toEqual([0, []]);
  });

  test("the data dir of another bank shows nothing", async () => {
    other = startBank(null);
    const only = ["--only", "answer.success", "--only", "books.states", "--buyer", "27731304702"];
    const args = [other.url, ...credentials(), ...only, "--json", "--data-dir", beside.dataDir];
    const { rules } = JSON.parse((await simulate(...args)).out) as Simulation;
    expect(rules.map(({ id, verdict }) => [id, verdict])).toEqual([
      ["answer.success", "passed"],
      ["books.states", "not visible"],
    ]);
  });
});

test.each([
  ["no URL", [], 2, "name the bank's URL"],
  ["no http", ["ftp://127.0.0.1"], 2, "name the bank's URL"],
  ["credentials in the URL", ["http://a:b@127.0.0.1"], 2, "--basic-user"],
  ["a public address", ["http://192.0.2.1", "--demo"], 2, "real money"],
  ["an unknown rule", ["http://127.0.0.1:1", "--only", "nonsense"], 2, "--print rules"],
  ["two profiles", ["http://127.0.0.1:1", "--demo", "--profile", "x"], 2, "--demo"],
  ["nobody there", ["http://127.0.0.1:1", "--demo"], 1, "does not answer"],
] as const)("%s is told", async (_, args, exit, says) => {
  const ran = await simulate(...args);
  expect([ran.exit, ran.err]).toEqual([exit, expect.stringContaining(says)]);
});
