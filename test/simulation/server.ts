// One bank's server in the simulation: the real engine and the real app over the simulated disk,
// from a start to a stop or a crash, and then the next one.
import { createEngine, type Engine } from "../../src/engine/engine.ts";
import { type App, createApp } from "../../src/http/app.ts";
import { signatureOf } from "../../src/http/authenticate.ts";
import type { Book, Change } from "./book.ts";
import type { Disk } from "./disk.ts";
import { type Judge, RESERVE_MS } from "./judge.ts";
import type { Answer, Message } from "./messages.ts";
import type { SimulatedTime } from "./time.ts";
import { demand, type Trace } from "./trace.ts";

const SECRET = "simulated-secret";
/** What the engine may take beyond a deadline: between two looks at them, and a batch's reply. */
const SLACK_MS = 80;
const WATCH_MS = 200;

export type ServerOptions = {
  readonly book: Book;
  readonly disk: Disk;
  readonly judge: Judge;
  readonly time: SimulatedTime;
  readonly trace: Trace;
  readonly signed: boolean;
  /** Runs after each start, and before anything is served: the bank is what the model says. */
  readonly onStarted: () => void;
};

export type Server = ReturnType<typeof simulatedServer>;

/** What a caller gets: an answer, or a connection that broke. */
export type Hear = (answer: Answer | "refused") => void;

export function simulatedServer(options: ServerOptions) {
  const { book, disk, judge, time, trace, signed } = options;
  let serving: { engine: Engine; app: App } | null = null;
  let accepting = false;

  function start(): void {
    disk.open();
    const pending = disk.store().beginServing(time.now());
    const isUnclean = book.current().start(time.now());
    const startedAt = time.now();
    const started: Change = (bank) => bank.start(startedAt);
    disk.durably([started]);
    const since = book.current().state.interruptedSince;
    trace.step(`started ${isUnclean ? "after an unclean end" : ""}`);
    demand(
      pending?.since === (since ?? undefined),
      () => `interrupted since ${pending?.since}, the model says ${since}`,
    );
    judge.begins();
    options.onStarted();
    serve(pending);
  }

  function serve(pending: { since: number; until: number } | null): void {
    const isAlive = () => serving === life;
    const clock = {
      ...time,
      soon: (run: () => void) => time.soon(() => isAlive() && run()),
      after: (delayMs: number, run: () => void) => time.after(delayMs, () => isAlive() && run()),
    };
    const store = {
      ...disk.store(),
      applyBatch(...batch: Parameters<typeof disk.applyBatch>) {
        time.judgedLater(() => judge.handed(batch[1]));
        return disk.applyBatch(...batch);
      },
      flush: disk.flush,
    };
    const engine = createEngine(store, {
      clock,
      reserveBudgetMs: RESERVE_MS,
      onFatal(error) {
        trace.step(`fatal: ${(error as Error).message}`);
        judge.failed();
        // The program ends at once; a little later than that it must not have answered either.
        clock.after(25, crash);
      },
      onTrouble(what, error) {
        // A batch is refused by a disk that is full, or the like, and tried again.
        time.judged(() => demand(what === "batch", () => `${what} failed alone: ${error}`));
      },
    });
    const app = createApp({
      engine,
      clock,
      currency: "ZAR",
      receiptKey: new Uint8Array(32),
      authentication: {
        signatureSecrets: signed ? () => [SECRET] : null,
        basic: null,
        allowAddresses: [],
      },
      paths: { reserveFunds: "/reserveFunds", transactResult: "/transactResult" },
      https: false,
    });
    const life = { engine, app };
    serving = life;
    accepting = true;
    if (pending !== null) engine.watchInterrupted(pending);
    watch(life);
  }

  function watch(life: typeof serving): void {
    if (serving !== life) return;
    judge.checkDeadlines(SLACK_MS);
    time.after(WATCH_MS, () => watch(life));
  }

  function crash(): void {
    serving = null;
    accepting = false;
    disk.crash();
    judge.crashed();
  }

  function request(message: Message): Request {
    const { path, body } = message;
    const bytes = Buffer.from(body);
    const headers: Record<string, string> = { "content-length": String(bytes.length) };
    if (signed) headers["signature"] = signatureOf(SECRET, bytes);
    return new Request(`http://bank${path}`, { method: "POST", body, headers });
  }

  function deliver(message: Message, hear: Hear): void {
    const life = serving;
    if (life === null || !accepting) {
      trace.step(`refused ${message.about} (message ${message.number})`);
      hear("refused");
      return;
    }
    judge.delivered(message);
    trace.step(`delivered ${message.about} (message ${message.number})`);
    void answerOf(life.app, request(message)).then((answer) => {
      if (serving !== life) return;
      time.judged(() => judge.answered(message, answer));
      hear(answer);
    });
  }

  return {
    isUp: () => serving !== null,
    start,
    crash,
    deliver,
    /** Null where it takes purchases, or why not. */
    notReady: () => (serving === null ? "down" : serving.engine.notReady()),

    /** Takes no more, answers what it took, and ends; then `done`. */
    stop(done: () => void): void {
      const life = serving;
      if (life === null) return;
      accepting = false;
      trace.step("told to stop");
      const ended = (tries: number) => {
        if (serving !== life) return;
        const isNoted = disk.store().endServing();
        if (!isNoted && tries < 20) {
          time.after(10, () => ended(tries + 1));
          return;
        }
        judge.stopped();
        serving = null;
        // Not noted, as while another process writes, it looks like an unclean end: no harm.
        if (isNoted) {
          book.current().stop();
          disk.durably([(bank) => bank.stop()]);
        }
        disk.unlock();
        disk.close();
        trace.step(`stopped${isNoted ? "" : ", which could not be noted"}`);
        done();
      };
      void life.engine.drained().then(() => time.soon(() => ended(0)));
    },

    /** A body whose signature is wrong changes nothing. */
    async strangerIsRefused(message: Message): Promise<void> {
      if (serving === null || !signed) return;
      const forged = request({ ...message, body: message.body.replace(/\d/, "7") });
      forged.headers.set("signature", signatureOf("another", Buffer.from(message.body)));
      const { status } = await answerOf(serving.app, forged);
      trace.step(`a stranger was answered ${status}`);
      demand(status === 401, () => `a stranger was answered ${status}`);
    },
  };
}

async function answerOf(app: App, request: Request): Promise<Answer> {
  const response = await app.handle(request);
  return { status: response.status, body: await response.text() };
}
