// secrets export and import: all of keys/ in one file under a passphrase, which no backup holds.
import { existsSync } from "node:fs";
import { type Command, Option } from "commander";
import { secretsSeen } from "../src/approvals.ts";
import { openBank } from "../src/bank.ts";
import { writeFileDurably } from "../src/files.ts";
import { exportKeys, readKeyExport, SHORTEST_PASSPHRASE } from "../src/key-export.ts";
import { keyTexts, pinKeyIn, withoutTrailingNewline, writeKeyTexts } from "../src/keys.ts";
import { perform } from "./control.ts";
import { refuseOfBank } from "./deliver.ts";
import { Failure } from "./failure.ts";
import { fileOnDisk, readInput, readSecretFile } from "./input.ts";
import { note } from "./output.ts";
import { askPassphrase, canAsk, confirm } from "./prompt.ts";
import {
  type Answer,
  type CommonOptions,
  command,
  dataDirOf,
  printAnswer,
  type Session,
  typedAction,
  withBank,
} from "./session.ts";
import { whoIsIt } from "./who.ts";

export type PassphraseOption = { readonly passphraseFile?: string };

export const passphraseOption = () =>
  new Option("--passphrase-file <file>", "holds it; else a hidden prompt or standard input");

export async function readPassphrase(
  { passphraseFile: file, json }: PassphraseOption & { readonly json?: boolean },
  isNew: boolean,
): Promise<string> {
  if (file !== undefined) return readSecretFile(file, "--passphrase-file");
  if (canAsk({ json: json === true })) return askPassphrase(isNew);
  if (process.stdin.isTTY === true) throw new Failure("usage", "--passphrase-file is missing");
  return withoutTrailingNewline(await Bun.stdin.text());
}

export function registerExport(secrets: Command): void {
  command(secrets, {
    form: "export",
    summary: "Write all of keys/ to one file under a passphrase, to be kept elsewhere",
    kind: "write",
    examples: [
      "secrets export --output ./acme-keys.age",
      "secrets export --output ./acme-keys.age --passphrase-file ./passphrase",
    ],
  })
    .requiredOption("--output <file>", "the new file, mode 0600; age opens it as well")
    .addOption(passphraseOption())
    .action(
      withBank<[], PassphraseOption & { output: string }>(async (session, _, options) => {
        const { bank, dataDir, json, dryRun } = session;
        const output = fileOnDisk(options.output, "--output");
        if (existsSync(output)) {
          throw new Failure("refused", `${output} is there: name another file`);
        }
        refuseOfBank(output);
        const { passphraseFile } = options;
        const passphrase = await readPassphrase(
          { json, ...(passphraseFile && { passphraseFile }) },
          true,
        );
        if (passphrase.length < SHORTEST_PASSPHRASE) {
          throw new Failure(
            "usage",
            `the passphrase has fewer than ${SHORTEST_PASSPHRASE} characters`,
          );
        }
        const names = Object.keys(keyTexts(dataDir));
        const file = await exportKeys(dataDir, bank.code, passphrase);
        const args = { keys: names, seen: secretsSeen(dataDir), output };
        const sealed = { file: file.toBase64() };
        return perform(session, { act: "secrets export", args, sealed }, () => {
          if (!dryRun) writeFileDurably(output, file);
          return {
            json: { file: output, keys: names },
            text: () =>
              `Written to ${output}: ${names.join(", ")}.\n` +
              "Keep it and its passphrase in two places, neither of them this machine.",
          };
        });
      }),
    );
}

export function registerImport(secrets: Command): void {
  command(secrets, {
    form: "import <file>",
    summary: "Put back the keys of an export, after a restore or a rotation on another appliance",
    kind: "write",
    examples: [
      "secrets import ./acme-keys.age --data-dir ./bank",
      "secrets import - --passphrase-file ./passphrase --yes < ./acme-keys.age",
    ],
  })
    .addOption(passphraseOption())
    .action(
      typedAction<[string], PassphraseOption>(async ([file], options) => {
        const dataDir = dataDirOf(options);
        if (options.json !== true) note(`data dir: ${dataDir}`);
        printAnswer(await importKeys(dataDir, file, options), options);
      }),
    );
}

/** Opens the bank with the imported PIN key, which must be the one that its PINs were hashed with. */
async function importKeys(
  dataDir: string,
  file: string,
  options: PassphraseOption & CommonOptions,
): Promise<Answer> {
  const bytes = readInput(file, "FILE");
  const { keys, bankCode } = await readKeyExport(bytes, await readPassphrase(options, false));
  const dryRun = options.dryRun === true;
  // What was approved before this goes before it.
  const opened = openBank(dataDir, { dryRun, pinKey: pinKeyIn(keys) });
  try {
    const { store, config } = opened;
    const bank = store.bank();
    const { code } = bank;
    if (code !== bankCode) {
      throw new Failure("refused", `it holds the keys of bank ${bankCode}, this is bank ${code}`);
    }
    const now = keyTexts(dataDir);
    const replaced = Object.keys(keys).filter((name) => (now[name] ?? keys[name]) !== keys[name]);
    const asking = { json: options.json === true, yes: options.yes === true || dryRun };
    if (replaced.length > 0) {
      await confirm(asking, `${replaced.join(", ")} would be replaced by the export's. Go on?`);
    }
    const names = Object.keys(keys);
    const by = whoIsIt(options.reason ?? null);
    const session: Session = { store, config, bank, dataDir, by, dryRun, ...asking };
    const args = { keys: names, seen: secretsSeen(dataDir) };
    return perform(session, { act: "secrets import", args, sealed: { keys } }, () => {
      if (!dryRun) writeKeyTexts(dataDir, keys);
      return {
        json: { keys: names, replaced },
        text: () => `In keys/ now: ${names.join(", ")}. pin.key is this bank's.`,
      };
    });
  } finally {
    opened.close();
  }
}
