// A power cut under load: the server is killed, and of its disk only what was flushed is left.
// shadow-disk.c is that disk; it needs cc and Linux, and without them these tests fail.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, readFileSync, realpathSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../cli/run.ts";
import { post, type RawAnswer, rawConnection } from "../http/socket.ts";
import { type Bank, configure, newBank, reserveBody, type Server } from "./program.ts";

const CLIENTS = 32;
const ACCOUNTS = 20;
/** An account that holds nothing, and a buyer without an account, until after the cut. */
const POOR = "27739999998";
const UNKNOWN = "27739999999";
const buyer = (index: number) => String(27_730_000_000 + (index % ACCOUNTS));

// ---------------------------------------------------------------- the disk

const tools = mkdtempSync(join(tmpdir(), "transact-bank-shadow-disk-"));
const library = join(tools, "shadow-disk.so");
beforeAll(() => {
  const source = join(import.meta.dir, "shadow-disk.c");
  const flags = ["-shared", "-fPIC", "-O2", "-pthread", "-o", library, source, "-ldl"];
  const made = Bun.spawnSync(["cc", ...flags]);
  if (made.exitCode !== 0) throw new Error(made.stderr.toString());
});
afterAll(() => rmSync(tools, { recursive: true }));

const shadowOf = (bank: Bank) => join(bank.folder, "shadow");

/** What the program needs around it to have a disk of which only flushed bytes survive. */
const shadowDisk = (bank: Bank) => ({
  LD_PRELOAD: library,
  SHADOW_OF: realpathSync(bank.dataDir),
  SHADOW_DIR: shadowOf(bank),
});

function serveOnShadowDisk(bank: Bank, disk: Record<string, string> = {}): Promise<Server> {
  cpSync(bank.dataDir, shadowOf(bank), { recursive: true });
  return bank.serve({ env: { ...shadowDisk(bank), ...disk } });
}

/** The machine comes up again: what the shadow holds is all that the bank's disk holds. */
function comeUpAgain(bank: Bank): void {
  rmSync(bank.dataDir, { recursive: true });
  renameSync(shadowOf(bank), bank.dataDir);
}

// ---------------------------------------------------------------- the load

type State = "reserved" | "debited" | "released";

type Sale = {
  readonly requestId: string;
  readonly body: Record<string, unknown>;
  readonly answer: string;
  /** What it may be: one state, or two while a result is not answered. */
  states: readonly State[];
};

/** All that the server acknowledged, whatever became of the server. */
type History = {
  readonly sales: Sale[];
  /** Reserves that were declined, and those whose cancel came first: both hold nothing for ever. */
  readonly declines: Pick<Sale, "body" | "answer">[];
  readonly cancelled: string[];
  answers: number;
  /** Answers that were wrong before any cut. */
  readonly wrong: string[];
};

const newHistory = (): History => ({
  sales: [],
  declines: [],
  cancelled: [],
  answers: 0,
  wrong: [],
});

/** The connection is gone, and the request on it is without an answer. */
class Cut extends Error {}

type Ask = (path: string, body: unknown) => Promise<RawAnswer>;

async function connectTo(url: string): Promise<{ ask: Ask; end(): void }> {
  const connection = await rawConnection(url);
  const ask: Ask = async (path, body) => {
    connection.send(post(path, body));
    const answer = await connection.answer();
    if (answer === null) throw new Cut();
    return answer;
  };
  return { ask, end: connection.destroy };
}

let requests = 0;
function newBody(sourceIdentifier: string): Record<string, unknown> & { raasTxnRef: string } {
  requests += 1;
  const raasTxnRef = `cut-${requests}`;
  const body = reserveBody({ sourceIdentifier, reserveAmount: 1_000 + requests });
  return { ...body, raasTxnRef };
}

const says =
  (code: string) =>
  ({ status, body }: RawAnswer): boolean =>
    status === 200 && body.startsWith(`{"responseCode":"${code}"`);

