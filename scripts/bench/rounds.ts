// Runs the groups round by round, each in rotating order.
import { type Context, type Measured, measure } from "./measure.ts";
import type { Case, Group } from "./plan.ts";
import { type Tell, whileSteady } from "./stalls.ts";
import type { GroupResult, Sample } from "./stats.ts";

function rotated<T>(list: readonly T[], by: number): T[] {
  const at = list.length === 0 ? 0 : by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}

function lineOf(one: Case, { perSecond, p99, wrong, loadCores }: Measured): string {
  const trouble = wrong.length > 0 ? `, WRONG: ${wrong[0]}` : "";
  return `  ${one.name}: ${perSecond}/s, p99 ${p99} ms, load ${loadCores} cores${trouble}`;
}

/** Measures every case of the groups in each round; what was wrong stands in the samples. */
export async function runRounds(
  groups: readonly Group[],
  context: Context,
  tell: Tell,
): Promise<GroupResult[]> {
  const samples = new Map<Case, Sample[]>();
  const rounds = Math.max(0, ...groups.map((group) => group.rounds));
  for (let round = 0; round < rounds; round += 1) {
    for (const group of groups) {
      if (round >= group.rounds) continue;
      tell(`round ${round + 1} of ${group.rounds}: ${group.name}`);
      for (const one of rotated(group.cases, round)) {
        const { value: measured, tries } = await whileSteady(
          one.name,
          (watched) => measure(one, round, { ...context, watched }),
          tell,
        );
        tell(lineOf(one, measured));
        samples.set(one, [...(samples.get(one) ?? []), { round, tries, measured }]);
      }
    }
  }
  return groups.map(({ part, name, cases }) => ({
    part,
    name,
    cases: cases.map((one) => ({ case: one, samples: samples.get(one) ?? [] })),
  }));
}
