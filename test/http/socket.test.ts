// The two interfaces on a real socket, served as `serve` does it: what Bun adds to the app.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { openBank } from "../../src/bank.ts";
import { doorKeeper, signatureOf } from "../../src/http/authenticate.ts";
import { plainAddress } from "../../src/http/peer.ts";
import { type SharedSecret, writeSecret } from "../../src/keys.ts";
import { type Served, serve } from "../../src/serve.ts";
import type { Store } from "../../src/storage/store.ts";
import {
  addAccount,
  type BankFolderOptions,
  bankFolder,
  newRequestId,
  reserveBody,
} from "./bank.ts";
import { chunk, post, postHead, rawConnection } from "./socket.ts";

const LIMIT = 64 * 1024;

type ServedBank = {
  readonly url: string;
  readonly dataDir: string;
  /** A second connection to the same bank, as an admin's command has it. */
  readonly store: Store;
};

/** A served bank for the tests of a `describe`. */
function servedBank(options: BankFolderOptions = {}, prepare = (_dataDir: string) => {}) {
  let served: Served;
  let admin: ReturnType<typeof openBank>;
  let folder: ReturnType<typeof bankFolder>;
  let bank: ServedBank;
  beforeAll(() => {
    folder = bankFolder(options);
    const { dataDir } = folder;
    prepare(dataDir);
    admin = openBank(dataDir);
    addAccount(admin.store, { balance: 999_999_999 });
    served = serve({
      dataDir,
      host: null,
      port: 0,
      withoutPins: false,
      allowUnauthenticated: false,
      onFatal: (error) => {
        throw error;
      },
      onTrouble: (_, error) => {
        throw error;
      },
    });
    bank = { url: served.url, dataDir, store: admin.store };
  });
  afterAll(async () => {
    await served.close();
    admin.close();
    folder.remove();
  });
  return () => bank;
}

const padded = (length: number) => {
  const json = JSON.stringify(reserveBody({ reserveAmount: 100 }));
  return json + " ".repeat(length - json.length);
};
const statusOf = async (url: string, init: RequestInit, path = "/reserveFunds") =>
  (await fetch(`${url}${path}`, { method: "POST", ...init })).status;

