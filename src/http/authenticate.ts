// Who may call: an allow-list, HTTP Basic and the body's Signature, each on its own (contract.md 5).
import { timingSafeEqual } from "node:crypto";
import type { SignatureVerdict } from "../storage/store.ts";
import { addressList } from "./peer.ts";

export type Authentication = {
  /** The valid signature secrets at this moment, or null where no signature is required. */
  readonly signatureSecrets: (() => readonly string[]) | null;
  readonly basic: { readonly user: string; readonly passwords: () => readonly string[] } | null;
  /** Addresses and networks; empty lets every peer in. */
  readonly allowAddresses: readonly string[];
};

/** The Signature header's value for a body: base64 of its HMAC-SHA256. */
export function signatureOf(secret: string, body: Uint8Array): string {
  return new Bun.CryptoHasher("sha256", secret).update(body).digest("base64");
}

/** Compares texts in constant time; their length is no secret. */
function equalTexts(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}

/** Checks a Signature header over the body bytes exactly as received. */
export function checkSignature(
  header: string | null,
  body: Uint8Array,
  secrets: (() => readonly string[]) | null,
): SignatureVerdict {
  if (secrets === null) return "not-required";
  if (header === null) return "missing";
  // Every secret is tried, so that the time does not tell which one was right.
  const matches = secrets().filter((secret) => equalTexts(header, signatureOf(secret, body)));
  return matches.length > 0 ? "valid" : "wrong";
}

function basicHeaderIsRight(
  header: string | null,
  basic: NonNullable<Authentication["basic"]>,
): boolean {
  const encoded = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(header ?? "")?.[1];
  if (encoded === undefined) return false;
  const given = Buffer.from(encoded, "base64").toString("utf8");
  const expected = basic.passwords().map((password) => `${basic.user}:${password}`);
  return expected.filter((pair) => equalTexts(given, pair)).length > 0;
}

/** Makes the check of what the headers and the peer tell, before any body is read. */
export function doorKeeper({ basic, allowAddresses }: Authentication) {
  const isAllowed = addressList(allowAddresses);
  /** Why a request is turned away, or null. */
  return (peer: string, authorization: string | null): string | null => {
    if (allowAddresses.length > 0 && !isAllowed(peer)) return "peer not allowed";
    if (basic !== null && !basicHeaderIsRight(authorization, basic)) return "credentials";
    return null;
  };
}
