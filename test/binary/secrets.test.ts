// Secrets go in by every way there is; then all that the program wrote and said is searched for them.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { program, type Ran, run } from "../cli/run.ts";
import { chunk, postHead, rawConnection } from "../http/socket.ts";
import { noteTorture } from "../torture.ts";
import { filesIn, formsOf, leaks, type Written } from "./canaries.ts";
import { type Bank, BUYER, NotServing, newBank, reserveBody, type Server } from "./program.ts";

/** Twelve digits: the longest PIN, and unlike anything else that is written. */
const digits = (): string =>
  Array.from({ length: 12 }, () => 1 + Math.floor(Math.random() * 9)).join("");
let names = 0;
const words = (): string => `Qx${digits()}Zw${++names}kJ`;

/** What nobody may find outside keys/; PINs and tokens nowhere at all. */
const PINS = {
  "the PIN set on standard input": digits(),
  "the PIN set at the prompt": digits(),
  "the PIN set from a file": digits(),
  "a PIN refused by set-pin": `${digits()}x`,
  "a PIN typed as an argument": digits(),
  "a PIN typed as a flag": digits(),
  "a wrong PIN": digits(),
  "a PIN that came when it was locked": digits(),
  "a malformed PIN": words().repeat(4),
  "a PIN of another type": digits(),
  "a PIN in a list": words(),
  "a PIN in an object": words(),
  "a token": words(),
  "a token of another type": digits(),
  "an unknown secret field": words(),
  "a secret number": digits(),
  "a secret far down": words(),
  "a secret with the wrong signature": words(),
  "a secret with a wrong method": words(),
  "a secret of an unknown path": words(),
  "a secret in a body that is too large": words(),
  "a secret in a body that is no JSON": words(),
  "a secret in a header": words(),
  "a secret in the query": words(),
  "a secret in a conflict": words(),
  "a secret of a half request": words(),
  "a secret of a crash": digits(),
} as const;
const SHARED = {
  "the first signature secret": words(),
  "the secret after it": words(),
  "the secret of the wizard": words(),
  "the secret set at the prompt": words(),
  "the password": words(),
  "the password after it": words(),
  "a wrong password": words(),
} as const;
const ALL: Readonly<Record<string, string>> = { ...PINS, ...SHARED };

/** Not below the bank, so that what a test itself writes is not found there. */
const aside = mkdtempSync(join(tmpdir(), "transact-bank-secrets-"));
let bank: Bank;
let server: Server;
/** With a line of the log for each request. */
const LOUD = { args: ["--log-level", "debug", "--log-format", "json"] };
/** What was said by every program that ran. */
const said: Written[] = [];
const hear = (where: string, text: string) => void said.push({ where, bytes: Buffer.from(text) });

/** A command that may end in any way: all that it says is kept. */
async function command(line: string, { stdin = "" } = {}): Promise<Ran> {
  const ran = await bank.run(line.split(" "), { stdin });
  // The line itself holds a secret where one is typed in the wrong place.
  hear(`the output of ${line.split(" ").slice(0, 2).join(" ")}`, ran.out + ran.err);
  return ran;
}

/** The program takes the terminal's echo away a moment after it has asked; nobody types sooner. */
const TYPED_AFTER_MS = 300;

/** A command on a terminal, with what is typed at each prompt; gives the exit code. */
async function onTerminal(
  args: readonly string[],
  typed: readonly (readonly [prompt: string, text: string])[],
): Promise<number> {
  let shown = "";
  const left = [...typed];
  const child = Bun.spawn([...program, ...args], {
    env: { PATH: process.env["PATH"] ?? "", TERM: "xterm", TRANSACT_BANK_DATA_DIR: bank.dataDir },
    terminal: {
      cols: 100,
      rows: 30,
      data(terminal, piece) {
        shown += new TextDecoder().decode(piece);
        const [prompt, text] = left[0] ?? [];
        if (prompt === undefined || !shown.includes(prompt)) return;
        left.shift();
        setTimeout(() => terminal.write(`${text}\r`), TYPED_AFTER_MS);
      },
    },
  });
  const exit = await child.exited;
  hear(`the terminal of ${args[0]}`, shown);
  return exit;
}

