// How a process is, as Linux tells it.
import { readdirSync, readFileSync } from "node:fs";

const read = (pid: number, name: string) => readFileSync(`/proc/${pid}/${name}`, "utf8");
/** Linux counts CPU time in hundredths of a second. */
const CLOCK_TICK_MS = 10;

/** The memory of a process, in megabytes. */
export const memoryMb = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(read(pid, "status"))?.[1]) / 1_000;

/** Its open files, connections among them. */
export const openFiles = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

/** The milliseconds of CPU that it has used, in all its threads. */
export function cpuMs(pid: number): number {
  // The name before may hold anything, blanks and brackets too.
  const [, after = ""] = /^.*\) (.*)$/s.exec(read(pid, "stat")) ?? [];
  const fields = after.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * CLOCK_TICK_MS;
}
