// Medians over the rounds, their spread, and ratios of what was measured side by side.
import type { Measured } from "./measure.ts";
import type { Case, Group } from "./plan.ts";

export type Sample = {
  readonly round: number;
  /** More than 1 where the machine stood still while it was measured. */
  readonly tries: number;
  readonly measured: Measured;
};
export type CaseResult = { readonly case: Case; readonly samples: readonly Sample[] };
export type GroupResult = {
  readonly part: Group["part"];
  readonly name: string;
  readonly cases: readonly CaseResult[];
};

export type Spread = { readonly median: number; readonly least: number; readonly most: number };

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(middle) - 1] ?? 0, sorted[Math.floor(middle)] ?? 0];
  return (low + high) / 2;
}

export function spreadOf(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}

export function findCase(
  groups: readonly GroupResult[],
  group: string,
  name: string,
): CaseResult | null {
  const found = groups.find((one) => one.name === group);
  return found?.cases.find((one) => one.case.name === name) ?? null;
}

/** A figure of one case over the rounds; null where it was not measured. */
export function spread(
  result: CaseResult | null,
  figure: (measured: Measured) => number | null,
): Spread | null {
  const values = (result?.samples ?? []).map(({ measured }) => figure(measured));
  return spreadOf(values.filter((value) => value !== null));
}

/** The ratio of two cases in each round, so that a slow minute counts for both or for none. */
export function ratio(
  above: CaseResult | null,
  below: CaseResult | null,
  figure: (measured: Measured) => number,
): Spread | null {
  const ratios = (above?.samples ?? []).flatMap(({ round, measured }) => {
    const other = below?.samples.find((sample) => sample.round === round);
    const divisor = other === undefined ? 0 : figure(other.measured);
    return divisor > 0 ? [figure(measured) / divisor] : [];
  });
  return spreadOf(ratios);
}