const CONFIG = 'require_signature = true\nbasic_user = "clickatell"\n';
const sign = (body: string, secret: string = SHARED["the first signature secret"]) =>
  new Bun.CryptoHasher("sha256", secret).update(body).digest("base64");
const basic = (password: string = SHARED["the password"]) =>
  `Basic ${Buffer.from(`clickatell:${password}`).toString("base64")}`;

/** Sends a body as Clickatell does; gives the status. What is answered is kept. */
async function post(path: string, body: unknown, headers: Record<string, string> = {}) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const own = { Signature: sign(text), Authorization: basic(), ...headers };
  const answer = await server.post(path, text, own);
  hear(`the answer on ${path.slice(0, 12)}`, JSON.stringify([answer.body, [...answer.headers]]));
  return answer;
}

const listen = () => hear("what the server said", server.out() + server.err());

beforeAll(async () => {
  const secret = join(aside, "first");
  writeFileSync(secret, `${SHARED["the first signature secret"]}\n`);
  bank = await newBank({ init: ["--signature-secret-file", secret] });
  rmSync(secret);
  await command("secrets rotate --kind basic", { stdin: `${SHARED["the password"]}\n` });
  writeFileSync(join(bank.dataDir, "config.toml"), CONFIG);
  await bank.admin("limits set --max 2000.00");
  server = await bank.serve(LOUD);
});
afterAll(async () => {
  await server.stop("SIGKILL");
  bank.remove();
  rmSync(aside, { recursive: true });
});

describe("the search itself", () => {
  test.each(formsOf(ALL["a token"] ?? ""))("finds a secret that is kept in %s", (_, bytes) => {
    const written = { where: "here", bytes: Buffer.concat([Buffer.from("ab"), bytes]) };
    expect(leaks({ it: ALL["a token"] ?? "" }, [written]).length).toBeGreaterThan(0);
  });

  test.each([0, 1, 2, 3, 4])("finds it within base64, %i bytes behind the beginning", (shift) => {
    const secret = ALL["a wrong PIN"] ?? "";
    const text = Buffer.from(`${"x".repeat(shift)}${secret}:and more`).toString("base64");
    const written = { where: "here", bytes: Buffer.from(text) };
    expect(leaks({ it: secret }, [written]).length).toBe(1);
  });
});

