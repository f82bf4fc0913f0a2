// The load: plays Clickatell over raw sockets, keeps the history of each client, checks every
// answer against it, and says how busy it was itself. One process, so that its own CPU is known:
//
//   bun scripts/bench/load.ts '{"port":8080,"connections":64,"seconds":5}'
//
// prints one JSON document, a LoadResult.
import { type AnswersAs, createClient, type History, type Mix, type Sent } from "./client.ts";

export type LoadOptions = {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  /** Answers of this first part are checked and not measured. */
  readonly warmupSeconds: number;
  /** Operations a second, each due at a fixed time; null: each client sends when it is answered. */
  readonly rate: number | null;
  readonly mix: Mix;
  /** Accounts that the buyers are taken from; 1 is one hot account. */
  readonly accounts: number;
  /** Signs each body; null: unsigned. */
  readonly secret: string | null;
  /** Head of every request id: no two runs on one bank may share it. */
  readonly prefix: string;
  readonly answersAs: AnswersAs;
};

export type LoadResult = {
  readonly operations: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  /** CPU seconds of this process a second: 1 is a core. */
  readonly busy: number;
  /** Answers by kind of request and what came back. */
  readonly answers: Readonly<Record<string, number>>;
  /** Answers that the history does not allow; empty in a correct run. */
  readonly wrong: readonly string[];
  readonly history: History;
};

const DEFAULTS: LoadOptions = {
  port: 8080,
  connections: 64,
  seconds: 5,
  warmupSeconds: 1,
  rate: null,
  mix: "purchases",
  accounts: 10_000,
  secret: null,
  prefix: `l${Date.now().toString(36)}`,
  answersAs: "bank",
};

type Connection = {
  write(request: string): void;
  busy: boolean;
  sentAtMs: number;
  sent: Sent | null;
};

/** So long after the end an answer is waited for. */
const PATIENCE_MS = 5_000;
const TICK_MS = 100;

/** Milliseconds at a share of the sorted latencies. */
function percentile(sorted: Float64Array, share: number): number {
  const at = Math.min(sorted.length - 1, Math.floor(sorted.length * share));
  return Number((sorted[at] ?? 0).toFixed(3));
}

/** Splits one whole answer off the bytes received, or null where there is none yet. */
function takeAnswer(text: string): { status: number; body: string; length: number } | null {
  const headEnd = text.indexOf("\r\n\r\n");
  if (headEnd === -1) return null;
  const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, headEnd + 2))?.[1];
  const end = headEnd + 4 + Number(length ?? 0);
  if (text.length < end) return null;
  return { status: Number(text.slice(9, 12)), body: text.slice(headEnd + 4, end), length: end };
}

