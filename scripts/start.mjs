// npm start: a bank to try, or one's own, with whatever it needs installed and built first.

import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  binary,
  ensureInstalled,
  helpWhenAsked,
  newestChange,
  root,
  run,
  stop,
} from "./launcher.mjs";

const HELP = `
npm start [-- OPTIONS]

Installs and builds what is missing, then serves a bank until Ctrl-C or SIGTERM.

  npm start                            a demo bank, made in ./demo-data on first use
  npm start -- --port 9000             any option of "transact-bank serve" can follow
  npm start -- --data-dir ../my-bank   your own bank instead (TRANSACT_BANK_DATA_DIR does the same)

The options of serve: dist/transact-bank serve --help
`;

const DEMO = ["--data-dir", "./demo-data"];

const args = process.argv.slice(2);
helpWhenAsked(args, HELP);
stopWhenNpmTookOptions();
process.exitCode = await start();

async function start() {
  await ensureInstalled();
  if (!built()) {
    const code = await run(process.execPath, [join(root, "scripts", "build.mjs")]);
    if (code !== 0) return code;
  }
  // A relative path of the user's counts from where the user is.
  if (ownBank()) return run(binary, ["serve", ...args], { cwd: process.cwd() });
  // What it says is about the command to come, which is this one.
  const made = existsSync(join(root, DEMO[1]))
    ? 0
    : await run(binary, ["init", "--demo", "--json", ...DEMO], { stdout: "ignore" });
  return made === 0 ? run(binary, ["serve", ...DEMO, ...args]) : made;
}

function built() {
  const sources = ["src", "cli", "package-lock.json"].map((name) => join(root, name));
  return existsSync(binary) && newestChange([binary]) >= newestChange(sources);
}

function ownBank() {
  if (process.env.TRANSACT_BANK_DATA_DIR) return true;
  return args.some((arg) => arg === "--data-dir" || arg.startsWith("--data-dir="));
}

/** Without the --, npm keeps an option for itself, and the wrong bank or port would be served. */
function stopWhenNpmTookOptions() {
  for (const option of ["data-dir", "port"]) {
    const value = process.env[`npm_config_${option.replace("-", "_")}`];
    if (value) stop(`npm took --${option} for its own. Write: npm start -- --${option} ...`);
  }
}
