// A connection to PostgreSQL whose caller waits: commands read better without a promise at each row,
// and the server's writing thread has nothing else to do meanwhile. A thread of its own speaks with
// the database (client.worker.ts). Never use it on the thread that answers Clickatell.
import { MessageChannel, receiveMessageOnPort } from "node:worker_threads";
import { startWorker } from "../../worker.ts";
import type { Address } from "./address.ts";
import type { ClientOptions, Failure, Query, Reply, Request, Rows } from "./messages.ts";

/** The database said no. `state` is its SQLSTATE. */
export class ServerSaidNo extends Error {
  readonly state: string;
  readonly constraint: string | null;
  constructor({ state, message, constraint }: Failure) {
    super(message);
    this.state = state;
    this.constraint = constraint;
  }
}

/** The connection ended: what was sent last may or may not have been done. `state`: why, or "". */
export class ConnectionLost extends Error {
  readonly state: string;
  constructor(message: string, state = "") {
    super(message);
    this.state = state;
  }
}

export type Client = ReturnType<typeof createClient>;

export type ClientAddress = {
  readonly address: Address;
  /** SECRET. */
  readonly password: string | null;
  /** As the database lists its sessions. */
  readonly name: string;
};

/** A thread that speaks with the database, and what one waits on for it. */
function startThread() {
  const replies = new Int32Array(new SharedArrayBuffer(4));
  const { port1, port2 } = new MessageChannel();
  const worker = startWorker("storage/postgres/client.worker");
  const port = port2 as unknown as MessagePort;
  worker.postMessage({ replies, port } satisfies ClientOptions, [port]);
  // A command that has its rows ends: this thread does not keep it.
  worker.unref();
  return { replies, port: port1, worker };
}

export function createClient({ address, password, name }: ClientAddress) {
  let thread: ReturnType<typeof startThread> | null = null;
  let seen = 0;

  /** A reply that was not waited for to its end would be taken for that of the next request. */
  function giveUp(): void {
    thread?.worker.terminate();
    thread = null;
  }

  function ask(request: Request, withinMs: number): readonly Rows[] {
    if (thread === null) throw new ConnectionLost("there is no connection");
    const { port, replies } = thread;
    const until = performance.now() + withinMs;
    port.postMessage(request);
    // It may wake without a reply, as another thread of this process ends (Bun 1.4.5).
    for (let left = withinMs; Atomics.load(replies, 0) === seen && left > 0; ) {
      Atomics.wait(replies, 0, seen, left);
      left = until - performance.now();
    }
    const received = receiveMessageOnPort(port) as { message: Reply } | undefined;
    if (received === undefined) {
      giveUp();
      throw new ConnectionLost(`the database did not answer within ${withinMs} ms`);
    }
    seen = Atomics.load(replies, 0);
    const { message: reply } = received;
    if ("done" in reply) return reply.done;
    const { failure } = reply;
    if (failure.kind === "lost") throw new ConnectionLost(failure.message, failure.state);
    throw new ServerSaidNo(failure);
  }

  return {
    /** Connects, or connects anew, to the server that takes writes. Throws ConnectionLost. */
    connect(withinMs: number): void {
      if (thread === null) {
        thread = startThread();
        seen = 0;
      }
      ask({ connect: address, password, name }, withinMs);
    },

    /**
     * Runs statements one after the other, sent together; one that fails throws, and none after it
     * is done. Throws ServerSaidNo, or ConnectionLost where it is not known what was done.
     */
    run: (queries: readonly Query[], withinMs: number): readonly Rows[] =>
      ask({ queries }, withinMs),

    close: giveUp,
  };
}
