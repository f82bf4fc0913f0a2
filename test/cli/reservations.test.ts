import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { minor } from "../../src/domain/money.ts";
import { type Message, receive } from "./purchases.ts";
import { story, type TestBank, words } from "./run.ts";
import { marchBank } from "./seeded.ts";

// Each command is a process of its own, and the machine may be busy.
setDefaultTimeout(60_000);

let bank: TestBank;
beforeAll(async () => {
  bank = await marchBank();
  receive(bank.dataDir, DECLINED);
});
afterAll(() => bank.remove());

const DECLINED: readonly Message[] = [
  {
    at: "2026-03-04T08:00:00Z",
    reserve: "raas-poor",
    clientRef: "client-2",
    reserveAmount: minor(999_999),
  },
  { at: "2026-03-04T09:00:00Z", reserve: "raas-nobody", buyerId: "27825559999" },
  { at: "2026-03-04T09:00:05Z", reserve: "raas-nobody", buyerId: "27825559999" },
];

type Reservation = { reference: string; requestId: string; state: string };
const list = async (...args: string[]) =>
  (await bank.json(["reservations", "list", ...args])) as Reservation[];

describe("reservations list gives", () => {
  test.each([
    ["all, the newest first", [], ["raas-suspense", "raas-late", "raas-debited", "raas-open"]],
    ["a state", ["--state", "reserved"], ["raas-open"]],
    ["an account", ["--account", "62-0002"], []],
    ["a buyer in another spelling", ["--buyer", "073 130 4702", "--limit", "1"], ["raas-suspense"]],
    ["a day through its end", ["--from", "2026-03-03", "--to", "2026-03-03"], ["raas-suspense"]],
    ["an amount", ["--amount", "105.00", "--from", "2026-03-03"], ["raas-suspense"]],
    ["another amount", ["--amount", "105.01", "--from", "2026-03-01"], []],
    [
      "a clientTxnRef",
      ["--client-ref", "client-2", "--state", "all", "--from", "2026-03-01"],
      ["raas-poor"],
    ],
    [
      "what was declined",
      ["--state", "declined", "--from", "2026-03-01"],
      ["raas-nobody", "raas-poor"],
    ],
    [
      "a buyer's declined ones too",
      ["--state", "all", "--buyer", "0731304702", "--from", "2026-03-03", "--to", "2026-03-05"],
      ["raas-poor", "raas-suspense"],
    ],
    ["a reference", ["--ref", "raas-poor"], ["raas-poor"]],
    ["a reference of another state", ["--ref", "raas-poor", "--state", "debited"], []],
    ["what is before a time", ["--to", "2026-03-02T09:00:00Z"], ["raas-open"]],
  ])("%s", async (_, args, requestIds) => {
    expect((await list(...args)).map(({ requestId }) => requestId)).toEqual(requestIds);
  });

  test("the fields that scripts rely on", async () => {
    const released: unknown = (await list("--state", "released"))[0];
    expect(released).toMatchObject({
      reference: expect.stringMatching(/^ACME-/),
      requestId: "raas-late",
      buyerId: "27731304702",
      account: "62-0001",
      state: "released",
      reserveAmountMinor: 10_500,
      reservedAt: "2026-03-02T10:00:00.000Z",
      resolvedAt: "2026-03-02T10:01:00.000Z",
      resultCode: "2201",
    });
  });
});

test("a search without --from goes back a month, and says so", async () => {
  const ran = await bank.run(words("reservations list --state declined"));
  expect([ran.exit, ran.out]).toEqual([0, "No purchases.\n"]);
  expect(ran.err).toContain("--from for more");
});

