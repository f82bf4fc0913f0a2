// Small libraries in C that stand between the program and its system: a slow disk, another clock.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type Preload = {
  /** A folder for what the library reads and writes. */
  readonly folder: string;
  /** For LD_PRELOAD. */
  readonly library: string;
  remove(): void;
};

/** Compiles a source of this folder; it needs cc and Linux, and throws without them. */
export function preload(source: string): Preload {
  const folder = mkdtempSync(join(tmpdir(), "transact-bank-preload-"));
  const library = join(folder, "preload.so");
  const flags = ["-shared", "-fPIC", "-O2", "-o", library, join(import.meta.dir, source), "-ldl"];
  const made = Bun.spawnSync(["cc", ...flags]);
  if (made.exitCode !== 0) throw new Error(made.stderr.toString());
  return { folder, library, remove: () => rmSync(folder, { recursive: true }) };
}