async function run(options: LoadOptions): Promise<LoadResult> {
  const latencies: number[] = [];
  const startedAtMs = performance.now();
  const measureFromMs = startedAtMs + options.warmupSeconds * 1000;
  const endAtMs = measureFromMs + options.seconds * 1000;
  let measuredCpu = process.cpuUsage();
  const cpuTimer = setTimeout(() => {
    measuredCpu = process.cpuUsage();
  }, options.warmupSeconds * 1000);
  let cut = false;

  const clients = Array.from({ length: options.connections }, (_, index) =>
    createClient({ ...options, index }),
  );
  const connections: Connection[] = [];
  /** Due times of requests for which every connection was busy. */
  const overdue: number[] = [];
  const done = Promise.withResolvers<void>();
  let inFlight = 0;

  function send(index: number, dueAtMs: number): void {
    const connection = connections[index];
    const client = clients[index];
    if (connection === undefined || client === undefined) return;
    const sent = client.next();
    connection.sent = sent;
    connection.sentAtMs = dueAtMs;
    connection.busy = true;
    inFlight += 1;
    connection.write(sent.request);
  }

  function answered(index: number, status: number, body: string): void {
    const connection = connections[index];
    const client = clients[index];
    if (connection?.sent == null || client === undefined) return;
    const nowMs = performance.now();
    if (nowMs >= measureFromMs && nowMs < endAtMs) latencies.push(nowMs - connection.sentAtMs);
    client.answered(connection.sent, status, body);
    connection.busy = false;
    inFlight -= 1;
    if (nowMs >= endAtMs || cut) {
      if (inFlight === 0) done.resolve();
      return;
    }
    if (options.rate === null) send(index, performance.now());
    else {
      const due = overdue.shift();
      if (due !== undefined) send(index, due);
    }
  }

  for (let index = 0; index < options.connections; index += 1) {
    let rest = "";
    let waiting = "";
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port: options.port,
      socket: {
        data(_socket, data) {
          rest += data.toString("latin1");
          const answer = takeAnswer(rest);
          if (answer === null) return;
          rest = rest.slice(answer.length);
          answered(index, answer.status, answer.body);
        },
        drain(socket) {
          waiting = waiting.slice(socket.write(waiting));
        },
        close() {
          cut = true;
          inFlight -= connections[index]?.busy ? 1 : 0;
          if (inFlight <= 0) done.resolve();
        },
        error() {},
      },
    });
    connections.push({
      write(request) {
        const written = socket.write(request);
        if (written < request.length) waiting = request.slice(Math.max(0, written));
      },
      busy: false,
      sentAtMs: 0,
      sent: null,
    });
  }

  if (options.rate === null) {
    for (let index = 0; index < options.connections; index += 1) send(index, performance.now());
  } else {
    startArrivals(options.rate);
  }

  /** Hands out what is due, each millisecond; what finds no free connection waits, and counts. */
  function startArrivals(rate: number): void {
    let handedOut = 0;
    let next = 0;
    const beganAtMs = performance.now();
    const timer = setInterval(() => {
      const nowMs = performance.now();
      if (nowMs >= endAtMs || cut) {
        clearInterval(timer);
        if (inFlight === 0) done.resolve();
        return;
      }
      const due = Math.floor(((nowMs - beganAtMs) / 1000) * rate);
      for (; handedOut < due; handedOut += 1) {
        const dueAtMs = beganAtMs + (handedOut / rate) * 1000;
        let tries = 0;
        while (tries < connections.length && connections[next]?.busy) {
          next = (next + 1) % connections.length;
          tries += 1;
        }
        if (connections[next]?.busy === false) send(next, dueAtMs);
        else overdue.push(dueAtMs);
      }
    }, 1);
  }

  // A server that is gone answers nothing more. Ticks are counted, not time: after a standstill of
  // the machine, what came meanwhile must be read first.
  let ticksAfterEnd = 0;
  setInterval(() => {
    if (performance.now() <= endAtMs) return;
    ticksAfterEnd += 1;
    if (ticksAfterEnd * TICK_MS > PATIENCE_MS) done.resolve();
  }, TICK_MS).unref();
  await done.promise;
  clearTimeout(cpuTimer);
  const cpu = process.cpuUsage(measuredCpu);
  const sorted = Float64Array.from(latencies).sort();
  const seconds = Math.min(options.seconds, (performance.now() - measureFromMs) / 1000);
  const merged = clients.map((client) => client.history());
  const answers: Record<string, number> = {};
  for (const client of clients) {
    for (const [what, count] of Object.entries(client.answers())) {
      answers[what] = (answers[what] ?? 0) + count;
    }
  }
  return {
    operations: sorted.length,
    seconds,
    perSecond: Math.round(sorted.length / seconds),
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    p999: percentile(sorted, 0.999),
    max: percentile(sorted, 1),
    busy: Number(((cpu.user + cpu.system) / 1e6 / seconds).toFixed(2)),
    answers,
    wrong: [
      ...clients.flatMap((client) => client.wrong()),
      ...(inFlight > 0 ? [`${inFlight} requests were not answered`] : []),
      ...(cut ? ["the server closed a connection"] : []),
    ],
    history: {
      reserved: merged.flatMap(({ reserved }) => reserved),
      debitedMinor: merged.reduce((sum, { debitedMinor }) => sum + debitedMinor, 0),
      heldMinor: merged.reduce((sum, { heldMinor }) => sum + heldMinor, 0),
    },
  };
}

if (import.meta.main) {
  const given = JSON.parse(process.argv[2] ?? "{}") as Partial<LoadOptions>;
  const result = await run({ ...DEFAULTS, ...given });
  // All of it, before the process ends: a pipe takes it in pieces.
  await Bun.write(Bun.stdout, `${JSON.stringify(result)}\n`);
  process.exit(0);
}
