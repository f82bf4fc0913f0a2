// Opens a bank from its data dir: configuration, keys and store together.
import { hostname } from "node:os";
import { resolve } from "node:path";
import { settleSealed } from "./approvals.ts";
import { type Config, controlledBy, readConfig } from "./config.ts";
import { readDatabasePassword, readPinKey } from "./keys.ts";
import { CannotOpen } from "./storage/cannot-open.ts";
import { readAddress } from "./storage/postgres/address.ts";
import { openPostgresStore, type PostgresOptions } from "./storage/postgres/store.ts";
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

export type OpenHow = {
  readonly serving?: boolean;
  readonly withoutPins?: boolean;
  readonly dryRun?: boolean;
};

/** The database that the configuration names beside the data dir, or null. */
export function sharedDatabaseOf(dataDir: string, config: Config): SharedDatabase | null {
  if (config.database === undefined) return null;
  const address = readAddress(config.database);
  const database = { address, password: readDatabasePassword(dataDir) };
  return { database, name: `${hostname()}:${resolve(dataDir)}` };
}

/**
 * Opens the bank of a data dir. `serving` leaves flushing to the engine; `withoutPins` serves
 * though the PIN key is missing; `dryRun` undoes each write. Throws CannotOpen, ConfigError or
 * KeyError with what to do.
 */
export function openBank(dataDir: string, how: OpenHow = {}): OpenBank {
  const config = readConfig(dataDir);
  const pinKey = how.withoutPins === true ? null : readPinKey(dataDir);
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
      : openPostgresStore({ ...admin, ...shared, now: null });
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
