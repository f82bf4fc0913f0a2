// HTTP as nobody sane speaks it, against the compiled program: framing in which two servers could
// disagree where a request ends, heads beyond every limit, requests in pieces, and generated bodies.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { HOSTILE, type Hostile, shown } from "../http/hostile-input.ts";
import { wrongAnswer } from "../http/oracle.ts";
import { chunk, postHead, type RawConnection, rawConnection } from "../http/socket.ts";
import { noteTorture, times } from "../torture.ts";
import { account, type Bank, newBank, reserve, reserveBody, type Server } from "./program.ts";

let bank: Bank;
let server: Server;
beforeAll(async () => {
  bank = await newBank();
  server = await bank.serve();
});
afterAll(async () => {
  // Whatever was done to it: it serves, ends as ever and its books agree.
  expect((await reserve(server, { reserveAmount: 1 })).responseCode).toBe("0000");
  expect((await server.stop()).exit).toBe(0);
  expect((await bank.json<{ ok: boolean }>("verify")).ok).toBe(true);
  bank.remove();
});

const bytesOf = (text: string) => new Uint8Array(Buffer.from(text, "latin1"));
const newBody = () => JSON.stringify(reserveBody({ reserveAmount: 1 }));
const BODY = newBody();
const LENGTH = `Content-Length: ${BODY.length}`;
const CHUNKED = "Transfer-Encoding: chunked";
const IN_CHUNKS = chunk(BODY) + chunk("");
/** A request that must never be seen as one: it stands where a body belongs, or behind one. */
const SMUGGLED = post([LENGTH]);
const LIVE = "GET /health/live HTTP/1.1\r\nHost: bank\r\n\r\n";

function post(headers: readonly string[], body = BODY): string {
  return postHead("/reserveFunds", headers) + body;
}

/** The status of the only answer; "open" where the connection was not closed after it. */
async function lastStatus(bytes: string): Promise<number | "none" | "open" | "more"> {
  const connection = await rawConnection(server.url);
  connection.send(bytesOf(bytes));
  const first = await connection.answer();
  const next = first === null ? null : await Promise.race([connection.answer(), Bun.sleep(1_000)]);
  connection.destroy();
  if (next === undefined) return "open";
  if (next !== null) return "more";
  return first?.status ?? "none";
}

