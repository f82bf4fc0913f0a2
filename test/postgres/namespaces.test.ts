// Hosts reach one another, or do not, as the test says; so do PostgreSQL servers on them.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { endPostgres, startPrimary, startStandby, untilSynchronous } from "./cluster.ts";
import { type Network, namespacesMissing, startNetwork } from "./namespaces.ts";
import { output, postgresProgram, skipsPostgres } from "./programs.ts";
import { until } from "./wait.ts";

const PORT = 7000;
const ECHO = `Bun.listen({ hostname: "0.0.0.0", port: ${PORT}, socket: { data: (s, d) => s.write(d) } })`;
const HOSTS = ["a", "b", "c"];

const why = namespacesMissing();
// Said on every machine: no package that could be installed makes a machine allow it.
if (why !== null)
  console.error(`NOT CHECKED: several hosts with a network between them, for ${why}`);

describe.skipIf(why !== null)("hosts", () => {
  let network: Network;
  beforeAll(async () => {
    network = await startNetwork(HOSTS);
    for (const host of HOSTS) {
      Bun.spawn([...network.place(host).inside, process.execPath, "-e", ECHO]);
    }
    await until("all answer", async () => (await pairs()) === "ab ac ba bc ca cb");
  });
  afterAll(() => network.stop());

  /** Whether one host gets an echo from another, within a moment. */
  async function reaches(from: string, to: string): Promise<boolean> {
    const { address } = network.place(to);
    const lines = `exec 3<>/dev/tcp/${address}/${PORT} && echo hello >&3 && read -r heard <&3`;
    const command = ["timeout", "0.7", "bash", "-c", `${lines} && [ "$heard" = hello ]`];
    return network.run(from, command).then(
      () => true,
      () => false,
    );
  }

  /** The pairs that reach one another: "ab" says that a reaches b. */
  async function pairs(): Promise<string> {
    const all = HOSTS.flatMap((from) => HOSTS.filter((to) => to !== from).map((to) => [from, to]));
    const reached = all.map(async ([from = "", to = ""]) =>
      (await reaches(from, to)) ? from + to : "",
    );
    return (await Promise.all(reached)).filter(Boolean).join(" ");
  }

  const ALL = "ab ac ba bc ca cb";
  // what is done, and who reaches whom then
  const ROWS: readonly [string, (network: Network) => Promise<void>, string][] = [
    ["isolate a", (one) => one.isolate("a"), "bc cb"],
    ["split a from b and c", (one) => one.split(["a"], ["b", "c"]), "bc cb"],
    ["split a and c from the rest", (one) => one.split(["a", "c"]), "ac ca"],
    ["cut a from b", (one) => one.cut("a", "b"), "ac bc ca cb"],
  ];
  for (const [what, act, expected] of ROWS) {
    test(`${what}, and heal`, async () => {
      await act(network);
      expect(await pairs()).toBe(expected);
      await network.heal();
      expect(await pairs()).toBe(ALL);
    });
  }

  test("are of this network alone", async () => {
    await expect(network.run("d", ["true"])).rejects.toThrow("no host d");
    const [address] = (await network.run("a", ["hostname", "-I"])).split(" ");
    expect(address).toBe(network.place("a").address);
  });
});

describe.skipIf(why !== null || skipsPostgres())("PostgreSQL on hosts", () => {
  test("a commit waits for a standby that is cut off, and ends when it is back", async () => {
    const network = await startNetwork(HOSTS);
    try {
      const primary = await startPrimary({ place: network.place("a") });
      await startStandby(primary, { name: "standby1", place: network.place("b") });
      await primary.set("synchronous_standby_names", "standby1");
      await untilSynchronous(primary, "standby1");
      const psql = [postgresProgram("psql"), "-XAtq", primary.url, "-c"];
      await network.run("c", [...psql, "create table seen (n int)"]);

      await network.cut("a", "b");
      const waiting = network.run("c", [...psql, "insert into seen values (1) returning n"]);
      expect(await Promise.race([waiting, Bun.sleep(500)])).toBeUndefined();
      expect(await network.run("c", [...psql, "select count(*) from seen"])).toBe("0");
      await network.heal();
      expect(await waiting).toBe("1");
    } finally {
      await endPostgres();
      await network.stop();
    }
  });
});

test.skipIf(why !== null)("nothing of a network stays behind", async () => {
  const network = await startNetwork(["a"]);
  const [name = ""] = network.place("a").inside.slice(-1);
  const namespaces = () => output(["ip", "netns", "list"]);
  expect(await namespaces()).toContain(name);
  const asleep = Bun.spawn([...network.place("a").inside, "sleep", "60"]);
  await until("it sleeps there", async () => (await network.run("a", ["true"])) === "");
  await network.stop();
  expect(await namespaces()).not.toContain(name);
  expect(await asleep.exited).not.toBe(0);
});
