// Three Debian machines on this one, as docs/cluster/README.md wants them: each boots its own systemd
// over its own copy of a fresh Debian, in its own network namespace, with a cable to one switch. A
// machine can be lost (power and cable gone at once), cut off (the cable alone) and brought back.
// Beside them stand the namespaces of two appliances, which are programs on this machine's own disk.
// It needs root and, of Debian, debootstrap, systemd-container, iproute2 and postgresql-client.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The machines of the cluster, by what the page calls them. */
export const MACHINES = { db1: "10.20.0.11", db2: "10.20.0.12", db3: "10.20.0.13" } as const;
export const machineNames = Object.keys(MACHINES) as Machine[];

/** Places at the switch: of two appliances and a proxy, which may be machines as well, and of callers. */
const OTHERS = {
  bank1: "10.20.0.21",
  bank2: "10.20.0.22",
  proxy: "10.20.0.31",
  clickatell: "10.20.0.41",
} as const;

/** What can be a machine: the cluster's, and those that docs/scale.md puts beside them. */
export type Machine = keyof typeof MACHINES | keyof typeof OTHERS;
export const allNames = [...machineNames, ...(Object.keys(OTHERS) as Machine[])];

const FOLDER = process.env["TRANSACT_BANK_MACHINES"] ?? "/var/tmp/transact-bank-machines";
const BASE = join(FOLDER, "base");
/** What their network namespaces' names begin with: another one stands beside the first set. */
const PREFIX = process.env["TRANSACT_BANK_MACHINES_PREFIX"] ?? "tb";
const SWITCH = `${PREFIX}-switch`;

/** What the page's `apt-get install` lines take: fetched once, installed by each machine. */
const PACKAGES = "postgresql-15 patroni etcd-server etcd-client pgbackrest haproxy curl".split(" ");
const INCLUDED = "systemd,systemd-sysv,dbus,iproute2,sudo,procps,openssl,ca-certificates,adduser";

/** The folder that a machine sees as /root/cluster. */
export const clusterFolder = (machine: Machine): string => join(FOLDER, machine, "cluster");

const namespaceOf = (name: string): string => `${PREFIX}-${name}`;

export type Ran = { readonly exit: number; readonly out: string };

