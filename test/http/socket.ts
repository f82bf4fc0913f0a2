// Real sockets for the tests of what Bun's own Request would hide: raw bytes, pieces, hang-ups.
import { connect } from "node:net";

export type RawAnswer = { readonly status: number; readonly head: string; readonly body: string };

export type RawConnection = {
  send(text: string | Uint8Array): void;
  /** Resolves with the next whole answer, or null once the server has closed the connection. */
  answer(): Promise<RawAnswer | null>;
  closed: Promise<void>;
  destroy(): void;
};

/** Splits one answer off what has arrived; null while it is not whole yet. */
function takeAnswer(arrived: string): { answer: RawAnswer; rest: string } | null {
  const end = arrived.indexOf("\r\n\r\n");
  if (end === -1) return null;
  const head = arrived.slice(0, end);
  const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
  const from = end + 4;
  if (arrived.length < from + length) return null;
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
  const answer = { status, head, body: arrived.slice(from, from + length) };
  return { answer, rest: arrived.slice(from + length) };
}

/** Connects; from an address of this machine, where one is given. */
export async function rawConnection(url: string, from?: string): Promise<RawConnection> {
  const { hostname, port } = new URL(url);
  const own = from === undefined ? {} : { localAddress: from };
  const socket = connect({ host: hostname, port: Number(port), ...own });
  let arrived = "";
  let over = false;
  let wake = () => {};
  socket.setEncoding("latin1");
  socket.on("data", (piece) => {
    arrived += piece;
    wake();
  });
  // A server that closes while a body is being sent resets the connection: that is no failure.
  socket.on("error", () => {});
  const closed = new Promise<void>((resolve) => {
    socket.on("close", () => {
      over = true;
      wake();
      resolve();
    });
  });
  // A server that is gone refuses: that is a connection which was closed before any answer.
  await Promise.race([closed, new Promise<void>((resolve) => socket.once("connect", resolve))]);
  return {
    closed,
    send: (text) => void socket.write(text),
    destroy: () => socket.destroy(),
    async answer() {
      for (;;) {
        const taken = takeAnswer(arrived);
        if (taken !== null) {
          arrived = taken.rest;
          return taken.answer;
        }
        if (over) return null;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

/** The head of a POST; each header is one line. */
export function postHead(path: string, headers: readonly string[]): string {
  return [`POST ${path} HTTP/1.1`, "Host: bank", ...headers, "", ""].join("\r\n");
}

/** A whole POST with a body of known length. */
export function post(path: string, body: unknown, headers: readonly string[] = []): string {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const length = `Content-Length: ${Buffer.byteLength(text)}`;
  return postHead(path, [length, ...headers]) + text;
}

/** A piece of a chunked body; an empty one ends it. */
export const chunk = (text: string): string =>
  `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
