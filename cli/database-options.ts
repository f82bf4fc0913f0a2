// Where the bank's database is, where that is a PostgreSQL that several appliances share: options and
// questions. Passwords come from files, a pipe or a hidden prompt, never from an address.
import * as clack from "@clack/prompts";
import type { Command } from "commander";
import { messageOf } from "../src/errors.ts";
import type { SharedPlace } from "../src/init.ts";
import { type Address, readAddress } from "../src/storage/postgres/address.ts";
import { Failure } from "./failure.ts";
import { readSecretFile } from "./input.ts";

export type DatabaseOptions = {
  readonly database?: string;
  readonly databasePasswordFile?: string;
  readonly databaseOwner?: string;
  readonly databaseOwnerPasswordFile?: string;
};

const PASSWORD_FILE = "--database-password-file";
const OWNER = "--database-owner";
const OWNER_PASSWORD_FILE = "--database-owner-password-file";

/** What names the owner's role and its password, for what is said of them. */
export const OWNER_OPTIONS = { from: OWNER, passwordFrom: OWNER_PASSWORD_FILE } as const;

export const addPasswordOption = (command: Command): Command =>
  command.option(`${PASSWORD_FILE} <file>`, "holds that role's password; - is standard input");

/** The role that makes and changes tables, which no server has. */
export const addOwnerOptions = (command: Command): Command =>
  command
    .option(
      `${OWNER} <url>`,
      "the same database for the role that owns the tables (default: the same role)",
    )
    .option(`${OWNER_PASSWORD_FILE} <file>`, "holds that one's password, which is not kept");

/** An address as an option has it, or a usage error that does not repeat it: a password may be in it. */
export function addressOf(text: string, option: string): Address {
  try {
    return readAddress(text);
  } catch (error) {
    throw new Failure("usage", `${option} must be ${messageOf(error)}`);
  }
}

/** Standard input holds one secret alone. */
export function refuseTwoPipes(files: { readonly [option: string]: string | undefined }): void {
  const piped = Object.entries(files).filter(([, file]) => file === "-");
  if (piped.length < 2) return;
  const which = piped.map(([option]) => option).join(" and ");
  throw new Failure("usage", `${which} cannot both read standard input: name a file for one`);
}

/** A password of a file or, on a terminal, of the person; null where the role needs none. */
export async function passwordOf(
  file: string | undefined,
  { option, user, asking }: { option: string; user: string; asking: boolean },
): Promise<string | null> {
  if (file !== undefined) return readSecretFile(file, option);
  if (!asking) return null;
  const password = await clack.password({
    message: `The password of the database's role ${user} (not shown; Enter: none)`,
  });
  if (clack.isCancel(password)) throw new Failure("failed", "cancelled: nothing was made");
  return password || null;
}

export const servingPassword = (
  { databasePasswordFile: file }: DatabaseOptions,
  { user }: Address,
  asking: boolean,
): Promise<string | null> => passwordOf(file, { option: PASSWORD_FILE, user, asking });

async function ownerUrl(options: DatabaseOptions, url: string, asking: boolean): Promise<string> {
  if (options.databaseOwner !== undefined || !asking) return options.databaseOwner ?? url;
  const answer = await clack.text({
    message: "The same database for the role that makes the tables? (Enter: the same role)",
    initialValue: url,
    validate: (text = "") => {
      try {
        readAddress(text);
        return undefined;
      } catch (error) {
        return `It must be ${messageOf(error)}`;
      }
    },
  });
  if (clack.isCancel(answer)) throw new Failure("failed", "cancelled: nothing was made");
  return answer;
}

/** The owner's role of a database whose serving role and password are known. */
export async function ownerOf(
  options: DatabaseOptions,
  serving: { readonly url: string; readonly password: string | null },
  asking: boolean,
): Promise<SharedPlace["owner"]> {
  const address = addressOf(await ownerUrl(options, serving.url, asking), OWNER);
  const { databaseOwnerPasswordFile: file } = options;
  if (file === undefined && address.user === readAddress(serving.url).user) {
    return { address, password: serving.password };
  }
  const { user } = address;
  const password = await passwordOf(file, { option: OWNER_PASSWORD_FILE, user, asking });
  return { address, password };
}

/** The database that the flags name and, on a terminal, what the person adds; null where they name none. */
export async function sharedPlaceOf(
  options: DatabaseOptions,
  asking: boolean,
): Promise<SharedPlace | null> {
  const { database, databasePasswordFile, databaseOwner, databaseOwnerPasswordFile } = options;
  const files = {
    [PASSWORD_FILE]: databasePasswordFile,
    [OWNER_PASSWORD_FILE]: databaseOwnerPasswordFile,
  };
  if (database === undefined) {
    const given = Object.entries({ ...files, [OWNER]: databaseOwner }).find(([, value]) => value);
    if (given === undefined) return null;
    throw new Failure("usage", `${given[0]} belongs to --database, which is missing`);
  }
  refuseTwoPipes(files);
  const password = await servingPassword(options, addressOf(database, "--database"), asking);
  const owner = await ownerOf(options, { url: database, password }, asking);
  return { database, password, owner };
}