describe("secrets go in", () => {
  test("by the command line: standard input, a file, a prompt, and where they do not belong", async () => {
    const set = "accounts set-pin 1001 --yes";
    expect((await command(set, { stdin: `${PINS["a PIN refused by set-pin"]}\n` })).exit).toBe(2);
    expect((await command(`${set} ${PINS["a PIN typed as an argument"]}`)).exit).toBe(2);
    expect((await command(`${set} --pin=${PINS["a PIN typed as a flag"]}`)).exit).toBe(2);
    expect((await command(`${set} --pin ${PINS["a PIN typed as a flag"]}`)).exit).toBe(2);
    const atPrompt = PINS["the PIN set at the prompt"];
    const exit = await onTerminal(
      ["accounts", "set-pin", "1001"],
      [
        ["The new PIN", atPrompt],
        ["The same PIN again", atPrompt],
      ],
    );
    expect(exit).toBe(0);
    const fromFile = { stdin: `${PINS["the PIN set from a file"]}\r\n` };
    expect((await command(set, fromFile)).exit).toBe(0);
    const onInput = { stdin: `${PINS["the PIN set on standard input"]}\n` };
    expect((await command(set, onInput)).exit).toBe(0);
  });

  test("by the wizard", async () => {
    const dataDir = join(bank.folder, "wizard");
    const flags = "--bank-code ACME --currency ZAR --time-zone Africa/Johannesburg --country ZA";
    const exit = await onTerminal(
      ["init", "--data-dir", dataDir, ...flags.split(" ")],
      [
        ["Where shall the server listen", ""],
        // The second of the choices: to type it.
        ["Clickatell signs its requests", "\x1b[B"],
        ["The secret (not shown)", SHARED["the secret of the wizard"]],
        ["Make this bank?", ""],
      ],
    );
    expect(exit).toBe(0);
    expect(readFileSync(join(dataDir, "keys", "signature.json"), "utf8")).toContain(
      SHARED["the secret of the wizard"],
    );
  });

  test("by reserves: right, wrong, locked, malformed, of every type", async () => {
    const code = async (authCode: unknown, fields: Record<string, unknown> = {}) => {
      const { status, body } = await post("/reserveFunds", reserveBody({ authCode, ...fields }));
      return status === 200 ? (JSON.parse(body) as { responseCode: string }).responseCode : status;
    };
    const right = PINS["the PIN set on standard input"];
    expect(await code(right)).toBe("0000");
    const raasTxnRef = "secret-conflict";
    expect(await code(right, { raasTxnRef })).toBe("0000");
    const conflict = { raasTxnRef, reserveAmount: 7 };
    expect(await code(PINS["a secret in a conflict"], conflict)).toBe("2090");
    expect(await code(PINS["a secret in a conflict"], { raasTxnRef })).toBe("0000");
    expect(await code(PINS["a malformed PIN"])).toBe(400);
    expect(await code(Number(PINS["a PIN of another type"]))).toBe(400);
    expect(await code([PINS["a PIN in a list"]])).toBe(400);
    expect(await code({ pin: PINS["a PIN in an object"] })).toBe(400);
    for (let tries = 0; tries < 3; tries += 1) expect(await code(PINS["a wrong PIN"])).toBe("2020");
    expect(await code(PINS["a PIN that came when it was locked"])).toBe("2020");
    expect(await code(right)).toBe("2020");
    await command("accounts unlock-pin 1001");
  });

  test("in fields that are secret by their names, in any case, at any depth, of any type", async () => {
    const field = PINS["an unknown secret field"];
    const number = Number(PINS["a secret number"]);
    const deep = PINS["a secret far down"];
    let nested: unknown = { Token: deep, pIn: [deep, { x: deep }], OTP: { x: [deep] } };
    for (let depth = 0; depth < 40; depth += 1) nested = depth % 2 === 0 ? [nested] : { x: nested };
    const more = {
      authCode: PINS["the PIN set on standard input"],
      pin: field,
      Pin: number,
      OTP: [field, number],
      Password: { value: field },
      passWORD: number,
      TOKEN: field,
      AUTHCODE: field,
      additionalData: nested,
    };
    expect((await post("/reserveFunds", reserveBody(more))).status).toBe(200);
    const bought = reserveBody({ authCode: more.authCode });
    await post("/reserveFunds", bought);
    const token = PINS["a token"];
    const result = { raasTxnRef: bought["raasTxnRef"], responseCode: "0000", token };
    expect((await post("/transactResult", { ...result, ToKeN: { a: token } })).status).toBe(202);
    const another = Number(PINS["a token of another type"]);
    expect((await post("/transactResult", { ...result, token: [another] })).status).toBe(202);
    expect((await post("/transactResult", { ...result, raasTxnRef: "none" })).status).toBe(404);
    expect((await post("/transactResult", { ...result, responseCode: 0 })).status).toBe(400);
  });

  test("in what is refused: 400, 401, 404, 405, 413, headers and queries", async () => {
    const body = (secret: string) => JSON.stringify(reserveBody({ authCode: secret }));
    const unsigned = body(PINS["a secret with the wrong signature"]);
    const otherSecret = sign(unsigned, "another");
    expect((await post("/reserveFunds", unsigned, { Signature: otherSecret })).status).toBe(401);
    const wrong = { Authorization: basic(SHARED["a wrong password"]) };
    expect((await post("/reserveFunds", unsigned, wrong)).status).toBe(401);
    const put = { method: "PUT", body: body(PINS["a secret with a wrong method"]) };
    expect((await fetch(`${server.url}/reserveFunds`, put)).status).toBe(405);
    expect((await post("/nowhere", body(PINS["a secret of an unknown path"]))).status).toBe(404);
    const large = body(PINS["a secret in a body that is too large"].repeat(6_000));
    expect((await post("/reserveFunds", large)).status).toBe(413);
    const broken = body(PINS["a secret in a body that is no JSON"]).slice(0, -1);
    expect((await post("/reserveFunds", broken)).status).toBe(400);
    // Nothing else in the body: its digest would be the secret's own.
    const bare = PINS["a secret in a body that is no JSON"];
    expect((await post("/reserveFunds", bare)).status).toBe(400);
    const header = PINS["a secret in a header"];
    const headers = { "X-Pin": header, Cookie: `pin=${header}`, "Content-Type": `a/${header}` };
    expect((await post("/reserveFunds", reserveBody(), headers)).status).toBe(200);
    const query = `authCode=${PINS["a secret in the query"]}`;
    expect((await post(`/reserveFunds?${query}`, reserveBody())).status).toBe(200);
    expect((await post(`/nowhere?${query}`, "{}")).status).toBe(404);
    expect((await fetch(`${server.url}/transactResult?${query}`)).status).toBe(405);
  });

  test("by rotations of the shared secrets", async () => {
    const second = join(aside, "second");
    writeFileSync(second, SHARED["the secret after it"]);
    expect((await command(`secrets rotate --secret-file ${second}`)).exit).toBe(0);
    rmSync(second);
    // The old one is still valid, and then it is not.
    expect((await post("/reserveFunds", reserveBody())).status).toBe(200);
    const atPrompt = SHARED["the secret set at the prompt"];
    expect((await command("secrets retire")).exit).toBe(0);
    expect(await onTerminal(["secrets", "rotate"], [["The new secret", atPrompt]])).toBe(0);
    expect((await command("secrets retire")).exit).toBe(0);
    const password = { stdin: `${SHARED["the password after it"]}\n` };
    expect((await command("secrets rotate --kind basic", password)).exit).toBe(0);
    expect((await command("secrets rotate --kind basic", password)).exit).toBe(4);
    const signature = sign("{}", atPrompt);
    expect((await post("/reserveFunds", "{}", { Signature: signature })).status).toBe(400);
    expect((await post("/reserveFunds", "{}")).status).toBe(401);
  });

  test("by a half request, and a server that is killed in the middle of others", async () => {
    const atPrompt = SHARED["the secret set at the prompt"];
    const half = await rawConnection(server.url);
    const headers = ["Transfer-Encoding: chunked", `Authorization: ${basic()}`];
    half.send(postHead("/reserveFunds", headers));
    half.send(chunk(`{"authCode":"${PINS["a secret of a half request"]}"`));
    const calls = Array.from({ length: 50 }, () => {
      const body = JSON.stringify(reserveBody({ authCode: PINS["a wrong PIN"] }));
      const own = { Signature: sign(body, atPrompt), Authorization: basic() };
      return server.post("/reserveFunds", body, own).catch(() => null);
    });
    await Bun.sleep(5);
    await server.stop("SIGKILL");
    await Promise.all(calls);
    half.destroy();
    listen();
    server = await bank.serve(LOUD);
    await command("accounts unlock-pin 1001");
  });
});