/** Runs a program on this machine; gives its exit code, and what it said on both of its streams. */
export function run(...line: string[]): Ran {
  const ended = Bun.spawnSync(line, { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  return { exit: ended.exitCode, out: `${ended.stdout}${ended.stderr}` };
}

/** As run, for what must succeed. */
export function must(...line: string[]): string {
  const { exit, out } = run(...line);
  if (exit !== 0) throw new Error(`${line.join(" ")} ended with ${exit}\n${out}`);
  return out;
}

const leaderFile = (machine: Machine): string => join(FOLDER, machine, "leader");

/** The process that is the machine's own first one; null while the machine is off. */
function leaderOf(machine: Machine): number | null {
  if (!existsSync(leaderFile(machine))) return null;
  const pid = Number(readFileSync(leaderFile(machine), "utf8"));
  return existsSync(`/proc/${pid}/exe`) ? pid : null;
}

/** The line that runs a bash script on a machine, as root in /root/cluster. */
export function lineOn(machine: Machine, script: string): string[] {
  const leader = leaderOf(machine);
  if (leader === null) throw new Error(`${machine} is off`);
  const into = ["nsenter", `--target=${leader}`, "--mount", "--uts", "--ipc", "--net", "--pid"];
  const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  const env = ["env", "-i", path, "HOME=/root", "LANG=C.UTF-8", "TERM=dumb"];
  const bash = ["bash", "-euo", "pipefail", "-c", `cd /root/cluster; ${script}`];
  return [...into, "--root", ...env, ...bash];
}

export const runOn = (machine: Machine, script: string): Ran => run(...lineOn(machine, script));
export const mustOn = (machine: Machine, script: string): string =>
  must(...lineOn(machine, script));

/** The line that runs a program beside the appliances, in the namespace of one of them. */
export const lineBeside = (appliance: keyof typeof OTHERS, ...line: string[]): string[] => [
  "ip",
  "netns",
  "exec",
  namespaceOf(appliance),
  ...line,
];

/** A fresh Debian with the packages at hand, made once and kept. */
export function makeBase(): void {
  if (existsSync(join(BASE, "made"))) return;
  const mirror = /^URIs: (\S+)/m.exec(
    must("sh", "-c", "cat /etc/apt/sources.list.d/*.sources"),
  )?.[1];
  const release = must("sh", "-c", '. /etc/os-release && printf %s "$VERSION_CODENAME"');
  if (mirror === undefined) throw new Error("no Debian source in /etc/apt/sources.list.d");
  rmSync(BASE, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  must("debootstrap", "--variant=minbase", `--include=${INCLUDED}`, release, BASE, mirror);
  rmSync(join(BASE, "etc/apt/sources.list"), { force: true });
  must("cp", "-r", "/etc/apt/sources.list.d", "/etc/apt/apt.conf.d", join(BASE, "etc/apt"));
  // These throw away what was fetched.
  must("sh", "-c", `rm -f ${BASE}/etc/apt/apt.conf.d/docker*`);
  const apt = ["chroot", BASE, "apt-get"];
  must(...apt, "update");
  must(...apt, "install", "-y", "--download-only", ...PACKAGES);
  writeFileSync(join(BASE, "made"), "");
}

/** Takes away what makeBase has made. */
export const takeBaseAway = (): void => rmSync(FOLDER, { recursive: true, force: true });

function addCable(name: string, address: string): void {
  const space = namespaceOf(name);
  must("ip", "netns", "add", space);
  must("ip", "-n", space, "link", "set", "lo", "up");
  const ends = ["eth0", "netns", space, "type", "veth", "peer", "name", name, "netns", SWITCH];
  must("ip", "link", "add", ...ends);
  must("ip", "-n", space, "address", "add", `${address}/24`, "dev", "eth0");
  must("ip", "-n", space, "link", "set", "eth0", "up");
  must("ip", "-n", SWITCH, "link", "set", name, "master", "switch", "up");
}

/** The switch, a cable to each machine and appliance, and the machines' own disks. */
export function build(): void {
  must("ip", "netns", "add", SWITCH);
  must("ip", "-n", SWITCH, "link", "add", "switch", "type", "bridge");
  must("ip", "-n", SWITCH, "link", "set", "switch", "up");
  for (const [name, address] of Object.entries({ ...MACHINES, ...OTHERS })) addCable(name, address);
  const hosts = Object.entries(MACHINES).map(([name, address]) => `${address} ${name}\n`);
  for (const appliance of Object.keys(OTHERS)) {
    const etc = join("/etc/netns", namespaceOf(appliance));
    mkdirSync(etc, { recursive: true });
    writeFileSync(join(etc, "hosts"), ["127.0.0.1 localhost\n", ...hosts].join(""));
  }
  for (const machine of machineNames) insertDisk(machine);
}

/** A machine's own disk, on which nothing is but a fresh Debian. */
export function insertDisk(machine: Machine): void {
  const at = (part: string) => join(FOLDER, machine, part);
  const parts = ["cluster", "changes", "work", "root"];
  for (const part of parts) mkdirSync(at(part), { recursive: true });
  const layers = `lowerdir=${BASE},upperdir=${at("changes")},workdir=${at("work")}`;
  must("mount", "-t", "overlay", machine, "-o", layers, at("root"));
  // The cluster's own know themselves by the page's addresses.
  const own = machine in MACHINES ? "" : `127.0.1.1 ${machine}\n`;
  writeFileSync(join(at("root"), "etc/hosts"), `127.0.0.1 localhost\n${own}`);
  writeFileSync(join(at("root"), "etc/hostname"), `${machine}\n`);
  mkdirSync(join(at("root"), "root/cluster"), { recursive: true });
}

/** Ends a machine, and takes its disk out with all that was on it. */
export async function scrap(machine: Machine): Promise<void> {
  const leader = leaderOf(machine);
  if (leader !== null) process.kill(leader, "SIGKILL");
  while (leader !== null && existsSync(`/proc/${leader}/exe`)) await Bun.sleep(50);
  const folder = join(FOLDER, machine);
  // What held the machine up lets go of its disk and of its console a moment after it has ended.
  for (let tries = 0; existsSync(folder); tries += 1) {
    if (tries > 50) throw new Error(`${folder} stays`);
    const { exit } = run("mountpoint", "-q", join(folder, "root"));
    if (exit !== 0 || run("umount", join(folder, "root")).exit === 0) run("rm", "-rf", folder);
    await Bun.sleep(100);
  }
}

/** The groups of processes that a machine's systemd takes for all there are. */
function groupsOf(machine: Machine): string[] {
  const roots = ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
  const found = roots.filter((root) => existsSync(join(root, "cgroup.procs")));
  return found.map((root) => join(root, namespaceOf(machine)));
}

/** Switches a machine on, and waits until it has booted. */
export async function boot(machine: Machine): Promise<void> {
  if (leaderOf(machine) !== null) throw new Error(`${machine} is on`);
  plug(machine);
  const groups = groupsOf(machine);
  for (const group of groups) mkdirSync(group, { recursive: true });
  const enter = groups.map((group) => `echo $$ > ${group}/cgroup.procs; `).join("");
  const nspawn = `exec systemd-nspawn --quiet --directory=${join(FOLDER, machine, "root")} \
    --network-namespace-path=/run/netns/${namespaceOf(machine)} --machine=${machine} \
    --hostname=${machine} --register=no --keep-unit --link-journal=no --resolv-conf=off \
    --timezone=off --bind=${clusterFolder(machine)}:/root/cluster --boot`;
  const console = Bun.file(join(FOLDER, machine, "console"));
  const child = Bun.spawn(["sh", "-c", enter + nspawn], {
    stdin: "ignore",
    stdout: console,
    stderr: console,
    detached: true,
  });
  child.unref();
  for (const deadline = Date.now() + 60_000; ; await Bun.sleep(100)) {
    const [leader] = run("pgrep", "-P", String(child.pid)).out.split("\n");
    if (leader) writeFileSync(leaderFile(machine), leader);
    if (leader && /running|degraded/.test(runOn(machine, "systemctl is-system-running").out))
      return;
    if (Date.now() > deadline) throw new Error(`${machine} does not boot`);
  }
}

/** The cable is out: whatever is sent is gone, and nobody is told. */
export const cut = (machine: Machine): string =>
  must("ip", "-n", SWITCH, "link", "set", machine, "down");

export const plug = (machine: Machine): string =>
  must("ip", "-n", SWITCH, "link", "set", machine, "up");

/** The power is out: every process ends at once, and no connection is closed. */
export function lose(machine: Machine): void {
  cut(machine);
  const leader = leaderOf(machine);
  if (leader !== null) process.kill(leader, "SIGKILL");
  rmSync(leaderFile(machine), { force: true });
}

/** Takes everything away but the fresh Debian; what is not there is no trouble. */
export async function takeAway(): Promise<void> {
  for (const machine of allNames) {
    await scrap(machine);
    for (const group of groupsOf(machine))
      run("find", group, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";");
  }
  for (const name of [...allNames, "switch"]) {
    run("ip", "netns", "del", namespaceOf(name));
    rmSync(join("/etc/netns", namespaceOf(name)), { recursive: true, force: true });
  }
}