/** What a client does, one act after the other; each notes what it was answered. */
function actsOf(ask: Ask, history: History): readonly ((buyerId: string) => Promise<void>)[] {
  async function answered(path: string, body: unknown, fits: (answer: RawAnswer) => boolean) {
    const answer = await ask(path, body);
    history.answers += 1;
    if (!fits(answer)) history.wrong.push(`${JSON.stringify(body)}: ${JSON.stringify(answer)}`);
    return answer.body;
  }
  async function sell(buyerId: string): Promise<Sale> {
    const body = newBody(buyerId);
    const answer = await answered("/reserveFunds", body, says("0000"));
    const sale: Sale = { requestId: body.raasTxnRef, body, answer, states: ["reserved"] };
    history.sales.push(sale);
    return sale;
  }
  async function settle(sale: Sale, state: "debited" | "released"): Promise<void> {
    const responseCode = state === "debited" ? "0000" : "2226";
    const result = { raasTxnRef: sale.requestId, responseCode };
    sale.states = ["reserved", state];
    await answered("/transactResult", result, ({ status }) => status === 202);
    sale.states = [state];
  }
  async function sellAndRepeat(buyerId: string): Promise<void> {
    const sale = await sell(buyerId);
    await answered("/reserveFunds", sale.body, ({ body }) => body === sale.answer);
  }
  async function decline(buyerId: string, code: string): Promise<void> {
    const body = newBody(buyerId);
    history.declines.push({ body, answer: await answered("/reserveFunds", body, says(code)) });
  }
  async function cancelFirst(buyerId: string): Promise<void> {
    const { raasTxnRef } = newBody(buyerId);
    const cancel = { raasTxnRef, responseCode: "2226" };
    await answered("/transactResult", cancel, ({ status }) => status === 404);
    history.cancelled.push(raasTxnRef);
  }
  return [
    async (buyerId) => settle(await sell(buyerId), "debited"),
    async (buyerId) => settle(await sell(buyerId), "released"),
    sellAndRepeat,
    () => decline(POOR, "2010"),
    () => decline(UNKNOWN, "2030"),
    cancelFirst,
  ];
}

/** One client until its connection is cut. */
async function purchases(url: string, index: number, history: History): Promise<void> {
  const { ask } = await connectTo(url);
  const acts = actsOf(ask, history);
  try {
    // Each client begins with another act, so that a cut finds all kinds of them under way.
    for (let turn = index; ; turn += 1) await acts[turn % acts.length]!(buyer(turn));
  } catch (error) {
    if (!(error instanceof Cut)) throw error;
  }
}

/** Many clients at once until it is time; then the power is cut, or the server is told to stop. */
async function load(
  server: Server,
  history: History,
  { until, end = "SIGKILL" }: { until: Promise<unknown>; end?: NodeJS.Signals },
): Promise<void> {
  const clients = Array.from({ length: CLIENTS }, (_, index) =>
    purchases(server.url, index, history),
  );
  try {
    await until;
  } finally {
    await server.stop(end);
  }
  await Promise.all(clients);
  expect(history.wrong).toEqual([]);
}

/** Resolves as soon as the WAL is written from its beginning again, with another header. */
async function walStartsOver({ dataDir }: Bank): Promise<void> {
  const wal = Bun.file(join(dataDir, "bank.db-wal"));
  const header = async () => Buffer.from(await wal.slice(0, 32).bytes()).toHex();
  const before = await header();
  for (const until = performance.now() + 20_000; performance.now() < until; await Bun.sleep(2)) {
    if ((await header()) !== before) return;
  }
  throw new Error("in 20 s of load no checkpoint let the WAL start over");
}

// ---------------------------------------------------------------- the judge

type Row = {
  readonly requestId: string;
  readonly reference: string;
  readonly reserveAmountMinor: number;
  readonly state: State;
};

const timedOut = (requestId: unknown) =>
  `{"responseCode":"2060","responseMessage":"Time-out","raasTxnRef":"${requestId}"}`;

/** The acknowledged sales that the bank does not hold as they were acknowledged, a line for each. */
function lostOf({ sales }: History, rows: ReadonlyMap<string, Row>): string[] {
  return sales.flatMap(({ requestId, body, answer, states }) => {
    const row = rows.get(requestId);
    const held =
      row !== undefined &&
      row.reference === JSON.parse(answer).reserveFundsTxnRef &&
      row.reserveAmountMinor === body["reserveAmount"] &&
      states.includes(row.state);
    return held ? [] : [`${answer}, then ${states.join(" or ")}: ${JSON.stringify(row)}`];
  });
}

/** Sends every acknowledged request again; gives a line for each answer that is another now. */
async function changedOf(
  { sales, declines, cancelled }: History,
  rows: ReadonlyMap<string, Row>,
  server: Server,
): Promise<string[]> {
  const repeats = [
    ...sales.map(({ requestId, body, answer }) => ({
      body,
      wanted: rows.get(requestId)?.state === "released" ? timedOut(requestId) : answer,
    })),
    ...declines.map(({ body, answer }) => ({ body, wanted: answer })),
    ...cancelled.map((raasTxnRef) => ({
      body: reserveBody({ raasTxnRef, sourceIdentifier: buyer(0) }),
      wanted: timedOut(raasTxnRef),
    })),
  ];
  const changed: string[] = [];
  let next = 0;
  const clients = Array.from({ length: CLIENTS }, async () => {
    const { ask, end } = await connectTo(server.url);
    for (let repeat = repeats[next++]; repeat !== undefined; repeat = repeats[next++]) {
      const { body } = await ask("/reserveFunds", repeat.body);
      if (body !== repeat.wanted) changed.push(`${repeat.wanted} became ${body}`);
    }
    end();
  });
  await Promise.all(clients);
  return changed;
}

