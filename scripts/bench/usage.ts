// What a program and its children used, as the kernel counts it (/proc): processor, memory, writes.
import { readdirSync, readFileSync } from "node:fs";

export type Usage = {
  readonly cpuSeconds: number;
  /** Caused to be written to the disk, in whole pages: what a flush really moves. */
  readonly writtenBytes: number;
};

/** The kernel counts processor time in hundredths of a second on every system we know. */
const TICKS_A_SECOND = 100;

function read(pid: number | string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    // The process ended meanwhile; its parent has its figures.
    return "";
  }
}

/** The fields after the name, which may hold spaces; the first is the state. */
function statFields(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** The names in a folder of /proc, none on a system that has no such folder. */
function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function withDescendants(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of list("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    parents.set(Number(name), Number(statFields(read(name, "stat"))[1]));
  }
  const family = [pid];
  for (const member of family) {
    for (const [child, parent] of parents) if (parent === member) family.push(child);
  }
  return family;
}

function field(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(text)?.[1] ?? 0);
}

/** Sums what these programs used since they started, with all their descendants. */
export function usageOf(pids: readonly number[]): Usage {
  let ticks = 0;
  let writtenBytes = 0;
  for (const root of pids) {
    for (const pid of withDescendants(root)) {
      const fields = statFields(read(pid, "stat"));
      // Own time, and that of children that ended and were waited for.
      for (const at of [11, 12, 13, 14]) ticks += Number(fields[at] ?? 0);
      writtenBytes += field(read(pid, "io"), "write_bytes");
    }
  }
  return { cpuSeconds: ticks / TICKS_A_SECOND, writtenBytes };
}

/** The most memory that one process ever had resident, in bytes. */
export function peakMemoryOf(pid: number): number {
  return field(read(pid, "status"), "VmHWM") * 1024;
}

/** Processor seconds of each thread, by its name. */
export function threadSecondsOf(pid: number): Map<string, number> {
  const seconds = new Map<string, number>();
  for (const thread of list(`/proc/${pid}/task`)) {
    const stat = read(pid, `task/${thread}/stat`);
    const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
    const fields = statFields(stat);
    const used = (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS_A_SECOND;
    seconds.set(name, (seconds.get(name) ?? 0) + used);
  }
  return seconds;
}
