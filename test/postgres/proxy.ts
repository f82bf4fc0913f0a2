// What the network does to a bank and its database, at the worst moments: a TCP proxy that sees a
// COMMIT go by. It is a process of its own (proxy-process.ts), for a bank that waits for its
// database may block the test's thread; so say beforehand what is to happen.
import { join } from "node:path";
import type { Server } from "./server.ts";

/**
 * Where a COMMIT is when something happens to its connection:
 * before     it has not left for the server, which so rolls back;
 * forwarded  the server has it, and may still be at it when the client knows of its loss;
 * answered   the server is done and has said so, and the client does not get to know.
 */
export type CommitAt = "before" | "forwarded" | "answered";

export type Counts = {
  /** Connections taken so far, and those that are open. */
  readonly connections: number;
  readonly open: number;
  /** COMMITs seen, and connections dropped or held at one. */
  readonly commits: number;
  readonly cuts: number;
  readonly holds: number;
};

/** What happens at one COMMIT, once skip others have passed: a hold of so long, or the cut. */
export type Plan = {
  readonly at: CommitAt;
  readonly skip: number;
  readonly holdMs: number | null;
};

export type Command =
  | { readonly do: "plan"; readonly plan: Plan | null }
  | { readonly do: "stall"; readonly forMs: number | null }
  | { readonly do: "resume" | "refuse" | "accept" | "cutAll" | "counts" };

export type DatabaseProxy = {
  readonly port: number;
  /** A URL of the server's, by way of the proxy. */
  urlOf(url: string): string;
  /** Drops the connection of the next COMMIT, or of a later one; every other passes. */
  cutAtCommit(at: CommitAt, skip?: number): Promise<void>;
  /** Holds up the next COMMIT (before) or its answer (forwarded, answered) for so long. */
  holdAtCommit(at: CommitAt, holdMs: number, skip?: number): Promise<void>;
  /** What was planned for a COMMIT is not to happen. */
  forgetPlan(): Promise<void>;
  /** Nothing passes in either direction, and no connection ends; resumes by itself if told when. */
  stall(forMs?: number): Promise<void>;
  resume(): Promise<void>;
  /** New connections are refused; those that are there stay. */
  refuse(): Promise<void>;
  accept(): Promise<void>;
  /** Drops every connection there is. */
  cutAll(): Promise<void>;
  counts(): Promise<Counts>;
  stop(): Promise<void>;
};

/** Starts a proxy to a server on loopback. */
export async function startProxy(server: Server): Promise<DatabaseProxy> {
  const waiting: ((answer: unknown) => void)[] = [];
  const answer = () => new Promise<unknown>((resolve) => waiting.push(resolve));
  const listening = answer();
  const child = Bun.spawn(
    [process.execPath, join(import.meta.dir, "proxy-process.ts"), String(server.port)],
    { stdin: "ignore", ipc: (said) => waiting.shift()?.(said) },
  );
  // It ends with the channel to this process, so nothing has to wait for it.
  child.unref();
  const died = child.exited.then((code) => {
    throw new Error(`The proxy ended with exit code ${code}`);
  });
  died.catch(() => {});
  /** It answers each command with its counts, once it has done it. */
  const ask = async (command: Command): Promise<Counts> => {
    const answered = answer();
    child.send(command);
    return (await Promise.race([answered, died])) as Counts;
  };
  const tell = (command: Command) => ask(command).then(() => {});
  const plan = (planned: Plan | null) => tell({ do: "plan", plan: planned });
  const port = Number(await Promise.race([listening, died]));
  return {
    port,
    urlOf: (url) => url.replace(`${server.address}:${server.port}`, `127.0.0.1:${port}`),
    cutAtCommit: (at, skip = 0) => plan({ at, skip, holdMs: null }),
    holdAtCommit: (at, holdMs, skip = 0) => plan({ at, skip, holdMs }),
    forgetPlan: () => plan(null),
    stall: (forMs) => tell({ do: "stall", forMs: forMs ?? null }),
    resume: () => tell({ do: "resume" }),
    refuse: () => tell({ do: "refuse" }),
    accept: () => tell({ do: "accept" }),
    cutAll: () => tell({ do: "cutAll" }),
    counts: () => ask({ do: "counts" }),
    async stop() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}
