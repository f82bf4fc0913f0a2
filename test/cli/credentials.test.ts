// Keys that systemd hands to the service in $CREDENTIALS_DIRECTORY, in place of files in keys/.
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Bank, configure, NotServing, newBank, reserveBody } from "../binary/program.ts";

const SECRET = "a secret that was agreed upon";
let bank: Bank;
let store: string;
const inKeys = (file: string) => join(bank.dataDir, "keys", file);

/** As systemd-creds would: out of keys/, under the name that the unit gives it. */
const move = (file: string) => renameSync(inKeys(file), join(store, `transact-bank.${file}`));

beforeAll(async () => {
  bank = await newBank();
  store = join(bank.folder, "credentials");
  configure(bank, "require_signature = true");
  await bank.admin("secrets rotate", { stdin: SECRET });
  await bank.admin("accounts set-pin 1001", { stdin: "4321" });
  cpSync(join(bank.dataDir, "keys"), join(bank.folder, "keys"), { recursive: true });
});
afterAll(() => bank.remove());
beforeEach(() => {
  for (const folder of [store, join(bank.dataDir, "keys")]) {
    rmSync(folder, { recursive: true, force: true });
  }
  mkdirSync(store);
  cpSync(join(bank.folder, "keys"), join(bank.dataDir, "keys"), { recursive: true });
});

const serve = () => bank.serve({ env: { CREDENTIALS_DIRECTORY: store } });

function signed(secret: string): [body: string, headers: Record<string, string>] {
  const body = JSON.stringify(reserveBody({ authCode: "4321" }));
  const Signature = new Bun.CryptoHasher("sha256", secret).update(body).digest("base64");
  return [body, { Signature }];
}

test("serve starts, checks PINs and signatures with keys that are credentials", async () => {
  for (const file of ["pin.key", "receipt.key", "signature.json"]) move(file);
  const server = await serve();
  const answer = await server.post("/reserveFunds", ...signed(SECRET));
  expect(answer.body).toContain('"responseCode":"0000"');
  expect((await server.post("/reserveFunds", ...signed("another"))).status).toBe(401);
  await server.stop();
});

test("without them the same bank does not start", async () => {
  move("pin.key");
  const refused = await bank.serve().catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(NotServing);
  expect((refused as NotServing).message).toContain("pin.key is missing");
});

test("a secret that is set by a command comes before the credential, at the next request", async () => {
  move("signature.json");
  const server = await serve();
  await bank.admin("secrets rotate", { stdin: "the new one" });
  expect((await server.post("/reserveFunds", ...signed(SECRET))).status).toBe(401);
  const answer = await server.post("/reserveFunds", ...signed("the new one"));
  expect(answer.body).toContain('"responseCode":"0000"');
  await server.stop();
});

test("a credential that is damaged is refused like a damaged file, and never repeated", async () => {
  move("pin.key");
  writeFileSync(join(store, "transact-bank.pin.key"), "s3cret-word");
  const refused = await serve().catch((error: unknown) => error);
  expect((refused as NotServing).message).toContain("keys/pin.key is damaged");
  expect((refused as NotServing).message).not.toContain("s3cret-word");
});
