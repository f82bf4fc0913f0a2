// What a bank is moved from and to: the same two roles for either engine.

import type { Sql } from "../sql/sql.ts";
import type { EngineCheck } from "../sql/verify.ts";
import type { Pages } from "./pages.ts";

/** A database of a bank, on a connection of its own. */
export type Side = { readonly sql: Sql; readonly pages: Pages };

/** A move cannot be, or did not come out right; the message says what to do, and nothing was lost. */
export class MoveRefused extends Error {}

/** What an unclean end left open, which stays open on the other side. */
export type Serving = {
  readonly serving: number;
  readonly openSince: number | null;
  readonly interruptedSince: number | null;
};

/** A move by its id, and the address that the bank is known by there. */
export type Closed = { readonly move: string; readonly to: string };

/** Where the bank is until it is closed. */
export type Source = Side & {
  /** The move that closed it, and where to; null where it can still be opened. */
  readonly closed: Closed | null;
  readonly checks: readonly EngineCheck[];
  readonly serving: () => Serving;
  /** Runs all of it as one write: nobody else writes meanwhile, and what it changes is one commit. */
  readonly hold: <T>(run: () => T) => T;
  /**
   * Within `hold`: from its commit on nobody opens the bank here any more, and whoever has it open
   * writes nothing. All of it stays readable for whoever moves it.
   */
  readonly shut: (closed: Closed) => void;
  readonly close: () => void;
};

/** A move that was begun: by its id, of which bank, and from what state of it. */
export type Begun = { readonly move: string; readonly bank: string; readonly state: string };

/** Where the bank is from when it is finished: until then there are tables, and no bank in them. */
export type Target = Side & {
  readonly checks: readonly EngineCheck[];
  /** "bank": there is one, perhaps ours. */
  readonly found: () => Begun | "nothing" | "bank";
  readonly begin: (begun: Begun) => void;
  /** Takes away what was begun; call it where `found` gives that alone. */
  readonly clear: () => void;
  /** What follows is a commit that must be durable; and the figures of its planner are up to date. */
  readonly copied: () => void;
  /** Within the last commit: notes what an unclean end left open, and from where ids go on. */
  readonly settle: (serving: Serving) => void;
  readonly close: () => void;
};

/** The table that stands beside the bank's own until a move is finished. */
export const MOVING = "moving";
export const CREATE_MOVING = `CREATE TABLE ${MOVING} (move TEXT NOT NULL, bank TEXT NOT NULL,
  state TEXT NOT NULL)`;
export const NOTE_BEGUN = `INSERT INTO ${MOVING} (move, bank, state) VALUES (?, ?, ?)`;

/** What was begun, or whether there is a bank, in a database that has the tables. */
export function foundIn(sql: Sql, isMoving: boolean): ReturnType<Target["found"]> {
  if (isMoving) return sql.query(`SELECT move, bank, state FROM ${MOVING}`).get() as Begun;
  return sql.query("SELECT 1 AS there FROM bank").get() === null ? "nothing" : "bank";
}
