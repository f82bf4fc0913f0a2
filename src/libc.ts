// The system's C library, for the few calls that the runtime does not offer.
import { dlopen, type FFIFunction } from "bun:ffi";

const NAMES = ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`];

/** Functions of it by name, or null where it is not Linux or they are not there. */
export function fromLibc<const F extends Record<string, FFIFunction>>(functions: F) {
  if (process.platform !== "linux") return null;
  for (const name of NAMES) {
    try {
      return dlopen(name, functions).symbols;
    } catch {
      // The other library, or none.
    }
  }
  return null;
}
