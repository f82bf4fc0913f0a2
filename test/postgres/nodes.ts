// Two appliances of one bank on a PostgreSQL: the data dir that init made, and one that joined it.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Ran, run } from "../cli/run.ts";
import { type BankServer, OWNER, SERVING } from "./roles.ts";

export const PASSPHRASE = "correct horse battery";

export type Appliances = {
  readonly folder: string;
  /** Files with the two roles' passwords and the passphrase of the exported keys. */
  readonly files: { readonly serving: string; readonly owner: string; readonly passphrase: string };
  readonly urls: { readonly serving: string; readonly owner: string };
  readonly database: string;
  readonly dataDirs: readonly [first: string, second: string];
  /** Runs a command on one of them; `~` stands for a blank inside a word. */
  run(node: 0 | 1, line: string, stdin?: string): Promise<Ran>;
  remove(): void;
};

const words = (line: string) => line.split(" ").map((word) => word.replaceAll("~", " "));

export async function startAppliances(bank: BankServer): Promise<Appliances> {
  const folder = mkdtempSync(join(tmpdir(), "transact-bank-shared-"));
  const database = await bank.newDatabase();
  const fileOf = (name: string, content: string): string => {
    const file = join(folder, name);
    writeFileSync(file, `${content}\n`, { mode: 0o600 });
    return file;
  };
  const files = {
    serving: fileOf("serving", SERVING.password),
    owner: fileOf("owner", OWNER.password),
    passphrase: fileOf("passphrase", PASSPHRASE),
  };
  const urls = { serving: bank.url(SERVING.role, database), owner: bank.url(OWNER.role, database) };
  const dataDirs = [join(folder, "first"), join(folder, "second")] as const;
  const appliances: Appliances = {
    ...{ folder, files, urls, database, dataDirs },
    run: (node, line, stdin = "") =>
      run(words(line), { stdin, env: { TRANSACT_BANK_DATA_DIR: dataDirs[node], HOME: folder } }),
    remove: () => rmSync(folder, { recursive: true }),
  };
  const must = async (node: 0 | 1, line: string) => {
    const ran = await appliances.run(node, line);
    if (ran.exit !== 0) throw new Error(`${line} ended with ${ran.exit}: ${ran.err}`);
  };
  const password = `--database-password-file ${files.serving}`;
  await must(
    0,
    "init --no-input --bank-code ACME --currency ZAR --time-zone Africa/Johannesburg --country ZA " +
      `--database ${urls.serving} ${password} ` +
      `--database-owner ${urls.owner} --database-owner-password-file ${files.owner}`,
  );
  const keys = join(folder, "keys.age");
  await must(0, `secrets export --output ${keys} --passphrase-file ${files.passphrase}`);
  await must(
    1,
    `join ${urls.serving} ${password} --keys ${keys} --passphrase-file ${files.passphrase}`,
  );
  return appliances;
}
