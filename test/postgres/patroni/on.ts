#!/usr/bin/env bun
// `on MACHINE SCRIPT` runs a bash script on one of the machines, as root in /root/cluster.
import { allNames, lineOn, type Machine } from "./machines.ts";

const [machine, ...script] = process.argv.slice(2);
if (!allNames.includes(machine as Machine) || script.length === 0) {
  console.error(`usage: on ${allNames.join("|")} SCRIPT`);
  process.exit(2);
}
const line = lineOn(machine as Machine, script.join(" "));
process.exit(Bun.spawnSync(line, { stdio: ["inherit", "inherit", "inherit"] }).exitCode);