describe("reservations show", () => {
  test("of a declined request says what was asked, why it was declined, and what came again", async () => {
    const shown = (await bank.json(words("reservations show raas-nobody"))) as {
      state: string;
      reference: null;
      declined: { responseCode: string };
      checks: { name: string; verdict: string; figures: string }[];
      timeline: { what: string; sinceStartMs: number; who: string }[];
    };
    expect(shown).toMatchObject({
      state: "declined",
      reference: null,
      declined: { responseCode: "2030", responseMessage: "Consumer Account not mapped" },
    });
    expect(shown.checks.find(({ verdict }) => verdict === "failed")).toEqual({
      name: "buyer mapped",
      verdict: "failed",
      figures: "to no account",
    });
    const without = shown.timeline.filter(({ what }) => what !== "check");
    expect(without.map(({ what, who }) => `${what} by ${who}`)).toEqual([
      "received by Clickatell",
      "answered by the bank",
      "resent by Clickatell",
    ]);
    expect(shown.timeline.at(-1)?.sinceStartMs).toBe(5_000);
    const { out } = await bank.run(words("reservations show raas-nobody"));
    expect(out).toContain("declined: Consumer Account not mapped (2030)");
    expect(out).toContain("not reached: PIN, account active, not blacklisted, funds");
  });

  test("takes either reference and gives all that happened, in time order", async () => {
    const [reservation] = await list("--state", "released");
    for (const ref of ["raas-late", reservation?.reference ?? ""]) {
      const shown = (await bank.json(["reservations", "show", ref])) as {
        receipts: { receivedAt: string }[];
        findings: { kind: string }[];
        postings: unknown[];
      };
      expect(shown.receipts.map(({ receivedAt }) => receivedAt)).toEqual([
        "2026-03-02T10:00:00.000Z",
        "2026-03-02T10:01:00.000Z",
        "2026-03-02T10:02:00.000Z",
      ]);
      expect(shown.findings.map(({ kind }) => kind)).toEqual(["contradiction"]);
      expect(shown.postings).toEqual([]);
    }
  });

  test("people see the posting between the result and the finding it led to", async () => {
    const { out } = await bank.run(words("reservations show raas-suspense"));
    const order = ["receipt 8", "debited  ", "finding "].map((what) => out.indexOf(what));
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    expect(out).toContain("@suspense 105.00");
    expect(out).toContain("Sums differ by     10.00 ZAR");
  });
});

describe("settling by hand", () => {
  const settle = (line: string, reason = "ticket 4711") => [...words(line), "--reason", reason];
  story(
    () => bank,
    [
      { run: words("reservations release raas-open --yes"), exit: 2, says: ["--reason"] },
      { run: settle("reservations release raas-open"), exit: 2, says: ["105.00 ZAR", "--yes"] },
      { run: settle("reservations release raas-none --yes"), exit: 3, says: ["raas-none"] },
      {
        run: settle("reservations debit raas-open --bank-bears --yes"),
        exit: 4,
        says: ["--bank-bears"],
      },
      { run: settle("reservations release raas-open --yes"), exit: 0, says: ["released"] },
      { run: settle("reservations release raas-open --yes"), exit: 4, says: ["released already"] },
      { run: settle("reservations debit raas-late --yes"), exit: 0, says: ["released, corrected"] },
      { run: settle("reservations debit raas-late --yes"), exit: 4, says: ["corrected once"] },
      { run: words("reservations show raas-late"), exit: 0, says: ["correction  ", "ticket 4711"] },
      { run: words("findings list"), exit: 0, says: ["unmatched-success"] },
    ],
  );

  test("the contradiction that it settled is closed", async () => {
    const { findings } = (await bank.json(words("reservations show raas-late"))) as {
      findings: { closeReason: string | null }[];
    };
    expect(findings.map(({ closeReason }) => closeReason)).toEqual(["ticket 4711"]);
  });

  test("a release before business day 7 is over warns of a late success", async () => {
    const now = new Date().toISOString();
    receive(bank.dataDir, [{ at: now, reserve: "raas-new" }]);
    const ran = await bank.run(settle("reservations release raas-new"));
    expect(ran.err).toContain("a late success is the bank's loss");
    const released = await bank.json(settle("reservations release raas-new --yes"));
    expect(released).toMatchObject({ warning: expect.stringContaining("bank's loss") as string });
  });

  test("a release after it does not", async () => {
    const other = await marchBank();
    const ran = await other.run(settle("reservations release raas-open --yes"));
    expect([ran.exit, ran.err.includes("warning")]).toEqual([0, false]);
    other.remove();
  });
});
