// npm run build: one program, dist/transact-bank, that needs nothing else on the machine it runs on.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, utimesSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
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
  const code = await run(bun, [
    "build",
    main,
    ...workers(),
    "--compile",
    // Bytecode makes it start in milliseconds, and needs ESM for top-level await.
    ...["--bytecode", "--format=esm"],
    // Identifiers stay: class names appear in messages.
    ...["--sourcemap", "--minify-syntax", "--minify-whitespace"],
    // Without these the program would run a bunfig.toml's preload, and read an .env, from
    // whatever folder it is started in.
    ...["--no-compile-autoload-dotenv", "--no-compile-autoload-bunfig"],
    ...["--define", 'process.env.NODE_ENV="production"'],
    ...["--define", `process.env.TRANSACT_BANK_COMMIT=${JSON.stringify(commit())}`],
    ...["--outfile", unfinished],
  ]);
  if (code !== 0) return code;

  // Dated at the start, so that a file changed meanwhile counts as newer than the program.
  utimesSync(unfinished, startedAt, startedAt);
  renameSync(unfinished, binary);
  rmSync(folder, { recursive: true });
  console.log(`Built ${relative(process.cwd(), binary)}`);
  return 0;
}

/** A worker is loaded by name at run time, so the bundler has to be told of each. */
function workers() {
  return readdirSync(join(root, "src"), { recursive: true })
    .filter((name) => name.endsWith(".worker.ts"))
    .sort()
    .map((name) => join(root, "src", name));
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
