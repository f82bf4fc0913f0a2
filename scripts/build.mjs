// npm run build: one program, dist/transact-bank, that needs nothing else on the machine it runs on.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync, utimesSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { compileArguments } from "./compile.mjs";
import { binary, bun, ensureInstalled, helpWhenAsked, root, run, stop } from "./launcher.mjs";

const HELP = `
npm run build

Builds dist/transact-bank, one program with everything in it, for this machine's system.
TRANSACT_BANK_COMMIT names the commit it reports; without it, git is asked.
`;

const args = process.argv.slice(2);
helpWhenAsked(args, HELP);
if (args.length > 0) stop(`Unknown argument ${args[0]}. Try: npm run build -- --help`);

await ensureInstalled();
process.exitCode = await build();

async function build() {
  const startedAt = new Date();
  const main = join(root, "cli", "main.ts");
  if (!existsSync(main)) stop(`${main} is missing: is this copy of the project complete?`);
  // Built beside the old program and then moved over it: a build that fails or is stopped leaves
  // the old one, and a bank that runs from it is not disturbed.
  // The sourcemap is inside the program; the copies of it that bun leaves go with the folder.
  const folder = join(dirname(binary), "unfinished");
  const unfinished = join(folder, basename(binary));
  mkdirSync(folder, { recursive: true });
  const program = { main, outfile: unfinished, commit: commit() };
  const code = await run(bun, compileArguments(program));
  if (code !== 0) return code;

  // Dated at the start, so that a file changed meanwhile counts as newer than the program.
  utimesSync(unfinished, startedAt, startedAt);
  renameSync(unfinished, binary);
  rmSync(folder, { recursive: true });
  console.log(`Built ${relative(process.cwd(), binary)}`);
  return 0;
}

function commit() {
  const given = process.env.TRANSACT_BANK_COMMIT;
  if (given) return given;
  // A copy inside some other repository must not take that one's commit for its own.
  if (!existsSync(join(root, ".git"))) return "unknown";
  try {
    const describe = ["describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"];
    const options = { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] };
    return execFileSync("git", describe, options).trim();
  } catch {
    return "unknown";
  }
}
