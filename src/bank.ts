// Opens a bank from its data dir: configuration, keys and store together.
import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { settleSealed } from "./approvals.ts";
import { CONFIG_FILE, type Config, controlledBy, readConfig } from "./config.ts";
import { KEYS_DIR, readDatabasePassword, readPinKey } from "./keys.ts";
import { CannotOpen } from "./storage/cannot-open.ts";
import { readAddress } from "./storage/postgres/address.ts";
import { lockInDatabase, onDatabase, placeOf } from "./storage/postgres/reach.ts";
import { PRUNE_LOCK } from "./storage/postgres/sql.ts";
import { openPostgresStore, type PostgresOptions } from "./storage/postgres/store.ts";
import { type Name, type Named, namesIn } from "./storage/sql/names.ts";
import {
  assertNobodyElses,
  DATABASE_FILE,
  databaseFile,
  lockForPruning,
  openAsItIs,
} from "./storage/sqlite/open.ts";
import { sqlOn } from "./storage/sqlite/sql.ts";
import { openSqliteStore } from "./storage/sqlite/store.ts";
import type { Store, StoreOptions } from "./storage/store.ts";

/** A PostgreSQL database, and by which name this appliance is known in it. */
export type SharedDatabase = Pick<PostgresOptions, "database" | "name">;

export type OpenBank = {
  readonly store: Store;
  /** Null where the database is the data dir's own. */
  readonly shared: SharedDatabase | null;
  readonly config: Config;
  /** What another thread opens the same store with. */
  readonly options: Pick<StoreOptions, "policy" | "pinKey">;
  close(): void;
};

/** True where a folder is a bank's data dir by what stands in it; nothing is opened. */
export function isDataDir(folder: string): boolean {
  const holds = (name: string) => existsSync(join(folder, name));
  // The bank may be in a database elsewhere.
  return holds(DATABASE_FILE) || (holds(CONFIG_FILE) && holds(KEYS_DIR));
}

/** Throws CannotOpen where a data dir holds no bank, or is one that others could exchange. */
export function assertDataDir(dataDir: string, config: Config): void {
  if (config.database === undefined) databaseFile(dataDir);
  else assertNobodyElses(dataDir);
}

/** A few of the bank's names that begin with a text; throws where they cannot be read. */
export function namesOf(dataDir: string, what: Named, prefix: string): Name[] {
  const config = readConfig(dataDir);
  assertDataDir(dataDir, config);
  const shared = sharedDatabaseOf(dataDir, config);
  if (shared !== null) return onDatabase(placeOf(shared), (db) => namesIn(db, what, prefix));
  const file = openAsItIs(dataDir);
  try {
    return namesIn(sqlOn(file), what, prefix);
  } finally {
    file.close();
  }
}

/** Takes the right to prune the bank's receipts; gives the function that lets it go. */
export function lockPruning(dataDir: string): () => void {
  const shared = sharedDatabaseOf(dataDir, readConfig(dataDir));
  if (shared === null) return lockForPruning(dataDir);
  const taken = "receipts are being pruned, here or by another appliance: wait for that";
  return lockInDatabase(placeOf(shared), PRUNE_LOCK, taken);
}

export type OpenHow = {
  readonly serving?: boolean;
  readonly withoutPins?: boolean;
  /** SECRET. Instead of keys/pin.key. */
  readonly pinKey?: Uint8Array;
  readonly dryRun?: boolean;
};

/** By which name a data dir is known among the appliances of a database. */
export const applianceName = (dataDir: string): string => `${hostname()}:${resolve(dataDir)}`;

/** The database that the configuration names beside the data dir, or null. */
export function sharedDatabaseOf(dataDir: string, config: Config): SharedDatabase | null {
  if (config.database === undefined) return null;
  const address = readAddress(config.database);
  const database = { address, password: readDatabasePassword(dataDir) };
  return { database, name: applianceName(dataDir) };
}

/**
 * Opens the bank of a data dir. `serving` leaves flushing to the engine; `withoutPins` serves
 * though the PIN key is missing; `dryRun` undoes each write. Throws CannotOpen, ConfigError or
 * KeyError with what to do.
 */
export function openBank(dataDir: string, how: OpenHow = {}): OpenBank {
  const config = readConfig(dataDir);
  assertDataDir(dataDir, config);
  const pinKey = how.withoutPins === true ? null : (how.pinKey ?? readPinKey(dataDir));
  const serving = how.serving === true;
  const options = {
    policy: { pinPolicy: config.pin_policy, pinMaxTries: config.pin_max_tries },
    pinKey,
  };
  const shared = sharedDatabaseOf(dataDir, config);
  const admin = {
    dualControl: () => controlledBy(readConfig(dataDir)),
    dryRun: how.dryRun === true,
    newUuid: Bun.randomUUIDv7,
    ...options,
  };
  const store =
    shared === null
      ? openSqliteStore(dataDir, { ...admin, serving, now: Date.now })
      : openPostgresStore({ ...admin, ...shared, serving, now: null });
  if (serving && pinKey === null && how.withoutPins !== true) {
    store.close();
    throw new CannotOpen(
      "keys/pin.key is missing: put back the copy you keep of keys/, or serve --without-pins, " +
        "which declines every account that has a PIN",
    );
  }
  if (how.dryRun !== true) settleSealed(dataDir, store);
  return { store, shared, config, options, close: () => store.close() };
}
