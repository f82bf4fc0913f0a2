// Makes a new bank in a data dir: keys and configuration first, the database last, so that what a
// killed init left is not a bank yet and the next init takes it over.
import { chmodSync, existsSync, readdirSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import { code as currencyOf } from "currency-codes";
import { isSupportedCountry } from "libphonenumber-js/max";
import { sharedDatabaseOf } from "./bank.ts";
import { CONFIG_FILE, DEFAULT_CONFIG, type Listen, newConfigText, readConfig } from "./config.ts";
import { isBankCode } from "./domain/identifiers.ts";
import { isTimeZone } from "./domain/local-time.ts";
import { isOwnFile, makeFolderDurably, writeFileDurably } from "./files.ts";
import { createKeys, writeDatabasePassword, writeHandover, writeSecret } from "./keys.ts";
import { CannotOpen } from "./storage/cannot-open.ts";
import { pinKeyCheck } from "./storage/pins.ts";
import { type Address, readAddress } from "./storage/postgres/address.ts";
import { assertEmptyDatabase, createSharedBank, versionOf } from "./storage/postgres/migrate.ts";
import { identityOf, onDatabase, type Place, placeOf } from "./storage/postgres/reach.ts";
import { inspect } from "./storage/sqlite/inspect.ts";
import { assertNoBank, createDatabase } from "./storage/sqlite/open.ts";
import type { BankIdentity } from "./storage/store.ts";

/** How many decimals ISO 4217 gives a currency, or null where it has no such currency. */
export function isoMinorDigits(currency: string): number | null {
  return currencyOf(currency)?.digits ?? null;
}

/** Reads "127.0.0.1:8080", "[::1]:8080" or a port alone; null where it is none of them. */
export function readListen(text: string): Listen | null {
  const match = /^(?:(?:\[([^\]]+)\]|([^:]+)):)?(\d{1,5})$/.exec(text.trim());
  if (match === null) return null;
  const [, six, four, digits] = match;
  const host = six ?? four ?? DEFAULT_CONFIG.host;
  const port = Number(digits);
  const isAddress = six === undefined ? isIP(host) === 4 || host === "localhost" : isIP(six) === 6;
  return isAddress && port <= 65_535 ? { host, port } : null;
}

/** True where a folder has a bank in it; what a killed init left is none. */
export function isBankThere(dataDir: string): boolean {
  try {
    if (sharedDatabaseOf(dataDir, readConfig(dataDir)) !== null) return true;
    inspect(dataDir, 0);
    return true;
  } catch {
    return false;
  }
}

/** The rules of what init asks for: each takes the text, gives what is wrong with it or null. */
export const INIT_RULES = {
  bankCode: (text: string) => (isBankCode(text) ? null : "2 to 16 capital letters and digits"),
  currency: (text: string) =>
    /^[A-Z]{3}$/.test(text) && isoMinorDigits(text) !== null
      ? null
      : "an ISO 4217 code in capitals, such as ZAR",
  timeZone: (text: string) =>
    isTimeZone(text) ? null : "an IANA name, such as Africa/Johannesburg",
  country: (text: string) =>
    isSupportedCountry(text) ? null : "an ISO 3166 code of two capitals, such as ZA",
  /** Where to listen, such as 127.0.0.1:8080 or [::1]:8080. */
  listen: (text: string) =>
    readListen(text) === null ? "an address and a port, such as 127.0.0.1:8080" : null,
  minorDigits: (text: string) => (/^[0-4]$/.test(text) ? null : "a number from 0 to 4"),
} as const;

/** What `init` makes: the bank for ever, and what its configuration and keys are at first. */
export type NewBank = BankIdentity & {
  /** Where its server listens; as by default where it is not said. */
  readonly listen?: Listen;
  /** Whether the signature secret was generated here, and Clickatell has yet to get it. */
  readonly handOver?: boolean;
};

/** True where a folder holds anything that `init` would not have made. */
export function holdsForeignFiles(folder: string): boolean {
  return readdirSync(folder).some((name) => !isOwnFile(name));
}

/** Throws CannotOpen where a bank cannot be made; changes nothing. */
export function assertVacant(dataDir: string): void {
  if (!existsSync(dataDir)) return;
  if (holdsForeignFiles(dataDir)) {
    throw new CannotOpen(`${dataDir} is not empty: name a folder that is, or does not exist`);
  }
  const shared = sharedDatabaseOf(dataDir, readConfig(dataDir));
  if (shared === null) assertNoBank(dataDir);
  else if (onDatabase(placeOf(shared), versionOf) !== 0) {
    throw new CannotOpen(
      `${dataDir} is of a bank already, in the database that its config.toml names`,
    );
  }
}

/** A PostgreSQL database for the bank: as its appliances use it, and as whoever makes the tables. */
export type SharedPlace = {
  /** What stands in config.toml. */
  readonly database: string;
  /** SECRET. The serving role's; null where it needs none. */
  readonly password: string | null;
  readonly owner: { readonly address: Address; readonly password: string | null };
};

const OWNER = {
  name: "transact-bank init",
  from: "--database-owner",
  passwordFrom: "--database-owner-password-file",
};

/** The same database as the role sees it that serves. */
const servingPlace = ({ database, password }: SharedPlace): Place => ({
  ...{ address: readAddress(database), password, name: OWNER.name },
  from: "--database",
  passwordFrom: "--database-password-file",
});

/** Throws CannotOpen where the two roles do not come into one database; gives the owner's. */
export function ownerPlace(shared: SharedPlace): Place {
  const serving = onDatabase(servingPlace(shared), identityOf);
  const owner: Place = { ...OWNER, ...shared.owner };
  if (onDatabase(owner, identityOf) === serving) return owner;
  throw new CannotOpen("--database and --database-owner lead to two databases: name one");
}

/** Throws CannotOpen where no bank can be made in a database; changes nothing. */
export function assertSharedVacant(shared: SharedPlace): void {
  const owner = ownerPlace(shared);
  onDatabase(owner, (db) => assertEmptyDatabase(db, owner));
}

/**
 * Makes the bank. `signatureSecret` makes signatures required; `shared` makes it in a database
 * elsewhere. Throws CannotOpen where the folder holds a bank or anything else, or the database does.
 */
export function initBank(
  dataDir: string,
  bank: NewBank,
  signatureSecret: string | null,
  shared: SharedPlace | null = null,
): void {
  assertVacant(dataDir);
  if (shared !== null) assertSharedVacant(shared);
  makeFolderDurably(dataDir);
  // An empty folder that was there before may be open to others.
  chmodSync(dataDir, 0o700);
  const createdAt = Date.now();
  const prepare = () => {
    const pinKey = createKeys(dataDir);
    if (signatureSecret !== null) {
      const secret = { current: signatureSecret, previous: null, rotatedAt: createdAt };
      writeSecret(dataDir, "signature", secret);
    }
    writeHandover(dataDir, bank.handOver === true ? signatureSecret : null);
    if (shared?.password != null) writeDatabasePassword(dataDir, shared.password);
    const database = shared?.database ?? null;
    const config = newConfigText({ requireSignature: signatureSecret !== null, database, ...bank });
    writeFileDurably(join(dataDir, CONFIG_FILE), config);
    return { pinKeyCheck: pinKeyCheck(pinKey) };
  };
  if (shared === null) {
    createDatabase(dataDir, { ...bank, createdAt }, prepare);
  } else {
    const { user: servingRole } = readAddress(shared.database);
    createSharedBank({ ...OWNER, ...shared.owner }, () => ({
      ...prepare(),
      bank: { ...bank, createdAt },
      servingRole,
    }));
  }
}
