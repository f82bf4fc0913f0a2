// Two client processes, operators' commands and kills at once: no money twice, no PIN guessed
// uncounted, nothing sold once a command that forbids it has returned.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { noteTorture, times } from "../torture.ts";
import {
  type Call,
  type Called,
  calls,
  codeOf,
  count,
  newRacer,
  reserveCall,
  resultCall,
  type TwoClients,
  twoClients,
} from "./clients.ts";
import {
  account,
  type Bank,
  NotServing,
  newBank,
  reserve,
  reserveBody,
  type Server,
} from "./program.ts";

let bank: Bank;
let server: Server;
let clients: TwoClients;
beforeAll(async () => {
  bank = await newBank();
  await bank.admin("accounts credit 1001 1000000.00 --reason deposit --yes");
  server = await bank.serve();
  clients = twoClients();
});
afterAll(async () => {
  clients.stop();
  await server.stop();
  expect((await bank.json<{ ok: boolean }>("verify")).ok).toBe(true);
  bank.remove();
});

async function verifies(): Promise<void> {
  const { ok, checks } = await bank.json<{ ok: boolean; checks: object[] }>("verify");
  expect([ok, ok ? [] : checks]).toEqual([true, []]);
}

type Row = {
  readonly requestId: string;
  readonly reference: string;
  readonly state: string;
  readonly resolvedBy: string;
};
type Finding = { readonly kind: string; readonly requestId: string; readonly occurrences: number };

/** All reservations and findings of some requests, by request. */
async function outcomes(requestIds: readonly string[]) {
  const wanted = new Set(requestIds);
  const rows = await bank.json<Row[]>("reservations list");
  const findings = (await bank.json<Finding[]>("findings list --all")).filter(({ requestId }) =>
    wanted.has(requestId),
  );
  return {
    states: new Map(rows.map((row) => [row.requestId, row])),
    findings: Map.groupBy(findings, ({ requestId }) => requestId),
  };
}

describe("from two processes at once", () => {
  test("money for 100 and 400 tries: exactly 100", async () => {
    const rounds = times(2, 25);
    for (let round = 0; round < rounds; round += 1) {
      const name = await newRacer(bank);
      const tries = calls(400, () => reserveCall({ sourceIdentifier: name }));
      const codes = (await clients.atOnce(server.url, tries)).map(codeOf);
      expect(count(codes)).toEqual({ "0000": 100, "2010": 300 });
      const figures = { ledgerBalanceMinor: 1_000_000, heldMinor: 1_000_000, availableMinor: 0 };
      expect(await account(bank, name)).toMatchObject(figures);
    }
    await verifies();
    noteTorture({
      injected: "money for 100 purchases and 400 tries at once from two processes",
      times: rounds,
      held: "exactly 100 succeeded, every time; I1 and I2",
    });
  }, 120_000);

  test("one raasTxnRef 50 times: one hold, 50 answers equal byte for byte", async () => {
    const rounds = times(5, 200);
    for (let round = 0; round < rounds; round += 1) {
      const before = await heldOn();
      const one = reserveCall();
      const answers = await clients.atOnce(
        server.url,
        calls(50, () => one),
      );
      expect(Object.values(count(answers.map(({ status, body }) => `${status} ${body}`)))).toEqual([
        50,
      ]);
      expect(answers.map(codeOf)[0]).toBe("0000");
      expect(await heldOn()).toBe(before + 10_000);
    }
    noteTorture({
      injected: "one raasTxnRef 50 times at once from two processes",
      times: rounds,
      held: "one hold and 50 answers equal byte for byte, every time",
    });
  }, 120_000);

  test("success and failure results for one reservation: one wins, one finding", async () => {
    const rounds = times(100, 3_000);
    const before = await account(bank);
    const sold = (
      await clients.atOnce(
        server.url,
        calls(rounds, () => reserveCall()),
      )
    ).map(({ body }) => String((JSON.parse(body) as { raasTxnRef: string }).raasTxnRef));
    for (let from = 0; from < rounds; from += 10) {
      // Ten reservations, each told dispensed by the one process and not dispensed by the other.
      const ten = sold.slice(from, from + 10);
      const results = ten.flatMap((id, index) => {
        const both = [resultCall(id, "0000"), resultCall(id, "2226")];
        return index % 2 === 0 ? both : both.reverse();
      });
      const answers = await clients.atOnce(server.url, results);
      expect(count(answers.map(({ status }) => status))).toEqual({ 202: 2 * ten.length });
    }
    const { states, findings } = await outcomes(sold);
    const won = count(sold.map((id) => String(states.get(id)?.state)));
    expect((won["debited"] ?? 0) + (won["released"] ?? 0)).toBe(rounds);
    for (const id of sold) {
      expect([id, findings.get(id)]).toEqual([
        id,
        [expect.objectContaining({ kind: "contradiction", occurrences: 1 })],
      ]);
    }
    expect(await account(bank)).toMatchObject({
      heldMinor: before.heldMinor,
      ledgerBalanceMinor: before.ledgerBalanceMinor - 10_000 * (won["debited"] ?? 0),
    });
    await verifies();
    noteTorture({
      injected: "a success and a failure result for one reservation at once",
      times: rounds,
      held: `one won (${won["debited"]} debited, ${won["released"]} released), one finding each`,
    });
  }, 300_000);
});

