// The conformance kit against a small bank that keeps the contract, and against the same bank with
// one fault at a time: each is caught by the rule that it breaks, and by no other.
import { afterEach, describe, expect, test } from "bun:test";
import { createClient, type Target } from "../../src/conformance/client.ts";
import { createKit, type Kit } from "../../src/conformance/kit.ts";
import { readProfile } from "../../src/conformance/profile.ts";
import { IN_TIME } from "../../src/conformance/rule.ts";
import { RULES, tryRules, type Verdict } from "../../src/conformance/run.ts";
import {
  BASIC,
  FAULTS,
  type Fault,
  type FaultyBank,
  PROFILE,
  SECRET,
  startBank,
} from "./faulty-bank.ts";

let bank: FaultyBank | undefined;
afterEach(() => bank?.stop());

function targetOf(url: string): Target {
  return {
    url,
    paths: { reserveFunds: "/reserveFunds", transactResult: "/transactResult" },
    secret: SECRET,
    basic: BASIC,
    tls: { ca: null, client: null, insecure: false },
  };
}

type How = {
  readonly only?: readonly string[];
  readonly lateMs?: number;
  readonly inTime?: typeof IN_TIME;
};

async function run(fault: Fault | null, how: How = {}) {
  bank = startBank(fault);
  const kit = createKit(createClient(targetOf(bank.url)), readProfile("p.toml", PROFILE), "test");
  return tried(kit, how);
}

async function tried(kit: Kit, how: How = {}) {
  const { only, lateMs = 0 } = how;
  const verdicts = await tryRules(kit, {
    abilities: new Set(["secret", "basic", "debit"]),
    only: only === undefined ? null : new Set(only),
    lateMs,
    // A busy machine must not look like a slow bank.
    reserveMs: 60_000,
    resultMs: 60_000,
    ...how.inTime,
    books: null,
    onRule: () => {},
    isStopped: () => false,
  });
  return { verdicts, left: await kit.cleanUp() };
}

const failed = (verdicts: readonly Verdict[]) =>
  verdicts.filter(({ verdict }) => verdict === "failed").map(({ id }) => id);

test("a bank that keeps the contract passes every rule, and nothing is left held", async () => {
  const { verdicts, left } = await run(null);
  expect(verdicts.filter(({ verdict }) => verdict === "failed")).toEqual([]);
  const untried = verdicts.filter(({ verdict }) => verdict === "not tried").map(({ id }) => id);
  expect(untried).toEqual(["tls.certificate"]);
  expect(left).toEqual([]);
});

describe("is caught by the rule that it breaks, alone:", () => {
  /** Those that take their time, with the rules that show it. */
  const slow: Partial<Record<Fault, How>> = {
    "holds expire": { lateMs: 500 },
    "2.2 s for one answer": { only: ["decline.2080", "time.reserve"], inTime: IN_TIME },
    "5.5 s for one result": { only: ["result.amounts-differ", "time.result"], inTime: IN_TIME },
  };
  for (const [fault, rule] of Object.entries(FAULTS)) {
    test(fault, async () => {
      const { verdicts } = await run(fault as Fault, slow[fault as Fault] ?? {});
      expect(verdicts.filter(({ verdict }) => verdict === "failed")).toEqual([
        expect.objectContaining({ id: rule, why: expect.any(String) }),
      ]);
    }, 30_000);
  }

  const declines = ["2050", "2040", "2030", "2080", "2010"];
  for (const code of declines) {
    test(`2090 instead of ${code}`, async () => {
      const only = RULES.map(({ id }) => id).filter((id) => id !== "order.limits");
      const { verdicts } = await run(`2090 instead of ${code}`, { only });
      expect(failed(verdicts)).toEqual([`decline.${code}`]);
    });
  }
});

test("where no reserve succeeds, the rules that start from one are not tried", async () => {
  bank = startBank(null);
  const profile = { ...readProfile("p.toml", PROFILE), active: "27000000000" };
  const { verdicts } = await tried(createKit(createClient(targetOf(bank.url)), profile, "test"));
  expect(failed(verdicts)).toEqual(["answer.success"]);
  const told = verdicts.filter(({ why }) => why === "no reserve succeeds: see answer.success");
  expect(told.length).toBeGreaterThan(30);
});

test("every rule is broken by some fault, but for those that a bank in memory has no use for", () => {
  const broken = new Set<string>(Object.values(FAULTS));
  const unbroken = RULES.map(({ id }) => id).filter((id) => !broken.has(id));
  expect(unbroken).toEqual([
    // Below: by another code in its place.
    "decline.2050",
    "decline.2040",
    "decline.2030",
    "decline.2080",
    "decline.2070-account",
    "decline.2070-buyer",
    "decline.2010",
    "decline.2090",
    // test/binary/simulate.test.ts has one with client certificates.
    "tls.certificate",
  ]);
});
