// What a judgement is, and the words that all of them are made of.
import { quoted } from "../printable.ts";
import type { Facts, Inspection } from "./facts.ts";

export type State = "ok" | "warning" | "FAIL";

/** What is judged of one thing. The remedy is null where it is well, and where it is not checked. */
export type Verdict = {
  readonly state: State;
  readonly found: string;
  readonly remedy: string | null;
};

export const ok = (found: string): Verdict => ({ state: "ok", found, remedy: null });
export const warning = (found: string, remedy: string): Verdict => ({
  state: "warning",
  found,
  remedy,
});
export const fail = (found: string, remedy: string): Verdict => ({ state: "FAIL", found, remedy });

export type Check = (facts: Facts) => Verdict;
export type Folder = NonNullable<Facts["folder"]>;

/** What cannot be judged because something else is wrong, which has a line of its own. */
export const unknown = (what: string): Verdict => ({
  state: "warning",
  found: `not checked: mend the ${what} first`,
  remedy: null,
});

/** A check of what stands in the data dir, where that can be used. */
export const inDataDir =
  (check: (facts: Facts, folder: Folder) => Verdict): Check =>
  (facts) =>
    facts.folder?.usable === true ? check(facts, facts.folder) : unknown("data dir");

/** A check of what stands in the database. */
export const ofDatabase = (check: (inspection: Inspection, facts: Facts) => Verdict): Check =>
  inDataDir((facts) =>
    facts.database.ok ? check(facts.database.value, facts) : unknown("database"),
  );

/** A command of this program on this bank, as it is typed. */
export const command = ({ dataDir }: Pick<Facts, "dataDir">, line: string): string =>
  `transact-bank ${line} --data-dir ${quoted(dataDir)}`;

export const several = (lines: readonly string[], most = 3): string =>
  lines.slice(0, most).join("; ") +
  (lines.length > most ? `; and ${lines.length - most} more` : "");
