// Many clients that buy, repeat, settle and cancel, as Clickatell does, and note all that they are
// answered; and how it is judged with what the bank's own commands say.
import { join } from "node:path";
import { type Books, type Exchange, historyProblems, type ReservationRow } from "../history.ts";
import { post, type RawAnswer, rawConnection } from "../http/socket.ts";
import { type Bank, newBank, reserveBody, type Server } from "./program.ts";

const CLIENTS = 32;
const ACCOUNTS = 20;
const OPENING = 1_000_000_000;
/** An account that holds nothing, and a buyer without an account. */
const POOR = "27739999998";
export const UNKNOWN = "27739999999";
export const buyer = (index: number) => String(27_730_000_000 + (index % ACCOUNTS));

/** A bank for the load: accounts that never run dry, and one that is. */
export async function newLoadBank(): Promise<Bank> {
  const bank = await newBank({ account: false });
  await addLoadAccounts(bank);
  return bank;
}

export async function addLoadAccounts(bank: Bank): Promise<void> {
  const accounts = Array.from({ length: ACCOUNTS }, (_, index) => [`A${index}`, buyer(index)]);
  const lines = accounts.map(([number, id]) => `${number},Buyer,10000000.00,${id}`);
  const file = join(bank.folder, "accounts.csv");
  await Bun.write(file, ["number,name,balance,buyers", ...lines, `POOR,Poor,0,${POOR}`].join("\n"));
  await bank.admin(`accounts import ${file} --yes`);
}

const opening = new Map(Array.from({ length: ACCOUNTS }, (_, index) => [`A${index}`, OPENING]));

export type Log = {
  readonly exchanges: Exchange[];
  readonly crashes: number[];
  readonly outages: { from: number; until: number }[];
  /** Answers that are not those of a bank in good health: each test says whether it was in one. */
  readonly unusual: string[];
};

export const newLog = (): Log => ({ exchanges: [], crashes: [], outages: [], unusual: [] });

/** The connection is gone, and the request on it is without an answer. */
class Cut extends Error {}

type Path = Exchange["path"];
type Body = Record<string, unknown>;
type Ask = (path: Path, body: Body) => Promise<RawAnswer>;

/** A client's connection; all that it sends and is answered is logged. */
export async function connectTo(url: string, log: Log): Promise<{ ask: Ask; end(): void }> {
  const connection = await rawConnection(url);
  const ask: Ask = async (path, body) => {
    const exchange: Exchange = { path, body, sentAt: performance.now(), answer: null };
    log.exchanges.push(exchange);
    connection.send(post(path, body));
    const answer = await connection.answer();
    if (answer === null) throw new Cut();
    exchange.answer = { at: performance.now(), status: answer.status, body: answer.body };
    return answer;
  };
  return { ask, end: connection.destroy };
}

// ---------------------------------------------------------------- what clients do

let requests = 0;
export function newBody(sourceIdentifier: string): Body & { raasTxnRef: string } {
  requests += 1;
  const body = reserveBody({ sourceIdentifier, reserveAmount: 1_000 + (requests % 100_000) });
  return { ...body, raasTxnRef: `load-${requests}` };
}

const says =
  (code: string) =>
  ({ status, body }: RawAnswer): boolean =>
    status === 200 && body.startsWith(`{"responseCode":"${code}"`);

const accepted = ({ status }: RawAnswer) => status === 202;

/** What a client does, one act after the other. */
function actsOf(ask: Ask, log: Log): readonly ((buyerId: string) => Promise<unknown>)[] {
  async function usually(path: Path, body: Body, fits: (answer: RawAnswer) => boolean) {
    const answer = await ask(path, body);
    const fitting = fits(answer);
    if (!fitting) log.unusual.push(`${JSON.stringify(body)}: ${answer.status} ${answer.body}`);
    return { fitting, body: answer.body };
  }
  async function sell(buyerId: string) {
    const body = newBody(buyerId);
    return { ...(await usually("/reserveFunds", body, says("0000"))), asked: body };
  }
  async function settle(buyerId: string, responseCode: string): Promise<void> {
    const { fitting, asked } = await sell(buyerId);
    const { raasTxnRef } = asked;
    // What was not sold is cancelled, as Clickatell does.
    if (fitting) await usually("/transactResult", { raasTxnRef, responseCode }, accepted);
    else await ask("/transactResult", { raasTxnRef, responseCode: "2226" });
  }
  async function sellAndRepeat(buyerId: string): Promise<void> {
    const { asked, body } = await sell(buyerId);
    await usually("/reserveFunds", asked, (answer) => answer.body === body);
  }
  const decline = (buyerId: string, code: string) =>
    usually("/reserveFunds", newBody(buyerId), says(code));
  async function cancelFirst(buyerId: string): Promise<void> {
    const body = newBody(buyerId);
    const cancel = { raasTxnRef: body.raasTxnRef, responseCode: "2226" };
    await usually("/transactResult", cancel, ({ status }) => status === 404);
    await usually("/reserveFunds", body, says("2060"));
  }
  return [
    (buyerId) => settle(buyerId, "0000"),
    (buyerId) => settle(buyerId, "2226"),
    sellAndRepeat,
    () => decline(POOR, "2010"),
    () => decline(UNKNOWN, "2030"),
    cancelFirst,
  ];
}

