// The load of a storm: more requests than a server can take, each sent when it is due and not when
// the one before is answered. A process of its own, so that its work is not the test's:
//
//   bun test/binary/storm.ts '{"url":"http://127.0.0.1:8080","connections":64,"seconds":2}'
//
// prints one JSON document, a Storm.
import { connect, type Socket } from "bun";
import { post } from "../http/socket.ts";

export type StormOptions = {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  /** Requests due each second; null: each connection sends when it is answered. */
  readonly rate: number | null;
  /** Head of the request ids. */
  readonly prefix: string;
  readonly buyer: string;
};

export type Storm = {
  readonly answered: number;
  readonly perSecond: number;
  /** By call, status and code. */
  readonly answers: Readonly<Record<string, number>>;
  /** Milliseconds from the sending to the answer. */
  readonly slowestReserveMs: number;
  readonly slowestResultMs: number;
  readonly medianMs: number;
  /** Connections that the server closed, and requests that were due and found none free. */
  readonly closed: number;
  readonly unsent: number;
};

type Kind = "reserve" | "result" | "malformed";
type Waits = { readonly kind: Kind; readonly requestId: string; readonly sentAtMs: number };
type Line = { socket: Socket; waits: Waits | null; arrived: string };

/** An answer is waited for so long. */
const PATIENCE_MS = 15_000;

async function run(options: StormOptions): Promise<Storm> {
  const { hostname, port } = new URL(options.url);
  const free: Line[] = [];
  const took: Record<Kind, number[]> = { reserve: [], result: [], malformed: [] };
  const answers: Record<string, number> = {};
  let sent = 0;
  let closed = 0;
  let unsent = 0;
  let inFlight = 0;
  let isOver = false;
  /** What was answered 0000, and how many of them have been settled. */
  const reserved: string[] = [];
  let settled = 0;

  function next(): [kind: Kind, requestId: string, request: string] {
    const n = sent++;
    const raasTxnRef = `${options.prefix}-${n}`;
    const fields = { sourceIdentifier: options.buyer, reserveAmount: 100, settlementAmount: 90 };
    if (n % 20 === 7)
      return ["malformed", "", post("/reserveFunds", { ...fields, raasTxnRef: "" })];
    // Of each ten, three settle what was reserved some time ago.
    const oldest = reserved[settled];
    if (n % 10 < 3 && oldest !== undefined) {
      settled += 1;
      const result = { raasTxnRef: oldest, responseCode: "0000" };
      return ["result", oldest, post("/transactResult", result)];
    }
    return ["reserve", raasTxnRef, post("/reserveFunds", { ...fields, raasTxnRef })];
  }

  function send(line: Line): void {
    const [kind, requestId, request] = next();
    line.waits = { kind, requestId, sentAtMs: performance.now() };
    inFlight += 1;
    line.socket.write(request);
  }

  function received(line: Line): void {
    const { arrived, waits } = line;
    const head = arrived.indexOf("\r\n\r\n");
    const length = Number(/content-length: *(\d+)/i.exec(arrived.slice(0, head))?.[1] ?? 0);
    if (head === -1 || arrived.length < head + 4 + length || waits === null) return;
    const code = /"responseCode":"(\d+)"/.exec(arrived)?.[1] ?? "";
    const what = `${waits.kind} ${arrived.slice(9, 12)} ${code}`.trim();
    answers[what] = (answers[what] ?? 0) + 1;
    if (waits.kind === "reserve" && code === "0000") reserved.push(waits.requestId);
    took[waits.kind].push(performance.now() - waits.sentAtMs);
    line.arrived = "";
    line.waits = null;
    inFlight -= 1;
    if (options.rate === null && !isOver) send(line);
    else free.push(line);
  }

  for (let n = 0; n < options.connections; n += 1) {
    const line: Line = { socket: undefined as unknown as Socket, waits: null, arrived: "" };
    line.socket = await connect({
      hostname,
      port: Number(port),
      socket: {
        data(_, data) {
          line.arrived += data.toString("latin1");
          received(line);
        },
        close() {
          closed += isOver && line.waits === null ? 0 : 1;
          if (line.waits !== null) inFlight -= 1;
          const at = free.indexOf(line);
          if (at >= 0) free.splice(at, 1);
        },
        error() {},
      },
    });
    free.push(line);
  }

  const startedAtMs = performance.now();
  const elapsed = () => performance.now() - startedAtMs;
  let due = 0;
  if (options.rate === null) for (const line of free.splice(0)) send(line);
  while (elapsed() < options.seconds * 1_000) {
    const dueByNow = ((options.rate ?? 0) * elapsed()) / 1_000;
    for (; due < dueByNow; due += 1) {
      const line = free.shift();
      if (line === undefined) unsent += 1;
      else send(line);
    }
    await Bun.sleep(1);
  }
  isOver = true;
  const seconds = elapsed() / 1_000;
  const answered = took.reserve.length + took.result.length + took.malformed.length;
  const patienceEndsMs = elapsed() + PATIENCE_MS;
  while (inFlight > 0 && elapsed() < patienceEndsMs) await Bun.sleep(10);
  const all = [...took.reserve, ...took.result, ...took.malformed].sort((a, b) => a - b);
  return {
    answered: all.length,
    perSecond: Math.round(answered / seconds),
    answers,
    slowestReserveMs: took.reserve.reduce((a, b) => Math.max(a, b), 0),
    slowestResultMs: took.result.reduce((a, b) => Math.max(a, b), 0),
    medianMs: all[all.length >> 1] ?? 0,
    closed,
    unsent,
  };
}

/** Runs a storm in a process of its own. */
export async function storm(options: StormOptions): Promise<Storm> {
  const child = Bun.spawn([process.execPath, import.meta.path, JSON.stringify(options)], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  return JSON.parse(await new Response(child.stdout).text()) as Storm;
}

if (import.meta.main) {
  const result = await run(JSON.parse(process.argv[2] ?? "{}") as StormOptions);
  await Bun.write(Bun.stdout, JSON.stringify(result));
  process.exit(0);
}
