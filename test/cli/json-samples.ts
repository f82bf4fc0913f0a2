// Every command with --json, run on a bank in which each has something to say: what its documents
// hold, as paths and types.
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EXIT } from "../../cli/failure.ts";
import { startServer } from "../binary/program.ts";
import { canLogIn, runAs } from "./logins.ts";
import { type Ran, run, type TestBank, words } from "./run.ts";

export type Sample = {
  readonly line: string;
  readonly stdin?: string;
  /** The login of who runs it, where that matters. */
  readonly as?: number;
  readonly before?: (dataDir: string) => void;
  /** Runs while one of the two banks is served. */
  readonly served?: "bank" | "demo";
};

const [THANDI, SIPHO] = [1000, 1001];

/** In this order each has something to show or to change. */
export const SAMPLES: readonly Sample[] = [
  {
    line: "init --no-input --data-dir FOLDER/new --bank-code ACME --currency ZAR --country ZA --time-zone UTC",
  },
  { line: "init --demo --data-dir FOLDER/demo" },
  { line: "accounts list" },
  { line: "accounts show 62-0001" },
  { line: "accounts statement 62-0001 --from 2026-03-01 --to 2026-03-31" },
  { line: "accounts add 62-0002 --name Sipho --balance 500 --overdraft 10" },
  { line: "accounts import FOLDER/accounts.csv --yes" },
  { line: "accounts status 62-0002 active" },
  { line: "accounts overdraft 62-0002 20.00 --reason agreed" },
  { line: "accounts credit 62-0001 100.00 --yes --reason slip" },
  { line: "accounts debit 62-0001 1.00 --yes --reason slip" },
  { line: "accounts map 27825550103 62-0002" },
  { line: "accounts map 27825550103 62-0001 --yes" },
  { line: "accounts unmap 27825550103 --yes" },
  { line: "accounts block-buyer 27825550103" },
  { line: "accounts unblock-buyer 27825550103" },
  { line: "accounts set-pin 62-0001", stdin: "4321\n" },
  { line: "accounts unlock-pin 62-0001" },
  { line: "accounts remove-pin 62-0001 --yes" },
  { line: "limits set --max 2000.00" },
  { line: "limits set --account 62-0001 --day-amount 4000.00" },
  {
    line: "limits set --product 110 --min 5.00 --day-count 9 --month-amount 9000.00 --month-count 90",
  },
  { line: "limits show" },
  { line: "limits test --from 2026-03-01 --to 2026-03-31" },
  { line: "limits test --max 10.00 --from 2026-03-01 --to 2026-03-31" },
  { line: "limits unset --account 62-0001" },
  { line: "reports exceptions --as-of 2026-06-01 --mark-sent" },
  { line: "status" },
  { line: "find 0731304702 --from 2026-03-01" },
  { line: "find raas-late" },
  { line: "find 62-0001" },
  { line: "reservations list" },
  { line: "reservations list --state declined --from 2026-03-01" },
  { line: "accounts statement @clickatell --from 2026-03-01 --to 2026-03-31" },
  { line: "reservations show raas-late" },
  { line: "findings list" },
  { line: "findings show 1" },
  { line: "reservations debit raas-late --yes --reason ticket" },
  { line: "reservations release raas-open --yes --reason ticket" },
  { line: "findings close 2 --reason ticket" },
  { line: "findings list --all" },
  { line: "findings show 2" },
  { line: "find raas-late" },
  { line: "reservations show raas-late" },
  { line: "holidays import --country ZA --year 2026" },
  { line: "holidays add 2026-11-04 --name Election" },
  { line: "holidays list" },
  { line: "holidays remove 2026-11-04" },
  { line: "reports exceptions --as-of 2026-06-01" },
  { line: "reports exceptions" },
  { line: "reports settlement --from 2026-03-01 --to 2026-03-31" },
  { line: "reports activity --from 2026-03-01 --to 2026-03-31" },
  { line: "reports balances" },
  { line: "settlement pay 1.00 --reason EFT" },
  { line: "journal list" },
  { line: "receipts list" },
  { line: "receipts show 1" },
  { line: "sales pause --reason maintenance" },
  { line: "config show" },
  { line: "status" },
  { line: "sales resume" },
  { line: "secrets rotate", stdin: "one\n" },
  { line: "secrets list" },
  { line: "secrets rotate", stdin: "two\n" },
  { line: "secrets retire" },
  { line: "secrets export --output FOLDER/keys.age", stdin: "correct horse battery\n" },
  { line: "secrets import FOLDER/keys.age --yes", stdin: "correct horse battery\n" },
  { line: "receipts prune --older-than 30d --archive FOLDER/receipts.jsonl.gz --yes" },
  { line: "status" },
  { line: "status", served: "bank" },
  { line: "doctor" },
  { line: "verify" },
  { line: "backup new-key --output FOLDER/backup.key" },
  { line: "backup create --folder FOLDER/backups" },
  { line: "backup create" },
  { line: "status" },
  { line: "backup list --folder FOLDER/backups" },
  { line: "backup verify BACKUP" },
  { line: "backup restore BACKUP --replace ACME --yes" },
  { line: "restore record --from 2020-01-01 --reason lost" },
  { line: "restore acknowledge --reason compared" },
  { line: "upgrade --check" },
  { line: "upgrade" },
  { line: "service print --data-dir /var/lib/transact-bank" },
  { line: "simulate URL --demo --yes", served: "demo" },
  { line: "version" },
  {
    line: "limits set --max 3000.00",
    as: THANDI,
    before: (dataDir) =>
      appendFileSync(join(dataDir, "config.toml"), 'dual_control = ["limits"]\n'),
  },
  { line: "limits set --max 4000.00 --reason Easter", as: THANDI },
  { line: "approvals list" },
  { line: "approvals show 1" },
  { line: "approvals show 2" },
  { line: "approvals approve 1 --yes --reason seen", as: SIPHO },
  { line: "approvals reject 2 --yes --reason no", as: SIPHO },
  { line: "approvals list --all" },
  { line: "approvals show 1" },
];