/** One client until its connection is cut or it is time. */
async function purchases(
  url: string,
  { index, log, isOver }: { index: number; log: Log; isOver: () => boolean },
): Promise<void> {
  const { ask, end } = await connectTo(url, log);
  const acts = actsOf(ask, log);
  try {
    // Each client begins with another act, so that a cut finds all kinds of them under way.
    for (let turn = index; !isOver(); turn += 1) await acts[turn % acts.length]!(buyer(turn));
  } catch (error) {
    if (!(error instanceof Cut)) throw error;
  }
  end();
}

/** Many clients at once until it is time, or until the server ends by itself. */
export async function load(server: Server, log: Log, until: Promise<unknown>): Promise<void> {
  let over = false;
  const isOver = () => over;
  const clients = Array.from({ length: CLIENTS }, (_, index) =>
    purchases(server.url, { index, log, isOver }),
  );
  await Promise.race([until, server.exited]);
  over = true;
  await Promise.all(clients);
}

/** The same until the server is killed in the middle of it. */
export async function loadAndKill(server: Server, log: Log, until: Promise<unknown>) {
  const killed = Promise.resolve(until).finally(async () => {
    log.crashes.push(performance.now());
    await server.stop("SIGKILL");
  });
  // The clients do not end by themselves: they are found by the cut in the middle of something.
  await Promise.all([load(server, log, new Promise(() => {})), killed]);
}

/** Sends requests again, as they are, and what is answered is logged as well. */
export async function sendAgain(url: string, log: Log, again: readonly Exchange[]): Promise<void> {
  let next = 0;
  const clients = Array.from({ length: CLIENTS }, async () => {
    const { ask, end } = await connectTo(url, log);
    for (let one = again[next++]; one !== undefined; one = again[next++]) {
      await ask(one.path, { ...one.body });
    }
    end();
  });
  await Promise.all(clients);
}

/** The longest that a reserve and a result waited for its answer, in milliseconds. */
export function slowestOf(log: Log): { reserveMs: number; resultMs: number } {
  const slowest = (path: Path) =>
    log.exchanges
      .filter((exchange) => exchange.path === path)
      .reduce((ms, { sentAt, answer }) => Math.max(ms, (answer?.at ?? Infinity) - sentAt), 0);
  return { reserveMs: slowest("/reserveFunds"), resultMs: slowest("/transactResult") };
}

/** What Clickatell does on its own: results that were not answered 202 or 404 are sent again. */
export const unsettled = (log: Log): Exchange[] =>
  log.exchanges.filter(({ answer }) => answer === null || answer.status === 503);

// ---------------------------------------------------------------- the judge

type AccountRow = Books["accounts"][number];

export async function readBooks(bank: Bank): Promise<Books> {
  const [reservations, accounts, findings] = await Promise.all([
    bank.json<ReservationRow[]>("reservations list"),
    bank.json<AccountRow[]>("accounts list"),
    bank.json<{ kind: string; requestId: string }[]>("findings list"),
  ]);
  const contradictions = new Set(
    findings.filter(({ kind }) => kind === "contradiction").map(({ requestId }) => requestId),
  );
  return { reservations, accounts, contradictions };
}

/** A line for all that `verify` (I1, I2, I4, I6, I7) and the history (I3, I4, I5) find wrong. */
export async function problemsOf(bank: Bank, log: Log, books?: Books): Promise<string[]> {
  const verified = await bank.run(["verify", "--json"]);
  if (verified.exit !== 0) return [`verify: ${verified.out}${verified.err}`];
  return historyProblems(log, books ?? (await readBooks(bank)), opening);
}
