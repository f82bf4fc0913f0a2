// The grown banks: each is made out of the next smaller one, once, and kept for every round.
import { join } from "node:path";
import { seedBank } from "./contestants.ts";
import { copyFolder, type Folders } from "./folders.ts";
import type { Options } from "./options.ts";
import { mustRun } from "./processes.ts";

/** Gives the template of a bank with that many ended reservations. */
export function grownBank(
  reservations: number,
  options: Pick<Options, "growth" | "growthAccounts">,
  folders: Folders,
): Promise<string> {
  const { growth, growthAccounts } = options;
  const smaller = growth.filter((size) => size < reservations).sort((a, b) => b - a)[0];
  return folders.template(`grown-${reservations}-${growthAccounts}`, async (dir) => {
    if (smaller === undefined) await seedBank(dir, growthAccounts, null);
    else await copyFolder(await grownBank(smaller, options, folders), dir);
    console.error(`growing a bank to ${reservations} reservations ...`);
    const grow = join(import.meta.dir, "grow.ts");
    const numbers = [smaller ?? 0, reservations, growthAccounts].map(String);
    await mustRun([process.execPath, grow, dir, ...numbers], { showsErrors: true });
  });
}