describe("a crash", () => {
  test("leaves no core, whatever the limit is", async () => {
    const atPrompt = SHARED["the secret set at the prompt"];
    const unlimited = (pid: number) => {
      const limit = ["prlimit", "--pid", String(pid), "--core=unlimited:unlimited"];
      return Bun.spawnSync(limit).exitCode;
    };
    const cores = () => readdirSync(bank.folder).filter((name) => name.startsWith("core"));
    // Another program in the same folder does leave one, unless the system takes them elsewhere.
    const other = Bun.spawn(["sleep", "60"], { cwd: bank.folder });
    expect(unlimited(other.pid)).toBe(0);
    other.kill("SIGSEGV");
    await other.exited;
    const pattern = readFileSync("/proc/sys/kernel/core_pattern", "utf8");
    expect([pattern, cores().length]).toEqual([pattern, pattern.startsWith("core") ? 1 : 0]);
    for (const name of cores()) rmSync(join(bank.folder, name));

    expect(unlimited(server.pid)).toBe(0);
    const body = JSON.stringify(reserveBody({ authCode: PINS["a secret of a crash"] }));
    const own = { Signature: sign(body, atPrompt), Authorization: basic() };
    expect((await server.post("/reserveFunds", body, own)).status).toBe(200);
    expect((await server.stop("SIGSEGV")).exit).not.toBe(0);
    expect(cores()).toEqual([]);
    listen();
    server = await bank.serve(LOUD);
  });
});

