// How a program of ours is compiled. One list of flags: what the benchmark compares the product with
// is made exactly as the product is.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { root } from "./launcher.mjs";

/**
 * Gives the arguments with which bun compiles one program.
 * `main` is its entry, `commit` what `version` reports. Every worker goes in as well.
 */
export function compileArguments({ main, outfile, commit }) {
  return [
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
    ...["--define", `process.env.TRANSACT_BANK_COMMIT=${JSON.stringify(commit)}`],
    ...["--outfile", outfile],
  ];
}

/** A worker is loaded by name at run time, so the bundler has to be told of each. */
function workers() {
  return readdirSync(join(root, "src"), { recursive: true })
    .filter((name) => name.endsWith(".worker.ts"))
    .sort()
    .map((name) => join(root, "src", name));
}
