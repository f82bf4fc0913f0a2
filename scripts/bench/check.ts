// Correctness in the same run: what the clients were told stands in the bank, and its books are
// right. Through the product's own command line, as an operator would look.

import type { History } from "./client.ts";
import { BINARY } from "./contestants.ts";
import { mustRun, runProgram } from "./processes.ts";

const MOST_PROBLEMS = 20;

type Listed = { readonly requestId: string; readonly reference: string; readonly state: string };
type Verified = { readonly checks: readonly { name: string; ok: boolean; problems: string[] }[] };

/** Says what the stopped bank has otherwise than the history; nothing when all is right. */
export async function problemsOf(
  dataDir: string,
  history: History,
  how: { readonly since: Date; readonly verifies: boolean },
): Promise<string[]> {
  const missing = await missingIn(dataDir, history, how.since);
  return [...missing, ...(how.verifies ? await verified(dataDir) : [])];
}

async function verified(dataDir: string): Promise<string[]> {
  const { code, stdout, stderr } = await runProgram([
    ...[BINARY, "verify", "--json", "--data-dir", dataDir],
  ]);
  if (code === 0) return [];
  try {
    const { checks } = JSON.parse(stdout) as Verified;
    return checks.flatMap(({ name, problems }) => problems.map((one) => `${name}: ${one}`));
  } catch {
    return [`verify ended with ${code}: ${stderr.slice(-500)}`];
  }
}

/** Each Success that was told is there, under its reference and in the state that was told. */
async function missingIn(dataDir: string, history: History, since: Date): Promise<string[]> {
  const from = ["--from", since.toISOString()];
  const listed = JSON.parse(
    await mustRun([...[BINARY, "reservations", "list", "--json", "--data-dir", dataDir, ...from]]),
  ) as Listed[];
  const known = new Map(listed.map((reservation) => [reservation.requestId, reservation]));
  const problems = history.reserved.flatMap(({ requestId, reference, state }) => {
    const kept = known.get(requestId);
    if (kept === undefined) return [`${requestId}: told Success, and is not in the bank`];
    if (kept.reference === reference && kept.state === state) return [];
    return [`${requestId}: told ${reference} ${state}, and it is ${kept.reference} ${kept.state}`];
  });
  return problems.slice(0, MOST_PROBLEMS);
}
