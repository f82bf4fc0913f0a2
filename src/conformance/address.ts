// Whether a URL can only mean this machine or the bank's own network.
import { lookup } from "node:dns/promises";
import { BlockList, isIP, isIPv6 } from "node:net";

const PRIVATE = new BlockList();
for (const [network, bits] of [
  ["127.0.0.0", 8],
  ["10.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["169.254.0.0", 16],
] as const) {
  PRIVATE.addSubnet(network, bits, "ipv4");
}
PRIVATE.addAddress("::1", "ipv6");
PRIVATE.addSubnet("fc00::", 7, "ipv6");
PRIVATE.addSubnet("fe80::", 10, "ipv6");

const isPrivateAddress = (address: string): boolean =>
  PRIVATE.check(address, isIPv6(address) ? "ipv6" : "ipv4");

/** True where every address of the URL's host is loopback or private; a host that is none is not. */
export async function isPrivate(url: URL): Promise<boolean> {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (isIP(host) !== 0) return isPrivateAddress(host);
  try {
    const addresses = await lookup(host, { all: true });
    return addresses.length > 0 && addresses.every(({ address }) => isPrivateAddress(address));
  } catch {
    return false;
  }
}
