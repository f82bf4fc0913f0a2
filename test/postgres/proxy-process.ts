// The proxy of proxy.ts: takes commands from the process that started it, and ends with it.
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Command, Plan } from "./proxy.ts";
import { type ClientMessage, clientMessages, serverMessages } from "./wire.ts";

const HOST = "127.0.0.1";
const target = Number(process.argv[2]);

let plan: Plan | null = null;
let isStalled = false;
let listener: Server = createServer();
let port = 0;
const counts = { connections: 0, commits: 0, cuts: 0, holds: 0 };
const open = new Set<Connection>();

/** A way out that can be closed for a while: what is to leave waits behind it. */
type Gate = {
  send(bytes: Buffer): void;
  end(): void;
  hold(ms: number): void;
  flush(): void;
};

function gateTo(socket: Socket): Gate {
  let waiting: (() => void)[] = [];
  let isHeld = false;
  const pass = (act: () => void) => {
    if (isHeld || isStalled) waiting.push(act);
    else act();
  };
  const flush = () => {
    if (isHeld || isStalled) return;
    const acts = waiting;
    waiting = [];
    for (const act of acts) act();
  };
  return {
    send: (bytes) => pass(() => socket.write(bytes)),
    end: () => pass(() => socket.end()),
    hold(ms) {
      isHeld = true;
      setTimeout(() => {
        isHeld = false;
        flush();
      }, ms);
    },
    flush,
  };
}

type Connection = { readonly flush: () => void; readonly drop: () => void };

function take(client: Socket): void {
  counts.connections += 1;
  // The server may finish what it has after the client is gone, so it ends its side itself.
  const server = connect({ port: target, host: HOST, allowHalfOpen: true });
  const toServer = gateTo(server);
  const toClient = gateTo(client);
  const connection: Connection = {
    flush() {
      toServer.flush();
      toClient.flush();
    },
    drop() {
      client.resetAndDestroy();
      server.destroy();
      open.delete(connection);
    },
  };
  open.add(connection);
  relay({ client, server, toServer, toClient, drop: connection.drop });
  client.on("close", () => open.delete(connection));
  // That a connection broke is told to the other side by its end.
  client.on("error", () => server.destroy());
  server.on("error", () => client.destroy());
}

type Relay = {
  readonly client: Socket;
  readonly server: Socket;
  readonly toServer: Gate;
  readonly toClient: Gate;
  readonly drop: () => void;
};

function relay({ client, server, toServer, toClient, drop }: Relay): void {
  const fromClient = clientMessages();
  const fromServer = serverMessages();
  /** Requests that the server has not fully answered yet. */
  let unanswered = 0;
  /** What happens at the COMMIT that went by, once the whole request has left. */
  let due: Plan | null = null;
  let isLost = false;

  const onMessage = (message: ClientMessage) => {
    if (isLost) return;
    if (message.isCommit) due = planFor() ?? due;
    if (due?.at === "before") {
      isLost = due.holdMs === null;
      if (due.holdMs === null) return drop();
      toServer.hold(due.holdMs);
      due = null;
    }
    if (message.endsRequest) unanswered += 1;
    toServer.send(message.bytes);
    if (due !== null && message.endsRequest) hasLeft(due);
  };
  const hasLeft = ({ at, holdMs }: Plan) => {
    isLost = holdMs === null;
    // Dropped once the server is done, see below.
    if (isLost && at === "answered") return;
    due = null;
    if (holdMs !== null) toClient.hold(holdMs);
    else leave(client, toServer);
  };
  client.on("data", (piece) => {
    for (const message of fromClient(Buffer.from(piece))) onMessage(message);
  });
  client.on("end", () => toServer.end());
  server.on("data", (piece) => {
    for (const { bytes, isReady } of fromServer(Buffer.from(piece))) {
      if (isReady) unanswered -= 1;
      if (!isLost) toClient.send(bytes);
      else if (due !== null && unanswered === 0) drop();
    }
  });
  server.on("end", () => (isLost ? drop() : toClient.end()));
}

/** The client is cut off at once, and the server hears of it once it is done with what it has. */
function leave(client: Socket, toServer: Gate): void {
  client.resetAndDestroy();
  toServer.end();
}

/** A COMMIT goes by: the plan, when this is the one it was made for. */
function planFor(): Plan | null {
  counts.commits += 1;
  if (plan === null) return null;
  if (plan.skip > 0) {
    plan = { ...plan, skip: plan.skip - 1 };
    return null;
  }
  const now = plan;
  plan = null;
  counts[now.holdMs === null ? "cuts" : "holds"] += 1;
  return now;
}

function resume(): void {
  isStalled = false;
  for (const connection of open) connection.flush();
}

/** A new listener each time, for one that was closed takes no connection again. */
function listen(): Promise<void> {
  listener = createServer({ allowHalfOpen: true }, take);
  return new Promise((resolve, reject) => {
    listener.once("error", reject);
    listener.listen(port, HOST, resolve);
  });
}

async function carryOut(command: Command): Promise<void> {
  if (command.do === "plan") plan = command.plan;
  if (command.do === "stall") isStalled = true;
  if (command.do === "stall" && command.forMs !== null) setTimeout(resume, command.forMs);
  if (command.do === "resume") resume();
  if (command.do === "refuse") listener.close();
  if (command.do === "accept") await listen();
  if (command.do === "cutAll") for (const connection of open) connection.drop();
}

process.on("message", async (command: Command) => {
  await carryOut(command);
  process.send?.({ ...counts, open: open.size });
});
process.on("disconnect", () => process.exit());
await listen();
port = (listener.address() as { port: number }).port;
process.send?.(port);