const heldOn = async (name?: string) => (await account(bank, name)).heldMinor;

describe("an operator's command and Clickatell at once", () => {
  test("a result against reservations release: one wins, and the other is said", async () => {
    const rounds = times(10, 200);
    const before = await account(bank);
    const ended: Record<string, number> = {};
    let debits = 0;
    let commandMs = 50;
    for (let round = 0; round < rounds; round += 1) {
      const { raasTxnRef } = await reserve(server);
      const startedAtMs = performance.now();
      const release = bank.run([
        "reservations",
        "release",
        raasTxnRef,
        "--reason",
        "race",
        "--yes",
        "--json",
      ]);
      // Anywhere in the command's life: before it looks, between its look and its act, after it.
      await Bun.sleep((commandMs * ((round * 37) % 100)) / 100);
      const [answer] = await clients.atOnce(server.url, [resultCall(raasTxnRef, "0000")]);
      const { exit, err } = await release;
      commandMs = performance.now() - startedAtMs;
      expect(answer?.status).toBe(202);
      const { state, resolvedBy, corrected, ...about } = await dossier(raasTxnRef);
      const how = `${state} by ${resolvedBy}, ${corrected ? "corrected" : "as it is"}, exit ${exit}`;
      ended[how] = (ended[how] ?? 0) + 1;
      const contradictions = about.findings.filter(({ kind }) => kind === "contradiction").length;
      const postings = about.postings.length;
      if (state === "released") {
        expect([exit, resolvedBy, contradictions, postings]).toEqual([0, "operator", 1, 0]);
      } else if (exit === 0) {
        // It looked after the debit, so the debit is what it was told to correct.
        expect([resolvedBy, corrected, contradictions, postings]).toEqual(["result", true, 0, 2]);
      } else {
        expect([exit, resolvedBy, contradictions, postings]).toEqual([4, "result", 0, 1]);
        expect(err).toContain("it was reserved and is debited now");
        debits += 1;
      }
    }
    expect(await account(bank)).toMatchObject({
      heldMinor: before.heldMinor,
      ledgerBalanceMinor: before.ledgerBalanceMinor - 10_000 * debits,
    });
    await verifies();
    noteTorture({
      injected: "Clickatell's result against an operator's reservations release",
      times: rounds,
      held: Object.entries(ended)
        .map(([how, often]) => `${often} ${how}`)
        .join("; "),
    });
  }, 300_000);

  type Dossier = Row & {
    readonly corrected: boolean;
    readonly findings: readonly Finding[];
    readonly postings: readonly object[];
  };
  const dossier = (ref: string) => bank.json<Dossier>(`reservations show ${ref}`);

  test("two reservations release at once: one does it, the other is told so", async () => {
    const rounds = times(3, 60);
    for (let round = 0; round < rounds; round += 1) {
      const { raasTxnRef } = await reserve(server);
      const before = await account(bank);
      const release = ["reservations", "release", raasTxnRef, "--reason", "race", "--yes"];
      const both = await Promise.all([bank.run(release), bank.run(release)]);
      expect(both.map(({ exit }) => exit).sort()).toEqual([0, 4]);
      expect(both.find(({ exit }) => exit === 4)?.err).toMatch(/released (now|already)/);
      expect(await account(bank)).toMatchObject({
        heldMinor: before.heldMinor - 10_000,
        ledgerBalanceMinor: before.ledgerBalanceMinor,
      });
      const journal = await bank.json<{ act: string; subject: string }[]>("journal list");
      const { reference } = await dossier(raasTxnRef);
      expect(journal.filter(({ subject }) => subject === reference)).toEqual([
        expect.objectContaining({ act: "reservations release" }),
      ]);
    }
    noteTorture({
      injected: "two reservations release of one reservation at once",
      times: rounds,
      held: "one released it, the other was refused; one entry in the journal",
    });
  }, 120_000);

  test.each([
    // what forbids it -> what is answered then, and what allows it again
    ["accounts status NAME inactive", "2080", "accounts status NAME active"],
    ["accounts status NAME blacklisted", "2070", "accounts status NAME active"],
    ["accounts block-buyer NAME", "2070", "accounts unblock-buyer NAME"],
    ["accounts unmap NAME --yes", "2030", "accounts map NAME NAME"],
    ["limits set --account NAME --max 50.00", "2040", "limits unset --account NAME --max"],
    ["sales pause --reason race", "2090", "sales resume"],
  ])(
    "%s: after it has returned nothing is held",
    async (forbid, code, allow) => {
      const name = await newRacer(bank);
      await bank.admin(`accounts credit ${name} 9000000.00 --reason race --yes`);
      const rounds = times(1, 10);
      const act = (line: string) => bank.admin(line.replaceAll("NAME", name));
      let after = 0;
      for (let round = 0; round < rounds; round += 1) {
        const body = reserveBody({ sourceIdentifier: name });
        const heldBefore = await heldOn(name);
        const selling = clients.keepReserving(server.url, body);
        while ((await heldOn(name)) === heldBefore);
        await act(forbid);
        const returnedAt = Date.now();
        const heldThen = await heldOn(name);
        const answers = await selling.end();
        const later = answers.filter(({ sentAt }) => sentAt > returnedAt);
        expect(count(later.map(codeOf))).toEqual({ [code]: later.length });
        expect(count(answers.map(codeOf))["0000"]).toBeGreaterThan(0);
        expect(await heldOn(name)).toBe(heldThen);
        after += later.length;
        await act(allow);
      }
      expect(after).toBeGreaterThan(10 * rounds);
      noteTorture({
        injected: `reserves from two processes against ${forbid.replaceAll(" NAME", "")}`,
        times: rounds,
        held: `${after} reserves sent after it had returned: ${code} each, and nothing held`,
      });
    },
    60_000,
  );

  test("a buyer mapped to another account: after it has returned nothing is held on the old", async () => {
    const [before, after] = [await newRacer(bank), await newRacer(bank)];
    for (const name of [before, after]) {
      await bank.admin(`accounts credit ${name} 9000000.00 --reason race --yes`);
    }
    const rounds = times(1, 10);
    for (let round = 0; round < rounds; round += 1) {
      const body = reserveBody({ sourceIdentifier: before });
      const heldBefore = await heldOn(before);
      const selling = clients.keepReserving(server.url, body);
      while ((await heldOn(before)) === heldBefore);
      await bank.admin(`accounts map ${before} ${after} --yes`);
      const heldThen = await heldOn(before);
      expect(count((await selling.end()).map(codeOf))).toEqual({ "0000": expect.any(Number) });
      expect(await heldOn(before)).toBe(heldThen);
      expect(await heldOn(after)).toBeGreaterThan(0);
      await bank.admin(`accounts map ${before} ${before} --yes`);
    }
    noteTorture({
      injected: "reserves from two processes against accounts map to another account",
      times: rounds,
      held: "nothing was held on the old account once the command had returned",
    });
  }, 60_000);

  test("credits and debits by many commands while purchases go on: every cent is there", async () => {
    const rounds = times(1, 10);
    for (let round = 0; round < rounds; round += 1) {
      const name = await newRacer(bank);
      /** What came of it, in minor units; a debit is refused where the purchases were first. */
      const move = async (act: "credit" | "debit", amount: number) => {
        const line = `accounts ${act} ${name} ${amount}.00 --reason race --yes`;
        const { exit } = await bank.run(line.split(" "));
        expect([line, exit]).toEqual([line, act === "debit" && exit === 4 ? 4 : 0]);
        return exit === 4 ? 0 : (act === "credit" ? 100 : -100) * amount;
      };
      const buys = calls(200, () => reserveCall({ sourceIdentifier: name }));
      const [bought, ...moved] = await Promise.all([
        clients.atOnce(server.url, buys),
        ...Array.from({ length: 6 }, (_, index) => move("credit", index + 1)),
        ...Array.from({ length: 6 }, (_, index) => move("debit", 10 * (index + 1))),
      ]);
      const succeeded = count(bought.map(codeOf))["0000"] ?? 0;
      const ledgerBalanceMinor = moved.reduce((sum, amount) => sum + amount, 1_000_000);
      expect(await account(bank, name)).toMatchObject({
        heldMinor: 10_000 * succeeded,
        ledgerBalanceMinor,
        availableMinor: ledgerBalanceMinor - 10_000 * succeeded,
      });
    }
    await verifies();
    noteTorture({
      injected: "12 admin commands at once on an account that 200 purchases drain",
      times: rounds,
      held: "every command took effect once or was refused, and each balance is right to the cent",
    });
  }, 120_000);
});

