// A core dump would hold PINs and keys in clear, wherever the system writes it.
import { dlopen } from "bun:ffi";

/** PR_SET_DUMPABLE of <linux/prctl.h>. */
const SET_DUMPABLE = 4;
const C_LIBRARIES = [
  "libc.so.6",
  `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`,
];

/**
 * Lets a crash of this process leave no core, whatever limit and handler the system has, and keeps
 * other processes of the same user from reading its memory. Does nothing where it is not Linux.
 */
export function leaveNoCore(): void {
  if (process.platform !== "linux") return;
  for (const library of C_LIBRARIES) {
    try {
      const prctl = { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" } as const;
      dlopen(library, { prctl }).symbols.prctl(SET_DUMPABLE, 0n, 0n, 0n, 0n);
      return;
    } catch {
      // The other library, or a system whose limits alone decide (SECURITY.md).
    }
  }
}
