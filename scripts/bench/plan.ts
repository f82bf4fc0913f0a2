// What is measured beside what. The cases of one group run one after another in each round, in an
// order that rotates, so that whatever disturbs the machine disturbs all of them.
import { contestant } from "./contestants.ts";
import type { ContestantName, Options, Part } from "./options.ts";

export type Case = {
  /** Unique in its group. */
  readonly name: string;
  readonly contestant: ContestantName;
  readonly connections: number;
  /** Operations a second at fixed times; null: each client sends when it is answered. */
  readonly rate: number | null;
  readonly isHot: boolean;
  readonly isSigned: boolean;
  /** Microseconds added to each flush. */
  readonly delayUs: number;
  /** True in the run that counts flushes, which the library for it makes a little slower. */
  readonly isCounted: boolean;
  /** Reservations that the bank holds at the start; null: the small bank, without any. */
  readonly reservations: number | null;
};

export type Group = {
  readonly part: Part;
  /** Unique; the report finds its figures by it. */
  readonly name: string;
  readonly rounds: number;
  readonly cases: readonly Case[];
};

/** Everybody is compared at so many connections. */
export const MANY = 64;
export const CONNECTIONS = [1, 16, MANY, 256] as const;
/** In the short form there is only this. */
const SHORT_CONNECTIONS = 8;

const PLAIN = { rate: null, isHot: false, isSigned: false, delayUs: 0, isCounted: false } as const;

/** Those that keep what they answer; the limit does not. */
const DURABLE: readonly ContestantName[] = [
  "ours",
  "one-by-one",
  "fastify-better-sqlite3",
  "fastify-pg",
  "express-pg",
  "pgbench",
];

export type Planner = { readonly options: Options; readonly available: readonly ContestantName[] };

export const closedGroup = (connections: number) => `closed loop, ${connections} connections`;
export const arrivalsGroup = (connections: number) => `half load, ${connections} connections`;
export const diskGroup = (delayUs: number) => `flushes slower by ${delayUs / 1000} ms`;
export const HOT = "one hot account";
export const SIGNED = "signed";
export const COUNTS = "counts";
export const GROWTH = "growth";
export const grownCase = (reservations: number) => `${reservations} reservations`;

/** The connections at which all contestants are compared. */
export const manyOf = ({ short }: Pick<Options, "short">): number =>
  short ? SHORT_CONNECTIONS : MANY;

function group(
  { options, available }: Planner,
  part: Part,
  name: string,
  contestants: readonly ContestantName[],
  how: Partial<Case>,
): Group {
  const connections = how.connections ?? manyOf(options);
  const taking = contestants
    .filter((name) => available.includes(name))
    .filter((name) => connections <= (contestant(name).mostConnections ?? connections));
  // To see that it works, one contestant in each special situation is enough.
  const cases = options.short && part !== "connections" ? taking.slice(0, 1) : taking;
  return {
    part,
    name,
    rounds: part === "counts" ? 1 : options.rounds,
    cases: cases.map((name) => ({
      ...PLAIN,
      name,
      contestant: name,
      connections,
      reservations: null,
      ...how,
    })),
  };
}

/** Closed loop; every other rate follows from what these say. */
export function closedGroups(planner: Planner): Group[] {
  const { options } = planner;
  const all: readonly ContestantName[] = ["ours", "limit", ...DURABLE.slice(1)];
  const connections = options.short ? [SHORT_CONNECTIONS] : CONNECTIONS;
  const groups = [
    ...connections.map((count) =>
      group(planner, "connections", closedGroup(count), all, { connections: count }),
    ),
    ...(options.short ? [] : [group(planner, "hot", HOT, DURABLE, { isHot: true })]),
    // pgbench sends no bodies that could be signed.
    group(planner, "signed", SIGNED, all.slice(0, -1), { isSigned: true }),
    ...(options.short ? [1_000] : [1_000, 5_000]).map((delayUs) =>
      group(planner, "disks", diskGroup(delayUs), DURABLE, { delayUs }),
    ),
    group(planner, "counts", COUNTS, DURABLE, { isCounted: true }),
  ];
  return groups.filter(({ part, cases }) => options.parts.includes(part) && cases.length > 0);
}

/** Half of what each one managed in closed loop, at fixed times. */
export function arrivalGroups(
  planner: Planner,
  closedRate: (contestant: ContestantName, connections: number) => number | null,
): Group[] {
  const { options } = planner;
  if (!options.parts.includes("arrivals")) return [];
  const connections = options.short ? [SHORT_CONNECTIONS] : CONNECTIONS;
  return connections
    .map((count) => {
      // The peers show what the same load factor means to them, once.
      const contestants = count === MANY ? DURABLE.slice(0, -1) : DURABLE.slice(0, 1);
      const of = group(planner, "arrivals", arrivalsGroup(count), contestants, {
        connections: count,
      });
      const cases = of.cases.flatMap((one) => {
        const rate = closedRate(one.contestant, count);
        return rate === null ? [] : [{ ...one, rate: Math.max(1, Math.round(rate / 2)) }];
      });
      return { ...of, cases };
    })
    .filter(({ cases }) => cases.length > 0);
}

/** The same bank with more and more in it; its cases are the sizes. */
export function growthGroups({ options, available }: Planner): Group[] {
  if (!options.parts.includes("growth") || !available.includes("ours")) return [];
  const cases = options.growth.map((reservations) => ({
    ...PLAIN,
    name: grownCase(reservations),
    contestant: "ours" as const,
    connections: manyOf(options),
    reservations,
  }));
  return [{ part: "growth", name: GROWTH, rounds: options.rounds, cases }];
}