describe("two servers started at once on one data dir", () => {
  test("one serves, the other is refused", async () => {
    const rounds = times(3, 40);
    const own = await newBank({ account: false });
    for (let round = 0; round < rounds; round += 1) {
      const both = await Promise.allSettled([own.serve(), own.serve(), own.serve()]);
      const served = both.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
      const refused = both.flatMap((each) => (each.status === "rejected" ? [each.reason] : []));
      expect(served.length).toBe(1);
      for (const why of refused) {
        expect(why).toBeInstanceOf(NotServing);
        expect((why as NotServing).message).toContain("another server serves");
      }
      // Killed: it must leave no lock behind.
      await served[0]?.stop("SIGKILL");
    }
    own.remove();
    noteTorture({
      injected: "three servers started at once on one data dir, the one that serves then killed",
      times: rounds,
      held: "one served, the others were refused, and the next start found no lock",
    });
  }, 120_000);
});

describe("PIN guesses", () => {
  let guarded: Bank;
  beforeAll(async () => {
    guarded = await newBank();
    await guarded.admin("accounts set-pin 1001", { stdin: "4321\n" });
  });
  afterAll(() => guarded.remove());

  type Pin = { pin: string; pinFailures: number };
  const pinOf = () => guarded.json<Pin>("accounts show 1001");
  const guess = (authCode: string): Call => reserveCall({ authCode, reserveAmount: 1 });
  const wrong = (index: number) => guess(String(1_000 + index));
  const MOST = 3;

  test("50 at once: three are evaluated, the right one among them passes only before the third", async () => {
    const rounds = times(4, 100);
    const served = await guarded.serve();
    let passed = 0;
    for (let round = 0; round < rounds; round += 1) {
      await guarded.admin("accounts unlock-pin 1001");
      // The right one at another place each time; a pass starts the count anew.
      const place = (round * 3) % 50;
      const guesses = calls(50, (index) => (index === place ? guess("4321") : wrong(index)));
      const answers = await clients.atOnce(served.url, guesses);
      const codes = count(answers.map(codeOf));
      passed += codes["0000"] ?? 0;
      expect((codes["0000"] ?? 0) + (codes["2020"] ?? 0)).toBe(50);
      expect(codes["0000"] ?? 0).toBeLessThanOrEqual(1);
      expect(await pinOf()).toMatchObject({ pin: "locked", pinFailures: MOST });
      // Locked for the right one as well: nothing is evaluated any more.
      const [right] = await clients.atOnce(served.url, [guess("4321")]);
      expect(codeOf(right as Called)).toBe("2020");
    }
    await served.stop();
    noteTorture({
      injected: "50 PIN guesses at once from two processes, the right one among them",
      times: rounds,
      held: `locked with ${MOST} counted, every time; the right one passed before that ${passed} times`,
    });
  }, 120_000);

  test("kill -9 in the middle: no wrong guess that was answered is forgotten", async () => {
    const rounds = times(4, 100);
    let answered = 0;
    let afterKill = 0;
    for (let round = 0; round < rounds; round += 1) {
      await guarded.admin("accounts unlock-pin 1001");
      const served = await guarded.serve();
      // One, two or fifty at once; the kill comes with an answer, while the rest are decided.
      const many = [1, 2, 50][round % 3] ?? 1;
      const killAfter = many === 50 ? 1 + (round % 20) : 1;
      const told: string[] = [];
      const guesses = calls(many, wrong).map(async ({ path, body }) => {
        const answer = await served.post(path, body).catch(() => null);
        if (answer === null) return;
        told.push((JSON.parse(answer.body) as { responseCode: string }).responseCode);
        if (told.length === killAfter) await served.stop("SIGKILL");
      });
      await Promise.all(guesses);
      expect(count(told)).toEqual({ "2020": told.length });
      expect(told.length).toBeGreaterThanOrEqual(killAfter);
      answered += told.length;
      const known = Math.min(MOST, told.length);
      expect((await pinOf()).pinFailures).toBeGreaterThanOrEqual(known);
      // Those that are left of three are all that a second life gives.
      const again = await guarded.serve();
      for (let index = known; index < MOST; index += 1) {
        await clients.atOnce(again.url, [wrong(index)]);
        afterKill += 1;
      }
      const [right] = await clients.atOnce(again.url, [guess("4321")]);
      expect(codeOf(right as Called)).toBe("2020");
      expect(await pinOf()).toMatchObject({ pin: "locked", pinFailures: MOST });
      await again.stop();
    }
    noteTorture({
      injected: "kill -9 while PIN guesses are decided",
      times: rounds,
      held:
        `${answered} guesses answered and ${afterKill} after the restart: ` +
        "the PIN was locked after three in all, every time",
    });
  }, 300_000);
});
