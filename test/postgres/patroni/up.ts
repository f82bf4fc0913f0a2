#!/usr/bin/env bun
// Brings up the cluster of docs/cluster/README.md on three machines inside this one: what stands in
// that page's blocks is what is run, so the page is right or this script ends with an error.
import { cpSync } from "node:fs";
import { join } from "node:path";
import { consoleBlocksOf, ROOT, textOf } from "../../docs/pages.ts";
import {
  boot,
  build,
  clusterFolder,
  lineOn,
  type Machine,
  machineNames,
  makeBase,
  takeAway,
} from "./machines.ts";

const PAGE = "docs/cluster/README.md";

/** Where the page says that a block is typed; none where it is not part of bringing a cluster up. */
const machinesOf = (why: string): Machine[] =>
  /^on (db\d|, | and )+$/.test(why) ? machineNames.filter((name) => why.includes(name)) : [];

async function type(machine: Machine, script: string, line: number): Promise<void> {
  const child = Bun.spawn(lineOn(machine, script), {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const out = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  const exit = await child.exited;
  if (exit !== 0)
    throw new Error(
      `${PAGE}:${line} on ${machine} ended with ${exit}\n${out.join("").slice(-3000)}`,
    );
}

const started = Date.now();
const say = (text: string) =>
  console.log(`${((Date.now() - started) / 1000).toFixed(1)} s  ${text}`);

await takeAway();
makeBase();
build();
await Promise.all(machineNames.map(boot));
say("three machines have booted");
const from = join(ROOT, "docs/cluster");
cpSync(from, clusterFolder("db1"), { recursive: true });
for (const { line, commands, notRun } of consoleBlocksOf(textOf(PAGE))) {
  const machines = machinesOf(notRun ?? "");
  await Promise.all(machines.map((machine) => type(machine, commands.join("\n"), line)));
  // The one thing that a person carries from machine to machine.
  if (commands.some((command) => command.includes("scp -r cluster")))
    for (const machine of machineNames.filter((name) => name !== "db1"))
      cpSync(clusterFolder("db1"), clusterFolder(machine), { recursive: true });
  if (machines.length > 0) say(`${PAGE}:${line} on ${machines.join(", ")}`);
}