describe("over a socket", () => {
  const bank = servedBank();

  /** One connection, one answer. */
  async function once(...parts: (string | Uint8Array)[]) {
    const connection = await rawConnection(bank().url);
    for (const part of parts) connection.send(part);
    const answer = await connection.answer();
    connection.destroy();
    return answer;
  }
  const newest = () => bank().store.receipts(1)[0]!;

  test("a purchase: reserve, result, and the receipts name the peer", async () => {
    const raasTxnRef = newRequestId();
    const reserved = await once(post("/reserveFunds", reserveBody({ raasTxnRef })));
    expect([reserved!.status, JSON.parse(reserved!.body)["responseCode"]]).toEqual([200, "0000"]);
    expect(reserved!.head).toMatch(/^content-type: application\/json\r?$/im);
    const result = await once(post("/transactResult", { raasTxnRef, responseCode: "0000" }));
    expect([result!.status, result!.body]).toEqual([202, ""]);
    expect(newest()).toMatchObject({ peer: "127.0.0.1", path: "/transactResult", status: 202 });
  });

  test.each([
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "text/plain",
    "application/octet-stream",
    "a/b/c; charset=",
  ])("Content-Type %s", async (type) => {
    const answer = await once(post("/reserveFunds", reserveBody(), [`Content-Type: ${type}`]));
    expect(answer!.body).toContain('"0000"');
  });

  test.each(["b", "tb", "bank.example:8443", "127.0.0.1", "[::1]:80"])(
    "Host %p reaches the path",
    async (host) => {
      const bytes = post("/reserveFunds?x=/y", reserveBody()).replace(
        "Host: bank",
        `Host: ${host}`,
      );
      expect((await once(bytes))!.body).toContain('"0000"');
    },
  );

  test("64 KiB exactly, with a length and chunked", async () => {
    const body = padded(LIMIT);
    expect((await once(post("/reserveFunds", body)))!.status).toBe(200);
    const head = postHead("/reserveFunds", ["Transfer-Encoding: chunked"]);
    const other = padded(LIMIT);
    const halves = [other.slice(0, 100), other.slice(100, 40_000), other.slice(40_000), ""];
    expect((await once(head, ...halves.map(chunk)))!.status).toBe(200);
    expect(newest().bodyLength).toBe(LIMIT);
  });

  test("one byte more is 413 with a length, before it is sent", async () => {
    const connection = await rawConnection(bank().url);
    connection.send(postHead("/reserveFunds", [`Content-Length: ${LIMIT + 1}`]));
    expect((await connection.answer())!.status).toBe(413);
    await connection.closed;
  });

  test("one byte more is 413 with a length and its body", async () => {
    expect((await once(post("/reserveFunds", padded(LIMIT + 1))))!.status).toBe(413);
  });

  test("a length of terabytes is 413", async () => {
    const answer = await once(postHead("/transactResult", ["Content-Length: 9999999999999"]));
    expect(answer!.status).toBe(413);
  });

  test("one byte more is 413 chunked, without an end", async () => {
    const head = postHead("/reserveFunds", ["Transfer-Encoding: chunked"]);
    const answer = await once(head, chunk(padded(LIMIT)), chunk("x"));
    expect([answer!.status, answer!.body]).toEqual([413, "The body is over 64 KiB\n"]);
  });

  test("each 413 left a refusal with no body", async () => {
    expect((await fetch(`${bank().url}/health/ready`)).status).toBe(200);
    const tooLarge = () =>
      bank()
        .store.receipts(1_000)
        .filter(({ status }) => status === 413);
    // They wait for no flush, and nobody for them.
    for (let tries = 0; tries < 100 && tooLarge().length < 4; tries += 1) await Bun.sleep(20);
    const kept = tooLarge();
    expect(kept.length).toBe(4);
    expect(kept[0]).toMatchObject({ peer: "127.0.0.1", body: null, message: "body too large" });
  });

  test("405, 404 and health", async () => {
    const { url } = bank();
    expect(await statusOf(url, { method: "GET" })).toBe(405);
    expect(await statusOf(url, { method: "OPTIONS" })).toBe(405);
    expect(await statusOf(url, {}, "/reserveFunds/other")).toBe(404);
    expect(await statusOf(url, { method: "GET" }, "/health/live")).toBe(200);
    expect(await statusOf(url, { method: "GET" }, "/health/ready")).toBe(200);
  });

  test.each(["Host: [", "Host: a b", "Host:", "Host: :99999999"])(
    "a malformed %p is answered, and harms nobody",
    async (host) => {
      const get = `GET /nowhere?authCode=4321 HTTP/1.1\r\n${host}\r\nConnection: close\r\n\r\n`;
      expect([400, 404]).toContain((await once(get))!.status);
      expect(await statusOf(bank().url, { body: JSON.stringify(reserveBody()) })).toBe(200);
    },
  );

  test("several requests on one connection, one after another", async () => {
    const connection = await rawConnection(bank().url);
    for (let n = 0; n < 3; n += 1) {
      const body = reserveBody();
      connection.send(post("/reserveFunds", body));
      expect(JSON.parse((await connection.answer())!.body)).toMatchObject({
        responseCode: "0000",
        raasTxnRef: body["raasTxnRef"],
      });
      connection.send(post("/transactResult", "no JSON"));
      expect((await connection.answer())!.status).toBe(400);
    }
    connection.destroy();
  });

  test.each(["Content-Length", "Transfer-Encoding"])(
    "who hangs up in the middle of a body changes nothing, and was turned away (%s)",
    async (framing) => {
      const incomplete = () =>
        bank()
          .store.receipts(1_000)
          .filter(({ message }) => message === "body incomplete").length;
      const before = incomplete();
      const raasTxnRef = newRequestId();
      const body = JSON.stringify(reserveBody({ raasTxnRef }));
      const isChunked = framing === "Transfer-Encoding";
      const connection = await rawConnection(bank().url);
      const size = isChunked ? "chunked" : body.length;
      connection.send(postHead("/reserveFunds", [`${framing}: ${size}`]));
      connection.send(isChunked ? chunk(body) : body.slice(0, -1));
      await Bun.sleep(20);
      connection.destroy();
      for (let tries = 0; tries < 100 && incomplete() === before; tries += 1) await Bun.sleep(20);
      expect(incomplete()).toBe(before + 1);
      expect(bank().store.reservation(raasTxnRef)).toBeNull();
      expect(await statusOf(bank().url, { body })).toBe(200);
      expect(bank().store.reservation(raasTxnRef)).not.toBeNull();
    },
  );

  test("a body in pieces", async () => {
    const body = JSON.stringify(reserveBody({ channelName: "日本" }));
    const bytes = new Uint8Array(Buffer.from(body));
    const connection = await rawConnection(bank().url);
    connection.send(postHead("/reserveFunds", [`Content-Length: ${bytes.length}`]));
    // Each cut falls into some character.
    for (let from = 0; from < bytes.length; from += 7) {
      connection.send(bytes.slice(from, from + 7));
      await Bun.sleep(0);
    }
    expect((await connection.answer())!.body).toContain('"0000"');
    connection.destroy();
  });
});