describe("where two servers could disagree about a request's end: 400, and closed", () => {
  const hex = BODY.length.toString(16);
  const rows: readonly [name: string, bytes: string][] = [
    ["Content-Length, then chunked", post([LENGTH, CHUNKED], IN_CHUNKS + SMUGGLED)],
    ["chunked, then Content-Length", post([CHUNKED, LENGTH], IN_CHUNKS + SMUGGLED)],
    ["Content-Length 0 and chunked", post(["Content-Length: 0", CHUNKED], IN_CHUNKS + SMUGGLED)],
    ["two lengths that differ", post([LENGTH, "Content-Length: 5"], BODY + SMUGGLED)],
    ["two lengths that differ, short first", post(["Content-Length: 5", LENGTH], BODY + SMUGGLED)],
    ...[", 5", `, ${BODY.length}`, "abc", ".0", " 1", "\x0b"].map((tail): [string, string] => [
      `Content-Length followed by ${JSON.stringify(tail)}`,
      post([`${LENGTH}${tail}`], BODY + SMUGGLED),
    ]),
    ...["+5", "-1", "0x5", "1e2", "", "five", `${2n ** 64n + 5n}`, "9".repeat(30)].map(
      (length): [string, string] => [
        `Content-Length ${length}`,
        post([`Content-Length: ${length}`], BODY + SMUGGLED),
      ],
    ),
    ["a blank before the colon of a length", post([LENGTH.replace(":", " :")])],
    ["a blank before the colon of an encoding", post([CHUNKED.replace(":", " :"), LENGTH])],
    ...["identity", "gzip, chunked", "chunked, identity", "chunked, gzip", "xchunked", '"chunked"']
      .concat(["\x0bchunked", "chunked\0", "chunked;q=1", ""])
      .flatMap((coding): [string, string][] => [
        [`Transfer-Encoding ${JSON.stringify(coding)}`, post([`Transfer-Encoding: ${coding}`])],
        [
          `Transfer-Encoding ${JSON.stringify(coding)} and a length`,
          post([`Transfer-Encoding: ${coding}`, LENGTH], BODY + SMUGGLED),
        ],
      ]),
    ...["chunked", "identity"].map((coding): [string, string] => [
      `chunked twice, then ${coding}`,
      post([CHUNKED, `Transfer-Encoding: ${coding}`], IN_CHUNKS + SMUGGLED),
    ]),
    ["identity, then chunked", post(["Transfer-Encoding: identity", CHUNKED], IN_CHUNKS)],
    ["an encoding on the next line", post(["Transfer-Encoding:\r\n chunked"], IN_CHUNKS)],
    ["a folded header", post(["X: a\r\n b", LENGTH])],
    ["a first header that is folded", post([LENGTH]).replace("Host:", " Host:")],
    ["no length and no encoding, and yet a body", post([])],
    ["a bare CR in a header", post([`X: a\r${CHUNKED}`, LENGTH])],
    ["a bare LF in a header", post([`X: a\n${CHUNKED}`, LENGTH])],
    ["a NUL in a header", post(["X: a\0b", LENGTH])],
    ["a header without a colon", post(["Xyz", LENGTH])],
    ["a header without a name", post([": y", LENGTH])],
    ["no Host", post([LENGTH]).replace("Host: bank\r\n", "")],
    ["chunked by HTTP/1.0", post([CHUNKED], IN_CHUNKS).replace("HTTP/1.1", "HTTP/1.0")],
    ["an HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["a TLS hello", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03"],
    ["bytes of no protocol", "\x00\xff\xfe garbage\r\n\r\n"],
    ...Object.entries({
      "letters that are no digits": `zz\r\n${BODY}\r\n0\r\n\r\n`,
      "a negative size": `-5\r\n${BODY}\r\n0\r\n\r\n`,
      "a size in 0x": `0x${hex}\r\n${BODY}\r\n0\r\n\r\n`,
      "a size of 64 bits": `ffffffffffffffff\r\n${BODY}\r\n0\r\n\r\n`,
      "a size past 64 bits": `1${"0".repeat(16)}${hex}\r\n${BODY}\r\n0\r\n\r\n`,
      "a blank before the size": ` ${hex}\r\n${BODY}\r\n0\r\n\r\n`,
      "bare LFs": `${hex}\n${BODY}\n0\n\n`,
      "no CRLF after the data": `${hex}\r\n${BODY}0\r\n\r\n`,
      "more data than its size": `${(BODY.length - 3).toString(16)}\r\n${BODY}\r\n0\r\n\r\n`,
      "less data than its size": `${(BODY.length + 1).toString(16)}\r\n${BODY}\r\n0\r\n\r\n`,
    }).map(([name, body]): [string, string] => [`a chunk with ${name}`, post([CHUNKED], body)]),
  ];

  test.each(rows)("%s", async (_, bytes) => {
    expect(await lastStatus(bytes)).toBe(400);
  });

  test("nothing of all that was reserved", async () => {
    expect((await account(bank)).heldMinor).toBe(0);
    noteTorture({
      injected: "requests whose end two servers could see in two places",
      times: rows.length,
      held: "each is 400, the connection is closed, nothing behind it is read",
    });
  });

  test.each(["HTTP/2.0", "HTTP/9.9", "HTTP/1.2", "HTTP", ""])(
    "%p is another version",
    async (v) => {
      expect(await lastStatus(post([LENGTH]).replace("HTTP/1.1", v))).toBe(505);
    },
  );
});

