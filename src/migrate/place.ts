// The data dir's part of a move: which database its config.toml names, and where its own is.
import { existsSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { CONFIG_FILE, parseConfig } from "../config.ts";
import { syncFolder, writeFileDurably } from "../files.ts";
import { MoveRefused } from "../storage/move/sides.ts";
import { DATABASE_FILE } from "../storage/sqlite/open.ts";

const EXAMPLE_LINE = /^# *database = .*$/m;
const LINE = /^[ \t]*(?:database|"database"|'database')[ \t]*=.*$/m;
const FIRST_TABLE = /^[ \t]*\[/m;

/** A text without its database, and that; null where it is no configuration. */
function parted(text: string) {
  try {
    const { database, ...rest } = parseConfig(text);
    return { database, rest };
  } catch {
    return null;
  }
}

/** Whatever the change was made in, it must be of this one key, and nothing else may have changed. */
function assertOnly(before: string, after: string, database: string | undefined): string {
  const now = parted(after);
  const isSame = isDeepStrictEqual(now?.rest, parted(before)?.rest);
  if (now !== null && now.database === database && isSame) return after;
  const line =
    database === undefined ? "take database out of it" : `write database = "${database}" into it`;
  throw new MoveRefused(
    `${CONFIG_FILE} is written in a way that a program cannot change: ${line} by hand, and then run ` +
      "the same command again",
  );
}

/** The text of config.toml with the database in it: in the place of the example, or as first line. */
export function withDatabase(text: string, database: string): string {
  const line = `database = ${JSON.stringify(database)}`;
  const before = text.split(FIRST_TABLE, 1)[0] ?? "";
  const after = EXAMPLE_LINE.test(before)
    ? text.replace(EXAMPLE_LINE, () => line)
    : `${line}\n${text}`;
  return assertOnly(text, after, database);
}

/** The text of config.toml with the line of the database as a comment. */
export function withoutDatabase(text: string): string {
  return assertOnly(
    text,
    text.replace(LINE, (line) => `# ${line.trimStart()}`),
    undefined,
  );
}

/** Changes config.toml whole or not at all. */
export function changeConfig(dataDir: string, change: (text: string) => string): void {
  const file = join(dataDir, CONFIG_FILE);
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  const changed = change(text);
  if (changed !== text) writeFileDurably(file, changed);
}

/** What the database of a data dir is called once its bank was moved away. */
export const movedFile = (move: string): string => `moved-${move}.db`;

/**
 * Renames the database of a data dir whose bank was moved away, all of which is in the file itself;
 * gives its new name.
 */
export function setAside(dataDir: string, move: string): string {
  const name = movedFile(move);
  for (const end of ["", "-wal", "-shm"]) {
    const file = join(dataDir, `${DATABASE_FILE}${end}`);
    if (existsSync(file)) renameSync(file, join(dataDir, `${name}${end}`));
  }
  syncFolder(dataDir);
  return name;
}