describe("and come out nowhere", () => {
  const outsideKeys = () => filesIn(bank.folder, (name) => !/\/keys\/[^/]+$/.test(name));

  test("of all that is written and said, in no form", async () => {
    const reports = ["exceptions", "settlement", "balances"];
    const formats = ["table", "csv", "json", "html"];
    const output = join(bank.folder, "reports");
    mkdirSync(output);
    for (const report of reports) {
      for (const format of formats) {
        const file = `${output}/${report}.${format}`;
        const { exit } = await command(`reports ${report} --format ${format} --output ${file}`);
        expect([report, format, exit]).toEqual([report, format, 0]);
      }
    }
    for (const line of [
      "receipts list --limit 10000",
      "reservations list",
      `reservations list --buyer ${BUYER}`,
      "reservations show secret-conflict",
      "findings list --all",
      "findings show 1",
      "journal list",
      "accounts list",
      "accounts show 1001",
      "secrets list",
      "config show",
      "verify",
    ]) {
      expect([line, (await command(line)).exit]).toEqual([line, 0]);
      expect([line, (await command(`${line} --json`)).exit]).toEqual([line, 0]);
    }
    await command("journal list --format csv");
    const receipts = await bank.json<{ id: string | number }[]>("receipts list --limit 10000");
    for (const { id } of receipts.slice(0, 5)) await command(`receipts show ${id} --json`);
    listen();

    const written = [...outsideKeys(), ...said];
    // It looks where things are kept and at what was said.
    expect(leaks({ reference: "secret-conflict" }, written).length).toBeGreaterThan(3);
    expect(written.map(({ where }) => where.split("/").at(-1))).toEqual(
      expect.arrayContaining(["bank.db", "bank.db-wal", "config.toml", "exceptions.html"]),
    );
    expect(leaks(ALL, written)).toEqual([]);

    expect((await server.stop()).exit).toBe(0);
    listen();
    await command("verify");
    expect(leaks(ALL, [...outsideKeys(), ...said])).toEqual([]);
    noteTorture({
      injected: `${Object.keys(ALL).length} secrets, by every way in, a kill and a crash`,
      times: Object.keys(ALL).length,
      held:
        `in no form of ${formsOf(PINS["a wrong PIN"]).length} in what was written outside keys/ ` +
        "or said; no core",
    });
    server = await bank.serve(LOUD);
  }, 120_000);

  test("keys/ holds the shared secrets that are valid, and no PIN, no token, no retired one", () => {
    const keys = filesIn(join(bank.dataDir, "keys"));
    expect(leaks(PINS, keys)).toEqual([]);
    const retired = ["the first signature secret", "the secret after it", "a wrong password"];
    const old = Object.fromEntries(retired.map((name) => [name, ALL[name] ?? ""]));
    expect(leaks(old, keys)).toEqual([]);
    expect(existsSync(join(bank.dataDir, "keys", "signature.json.new"))).toBe(false);
  });

  test("a secret in config.toml is refused by name, and not echoed", async () => {
    const secret = SHARED["the secret after it"];
    const configured = { config: join(bank.dataDir, "config.toml") };
    await server.stop();
    writeFileSync(configured.config, `${CONFIG}signature_secret = "${secret}"\n`);
    const error = await bank.serve(LOUD).catch((caught: unknown) => caught);
    writeFileSync(configured.config, CONFIG);
    expect(error).toBeInstanceOf(NotServing);
    expect((error as NotServing).message).toContain("signature_secret");
    expect((error as NotServing).message).not.toContain(secret);
    const { exit, err } = await run(["config", "show"], {
      env: { TRANSACT_BANK_DATA_DIR: bank.dataDir },
    });
    expect([exit, err.includes(secret)]).toEqual([0, false]);
    server = await bank.serve(LOUD);
  });
});