/** Commands without a document, and why. */
export const WITHOUT: Readonly<Record<string, string>> = {
  serve: "serves until it is stopped",
  join: "needs a PostgreSQL; its document is {dataDir, bank, dualControl, signatureRequired}",
  man: "prints the manual page",
  completion: "prints a shell's script",
  openapi: "prints the OpenAPI document itself",
  "migrate-to": "needs a PostgreSQL server; its document is {moved, rows, record, leftBehind}",
  "migrate-from": "needs a PostgreSQL server; its document is that of migrate-to",
  "service install": "changes the machine; its document is {unit, user, dataDir, ...}",
  "service uninstall": "changes the machine; its document is {unit, removed}",
};

/** Where a value stands in a document, and the types it had there. */
export type Fields = ReadonlyMap<string, ReadonlySet<string>>;

const typeOf = (value: unknown): string =>
  value === null ? "null" : Array.isArray(value) ? "list" : typeof value;

function* fieldsOf(value: unknown, path: string): Iterable<readonly [path: string, type: string]> {
  if (path !== "") yield [path, typeOf(value)];
  if (Array.isArray(value)) for (const item of value) yield* fieldsOf(item, `${path}[]`);
  else if (value !== null && typeof value === "object") {
    for (const [key, inner] of Object.entries(value)) {
      yield* fieldsOf(inner, path === "" ? key : `${path}.${key}`);
    }
  }
}

const WELL: readonly number[] = [EXIT.done, EXIT.findings, EXIT.awaitingApproval];

type Places = { readonly bank: TestBank; readonly backup: string };

async function runSample(sample: Sample, { bank, backup }: Places): Promise<Ran> {
  const folder = join(bank.dataDir, "..");
  const servedDir = sample.served === "demo" ? join(folder, "demo") : bank.dataDir;
  const server = sample.served === undefined ? null : await startServer(servedDir, {});
  const line = sample.line
    .replaceAll("FOLDER", folder)
    .replaceAll("BACKUP", backup)
    .replaceAll("URL", server?.url ?? "");
  try {
    return await runLine(sample, line, bank.dataDir);
  } finally {
    await server?.stop();
  }
}

function runLine(sample: Sample, line: string, dataDir: string): Promise<Ran> {
  const args = [...words(line), "--json"];
  const { stdin = "", as } = sample;
  sample.before?.(dataDir);
  if (as !== undefined) return runAs(as, args, { dataDir, stdin });
  const namesItself = line.includes("--data-dir") || line.startsWith("simulate");
  return run(args, { stdin, env: namesItself ? {} : { TRANSACT_BANK_DATA_DIR: dataDir } });
}

/** Runs them all; gives what each command's documents hold. */
export async function runSamples(bank: TestBank, commandOf: (line: string) => string) {
  writeFileSync(
    join(bank.dataDir, "..", "accounts.csv"),
    "number,name,balance,buyers\n62-0003,Lerato,5.00,CIF3\n",
  );
  const found = new Map<string, Map<string, Set<string>>>();
  let backup = "";
  for (const sample of SAMPLES) {
    if (sample.as !== undefined && !canLogIn()) break;
    const ran = await runSample(sample, { bank, backup });
    if (!WELL.includes(ran.exit))
      throw new Error(`${sample.line} ended with ${ran.exit}: ${ran.err}`);
    // Its document is the request, as approvals show has it.
    if (ran.exit === EXIT.awaitingApproval) continue;
    const document = JSON.parse(ran.out) as { file?: string };
    if (sample.line.startsWith("backup create")) backup = document.file ?? "";
    const command = commandOf(sample.line);
    const fields = found.get(command) ?? new Map<string, Set<string>>();
    found.set(command, fields);
    for (const [path, type] of fieldsOf(document, "")) {
      fields.set(path, (fields.get(path) ?? new Set()).add(type));
    }
  }
  return found as ReadonlyMap<string, Fields>;
}
