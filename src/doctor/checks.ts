// doctor's judgement: pure functions from facts to lines, one for each thing that can be wrong. A
// line that is not ok says what to do.
import { authentication, pinKey, secrets, tls } from "./access-checks.ts";
import type { Facts } from "./facts.ts";
import {
  backup,
  configuration,
  database,
  dataDir,
  diskSpace,
  durability,
  flush,
  journalTail,
  permissions,
  sqlite,
} from "./storage-checks.ts";
import { type Check, inDataDir, type Verdict } from "./verdict.ts";
import {
  clock,
  coreDumps,
  findings,
  limits,
  openFiles,
  port,
  sales,
  server,
  timeZone,
} from "./work-checks.ts";

/** In the order they are printed: first what the rest stands on. */
export const CHECKS: readonly (readonly [name: string, check: Check])[] = [
  ["data dir", dataDir],
  ["permissions", inDataDir(permissions)],
  ["configuration", inDataDir(configuration)],
  ["database", inDataDir(database)],
  ["SQLite", sqlite],
  ["durability", durability],
  ["flush", inDataDir(flush)],
  ["disk space", inDataDir(diskSpace)],
  ["journal tail", journalTail],
  ["backup", backup],
  ["PIN key", inDataDir(pinKey)],
  ["secrets", inDataDir(secrets)],
  ["authentication", inDataDir(authentication)],
  ["TLS", inDataDir(tls)],
  ["clock", clock],
  ["time zone", timeZone],
  ["server", inDataDir(server)],
  ["port", inDataDir(port)],
  ["open files", openFiles],
  ["core dumps", coreDumps],
  ["sales", sales],
  ["limits", limits],
  ["findings", findings],
];

export type Line = Verdict & { readonly check: string };

export const judge = (facts: Facts): Line[] =>
  CHECKS.map(([check, judged]) => ({ check, ...judged(facts) }));
