// Moves a whole bank from one database to another. The order of the steps is what keeps it safe,
// whatever ends it between two of them:
//
// 1. Under one write, which keeps everybody else from writing: all rows are copied into tables that
//    hold no bank yet, compared, and both sides are verified. Until here the bank is where it was, and
//    whoever was interrupted begins again or goes on.
// 2. The commit of that very write closes the old side: what was compared is what was closed. From
//    here nobody serves.
// 3. One commit makes the copy a bank, with the record of the move. From here it can be served there.
// 4. The data dir is told (place.ts).
//
// So the bank is never open on both sides; and where it is open on neither, the same command goes on.
import { messageOf } from "../../errors.ts";
import { chainStart } from "../chain.ts";
import { bankOf } from "../sql/bank.ts";
import { journalOn } from "../sql/journal.ts";
import { verify } from "../sql/verify.ts";
import type { By, Check } from "../store.ts";
import { compare, copy, type Tell } from "./copy.ts";
import { type Cell, countOf, lastKey } from "./pages.ts";
import {
  type Begun,
  MOVING,
  MoveRefused,
  type Serving,
  type Source,
  type Target,
} from "./sides.ts";
import { BANK_COLUMNS, TABLES } from "./tables.ts";

export type How = {
  /** The command, as the journal says it. */
  readonly act: "migrate-to" | "migrate-from";
  readonly by: By;
  readonly tell: Tell;
  /** The address of the other side: a bank that was closed goes there and nowhere else. */
  readonly to: string;
  /** Copies all again, whatever is there of a move that was not finished. */
  readonly anew: boolean;
  /** Only looks whether it could be done. */
  readonly dryRun: boolean;
};

export type Moved = {
  readonly move: string;
  readonly rows: number;
  /** The journal's record of the move. */
  readonly record: number;
};

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** Names a move: part of the name of a file or a schema. */
function newMove(): string {
  const now = new Date().toISOString().replaceAll(/\W/g, "").slice(0, 15).toLowerCase();
  return `${now}_${hexOf(crypto.getRandomValues(new Uint8Array(4)))}`;
}

/**
 * Tells the state of a bank from that after any write: each one adds a receipt, a refusal or a record
 * of the journal. That the rows are the same is for `compare` to say.
 */
function stateOf({ sql }: Source): string {
  const head = sql.query("SELECT hash FROM journal ORDER BY id DESC LIMIT 1").get();
  const hash = head === null ? "" : hexOf((head as { hash: Uint8Array }).hash);
  return JSON.stringify([hash, TABLES.map((table) => [countOf(sql, table), lastKey(sql, table)])]);
}

const headOf = ({ sql }: Source): number =>
  Number((sql.query("SELECT max(id) AS id FROM journal").get() as { id: number | null }).id ?? 0);

/** Whether the record that finishes a move stands where it must. */
function isFinished({ sql }: Target, move: string, record: number): boolean {
  const row = sql.query("SELECT detail FROM journal WHERE id = ?").get(record);
  return ((row as { detail: string | null } | null)?.detail ?? "").includes(`"move":"${move}"`);
}

/** Refuses to go on where something is off; the first lines say what. */
function refuseOff(what: string, lines: readonly string[], advice: string): void {
  if (lines.length === 0) return;
  throw new MoveRefused(`${what} (${lines.slice(0, 3).join("; ")}): ${advice}`);
}

const problemsOf = (checks: readonly Check[]): string[] =>
  checks.filter(({ ok }) => !ok).flatMap(({ name, problems }) => [name, ...problems]);

/** What the bank is, whose row is written last. */
type BankRow = { readonly cells: readonly Cell[]; readonly serving: Serving };

function bankRowOf(source: Source): BankRow {
  const [cells] = source.sql.query(`SELECT ${BANK_COLUMNS.join(", ")} FROM bank`).values();
  return { cells: cells as Cell[], serving: source.serving() };
}

class Undone extends Error {}

/** The one commit that makes a copy a bank. */
function finish(target: Target, row: BankRow, { act, by, move }: How & { readonly move: string }) {
  const { sql } = target;
  const places = BANK_COLUMNS.map(() => "?").join(", ");
  sql.query(`INSERT INTO bank (${BANK_COLUMNS.join(", ")}) VALUES (${places})`).run(...row.cells);
  target.settle(row.serving);
  sql.query(`DROP TABLE ${MOVING}`).run();
  const detail = JSON.stringify({ move });
  const record = { at: Date.now(), kind: "act", act, detail, by } as const;
  return journalOn(sql, bankOf(sql), () => null).record(record);
}

