// Whose request it is behind proxies.
import { expect, test } from "bun:test";
import { peerFinder } from "../../src/http/peer.ts";

const PROXIES = ["10.0.0.1", "10.0.1.0/24", "2001:db8::1"];

test.each([
  // peer, X-Forwarded-For, trusted proxies -> the address that the request is judged by
  ["10.0.0.1", null, PROXIES, "10.0.0.1"],
  ["10.0.0.1", "41.0.0.7", PROXIES, "41.0.0.7"],
  ["10.0.1.200", "41.0.0.7", PROXIES, "41.0.0.7"],
  ["2001:db8::1", "41.0.0.7", PROXIES, "41.0.0.7"],
  ["10.0.0.1", "  41.0.0.7  ", PROXIES, "41.0.0.7"],
  // Whatever stands left of the first stranger may be invented.
  ["10.0.0.1", "196.0.0.1, 41.0.0.7", PROXIES, "41.0.0.7"],
  ["10.0.0.1", "nonsense, 41.0.0.7", PROXIES, "41.0.0.7"],
  ["10.0.0.1", "41.0.0.7, 10.0.1.3", PROXIES, "41.0.0.7"],
  ["10.0.0.1", "10.0.1.9, 10.0.1.3", PROXIES, "10.0.1.9"],
  // With ports, in brackets, of IPv6, mapped.
  ["10.0.0.1", "41.0.0.7:4711", PROXIES, "41.0.0.7"],
  ["10.0.0.1", "2001:db8::7", PROXIES, "2001:db8::7"],
  ["10.0.0.1", "[2001:db8::7]", PROXIES, "2001:db8::7"],
  ["10.0.0.1", "[2001:db8::7]:4711", PROXIES, "2001:db8::7"],
  ["10.0.0.1", "::ffff:41.0.0.7", PROXIES, "41.0.0.7"],
  // What is no address is no reason to believe the one before it.
  ["10.0.0.1", "", PROXIES, "10.0.0.1"],
  ["10.0.0.1", "unknown", PROXIES, "10.0.0.1"],
  ["10.0.0.1", "41.0.0.7, unknown", PROXIES, "10.0.0.1"],
  ["10.0.0.1", "41.0.0.7,", PROXIES, "10.0.0.1"],
  ["10.0.0.1", "41.0.0.7/24", PROXIES, "10.0.0.1"],
  ["10.0.0.1", "41.0.0.7 8", PROXIES, "10.0.0.1"],
  ["10.0.0.1", "<script>", PROXIES, "10.0.0.1"],
  // Of a peer that is no trusted proxy the header is nothing.
  ["10.0.0.2", "196.0.0.1", PROXIES, "10.0.0.2"],
  ["41.0.0.7", "10.0.0.1", PROXIES, "41.0.0.7"],
  ["10.0.0.1", "196.0.0.1", [], "10.0.0.1"],
] as [string, string | null, string[], string][])(
  "%s with %p behind %j is %s",
  (peer, forwarded, proxies, expected) => {
    const headers = new Headers(forwarded === null ? {} : { "x-forwarded-for": forwarded });
    expect(peerFinder(proxies)(peer, headers)).toBe(expected);
  },
);
