// Opens a bank from its data dir: configuration, keys and store together.
import { settleSealed } from "./approvals.ts";
import { type Config, controlledBy, readConfig } from "./config.ts";
import { readPinKey } from "./keys.ts";
import { CannotOpen } from "./storage/sqlite/open.ts";
import { openSqliteStore, type SqliteStore } from "./storage/sqlite/store.ts";
import type { StoreOptions } from "./storage/store.ts";

export type OpenBank = {
  readonly store: SqliteStore;
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
  const store = openSqliteStore(dataDir, {
    serving,
    dualControl: () => controlledBy(readConfig(dataDir)),
    dryRun: how.dryRun === true,
    now: Date.now,
    newUuid: Bun.randomUUIDv7,
    ...options,
  });
  if (serving && pinKey === null && how.withoutPins !== true) {
    store.close();
    throw new CannotOpen(
      "keys/pin.key is missing: put back the copy you keep of keys/, or serve --without-pins, " +
        "which declines every account that has a PIN",
    );
  }
  if (how.dryRun !== true) settleSealed(dataDir, store);
  return { store, config, options, close: () => store.close() };
}
