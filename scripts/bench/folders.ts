// The folder of a run: the banks that are seeded once, and a fresh copy of one for each measurement.
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { WORK_DIR_HEAD } from "./options.ts";
import { mustRun, onEnd } from "./processes.ts";

const ROOT = join(import.meta.dir, "..", "..");
/** What the content of a seeded bank follows from. */
const SEEDED_BY = [
  "src/storage",
  "src/init.ts",
  "scripts/bench/seed.ts",
  "scripts/bench/grow.ts",
  "scripts/bench/client.ts",
  "scripts/bench/peers",
];

export type Folders = {
  readonly path: string;
  /** Gives the template of that name, which `make` fills in an empty place when it is missing. */
  template(name: string, make: (dir: string) => Promise<void>): Promise<string>;
  /** A fresh copy of a template, all of it on the disk; null: an empty folder. */
  fresh(template: string | null): Promise<string>;
  remove(dir: string): void;
};

/** Makes the work folder; one that was not named by the user goes away with this process. */
export function openFolders(named: string | null): Folders {
  const path = named ?? mkdtempSync(WORK_DIR_HEAD);
  mkdirSync(path, { recursive: true });
  // PostgreSQL runs as a user of its own, who must get through to its folder.
  chmodSync(path, 0o755);
  const remove = (dir: string) => rmSync(dir, { recursive: true, force: true });
  if (named === null) onEnd(() => remove(path));
  const head = named === null ? "" : `${digestOf(SEEDED_BY)}-`;
  let copies = 0;

  return {
    path,
    async template(name, make) {
      const dir = join(path, `template-${head}${name}`);
      if (existsSync(dir)) return dir;
      // One that was stopped half-way must not be taken for a whole one.
      const unfinished = `${dir}.unfinished`;
      remove(unfinished);
      await make(unfinished);
      renameSync(unfinished, dir);
      return dir;
    },
    async fresh(template) {
      copies += 1;
      const dir = join(path, `run-${process.pid}-${copies}`);
      onEnd(() => remove(dir));
      if (template === null) mkdirSync(dir);
      else await copyFolder(template, dir);
      return dir;
    },
    remove,
  };
}

/** Copies a folder with its owners; shares the blocks where the file system can. */
export async function copyFolder(from: string, to: string): Promise<void> {
  const linux = process.platform === "linux";
  await mustRun(["cp", "-a", ...(linux ? ["--reflink=auto"] : []), from, to]);
  // What the copy left in memory would otherwise be written while something is measured.
  await mustRun(linux ? ["sync", "-f", to] : ["sync"]);
}

/** The bytes of all files in a folder and those below. */
export function sizeOf(dir: string): number {
  return filesIn(dir).reduce((sum, file) => sum + statSync(file).size, 0);
}

function filesIn(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .filter((name) => name !== "node_modules")
    .sort()
    .flatMap((name) => filesIn(join(path, name)));
}

function digestOf(paths: readonly string[]): string {
  const hash = createHash("sha256");
  for (const file of paths.flatMap((path) => filesIn(join(ROOT, path)))) {
    hash.update(readFileSync(file));
  }
  return hash.digest("hex").slice(0, 8);
}
