// The disk below a folder: what it is, how much room it has, and how long a flush takes.
import {
  closeSync,
  fdatasyncSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  statfsSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { FLUSH_TRIAL } from "../files.ts";

export type DiskFacts = {
  readonly folder: string;
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** Null where the file system has no fixed number of files. */
  readonly freeFiles: number | null;
  /** As the kernel names it, such as "ext4"; null where it cannot be told. */
  readonly fileSystem: string | null;
  readonly options: readonly string[];
};

export type FlushFacts = { readonly medianUs: number; readonly worstUs: number };

/** The mount that a folder is on: the longest mount point above it, the latest of equal ones. */
export function mountOf(
  folder: string,
  mountinfo: string,
): Pick<DiskFacts, "fileSystem" | "options"> {
  let best: { point: string; fileSystem: string; options: string[] } | null = null;
  for (const line of mountinfo.split("\n")) {
    // man 5 proc: id parent major:minor root point options optional... - type source options
    const [before = "", after = ""] = line.split(" - ");
    const fields = before.split(" ");
    const [fileSystem, , more] = after.split(" ");
    const point = (fields[4] ?? "").replace(/\\(\d{3})/g, (_, octal) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    if (fileSystem === undefined || point === "") continue;
    const above = point === "/" || folder === point || folder.startsWith(`${point}/`);
    if (!above || point.length < (best?.point.length ?? 0)) continue;
    best = { point, fileSystem, options: `${fields[5]},${more}`.split(",") };
  }
  return { fileSystem: best?.fileSystem ?? null, options: best?.options ?? [] };
}

function mountinfo(): string {
  try {
    return readFileSync("/proc/self/mountinfo", "utf8");
  } catch {
    return "";
  }
}

/** What is below a folder. Throws where there is no such folder. */
export function diskOf(folder: string): DiskFacts {
  const { bavail, blocks, bsize, ffree, files } = statfsSync(folder);
  return {
    folder,
    freeBytes: bavail * bsize,
    totalBytes: blocks * bsize,
    freeFiles: files === 0 ? null : ffree,
    ...mountOf(realpathSync(folder), mountinfo()),
  };
}

const FLUSHES = 16;
const PAGE_BYTES = 4_096;

/**
 * Flushes a small file of its own in a folder a few times, as the server flushes its log: over
 * bytes that are there already. Throws where the folder cannot be written.
 */
export function measureFlush(folder: string): FlushFacts {
  const file = join(folder, FLUSH_TRIAL);
  // What a killed one left, or a link that somebody put there, which would lead to another file.
  rmSync(file, { force: true });
  const descriptor = openSync(file, "wx", 0o600);
  try {
    const page = Buffer.alloc(PAGE_BYTES, 1);
    const write = (at: number) => writeSync(descriptor, page, 0, PAGE_BYTES, at * PAGE_BYTES);
    for (let at = 0; at < FLUSHES; at += 1) write(at);
    fdatasyncSync(descriptor);
    const times = Array.from({ length: FLUSHES }, (_, at) => {
      write(at);
      const startedAt = performance.now();
      fdatasyncSync(descriptor);
      return Math.round((performance.now() - startedAt) * 1_000);
    }).sort((a, b) => a - b);
    return { medianUs: times[FLUSHES / 2] ?? 0, worstUs: times.at(-1) ?? 0 };
  } finally {
    closeSync(descriptor);
    rmSync(file, { force: true });
  }
}
