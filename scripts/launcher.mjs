// What start, test and build share: plain Node, so that a machine with only node and npm can run
// them. It installs what is missing, repairs bun, and runs other programs.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The project's folder, wherever the script was started from. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

export const bun = join(root, "node_modules", ".bin", "bun");
export const binary = join(root, "dist", "transact-bank");

/** audit.mjs ends so where the registry does not say: not every mirror does, or nobody is there. */
export const NO_ANSWER = 3;

const OLDEST_NODE = 20;

/** Nothing to read, and all output on standard error: standard output is the calling script's. */
const AS_ASIDE = { stdin: "ignore", stdout: 2 };

/** The signal that asked this process to stop, once there was one. */
let stoppedBy;

/** Prints what went wrong and what to do about it, and ends with exit code 1. */
export function stop(message) {
  // What fails after such a signal fails because of it, and needs no advice.
  if (stoppedBy) process.exit(codeOf(stoppedBy));
  console.error(message);
  process.exit(1);
}

/** Prints the help and ends, when the arguments ask for it. */
export function helpWhenAsked(args, help) {
  if (!args.includes("--help") && !args.includes("-h")) return;
  console.log(help.trim());
  process.exit(0);
}

/**
 * Runs a program until it ends and gives its exit code, 128 + n when signal n killed it.
 * Takes stdin and stdout as spawn's stdio does; onStderr, if given, gets each piece of its standard
 * error; the rest are spawn's options. SIGTERM, SIGINT and SIGHUP sent to this process go on to the
 * program, and its end is waited for; after one of them no other program is started.
 */
export function run(command, args, options = {}) {
  const { stdin = "inherit", stdout = "inherit", onStderr, ...rest } = options;
  if (stoppedBy) return Promise.resolve(codeOf(stoppedBy));
  return new Promise((resolve) => {
    const stdio = [stdin, stdout, onStderr ? "pipe" : "inherit"];
    const child = spawn(command, args, { cwd: root, ...rest, stdio });
    const stopForwarding = forwardSignals(child);
    const end = (code) => {
      stopForwarding();
      resolve(code);
    };
    child.stderr?.on("data", onStderr);
    child.on("error", (error) => {
      console.error(`Cannot run ${command}: ${error.message}`);
      end(127);
    });
    child.on("close", (code, signal) => end(code ?? codeOf(signal)));
  });
}

function codeOf(signal) {
  return 128 + constants.signals[signal];
}

function forwardSignals(child) {
  const signals = ["SIGTERM", "SIGINT", "SIGHUP"];
  const forward = (signal) => {
    stoppedBy = signal;
    // A terminal gives Ctrl-C to every process in front of it, so the program has it already, and
    // a second one could cut its orderly end short.
    if (signal === "SIGINT" && process.stdin.isTTY) return;
    child.kill(signal);
  };
  for (const signal of signals) process.on(signal, forward);
  return () => {
    for (const signal of signals) process.off(signal, forward);
  };
}

/** Gives the newest change, in epoch milliseconds, of any of these files or folders' contents. */
export function newestChange(paths) {
  let newest = 0;
  for (const path of paths) {
    if (!existsSync(path)) continue;
    const stats = statSync(path);
    // A folder's own time counts too: it changes when a file in it goes away.
    newest = Math.max(newest, stats.mtimeMs);
    if (!stats.isDirectory()) continue;
    newest = Math.max(newest, newestChange(readdirSync(path).map((name) => join(path, name))));
  }
  return newest;
}

/** Makes node_modules match the lock file and bun able to run; quick when both hold already. */
export async function ensureInstalled() {
  const major = Number(process.versions.node.split(".")[0]);
  if (major < OLDEST_NODE) {
    stop(`Node ${process.versions.node} is too old: install Node ${OLDEST_NODE} or newer.`);
  }
  if (!installed()) await install();
  if (!bunRuns()) await repairBun();
}

function installed() {
  // npm writes this file last, so a half-finished install has none.
  const marker = join(root, "node_modules", ".package-lock.json");
  return existsSync(marker) && newestChange([marker]) >= newestChange([lockFile()]);
}

function lockFile() {
  return join(root, "package-lock.json");
}

async function install() {
  console.error("Installing the packages (npm ci) ...");
  // Bun and the checks are development packages, and bun's program is an optional one: both are
  // needed even where the environment says production.
  const args = ["ci", "--include=dev", "--include=optional"];
  const code = await run("npm", args, AS_ASIDE);
  if (code === 0) return;
  stop(
    `npm ci failed (exit code ${code}), see above. It needs npm in the PATH and a package registry ` +
      `it can reach ("npm ping" tries it). Then run this again.`,
  );
}

function bunRuns() {
  return spawnSync(bun, ["--version"], { stdio: "ignore" }).status === 0;
}

async function repairBun() {
  // npm's bun is a placeholder until its install script ran; some machines run no such scripts.
  console.error("Completing bun's installation ...");
  await run(process.execPath, [join(root, "node_modules", "bun", "install.js")], AS_ASIDE);
  if (bunRuns()) return;
  stop(
    `${bun} does not run on this machine (${process.platform} ${process.arch}). ` +
      "Delete node_modules and run this again; it needs Linux or macOS on x64 or arm64.",
  );
}
