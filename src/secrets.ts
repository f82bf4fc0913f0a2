// The secrets shared with Clickatell: when one may be rotated, and what a rotation leaves.
import type { SecretPair } from "./keys.ts";

/** Why a secret, or any (null), cannot be set now; null where it can. */
export function rotateRefusal(pair: SecretPair | null, secret: string | null): string | null {
  if (pair !== null && pair.previous !== null) {
    return (
      "the secret before the last rotation is still valid: once nobody uses it, retire it " +
      "(secrets retire), then rotate"
    );
  }
  return pair !== null && secret === pair.current
    ? "it is the secret in force: nothing was changed"
    : null;
}

/** The pair that puts a new secret in force; the one before stays valid beside it. */
export function rotated(pair: SecretPair | null, secret: string): SecretPair {
  return { current: secret, previous: pair?.current ?? null, rotatedAt: Date.now() };
}

/** The pair without the secret before the last rotation. */
export function retired(pair: SecretPair): SecretPair {
  return { ...pair, previous: null };
}
