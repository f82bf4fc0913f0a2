// doctor's judgement: pure functions from facts to lines, one for each thing that can be wrong. A
// line that is not ok says what to do.
import { authentication, pinKey, secrets, tls } from "./access-checks.ts";
import type { Facts } from "./facts.ts";
import * as shared from "./shared-checks.ts";
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

/** Of a bank in its data dir alone, or in a database that is shared; else of both. */
type Where = "own" | "shared";

/** In the order they are printed: first what the rest stands on. */
export const CHECKS: readonly (readonly [name: string, check: Check, where?: Where])[] = [
  ["data dir", dataDir],
  ["permissions", inDataDir(permissions)],
  ["configuration", inDataDir(configuration)],
  ["database", inDataDir(database)],
  ["SQLite", sqlite, "own"],
  ["durability", durability, "own"],
  ["PostgreSQL", shared.server, "shared"],
  ["commits", shared.commits, "shared"],
  ["standby", shared.standby, "shared"],
  ["role", shared.role, "shared"],
  ["connection", shared.connection, "shared"],
  ["database clock", shared.databaseClock, "shared"],
  ["appliances", shared.appliances, "shared"],
  ["dual control", shared.dualControl, "shared"],
  ["flush", inDataDir(flush)],
  ["disk space", inDataDir(diskSpace)],
  ["journal tail", journalTail],
  ["backup", backup, "own"],
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

export function judge(facts: Facts): Line[] {
  const isShared = facts.config.ok && facts.config.value.database !== undefined;
  const where: Where = isShared ? "shared" : "own";
  const here = CHECKS.filter(([, , of = where]) => of === where);
  return here.map(([check, judged]) => ({ check, ...judged(facts) }));
}
