// What doctor finds in TLS files: the key, the chain, whose the last certificate is, and the ends.
import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { tlsFacts } from "../../src/doctor/tls.ts";

const FILES = resolve(import.meta.dir, "../http/tls");
const folder = mkdtempSync(join(tmpdir(), "transact-bank-tls-"));
afterAll(() => rmSync(folder, { recursive: true }));
const pem = (name: string) => readFileSync(join(FILES, name), "utf8");

/** A file of these certificates, one below the other, beside the server's key. */
function look(...certificates: readonly string[]) {
  writeFileSync(join(folder, "chain.pem"), certificates.map(pem).join(""));
  writeFileSync(join(folder, "server.key"), pem("server.key"));
  chmodSync(join(folder, "server.key"), 0o600);
  const tls = { certificate: "chain.pem", key: "server.key" };
  return tlsFacts(tls, (name) => join(folder, name));
}

test("a certificate with its chain and its key: nothing is wrong", () => {
  const { validFrom, validTo, ...rest } = look("server.pem", "ca.pem");
  expect(rest).toEqual({
    problems: [],
    name: "server",
    // A CA of one's own is known to nobody else.
    unknownIssuer: "transact-bank test CA",
    keyOpen: false,
  });
  expect(new Date(validTo ?? 0).getUTCFullYear()).toBe(2126);
  expect(validFrom).toBeLessThan(Date.now());
});

describe("wrong", () => {
  test("a chain in another order", () => {
    expect(look("server.pem", "stranger.pem", "ca.pem").problems).toEqual([
      "certificate 2 in the file did not issue the one before it",
      "certificate 3 in the file did not issue the one before it",
    ]);
  });

  test("another certificate's key", () => {
    expect(look("client.pem", "ca.pem").problems).toEqual([
      "the key in server.key is not the key of the certificate",
    ]);
  });

  test("no certificate in the file, and that alone", () => {
    const { problems, validTo, name } = look("server.key");
    expect([problems, validTo, name]).toEqual([
      ["chain.pem holds no certificate in PEM that can be used without a passphrase"],
      null,
      null,
    ]);
  });

  test("a key that others may read", () => {
    look("server.pem");
    chmodSync(join(folder, "server.key"), 0o644);
    const tls = { certificate: "chain.pem", key: "server.key" };
    expect(tlsFacts(tls, (name) => join(folder, name)).keyOpen).toBe(true);
  });

  test("a client CA that is not there", () => {
    const tls = { certificate: "chain.pem", key: "server.key", client_ca: "none.pem" };
    expect(tlsFacts(tls, (name) => join(folder, name)).problems).toEqual([
      "the client CA none.pem cannot be read (ENOENT)",
    ]);
  });
});
