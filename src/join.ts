// Makes the data dir of a further appliance of a bank in a shared database: the keys of the first one,
// the database's address and password. Its configuration comes last: without it there is no data dir.
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { applianceName } from "./bank.ts";
import { CONFIG_FILE, type Listen, newConfigText } from "./config.ts";
import type { ControlledKind } from "./domain/dual-control.ts";
import { makeFolderDurably, writeFileDurably } from "./files.ts";
import { assertVacant } from "./init.ts";
import type { KeyExport } from "./key-export.ts";
import { pinKeyIn, writeDatabasePassword, writeKeyTexts } from "./keys.ts";
import { CannotOpen } from "./storage/cannot-open.ts";
import { pinKeyCheck } from "./storage/pins.ts";
import { readAddress } from "./storage/postgres/address.ts";
import { assertNewest } from "./storage/postgres/migrate.ts";
import { onDatabase, type Place } from "./storage/postgres/reach.ts";
import { openPostgresStore } from "./storage/postgres/store.ts";
import { bankOf } from "./storage/sql/bank.ts";
import type { Sql } from "./storage/sql/sql.ts";
import type { Bank, By } from "./storage/store.ts";

export type Joining = {
  readonly dataDir: string;
  /** What stands in config.toml. */
  readonly database: string;
  /** SECRET. Null where the role needs none. */
  readonly password: string | null;
  readonly exported: Pick<KeyExport, "bankCode" | "keys">;
  readonly listen: Listen | null;
};

export type Joined = {
  readonly bank: Bank;
  /** What is under dual control in the bank, and so in the new configuration. */
  readonly dualControl: readonly ControlledKind[];
  readonly requireSignature: boolean;
};

function readJoined(db: Sql, exported: Joining["exported"]): Omit<Joined, "requireSignature"> {
  assertNewest(db);
  const bank = bankOf(db);
  if (bank.code !== exported.bankCode) {
    throw new CannotOpen(
      `the export holds the keys of bank ${exported.bankCode}, the database has bank ${bank.code}`,
    );
  }
  const row = db.query("SELECT pin_key_check AS known, dual_control AS kinds FROM bank").get() as {
    known: string | null;
    kinds: string;
  };
  if (row.known !== null && row.known !== pinKeyCheck(pinKeyIn(exported.keys))) {
    throw new CannotOpen(
      "the export's pin.key is not the one that the bank's PINs were hashed with",
    );
  }
  return { bank, dualControl: JSON.parse(row.kinds) as ControlledKind[] };
}

/**
 * Makes the data dir, and notes it in the journal first. Throws CannotOpen where the folder holds
 * something, the database no bank or another one's, or the keys are not this bank's.
 */
export function joinBank(joining: Joining, by: By, dryRun: boolean): Joined {
  const { dataDir, database, password, exported, listen } = joining;
  assertVacant(dataDir);
  const address = readAddress(database);
  const from = { from: "the address", passwordFrom: "--database-password-file" };
  const place: Place = { address, password, name: "transact-bank join", ...from };
  const joined = onDatabase(place, (db) => readJoined(db, exported));
  const requireSignature = exported.keys["signature.json"] !== undefined;
  noteJoin(joining, by, dryRun);
  if (!dryRun) {
    makeFolderDurably(dataDir);
    chmodSync(dataDir, 0o700);
    writeKeyTexts(dataDir, exported.keys);
    if (password !== null) writeDatabasePassword(dataDir, password);
    const { dualControl } = joined;
    const more = listen === null ? {} : { listen };
    const text = newConfigText({ requireSignature, database, dualControl, ...more });
    writeFileDurably(join(dataDir, CONFIG_FILE), text);
  }
  return { ...joined, requireSignature };
}

function noteJoin({ dataDir, database, password, exported }: Joining, by: By, dryRun: boolean) {
  const name = applianceName(dataDir);
  const store = openPostgresStore({
    database: { address: readAddress(database), password },
    name,
    serving: false,
    dryRun,
    now: null,
    newUuid: Bun.randomUUIDv7,
    policy: { pinPolicy: "if-set", pinMaxTries: 3 },
    pinKey: pinKeyIn(exported.keys),
  });
  try {
    const noted = store.recordAct(by, "join", JSON.stringify({ appliance: name }));
    if (!noted.ok) throw new CannotOpen(noted.refusal.message);
  } finally {
    store.close();
  }
}
