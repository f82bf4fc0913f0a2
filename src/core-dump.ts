// A core dump would hold PINs and keys in clear, wherever the system writes it.
import { fromLibc } from "./libc.ts";

/** PR_GET_DUMPABLE and PR_SET_DUMPABLE of <linux/prctl.h>. */
const GET_DUMPABLE = 3;
const SET_DUMPABLE = 4;

/** Calls prctl with an option and a 0; null where the system has none (SECURITY.md). */
function prctl(option: number): number | null {
  const prctl = { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" } as const;
  return fromLibc({ prctl })?.prctl(option, 0n, 0n, 0n, 0n) ?? null;
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
