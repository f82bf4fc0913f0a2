// On what it was measured: without this no figure means anything to the next person.
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { postgresVersion } from "./postgres.ts";
import { runProgram } from "./processes.ts";
import { median } from "./stats.ts";

export type Machine = {
  readonly date: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly fileSystem: string;
  /** Milliseconds of one append of 4 KiB and its fdatasync: the median, and the slowest of 100. */
  readonly flushMs: number;
  readonly slowFlushMs: number;
  readonly commit: string;
  readonly versions: Readonly<Record<string, string>>;
};

const FLUSHES = 300;
const PAGE = 4096;

/** What a flush costs on the disk that the banks are on. */
function flushLatencies(dir: string): number[] {
  const file = join(dir, "flush-latency");
  const descriptor = openSync(file, "w");
  const page = new Uint8Array(PAGE);
  const latencies = Array.from({ length: FLUSHES }, () => {
    const fromMs = performance.now();
    writeSync(descriptor, page);
    fdatasyncSync(descriptor);
    return performance.now() - fromMs;
  });
  closeSync(descriptor);
  rmSync(file);
  return latencies.sort((a, b) => a - b);
}

async function said(command: readonly string[]): Promise<string> {
  const ran = await runProgram(command).catch(() => null);
  return ran?.code === 0 ? ran.stdout.trim() : "unknown";
}

export async function describeMachine(workDir: string): Promise<Machine> {
  const latencies = flushLatencies(workDir);
  const round = (ms: number) => Number(ms.toFixed(3));
  const postgres = await postgresVersion();
  return {
    date: new Date().toISOString().slice(0, 10),
    processor: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    fileSystem: await said(["findmnt", "-n", "-o", "FSTYPE", "-T", workDir]),
    flushMs: round(median(latencies)),
    slowFlushMs: round(latencies[Math.floor(FLUSHES * 0.99)] ?? 0),
    commit: await said(["git", "-C", import.meta.dir, "describe", "--always", "--dirty"]),
    versions: {
      Bun: Bun.version,
      "Node.js": (await said(["node", "--version"])).replace(/^v/, ""),
      ...(postgres === null ? {} : { PostgreSQL: postgres }),
    },
  };
}