/** Does the last commit, verifies what comes of it, and undoes it. */
function rehearse(target: Target, row: BankRow, how: How & { readonly move: string }): string[] {
  let problems: string[] = [];
  const inCommit = target.sql.transaction(() => {
    finish(target, row, how);
    problems = problemsOf(verify(target.sql, bankOf(target.sql), target.checks));
    throw new Undone();
  });
  try {
    inCommit.immediate();
  } catch (error) {
    if (!(error instanceof Undone)) throw error;
  }
  return problems;
}

/** Begins the move, or finds it begun; gives its id. */
function beginOn(source: Source, target: Target, anew: boolean): string {
  const found = target.found();
  const bank = hexOf(chainStart(bankOf(source.sql)).hash);
  const state = stateOf(source);
  if (found === "bank") {
    throw new MoveRefused(
      "there is a bank already where this one is to go: name an empty database",
    );
  }
  const begun: Begun = { move: source.closed?.move ?? newMove(), bank, state };
  if (found !== "nothing") {
    if (found.bank !== bank) {
      throw new MoveRefused(
        "another bank was being moved there, and that was not finished: name an empty database",
      );
    }
    const isSame = found.state === state && (source.closed?.move ?? found.move) === found.move;
    if (isSame && !anew) return found.move;
    target.clear();
  }
  target.begin(begun);
  return begun.move;
}

function verifySource(source: Source, tell: Tell): void {
  tell({ step: "verify", table: "the bank as it is", done: 0, total: 1 });
  const problems = problemsOf(verify(source.sql, bankOf(source.sql), source.checks));
  const advice = "nothing was moved; transact-bank verify says all that is off";
  refuseOff("the books are off", problems, advice);
}

/** Everything that is done while nobody else writes. */
function copyAll(source: Source, target: Target, how: How) {
  const move = beginOn(source, target, how.anew);
  const row = bankRowOf(source);
  copy(source, target, how.tell);
  const advice = "the bank is where it was; run the command again with --anew";
  refuseOff("the copy is not the same", compare(source, target, how.tell), advice);
  target.copied();
  how.tell({ step: "verify", table: "the copy", done: 0, total: 1 });
  refuseOff("the books of the copy are off", rehearse(target, row, { ...how, move }), advice);
  return { move, row };
}

const rowsOf = ({ sql }: Source): number =>
  TABLES.reduce((sum, table) => sum + countOf(sql, table), 0);

/**
 * Moves the bank, or goes on where an earlier try was ended. Gives null in a dry run. Throws
 * MoveRefused, with what to do; the bank is then where it was, or at least not open on both sides.
 */
export function moveBank(source: Source, target: Target, how: How): Moved | null {
  const { closed } = source;
  if (closed !== null && closed.to !== how.to) {
    throw new MoveRefused(
      `this bank is on its way to ${closed.to}, and was closed for it: name that`,
    );
  }
  const begun = source.hold(() => {
    const record = headOf(source) + 1;
    const moved = { rows: rowsOf(source), record };
    if (closed !== null && target.found() === "bank" && isFinished(target, closed.move, record)) {
      return { ...moved, move: closed.move, row: null };
    }
    if (how.dryRun) return dryRun(source, target, how);
    if (closed === null) verifySource(source, how.tell);
    const { move, row } = copyAll(source, target, how);
    if (closed === null) source.shut({ move, to: how.to });
    return { ...moved, move, row };
  });
  if (begun === null) return null;
  const { row, ...moved } = begun;
  if (row === null) return moved;
  try {
    target.sql.transaction(() => finish(target, row, { ...how, move: moved.move })).immediate();
  } catch (error) {
    throw new MoveRefused(
      `the last commit was not heard of (${messageOf(error)}): run the same command again`,
    );
  }
  return moved;
}

function dryRun(source: Source, target: Target, { tell }: How): null {
  if (target.found() === "bank") {
    throw new MoveRefused(
      "there is a bank already where this one is to go: name an empty database",
    );
  }
  verifySource(source, tell);
  return null;
}
