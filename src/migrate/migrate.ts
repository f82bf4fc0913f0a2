// The two commands: a bank from the data dir's own database to one that several appliances share, and
// back.
import { applianceName, openBank, sharedDatabaseOf } from "../bank.ts";
import { readConfig } from "../config.ts";
import { ownerPlace, type SharedPlace } from "../init.ts";
import { writeDatabasePassword } from "../keys.ts";
import { type How, type Moved, moveBank } from "../storage/move/move.ts";
import { MoveRefused } from "../storage/move/sides.ts";
import { readAddress } from "../storage/postgres/address.ts";
import { postgresSource, postgresTarget } from "../storage/postgres/move.ts";
import { movedBy, sqliteSource, sqliteTarget } from "../storage/sqlite/move.ts";
import {
  lockForBackup,
  lockForPruning,
  lockForServing,
  lockShared,
} from "../storage/sqlite/open.ts";
import { changeConfig, setAside, withDatabase, withoutDatabase } from "./place.ts";

export type MoveHow = Omit<How, "act" | "to">;

/** What was done; null in a dry run. `leftBehind`: what the old database is called now. */
export type Done = Moved & { readonly leftBehind: string };

/** Runs with several locks, and lets them go in the end. */
function locked<T>(locks: readonly (() => () => void)[], run: () => T): T {
  const [first, ...rest] = locks;
  if (first === undefined) return run();
  const unlock = first();
  try {
    return locked(rest, run);
  } finally {
    unlock();
  }
}

/**
 * Moves the bank of a data dir to a PostgreSQL database, or goes on where that was ended. Throws
 * MoveRefused, CannotOpen, ConfigError with what to do.
 */
export function migrateTo(dataDir: string, place: SharedPlace, how: MoveHow): Done | null {
  const { database } = readConfig(dataDir);
  if (database !== undefined) {
    const move = movedBy(dataDir);
    if (move === null) {
      throw new MoveRefused("config.toml names a database: the bank of this data dir is there");
    }
    return finishPlacing(dataDir, move);
  }
  const address = readAddress(place.database);
  const locks = [lockForServing, lockForBackup, lockForPruning].map((lock) => () => lock(dataDir));
  return locked(locks, () => {
    const target = postgresTarget({
      owner: ownerPlace(place),
      servingRole: address.user,
      name: applianceName(dataDir),
    });
    try {
      const source = sqliteSource(dataDir);
      try {
        const moved = moveBank(source, target, { ...how, act: "migrate-to", to: place.database });
        if (moved === null) return null;
        source.gather();
        source.close();
        if (place.password !== null) writeDatabasePassword(dataDir, place.password);
        changeConfig(dataDir, (text) => withDatabase(text, place.database));
        return { ...moved, leftBehind: setAside(dataDir, moved.move) };
      } finally {
        source.close();
      }
    } finally {
      target.close();
    }
  });
}

/** What was killed when config.toml named the new database already. */
function finishPlacing(dataDir: string, move: string): Done {
  return locked([() => lockShared(dataDir)], () => {
    const leftBehind = setAside(dataDir, move);
    const { store, close } = openBank(dataDir);
    try {
      const record = store.journalHead().id;
      return { move, rows: 0, record, leftBehind };
    } finally {
      close();
    }
  });
}

const OWNER = {
  name: "transact-bank migrate-from",
  from: "--database-owner",
  passwordFrom: "--database-owner-password-file",
};

/**
 * Moves the bank of a shared database into the data dir, or goes on where that was ended. `owner`: the
 * role that owns its tables. Throws as `migrateTo` does.
 */
export function migrateFrom(
  dataDir: string,
  owner: SharedPlace["owner"] | null,
  how: MoveHow,
): Done | null {
  const config = readConfig(dataDir);
  const shared = sharedDatabaseOf(dataDir, config);
  if (shared === null) {
    throw new MoveRefused("config.toml names no database: the bank is in this data dir already");
  }
  return locked([() => lockShared(dataDir)], () => {
    const left = movedBy(dataDir);
    if (left !== null && !how.dryRun) setAside(dataDir, left);
    const target = sqliteTarget(dataDir);
    try {
      const source = postgresSource({ ...OWNER, ...(owner ?? shared.database) }, target.move());
      try {
        const moved = moveBank(source, target, { ...how, act: "migrate-from", to: "" });
        if (moved === null) return null;
        target.place();
        changeConfig(dataDir, withoutDatabase);
        return { ...moved, leftBehind: `transact_bank_moved_${moved.move}` };
      } finally {
        source.close();
      }
    } finally {
      target.close();
    }
  });
}