describe("the budget starts with the headers", () => {
  const bank = servedBank({ config: "reserve_budget_ms = 300" });

  test("a body that comes too late is 2060 at once, holds nothing, and stays 2060", async () => {
    const raasTxnRef = newRequestId();
    const body = JSON.stringify(reserveBody({ raasTxnRef }));
    const connection = await rawConnection(bank().url);
    connection.send(postHead("/reserveFunds", [`Content-Length: ${body.length}`]));
    await Bun.sleep(450);
    connection.send(body);
    const answer = await connection.answer();
    connection.destroy();
    const timeOut = `{"responseCode":"2060","responseMessage":"Time-out","raasTxnRef":"${raasTxnRef}"}`;
    expect([answer!.status, answer!.body]).toEqual([200, timeOut]);
    expect(bank().store.account("1001")!.held).toBe(0 as never);
    const again = await fetch(`${bank().url}/reserveFunds`, { method: "POST", body });
    expect(await again.text()).toBe(timeOut);
    const told = () =>
      bank()
        .store.receiptsOf(raasTxnRef, null)
        .map((kept) => kept.responseCode);
    // On a busy machine the repeat is late too, and then is answered before its receipt is written.
    for (let tries = 0; tries < 100 && told().length < 2; tries += 1) await Bun.sleep(50);
    expect(told()).toEqual(["2060", "2060"]);
  });
});

describe("secrets are read anew when they change", () => {
  const rotate = (dataDir: string, kind: SharedSecret, current: string, previous: string | null) =>
    writeSecret(dataDir, kind, { current, previous, rotatedAt: 0 });
  const bank = servedBank({ secret: "first" });
  const signed = (secret: string) => {
    const body = JSON.stringify(reserveBody());
    const signature = signatureOf(secret, new Uint8Array(Buffer.from(body)));
    return statusOf(bank().url, { body, headers: { signature } });
  };

  test("rotated and retired on the very next request", async () => {
    expect([await signed("first"), await signed("second")]).toEqual([200, 401]);
    rotate(bank().dataDir, "signature", "second", "first");
    expect([await signed("first"), await signed("second")]).toEqual([200, 200]);
    rotate(bank().dataDir, "signature", "second", null);
    expect([await signed("first"), await signed("second")]).toEqual([401, 200]);
  });

  test("two Signature headers are none", async () => {
    const body = JSON.stringify(reserveBody());
    const header = `Signature: ${signatureOf("second", new Uint8Array(Buffer.from(body)))}`;
    const connection = await rawConnection(bank().url);
    connection.send(post("/reserveFunds", body, [header, header]));
    expect((await connection.answer())!.status).toBe(401);
    connection.destroy();
  });
});

describe("Basic and the allow-list, from config.toml", () => {
  const password = { current: "p", previous: null, rotatedAt: 0 };
  const bank = servedBank(
    { config: 'basic_user = "u"\nallow_addresses = ["10.0.0.0/8", "127.0.0.1"]' },
    (dataDir) => writeSecret(dataDir, "basic", password),
  );

  test("an allowed peer still needs its credentials", async () => {
    const { url } = bank();
    const body = JSON.stringify(reserveBody());
    expect(await statusOf(url, { body })).toBe(401);
    const headers = { authorization: `Basic ${btoa("u:p")}` };
    expect(await statusOf(url, { body, headers })).toBe(200);
  });
});

