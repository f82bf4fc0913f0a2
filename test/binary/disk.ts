// The disk that disk.c makes of a folder: it loses what was not flushed, is slow, breaks or fills.
// It needs cc and Linux, and without them these tests fail.
import { afterAll } from "bun:test";
import {
  cpSync,
  existsSync,
  lstatSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { preload } from "./preload.ts";
import type { Bank } from "./program.ts";

let library: string | null = null;

/** Compiles the library for a test file, and removes it after its tests. */
export function useDisk(): void {
  const compiled = preload("disk.c");
  library = compiled.library;
  afterAll(compiled.remove);
}

const shadowOf = (bank: Bank) => join(bank.folder, "shadow");
const faultOf = (bank: Bank) => join(bank.folder, "fault");

/** What the program needs around it to have such a disk; it has a shadow once `castShadow` ran. */
export function onDisk(bank: Bank, more: Record<string, string> = {}): Record<string, string> {
  return {
    LD_PRELOAD: library ?? "",
    DISK_OF: realpathSync(bank.dataDir),
    DISK_FAULT: faultOf(bank),
    ...(existsSync(shadowOf(bank)) ? { SHADOW_DIR: shadowOf(bank) } : {}),
    ...more,
  };
}

/** From the next start on, only what is flushed survives `comeUpAgain`. */
export function castShadow(bank: Bank): void {
  // A socket that a killed server left is nothing that a disk loses.
  const filter = (source: string) => !lstatSync(source).isSocket();
  cpSync(bank.dataDir, shadowOf(bank), { recursive: true, filter });
}

/** The machine comes up again: what the shadow holds is all that the bank's disk holds. */
export function comeUpAgain(bank: Bank): void {
  rmSync(bank.dataDir, { recursive: true });
  renameSync(shadowOf(bank), bank.dataDir);
}

/** Calls that can be made to fail, and the errors; disk.c says what each line means. */
export type Call = "open" | "write" | "ftruncate" | "fdatasync" | "fsync";
export type Nth = `nth ${number} ${Call} ${"*" | ".db" | "-wal"} ${"EIO" | "ENOSPC" | "EMFILE"}`;
export type Fault = "none" | `delay ${number}` | "fail" | "full" | Nth;

export function breakDisk(bank: Bank, fault: Fault): void {
  rmSync(`${faultOf(bank)}.fired`, { force: true });
  if (fault === "none") rmSync(faultOf(bank), { force: true });
  else writeFileSync(faultOf(bank), fault);
}

/** What an `nth` fault has hit, as "write bank.db-wal"; null before it has. */
export function hitBy(bank: Bank): string | null {
  const file = `${faultOf(bank)}.fired`;
  return existsSync(file) ? readFileSync(file, "utf8").trim() : null;
}
