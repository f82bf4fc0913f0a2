#!/usr/bin/env bun
// What can happen to the cluster's primary, under a small load of writes: when each machine changes its
// part, how long no write was acknowledged, and whether all that were acknowledged are there afterwards.
// It ends with 1 if one is not, or if the cluster does not heal. `failover cut lost` does these two alone,
// `--away=SECONDS` says for how long. `up` comes before it.
import { judge, makeTable, startLoad } from "./load.ts";
import { boot, cut, lose, type Machine, mustOn, plug } from "./machines.ts";
import { partsNow, primaryNow, settles } from "./roles.ts";

type Fault = {
  readonly what: string;
  readonly strike: (primary: Machine) => void;
  readonly heal: (old: Machine) => unknown;
};

const PATRONICTL = "patronictl -c /etc/patroni/config.yml";

const signalPatroni = (signal: string) =>
  `systemctl kill --kill-who=main --signal=${signal} patroni`;

const FAULTS: Record<string, Fault> = {
  lost: { what: "the primary's machine loses its power", strike: lose, heal: boot },
  cut: { what: "the primary's machine is cut off", strike: cut, heal: plug },
  killed: {
    what: "the primary's postmaster and Patroni are killed; systemd starts Patroni again",
    strike: (primary) =>
      mustOn(
        primary,
        `${signalPatroni("KILL")}; kill -9 $(head -1 /var/lib/postgresql/15/bank/postmaster.pid)`,
      ),
    heal: () => undefined,
  },
  hung: {
    what: "the primary's Patroni hangs, its PostgreSQL goes on",
    strike: (primary) => mustOn(primary, signalPatroni("STOP")),
    heal: (old) => mustOn(old, signalPatroni("CONT")),
  },
  switchover: {
    what: "a planned switchover",
    strike: (primary) => mustOn(primary, `${PATRONICTL} switchover --force bank`),
    heal: () => undefined,
  },
};

/** Says what changes on the machines, until it may stop. */
async function watch(since: number, mayStop: () => boolean): Promise<void> {
  let before = new Map<Machine, string>();
  while (!mayStop()) {
    const now = partsNow();
    for (const [machine, part] of now)
      if (before.get(machine) !== part)
        console.log(
          `${((Date.now() - since) / 1000).toFixed(1).padStart(7)} s  ${machine}: ${part}`,
        );
    before = now;
    await Bun.sleep(250);
  }
}

async function suffer(
  name: string,
  { what, strike, heal }: Fault,
  awayS: number,
): Promise<boolean> {
  const primary = primaryNow();
  console.log(`\n${name}: ${what} (${primary})`);
  makeTable(primary);
  const load = startLoad(4);
  await Bun.sleep(5_000);
  const struck = Date.now();
  let stop = false;
  const watching = watch(struck, () => stop);
  strike(primary);
  await Bun.sleep(awayS * 1000);
  console.log(
    `${((Date.now() - struck) / 1000).toFixed(1).padStart(7)} s  ${primary} is brought back`,
  );
  await heal(primary);
  const healed = await settles(120);
  await Bun.sleep(3_000);
  stop = true;
  await watching;
  await load.stop();
  const { longestGaps, ...verdict } = judge(load.writes, primaryNow());
  const gaps = longestGaps.map(
    ({ from, seconds }) =>
      `${seconds.toFixed(1)} s, from ${((from - struck) / 1000).toFixed(1)} s on`,
  );
  console.log(JSON.stringify({ ...verdict, longestGaps: gaps }, null, 2));
  return healed && verdict.acknowledged > 0 && verdict.lost.length === 0;
}

const asked = process.argv.slice(2).filter((word) => !word.startsWith("--"));
const away = Number(/^--away=(\d+)$/m.exec(process.argv.slice(2).join("\n"))?.[1] ?? 60);
let well = true;
for (const name of asked.length > 0 ? asked : Object.keys(FAULTS)) {
  const fault = FAULTS[name];
  if (fault === undefined) throw new Error(`no such fault: ${name}; one of ${Object.keys(FAULTS)}`);
  well = (await suffer(name, fault, away)) && well;
}
process.exit(well ? 0 : 1);