describe("behind a trusted proxy", () => {
  const bank = servedBank({
    config: 'trusted_proxies = ["127.0.0.1"]\nallow_addresses = ["196.0.0.0/24"]',
  });
  const post = (forwarded: Record<string, string>, path?: string) =>
    statusOf(bank().url, { body: JSON.stringify(reserveBody()), headers: forwarded }, path);
  const newestPeer = async () => {
    // A refusal is written some time later.
    for (let tries = 0; tries < 50; tries += 1) {
      const [newest] = bank().store.receipts(1);
      if (newest !== undefined) return newest.peer;
      await Bun.sleep(20);
    }
    return null;
  };

  test("the address that the proxy names is refused, and stands in the refusal", async () => {
    expect(await post({ "x-forwarded-for": "41.0.0.1" })).toBe(401);
    expect(await newestPeer()).toBe("41.0.0.1");
  });

  test("and let in where it is allowed, whatever the client wrote before it", async () => {
    expect(await post({ "x-forwarded-for": "41.0.0.1, 196.0.0.9" })).toBe(200);
    expect(await newestPeer()).toBe("196.0.0.9");
  });

  test("nothing else names a peer", async () => {
    expect(await post({ forwarded: "for=196.0.0.9" })).toBe(401);
    expect(await post({ "x-real-ip": "196.0.0.9" })).toBe(401);
    expect(await post({ "x-forwarded-for": "196.0.0.9, unknown" })).toBe(401);
  });
});

describe("a peer off the allow-list", () => {
  const bank = servedBank({ config: 'allow_addresses = ["10.0.0.0/8", "::1"]' });

  test("is 401, before its body is read, and nothing changes", async () => {
    const connection = await rawConnection(bank().url);
    connection.send(postHead("/reserveFunds", ["Content-Length: 50"]));
    const answer = await connection.answer();
    connection.destroy();
    expect([answer!.status, answer!.body]).toEqual([
      401,
      '{"responseCode":"2090","responseMessage":"Not authenticated"}',
    ]);
    expect(answer!.head).not.toMatch(/www-authenticate/i);
  });

  test.each([
    ["10.0.0.7", ["10.0.0.7"], true],
    ["10.0.0.8", ["10.0.0.7"], false],
    ["10.255.1.1", ["10.0.0.0/8"], true],
    ["11.0.0.1", ["10.0.0.0/8", "196.0.0.0/24"], false],
    ["196.0.0.255", ["10.0.0.0/8", "196.0.0.0/24"], true],
    ["::ffff:10.0.0.7", ["10.0.0.7"], true],
    ["::FFFF:10.0.0.7", ["10.0.0.0/24"], true],
    ["::ffff:10.0.1.7", ["10.0.0.0/24"], false],
    ["2001:db8::1", ["2001:db8::/32"], true],
    ["2001:db9::1", ["2001:db8::/32", "10.0.0.0/8"], false],
    ["2001:DB8:0:0:0:0:0:1", ["2001:db8::1"], true],
    ["", ["10.0.0.0/8"], false],
    ["8.8.8.8", [], true],
  ])("%p against %p", (peer, allowAddresses, allowed) => {
    const turnedAway = doorKeeper({ signatureSecrets: null, basic: null, allowAddresses });
    expect(turnedAway(plainAddress(peer), null)).toBe(allowed ? null : "peer not allowed");
  });
});

test("an IPv4 peer on a dual-stack socket has its plain address in receipts", () => {
  expect(plainAddress("::ffff:10.0.0.7")).toBe("10.0.0.7");
  expect(plainAddress("2001:db8::ffff:1")).toBe("2001:db8::ffff:1");
});

describe("TLS with client certificates", () => {
  const file = (name: string) => join(import.meta.dir, "tls", name);
  const pem = (name: string) => Bun.file(file(name));
  const bank = servedBank({
    config: `tls = { certificate = "${file("server.pem")}", key = "${file("server.key")}", client_ca = "${file("ca.pem")}" }`,
  });
  const call = (tls: object, url = bank().url) =>
    statusOf(url, { body: JSON.stringify(reserveBody()), tls } as RequestInit);

  test("one that the CA signed is served", async () => {
    expect(bank().url).toStartWith("https://");
    const own = { cert: pem("client.pem"), key: pem("client.key") };
    const tls = { ca: pem("ca.pem"), ...own };
    expect(await call(tls)).toBe(200);
    expect(await call(tls, bank().url.replace("127.0.0.1", "localhost"))).toBe(200);
  });

  test.each([
    ["none", {}],
    ["one of another CA", { cert: pem("stranger.pem"), key: pem("stranger.key") }],
  ])("%s is not", async (_, own) => {
    expect(await call({ ca: pem("ca.pem"), ...own }).catch(() => "refused")).toBe("refused");
  });

  test("without TLS there is no answer", async () => {
    const plain = bank().url.replace("https", "http");
    expect(await statusOf(plain, { body: "{}" }).catch(() => "refused")).toBe("refused");
  });
});
