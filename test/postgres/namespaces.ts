// Several hosts with a network between them, on this one machine: a network namespace each, joined
// by a bridge in a namespace of its own, so that nothing of the machine's own network is touched.
// What is cut off is silent, as behind a pulled cable, where the end of a process says goodbye.
import { type Keeper, startKeeper } from "./keeper.ts";
import { output } from "./programs.ts";
import type { Place } from "./server.ts";

export type Network = {
  /** Where a host is: for startPrimary, startStandby, or any command. */
  place(host: string): Place;
  /** Runs a command on a host and gives what it printed; throws when it fails. */
  run(host: string, command: readonly string[]): Promise<string>;
  /** Nothing passes between this host and any other. */
  isolate(host: string): Promise<void>;
  /** Only hosts of the same group reach one another; who is in none reaches nobody. */
  split(...groups: readonly (readonly string[])[]): Promise<void>;
  /** These two do not reach one another, and both reach all others. */
  cut(one: string, other: string): Promise<void>;
  /** All reach all again. */
  heal(): Promise<void>;
  /** Ends what runs on the hosts, and removes them. */
  stop(): Promise<void>;
};

const DEVICE = "eth0";
/** An address that no host has: what is sent to it goes nowhere. */
const NOBODY = "02:00:00:00:00:01";
/** Kills what runs in each namespace, which would keep it alive, and removes it. */
const REMOVE = `
  for name; do
    ip netns pids "$name" | xargs -r kill -KILL
    ip netns delete "$name"
  done`;

let networks = 0;

/** Why there can be no network here, or null. */
export function namespacesMissing(): string | null {
  if (process.getuid?.() !== 0) return "only root can make network namespaces";
  if (Bun.which("ip") === null) return "ip (iproute2) is not installed";
  // In a namespace that is gone with the command, as is the bridge in it.
  const bridge = ["ip", "link", "add", "bridge0", "type", "bridge"];
  const { exitCode, stderr } = Bun.spawnSync(["unshare", "--net", "--mount", ...bridge]);
  return exitCode === 0 ? null : `this machine makes none: ${stderr.toString().trim()}`;
}

/** Makes a network of hosts with these names: small letters and digits, at most ten of them. */
export async function startNetwork(hosts: readonly string[]): Promise<Network> {
  networks += 1;
  const prefix = `transact-bank-${process.pid}-${networks}`;
  const names = new Map(hosts.map((host) => [host, `${prefix}-${host}`]));
  const bridges = `${prefix}-bridges`;
  const keeper = startKeeper(REMOVE, [...names.values(), bridges]);
  await makeSwitch(bridges, hosts.length);
  const addresses = new Map(hosts.map((host, n) => [host, `10.77.0.${n + 1}`]));
  for (const [host, name] of names) {
    await plugIn({ name, bridges, port: portOf(host), address: addresses.get(host) ?? "" });
  }
  return networkOf({ names, addresses, bridges, keeper });
}

async function ip(...words: string[]): Promise<void> {
  await output(["ip", ...words]);
}

const portOf = (host: string) => `to-${host}`;
const bridgeOf = (group: number) => `bridge${group}`;

/** A bridge for each group there can be; the hosts are on the first one, unless they are split. */
async function makeSwitch(bridges: string, groups: number): Promise<void> {
  await ip("netns", "add", bridges);
  for (let group = 0; group < groups; group += 1) {
    await ip("-n", bridges, "link", "add", bridgeOf(group), "type", "bridge");
    await ip("-n", bridges, "link", "set", bridgeOf(group), "up");
  }
}

type Plug = { name: string; bridges: string; port: string; address: string };

async function plugIn({ name, bridges, port, address }: Plug): Promise<void> {
  await ip("netns", "add", name);
  const cable = ["link", "add", port, "type", "veth", "peer", "name", DEVICE, "netns", name];
  await ip("-n", bridges, ...cable);
  await ip("-n", bridges, "link", "set", port, "master", bridgeOf(0), "up");
  await ip("-n", name, "address", "add", `${address}/24`, "dev", DEVICE);
  await ip("-n", name, "link", "set", DEVICE, "up");
  await ip("-n", name, "link", "set", "lo", "up");
}

type Parts = {
  readonly names: ReadonlyMap<string, string>;
  readonly addresses: ReadonlyMap<string, string>;
  readonly bridges: string;
  readonly keeper: Keeper;
};

function networkOf({ names, addresses, bridges, keeper }: Parts): Network {
  const place = (host: string): Place => ({
    address: known(addresses, host),
    inside: ["ip", "netns", "exec", known(names, host)],
  });
  const isolate = (host: string) => ip("-n", bridges, "link", "set", portOf(host), "nomaster");
  const connect = (host: string, group: number) =>
    ip("-n", bridges, "link", "set", portOf(host), "master", bridgeOf(group));
  /** Gives a host a wrong idea of where another is, which it keeps. */
  const mislead = (host: string, other: string) => {
    const neighbour = ["neighbour", "replace", known(addresses, other), "lladdr", NOBODY];
    return ip("-n", known(names, host), ...neighbour, "dev", DEVICE, "nud", "permanent");
  };
  return {
    place,
    isolate,
    run: async (host, command) => output([...place(host).inside, ...command]),
    async split(...groups) {
      for (const host of names.keys()) {
        const group = groups.findIndex((members) => members.includes(host));
        await (group === -1 ? isolate(host) : connect(host, group));
      }
    },
    async cut(one, other) {
      await mislead(one, other);
      await mislead(other, one);
    },
    async heal() {
      for (const [host, name] of names) {
        await connect(host, 0);
        // That nobody answered before is forgotten as well, or it would be known for a second.
        await ip("-n", name, "neighbour", "flush", "dev", DEVICE, "nud", "all");
      }
    },
    stop: () => keeper.cleanUp(),
  };
}

function known(map: ReadonlyMap<string, string>, host: string): string {
  const found = map.get(host);
  if (found === undefined) throw new Error(`There is no host ${host}`);
  return found;
}
