// A flood of requests that are turned away, against the compiled program: purchases go on beside
// it, the disk grows by what the contract allows, and each one is counted (contract.md 4.1).
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { signatureOf } from "../../src/http/authenticate.ts";
import type { ReceiptView } from "../../src/storage/store.ts";
import { post, postHead, type RawConnection, rawConnection } from "../http/socket.ts";
import { noteTorture, times } from "../torture.ts";
import { type Bank, configure, newBank, reserveBody, type Server } from "./program.ts";
import { memoryMb } from "./vitals.ts";

const SECRET = "bank-demo-secret";
const FLOOD_MS = times(3_000, 180_000);
/** Connections at one time. */
const FLOODERS = 40;
/** Addresses that they come from, in turn; in full more than are told apart. */
const PEERS = times(40, 1_500);
/** A reserve is answered within this, whatever goes on beside it. */
const DEADLINE_MS = 2_000;
/** What a sale and its receipt take on the disk, with their indexes; and a refusal. */
const SALE_BYTES = 4_096;
const REFUSAL_BYTES = 300;
const OTHER_BYTES = 500_000;
/** Each minute of a peer and reason. */
const MOST_ROWS = 11;

let bank: Bank;
let server: Server;
beforeAll(async () => {
  bank = await newBank();
  await bank.admin("secrets rotate --yes", { stdin: SECRET });
  configure(bank, "require_signature = true");
  server = await bank.serve();
});
afterAll(async () => {
  // It was stopped, unless the test failed.
  await server.stop("SIGKILL");
  bank.remove();
});

const sign = (body: string) => signatureOf(SECRET, new Uint8Array(Buffer.from(body)));
const BODY = JSON.stringify(reserveBody());

/** What is turned away: the status and the bytes; with the 413 below it comes to five reasons. */
const TURNED: readonly [status: number, request: string][] = [
  [401, post("/reserveFunds", BODY)],
  [401, post("/transactResult", BODY, [`Signature: ${sign(`${BODY} `)}`])],
  [404, post("/nowhere", BODY)],
  [404, `GET /.env?authCode=4321 HTTP/1.1\r\nHost: bank\r\n\r\n`],
  [405, `DELETE /reserveFunds HTTP/1.1\r\nHost: bank\r\n\r\n`],
];
const REASONS = 5;
/** These close their connection. */
const CLOSING: readonly [status: number, request: string][] = [
  [413, postHead("/reserveFunds", ["Content-Length: 70000"])],
  [400, "\x00\xff garbage\r\n\r\n"],
  [431, post("/nowhere", BODY, [`X: ${"a".repeat(20_000)}`])],
];

let connections = 0;

/** Connects from the next address. */
function nextPeer(): Promise<RawConnection> {
  const peer = connections++ % PEERS;
  return rawConnection(server.url, `127.0.${1 + (peer >> 7)}.${1 + (peer & 127)}`);
}

/** Sends what is turned away until the time is up; counts what left a trace in the program. */
async function flooder(index: number, until: number): Promise<number> {
  let counted = 0;
  let connection: RawConnection | null = null;
  for (let sent = index; performance.now() < until; sent += 1) {
    connection ??= await nextPeer();
    const isClosing = sent % 50 === 49;
    const kinds = isClosing ? CLOSING : TURNED;
    const [status, request] = kinds[sent % kinds.length]!;
    connection.send(request);
    const answer = await connection.answer();
    expect(answer?.status).toBe(status);
    // What is no HTTP reaches no path, and the runtime answers it.
    if (status !== 400 && status !== 431) counted += 1;
    if (!isClosing) continue;
    connection.destroy();
    connection = null;
  }
  connection?.destroy();
  return counted;
}

/** Buys as Clickatell does, until the time is up. */
async function seller(until: number): Promise<number[]> {
  const took: number[] = [];
  while (performance.now() < until) {
    const body = JSON.stringify(reserveBody({ reserveAmount: 1 }));
    const startedAt = performance.now();
    const answer = await server.post("/reserveFunds", body, { Signature: sign(body) });
    took.push(performance.now() - startedAt);
    expect(answer.body).toContain('"responseCode":"0000"');
    await Bun.sleep(50);
  }
  return took;
}

/** The bytes of the bank's files. */
const size = (): number =>
  readdirSync(bank.dataDir)
    .map((name) => statSync(join(bank.dataDir, name)).size)
    .reduce((sum, bytes) => sum + bytes, 0);

test(
  `${FLOOD_MS / 1_000} s of refusals from ${PEERS} addresses: sales go on, few rows, none uncounted`,
  async () => {
    // Its files as they are when nothing is on its way.
    await server.stop();
    const sizeBefore = size();
    server = await bank.serve();
    const until = performance.now() + FLOOD_MS;
    const flooders = Array.from({ length: FLOODERS }, (_, index) => flooder(index, until));
    const [took, ...counts] = await Promise.all([seller(until), ...flooders]);
    const refused = counts.reduce((sum, count) => sum + count, 0);
    const memory = memoryMb(server.pid);
    expect(Math.max(...took)).toBeLessThan(DEADLINE_MS);
    expect((await server.stop()).exit).toBe(0);

    const receipts = await bank.json<ReceiptView[]>("receipts list --limit 100000");
    const refusals = receipts.filter(({ signature }) => signature === null);
    const inRows = refusals.filter(({ suppressed }) => suppressed === 0).length;
    const suppressed = refusals.reduce((sum, refusal) => sum + refusal.suppressed, 0);
    expect(inRows + suppressed).toBe(refused);
    const minutes = Math.ceil(FLOOD_MS / 60_000) + 1;
    expect(refusals.length).toBeLessThanOrEqual(MOST_ROWS * minutes * REASONS * PEERS);
    expect(refusals.every(({ body, bodyLength }) => body === null && bodyLength === null)).toBe(
      true,
    );
    const grown = size() - sizeBefore;
    const allowed = took.length * SALE_BYTES + refusals.length * REFUSAL_BYTES + OTHER_BYTES;
    expect(grown).toBeLessThan(allowed);
    expect((await bank.json<{ ok: boolean }>("verify")).ok).toBe(true);
    noteTorture({
      injected: `refused requests from ${PEERS} addresses for ${FLOOD_MS / 1_000} s`,
      times: refused,
      held: `each counted, in ${refusals.length} rows; ${Math.round(grown / 1_000)} KB of disk; ${took.length} sales, the slowest ${Math.round(Math.max(...took))} ms; ${Math.round(memory)} MB of memory`,
    });
  },
  times(40_000, 400_000),
);
