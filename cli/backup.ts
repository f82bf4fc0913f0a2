// backup: copies of the bank that are verified, and the way back from one.
import { existsSync } from "node:fs";
import { constants, setPriority, tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { type Command, Option } from "commander";
import { type Backup, backupFolder, backupKeys, createBackup } from "../src/backup/create.ts";
import { problemsOf } from "../src/backup/examine.ts";
import {
  type BackupFile,
  backupsIn,
  isEncrypted,
  type Manifest,
  manifestOf,
} from "../src/backup/format.ts";
import { newKeyFile, readKeyFile } from "../src/backup/key-file.ts";
import { type Restored, restoreBackup, targetOf } from "../src/backup/restore.ts";
import { removeExpired } from "../src/backup/schedule.ts";
import { verifyBackup } from "../src/backup/verify.ts";
import { type Config, ConfigError, DEFAULT_CONFIG, readConfig } from "../src/config.ts";
import { isoTime, localTimeText } from "../src/domain/local-time.ts";
import { writeFileDurably } from "../src/files.ts";
import { DATABASE_FILE } from "../src/storage/sqlite/open.ts";
import { bytesText } from "../src/units.ts";
import { describe, EXIT, Failure } from "./failure.ts";
import { fileOnDisk } from "./input.ts";
import { facts, note, table } from "./output.ts";
import { canAsk, confirmByName } from "./prompt.ts";
import {
  type Answer,
  assertOwnDatabase,
  type CommonOptions,
  command,
  dataDirOf,
  group,
  printAnswer,
  type Session,
  typedAction,
  unwrap,
  withBank,
  withoutBank,
} from "./session.ts";
import { whoIsIt } from "./who.ts";

type KeyOption = { readonly keyFile?: string };
type CreateOptions = KeyOption & { readonly folder?: string; readonly scheduled?: true };

const KEY_FILE = "--key-file <file>";

/**
 * Beside a server the answers come first: this may take a little longer. Not while the copy is made:
 * the longer that takes, the longer the write-ahead log grows.
 */
function giveWay(): void {
  try {
    setPriority(constants.priority.PRIORITY_LOW);
  } catch {
    // A service may be forbidden to; it works all the same.
  }
}

const headText = ({ record, hash }: Manifest["journalHead"]) => `${record}:${hash}`;

function manifestJson(manifest: Manifest) {
  const { program, schemaVersion, bankCode, createdAt, journalHead, files } = manifest;
  return { program, schemaVersion, bankCode, createdAt, journalHead, files };
}

function backupJson({ file, size, sha256, encrypted, manifest }: Backup) {
  return { file, sizeBytes: size, sha256, encrypted, ...manifestJson(manifest) };
}

function backupText({ file, size, sha256, encrypted, manifest }: Backup): string {
  return [
    facts([
      ["Backup", file],
      ["Size", `${bytesText(size)}${encrypted ? ", encrypted" : ""}`],
      ["SHA-256", sha256],
      ["Journal's head", headText(manifest.journalHead)],
    ]),
    "",
    "Verified. keys/ is in no backup: keep them apart (transact-bank secrets export).",
  ].join("\n");
}

async function makeScheduled({ dataDir, config, store }: Session): Promise<Backup> {
  try {
    return await createBackup({ dataDir, config, onCopied: giveWay });
  } catch (error) {
    unwrap(store.backupFailed(describe(error).message));
    throw error;
  }
}

/** What would be made: where, and whether encrypted; its size and checksum only the deed shows. */
async function plannedBackup(
  { dataDir, config }: Session,
  named: { readonly folder: string | undefined; readonly keyFile: string | undefined },
): Promise<Answer> {
  const source = { dataDir, config, ...named };
  const folder = backupFolder(source);
  const encrypted = (await backupKeys(source)) !== null;
  return {
    json: { folder, encrypted },
    text: () =>
      facts([
        ["Backup", `a new one in ${folder}`],
        ["Encrypted", encrypted ? "yes" : "no"],
      ]),
  };
}

function addCreate(backup: Command): void {
  command(backup, {
    form: "create",
    summary: "Make a verified backup now, also while the server runs",
    kind: "make",
    examples: ["backup create", "backup create --folder /mnt/usb --key-file ./backup.recipient"],
  })
    .option("--folder <folder>", "where to put it; config.toml's, or backups in the data dir")
    .option(KEY_FILE, "encrypt it to the age recipients in this file; config.toml's, or none")
    // Of the server alone: a failure becomes a finding, a success removes what is no longer kept.
    .addOption(new Option("--scheduled").hideHelp())
    .action(
      withBank<[], CreateOptions>(async (session, _, { folder, keyFile, scheduled }) => {
        const { dataDir, config, store, by, bank } = session;
        assertOwnDatabase(config, BY_POSTGRES);
        if (session.dryRun) return plannedBackup(session, { folder, keyFile });
        const source = { dataDir, config, folder, keyFile, onCopied: giveWay };
        const made = await (scheduled ? makeScheduled(session) : createBackup(source));
        if (folder === undefined) unwrap(store.backupMade(by, basename(made.file)));
        if (scheduled) removeExpired(dataDir, config, bank);
        return { json: backupJson(made), text: () => backupText(made) };
      }),
    );
}

function listTable(backups: readonly BackupFile[], timeZone: string, folder: string): string {
  if (backups.length === 0) return `No backups in ${folder}.`;
  return table(
    [
      { title: "Made" },
      { title: "Size", align: "right" },
      { title: "Encrypted" },
      { title: "File", whole: true },
    ],
    backups.map(({ createdAt, size, encrypted, file }) => [
      localTimeText(createdAt, timeZone),
      bytesText(size),
      encrypted ? "yes" : "no",
      basename(file),
    ]),
  );
}

function addList(backup: Command): void {
  command(backup, {
    form: "list",
    summary: "List the bank's backups, the newest first",
    kind: "read",
    examples: ["backup list", "backup list --folder /mnt/usb --json"],
  })
    .option("--folder <folder>", "where they are; config.toml's, or backups in the data dir")
    .action(
      withBank<[], { folder?: string }>(({ dataDir, config, bank }, _, { folder: named }) => {
        // Those in a folder that is named may be from before the bank was moved.
        if (named === undefined) assertOwnDatabase(config, BY_POSTGRES);
        const folder = backupFolder({ dataDir, config, folder: named });
        const backups = backupsIn(folder, bank.code);
        return {
          json: backups.map(({ file, bankCode, createdAt, encrypted, size }) => ({
            file,
            bankCode,
            createdAt: isoTime(createdAt),
            encrypted,
            sizeBytes: size,
          })),
          text: () => listTable(backups, bank.timeZone, folder),
        };
      }),
    );
}

/** The keys named, or those of a data dir that is named, whose config.toml nothing else is asked of. */
async function keysFor(file: string, { keyFile, dataDir }: KeyOption & CommonOptions) {
  if (!isEncrypted(file)) return null;
  if (keyFile !== undefined) return readKeyFile(resolve(keyFile));
  if (dataDir === undefined || !existsSync(dataDir)) return null;
  return backupKeys({ dataDir: resolve(dataDir), config: readConfig(resolve(dataDir)) });
}

function addVerify(backup: Command): void {
  command(backup, {
    form: "verify <file>",
    summary: "Check a backup's checksums and the bank's books in it; exits 6 if a row is off",
    kind: "read",
    examples: [
      "backup verify /var/lib/transact-bank/backups/ACME-20260302T000000000Z.tar.zst",
      "backup verify ./ACME-20260302T000000000Z.tar.zst.age --key-file ./backup.key",
    ],
  })
    .option(KEY_FILE, "its secret key, where it is encrypted")
    .addOption(
      new Option("--work-folder <folder>", "room for what is in it, in clear").default(
        tmpdir(),
        "the system's for temporary files",
      ),
    )
    .action(
      typedAction<[string], KeyOption & { workFolder: string }>(async ([file], options) => {
        giveWay();
        const keys = await keysFor(file, options);
        const { manifest, checks } = await verifyBackup(resolve(file), keys, options.workFolder);
        const problems = problemsOf(checks);
        const ok = problems.length === 0;
        const answer: Answer = {
          json: { ok, file: resolve(file), ...manifestJson(manifest), checks },
          text: () =>
            [
              facts([
                ["Backup", resolve(file)],
                ["Of bank", manifest.bankCode],
                ["Made at", manifest.createdAt],
                ["By version", manifest.program],
                ["Database", bytesText(manifest.files["bank.db"].size)],
                ["Journal's head", headText(manifest.journalHead)],
              ]),
              ...problems.map((line) => `OFF  ${line}`),
              "",
              ok ? "It is whole, and the books in it are right." : "The books in it are off.",
            ].join("\n"),
          exitCode: ok ? EXIT.done : EXIT.findings,
        };
        printAnswer(answer, options);
      }),
    );
}

function addNewKey(backup: Command): void {
  command(backup, {
    form: "new-key",
    summary: "Make the pair of key files that encrypted backups need",
    kind: "make",
    examples: ["backup new-key --output ./backup.key   # and ./backup.recipient"],
  })
    .requiredOption("--output <file>", "the secret file; the recipient's stands beside it")
    .action(
      withoutBank<{ output: string }>(async ({ output, dryRun }) => {
        const secret = fileOnDisk(output, "--output");
        const open = `${secret.replace(/\.key$/, "")}.recipient`;
        for (const file of [secret, open]) {
          if (existsSync(file)) throw new Failure("refused", `${file} is there: name another file`);
        }
        if (dryRun === true) {
          return {
            json: { keyFile: secret, recipientFile: open },
            text: () => `A new pair would stand in ${secret} and ${open}.`,
          };
        }
        const { text, recipient } = await newKeyFile(new Date().toISOString());
        writeFileDurably(secret, text);
        writeFileDurably(open, `${recipient}\n`);
        return {
          json: { keyFile: secret, recipientFile: open, recipient },
          text: () =>
            facts([
              ["Secret key", secret],
              ["Recipient", open],
            ]) +
            "\n\nKeep the secret key off this machine, and not only once: without it no backup can be " +
            "read.\nThe server needs the recipient alone (config.toml: backup.key_file).",
        };
      }),
    );
}

type RestoreOptions = KeyOption & { readonly replace?: string };

/** The code of the bank that is replaced is typed: nobody replaces the wrong one by habit. */
async function agreeToReplace(
  code: string,
  dataDir: string,
  options: RestoreOptions & CommonOptions,
): Promise<void> {
  const what = `${dataDir} holds bank ${code}, which would be replaced (its files are moved aside)`;
  if (options.replace !== undefined) {
    if (options.replace === code) return;
    throw new Failure("refused", `${what}; --replace names another bank: nothing was changed`);
  }
  if (options.dryRun === true) return;
  if (!canAsk({ json: options.json === true })) {
    throw new Failure("refused", `${what}: name another --data-dir, or add --replace ${code}`);
  }
  await confirmByName({ json: false, yes: false }, `${what}.`, code);
}

function restoredText({ manifest, from, to, movedTo, keys }: Restored, dataDir: string): string {
  const pinKey =
    keys === "there"
      ? "keys/ is there; serve checks that it is this bank's."
      : "keys/ is missing, as in every backup: transact-bank secrets import, or copy it.";
  return [
    facts([
      ["Bank", manifest.bankCode],
      ["In", dataDir],
      ["Forgotten from", isoTime(from)],
      ["until", isoTime(to)],
      ["Journal ends with", headText(manifest.journalHead)],
      ...(movedTo === null ? [] : [["Before it", `moved to ${movedTo}`] as const]),
    ]),
    "",
    pinKey,
    "Results are taken as always. Every reserve is answered 2090 until somebody has",
    "looked at what is forgotten: transact-bank restore acknowledge --reason TEXT",
    `Records after ${manifest.journalHead.record} that the bank's own books took are no longer in the`,
    `journal; go on there with: transact-bank journal list --after ${manifest.journalHead.record}`,
  ].join("\n");
}

function addRestore(backup: Command): void {
  command(backup, {
    form: "restore <file>",
    summary: "Put a verified backup into a new data dir, or in the place of a bank",
    kind: "write",
    examples: [
      "backup restore ./ACME-20260302T000000000Z.tar.zst --data-dir ./bank",
      "backup restore ./ACME-20260302T000000000Z.tar.zst.age --key-file ./backup.key",
      "backup restore ./ACME-20260302T000000000Z.tar.zst --replace ACME",
    ],
  })
    .option(KEY_FILE, "its secret key, where it is encrypted")
    .option("--replace <code>", "the code of the bank in the data dir, which is moved aside")
    .action(
      typedAction<[string], RestoreOptions>(async ([file], options) => {
        const dataDir = dataDirOf(options);
        const dryRun = options.dryRun === true;
        if (options.json !== true) note(`data dir: ${dataDir}`);
        assertOwnDatabase(readableConfig(dataDir), BY_POSTGRES);
        const keys = await keysFor(file, options);
        const { bankCode } = await manifestOf(resolve(file), keys);
        const target = targetOf(dataDir);
        if (target.kind === "foreign") {
          throw new Failure(
            "refused",
            `${dataDir} is not empty: name a folder that is, or is not there`,
          );
        }
        // Where its database cannot be read it is replaced by its own name, which is the backup's.
        if (target.kind === "bank") await agreeToReplace(target.code ?? bankCode, dataDir, options);
        const replace = target.kind === "bank";
        const by = whoIsIt(options.reason ?? null);
        const restored = await restoreBackup(resolve(file), dataDir, { keys, by, replace, dryRun });
        const answer: Answer = {
          json: {
            dataDir,
            ...manifestJson(restored.manifest),
            forgottenFrom: isoTime(restored.from),
            forgottenTo: isoTime(restored.to),
            movedTo: restored.movedTo,
            keys: restored.keys,
          },
          text: () => restoredText(restored, dataDir),
        };
        printAnswer(answer, options);
      }),
    );
}

const BY_POSTGRES =
  "have pgBackRest or pg_dump make and keep its backups (docs/cluster/README.md), and after one was " +
  "restored note it with restore record";

/** A damaged configuration says nothing, but where a database stands beside it that is the bank's. */
function readableConfig(dataDir: string): Config {
  try {
    return readConfig(dataDir);
  } catch (error) {
    if (error instanceof ConfigError && existsSync(join(dataDir, DATABASE_FILE))) {
      return DEFAULT_CONFIG;
    }
    throw error;
  }
}

export function register(program: Command): void {
  const backup = group(program, "backup", "Backups of the bank, and the way back from one");
  addCreate(backup);
  addList(backup);
  addVerify(backup);
  addRestore(backup);
  addNewKey(backup);
}
