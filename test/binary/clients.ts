// Two client processes, and what they were answered.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { type Bank, reserveBody } from "./program.ts";

export type Call = { readonly path: string; readonly body: Record<string, unknown> };

/** All calls at once; or reserves like `body`, so many at a time, until a file is there. */
export type Job =
  | { readonly url: string; readonly calls: readonly Call[] }
  | {
      readonly url: string;
      readonly body: Record<string, unknown>;
      readonly prefix: string;
      readonly lanes: number;
      readonly untilFile: string;
    };

/** Status 0 where the connection was cut. Times are epoch milliseconds. */
export type Called = { readonly sentAt: number; readonly status: number; readonly body: string };

export type Client = { run(job: Job): Promise<Called[]>; stop(): void };

/** Starts a client process; `inside`: words before its command, as of another host. */
export function startClient(inside: readonly string[] = []): Client {
  const child = Bun.spawn([...inside, process.execPath, join(import.meta.dir, "client.ts")], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const lines = createInterface(Readable.fromWeb(child.stdout as never))[Symbol.asyncIterator]();
  return {
    async run(job) {
      child.stdin.write(`${JSON.stringify(job)}\n`);
      await child.stdin.flush();
      return JSON.parse(String((await lines.next()).value)) as Called[];
    },
    stop: () => void child.stdin.end(),
  };
}

export type TwoClients = {
  /** Calls everything at once, every second one from the one process. */
  atOnce(url: string, calls: readonly Call[]): Promise<Called[]>;
  /** Reserves like `body` from both until it is told to end; a few come after that for certain. */
  keepReserving(url: string, body: Record<string, unknown>): { end(): Promise<Called[]> };
  stop(): void;
};

let streams = 0;

export function twoClients(): TwoClients {
  const clients = [startClient(), startClient()];
  const folder = mkdtempSync(join(tmpdir(), "transact-bank-clients-"));
  const both = async (job: (index: number) => Job) =>
    (await Promise.all(clients.map((client, index) => client.run(job(index))))).flat();
  return {
    atOnce: (url, calls) =>
      both((index) => ({ url, calls: calls.filter((_, place) => place % 2 === index) })),
    keepReserving(url, body) {
      streams += 1;
      const untilFile = join(folder, `end-${streams}`);
      const called = both((index) => ({
        url,
        body,
        untilFile,
        lanes: 4,
        prefix: `stream-${streams}-${index}`,
      }));
      return {
        end() {
          writeFileSync(untilFile, "");
          return called;
        },
      };
    },
    stop() {
      for (const client of clients) client.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

/** How often each value stands among them. */
export function count(values: readonly (string | number)[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}

export const codeOf = ({ status, body }: Called): string =>
  status === 200
    ? String((JSON.parse(body) as { responseCode: string }).responseCode)
    : `${status}`;

export const reserveCall = (fields: Record<string, unknown> = {}): Call => ({
  path: "/reserveFunds",
  body: reserveBody(fields),
});

export const resultCall = (raasTxnRef: string, responseCode: string): Call => ({
  path: "/transactResult",
  body: { raasTxnRef, responseCode },
});

export const calls = (many: number, make: (index: number) => Call): Call[] =>
  Array.from({ length: many }, (_, index) => make(index));

let accounts = 0;
/** A new account of 10000.00 with one buyer of the same name. */
export async function newRacer(bank: Bank): Promise<string> {
  const name = `racer-${++accounts}`;
  await bank.admin(`accounts add ${name} --name Racer --balance 10000.00`);
  await bank.admin(`accounts map ${name} ${name}`);
  return name;
}
