// The library that is preloaded into what writes to the disk: slower flushes, and their number.
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Environment, runProgram } from "./processes.ts";

export type Flushes = {
  /** For the program whose flushes are to be slower. */
  slower(delayUs: number): Environment;
  /** For the program whose flushes are to be counted, and what reads the count. */
  counted(name: string): { readonly env: Environment; read(): number };
};

/** Compiles the library; null where this machine cannot. */
export async function compileFlushes(workDir: string): Promise<Flushes | null> {
  if (process.platform !== "linux") return null;
  const library = join(workDir, "flush.so");
  const source = join(import.meta.dir, "flush.c");
  const command = ["cc", "-shared", "-fPIC", "-O2", "-o", library, source];
  const compiled = await runProgram(command).catch(() => null);
  if (compiled?.code !== 0) return null;
  // PostgreSQL's own user loads it as well.
  chmodSync(library, 0o755);
  const preload = { LD_PRELOAD: library };
  return {
    slower: (delayUs) => ({ ...preload, FLUSH_DELAY_US: String(delayUs) }),
    counted(name) {
      const file = join(workDir, `${name}.flushes`);
      writeFileSync(file, new Uint8Array(8));
      chmodSync(file, 0o666);
      return {
        env: { ...preload, FLUSH_COUNT_FILE: file },
        read: () => Number(readFileSync(file).readBigUInt64LE()),
      };
    },
  };
}
