#!/usr/bin/env bun
// Brings up two appliances and a proxy before the cluster of `up`, as docs/scale.md says: each is a
// Debian machine of its own, on which the page's blocks are run. The program is dist/transact-bank.
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { blocksOf, consoleBlocksOf, ROOT, textOf } from "../../docs/pages.ts";
import { boot, clusterFolder, insertDisk, type Machine, mustOn, scrap } from "./machines.ts";

const PAGE = "docs/scale.md";
const MACHINES = ["bank1", "bank2", "proxy"] as const satisfies Machine[];

function carry(from: string, to: Machine, ...files: string[]): void {
  for (const file of files) copyFileSync(join(from, file), join(clusterFolder(to), file));
}

const started = Date.now();
function say(text: string): void {
  console.log(`${((Date.now() - started) / 1000).toFixed(1)} s  ${text}`);
}

for (const machine of MACHINES) {
  await scrap(machine);
  insertDisk(machine);
  await boot(machine);
}
say("two appliances and a proxy have booted");

const cluster = clusterFolder("db1");
for (const bank of ["bank1", "bank2"] as const) {
  carry(cluster, bank, "ca.pem", "hosts", "transact_bank.password");
  carry(join(ROOT, "dist"), bank, "transact-bank");
}
carry(cluster, "bank1", "transact_bank_owner.password");

// The proxy's certificate is the operator's own; its caller is told to trust it.
mustOn("proxy", "apt-get install -y haproxy");
mustOn(
  "proxy",
  `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
    -subj /CN=10.20.0.31 -addext subjectAltName=IP:10.20.0.31 -keyout key.pem -out proxy.pem
  cat proxy.pem key.pem > /etc/haproxy/bank.pem`,
);
const text = textOf(PAGE);
const proxyConfig = blocksOf(text).find(({ lines }) => lines.includes("backend appliances"));
await Bun.write(join(clusterFolder("proxy"), "haproxy.cfg"), `${proxyConfig?.lines.join("\n")}\n`);
mustOn("proxy", "cp haproxy.cfg /etc/haproxy/haproxy.cfg");

for (const { line, commands, notRun } of consoleBlocksOf(text)) {
  const why = notRun ?? "";
  if (why.startsWith("by ssh, from bank1 to bank2")) {
    mustOn("bank1", "cp /run/joining/keys.age /run/joining/passphrase .");
    carry(clusterFolder("bank1"), "bank2", "keys.age", "passphrase");
    mustOn("bank2", "install -o transact-bank -m 0600 keys.age passphrase /run/joining");
  }
  if (!/^on (bank\d|proxy)/.test(why)) continue;
  for (const machine of MACHINES.filter((name) => why.includes(name))) {
    const said = mustOn(machine, commands.join("\n"));
    say(`${PAGE}:${line} on ${machine}\n${said}`);
  }
}
