#!/usr/bin/env bun
// The proof of docs/scale.md: while `simulate` storms the proxy of `up` and `appliances`, an appliance
// is killed, and then the primary's machine is lost with all that is on it. Afterwards the client's
// history, the books, and `verify` on both appliances must agree. It ends with 1 where they do not. An
// answer that comes too late is told of, and does not fail it: two cores play six machines here.
// `storm 30 90` is 30 purchases a second for 90 seconds; `--times=3` does all of it three times.
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import type { StormVerdict } from "../../../src/conformance/history.ts";
import type { Storm } from "../../../src/conformance/storm.ts";
import { boot, clusterFolder, lineOn, lose, mustOn, runOn } from "./machines.ts";
import { primaryNow, settles } from "./roles.ts";

const [rate = "30", seconds = "90"] = process.argv
  .slice(2)
  .filter((word) => !word.startsWith("--"));
const times = Number(/^--times=(\d+)$/m.exec(process.argv.slice(2).join("\n"))?.[1] ?? 1);

const AS_BANK = "sudo -u transact-bank transact-bank";
const THERE = "--data-dir /var/lib/transact-bank";
const BUYER = "27731304702";
/** When what happens, in seconds of the storm. */
const KILLED_S = 15;
const LOST_S = 30;
/** For how long the lost machine is away. */
const AWAY_S = 45;

/** What an operator of a new bank does, and what the caller must know. */
function prepare(): void {
  if (runOn("bank2", "test -e /run/joining/profile.toml").exit === 0) return;
  mustOn(
    "bank2",
    `${AS_BANK} limits set --min 5.00 --max 2000.00 ${THERE}
    ${AS_BANK} accounts add 62-0001 --name "A Buyer" --balance 9000000.00 ${THERE}
    ${AS_BANK} accounts map ${BUYER} 62-0001 ${THERE}`,
  );
  mustOn("bank1", "cp /var/lib/transact-bank/keys/signature.handover .");
  copyFileSync(
    join(clusterFolder("bank1"), "signature.handover"),
    join(clusterFolder("bank2"), "signature.handover"),
  );
  copyFileSync(
    join(clusterFolder("proxy"), "proxy.pem"),
    join(clusterFolder("bank2"), "proxy.pem"),
  );
  mustOn(
    "bank2",
    `install -o transact-bank -m 0600 signature.handover /run/joining/secret
    install -o transact-bank -m 0600 proxy.pem /run/joining/proxy.pem
    printf 'amount = 1000\ncurrency = "ZAR"\n[buyers]\nactive = "${BUYER}"\n' > profile.toml
    install -o transact-bank -m 0600 profile.toml /run/joining/profile.toml`,
  );
}

type Said = {
  readonly storm: Storm & StormVerdict;
  readonly left: readonly unknown[];
  readonly debited: readonly unknown[];
};

const since = (moment: number) => `${((Date.now() - moment) / 1000).toFixed(1)} s`;

async function proveOnce(): Promise<boolean> {
  const primary = primaryNow();
  const started = Date.now();
  const say = (text: string) => console.log(`${since(started).padStart(8)}  ${text}`);
  // On the second appliance's machine, for its books; the appliance itself is a process beside it.
  const storm = Bun.spawn(
    lineOn(
      "bank2",
      `${AS_BANK} simulate https://10.20.0.31:8443 --ca-file /run/joining/proxy.pem \
        --profile /run/joining/profile.toml --secret-file /run/joining/secret ${THERE} \
        --no-rules --storm ${rate} --for ${seconds} --dispensed 5 --json`,
    ),
    { stdin: "ignore", stdout: "pipe", stderr: "inherit" },
  );
  const said = new Response(storm.stdout).text();
  await Bun.sleep(KILLED_S * 1000);
  say("bank1: the appliance is killed; systemd starts it again");
  mustOn("bank1", "systemctl kill --kill-who=main --signal=KILL transact-bank");
  await Bun.sleep((LOST_S - KILLED_S) * 1000);
  say(`${primary}: the primary's machine is lost`);
  const lostAt = Date.now();
  lose(primary);
  const back = Bun.sleep(AWAY_S * 1000).then(async () => {
    await boot(primary);
    say(`${primary} is back, ${since(lostAt)} after`);
  });
  await storm.exited;
  await back;
  const { storm: seen, left, debited } = JSON.parse(await said) as Said;
  const kept = [seen.history, seen.books, left].every((problems) => problems?.length === 0);
  console.log(JSON.stringify({ ...seen, left, debited: debited.length, kept }, null, 1));
  const healed = await settles(120);
  say(healed ? `the cluster is whole, ${primaryNow()} leads` : "the cluster does not heal");
  return (await verifies()) && kept && healed;
}

/** What the bank says of itself, on both appliances. */
async function verifies(): Promise<boolean> {
  let well = true;
  for (const bank of ["bank1", "bank2"] as const) {
    const verify = runOn(bank, `${AS_BANK} verify ${THERE}`);
    console.log(`verify on ${bank} ended with ${verify.exit}\n${verify.out}`);
    well &&= verify.exit === 0;
  }
  console.log(findings());
  return well;
}

/** How many findings are open, by what they are; nobody wants to read thousands of lines. */
function findings(): string {
  const list = mustOn("bank1", `${AS_BANK} findings list --json ${THERE} 2>/dev/null`);
  const byTitle = Map.groupBy(JSON.parse(list) as { title: string }[], ({ title }) => title);
  const lines = [...byTitle].map(([title, alike]) => `${alike.length}  ${title}`);
  return ["open findings, of all storms so far:", ...lines].join("\n");
}

prepare();
let well = true;
for (let time = 1; time <= times; time += 1) {
  console.log(`\n${time} of ${times}: ${rate} purchases a second for ${seconds} s`);
  well = (await proveOnce()) && well;
}
process.exit(well ? 0 : 1);
