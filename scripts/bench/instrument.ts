// Goes first into each thread of the program that is profiled (profile.ts builds it): counts and
// times the statements, and samples where the time goes. The files `start` and `stop` in the folder
// of BENCH_INSTRUMENTS say when; each thread leaves one file there.
import { Database } from "bun:sqlite";
import { existsSync, writeFileSync } from "node:fs";
import { type Profiler, Session } from "node:inspector";
import { join } from "node:path";
import { isMainThread, threadId } from "node:worker_threads";

export type StatementUse = { readonly sql: string; calls: number; nanoseconds: number };

/** What one thread leaves. */
export type ThreadRecord = {
  readonly thread: string;
  readonly statements: readonly StatementUse[];
  readonly profile: Profiler.Profile | null;
};

const LOOK_MS = 50;
const METHODS = ["run", "get", "all", "values"] as const;

type Method = (...parameters: unknown[]) => unknown;

const uses = new Map<string, StatementUse>();
const watched = new WeakSet<object>();

function timed(sql: string, method: Method): Method {
  const text = sql.replace(/\s+/g, " ").trim();
  return (...parameters) => {
    const from = Bun.nanoseconds();
    try {
      return method(...parameters);
    } finally {
      const use = uses.get(text) ?? { sql: text, calls: 0, nanoseconds: 0 };
      use.calls += 1;
      use.nanoseconds += Bun.nanoseconds() - from;
      uses.set(text, use);
    }
  };
}

/** Times a statement's own methods, once, however often it is asked for. */
function watch(statement: object, sql: string): object {
  if (watched.has(statement)) return statement;
  watched.add(statement);
  const methods = statement as Record<string, Method>;
  for (const name of METHODS) {
    const method = methods[name];
    if (method !== undefined) methods[name] = timed(sql, method.bind(statement));
  }
  return statement;
}

/** Statements get their methods when they are made, so each new one is taken in hand. */
function watchStatements(): void {
  const { prepare, query, run } = Database.prototype as unknown as Record<string, Method>;
  Object.assign(Database.prototype, {
    prepare(this: Database, sql: string, ...rest: unknown[]) {
      return watch(prepare?.call(this, sql, ...rest) as object, sql);
    },
    query(this: Database, sql: string) {
      return watch(query?.call(this, sql) as object, sql);
    },
    run(this: Database, sql: string, ...rest: unknown[]) {
      return timed(sql, () => run?.call(this, sql, ...rest))();
    },
  });
}

function record(dir: string, session: Session): void {
  session.post("Profiler.stop", (_error, result) => {
    const thread = isMainThread ? "main" : `worker ${threadId}`;
    const left: ThreadRecord = {
      thread,
      statements: [...uses.values()],
      profile: result?.profile ?? null,
    };
    writeFileSync(join(dir, `${thread}.json`), JSON.stringify(left));
  });
}

function watchFor(dir: string): void {
  const session = new Session();
  let started = false;
  const timer = setInterval(() => {
    if (!started && existsSync(join(dir, "start"))) {
      started = true;
      uses.clear();
      session.connect();
      session.post("Profiler.enable");
      session.post("Profiler.start");
    } else if (started && existsSync(join(dir, "stop"))) {
      clearInterval(timer);
      record(dir, session);
    }
  }, LOOK_MS);
  timer.unref();
}

const dir = process.env["BENCH_INSTRUMENTS"];
if (dir !== undefined) {
  watchStatements();
  watchFor(dir);
}
