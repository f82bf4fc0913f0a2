// When `serve` must not start, and what it says then.
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Bank,
  configure,
  NotServing,
  newBank,
  reserve,
  reserveBody,
  type ServeHow,
} from "./program.ts";

let bank: Bank;
beforeAll(async () => {
  bank = await newBank();
});
afterAll(() => bank.remove());

/** Expects that `serve` ends with 1; gives what it said. */
async function refusal(how: ServeHow = {}, of = bank): Promise<string> {
  try {
    const server = await of.serve(how);
    await server.stop("SIGKILL");
  } catch (error) {
    if (!(error instanceof NotServing)) throw error;
    expect(error.exit).toBe(1);
    expect(error.message).not.toMatch(/^\s+at /m);
    return error.message;
  }
  throw new Error("it serves");
}

describe("a data dir is served once", () => {
  test("the second server is refused, the first goes on; after it another may", async () => {
    const first = await bank.serve();
    expect(await refusal()).toContain("another server serves");
    expect((await reserve(first)).responseCode).toBe("0000");
    await first.stop("SIGKILL");
    const second = await bank.serve();
    expect((await second.stop()).exit).toBe(0);
  });

  test("another bank's port is refused: two servers never share one", async () => {
    const other = await newBank({ account: false });
    const taken = await other.serve();
    expect(await refusal({ args: ["--port", new URL(taken.url).port] })).toContain(
      "the port is in use",
    );
    await taken.stop();
    other.remove();
  });

  test("an address that this machine has not is refused with what to do", async () => {
    // Of the block for documentation: nobody has it.
    const elsewhere = ["--host", "192.0.2.1", "--allow-unauthenticated"];
    expect(await refusal({ args: elsewhere })).toContain("no such address to listen on");
  });
});

describe("off loopback", () => {
  const everywhere = { args: ["--host", "0.0.0.0"] };

  test("nobody authenticated: refused; --allow-unauthenticated serves and says so", async () => {
    expect(await refusal(everywhere)).toContain("must be authenticated");
    const server = await bank.serve({ args: [...everywhere.args, "--allow-unauthenticated"] });
    expect(server.out()).toContain("allow-unauthenticated is in force");
    await server.stop();
  });

  test.each([
    ["an allow-list alone", 'allow_addresses = ["127.0.0.1"]'],
    ["Basic without TLS", 'basic_user = "u"'],
  ])("%s is nobody", async (_, lines) => {
    configure(bank, lines);
    if (lines.startsWith("basic")) {
      await bank.admin("secrets rotate --kind basic --yes", { stdin: "password\n" });
    }
    expect(await refusal(everywhere)).toContain("must be authenticated");
    configure(bank, "");
  });

  test("with signatures it serves, and refuses who does not sign", async () => {
    const file = join(bank.folder, "secret");
    writeFileSync(file, "bank-demo-secret\n");
    const signed = await newBank({ account: false, init: ["--signature-secret-file", file] });
    const server = await signed.serve(everywhere);
    const url = server.url.replace("0.0.0.0", "127.0.0.1");
    const body = JSON.stringify(reserveBody());
    const signature = new Bun.CryptoHasher("sha256", "bank-demo-secret").update(body);
    const status = async (headers: Record<string, string>) =>
      (await fetch(`${url}/reserveFunds`, { method: "POST", body, headers })).status;
    expect(await status({})).toBe(401);
    expect(await status({ Signature: signature.digest("base64") })).toBe(200);
    await server.stop();
    signed.remove();
  });

  test("a demo bank never does", async () => {
    const dataDir = join(bank.folder, "demo");
    expect((await bank.run(["init", "--demo", "--data-dir", dataDir])).exit).toBe(0);
    const args = ["--data-dir", dataDir, ...everywhere.args, "--allow-unauthenticated"];
    expect(await refusal({ args })).toContain("a demo bank serves on loopback only");
  });
});

describe("the configuration", () => {
  const CANARY = "canary-81fe";

  test.each([
    ["an unknown key", `signature_key = "${CANARY}"`, 'no key "signature_key"'],
    ["an unknown key in a table", `[tls]\nkee = "${CANARY}"`, "tls"],
    ["a value of another type", `port = "${CANARY}"`, '"port" must be 0 to 65535'],
    ["a value that does not exist", `pin_policy = "${CANARY}"`, '"pin_policy" must be one of'],
    ["no TOML", `port = ${CANARY} "`, "not valid TOML"],
  ])("%s is refused by name, and no value echoed", async (_, lines, says) => {
    configure(bank, lines);
    const said = await refusal();
    configure(bank, "");
    expect(said).toContain(says);
    expect(said).not.toContain(CANARY);
  });
});

describe("the PIN key", () => {
  const key = () => join(bank.dataDir, "keys", "pin.key");
  const aside = () => join(bank.folder, "pin.key");

  test("missing: refused; --without-pins answers 2020 for accounts with a PIN, uncounted", async () => {
    await bank.admin("accounts add 2001 --name WithPin --balance 100.00");
    await bank.admin("accounts map with-pin 2001");
    await bank.admin("accounts set-pin 2001", { stdin: "4321\n" });
    renameSync(key(), aside());
    expect(await refusal()).toContain("keys/pin.key is missing");
    const server = await bank.serve({ args: ["--without-pins"] });
    for (const authCode of ["4321", "9999", "8888", "7777", undefined]) {
      const answer = await reserve(server, { sourceIdentifier: "with-pin", authCode });
      expect(answer.responseCode).toBe("2020");
    }
    expect((await reserve(server)).responseCode).toBe("0000");
    await server.stop();
    renameSync(aside(), key());
    const withPins = await bank.serve();
    const right = { sourceIdentifier: "with-pin", reserveAmount: 500, authCode: "4321" };
    expect((await reserve(withPins, right)).responseCode).toBe("0000");
    await withPins.stop();
  });

  test("another bank's key is refused", async () => {
    renameSync(key(), aside());
    writeFileSync(key(), `${"0123456789abcdef".repeat(4)}\n`, { mode: 0o600 });
    expect(await refusal()).toContain("is not this bank's PIN key");
    renameSync(aside(), key());
  });
});

describe("the data dir", () => {
  const at = (name: string) => ({ args: ["--data-dir", join(bank.folder, name)] });

  test("missing, empty, foreign", async () => {
    expect(await refusal(at("missing"))).toContain("transact-bank init");
    expect(existsSync(join(bank.folder, "missing"))).toBe(false);
    mkdirSync(join(bank.folder, "empty"));
    expect(await refusal(at("empty"))).toContain("transact-bank init");
    mkdirSync(join(bank.folder, "foreign"));
    const foreign = new Database(join(bank.folder, "foreign", "bank.db"));
    foreign.run("CREATE TABLE t (a)");
    foreign.close();
    expect(await refusal(at("foreign"))).toContain("was not made by this program");
  });

  test("newer than the program", async () => {
    const newer = await newBank({ account: false });
    const db = new Database(join(newer.dataDir, "bank.db"));
    db.run("PRAGMA user_version = 99");
    db.close();
    expect(await refusal({}, newer)).toContain("version 99");
    newer.remove();
  });

  test("a refused start leaves the bank as it was", async () => {
    rmSync(join(bank.dataDir, "config.toml"));
    const server = await bank.serve();
    expect((await reserve(server)).responseCode).toBe("0000");
    expect((await server.stop()).exit).toBe(0);
    expect((await bank.json<{ ok: boolean }>("verify")).ok).toBe(true);
  });
});
