// The TLS files of a configuration, as far as they can be judged without a client.
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { rootCertificates } from "node:tls";
import type { Config } from "../config.ts";

export type TlsFacts = {
  /** What is wrong with the files themselves, a line each. */
  readonly problems: readonly string[];
  /** Of the certificates in the file, the first to end, and the first's beginning. */
  readonly validFrom: number | null;
  readonly validTo: number | null;
  readonly name: string | null;
  /** Who the file's last certificate is by, where that is no known authority and not in the file. */
  readonly unknownIssuer: string | null;
  /** Where others than the owner may read the key. */
  readonly keyOpen: boolean;
};

type Tls = NonNullable<Config["tls"]>;

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

const certificatesIn = (text: string): X509Certificate[] =>
  (text.match(PEM) ?? []).map((pem) => new X509Certificate(pem));

const timeOf = (text: string): number => new Date(text).getTime();

/** A name for people: the common name, or all of the subject on one line. */
const nameOf = (subject: string): string =>
  /^CN=(.+)$/m.exec(subject)?.[1] ?? subject.replaceAll("\n", ", ");

function chainProblems(chain: readonly X509Certificate[]): string[] {
  return chain.slice(1).flatMap((issuer, index) => {
    const lower = chain[index] as X509Certificate;
    if (lower.checkIssued(issuer)) return [];
    return [`certificate ${index + 2} in the file did not issue the one before it`];
  });
}

/** The issuer that a client would have to know by itself, where no public authority is it. */
function unknownIssuerOf(chain: readonly X509Certificate[]): string | null {
  const last = chain.at(-1);
  if (last === undefined) return null;
  const known = rootCertificates.some((pem) => {
    const root = new X509Certificate(pem);
    return root.subject === last.issuer && last.checkIssued(root);
  });
  return known ? null : nameOf(last.issuer);
}

type Read = <T>(what: string, name: string, parse: (content: Buffer) => T) => T | null;

function keyProblems(tls: Tls, leaf: X509Certificate | undefined, read: Read): string[] {
  const key = read("key", tls.key, createPrivateKey);
  if (key === null || leaf === undefined || leaf.checkPrivateKey(key)) return [];
  return [`the key in ${tls.key} is not the key of the certificate`];
}

/** Looks at the files; `fileOf` gives the place of a name in the configuration. */
export function tlsFacts(tls: Tls, fileOf: (name: string) => string): TlsFacts {
  const problems: string[] = [];
  const read: Read = (what, name, parse) => {
    let content: Buffer;
    try {
      content = readFileSync(fileOf(name));
    } catch (error) {
      problems.push(`the ${what} ${name} cannot be read (${(error as { code?: string }).code})`);
      return null;
    }
    try {
      return parse(content);
    } catch {
      problems.push(`${name} holds no ${what} in PEM that can be used without a passphrase`);
      return null;
    }
  };
  const certificates = (content: Buffer) => {
    const found = certificatesIn(content.toString());
    if (found.length === 0) throw new Error();
    return found;
  };
  const chain = read("certificate", tls.certificate, certificates) ?? [];
  problems.push(...keyProblems(tls, chain[0], read), ...chainProblems(chain));
  const clientCa =
    tls.client_ca === undefined ? [] : (read("client CA", tls.client_ca, certificates) ?? []);
  const all = [...chain, ...clientCa];
  const leaf = chain[0];
  const mode = statSync(fileOf(tls.key), { throwIfNoEntry: false })?.mode ?? 0;
  return {
    problems,
    validFrom: all.length === 0 ? null : Math.max(...all.map((c) => timeOf(c.validFrom))),
    validTo: all.length === 0 ? null : Math.min(...all.map((c) => timeOf(c.validTo))),
    name: leaf === undefined ? null : nameOf(leaf.subject),
    unknownIssuer: unknownIssuerOf(chain),
    keyOpen: (mode & 0o077) !== 0,
  };
}