describe("odd, and clear all the same: served, and the next request is the next one", () => {
  test.each([
    ["a length given twice alike", [LENGTH, LENGTH], BODY],
    ["zeros before a length", [LENGTH.replace(": ", ": 000")], BODY],
    ["CHUNKED in capitals", ["TRANSFER-ENCODING:\tCHUNKED"], IN_CHUNKS],
    ["a chunk with an extension", [CHUNKED], IN_CHUNKS.replace("\r\n", ";a=b\r\n")],
    ["a chunk with zeros before its size", [CHUNKED], `0000${IN_CHUNKS}`],
    ["a method to override with", [LENGTH, "X-HTTP-Method-Override: DELETE"], BODY],
    ["an upgrade", [LENGTH, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"], BODY],
    [
      "hosts in front of it",
      [LENGTH, "X-Forwarded-For: 10.0.0.1", "Forwarded: for=10.0.0.1"],
      BODY,
    ],
  ])("%s", async (_, headers, body) => {
    const connection = await rawConnection(server.url);
    connection.send(post(headers, body));
    expect((await connection.answer())!.body).toContain('"responseCode":"0000"');
    connection.send(LIVE);
    expect((await connection.answer())!.body).toBe('{"status":"live"}');
    connection.destroy();
  });

  test("Expect: 100-continue is told to go on, any other expectation is ignored", async () => {
    for (const [expectation, statuses] of [
      ["100-continue", [100, 200]],
      ["999-nothing", [200]],
    ] as const) {
      const connection = await rawConnection(server.url);
      connection.send(postHead("/reserveFunds", [LENGTH, `Expect: ${expectation}`]));
      for (const [index, status] of statuses.entries()) {
        if (index === statuses.length - 1) connection.send(BODY);
        expect((await connection.answer())!.status).toBe(status);
      }
      connection.destroy();
    }
  });
});

describe("a head over the limit of 16 KiB or 100 lines: 431, and closed", () => {
  test.each([
    ["one header of 17,000", post([`X: ${"a".repeat(17_000)}`, LENGTH])],
    ["one header of a megabyte", post([`X: ${"a".repeat(1_000_000)}`, LENGTH])],
    ["200 headers", post([...Array.from({ length: 200 }, (_, n) => `X-${n}: a`), LENGTH])],
    ["5,000 headers", post([...Array.from({ length: 5_000 }, (_, n) => `X-${n}: a`), LENGTH])],
    ["a path of 17,000", post([LENGTH]).replace("/reserveFunds", `/${"a".repeat(17_000)}`)],
    ["a query of 200,000", post([LENGTH]).replace("Funds", `Funds?${"a".repeat(200_000)}`)],
  ])("%s", async (_, bytes) => {
    expect(await lastStatus(bytes)).toBe(431);
  });

  test("a head within it is served", async () => {
    const most = [`X: ${"a".repeat(15_000)}`, ...Array.from({ length: 90 }, (_, n) => `Y${n}: a`)];
    expect(await lastStatus(post([...most, "Connection: close", LENGTH]))).toBe(200);
  });
});

describe("a request in pieces", () => {
  const both = {
    "with a length": (body: string) =>
      post([`Content-Length: ${body.length}`, "Connection: close"], body),
    "in chunks": (body: string) =>
      post(
        [CHUNKED, "Connection: close"],
        chunk(body.slice(0, 7)) + chunk(body.slice(7)) + chunk(""),
      ),
  };

  /** Sends the pieces one after another, so that each arrives by itself; gives the answer. */
  async function inPieces(pieces: readonly string[]): Promise<string | undefined> {
    const connection = await rawConnection(server.url);
    for (const piece of pieces) {
      connection.send(piece);
      await Bun.sleep(1);
    }
    const answer = await connection.answer();
    connection.destroy();
    return answer?.body;
  }

  const cut = (text: string, places: readonly number[]): string[] =>
    [0, ...places].map((from, index) => text.slice(from, places[index]));

  for (const [name, request] of Object.entries(both)) {
    test(`${name}, cut at each of its bytes`, async () => {
      const length = request(newBody()).length;
      const places = Array.from({ length: length - 1 }, (_, at) => [at + 1]);
      // In full: cut at three places at once, anywhere.
      const more = Array.from({ length: times(0, 20_000) }, () =>
        [1, 2, 3].map(() => 1 + Math.floor(Math.random() * (length - 1))).sort((a, b) => a - b),
      );
      const all = [...places, ...more];
      for (let from = 0; from < all.length; from += 50) {
        const answers = all
          .slice(from, from + 50)
          .map((at) => inPieces(cut(request(newBody()), at)));
        for (const body of await Promise.all(answers)) {
          expect(body).toContain('"responseCode":"0000"');
        }
      }
      noteTorture({
        injected: `a request ${name}, cut at each byte`,
        times: all.length,
        held: "each is read as one request and answered 0000",
      });
    });

    test(`${name}, byte by byte`, async () => {
      expect(await inPieces(request(newBody()).split(""))).toContain('"responseCode":"0000"');
    });
  }
});

describe("requests sent without waiting for the answers before", () => {
  test("what is answered at once is answered in order", async () => {
    const connection = await rawConnection(server.url);
    const nowhere = LIVE.replace("/health/live", "/nowhere");
    connection.send(LIVE + nowhere + LIVE.replace("GET", "PUT") + LIVE + nowhere);
    for (const status of [200, 404, 404, 200, 404]) {
      expect((await connection.answer())!.status).toBe(status);
    }
    connection.destroy();
  });

  test("a purchase with another request on its heels: no answer is taken for another's", async () => {
    const bodies = [newBody(), newBody(), newBody()];
    const connection = await rawConnection(server.url);
    connection.send(bodies.map((body) => post([`Content-Length: ${body.length}`], body)).join(""));
    // The server may close instead: the client then knows of nothing, and sends again.
    const answered: string[] = [];
    for (let answer = await connection.answer(); answer !== null; ) {
      answered.push(answer.body);
      if (answered.length === bodies.length) break;
      answer = await connection.answer();
    }
    connection.destroy();
    for (const [index, body] of bodies.entries()) {
      const again = await server.post("/reserveFunds", body);
      expect(again.body).toContain('"responseCode":"0000"');
      expect(answered[index] ?? again.body).toBe(again.body);
    }
  });
});

describe("generated bodies over sockets", () => {
  const BODIES = times(1_000, 40_000);
  const CONNECTIONS = 20;
  const SEED = Number(process.env["TRANSACT_BANK_SEED"] ?? 20_261_124);

  /** The same bytes with a length, or cut into chunks. */
  function wire({ call, bytes, headers }: Hostile, chunked: boolean): Buffer {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    if (!chunked) {
      const head = postHead(`/${call}`, [...lines, `Content-Length: ${bytes.length}`]);
      return Buffer.concat([Buffer.from(head), bytes]);
    }
    const middle = bytes.length >> 1;
    const pieces = [bytes.subarray(0, middle), bytes.subarray(middle)]
      .filter(({ length }) => length > 0)
      .flatMap((piece) => [`${piece.length.toString(16)}\r\n`, piece, "\r\n"]);
    const parts = [postHead(`/${call}`, [...lines, CHUNKED]), ...pieces, "0\r\n\r\n"];
    return Buffer.concat(parts.map((part) => Buffer.from(part as string)));
  }

  async function client(bodies: readonly Hostile[]): Promise<void> {
    let connection: RawConnection | null = null;
    for (const [index, hostile] of bodies.entries()) {
      connection ??= await rawConnection(server.url);
      connection.send(new Uint8Array(wire(hostile, index % 2 === 0)));
      const answer = await connection.answer();
      const body = Buffer.from(answer?.body ?? "", "latin1").toString("utf8");
      const status = answer?.status ?? 0;
      const why = wrongAnswer(hostile.call, hostile.bytes, { status, body });
      if (why !== null) throw new Error(`${why}: ${status} ${body}\n${shown(hostile)}`);
      // After a 413 the rest of the body is not read.
      if (status === 413) {
        connection.destroy();
        connection = null;
      }
    }
    connection?.destroy();
  }

  test(`${BODIES} of them: each answer is the contract's`, async () => {
    const each = BODIES / CONNECTIONS;
    await Promise.all(
      Array.from({ length: CONNECTIONS }, (_, n) =>
        client(fc.sample(HOSTILE, { numRuns: each, seed: SEED + n })),
      ),
    );
    noteTorture({
      injected: "hostile bodies over sockets to the program, with a length and in chunks",
      times: BODIES,
      held: "each is answered as the contract has it",
    });
  });

  test.each([
    ["100,000 arrays deep", "[".repeat(100_000), 413],
    ["65,000 arrays deep and never closed", `{"a":${"[".repeat(65_000)}`, 400],
    ["13,000 objects deep and never closed", `{"a":`.repeat(13_000), 400],
    ["nothing", "", 400],
  ])("%s", async (_, body, status) => {
    expect((await server.post("/reserveFunds", body)).status).toBe(status);
    expect((await reserve(server, { reserveAmount: 1 })).responseCode).toBe("0000");
  });
});
