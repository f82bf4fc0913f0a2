// Where the database is: "postgres://user@host1:5432,host2:5432/bank?sslrootcert=/etc/ssl/ca.pem".
import { isIP } from "node:net";

export type Host = { readonly name: string; readonly port: number };

export type Address = {
  /** Tried in this order for the one that takes writes. */
  readonly hosts: readonly Host[];
  readonly user: string;
  readonly database: string;
  /** Null: without TLS. `ca` is the file of the authority that signed the servers' certificates. */
  readonly tls: { readonly ca: string | null } | null;
};

const FORM = /^postgres(?:ql)?:\/\/([^:@/?]+)@([^/?@]+)\/([^/?]+)(?:\?(.*))?$/;
const PORT = 5432;

/** What is wrong with an address, with what to do; never the address itself. */
export class AddressError extends Error {}

export const ADDRESS_RULE =
  "an address such as postgres://user@host1:5432,host2:5432/database, without a password";

function hostOf(text: string): Host {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text);
  const name = match?.[1] ?? match?.[2];
  const port = Number(match?.[3] ?? PORT);
  if (name === undefined || port < 1 || port > 65_535) throw new AddressError(ADDRESS_RULE);
  return { name, port };
}

const isLoopback = ({ name }: Host) =>
  name === "localhost" || name === "::1" || (isIP(name) === 4 && name.startsWith("127."));

/** TLS with a checked name wherever the way leads off this machine, unless it is turned off in words. */
function tlsOf(hosts: readonly Host[], options: URLSearchParams): Address["tls"] {
  const mode = options.get("sslmode") ?? (hosts.every(isLoopback) ? "disable" : "verify-full");
  const ca = options.get("sslrootcert");
  for (const key of options.keys()) {
    if (key === "sslmode" || key === "sslrootcert") continue;
    throw new AddressError("beside sslmode and sslrootcert the address takes no options");
  }
  if (mode === "disable" && ca === null) return null;
  if (mode === "verify-full") return { ca };
  throw new AddressError('sslmode is "verify-full", or "disable" without sslrootcert');
}

/** Reads an address; throws AddressError. */
export function readAddress(text: string): Address {
  const match = FORM.exec(text);
  if (match === null) throw new AddressError(ADDRESS_RULE);
  const [, user = "", list = "", database = "", options = ""] = match;
  const hosts = list.split(",").map(hostOf);
  return {
    hosts,
    user: decodeURIComponent(user),
    database: decodeURIComponent(database),
    tls: tlsOf(hosts, new URLSearchParams(options)),
  };
}