/** What the bank that came up again lost of all that was acknowledged; it is left as it was. */
async function judge(bank: Bank, history: History): Promise<string[]> {
  const untouched = join(bank.folder, "untouched");
  cpSync(bank.dataDir, untouched, { recursive: true });
  try {
    const verified = await bank.run(["verify", "--json"]);
    if (verified.exit !== 0) return [`verify: ${verified.out}${verified.err}`];
    const list = await bank.json<Row[]>("reservations list --limit 1000000");
    const rows = new Map(list.map((row) => [row.requestId, row]));
    // From here on a decline that was lost would become a sale.
    await bank.admin("accounts credit POOR 1000000.00 --reason late --yes");
    await bank.admin(`accounts map ${UNKNOWN} A0`);
    const server = await bank.serve();
    try {
      return [...lostOf(history, rows), ...(await changedOf(history, rows, server))];
    } finally {
      await server.stop();
    }
  } finally {
    rmSync(bank.dataDir, { recursive: true });
    renameSync(untouched, bank.dataDir);
  }
}

// ---------------------------------------------------------------- the tests

let bank: Bank;
beforeEach(async () => {
  bank = await newBank({ account: false });
  const accounts = Array.from({ length: ACCOUNTS }, (_, index) => [`A${index}`, buyer(index)]);
  const lines = accounts.map(([number, id]) => `${number},Buyer,10000000.00,${id}`);
  const file = join(bank.folder, "accounts.csv");
  await Bun.write(file, ["number,name,balance,buyers", ...lines, `POOR,Poor,0,${POOR}`].join("\n"));
  await bank.admin(`accounts import ${file} --yes`);
  // As long as it goes: a slow machine must not make time-outs of sales.
  configure(bank, "reserve_budget_ms = 4500");
});
afterEach(() => bank.remove());

const HALF_KEPT = { SHADOW_KEEPS: "50" };
const CUTS: readonly { until(bank: Bank): Promise<unknown>; disk: Record<string, string> }[] = [
  { until: () => Bun.sleep(2_000), disk: {} },
  // Right after the recovery, on a disk that has half of what was not flushed, some of it torn.
  { until: () => Bun.sleep(200), disk: HALF_KEPT },
  // Right after a checkpoint, when the WAL's new frames lie over those that were copied.
  { until: (bank) => Bun.sleep(1_000).then(() => walStartsOver(bank)), disk: HALF_KEPT },
  // Nearly always in the middle of a flush: an answer that did not wait for it is found out.
  { until: () => Bun.sleep(1_000), disk: { SHADOW_SLOW: "20" } },
];

describe("a power cut under load", () => {
  test("what was answered is there, in its state, and is answered the same for ever", async () => {
    const history = newHistory();
    // Each cut is of the disk that the one before left.
    for (const { until, disk } of CUTS) {
      const server = await serveOnShadowDisk(bank, disk);
      await load(server, history, { until: until(bank) });
      comeUpAgain(bank);
      const lost = await judge(bank, history);
      expect([lost.length, lost.slice(0, 10)]).toEqual([0, []]);
    }
    expect(history.answers).toBeGreaterThan(1_000);
  }, 90_000);
});

describe("the test itself", () => {
  test("without the flush before an answer, answers are lost", async () => {
    const lost: string[] = [];
    // A cut right after a checkpoint may find all of them in the database; the next one does not.
    for (let cuts = 0; cuts < 3 && lost.length === 0; cuts += 1) {
      const history = newHistory();
      const server = await serveOnShadowDisk(bank, { SHADOW_SKIP_FLUSH: "wal" });
      await load(server, history, { until: Bun.sleep(700) });
      comeUpAgain(bank);
      expect(history.answers).toBeGreaterThan(100);
      lost.push(...(await judge(bank, history)));
    }
    expect(lost.length).toBeGreaterThan(0);
  }, 90_000);

  test("the shadow of a database that was closed is that database: it misses no write", async () => {
    const server = await serveOnShadowDisk(bank);
    const history = newHistory();
    await load(server, history, { until: Bun.sleep(700), end: "SIGTERM" });
    expect(await server.exited).toBe(0);
    expect(history.answers).toBeGreaterThan(100);
    // A command that ends alone moves all that a WAL still holds into the database.
    const { exit } = await run(["verify", "--data-dir", bank.dataDir], { env: shadowDisk(bank) });
    expect(exit).toBe(0);
    const bytes = (folder: string) => readFileSync(join(folder, "bank.db"));
    expect(bytes(shadowOf(bank)).equals(bytes(bank.dataDir))).toBe(true);
  }, 90_000);
});
