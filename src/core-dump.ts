// A core dump would hold PINs and keys in clear, wherever the system writes it.
import { dlopen } from "bun:ffi";

/** PR_GET_DUMPABLE and PR_SET_DUMPABLE of <linux/prctl.h>. */
const GET_DUMPABLE = 3;
const SET_DUMPABLE = 4;
const C_LIBRARIES = [
  "libc.so.6",
  `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`,
];

/** Calls prctl with an option and a 0; null where the system has none. */
function prctl(option: number): number | null {
  if (process.platform !== "linux") return null;
  for (const library of C_LIBRARIES) {
    try {
      const prctl = { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" } as const;
      return dlopen(library, { prctl }).symbols.prctl(option, 0n, 0n, 0n, 0n);
    } catch {
      // The other library, or a system whose limits alone decide (SECURITY.md).
    }
  }
  return null;
}

/**
 * Lets a crash of this process leave no core, whatever limit and handler the system has, and keeps
 * other processes of the same user from reading its memory. Does nothing where it is not Linux.
 */
export function leaveNoCore(): void {
  prctl(SET_DUMPABLE);
}

/** False where a crash of this process leaves no core. */
export const isDumpable = (): boolean => prctl(GET_DUMPABLE) !== 0;
