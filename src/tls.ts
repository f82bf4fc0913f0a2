// The TLS files that the configuration names, read to be served; again at each renewal.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Config } from "./config.ts";
import { type TlsFacts, tlsFacts } from "./doctor/tls.ts";
import { isoTime } from "./domain/local-time.ts";
import type { Tls } from "./http/listen.ts";

type Names = NonNullable<Config["tls"]>;

export type Certificate = {
  readonly files: Tls;
  /** When the first certificate of the files ends. */
  readonly expiresAt: number | null;
  /** What is wrong with them, as far as it can be told without a client; or null. */
  readonly problem: string | null;
};

/** The files are not to be served; the message names them and says why. */
export class TlsRefused extends Error {}

function problemOf({ problems, validFrom, validTo }: TlsFacts, now: number): string | null {
  if (problems[0] !== undefined) return problems[0];
  if ((validTo ?? now) < now) return `the certificate expired on ${isoTime(validTo ?? now)}`;
  if ((validFrom ?? now) <= now) return null;
  return `the certificate is not valid before ${isoTime(validFrom ?? now)}`;
}

/** Reads the files; a relative name is looked for in the data dir. Throws TlsRefused. */
export function readCertificate(dataDir: string, names: Names): Certificate {
  const fileOf = (name: string) => resolve(dataDir, name);
  const read = (name: string) => {
    try {
      return readFileSync(fileOf(name));
    } catch {
      throw new TlsRefused(`the TLS file ${name} cannot be read: name a readable one`);
    }
  };
  const files = {
    certificate: read(names.certificate),
    key: read(names.key),
    clientCa: names.client_ca === undefined ? null : read(names.client_ca),
  };
  const facts = tlsFacts(names, fileOf);
  return { files, expiresAt: facts.validTo, problem: problemOf(facts, Date.now()) };
}
