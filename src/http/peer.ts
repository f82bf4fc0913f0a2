// Whose request it is: the peer's address, or behind a trusted proxy the one that the proxy names.
import { BlockList, isIP } from "node:net";

/** An address without the "::ffff:" that a dual-stack socket puts before IPv4. */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, "");
}

/** Tells whether an address is among addresses and networks, as configured. */
export function addressList(entries: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  const familyOf = (address: string) => (isIP(address) === 6 ? "ipv6" : "ipv4");
  for (const entry of entries) {
    const [address = "", bits] = entry.split("/");
    if (bits === undefined) list.addAddress(address, familyOf(address));
    else list.addSubnet(address, Number(bits), familyOf(address));
  }
  return (address) => list.check(address, familyOf(address));
}

/** "10.0.0.7", "10.0.0.7:4711", "2001:db8::7" or "[2001:db8::7]:4711"; null where it is neither. */
function forwardedAddress(text: string): string | null {
  const trimmed = text.trim();
  const [, bracketed] = /^\[([0-9a-f:.]+)\](?::\d{1,5})?$/i.exec(trimmed) ?? [];
  const [, withPort] = /^([\d.]+):\d{1,5}$/.exec(trimmed) ?? [];
  const address = plainAddress(bracketed ?? withPort ?? trimmed);
  return isIP(address) === 0 ? null : address;
}

/**
 * Makes what finds the address a request is judged by, from its peer's and X-Forwarded-For: that
 * header counts only where the peer is a trusted proxy, and then its rightmost address that is none
 * of them, for whatever stands left of it may be invented. Where all are trusted it is the first of
 * them; where one that would count is no address it is the proxy's own.
 */
export function peerFinder(trustedProxies: readonly string[]) {
  const isTrusted = addressList(trustedProxies);
  if (trustedProxies.length === 0) return (peer: string) => peer;
  return (peer: string, headers: Headers): string => {
    const forwarded = isTrusted(peer) ? headers.get("x-forwarded-for") : null;
    if (forwarded === null) return peer;
    let found = peer;
    for (const text of forwarded.split(",").reverse()) {
      const address = forwardedAddress(text);
      if (address === null) return peer;
      found = address;
      if (!isTrusted(address)) break;
    }
    return found;
  };
}
